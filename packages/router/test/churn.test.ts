/**
 * Whatever happens on the way, peers end up with what a router sends them that was started with the
 * last configuration and given the same routes.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ADDRESSES, KINDS, step, variant, World } from "../../../testkit/churn.ts";
import { isEmpty } from "../../../testkit/router.ts";

describe.each(Object.entries(KINDS))("%s", (_title, kind) => {
  test("sends what a fresh one would, after any reloads and updates", () => {
    fc.assert(
      fc.property(
        variant,
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom(0, 1, 1000),
        (first, steps, budget) => {
          const world = new World(first, kind, budget);
          for (const i of ADDRESSES.keys()) world.raise(i);
          for (const each of steps) world.act(each);
          world.settle();
          const last = steps.findLast((each) => each.do === "reload")?.variant ?? first;
          const fresh = new World(last, kind, 1000);
          const shutDown = steps.findLast((each) => each.do === "shut-down");
          if (shutDown !== undefined) fresh.act(shutDown);
          for (const [i, routes] of world.routes.entries()) {
            for (const [prefix, route] of routes) fresh.routes[i]!.set(prefix, route);
          }
          fresh.settle();
          expect(world.tables).toEqual(fresh.tables);
          for (const { wire } of world.peers) wire?.hangUp();
          world.lab.run().advance(130_000);
          expect(isEmpty(world.lab)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });
});
