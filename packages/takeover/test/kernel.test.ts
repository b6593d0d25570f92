/** What the kernel says of live connections, against what both of their ends know. */

import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import {
  acknowledgedOctets,
  descriptorOf,
  destroySocket,
  freeze,
  type ResumeOutcome,
  type ResumeRequest,
  receivedOctets,
  resumeConnections,
  sequenceAfter,
  snapshot,
  type TcpState,
  thaw,
} from "../src/index.ts";
import { getU32, IPPROTO_TCP, libc } from "../src/libc.ts";
import { openInRepair } from "../src/tcp-restore.ts";
import { leaveRepair, TCP_MAXSEG, TCP_NODELAY } from "../src/tcp-state.ts";
import { pattern } from "./support/pattern.ts";

const reason = process.getuid?.() === 0 ? null : "needs CAP_NET_ADMIN";
const PROTECTION = { password: null, ttlSecurity: 0, ttl: 64, congestionControl: null };
const ADDRESSES = ["127.0.0.1", "::1"];
const WAIT_MS = 10_000;

describe.skipIf(reason !== null)(`the state of a connection (${reason ?? "over loopback"})`, () => {
  const closed: net.Socket[] = [];
  const servers: net.Server[] = [];
  afterEach(() => {
    for (const socket of closed.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) server.close();
  });

  /** Both ends of one connection. */
  async function pair(address: string): Promise<readonly [net.Socket, net.Socket]> {
    // Left to itself, node:net reads ahead.
    const options = { allowHalfOpen: true, pauseOnConnect: true };
    const server = net.createServer(options).listen(0, address);
    servers.push(server);
    await once(server, "listening");
    const client = net.connect((server.address() as net.AddressInfo).port, address);
    const [accepted] = (await once(server, "connection")) as [net.Socket];
    if (client.connecting) await once(client, "connect");
    for (const socket of [client, accepted]) {
      closed.push(socket);
      socket.on("error", () => {});
    }
    return [client, accepted];
  }

  function stateOf(socket: net.Socket): TcpState {
    const state = snapshot(descriptorOf(socket), 17);
    if (state === null) throw new Error("not established");
    return state;
  }

  test.each(ADDRESSES)("is the same from both ends: %s", async (address) => {
    const [client, accepted] = await pair(address);
    const [ours, theirs] = [stateOf(client), stateOf(accepted)];
    expect(ours).toMatchObject({
      localAddress: address,
      localPort: theirs.remotePort,
      remotePort: theirs.localPort,
      sendSequence: theirs.receiveSequence,
      receiveSequence: theirs.sendSequence,
      selectiveAcks: theirs.selectiveAcks,
      windowScale: {
        send: theirs.windowScale?.receive,
        receive: theirs.windowScale?.send,
      },
      takenAtMs: 17,
    });
    expect(ours.segmentOctetsMax).toBeGreaterThan(1000);
    expect(ours.timestamp).not.toBeNull();
    expect(ours.sendWindow).toBeGreaterThan(0);
    expect(ours.sendWindowMax).toBeGreaterThanOrEqual(ours.sendWindow);
    expect(ours.receiveWindow).toBeGreaterThan(0);
    expect(JSON.parse(JSON.stringify(ours))).toEqual(ours);
  });

  test.each(ADDRESSES)(
    "counts what was read and acknowledged, not what was queued: %s",
    async (address) => {
      const [client, accepted] = await pair(address);
      const before = stateOf(accepted);
      const base = acknowledgedOctets(descriptorOf(client));
      client.write(pattern(0, 12_345));
      await eventually(() => acknowledgedOctets(descriptorOf(client)) - base === 12_345);
      // Nothing was read: the process wants the first octet next.
      expect(stateOf(accepted).receiveSequence).toBe(before.receiveSequence);
      expect(stateOf(client).sendSequence).toBe(sequenceAfter(before.receiveSequence, 12_345));
      accepted.resume();
      await eventually(() => accepted.bytesRead === 12_345);
      expect(stateOf(accepted).receiveSequence).toBe(sequenceAfter(before.receiveSequence, 12_345));
    },
  );

  test("is null once the peer has ended", async () => {
    const [client, accepted] = await pair("127.0.0.1");
    client.end();
    accepted.resume();
    await eventually(() => snapshot(descriptorOf(accepted), 0) === null);
    expect(freeze(descriptorOf(accepted), 0)).toBeNull();
  });

  test("lets a listener be bound beside a connection that was read", async () => {
    const [, accepted] = await pair("127.0.0.1");
    const { localPort } = stateOf(accepted);
    servers.pop()?.close();
    const again = net.createServer().listen(localPort, "127.0.0.1");
    servers.push(again);
    await once(again, "listening");
  });

  test("stands still while frozen, and goes on when thawed", async () => {
    const [client, accepted] = await pair("127.0.0.1");
    const got: Buffer[] = [];
    accepted.on("data", (octets) => got.push(octets)).resume();
    const frozen = freeze(descriptorOf(accepted), 0);
    client.write("while frozen");
    await sleep(50);
    expect(got).toEqual([]);
    expect(freeze(descriptorOf(accepted), 0)?.receiveSequence).toBe(frozen?.receiveSequence);
    thaw(descriptorOf(accepted));
    await eventually(() => Buffer.concat(got).toString() === "while frozen");
  });

  test.each(ADDRESSES)(
    "is restored whole, with octets unread and octets unsent: %s",
    async (address) => {
      const [client, accepted] = await pair(address);
      const sent = pattern(0, 300_000);
      client.write(sent);
      // The frozen end has read nothing.
      await eventually(() => receivedOctets(descriptorOf(accepted)) > 0);
      const frozen = freeze(descriptorOf(accepted), 0);
      expect(frozen?.unread.length).toBeGreaterThan(0);
      accepted.destroy();
      await sleep(5);
      const outcome = await resume({
        state: frozen!,
        receivedOctets: frozen!.unread.length,
        acknowledgedOctets: 0,
        unacked: new Uint8Array(0),
        inFlightOctets: 0,
        elapsedMs: 5,
        protection: PROTECTION,
      });
      // Of a socket out of repair mode this is the size that it sends; by default that would be
      // 524.
      expect(getU32(fdOf(outcome), IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG")).toBeGreaterThan(30_000);
      expect(getU32(fdOf(outcome), IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY")).toBe(1);
      const restored = new net.Socket({ fd: fdOf(outcome) });
      closed.push(restored);
      restored.on("error", () => {});
      const got: Uint8Array[] = [frozen!.unread];
      restored.on("data", (octets) => got.push(octets));
      const back: Buffer[] = [];
      client.on("data", (octets) => back.push(octets));
      restored.write("and back");
      await eventually(() => got.reduce((sum, octets) => sum + octets.length, 0) === sent.length);
      expect(Buffer.concat(got).equals(sent)).toBe(true);
      await eventually(() => Buffer.concat(back).toString() === "and back");
    },
  );

  test("has sequence numbers that wrap within the octets in doubt", async () => {
    // Two sockets that have never met, made to fit, a few octets before the numbers wrap.
    const ports = { a: 47_001, b: 47_002 };
    const near = (own: number, other: number): TcpState => ({
      localAddress: "127.0.0.1",
      localPort: own,
      remoteAddress: "127.0.0.1",
      remotePort: other,
      sendSequence: 0xffff_fff0,
      receiveSequence: 0xffff_fff0,
      segmentOctetsMax: 1460,
      windowScale: { send: 7, receive: 7 },
      selectiveAcks: true,
      timestamp: 1000,
      sendWindow: 60_000,
      sendWindowMax: 60_000,
      receiveWindow: 60_000,
      roundTripUs: 100,
      takenAtMs: 0,
    });
    const none = new Uint8Array(0);
    const place = { asSent: none, elapsedMs: 0, protection: PROTECTION };
    const a = openInRepair({ ...place, state: near(ports.a, ports.b) });
    const b = openInRepair({ ...place, state: near(ports.b, ports.a) });
    leaveRepair(a, { probe: false });
    leaveRepair(b, { probe: false });
    const [left, right] = [a, b].map((fd) => new net.Socket({ fd })) as [net.Socket, net.Socket];
    closed.push(left, right);
    const got: Buffer[] = [];
    right.on("data", (octets) => got.push(octets));
    left.write(pattern(0, 100));
    await eventually(() => Buffer.concat(got).length === 100);
    await eventually(() => stateOf(left).sendSequence === 0x54);
    // As after a crash: all is in doubt, and 40 octets never left.
    expect(freeze(a, 0)).not.toBeNull();
    left.destroy();
    await sleep(5);
    const outcome = await resume({
      state: near(ports.a, ports.b),
      receivedOctets: 0,
      acknowledgedOctets: 10,
      unacked: pattern(10, 130),
      inFlightOctets: null,
      elapsedMs: 50,
      protection: PROTECTION,
    });
    expect(outcome).toMatchObject({ how: "spliced", resumedAt: 90 });
    const resumed = new net.Socket({ fd: fdOf(outcome) });
    closed.push(resumed);
    resumed.write(pattern(100, 40));
    await eventually(() => Buffer.concat(got).equals(pattern(0, 140)));
  });

  test("of a restored connection does not need what a dead one has left in its place", async () => {
    const [client, accepted] = await pair("127.0.0.1");
    const state = stateOf(accepted);
    // The old socket is still there, as that of another process.
    const outcome = await resume({
      state,
      receivedOctets: 0,
      acknowledgedOctets: 0,
      unacked: new Uint8Array(0),
      inFlightOctets: null,
      elapsedMs: 0,
      protection: PROTECTION,
    });
    expect(outcome.kind).toBe("resumed");
    libc().close(fdOf(outcome));
    client.destroy();
  });

  test("of one that cannot be restored is an outcome, and the others are", async () => {
    const [, accepted] = await pair("127.0.0.1");
    const frozen = freeze(descriptorOf(accepted), 0)!;
    accepted.destroy();
    await sleep(5);
    const request = (state: TcpState): ResumeRequest => ({
      state,
      receivedOctets: 0,
      acknowledgedOctets: 0,
      unacked: new Uint8Array(0),
      inFlightOctets: 0,
      elapsedMs: 0,
      protection: PROTECTION,
    });
    const outcomes = await resumeAll([
      request({ ...frozen, localAddress: "192.0.2.77" }),
      request(frozen),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["failed", "resumed"]);
    libc().close(fdOf(outcomes[1]!));
  });
});

describe.skipIf(reason !== null)(`ending a socket (${reason ?? "over loopback"})`, () => {
  test("says whether there was one", async () => {
    const server = net.createServer((socket) => socket.on("error", () => {})).listen(0, "::1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const client = net.connect(port, "::1");
    client.on("error", () => {});
    await once(client, "connect");
    const ends = [
      { address: "::1", port: client.localPort! },
      { address: "::1", port },
    ] as const;
    const isClosed = new Promise((resolve) => client.once("close", resolve));
    expect(destroySocket(...ends)).toBe(true);
    await isClosed;
    expect(destroySocket(...ends)).toBe(false);
    server.close();
  });
});

async function resume(request: ResumeRequest): Promise<ResumeOutcome> {
  return (await resumeAll([request]))[0]!;
}

async function resumeAll(requests: ResumeRequest[]): Promise<ResumeOutcome[]> {
  const outcomes: ResumeOutcome[] = [];
  await resumeConnections(requests, {
    nowMs: () => performance.now(),
    settled: (index, outcome) => {
      outcomes[index] = outcome;
    },
  });
  return outcomes;
}

function fdOf(outcome: ResumeOutcome): number {
  if (outcome.kind === "failed") throw outcome.error;
  return outcome.fd;
}

function eventually(isSo: () => boolean): Promise<boolean> {
  return until(isSo, WAIT_MS, String(isSo));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
