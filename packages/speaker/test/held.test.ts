/** Who is held down, over a start. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Journal } from "@ts-bgp/replication";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { Held } from "../src/held.ts";
import { newMachine } from "../src/machine.ts";

const ADDRESSES = ["192.0.2.2", "192.0.2.3"] as const;
const MINUTE_MS = 60_000;
let directory: string;
let file: string;
let warnings: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tsbgp-held-"));
  file = join(directory, "held");
  warnings = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

function start(clockMs: number) {
  const neighbors = ADDRESSES.map((address) => ({ address, as: 65_001 }));
  const yaml = yamlOf(`neighbors: ${JSON.stringify(neighbors)}`);
  const journal = new Journal(newMachine(configOf(yaml)));
  const speaker = { journal, now: () => clockMs };
  const { router } = journal.machine;
  const held = new Held(file, (message) => warnings.push(message));
  const until = (address: string) => router.neighbors.get(address)!.quarantine?.untilMs ?? null;
  const hold = (address: string) => {
    const order = { do: "quarantine", cause: "SIGABRT", count: 2, file: "x" } as const;
    journal.run({ record: "operate", address, order, nowMs: clockMs });
  };
  return { held, router, speaker, until, hold };
}

test("those who are held down are for the rest of their time, by another clock", async () => {
  const before = start(1000);
  before.hold(ADDRESSES[0]);
  before.held.look(before.router);
  await before.held.settled();
  const after = start(5_000_000);
  after.held.restore(after.speaker);
  const leftMs = after.until(ADDRESSES[0])! - 5_000_000;
  expect(leftMs).toBeGreaterThan(MINUTE_MS);
  expect(leftMs).toBeLessThanOrEqual(2 * MINUTE_MS);
  const { quarantine } = after.router.neighbors.get(ADDRESSES[0])!;
  expect(quarantine).toMatchObject({ cause: "SIGABRT", count: 2, file: "x" });
  expect(after.until(ADDRESSES[1])).toBeNull();
  expect(warnings).toEqual([]);
});

test("an end at once waits for what is not written, and for nothing else", async () => {
  const { held, router, hold } = start(1000);
  held.writeNow();
  expect(readdirSync(directory)).toEqual([]);
  hold(ADDRESSES[0]);
  held.look(router);
  held.writeNow();
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject([{ address: ADDRESSES[0] }]);
  await held.settled();
  expect(readdirSync(directory)).toEqual(["held"]);
  expect(warnings).toEqual([]);
});

test("one who was released, or whose time is over, is not", async () => {
  const before = start(1000);
  for (const address of ADDRESSES) before.hold(address);
  before.held.look(before.router);
  const order = { do: "release" } as const;
  const { journal } = before.speaker;
  journal.run({ record: "operate", address: ADDRESSES[0], order, nowMs: 2000 });
  before.held.look(before.router);
  await before.held.settled();
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject([{ address: ADDRESSES[1] }]);
  const entries = JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>[];
  writeFileSync(file, JSON.stringify([{ ...entries[0], untilMs: Date.now() - 1 }]));
  const after = start(1000);
  after.held.restore(after.speaker);
  expect(ADDRESSES.map(after.until)).toEqual([null, null]);
  expect(warnings).toEqual([]);
});

test.each([
  ["half of one", '[{"address":'],
  ["something else", '{"a":1}'],
  ["entries that are none", '[{"address":"192.0.2.2"}]'],
  ["too much", " ".repeat((1 << 20) + 1)],
])("a file with %s is named, and ignored", (_, text) => {
  writeFileSync(file, text);
  const { held, speaker, until } = start(1000);
  held.restore(speaker);
  expect(ADDRESSES.map(until)).toEqual([null, null]);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^is ignored: /);
});

test("a clock that was set does not hold anybody for ever", () => {
  const entry = { address: ADDRESSES[0], cause: "SIGABRT", count: 1, file: null };
  writeFileSync(file, JSON.stringify([{ ...entry, untilMs: Date.now() + 1e12 }]));
  const { held, speaker, until } = start(1000);
  held.restore(speaker);
  expect(until(ADDRESSES[0])).toBe(1000 + 3_600_000);
});

test("a folder that cannot be written to is said once, and tried again", async () => {
  rmSync(directory, { recursive: true });
  const { held, router, hold } = start(1000);
  hold(ADDRESSES[0]);
  for (let n = 0; n < 2; n++) {
    held.look(router);
    await held.settled();
  }
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^cannot be written: /);
  mkdirSync(directory);
  held.look(router);
  await held.settled();
  expect(readFileSync(file, "utf8")).toContain(ADDRESSES[0]);
});
