/** The same pair, one side of which runs another program; see sim/other-version.ts. */

import { runs } from "../../../test/mode.ts";
import { testSeeds } from "./sim/seeds.ts";

testSeeds(2001, runs(400), "other version");
