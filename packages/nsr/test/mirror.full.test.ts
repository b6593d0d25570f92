/** Mirrors of a pair and of one that runs alone: through takeovers, and when they are slow, strange or lied to. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { LinkProxy } from "../../../testkit/link-proxy.ts";
import {
  CLUSTER,
  expectSame,
  mirrorOf,
  mirrorsOf,
  untilMirror,
  untilNew,
  untilServing,
} from "../../../testkit/mirror.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ON_ONE_HOST = REASON ?? "on one host";
const ROUTES = 500;

interface Scene {
  readonly pair: TestPair;
  readonly a: SpeakerProcess;
  readonly mirror: SpeakerProcess;
  readonly peer: Peer;
  readonly socket: string;
}

/** A pair with one side that is active, a peer, and a mirror that follows. */
function withMirror(body: (scene: Scene) => Promise<void>, via = ""): Promise<void> {
  const mirrors: { listen: string; cluster: string } = { cluster: CLUSTER, listen: "" };
  return withPair({ config: { mirrors } }, async (pair) => {
    const socket = join(pair.directory, "mirrors.sock");
    mirrors.listen = socket;
    const a = await pair.startActive("a");
    const mirror = await mirrorOf(
      via === "" ? socket : join(pair.directory, via),
      {},
      { http: undefined },
    );
    const peer = await pair.peer(1);
    await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
    try {
      await body({ pair, a, mirror, peer, socket });
    } catch (error) {
      console.error(`--- mirror\n${mirror.describe()}`);
      throw error;
    } finally {
      mirror.remove();
    }
  });
}

const statesOf = async (mirror: SpeakerProcess) => (await mirrorsOf(mirror)).following?.states;

describe.skipIf(REASON !== null)(ON_ONE_HOST, () => {
  test("a mirror goes on through the end of the active and a switchover, without the state", async () => {
    await withMirror(async ({ pair, a, mirror, peer }) => {
      await mirror.start();
      const b = await pair.startStandby("b");
      await untilProtected(a, 1);
      await expectSame(mirror, a);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 200, from: ROUTES }));
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await untilMirror(mirror, "b is followed", ({ side, state }) => {
        return side === "b" && state === "following";
      });
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 200, from: 2 * ROUTES }));
      await expectSame(mirror, b);
      expect(await statesOf(mirror)).toBe(1);
      await pair.startStandby("a");
      await untilProtected(b, 1);
      await b.ask({ command: "switchover" });
      await untilMirror(mirror, "a is followed", ({ side, state }) => {
        return side === "a" && state === "following";
      });
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 200, from: 3 * ROUTES }));
      await expectSame(mirror, a);
      expect(await statesOf(mirror)).toBe(1);
      expect(isUndisturbed(peer)).toBe(true);
    });
  });

  test("nobody waits for a mirror: it may hang, die and come again", async () => {
    await withMirror(async ({ pair, a, mirror, peer }) => {
      await mirror.start();
      await pair.startStandby("b");
      await untilProtected(a, 1);
      mirror.signal("SIGSTOP");
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 5000, from: ROUTES }));
      const all = async () =>
        (await a.neighbor("127.1.0.1")).families[0]?.received === ROUTES + 5000;
      await until(all, WAIT_MS, "all routes are taken");
      await untilReady(a, "active");
      expect(isUndisturbed(peer)).toBe(true);
      mirror.signal("SIGCONT");
      await expectSame(mirror, a);
      mirror.signal("SIGKILL");
      await mirror.exited();
      await untilServing(a, "it is gone", ({ mirrors }) => mirrors.length === 0);
      await untilReady(a, "active");
      await mirror.start();
      await expectSame(mirror, a);
    });
  });

  test("a standby is none of the mirrors, and a mirror is no standby", async () => {
    await withMirror(async ({ pair, a, mirror }) => {
      await mirror.start();
      const { role, ready, standbys } = await untilNsr(a, "it is alone", () => true);
      expect({ role, ready, standbys }).toEqual({ role: "active", ready: false, standbys: [] });
      const stranger = await mirrorOf(pair.link, { cluster: "test" }, { http: undefined });
      try {
        stranger.spawn();
        const why = /is a mirror, which has no part in a pair/;
        await a.untilLogged(
          "it is refused",
          ({ id, msg }) => id === "nsr-refused" && why.test(msg),
        );
        await stranger.untilLogged("it hears of it", ({ msg }) => why.test(msg));
      } finally {
        stranger.remove();
      }
    });
  });

  test("what comes damaged, twice or not at all is not shown, and costs no more than a link", async () => {
    await withMirror(async ({ pair, a, mirror, peer, socket }) => {
      const proxy = LinkProxy.start(join(pair.directory, "way.sock"), socket);
      try {
        await mirror.start();
        await expectSame(mirror, a);
        const damages: readonly [string, (frame: Buffer) => readonly Buffer[]][] = [
          [
            "the checksum of a frame",
            (frame) => [Buffer.from(frame.map((o, i) => (i === 20 ? o ^ 1 : o)))],
          ],
          ["behind bracket", (frame) => [frame, frame]],
          ["behind bracket", () => []],
        ];
        for (const [why, damage] of damages) {
          let left = 1;
          proxy.meddler = (frame, from) => {
            const isBracket = from === "active" && frame[12] === 6;
            return isBracket && left-- > 0 ? damage(frame) : [frame];
          };
          await mirror.untilLogged(why, ({ msg }) => msg.includes(why));
          proxy.meddler = null;
          await peer.sendAll(manyRoutes({ as: PEER_AS, count: 10, from: 5 * ROUTES, med: left }));
          await expectSame(mirror, a);
        }
        expect(await statesOf(mirror)).toBe(1);
      } finally {
        proxy.close();
      }
    }, "way.sock");
  });

  test("one of another program is told so, and shows nothing", async () => {
    await withMirror(async ({ pair, mirror, socket }) => {
      const proxy = LinkProxy.start(join(pair.directory, "way.sock"), socket);
      try {
        // What it says it is, is changed on the way.
        const { FrameReader, frameOf } = await import("@ts-bgp/replication");
        proxy.meddler = (frame, from) => {
          if (from !== "standby" || frame[12] !== 1) return [frame];
          const reader = new FrameReader(null);
          reader.push(frame);
          const hello = reader.next() as Parameters<typeof frameOf<"hello">>[1];
          return [Buffer.from(frameOf("hello", { ...hello, build: "another", software: "9.9" }))];
        };
        mirror.spawn();
        const why = /a mirror runs the very program of its server, and these are two: .* 9\.9/;
        await mirror.untilLogged("why", ({ msg }) => why.test(msg));
        await expect(mirror.ask({ command: "show-routes" })).rejects.toThrow(why);
        proxy.meddler = null;
        await untilNew(mirror);
      } finally {
        proxy.close();
      }
    }, "way.sock");
  });
});
