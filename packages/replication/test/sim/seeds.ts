/** Many runs of the simulator as tests, some at a time, so that files of them run side by side. */

import { expect, test } from "vitest";
import { type Kind, type Outcome, simulate } from "./world.ts";

const PER_TEST = 250;
const FLAGS: Readonly<Record<Kind, string>> = {
  ...{ "same program": "", "other version": " --other-version", logs: " --logs" },
};

/** Runs with nobody in a position to take over prove little. */
function worthOf(outcomes: readonly Outcome[]) {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((n, each) => n + of(each), 0);
  return {
    deviations: sum((each) => each.deviations),
    takeovers: sum((each) => each.takeovers),
    declared: sum((each) => each.declared),
    resumes: sum((each) => each.resumes),
    goneOn: sum((each) => each.goneOn),
  };
}

/** Runs the seeds `[from, from + count)`. */
export function testSeeds(from: number, count: number, kind: Kind = "same program"): void {
  for (let first = from; first < from + count; first += PER_TEST) {
    const last = Math.min(first + PER_TEST, from + count) - 1;
    test(`no peer sees anything in the runs ${first} to ${last}`, () => {
      const outcomes: Outcome[] = [];
      for (let seed = first; seed <= last; seed++) outcomes.push(simulate(seed, null, null, kind));
      const failed = outcomes.filter(({ violations }) => violations.length > 0);
      const shown = failed.map(({ seed, violations }) => `seed ${seed}: ${violations[0]}`);
      expect(shown, `see one with: npm run sim -- --seed N --trace${FLAGS[kind]}`).toEqual([]);
      const { takeovers, declared, resumes, deviations, goneOn } = worthOf(outcomes);
      // Where standbys are killed more often, fewer of them take over.
      expect(takeovers).toBeGreaterThan(outcomes.length / (kind === "logs" ? 10 : 5));
      expect(declared).toBeGreaterThan(outcomes.length);
      expect(resumes).toBeGreaterThan(outcomes.length / 20);
      if (kind === "logs") expect(goneOn).toBeGreaterThan(outcomes.length / 10);
      if (kind === "other version") expect(deviations).toBeGreaterThan(outcomes.length / 4);
      else expect(deviations).toBe(0);
    });
  }
}
