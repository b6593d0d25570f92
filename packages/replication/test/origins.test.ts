/** Origin validation on both sides: a standby that joins at any moment of a change is the same machine. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { type Payload, say } from "../../../testkit/payloads.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Followed } from "./followed-router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const CACHE = "192.0.2.53:323";
const YAML = yamlOf(`
rpki: { caches: [{ address: 192.0.2.53 }], start-limit: 5 }
defaults: { import: origins, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001, role: provider }, { address: ${B}, as: 65002, role: peer }]
policies:
  origins: [ { if: { any: [ { rpki: invalid }, { aspa: invalid } ] }, then: reject }, { then: accept } ]
`);

test("a standby that joins at any moment has the same payloads, states and outputs", () => {
  const aspa = fc.constantFrom<Payload>("65001: 0", "65003: 65001", "65003: 65009");
  const roa = fc
    .tuple(fc.integer({ min: 8, max: 24 }), fc.constantFrom(65001, 1))
    .map(([bits, as]): Payload => `10.0.0.0/${bits} AS${as}`);
  const payload = fc.oneof(roa, aspa);
  const step = fc.record({
    do: fc.constantFrom("say", "half", "announce", "slice", "rest", "time", "join"),
    payloads: fc.uniqueArray(payload, { maxLength: 6 }),
    routes: fc.uniqueArray(
      fc.integer({ min: 8, max: 24 }).map((bits) => `10.0.0.0/${bits}`),
      { minLength: 1, maxLength: 5 },
    ),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.constantFrom(0, 2, 1000), (steps, budget) => {
      let followed!: Followed;
      const lab = new Lab(YAML, {
        budget: () => budget,
        routerOf: (...args) => {
          followed = new Followed(...args);
          return followed.router;
        },
      });
      const a = lab.peer(A, { as: 65001 }).up();
      lab.peer(B, { as: 65002 }).up();
      const join = () => {
        while (lab.deliver());
        followed.join();
      };
      for (const { do: what, payloads, routes } of steps) {
        if (what === "say") say(lab, CACHE, payloads);
        // Of an update that stops in the middle.
        else if (what === "half") {
          lab.router.payloads(CACHE, true, new Uint8Array(0));
          lab.router.payloads(CACHE, false, Uint8Array.of(1, 8, 8, 0, 0, 0, 0, 1, 10, 0, 0, 0));
        } else if (what === "announce") a.announce(routes, { path: [65001, 65003] });
        else if (what === "slice") lab.slice();
        else if (what === "rest") lab.run();
        else if (what === "time") lab.advance(1000);
        else join();
      }
      if (followed.followers.length === 0) join();
      lab.run();
      while (lab.deliver());
      followed.compare();
      expect(followed.brackets).toBeGreaterThan(0);
    }),
    { numRuns: runs(500) },
  );
});
