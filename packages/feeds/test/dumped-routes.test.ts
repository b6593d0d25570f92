/** Dumps of what a neighbor was sent: times of routes, how much a piece has, and what is left of one that is cut off. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prefixesOf } from "@ts-bgp/feeds-codec";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { dumpedRoutes } from "../src/dumped-routes.ts";
import { Feeds } from "../src/feeds.ts";
import { RibWalk } from "../src/rib-walk.ts";

const CLIENTS = 80;
const PREFIXES = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];
const WITH_ADD_PATH = "192.0.2.250";
const addressOf = (n: number) => `10.99.0.${n}`;
const WAIT_MS = 30_000;

function walkOf({ router }: Lab, advertised: string): RibWalk {
  const request = { file: "", routes: { advertised }, compress: "none", isTimed: true } as const;
  return new RibWalk(router, dumpedRoutes(router, request).writePaths);
}

function clientsLab(): Lab {
  const neighbors = Array.from(
    { length: CLIENTS },
    (_, n) => `  - { address: ${addressOf(n)}, as: ${65001 + n}, route-server-client: true }`,
  );
  return new Lab(
    yamlOf(`
defaults: { passive: true, import: accept-all, export: accept-all }
neighbors:
  - { address: ${WITH_ADD_PATH}, as: 64999, route-server-client: true, add-path: { send: all } }
${neighbors.join("\n")}
`),
  );
}

const wayOf = (n: number) => ({ path: [65001 + n] });

test("a piece ends behind a prefix of many paths, if there is no more time", () => {
  const lab = clientsLab();
  lab.peer(WITH_ADD_PATH, { as: 64999, addPath: "receive" }).up();
  for (let n = 0; n < CLIENTS; n++) {
    lab
      .peer(addressOf(n), { as: 65001 + n })
      .up()
      .announce(PREFIXES, wayOf(n));
  }
  lab.run();
  const walk = walkOf(lab, WITH_ADD_PATH);
  const counts: number[] = [];
  for (let all = walk.next(() => false); all !== null; all = walk.next(() => false)) {
    for (const { paths } of prefixesOf(all)) counts.push(paths.length);
    expect([...prefixesOf(all)].length).toBeLessThanOrEqual(1);
  }
  expect(counts).toEqual(PREFIXES.map(() => CLIENTS));
});

test("the time of a route is that of the path that was sent, be it the best one or not", () => {
  const lab = clientsLab();
  lab.peer(WITH_ADD_PATH, { as: 64999, addPath: "receive" }).up();
  const [older, newer, third] = [0, 1, 2].map((n) =>
    lab.peer(addressOf(n), { as: 65001 + n }).up(),
  );
  const prefix = PREFIXES.slice(0, 1);
  older!.announce(prefix, { path: [65001, 65050] });
  lab.run();
  lab.nowMs += 600_000;
  newer!.announce(prefix, wayOf(1));
  lab.run();
  expect(third!.table).not.toEqual({});
  const timesFor = (address: string) =>
    [...prefixesOf(walkOf(lab, address).next(() => true)!)]
      .flatMap(({ paths }) => paths.map((one) => one.sinceSeconds))
      .sort();
  const { paths, prefixes } = lab.router.tables.rib(1);
  const since = [0, 1].map((n) => {
    const { row } = lab.neighbor(addressOf(n));
    let path = prefixes.head[1]!;
    while (paths.peer[path] !== row) path = paths.next[path]!;
    return paths.sinceSeconds[path]!;
  });
  expect(since[1]).toBe(since[0]! + 600);
  expect(timesFor(addressOf(0))).toEqual([since[1]]);
  expect(timesFor(addressOf(1))).toEqual([since[0]]);
  expect(timesFor(addressOf(2))).toEqual([since[1]]);
  expect(timesFor(WITH_ADD_PATH)).toEqual(since);
});

test("nothing is left of a dump that is cut off when the speaker stops", async () => {
  const lab = clientsLab();
  const neighbor = addressOf(1);
  lab.peer(neighbor, { as: 65002 }).up();
  const dir = mkdtempSync(join(tmpdir(), "tsbgp-dump-"));
  const feeds = new Feeds({ version: "", describe: () => "", say: () => {} });
  const routes = { advertised: neighbor };
  const file = join(dir, "rib");
  const ends = feeds.dump(lab.router, { file, routes, compress: "gzip", isTimed: true }).then(
    () => "complete",
    () => "given up",
  );
  // It gets no piece while this turn lasts.
  let isThere = false;
  while (!isThere) {
    isThere = readdirSync(dir).some((name) => name.endsWith(".part"));
  }
  await feeds.stop();
  await until(async () => readdirSync(dir).length === 0, WAIT_MS, "nothing is left");
  expect(await ends).toBe("given up");
  rmSync(dir, { recursive: true });
});
