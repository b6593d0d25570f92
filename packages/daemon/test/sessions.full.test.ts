/** Who gets a session, who does not, and what the log says of it. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { message } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { KEEPALIVE, OPEN, Peer } from "../../../testkit/peer.ts";
import {
  type ConfigFile,
  neighborAddress,
  SPEAKER_AS,
  SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";

const ACCEPT = { import: "accept-all", export: "accept-all" };
const FIRST = neighborAddress(1);
const SECOND = neighborAddress(2);
const UNKNOWN = neighborAddress(99);
const CONFIG = {
  defaults: { passive: true, ...ACCEPT },
  neighbors: [
    { address: FIRST, as: 65001 },
    { address: SECOND, as: 65002 },
  ],
};

test("an address that no neighbor has is turned away, and the log names it", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await Peer.connect({ port: speaker.port, localAddress: UNKNOWN });
    expect(await peer.untilClosed()).toBeNull();
    const line = await speaker.untilLogged("it", ({ id }) => id === "connection-refused");
    expect(line).toMatchObject({ level: "info", address: UNKNOWN });
  }));

test("a disabled neighbor is turned away", () =>
  withSpeaker(CONFIG, async (speaker) => {
    await speaker.ask({ command: "disable", neighbor: FIRST });
    const peer = await Peer.connect({ port: speaker.port, localAddress: FIRST });
    peer.send(peer.openMessage({ as: 65001 }));
    const notification = await peer.untilClosed();
    expect([notification?.code ?? 6, peer.count(OPEN)]).toEqual([6, 0]);
    await speaker.ask({ command: "enable", neighbor: FIRST });
    const again = await Peer.establish({ port: speaker.port, localAddress: FIRST, as: 65001 });
    again.end();
  }));

/** OPEN of version 4, AS 65001, a hold time of 90 seconds and identifier 192.0.2.7, and changes. */
function open(change: {
  version?: number;
  as?: number;
  hold?: number;
  identifier?: readonly number[];
  parameters?: readonly number[];
}): number[] {
  const { version = 4, as = 65001, hold = 90, identifier = [192, 0, 2, 7] } = change;
  const parameters = change.parameters ?? [];
  const body = [version, as >>> 8, as & 0xff, hold >>> 8, hold & 0xff, ...identifier];
  return message(OPEN, [...body, parameters.length, ...parameters]);
}

const OPEN_FAULTS: readonly [name: string, octets: number[], code: number, subcode: number][] = [
  ["the wrong AS number", open({ as: 65009 }), 2, 2],
  ["AS number 0", open({ as: 0 }), 2, 2],
  ["version 3", open({ version: 3 }), 2, 1],
  ["a hold time of 2 seconds", open({ hold: 2 }), 2, 6],
  ["identifier 0.0.0.0", open({ identifier: [0, 0, 0, 0] }), 2, 3],
  ["an unknown optional parameter", open({ parameters: [9, 1, 0] }), 2, 4],
  ["parameters cut short", open({ parameters: [2, 9, 1, 4] }), 2, 0],
];

test("an OPEN that will not do is answered with what is wrong, and other sessions stay", () => {
  // A neighbor for each: after a fault one is left alone for a while.
  const address = (n: number) => neighborAddress(10 + n);
  const faulty = OPEN_FAULTS.map((_, n) => ({ address: address(n), as: 65001 }));
  const config = { ...CONFIG, neighbors: [...CONFIG.neighbors, ...faulty] };
  return withSpeaker(config, async (speaker) => {
    const other = await Peer.establish({ port: speaker.port, localAddress: SECOND, as: 65002 });
    for (const [n, [name, octets, code, subcode]] of OPEN_FAULTS.entries()) {
      const peer = await Peer.connect({ port: speaker.port, localAddress: address(n) });
      peer.send(octets);
      expect(await peer.untilClosed(), name).toMatchObject({ code, subcode });
      const { last_down } = await speaker.neighbor(address(n));
      expect(last_down?.notification, name).toMatchObject({ direction: "sent", code, subcode });
    }
    expect([other.closed, (await speaker.neighbor(SECOND)).established_count]).toEqual([false, 1]);
    other.end();
  });
});

test("a second connection of an established neighbor does not harm its session", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const first = await Peer.establish({ port: speaker.port, localAddress: FIRST, as: 65001 });
    const second = await Peer.connect({ port: speaker.port, localAddress: FIRST });
    expect(await second.open({ as: 65001 })).toBe(false);
    expect(second.notification()).toMatchObject({ code: 6 });
    await delay(500);
    expect([first.closed, (await speaker.neighbor(FIRST)).state]).toEqual([false, "Established"]);
    first.end();
  }));

