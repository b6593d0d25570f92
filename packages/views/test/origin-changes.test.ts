/** Whose routes have another state since other payloads count: as each of them says when it is shown. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { say, stateBy } from "../../../testkit/payloads.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type OriginChange, OriginChanges } from "../src/index.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const CACHE = "192.0.2.53:323";
const RPKI = "rpki: { caches: [ { address: 192.0.2.53 } ], start-limit: 0 }";

function labOf(rpki = RPKI, budget = 1000) {
  const lab = new Lab(
    yamlOf(`${rpki}
defaults: { import: origins, export: accept-all, passive: true }
neighbors: [ { address: ${A}, as: 65001 }, { address: ${B}, as: 65002 } ]
policies:
  origins: [ ${rpki === "" ? "" : "{ if: { rpki: invalid }, then: reject }, "}{ then: accept } ]
`),
    { budget: () => budget },
  );
  const [a, b] = [lab.peer(A, { as: 65001 }).up(), lab.peer(B, { as: 65002 }).up()];
  return { lab, a, b };
}

function looked(changes: OriginChanges, { router }: Lab, between = () => {}): OriginChange[] {
  const steps = changes.look(router);
  for (;;) {
    const { value, done } = steps.next();
    if (done === true) return value;
    between();
  }
}

/** @returns as text, in an order of its own */
function textsOf({ router }: Lab, changes: readonly OriginChange[]): string[] {
  const addresses = new Map([...router.neighbors].map(([address, { row }]) => [row, address]));
  return changes
    .map(({ peer, from, to, routes }) => `${addresses.get(peer)} ${from} ${to} ${routes}`)
    .sort();
}

test("they are told by neighbor and state, of what other payloads change, and once", () => {
  const { lab, a, b } = labOf();
  a.announce(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], { path: [65001] });
  b.announce(["10.1.0.0/16"], { path: [65002] });
  say(lab, CACHE, ["10.1.0.0/16 AS65001"]);
  lab.run();
  const changes = new OriginChanges();
  const look = () => textsOf(lab, looked(changes, lab));
  // What is there at first is no change; nor is a route that comes, goes, or is another one.
  expect(look()).toEqual([]);
  a.announce(["10.1.0.0/16"], { path: [65009] });
  b.announce(["10.1.1.0/24"], { path: [65002] });
  lab.run();
  expect(look()).toEqual([]);
  say(lab, CACHE, ["10.1.0.0/16-24 AS65002", "10.2.0.0/15-16 AS65001"]);
  lab.run();
  expect(look()).toEqual([
    `${A} not-found valid 2`,
    // One of B was rejected, and both are kept.
    `${B} invalid valid 2`,
  ]);
  expect(look()).toEqual([]);
  say(lab, CACHE, [], ["10.1.0.0/16-24 AS65002"]);
  lab.run();
  expect(look()).toEqual([`${A} invalid not-found 1`, `${B} valid not-found 2`]);
});

test("without a section rpki there are none, nor of one that comes", () => {
  const { lab, a } = labOf("");
  a.announce(["10.1.0.0/16"], { path: [65001] });
  lab.run();
  const changes = new OriginChanges();
  expect(looked(changes, lab)).toEqual([]);
  expect(changes).toEqual(new OriginChanges());
});

test("what counts for a part of a look only, and what counts before and after it, are not mixed up", () => {
  const { lab, a } = labOf();
  for (let n = 0; n < 8; n++) {
    a.announce(
      Array.from({ length: 250 }, (_, k) => `10.${n}.${k}.0/24`),
      { path: [65001] },
    );
  }
  say(lab, CACHE, []);
  lab.run();
  const changes = new OriginChanges();
  looked(changes, lab);
  const [one, other] = ["10.0.0.0/8-24 AS65001", "10.0.0.0/8-24 AS65009"];
  const sayAll = (set: readonly string[]) => {
    say(lab, CACHE, set);
    lab.run();
  };
  sayAll([one]);
  let steps = 0;
  const mixed = looked(changes, lab, () => sayAll([steps++ === 0 ? other : one]));
  expect(steps).toBe(2);
  const [early, late] = [1024, 976];
  expect(textsOf(lab, mixed)).toEqual([
    `${A} not-found invalid ${late}`,
    `${A} not-found valid ${early}`,
  ]);
  expect(textsOf(lab, looked(changes, lab))).toEqual([`${A} invalid valid ${late}`]);
  expect(looked(changes, lab)).toEqual([]);
});

const PREFIXES = ["10.1.0.0/16", "10.1.0.0/24", "10.2.0.0/16"];
const payload = fc
  .tuple(fc.constantFrom("10.0.0.0/8", ...PREFIXES), fc.constantFrom(65001, 65002))
  .map(([prefix, as]) => `${prefix}-24 AS${as}`);
const route = fc.record({
  prefix: fc.constantFrom(...PREFIXES),
  isOfB: fc.boolean(),
  origin: fc.constantFrom(65001, 65002),
});

test("counts are those of a comparison route by route, whatever happens between two steps", () => {
  let told = 0;
  fc.assert(
    fc.property(
      fc.array(route, { maxLength: 12, size: "max" }),
      fc.array(fc.uniqueArray(payload, { maxLength: 6, size: "max" }), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.nat(3),
      (routes, sets, slices) => {
        const { lab, a, b } = labOf(RPKI, 1);
        for (const { prefix, isOfB, origin } of routes) {
          (isOfB ? b : a).announce([prefix], { path: [isOfB ? 65002 : 65001, origin] });
        }
        say(lab, CACHE, []);
        lab.run();
        const of = new Map(routes.map((one) => [`${one.isOfB} ${one.prefix}`, one]));
        const changes = new OriginChanges();
        looked(changes, lab);
        let before: readonly string[] = [];
        for (const set of sets) {
          say(lab, CACHE, set);
          // Some of the work is done by the first look, some between its steps, and the rest by the second.
          for (let k = 0; k < slices; k++) lab.slice();
          const found = [...looked(changes, lab, () => void lab.slice())];
          lab.run();
          found.push(...looked(changes, lab));
          const wanted = new Map<string, number>();
          for (const { prefix, isOfB, origin } of of.values()) {
            const [was, is] = [stateBy(before, prefix, origin), stateBy(set, prefix, origin)];
            const key = `${isOfB ? B : A} ${was} ${is}`;
            if (was !== is) wanted.set(key, (wanted.get(key) ?? 0) + 1);
          }
          const sums = new Map<string, OriginChange>();
          for (const one of found) {
            const key = `${one.peer} ${one.from} ${one.to}`;
            sums.set(key, { ...one, routes: one.routes + (sums.get(key)?.routes ?? 0) });
          }
          expect(textsOf(lab, [...sums.values()])).toEqual(
            [...wanted].map((each) => each.join(" ")).sort(),
          );
          told += found.length;
          before = set;
        }
      },
    ),
    { numRuns: 40 },
  );
  expect(told).toBeGreaterThan(0);
});
