/** The pair in a world where everything goes wrong, first half; see sim/world.ts. */

import { testSeeds } from "./sim/seeds.ts";

testSeeds(1, 1000);
