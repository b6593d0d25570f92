/** A machine made from an image, and given the same calls, is the same machine. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ADDRESSES, KINDS, step, variant, World } from "../../../testkit/churn.ts";
import { Followed } from "./followed-router.ts";

describe.each(Object.entries(KINDS))("%s", (_title, kind) => {
  test("is followed to the octet from any moment on", () => {
    fc.assert(
      fc.property(
        variant,
        fc.array(step, { maxLength: 30 }),
        fc.constantFrom(0, 1, 1000),
        fc.nat(30),
        (first, steps, budget, joinsAt) => {
          let followed!: Followed;
          const routerOf: NonNullable<ConstructorParameters<typeof World>[3]>["routerOf"] = (
            ...args
          ) => {
            followed = new Followed(...args);
            return followed.router;
          };
          const world = new World(first, kind, budget, { routerOf });
          const join = () => {
            while (world.lab.deliver());
            followed.join();
          };
          for (const i of ADDRESSES.keys()) world.raise(i);
          for (const [i, each] of steps.entries()) {
            if (i === joinsAt) join();
            world.act(each);
          }
          if (followed.followers.length === 0) join();
          world.settle();
          while (world.lab.deliver());
          followed.compare();
          expect(followed.brackets).toBeGreaterThan(0);
        },
      ),
      { numRuns: 40 },
    );
  });
});
