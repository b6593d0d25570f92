/** Too many connections, and connections that lead to nothing. */
import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { KEEPALIVE, Peer, type PeerOptions } from "../../../testkit/peer.ts";
import {
  type LogLine,
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";
import { CONNECTIONS_BURST, CONNECTIONS_PER_SECOND } from "../../speaker/src/turned-away.ts";

const GOOD = neighborAddress(1);
const FLOODING = neighborAddress(2);
/** They have no session before the flood. */
const LATE = [3, 4, 5].map(neighborAddress);
const FLOOD = fileURLToPath(new URL("../../../testkit/connection-flood.ts", import.meta.url));
const FLOOD_PER_SECOND = 5000;
const HOLD_TIME_SECONDS = 12;
const CONFIG = {
  defaults: {
    passive: true,
    import: "accept-all",
    export: "accept-all",
    "hold-time": HOLD_TIME_SECONDS,
  },
  neighbors: [
    { address: GOOD, as: 65001 },
    { address: FLOODING, as: 65002 },
    ...LATE.map((address) => ({ address, as: 65003 })),
  ],
};
/** Growth of the speaker that a flood may cause. */
const GROWTH_MB_MAX = 60;

/** Runs `flood` beside a session, and expects that the speaker bears no mark of it. */
function besideSession(flood: (speaker: SpeakerProcess) => Promise<void>): Promise<void> {
  return withSpeaker(CONFIG, async (speaker) => {
    const good = await Peer.establish({
      port: speaker.port,
      localAddress: GOOD,
      as: 65001,
      holdTimeSeconds: HOLD_TIME_SECONDS,
    });
    const [descriptors, megabytes] = [speaker.descriptors(), speaker.residentMb()];
    await flood(speaker);
    const closed = () => speaker.descriptors() <= descriptors + 2;
    await until(closed, WAIT_MS, "the connections of the flood are closed");
    expect(speaker.residentMb() - megabytes).toBeLessThan(GROWTH_MB_MAX);
    const heard = good.count(KEEPALIVE);
    await until(() => good.count(KEEPALIVE) >= heard + 2, WAIT_MS, "KEEPALIVEs go on");
    expect(good.closed).toBe(false);
    expect(good.longestSilenceMs).toBeLessThan(1000 * HOLD_TIME_SECONDS);
    expect((await speaker.neighbor(GOOD)).established_count).toBe(1);
    good.end();
  });
}

/** Connects at once. @returns those that were not reset before they knew of the connection */
async function connectAll(all: readonly PeerOptions[]): Promise<Peer[]> {
  const attempts = await Promise.allSettled(all.map((options) => Peer.connect(options)));
  return attempts.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}

test("thousands of connections from unknown addresses are turned away", () =>
  besideSession(async (speaker) => {
    for (let n = 0; n < 3000; n += 250) {
      const peers = await connectAll(
        Array.from({ length: 250 }, (_, k) => ({
          port: speaker.port,
          localAddress: `127.9.${(n + k) >>> 8}.${(n + k) & 0xff}`,
        })),
      );
      await until(() => peers.every(({ closed }) => closed), WAIT_MS, "they are closed");
    }
    await speaker.untilLogged("a refusal", ({ id }) => id === "connection-refused");
    const lines = speaker.log().filter(({ id }) => id === "connection-refused");
    expect(lines.length).toBeLessThan(300);
  }));

test("a neighbor with a session that opens five hundred more keeps its session and gets none", () =>
  besideSession(async (speaker) => {
    const options = { port: speaker.port, localAddress: FLOODING, as: 65002 };
    const session = await Peer.establish(options);
    const others = await connectAll(new Array(500).fill(options));
    for (const other of others) other.send(other.openMessage(options));
    await until(() => others.every(({ closed }) => closed), WAIT_MS, "they are closed");
    for (const other of others) expect([6, undefined]).toContain(other.notification()?.code);
    expect([session.closed, (await speaker.neighbor(FLOODING)).established_count]).toEqual([
      false,
      1,
    ]);
    session.end();
  }));

test("a neighbor that opens five hundred connections and says nothing holds one of them", () =>
  besideSession(async (speaker) => {
    const options = { port: speaker.port, localAddress: FLOODING, as: 65002 };
    const silent = await connectAll(new Array(500).fill(options));
    const held = () => silent.filter(({ closed }) => !closed);
    await until(() => held().length <= 1, WAIT_MS, "all but one are closed");
    const isOpen = async () => (await speaker.neighbor(FLOODING)).state === "OpenSent";
    await until(isOpen, WAIT_MS, "the last one has its OPEN");
    for (const peer of held()) peer.end();
    const session = await Peer.establish(options);
    session.end();
  }));

test("a neighbor that connects and hangs up in a loop does no harm", () =>
  besideSession(async (speaker) => {
    const options = { port: speaker.port, localAddress: FLOODING };
    for (let n = 0; n < 1000; n++) {
      const [peer] = await connectAll([options]);
      if (peer === undefined) continue;
      if (n % 3 === 0) peer.send(peer.openMessage({ as: 65002 }));
      if (n % 2 === 0) await delay(1);
      peer.end();
    }
  }));

test("an OPEN that comes octet by octet is an OPEN", () =>
  besideSession(async (speaker) => {
    const peer = await Peer.connect({ port: speaker.port, localAddress: FLOODING });
    for (const octet of peer.openMessage({ as: 65002 })) {
      peer.send([octet]);
      await delay(2);
    }
    await until(() => peer.count(KEEPALIVE) === 1, WAIT_MS, "the OPEN is answered");
    expect((await speaker.neighbor(FLOODING)).state).toBe("OpenConfirm");
    peer.end();
  }));

/** Runs `body` while connections come from an address, thousands a second. */
async function duringFlood(
  port: number,
  from: string,
  body: (count: () => number) => Promise<void>,
): Promise<void> {
  const words = [FLOOD, String(port), from, String(FLOOD_PER_SECOND)];
  const child: ChildProcess = spawn(process.execPath, words, {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let count = 0;
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    count = Number(text.trim().split("\n").at(-1));
  });
  try {
    await until(() => count >= FLOOD_PER_SECOND, WAIT_MS, "the flood has begun");
    await body(() => count);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Waits until many connections of a flood were turned away, for a reason. */
function untilDropped(speaker: SpeakerProcess, reason: string): Promise<boolean> {
  const metric = `tsbgp_connections_dropped_total{reason="${reason}"}`;
  const isDropped = async () => (await speaker.metrics()).get(metric)! > FLOOD_PER_SECOND / 2;
  return until(isDropped, WAIT_MS, "the flood is turned away");
}

test("a flood from one neighbor keeps no other neighbor from its session", () =>
  besideSession(async (speaker) => {
    const beganMs = performance.now();
    await duringFlood(speaker.port, FLOODING, async (count) => {
      for (const localAddress of LATE) {
        const before = count();
        const peer = await Peer.establish({ port: speaker.port, localAddress, as: 65003 });
        await until(() => count() > before, WAIT_MS, "the flood goes on");
        peer.end();
      }
      await untilDropped(speaker, "rate");
    });
    // What the router hears of is what anyone may have, however many there were.
    const { messages, last_down } = await speaker.neighbor(FLOODING);
    const seconds = (performance.now() - beganMs) / 1000;
    expect(messages.sent.open).toBeLessThanOrEqual(
      CONNECTIONS_BURST + CONNECTIONS_PER_SECOND * (seconds + 1),
    );
    expect(last_down).not.toBe(null);
    const isRefusal = ({ id, neighbor }: LogLine) =>
      id === "connection-refused" && neighbor === FLOODING;
    await speaker.untilLogged("a refusal", isRefusal);
    const lines = speaker.log().filter(isRefusal);
    expect(lines.length).toBeLessThanOrEqual(2 + seconds / 10);
    expect(lines[0]).toMatchObject({ level: "warn", address: FLOODING });
  }));

test("so does a flood from an address that no neighbor has", () =>
  besideSession((speaker) =>
    duringFlood(speaker.port, neighborAddress(999), async () => {
      const peer = await Peer.establish({ port: speaker.port, localAddress: LATE[0]!, as: 65003 });
      await untilDropped(speaker, "unknown");
      peer.end();
    }),
  ));

test("after a flood the neighbor it came from has a session again", () =>
  besideSession(async (speaker) => {
    await duringFlood(speaker.port, FLOODING, async () => {});
    const session = await Peer.establish({
      port: speaker.port,
      localAddress: FLOODING,
      as: 65002,
    });
    session.end();
  }));
