/** Pages of routes that are given little time. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type PageEnd, routePage } from "../src/route-pages.ts";

const A = "192.0.2.1";
const ROUTES = 7000;
const ALL = { as: null, community: null, reason: null, rpki: null };

/** More routes than a piece of work looks at. */
function lab(): Lab {
  const lab = new Lab(
    yamlOf(`neighbors: [{ address: ${A}, as: 65001, passive: true, import: accept-all }]`),
  );
  const a = lab.peer(A, { as: 65001 }).up();
  const prefixes = Array.from({ length: ROUTES }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`);
  for (let at = 0; at < ROUTES; at += 500) a.announce(prefixes.slice(at, at + 500));
  lab.run();
  return lab;
}

/** @returns prefixes of each page, to the last one */
async function pagesOf({ router }: Lab, filter: typeof ALL | { as: number }): Promise<string[][]> {
  const query = {
    family: 1,
    prefix: null,
    match: "exact",
    neighbor: null,
    view: "accepted",
    bestOnly: false,
  } as const;
  const pages: string[][] = [];
  let cursor: string | null = null;
  do {
    const page = routePage(
      router,
      [query],
      { ...ALL, ...filter },
      { limit: 5000, cursor, withinMs: 0 },
    );
    const found: string[] = [];
    for (;;) {
      const { value, done }: IteratorResult<{ prefix: string } | null, PageEnd> = await page.next();
      if (done === true) {
        cursor = value.next ?? null;
        break;
      }
      if (value !== null) found.push(value.prefix);
    }
    pages.push(found);
  } while (cursor !== null);
  return pages;
}

test("a page ends when its time is over, and all pages together have each route once", async () => {
  const pages = await pagesOf(lab(), ALL);
  expect(pages.length).toBeGreaterThan(3);
  expect(Math.max(...pages.map(({ length }) => length))).toBeLessThan(5000);
  expect([pages.flat().length, new Set(pages.flat()).size]).toEqual([ROUTES, ROUTES]);
});

test("pages of a search that finds nothing are empty, and come to an end", async () => {
  const pages = await pagesOf(lab(), { as: 64999 });
  expect(pages.length).toBeGreaterThan(3);
  expect(pages.flat()).toEqual([]);
});
