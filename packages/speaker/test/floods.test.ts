/** Too many connections, and connections that lead to nothing. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { KEEPALIVE, Peer } from "./support/peer.ts";
import { neighborAddress, type SpeakerProcess, WAIT_MS, withSpeaker } from "./support/speaker.ts";

vi.setConfig({ testTimeout: 90_000 });

const GOOD = neighborAddress(1);
const FLOODING = neighborAddress(2);
const HOLD_TIME_SECONDS = 3;
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

test("thousands of connections from unknown addresses are turned away", () =>
  besideSession(async (speaker) => {
    for (let n = 0; n < 3000; n += 250) {
      const peers = await Promise.all(
        Array.from({ length: 250 }, (_, k) =>
          Peer.connect({
            port: speaker.port,
            localAddress: `127.9.${(n + k) >>> 8}.${(n + k) & 0xff}`,
          }),
        ),
      );
      await until(() => peers.every(({ closed }) => closed), WAIT_MS, "they are closed");
    }
    const lines = speaker.log().filter(({ id }) => id === "connection-refused");
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThan(20);
  }));

test("a neighbor with a session that opens five hundred more keeps its session and gets none", () =>
  besideSession(async (speaker) => {
    const options = { port: speaker.port, localAddress: FLOODING, as: 65002 };
    const session = await Peer.establish(options);
    const others = await Promise.all(Array.from({ length: 500 }, () => Peer.connect(options)));
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
    const silent = await Promise.all(Array.from({ length: 500 }, () => Peer.connect(options)));
    const held = () => silent.filter(({ closed }) => !closed);
    await until(() => held().length <= 1, WAIT_MS, "all but one are closed");
    expect((await speaker.neighbor(FLOODING)).state).toBe("OpenSent");
    for (const peer of held()) peer.end();
    const session = await Peer.establish(options);
    session.end();
  }));

test("a neighbor that connects and hangs up in a loop does no harm", () =>
  besideSession(async (speaker) => {
    const options = { port: speaker.port, localAddress: FLOODING };
    for (let n = 0; n < 1000; n++) {
      const peer = await Peer.connect(options);
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
