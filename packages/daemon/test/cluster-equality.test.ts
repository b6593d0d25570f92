/**
 * Whatever happens, members of a cluster send each client at rest what one speaker with all clients sends it, route
 * by route: the best path, the next one where that is filtered for it, all of them with ADD-PATH, by policies that ask
 * whom a route is from.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ADDRESSES, KINDS, World } from "../../../testkit/churn.ts";
import { Cluster, member, programs } from "../../../testkit/cluster.ts";

describe.each(Object.entries(KINDS))("%s", (_title, kind) => {
  test("as a cluster sends each client what it sends alone", () => {
    fc.assert(
      fc.property(
        programs,
        fc.integer({ min: 2, max: 3 }),
        fc.tuple(member, member, member, member),
        fc.constantFrom(0, 1, 1000),
        ({ first, steps }, count, owners, budget) => {
          const alone = new World(first, kind, budget);
          const cluster = new Cluster(count, owners, first, kind, budget);
          for (const i of ADDRESSES.keys()) {
            alone.raise(i);
            cluster.raise(i);
          }
          for (const each of steps) {
            if (each.do !== "cut" && each.do !== "join" && each.do !== "move") alone.act(each);
            cluster.act(each);
          }
          alone.settle();
          cluster.settle();
          expect(cluster.tables).toEqual(alone.tables);
        },
      ),
      { numRuns: 20 },
    );
  });
});
