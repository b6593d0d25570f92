/** The same pair, whose standbys go on with what they had on disk when they begin again; see sim/standby-logs.ts. */

import { expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { testSeeds } from "./sim/seeds.ts";
import { simulate } from "./sim/world.ts";

testSeeds(4001, runs(400), "logs");

test("what comes at once of the bracket before an image is run once", () => {
  // An active that goes on writing brackets down while nobody follows is joined by a standby without any.
  expect(simulate(20349, null, null, "logs").violations).toEqual([]);
});
