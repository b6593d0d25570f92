/** The same pair, whose standbys go on with what they had on disk when they begin again; see sim/standby-logs.ts. */

import { runs } from "../../../test/mode.ts";
import { testSeeds } from "./sim/seeds.ts";

testSeeds(4001, runs(400), "logs");
