/** A machine that is asked, of which those that make the same calls know nothing, stays the same. */

import type { AttrStore } from "@ts-bgp/rib";
import type { Output } from "@ts-bgp/router";
import { explainInSteps, showRoutes } from "@ts-bgp/views";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyOf } from "../../../testkit/asking.ts";
import { ADDRESSES, KINDS, step, variant, World } from "../../../testkit/churn.ts";
import type { Machine } from "../src/index.ts";
import { Followed } from "./followed-router.ts";

const PREFIXES = Array.from({ length: 6 }, (_, n) => `10.${n}.0.0/16`);

function pathsIn(steps: ReturnType<typeof explainInSteps>): number {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value.paths.length;
  }
}

/** What is asked of whoever makes the same calls, between two brackets. */
function lookAround({ router }: Machine): number {
  let told = 0;
  for (const neighbor of router.neighbors.keys()) {
    for (const text of PREFIXES) {
      for (const direction of ["import", "export"] as const) {
        const { family, key } = keyOf(text);
        told += pathsIn(explainInSteps(router, { direction, family, key, text, neighbor }));
      }
    }
    const query = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
    for (const view of ["advertised", "not-advertised", "rejected"] as const) {
      told += showRoutes(router, { ...query, neighbor, view }, null).routes.length;
    }
  }
  return told;
}

/** @returns the sets, the ids that come free next, and how often each set is held */
function idsOf({ router: { tables } }: Machine) {
  const { attrs } = tables;
  const ids = Array.from({ length: attrs.limit }, (_, id) => [attrs.refsOf(id), attrs.hashOf(id)]);
  const held = ids.map(([refs, hash]) => (refs === 0 ? [0, 0] : [refs, hash]));
  const { rows } = attrs as unknown as {
    rows: { free: { length: number; at(i: number): number } };
  };
  const free = Array.from({ length: rows.free.length }, (_, i) => rows.free.at(i));
  return { limit: (attrs as AttrStore).limit, held, free };
}

class Asked extends Followed {
  told = 0;

  protected override bracket(): Output[] {
    const outputs = super.bracket();
    const [one, other] = this.followers;
    if (one === undefined || other === undefined) return outputs;
    this.told += lookAround(one);
    expect(idsOf(one)).toEqual(idsOf(other));
    return outputs;
  }
}

test.each(Object.entries(KINDS))("%s", (_title, kind) => {
  let told = 0;
  fc.assert(
    fc.property(
      variant,
      fc.array(step, { maxLength: 15, size: "max" }),
      fc.constantFrom(0, 1, 1000),
      (first, steps, budget) => {
        let asked!: Asked;
        const world = new World(first, kind, budget, {
          routerOf: (...args) => {
            asked = new Asked(...args);
            return asked.router;
          },
        });
        while (world.lab.deliver());
        asked.join();
        asked.join();
        for (const i of ADDRESSES.keys()) world.raise(i);
        for (const each of steps) world.act(each);
        world.settle();
        told += asked.told;
      },
    ),
    { numRuns: 8 },
  );
  expect(told).toBeGreaterThan(0);
});
