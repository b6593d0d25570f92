/** Whose messages the notes of a process say that it died of, and which process that was. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Journal } from "@ts-bgp/replication";
import {
  beginSlice,
  endSlice,
  noteReadingIn,
  readingFrom,
  readingMessage,
  readMessage,
} from "@ts-bgp/router/reading";
import { encodeUpdate } from "@ts-bgp/wire-codec";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { Crash, holdDown, suspectsIn, suspectsOfHanging } from "../src/crash.ts";
import { newMachine } from "../src/machine.ts";

const UPDATE = encodeUpdate({});
const ADDRESSES = ["192.0.2.1", "2001:db8::1"];
const EPOCH = 5;
let directory: string;
let file: string;

let warnings: string[];
const warn = (message: string) => warnings.push(message);

beforeEach(() => {
  warnings = [];
  directory = mkdtempSync(join(tmpdir(), "tsbgp-crash-"));
  file = join(directory, "notes");
});
afterEach(() => {
  endSlice(() => true);
  noteReadingIn(null);
  rmSync(directory, { recursive: true });
});

function readAll(): void {
  beginSlice();
  for (const address of ADDRESSES) {
    readingFrom(address);
    readingMessage(UPDATE, 0, UPDATE.length);
    readMessage();
  }
}

test("those of the epoch that was followed, and of no later process", () => {
  const crash = new Crash(file, 0, warn);
  crash.leads(EPOCH);
  readAll();
  const addressesOf = (found: readonly { address: string }[]) => found.map((one) => one.address);
  expect(addressesOf(suspectsOfHanging(file, EPOCH))).toEqual(ADDRESSES);
  expect(suspectsOfHanging(file, EPOCH + 1)).toEqual([]);
  expect(suspectsIn(file, EPOCH)).toEqual([]);
  expect(addressesOf(crash.noteException())).toEqual(ADDRESSES);
  const cause = "an exception";
  expect(suspectsIn(file, EPOCH)).toMatchObject(ADDRESSES.map((address) => ({ address, cause })));
  expect(suspectsIn(file, EPOCH + 1)).toEqual([]);
  const next = new Crash(file, 0, warn);
  expect(suspectsIn(file, EPOCH)).toEqual([]);
  expect(next.before).toMatchObject({ cause, row: 0, suspects: [{}, {}] });
  // Whoever holds them down keeps them.
  expect(readdirSync(directory)).toEqual(["notes"]);
});

test("a message that a process died of before it was active is kept, once", async () => {
  const crash = new Crash(file, 0, warn);
  readAll();
  crash.noteException();
  const next = new Crash(file, 0, warn);
  expect(next.before).toMatchObject({ row: 1 });
  const folder = join(directory, "quarantine");
  await next.messages.settled();
  const files = readdirSync(folder);
  expect(files).toHaveLength(2);
  for (const name of files) {
    expect(readFileSync(join(folder, name), "utf8").trim()).toBe(
      Buffer.from(UPDATE).toString("hex"),
    );
  }
  const [first] = next.before!.suspects;
  expect(next.messages.keep(first!, new Date(), true)).toMatchObject({ count: 1 });
  await next.messages.settled();
  expect(readdirSync(folder)).toHaveLength(2);
});

test("one of several is held for a minute, however often, and alone for longer each time", async () => {
  const neighbors = ADDRESSES.map((address) => ({ address, as: 65_001 }));
  const journal = new Journal(
    newMachine(configOf(yamlOf(`neighbors: ${JSON.stringify(neighbors)}`))),
  );
  const crash = new Crash(file, 0, warn);
  let clockMs = 1000;
  const speaker = { journal, now: () => clockMs };
  const suspects = ADDRESSES.map((address) => ({ address, cause: "SIGABRT", message: UPDATE }));
  const held = () => journal.machine.router.neighbors.get(ADDRESSES[0]!)!.quarantine!;
  const seconds = () => (held().untilMs - clockMs) / 1000;
  for (let time = 0; time < 3; time++) {
    holdDown(speaker, suspects, crash);
    expect(held().count).toBe(1);
    expect(seconds()).toBe(60);
    clockMs += 60_000;
  }
  holdDown(speaker, suspects.slice(0, 1), crash);
  expect(held().count).toBe(2);
  // One end that two have noted is one.
  holdDown(speaker, suspects.slice(0, 1), crash);
  expect(held().count).toBe(2);
  clockMs += 120_000;
  holdDown(speaker, suspects.slice(0, 1), crash);
  expect(seconds()).toBe(240);
  await crash.messages.settled();
});

test("a side that was active and is a standby by now ends as one", () => {
  const crash = new Crash(file, 0, warn);
  crash.leads(EPOCH);
  crash.leads(0);
  crash.noteException();
  expect(new Crash(file, 0, warn).before).toMatchObject({ row: 1 });
});

test("nobody waits for the disk: files are written once whoever keeps them is done", async () => {
  const crash = new Crash(file, 0, warn);
  const { messages } = crash;
  const now = new Date();
  const kept = ADDRESSES.map((address) => messages.keep({ address, message: UPDATE }, now, true));
  expect(readdirSync(directory)).toEqual(["notes"]);
  await messages.settled();
  for (const one of kept) expect(readFileSync(one.file!, "utf8")).toMatch(/^f{32}/);
  expect(warnings).toEqual([]);
});

test("an exception that ends the process waits for what is not written, and what others keep counts", async () => {
  const crash = new Crash(file, 0, warn);
  const read = { address: ADDRESSES[0]!, message: UPDATE };
  const atMs = Date.now();
  const kept = crash.messages.keep(read, new Date(atMs), true);
  crash.noteException();
  expect(readFileSync(kept.file!, "utf8")).toMatch(/^f{32}/);
  await crash.messages.settled();
  const other = new Crash(join(directory, "notes-of-other"), 0, warn);
  expect(other.messages.keep({ ...read }, new Date(atMs + 1000), true)).toMatchObject({ count: 2 });
  await other.messages.settled();
  await crash.messages.look();
  expect(crash.messages.keep({ ...read }, new Date(atMs + 2000), true)).toMatchObject({ count: 3 });
  await crash.messages.settled();
  expect(warnings).toEqual([]);
});

test("a folder that cannot be written to is named, and nothing else comes of it", async () => {
  writeFileSync(join(directory, "quarantine"), "");
  const { messages } = new Crash(file, 0, warn);
  const kept = messages.keep({ address: ADDRESSES[0]!, message: UPDATE }, new Date(), true);
  expect(kept.count).toBe(1);
  await messages.settled();
  expect(warnings).toEqual([expect.stringContaining(`${kept.file} cannot be written: `)]);
});

test("who has many files loses the oldest of them, and others lose none", async () => {
  const { messages } = new Crash(file, 0, warn);
  const atMs = Date.now();
  const keep = (address: string, second: number, isProven: boolean) =>
    messages.keep({ address, message: UPDATE }, new Date(atMs + 1000 * second), isProven);
  const held = keep("192.0.2.1", 0, true);
  for (let n = 1; n <= 10; n++) {
    for (let k = 2; k <= 17; k++) keep(`192.0.2.${k}`, n, false);
  }
  await messages.settled();
  const names = readdirSync(join(directory, "quarantine"));
  expect(names).toHaveLength(100);
  expect(names).toContain(basename(held.file!));
  const newest = new Date(atMs + 10_000).toISOString().replaceAll(":", "");
  expect(names.filter((name) => name.endsWith(`${newest}-maybe.hex`))).toHaveLength(16);
  expect(keep("192.0.2.1", 20, true).count).toBe(2);
  await messages.settled();
});
