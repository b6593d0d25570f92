/** The pair in a world where everything goes wrong, second half; and the checks, when it is broken. */

import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { SABOTAGES, type Sabotage } from "./sim/sabotage.ts";
import { testSeeds } from "./sim/seeds.ts";
import { simulate } from "./sim/world.ts";

/** Every mistake has to show within so many runs. */
const SEEDS_MAX = 600;

function isFound(seed: number, sabotage: Sabotage): boolean {
  try {
    return (
      simulate(seed, sabotage, null, sabotage.hasOther ? "other version" : "same program")
        .violations.length > 0
    );
  } catch {
    // What is broken badly enough throws.
    return true;
  }
}

testSeeds(1001, runs(1000));

describe("it is found that", () => {
  test.each(SABOTAGES.map((sabotage) => [sabotage.title, sabotage] as const))(
    "%s",
    (_title, sabotage) => {
      const first = sabotage.firstSeed ?? 1;
      let tries = 0;
      while (tries < SEEDS_MAX && !isFound(first + tries, sabotage)) tries++;
      expect(tries).toBeLessThan(SEEDS_MAX);
    },
  );
});

test("the same seed gives the same run", () => {
  for (const seed of [3, 11, 64]) {
    const runs = [0, 1].map(() => {
      const lines: string[] = [];
      const outcome = simulate(seed, null, (line) => lines.push(line));
      return JSON.stringify([outcome, lines]);
    });
    expect(runs[1]).toBe(runs[0]);
  }
});
