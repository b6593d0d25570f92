/** Octets on their way out, over real sockets whose other ends read when they are told to. */
import { once } from "node:events";
import net from "node:net";
import { afterEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Outbound } from "../src/outbound.ts";

const WAIT_MS = 20_000;
/** More than the kernel has room for. */
const OCTETS = 24 << 20;
const PIECE = 1_000_003;
/** What the stream of a connection may hold. */
const STREAM_MAX = 1 << 12;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Pair {
  readonly socket: net.Socket;
  /** Does not read yet. */
  readonly peer: net.Socket;
  readonly read: Buffer[];
}

async function connected(): Promise<Pair> {
  const server = net.createServer({ pauseOnConnect: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [net.Socket];
  const read: Buffer[] = [];
  ends.push(() => {
    for (const one of [socket, peer]) one.destroy();
    server.close();
  });
  socket.on("error", () => socket.destroy());
  peer.on("error", () => {});
  return { socket, peer, read };
}

/** Octets that tell their place. */
function pattern(octets: number): Buffer {
  const all = Buffer.alloc(octets);
  for (let at = 0; at < octets; at += 4) all.writeUInt32BE(at, at);
  return all;
}

function* cut(all: Buffer): Generator<Buffer> {
  for (let at = 0; at < all.length; at += PIECE) yield all.subarray(at, at + PIECE);
}

test("a peer that does not read leaves nearly nothing to the stream, and gets all in order later", async () => {
  const { socket, peer, read } = await connected();
  let sent = 0;
  let rounds = 0;
  const told = () => {
    sent += out.takeUntold();
  };
  const feed = () => {
    rounds++;
    out.feed(OCTETS);
    told();
    // Else one poll of many sockets would write for as long as all their kernels have room.
    expect(socket.writableLength).toBeLessThanOrEqual(STREAM_MAX);
  };
  const out = new Outbound(socket, 0, () => {
    told();
    if (out.isReady) feed();
  });
  const all = pattern(OCTETS);
  for (const piece of cut(all)) out.add(piece);
  feed();
  expect([out.isReady, sent > 0, sent < OCTETS]).toEqual([false, true, true]);

  peer.on("data", (octets: Buffer) => read.push(octets));
  const octetsRead = () => read.reduce((sum, { length }) => sum + length, 0);
  await until(() => octetsRead() === OCTETS, WAIT_MS, "all is read");
  expect(Buffer.concat(read).equals(all)).toBe(true);
  await until(() => sent === OCTETS, WAIT_MS, "all is told to be sent");
  expect(rounds).toBeGreaterThan(1);
});

test("is fed in parts, and what was told on another socket is told once", async () => {
  const { socket, peer, read } = await connected();
  peer.on("data", (octets: Buffer) => read.push(octets));
  const out = new Outbound(socket, 5, () => {});
  out.add(Buffer.from("abc"));
  out.add(Buffer.alloc(0));
  out.add(Buffer.from("defgh"));
  out.feed(4);
  expect([out.takeUntold(), out.isReady]).toEqual([0, true]);
  out.feed(3);
  expect([out.takeUntold(), out.isReady]).toEqual([2, true]);
  out.feed(100);
  expect([out.takeUntold(), out.isReady]).toEqual([1, false]);
  await until(() => Buffer.concat(read).toString() === "abcdefgh", WAIT_MS, "all is read");
});

test("hands all over before the end of the connection, behind what waits for room", async () => {
  const { socket, peer, read } = await connected();
  const out = new Outbound(socket, 0, () => {});
  const all = pattern(OCTETS);
  for (const piece of cut(all)) out.add(piece);
  out.feed(OCTETS);
  out.handAll();
  socket.end();
  peer.on("data", (octets: Buffer) => read.push(octets));
  await once(peer, "end");
  expect(Buffer.concat(read).equals(all)).toBe(true);
  expect(out.isReady).toBe(false);
});

test("a connection that is broken ends, and keeps nobody busy", async () => {
  const { socket, peer } = await connected();
  const out = new Outbound(socket, 0, () => out.feed(OCTETS));
  peer.resetAndDestroy();
  await once(peer, "close");
  while (!socket.destroyed) {
    out.add(pattern(1 << 16));
    out.feed(OCTETS);
    await new Promise(setImmediate);
  }
  out.feed(OCTETS);
  out.handAll();
});

test("a connection that is gone has nothing to let out", async () => {
  const { socket } = await connected();
  const out = new Outbound(socket, 0, () => {});
  out.add(pattern(8));
  expect(out.isReady).toBe(true);
  socket.destroy();
  expect(out.isReady).toBe(false);
});
