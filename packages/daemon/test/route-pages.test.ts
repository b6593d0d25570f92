/** Pages of routes while the table's rows are moved, and a cursor that was kept for too long. */
import type { RouteQuery, ShownRoute } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type PageEnd, routePage } from "../src/route-pages.ts";

const A = "192.0.2.1";
const FILTER = { as: null, community: null, reason: null, rpki: null };
const ROUTES = 70_000;
const KEPT = 100;

interface Page {
  readonly prefixes: string[];
  readonly next: string | null;
}

async function page(lab: Lab, cursor: string | null): Promise<Page> {
  const query: RouteQuery = {
    family: 1,
    prefix: null,
    match: "exact",
    neighbor: null,
    view: "accepted",
    bestOnly: false,
  };
  const items: AsyncGenerator<ShownRoute | null, Readonly<PageEnd>> = routePage(
    lab.router,
    [query],
    FILTER,
    { limit: 10, cursor },
  );
  const prefixes: string[] = [];
  for (;;) {
    const { value, done } = await items.next();
    if (done) return { prefixes, next: value.next ?? null };
    if (value !== null) prefixes.push(value.prefix);
  }
}

test("a search that finds nothing can be given up between two pieces of the table", async () => {
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [ { address: ${A}, as: 65001 } ]
`),
  );
  const a = lab.peer(A, { as: 65001 }).up();
  const routes = Array.from({ length: 5000 }, (_, k) => `10.${k >> 8}.${k & 255}.0/24`);
  for (let k = 0; k < routes.length; k += 500) a.announce(routes.slice(k, k + 500));
  lab.run();
  const query = { family: 1, prefix: null, match: "exact", neighbor: null } as const;
  const all = [{ ...query, view: "accepted", bestOnly: false }] as const;
  const items = routePage(lab.router, all, { ...FILTER, as: 99 }, { limit: null, cursor: null });
  expect(await items.next()).toEqual({ done: false, value: null });
  await items.return({ count: 0 });
  expect(await items.next()).toEqual({ done: true, value: undefined });
});

test("rows that are moved behind a cursor are in its page, and an old cursor is refused", async () => {
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors: [ { address: ${A}, as: 65001 } ]
`),
  );
  const a = lab.peer(A, { as: 65001 }).up();
  const routes = Array.from({ length: ROUTES }, (_, k) => {
    return `${10 + (k >> 16)}.${(k >> 8) & 255}.${k & 255}.0/24`;
  });
  for (let k = 0; k < ROUTES; k += 500) a.announce(routes.slice(k, k + 500));
  lab.run();
  const gone = routes.slice(0, -KEPT);
  for (let k = 0; k < gone.length; k += 500) a.withdraw(gone.slice(k, k + 500));
  lab.run();
  const first = await page(lab, null);
  expect(first.prefixes).toHaveLength(10);
  // A table that has been sparse for a while is made small.
  lab.nowMs += 11_000;
  lab.run();
  const { compaction } = lab.router.tables.rib(1);
  expect(compaction.moves).toBe(KEPT);
  const found = [...first.prefixes];
  for (let cursor = first.next; cursor !== null; ) {
    const { prefixes, next } = await page(lab, cursor);
    found.push(...prefixes);
    cursor = next;
  }
  expect(found.sort()).toEqual(routes.slice(-KEPT).sort());
  lab.nowMs += 61_000;
  a.announce(["10.0.0.0/24"]);
  lab.run();
  await expect(page(lab, first.next)).rejects.toThrow("the cursor is too old: begin again");
});
