/** Tables that are made smaller are the same on a standby, whenever it joined. */

import { type RoutePlace, showRoutes } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Followed } from "./followed-router.ts";

const ROUTES_PER_MESSAGE = 900;
const ROUNDS = 90;

function prefixes(round: number): string[] {
  return Array.from({ length: ROUTES_PER_MESSAGE }, (_, i) => {
    const n = round * ROUTES_PER_MESSAGE + i;
    return `${20 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.0/24`;
  });
}

test("memory that is given back is so on both sides, octet for octet", () => {
  let followed!: Followed;
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
${[1, 2].map((n) => `  - { address: 192.0.2.${n}, as: ${65000 + n} }`).join("\n")}
`),
    {
      budget: () => 1,
      routerOf: (...args) => {
        followed = new Followed(...args);
        return followed.router;
      },
    },
  );
  const [a, b] = [1, 2].map((n) => lab.peer(`192.0.2.${n}`, { as: 65000 + n }).up());
  const join = () => {
    while (lab.deliver());
    followed.join();
  };
  join();
  for (let round = 0; round < ROUNDS; round++) {
    a!.announce(prefixes(round));
    if (round % 10 === 0) b!.announce([`10.0.${round}.0/24`]);
    lab.run();
  }
  // In the last rows, from where they are moved while somebody is being shown the table.
  b!.announce(["11.0.0.0/24", "11.0.1.0/24"]);
  lab.run();
  const query = { family: 1, prefix: null, match: "exact", view: "accepted" } as const;
  const show = (from: RoutePlace | null) =>
    showRoutes(lab.router, { ...query, neighbor: null, bestOnly: true }, from);
  for (let round = 0; round < ROUNDS; round++) a!.withdraw(prefixes(round));
  lab.run();
  const { paths, prefixes: table } = lab.router.tables.rib(1);
  const { capacity } = table;
  const first = show(null);
  lab.nowMs += 20_000;
  let slices = 0;
  for (; lab.slice() || table.capacity === capacity; slices++) {
    if (slices === 3) join();
    if (slices > 1000) throw new Error("nothing is given back");
  }
  join();
  expect(slices).toBeGreaterThan(10);
  lab.run();
  const toTheEnd = (page: ReturnType<typeof show>): string[] => {
    const shown = page.routes.map(({ prefix }) => prefix);
    for (let { next } = page; next.row !== 0; ) {
      const { routes, next: after } = show(next);
      shown.push(...routes.map(({ prefix }) => prefix));
      next = after;
    }
    return shown.sort();
  };
  const left = toTheEnd(show(null));
  expect(left.length).toBe(table.size);
  expect(toTheEnd(first).filter((prefix) => left.includes(prefix))).toEqual(left);
  expect(Math.max(table.limit, paths.limit)).toBeLessThan(table.size + (1 << 14));
  a!.announce(prefixes(1));
  b!.withdraw(["10.0.10.0/24"]);
  lab.run();
  while (lab.deliver());
  followed.compare();
});
