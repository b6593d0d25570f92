/**
 * Restarts on both sides, of neighbors and of the router itself: a standby that joins at any moment, in
 * the middle of a wait or of a stale time, is the same machine.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Followed } from "./followed-router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";
const yamlWith = (policy: string, staleTimeMax: number) =>
  yamlOf(`
policies:
  barred: [{ if: { prefix: 10.0.0.0/8 ge 16 }, set: { community: { add: [no-llgr] } } }, { then: accept }]
  scrubbed: [{ set: { community: { set: ["65001:9"] } }, then: accept }]
defaults:
  import: ${policy}
  export: accept-all
  passive: true
  graceful-restart: { mode: full, defer-limit: 8 }
  long-lived-graceful-restart: { mode: full, stale-time: 60, stale-time-max: ${staleTimeMax} }
neighbors: [{ address: ${A}, as: 65001 }, { address: ${B}, as: 65002 }, { address: ${C}, as: 65003 }]
`);
const YAML = yamlWith("accept-all", 10);
const OTHERS = [YAML, yamlWith("barred", 3), yamlWith("scrubbed", 15)];
const RESTARTS = { gracefulRestart: { seconds: 4 }, longLived: { seconds: 20 } } as const;

test("a standby that joins at any moment keeps the same routes, and waits for the same neighbors", () => {
  const route = fc.integer({ min: 8, max: 24 }).map((bits) => `10.0.0.0/${bits}`);
  const step = fc.record({
    do: fc.constantFrom(
      "up",
      "up",
      "up in part",
      "reload",
      "reset",
      "hang up",
      "announce",
      "end",
      "slice",
      "rest",
      "time",
      "time",
      "join",
    ),
    who: fc.constantFrom(A, B),
    routes: fc.uniqueArray(route, { minLength: 1, maxLength: 5 }),
    communities: fc.constantFrom([], ["65535:6"], ["65535:7"]),
    seconds: fc.integer({ min: 1, max: 6 }),
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
      lab.peer(A, { as: 65001, ...RESTARTS });
      lab.peer(B, { as: 65002, ...RESTARTS });
      lab.peer(C, { as: 65003 }).up();
      const join = () => {
        while (lab.deliver());
        followed.join();
      };
      for (const { do: what, who, routes, communities, seconds } of steps) {
        const peer = lab.peers.get(who)!;
        if (what === "up" || what === "up in part") {
          const families = what === "up" ? {} : { families: [] as const };
          const gracefulRestart = { ...RESTARTS.gracefulRestart, ...families };
          peer.options = { ...peer.options, gracefulRestart };
          peer.connect();
        } else if (what === "reload") lab.reload(OTHERS[seconds % 3]!);
        else if (what === "reset") lab.operate(who, { do: "reset", text: null });
        else if (what === "slice") lab.slice();
        else if (what === "rest") lab.run();
        else if (what === "time") lab.advance(1000 * seconds);
        else if (what === "join") join();
        else if (!peer.isUp) continue;
        else if (what === "announce") peer.announce(routes, { communities });
        else if (what === "end") peer.endOfRib();
        else peer.hangUp();
      }
      if (followed.followers.length === 0) join();
      lab.advance(20_000);
      while (lab.deliver());
      followed.compare();
      expect(followed.brackets).toBeGreaterThan(0);
    }),
    { numRuns: runs(300) },
  );
});
