/** Whose messages the notes of a process say that it died of, and which process that was. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

beforeEach(() => {
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
  const crash = new Crash(file, 0);
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
  const next = new Crash(file, 0);
  expect(suspectsIn(file, EPOCH)).toEqual([]);
  expect(next.before).toMatchObject({ cause, row: 0, suspects: [{}, {}] });
  // Whoever holds them down keeps them.
  expect(readdirSync(directory)).toEqual(["notes"]);
});

test("a message that a process died of before it was active is kept, once", () => {
  const crash = new Crash(file, 0);
  readAll();
  crash.noteException();
  const next = new Crash(file, 0);
  expect(next.before).toMatchObject({ row: 1 });
  const folder = join(directory, "quarantine");
  const files = readdirSync(folder);
  expect(files).toHaveLength(2);
  for (const name of files) {
    expect(readFileSync(join(folder, name), "utf8").trim()).toBe(
      Buffer.from(UPDATE).toString("hex"),
    );
  }
  const [first] = next.before!.suspects;
  expect(next.keep(first!, new Date(), true)).toMatchObject({ count: 1 });
  expect(readdirSync(folder)).toHaveLength(2);
});

test("one of several is held for a minute, however often, and alone for longer each time", () => {
  const neighbors = ADDRESSES.map((address) => ({ address, as: 65_001 }));
  const journal = new Journal(
    newMachine(configOf(yamlOf(`neighbors: ${JSON.stringify(neighbors)}`))),
  );
  const crash = new Crash(file, 0);
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
});

test("a side that was active and is a standby by now ends as one", () => {
  const crash = new Crash(file, 0);
  crash.leads(EPOCH);
  crash.leads(0);
  crash.noteException();
  expect(new Crash(file, 0).before).toMatchObject({ row: 1 });
});
