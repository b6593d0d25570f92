/** Who waits at the link without having said who it is. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { CONNECTIONS_BURST } from "../../speaker/src/turned-away.ts";
import { Lobby, SILENT_MAX, SPEAKING_MAX, UNKNOWN_MS } from "../src/lobby.ts";
import type { Refusal } from "../src/refusals.ts";

const WAIT_MS = 20_000;

let server: Server;
let lobby: Lobby;
let refusals: Refusal[];
/** The lobby's ends of the connections, in the order in which they came. */
let entered: Socket[];
let begun: Socket[];
let guests: Socket[];
let directory: string;

beforeEach(() => {
  refusals = [];
  entered = [];
  begun = [];
  guests = [];
  directory = mkdtempSync(join(tmpdir(), "tsbgp-lobby-"));
});
afterEach(() => {
  lobby.close();
  vi.useRealTimers();
  for (const guest of guests) guest.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

/** @param expected - addresses of the other side */
async function open(expected: readonly string[] = [], address = "127.0.0.1"): Promise<number> {
  lobby = new Lobby(new Set(expected), (refusal) => refusals.push(refusal));
  server = createServer((socket) => {
    socket.on("error", () => {});
    entered.push(socket);
    lobby.enter(socket, `port ${socket.remotePort}`, () => begun.push(socket));
  });
  server.listen(0, address);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Nobody's time is over before it is advanced: hundreds come one after the other, however long that takes. */
const holdTime = () => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });

async function come(port: number, localAddress = "127.0.0.1"): Promise<Socket> {
  const guest = connect({ port, host: "127.0.0.1", localAddress });
  guest.on("error", () => {});
  guests.push(guest);
  await once(guest, "connect");
  return guest;
}

const lobbyEndOf = (guest: Socket) =>
  entered.find(({ remotePort }) => remotePort === guest.localPort)!;

const reasons = () => [...new Set(refusals.map(({ reason }) => reason))];

test("whoever says nothing has its place for a while, and the oldest goes first", async () => {
  holdTime();
  const port = await open();
  const first = await come(port);
  for (let n = 1; n < SILENT_MAX; n++) await come(port);
  await until(() => lobby.size === SILENT_MAX, WAIT_MS, "all are in");
  expect(refusals).toEqual([]);
  await come(port);
  await until(() => refusals.length === 1, WAIT_MS, "one has to go");
  expect(refusals[0]).toMatchObject({ reason: "crowded", from: `port ${first.localPort}` });
  vi.advanceTimersByTime(UNKNOWN_MS);
  await until(() => lobby.size === 0, WAIT_MS, "the others go in time");
  expect(refusals).toHaveLength(SILENT_MAX + 1);
  expect(reasons()).toEqual(["crowded", "slow"]);
  expect(begun).toEqual([]);
});

test("the newest that says something is heard before those that wait longer", async () => {
  const port = await open();
  const all: Socket[] = [];
  for (let n = 0; n < 8; n++) all.push(await come(port));
  await until(() => entered.length === 8, WAIT_MS, "all are in");
  // The clock stands until all have spoken, so that the first one alone begins before the others are known.
  const clock = vi.spyOn(performance, "now").mockReturnValue(performance.now());
  try {
    all[0]!.write("hello");
    await once(lobbyEndOf(all[0]!), "readable");
    for (const guest of all.slice(1)) guest.write("hello");
    await Promise.all(all.slice(1).map((guest) => once(lobbyEndOf(guest), "readable")));
    expect(begun.map(({ remotePort }) => remotePort)).toEqual([all[0]!.localPort]);
  } finally {
    clock.mockRestore();
  }
  await until(() => begun.length === 8, WAIT_MS, "all are heard");
  const ports = all.map(({ localPort }) => localPort);
  const order = begun.map(({ remotePort }) => ports.indexOf(remotePort));
  expect(order).toEqual([0, 7, 6, 5, 4, 3, 2, 1]);
  // What was sent is still to be read.
  for (const socket of begun) expect(String(socket.read())).toBe("hello");
});

// The second shows it as a mapped address.
test.each(["0.0.0.0", "::"])(
  "of those who speak few are kept, and one with the other side's address goes last: at %s",
  async (address) => {
    holdTime();
    const port = await open(["127.0.0.2"], address);
    const expected = await come(port, "127.0.0.2");
    expected.write("x");
    await until(() => begun.length === 1, WAIT_MS, "it is heard");
    for (let n = 0; n < 2 * SPEAKING_MAX; n++) (await come(port)).write("x");
    await until(() => refusals.length > SPEAKING_MAX, WAIT_MS, "others have to go");
    expect(refusals.map(({ from }) => from)).not.toContain(`port ${expected.localPort}`);
    expect(reasons()).toEqual(["crowded"]);
    expect(lobby.size).toBeLessThanOrEqual(SPEAKING_MAX + SILENT_MAX);
  },
);

test("of many strangers who come at once some are let in, and the other side always", async () => {
  await open(["127.0.0.2"]);
  const strangers = Array.from({ length: 1000 }, () => lobby.hasRoomFor("127.0.0.3", "a stranger"));
  const isIn = strangers.filter(Boolean).length;
  expect(isIn).toBeGreaterThanOrEqual(CONNECTIONS_BURST);
  expect(isIn).toBeLessThan(500);
  expect(lobby.hasRoomFor("127.0.0.2", "the other side")).toBe(true);
  expect(refusals).toHaveLength(1000 - isIn);
  expect(reasons()).toEqual(["crowded"]);
});

test("when all places are taken there is room for the other side alone", async () => {
  holdTime();
  const port = await open(["127.0.0.2"]);
  for (let n = 1; n < SILENT_MAX; n++) await come(port);
  await until(() => lobby.size === SILENT_MAX - 1, WAIT_MS, "all are in");
  expect(lobby.hasRoomFor("127.0.0.3", "a stranger")).toBe(true);
  await come(port);
  await until(() => lobby.size === SILENT_MAX, WAIT_MS, "the last one is in");
  expect(lobby.hasRoomFor("127.0.0.2", "the other side")).toBe(true);
  expect(refusals).toEqual([]);
  expect(lobby.hasRoomFor("127.0.0.3", "a stranger")).toBe(false);
  expect(refusals).toMatchObject([{ reason: "crowded", from: "a stranger" }]);
});

test("handshakes begin one after the other", async () => {
  const port = await open();
  const all: Socket[] = [];
  for (let n = 0; n < SPEAKING_MAX; n++) all.push(await come(port));
  const began = performance.now();
  for (const guest of all) guest.write("x");
  await until(() => begun.length === SPEAKING_MAX, WAIT_MS, "all are at it");
  expect(performance.now() - began).toBeGreaterThan(9 * (SPEAKING_MAX - 1));
});

describe("whoever", () => {
  test.each<[string, (guest: Socket) => void]>([
    ["closes", (guest) => guest.end()],
    ["breaks its connection", (guest) => guest.resetAndDestroy()],
  ])("%s without a word is counted once", async (_, leave) => {
    const port = await open();
    const guest = await come(port);
    const from = `port ${guest.localPort}`;
    await until(() => lobby.size === 1, WAIT_MS, "it is in");
    leave(guest);
    await until(() => refusals.length > 0 && lobby.size === 0, WAIT_MS, "it is gone");
    await delay(50);
    expect(refusals).toEqual([{ reason: "handshake", from, text: "it closed without a word" }]);
  });

  test("has said who it is has no time limit any more, and cannot be turned away", async () => {
    const port = await open();
    const guest = await come(port);
    guest.write("x");
    await until(() => begun.length === 1, WAIT_MS, "it is heard");
    lobby.leave(begun[0]!);
    lobby.turnAway(begun[0]!, "hello", "too late");
    expect(lobby.size).toBe(0);
    expect(refusals).toEqual([]);
    expect(guest.destroyed).toBe(false);
  });
});