test("with ttl-security a neighbor whose packets have crossed a router gets no session", () =>
  withSpeaker(
    { defaults: CONFIG.defaults, neighbors: [{ address: FIRST, as: 65001, "ttl-security": 1 }] },
    async (speaker) => {
      // Loopback packets of this process have a TTL of 64, as if they came from far away.
      const peer = await Peer.connect({ port: speaker.port, localAddress: FIRST });
      peer.send(peer.openMessage({ as: 65001 }));
      const hasIt = async () => /^Open/.test((await speaker.neighbor(FIRST)).state);
      await until(hasIt, WAIT_MS, "the speaker has the connection");
      // What came before the speaker had the connection may have been read, but nothing since.
      peer.send(message(KEEPALIVE, []));
      await delay(1500);
      expect(await speaker.neighbor(FIRST)).toMatchObject({
        established_count: 0,
        messages: { received: { keepalive: 0 } },
      });
      peer.end();
    },
  ));

describe.each([
  ["IPv4", "127.2.0.1", "127.2.0.2"],
  ["IPv6", "::1", "::1"],
])("two speakers over %s", (_family, left, right) => {
  /** The left one connects, the right one only listens. */
  async function withPair(
    passwords: readonly [left: string | null, right: string | null],
    body: (left: SpeakerProcess, right: SpeakerProcess) => Promise<void>,
  ): Promise<void> {
    const pair = [await SpeakerProcess.create({}), await SpeakerProcess.create({})] as const;
    const ports = pair.map(({ port }) => port);
    const config = (n: 0 | 1): ConfigFile => ({
      router: { as: SPEAKER_AS + n, id: `192.0.2.${1 + n}` },
      listen: [{ address: n === 0 ? left : right, port: ports[n] }],
      neighbors: [
        {
          address: n === 0 ? right : left,
          as: SPEAKER_AS + 1 - n,
          port: ports[1 - n],
          passive: n === 1,
          "connect-retry": 7,
          "local-address": n === 0 ? left : right,
          ...ACCEPT,
          ...(passwords[n] === null ? {} : { password: passwords[n] }),
        },
      ],
    });
    try {
      pair[0].configure(config(0));
      pair[1].configure(config(1));
      await pair[1].start();
      await pair[0].start();
      await body(...pair);
    } catch (error) {
      for (const speaker of pair) console.error(speaker.describe());
      throw error;
    } finally {
      for (const speaker of pair) speaker.remove();
    }
  }

  const isUp = async (speaker: SpeakerProcess, address: string) =>
    (await speaker.neighbor(address)).state === "Established";

  test.concurrent("have a session when their TCP MD5 passwords are the same", () =>
    withPair(["correct horse", "correct horse"], async (a, b) => {
      await until(() => isUp(a, right), WAIT_MS, "the session is up");
      await until(() => isUp(b, left), WAIT_MS, "the session is up");
    }));

  test.concurrent.each([
    ["they differ", ["correct horse", "battery staple"]],
    ["only the connecting one has one", ["correct horse", null]],
    ["only the listening one has one", [null, "correct horse"]],
  ] as const)("have none when, of TCP MD5 passwords, %s, and the log says so", (_, passwords) =>
    withPair(passwords, async (a, b) => {
      const line = await a.untilLogged("why", ({ msg }) => /TCP MD5 password/.test(msg));
      expect(line).toMatchObject({ id: "connect-failed", neighbor: right });
      expect([await isUp(a, right), await isUp(b, left)]).toEqual([false, false]);
    }),
  );

  test.concurrent("take up a session again once a reload has given them the same password", () =>
    withPair(["correct horse", "battery staple"], async (a, b) => {
      const config = JSON.parse(readFileSync(b.file, "utf8"));
      config.neighbors[0].password = "correct horse";
      b.configure(config);
      await b.ask({ command: "reload" });
      await until(() => isUp(a, right), WAIT_MS, "the session is up");
    }));
});

test("a neighbor that refuses connections is named in the log with the reason", () =>
  withSpeaker(
    { neighbors: [{ address: FIRST, as: 65001, port: 1, "connect-retry": 1, ...ACCEPT }] },
    async (speaker) => {
      const line = await speaker.untilLogged("it", ({ id }) => id === "connect-failed");
      expect(line).toMatchObject({
        level: "info",
        neighbor: FIRST,
        msg: "cannot connect: connection refused",
      });
    },
  ));

test("a local address that this host does not have is an error in the log", () =>
  withSpeaker(
    {
      neighbors: [{ address: "192.0.2.9", as: 65001, "local-address": "192.0.2.8", ...ACCEPT }],
    },
    async (speaker) => {
      const line = await speaker.untilLogged("it", ({ id }) => id === "connect-failed");
      expect(line).toMatchObject({
        level: "error",
        neighbor: "192.0.2.9",
        msg: expect.stringMatching(/192\.0\.2\.8/),
      });
    },
  ));
