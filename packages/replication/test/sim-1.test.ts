/** The pair in a world where everything goes wrong, first half; see sim/world.ts. */

import { runs } from "../../../test/mode.ts";
import { testSeeds } from "./sim/seeds.ts";

testSeeds(1, runs(1000));
