/**
 * A configuration that was read and compared piece by piece before it came into force does what one does that comes
 * at once, as on a standby: whatever happens between the pieces, and whoever joins or takes over there.
 */

import type { Config } from "@ts-bgp/config";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  KINDS,
  type Kind,
  type Step,
  step,
  variant,
  World,
  yamlFor,
} from "../../../testkit/churn.ts";
import { configOf } from "../../../testkit/router.ts";
import { configFrom, configInSteps, configOctets, replicated } from "../src/index.ts";
import { Followed } from "./followed-router.ts";

const SERVER = KINDS["a route server"]!;
/** Those that a configuration does not list come all the same. */
const DYNAMIC: Kind = {
  ...SERVER,
  isDynamic: true,
  sections: `
groups: { clients: { route-server-client: true, import: plain, export: marks } }
dynamic-neighbors: [ { prefix: 192.0.2.0/28, group: clients, as-numbers: 65001-65009, limit: 4 } ]
`,
};

/** Machines that follow do at once what it does ahead: the octets that they are given are others. */
class Ahead extends Followed {
  /** Configurations that came into force as they were compared, and after another one. */
  taken = 0;
  late = 0;

  /** @param between - happens between two pieces */
  configureAhead(config: Config, nowMs: number, between: () => void): void {
    const { tables } = this.journal.machine.router;
    const octets = configOctets(replicated(config));
    const inForce = tables.config;
    const reading = configInSteps(octets, inForce);
    while (reading.next().done !== true) between();
    const isLate = tables.config !== inForce;
    this.journal.run({ record: "configure", config: octets, nowMs, about: null });
    // One that was compared with another one is made anew.
    expect(tables.config === configFrom(octets)).toBe(!isLate);
    if (isLate) this.late++;
    else this.taken++;
  }
}

const reloads = fc.array(
  fc.record({ next: variant, meanwhile: fc.array(step, { minLength: 1, maxLength: 6 }) }),
  { minLength: 1, maxLength: 3 },
);

test.each([
  ["a route server", SERVER],
  ["one with dynamic neighbors", DYNAMIC],
])("%s does in pieces what it does at once", (_, kind) => {
  const counts = { taken: 0, late: 0, joined: 0 };
  const budget = fc.integer({ min: 0, max: 30 });
  fc.assert(
    fc.property(variant, fc.array(step, { maxLength: 12 }), reloads, budget, (...given) => {
      const [first, before, configurations, slices] = given;
      let ahead!: Ahead;
      const routerOf = (...rest: ConstructorParameters<typeof Ahead>) => {
        ahead = new Ahead(...rest);
        return ahead.router;
      };
      const world = new World(first, kind, slices, { routerOf });
      const join = () => {
        while (world.lab.deliver());
        ahead.join();
      };
      world.settle();
      for (const one of before) world.act(one);
      join();
      for (const { next, meanwhile } of configurations) {
        const steps: Step[] = [...meanwhile];
        ahead.configureAhead(configOf(yamlFor(next, kind)), world.lab.nowMs, () => {
          const one = steps.shift();
          if (one === undefined) return;
          world.act(one);
          counts.joined++;
          join();
        });
        for (const one of steps) world.act(one);
        world.lab.run();
        while (world.lab.deliver());
        ahead.compare();
      }
      counts.taken += ahead.taken;
      counts.late += ahead.late;
    }),
    { numRuns: 25 },
  );
  // Each must have happened, or it was not tried.
  expect(Object.values(counts).map((count) => count > 0)).toEqual([true, true, true]);
});
