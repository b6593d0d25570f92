/** A machine made from an image, and given the same calls, is the same machine. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ADDRESSES, KINDS, step, variant, World } from "../../../testkit/churn.ts";
import { Followed } from "./followed-router.ts";

/** Result sets that policies before and after a reload gave up in another order than on the first side. */
const RELOADED = [
  {
    neighbors: [
      {
        import: "accept-all",
        export: "accept-all",
        enabled: true,
        sendSameAs: false,
        honors: false,
        keepsRejected: false,
      },
      {
        import: "marks",
        export: "[plain, marks]",
        enabled: true,
        sendSameAs: false,
        honors: true,
        keepsRejected: true,
      },
      {
        import: "sets",
        export: "peers",
        enabled: true,
        sendSameAs: true,
        honors: false,
        keepsRejected: true,
      },
      {
        import: "sets",
        export: "accept-all",
        enabled: false,
        sendSameAs: false,
        honors: false,
        keepsRejected: false,
      },
    ],
    hidden: 4,
    bogon: 4,
    mark: 1,
    mitigates: true,
  },
  [
    { do: "withdraw", peer: 0, prefixes: [1, 2] },
    {
      do: "announce",
      peer: 0,
      prefixes: [0, 2, 4],
      sketch: { tail: [65100, 65101], communities: [], large: ["64500:101:65002"] },
    },
    {
      do: "reload",
      variant: {
        neighbors: [
          {
            import: "plain",
            export: "[plain, marks]",
            enabled: true,
            sendSameAs: true,
            honors: false,
            keepsRejected: true,
          },
          null,
          {
            import: "sets",
            export: "peers",
            enabled: true,
            sendSameAs: true,
            honors: false,
            keepsRejected: true,
          },
          {
            import: "nobody",
            export: "plain",
            enabled: true,
            sendSameAs: false,
            honors: true,
            keepsRejected: false,
          },
        ],
        hidden: 3,
        bogon: 2,
        mark: 4,
        mitigates: false,
      },
    },
  ],
  1,
  22,
] as never;

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
      { numRuns: 40, examples: [RELOADED] },
    );
  });
});
