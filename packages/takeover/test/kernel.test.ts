/** What the kernel says of live connections, against what both of their ends know. */

import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import {
  acknowledgedOctets,
  closeSilently,
  descriptorOf,
  destroySocket,
  freeze,
  goOnIfStuck,
  type ResumeOutcome,
  type ResumeRequest,
  ResumeThread,
  receivedOctets,
  resumeConnections,
  sequenceAfter,
  snapshot,
  type TcpState,
  thaw,
} from "../src/index.ts";
import { getU32, IPPROTO_TCP, libc, MSG_DONTWAIT, setBuffer } from "../src/libc.ts";
import { openInRepair } from "../src/tcp-restore.ts";
import { leaveRepair, readTcpInfo, TCP_MAXSEG, TCP_NODELAY } from "../src/tcp-state.ts";
import { pattern } from "./support/pattern.ts";

const reason = process.getuid?.() === 0 ? null : "needs CAP_NET_ADMIN";
const PROTECTION = { password: null, ttlSecurity: 0, ttl: 64, congestionControl: null };
const PLACE = { asSent: [], elapsedMs: 0, protection: PROTECTION };
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

  /** Two sockets that have never met, made to fit, a few octets before the numbers wrap. */
  function fitted(ports: { readonly a: number; readonly b: number }) {
    const a = openInRepair({ ...PLACE, state: near(ports.a, ports.b) });
    const b = openInRepair({ ...PLACE, state: near(ports.b, ports.a) });
    leaveRepair(a, { probe: false });
    leaveRepair(b, { probe: false });
    const [left, right] = [a, b].map((fd) => new net.Socket({ fd })) as [net.Socket, net.Socket];
    closed.push(left, right);
    const got: Buffer[] = [];
    right.on("data", (octets) => got.push(octets));
    return { left, a, got };
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
        unacked: [],
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

  test.each([
    { what: "all", doubtOctets: 130, ports: { a: 47_001, b: 47_002 } },
    { what: "less than the peer has", doubtOctets: 20, ports: { a: 47_005, b: 47_006 } },
  ])("has sequence numbers that wrap within the octets in doubt: $what", async (options) => {
    const { doubtOctets, ports } = options;
    const { left, a, got } = fitted(ports);
    left.write(pattern(0, 100));
    await eventually(() => Buffer.concat(got).length === 100);
    await eventually(() => stateOf(left).sendSequence === 0x54);
    // As after a crash: all is in doubt, and 40 octets never left.
    expect(freeze(a, 0)).not.toBeNull();
    left.destroy();
    await sleep(5);
    const outcome = await resume(
      {
        state: near(ports.a, ports.b),
        receivedOctets: 0,
        acknowledgedOctets: 10,
        unacked: [pattern(10, 60), pattern(70, 70)],
        inFlightOctets: null,
        elapsedMs: 50,
        protection: PROTECTION,
      },
      doubtOctets,
    );
    expect(outcome).toMatchObject({ how: "spliced" });
    if (outcome.kind !== "resumed") return;
    // The kernel may have repeated what counted as sent.
    const { resumedAt } = outcome;
    if (doubtOctets < 90) expect(resumedAt).toBeGreaterThanOrEqual(90);
    else expect(resumedAt).toBe(90);
    const resumed = new net.Socket({ fd: outcome.fd });
    closed.push(resumed);
    resumed.write(pattern(10 + resumedAt, 130 - resumedAt));
    await eventually(() => Buffer.concat(got).equals(pattern(0, 140)));
  });

  test.each([
    { what: "which its answer shows", doubtOctets: undefined, ports: { a: 47_003, b: 47_004 } },
    {
      what: "of which its answer shows nothing",
      doubtOctets: 150,
      ports: { a: 47_009, b: 47_010 },
    },
  ])("goes on with a peer that has octets beyond those that it lacks, $what", async (options) => {
    const { doubtOctets, ports } = options;
    const { left, a, got } = fitted(ports);
    left.write(pattern(0, 100));
    await eventually(() => Buffer.concat(got).length === 100);
    expect(freeze(a, 0)).not.toBeNull();
    left.destroy();
    await sleep(5);
    // As after losses: what it has is more than a fresh socket may send without an answer, so that
    // its acknowledgement, once the first gap is filled, would be of octets that were never sent.
    for (const at of [500, 4_500, 8_500, 13_000, 17_000]) {
      const state = near(ports.a, ports.b);
      const sendSequence = sequenceAfter(state.sendSequence, at);
      const ghost = openInRepair({ ...PLACE, state: { ...state, sendSequence }, elapsedMs: 200 });
      leaveRepair(ghost, { probe: false });
      const octets = pattern(at, 4_000);
      expect(libc().send(ghost, octets, octets.length, MSG_DONTWAIT)).toBe(4_000);
      closeSilently(ghost);
    }
    const sent = pattern(0, 90_000);
    const outcome = await resume(
      {
        state: near(ports.a, ports.b),
        receivedOctets: 0,
        acknowledgedOctets: 60,
        unacked: [sent.subarray(60, 20_000), sent.subarray(20_000, 80_000)],
        inFlightOctets: null,
        elapsedMs: 400,
        protection: PROTECTION,
      },
      doubtOctets,
    );
    expect(outcome).toMatchObject({ how: "spliced" });
    if (outcome.kind !== "resumed") return;
    const resumed = new net.Socket({ fd: outcome.fd });
    closed.push(resumed);
    resumed.write(sent.subarray(60 + outcome.resumedAt));
    let acked = 0;
    for (let looks = 0; looks < 8; looks++) {
      await sleep(600);
      acked = goOnIfStuck(outcome.fd, acked);
      if (got.reduce((sum, { length }) => sum + length, 0) === sent.length) break;
    }
    await eventually(() => Buffer.concat(got).equals(sent));
  });

  test("goes on with a peer whose window was shut, once it is open", async () => {
    const [client, accepted] = await pair("127.0.0.1");
    setBuffer(descriptorOf(accepted), "receive", 50_000);
    const state = stateOf(client);
    const sent = pattern(0, 1_000_000);
    client.write(sent);
    await eventually(() => readTcpInfo(descriptorOf(client)).sendWindow === 0);
    expect(freeze(descriptorOf(client), 0)).not.toBeNull();
    client.destroy();
    await sleep(5);
    const got: Buffer[] = [];
    setTimeout(() => accepted.on("data", (octets) => got.push(octets)).resume(), 100);
    const outcome = await resume({
      state,
      receivedOctets: 0,
      acknowledgedOctets: 0,
      unacked: [sent],
      inFlightOctets: null,
      elapsedMs: 300,
      protection: PROTECTION,
    });
    if (outcome.kind !== "resumed") throw outcome.error;
    // Else its word that it is open may have come to neither socket.
    expect(outcome.state.sendWindow).toBeGreaterThan(1_000);
    const resumed = new net.Socket({ fd: outcome.fd });
    closed.push(resumed);
    resumed.write(sent.subarray(outcome.resumedAt));
    await eventually(() => Buffer.concat(got).equals(sent));
  });

  test("says when it waits for nobody but peers that take their time", async () => {
    const [shut, deaf] = await pair("127.0.0.1");
    setBuffer(descriptorOf(deaf), "receive", 50_000);
    const [quick] = await pair("127.0.0.1");
    const asked = (socket: net.Socket, unacked: Uint8Array): ResumeRequest => ({
      ...{ state: stateOf(socket), receivedOctets: 0, acknowledgedOctets: 0, unacked: [unacked] },
      ...{ inFlightOctets: null, elapsedMs: 5, protection: PROTECTION },
    });
    const requests = [asked(shut, pattern(0, 1_000_000)), asked(quick, pattern(0, 100))];
    shut.write(requests[0]!.unacked[0]!);
    await eventually(() => readTcpInfo(descriptorOf(shut)).sendWindow === 0);
    for (const socket of [shut, quick]) {
      expect(freeze(descriptorOf(socket), 0)).not.toBeNull();
      socket.destroy();
    }
    await sleep(5);
    const told: string[] = [];
    await resumeConnections(requests, {
      nowMs: () => performance.now(),
      settled: (index, outcome) => {
        told.push(`${index} ${outcome.kind}`);
        closed.push(new net.Socket({ fd: fdOf(outcome) }));
      },
      onlyLate: () => told.push("only late"),
    });
    expect(told).toEqual(["1 resumed", "only late", "0 resumed"]);
  });

  test("goes on in its thread with more than are handed to it at once", async () => {
    const count = 150;
    const requests: ResumeRequest[] = [];
    for (let i = 0; i < count; i++) {
      const [socket] = await pair("127.0.0.1");
      const state = stateOf(socket);
      socket.destroy();
      const rest = { inFlightOctets: 0, elapsedMs: 5, protection: PROTECTION };
      requests.push({ state, receivedOctets: 0, acknowledgedOctets: 0, unacked: [], ...rest });
    }
    const thread = new ResumeThread();
    const told: number[] = [];
    let onlyLate = 0;
    const list = { count, asking: 0, requestOf: (index: number) => requests[index]! };
    await thread.resume(list, {
      settled: (index, outcome) => {
        told.push(index);
        closed.push(new net.Socket({ fd: fdOf(outcome) }));
      },
      onlyLate: () => onlyLate++,
    });
    expect(told).toEqual([...Array(count).keys()]);
    expect(onlyLate).toBe(1);
    await thread.exit();
  });

  test("of a restored connection does not need what a dead one has left in its place", async () => {
    const [client, accepted] = await pair("127.0.0.1");
    const state = stateOf(accepted);
    // The old socket is still there, as that of another process.
    const outcome = await resume({
      state,
      receivedOctets: 0,
      acknowledgedOctets: 0,
      unacked: [],
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
      unacked: [],
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

function near(own: number, other: number): TcpState {
  return {
    localAddress: "127.0.0.1",
    localPort: own,
    remoteAddress: "127.0.0.1",
    remotePort: other,
    sendSequence: 0xffff_fff0,
    receiveSequence: 0xffff_fff0,
    segmentOctetsMax: 500,
    windowScale: { send: 7, receive: 7 },
    selectiveAcks: true,
    timestamp: 1000,
    sendWindow: 60_000,
    sendWindowMax: 60_000,
    receiveWindow: 60_000,
    roundTripUs: 100,
    takenAtMs: 0,
  };
}

async function resume(request: ResumeRequest, doubtOctets?: number): Promise<ResumeOutcome> {
  return (await resumeAll([request], doubtOctets))[0]!;
}

async function resumeAll(
  requests: ResumeRequest[],
  doubtOctets?: number,
): Promise<ResumeOutcome[]> {
  const outcomes: ResumeOutcome[] = [];
  await resumeConnections(requests, {
    nowMs: () => performance.now(),
    ...(doubtOctets === undefined ? {} : { doubtOctets }),
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
