/** MRT files where they cannot be written: what comes meanwhile is lost, the next file is tried at its time. */

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObservedSession } from "@ts-bgp/router";
import { KEEPALIVE_OCTETS } from "@ts-bgp/wire-codec";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { MrtFiles } from "../src/mrt-files.ts";

const WAIT_MS = 30_000;
const START_MS = Date.UTC(2026, 10, 30, 10, 0, 1);
const SESSION = {
  address: Uint8Array.of(192, 0, 2, 1),
  localAddress: Uint8Array.of(192, 0, 2, 2),
  as: 65001,
  localAs: 65500,
  fourOctetAs: true,
  addPathReceive: 0,
} as unknown as ObservedSession;

let dir: string;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), "tsbgp-mrt-")), "mrt");
});
afterEach(() => rmSync(join(dir, ".."), { recursive: true }));

test.each([
  ["a folder that is not there", () => {}, /ENOENT/],
  ["a file in place of the folder", () => writeFileSync(dir, ""), /ENOTDIR/],
])("%s is said once, and costs no more than that file", async (_, prepare, problem) => {
  prepare();
  let now = START_MS;
  const said: string[] = [];
  const every = { tablesSeconds: 0, updatesSeconds: 60 };
  const config = { dir, ...every, routes: "received", advertised: [], compress: "none" } as const;
  const files = new MrtFiles(config, {
    now: () => now,
    dump: () => {},
    dumpAdvertised: () => {},
    say: (level, message) => void said.push(`${level} ${message}`),
  });
  const octets = KEEPALIVE_OCTETS;
  const tell = () =>
    files.update(SESSION, { kind: "update", peer: 1, atMs: now, octets, isMalformed: false });
  const fails = () => {
    tell();
    return files.show().problem !== null && said.length > 0;
  };
  await until(fails, WAIT_MS, "it is said");
  for (let i = 0; i < 10; i++) tell();
  expect(said).toEqual([expect.stringMatching(problem)]);
  const { missed } = files.show();
  expect(missed).toBeGreaterThanOrEqual(10);

  rmSync(dir, { force: true });
  mkdirSync(dir, { recursive: true });
  now += 60_000;
  files.tick();
  tell();
  now += 60_000;
  files.tick();
  await until(() => files.show().files === 1, WAIT_MS, "the next file is complete");
  expect(files.show()).toMatchObject({ missed, problem: null });
  expect(readdirSync(dir)).toContain("updates.20261130.100101");
});
