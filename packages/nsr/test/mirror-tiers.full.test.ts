/** Mirrors that follow a mirror: through takeovers, restarts of what is between, and when they are slow. */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { LinkProxy } from "../../../testkit/link-proxy.ts";
import {
  CLUSTER,
  expectSame,
  mirrorOf,
  mirrorsOf,
  untilMirror,
  untilServing,
} from "../../../testkit/mirror.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  type TestPair,
  untilNsr,
  untilProtected,
  withPair,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ROUTES = 500;

interface Scene {
  readonly pair: TestPair;
  readonly a: SpeakerProcess;
  readonly peer: Peer;
  /** Follows the pair. */
  readonly relay: SpeakerProcess;
  /** Follow the relay, and the pair while that is not there. */
  readonly children: readonly SpeakerProcess[];
  /** More routes, each time others. */
  sendMore(count: number): Promise<void>;
}

/** @param via - where the relay finds the pair, in the folder of that; its own socket when absent */
function withTiers(body: (scene: Scene) => Promise<void>, via = "mirrors.sock"): Promise<void> {
  const mirrors: { listen: string; cluster: string } = { cluster: CLUSTER, listen: "" };
  return withPair({ config: { mirrors } }, async (pair) => {
    const [socket, own] = ["mirrors.sock", "relay.sock"].map((name) => join(pair.directory, name));
    mirrors.listen = socket!;
    const a = await pair.startActive("a");
    const below = { mirrors: { cluster: CLUSTER, listen: own! } };
    const relay = await mirrorOf(
      join(pair.directory, via),
      { self: "m1" },
      { http: undefined, ...below },
    );
    const childOf = (self: string) => mirrorOf([own, socket], { self }, { http: undefined });
    const children = [await childOf("c1"), await childOf("c2")];
    const peer = await pair.peer(1);
    let from = 0;
    const sendMore = async (count: number) => {
      await peer.sendAll(manyRoutes({ as: PEER_AS, count, from }));
      from += count;
    };
    await sendMore(ROUTES);
    try {
      await body({ pair, a, relay, children, peer, sendMore });
    } catch (error) {
      for (const each of [a, relay, ...children]) console.error(`---\n${each.describe()}`);
      throw error;
    } finally {
      for (const each of [relay, ...children]) each.remove();
    }
  });
}

const statesOf = async (mirror: SpeakerProcess) => (await mirrorsOf(mirror)).following?.states;

function untilWay(mirror: SpeakerProcess, ...path: readonly string[]) {
  return untilMirror(mirror, `it comes by ${path.join(" > ")}`, (shown) => {
    return shown.state === "following" && shown.path.join(" ") === path.join(" ");
  });
}

async function startAll({ relay, children }: Scene): Promise<void> {
  await relay.start();
  await untilWay(relay, "a", "m1");
  for (const child of children) await child.start();
  await untilWay(children[0]!, "a", "m1", "c1");
  await untilWay(children[1]!, "a", "m1", "c2");
}

describe.skipIf(REASON !== null)(REASON ?? "on one host", () => {
  test("all go on through the end of the active and a switchover, without another state", async () => {
    await withTiers(async (scene) => {
      const { pair, a, relay, children, peer, sendMore } = scene;
      await startAll(scene);
      const { mirrors } = (await mirrorsOf(a)).serving!;
      expect(mirrors.map(({ name }) => name)).toEqual(["m1"]);
      const b = await pair.startStandby("b");
      await untilProtected(a, 1);
      for (const mirror of [relay, ...children]) await expectSame(mirror, a);
      await sendMore(200);
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await sendMore(200);
      await untilWay(children[0]!, "b", "m1", "c1");
      for (const mirror of [relay, ...children]) await expectSame(mirror, b);
      await pair.startStandby("a");
      await untilProtected(b, 1);
      await b.ask({ command: "switchover" });
      await sendMore(200);
      await untilWay(children[1]!, "a", "m1", "c2");
      for (const mirror of [relay, ...children]) {
        await expectSame(mirror, a);
        expect(await statesOf(mirror)).toBe(1);
      }
      expect(isUndisturbed(peer)).toBe(true);
    });
  });

  test("a mirror between that hangs at a takeover passes on what is of both sides", async () => {
    await withTiers(async (scene) => {
      const { pair, a, relay, children, sendMore } = scene;
      await startAll(scene);
      const b = await pair.startStandby("b");
      await untilProtected(a, 1);
      // What comes meanwhile waits for it: of the old side, of the new one, or both.
      relay.signal("SIGSTOP");
      await sendMore(3000);
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      await sendMore(300);
      relay.signal("SIGCONT");
      for (const mirror of [relay, ...children]) await expectSame(mirror, b);
      for (const mirror of [relay, ...children]) expect(await statesOf(mirror)).toBe(1);
    });
  });

  test("a child that hangs holds nobody up, and goes on", async () => {
    await withTiers(async (scene) => {
      const { a, relay, children, sendMore } = scene;
      await startAll(scene);
      const [slow, other] = children as [SpeakerProcess, SpeakerProcess];
      slow.signal("SIGSTOP");
      await sendMore(3000);
      for (const mirror of [relay, other]) await expectSame(mirror, a);
      slow.signal("SIGCONT");
      await expectSame(slow, a);
      expect(await statesOf(slow)).toBe(1);
    });
  });

  test("while the mirror between is away its children follow the pair, and come back", async () => {
    await withTiers(async (scene) => {
      const { a, relay, children, sendMore } = scene;
      await startAll(scene);
      relay.signal("SIGKILL");
      await relay.exited();
      await sendMore(100);
      await untilWay(children[0]!, "a", "c1");
      await untilWay(children[1]!, "a", "c2");
      for (const child of children) await expectSame(child, a);
      await relay.start();
      // Those that come back have had more than it, or less.
      let isBack = false;
      const sending = (async () => {
        for (; !isBack; await sleep(50)) await sendMore(5);
      })();
      try {
        await untilWay(children[0]!, "a", "m1", "c1");
        await untilWay(children[1]!, "a", "m1", "c2");
      } finally {
        isBack = true;
        await sending;
      }
      for (const mirror of [relay, ...children]) {
        await expectSame(mirror, a);
        expect(await statesOf(mirror)).toBe(1);
      }
      // The pair serves the one mirror again.
      await untilServing(a, "one follows", ({ mirrors }) => mirrors.length === 1);
    });
  });

  test("while the pair is away children stay, say why, and their age is that of what they show", async () => {
    await withTiers(async (scene) => {
      const { pair, a, relay, children } = scene;
      await startAll(scene);
      a.signal("SIGKILL");
      await a.exited();
      const diedMs = Date.now();
      const [child] = children as [SpeakerProcess];
      const shown = await untilMirror(child, "it is older", ({ age_ms }) => (age_ms ?? 0) > 2500);
      expect(shown).toMatchObject({ state: "following", side: "m1" });
      expect(shown.reason).toMatch(/no way to a server/);
      const { following } = await mirrorsOf(child);
      // It was no newer than when the active died.
      expect(Date.now() - following!.age_ms!).toBeLessThanOrEqual(diedMs + 5);
      const again = await pair.startActive("a");
      await until(async () => (await statesOf(relay)) === 2, WAIT_MS, "it has the new state");
      await expectSame(child, again);
    });
  });

  test("a mirror between that is cut off is left for the pair, and followed again when it is not", async () => {
    await withTiers(async (scene) => {
      const { pair, a, relay, children, sendMore } = scene;
      const [socket, way] = ["mirrors.sock", "way.sock"].map((name) => join(pair.directory, name));
      const proxy = LinkProxy.start(way!, socket!);
      await startAll(scene);
      proxy.close();
      await untilMirror(children[0]!, "it says why", ({ side, state, reason }) => {
        return side === "m1" && state === "following" && reason.startsWith("no way to a server");
      });
      await sendMore(100);
      await untilWay(children[0]!, "a", "c1");
      await untilWay(children[1]!, "a", "c2");
      for (const child of children) await expectSame(child, a);
      const again = LinkProxy.start(way!, socket!);
      try {
        await untilWay(relay, "a", "m1");
        await untilWay(children[0]!, "a", "m1", "c1");
        await untilWay(children[1]!, "a", "m1", "c2");
        for (const mirror of [relay, ...children]) {
          await expectSame(mirror, a);
          expect(await statesOf(mirror)).toBe(1);
        }
      } finally {
        again.close();
      }
    }, "way.sock");
  });

  test("a mirror that is on the way to itself is not followed", async () => {
    await withTiers(async (scene) => {
      const { relay, children } = scene;
      await startAll(scene);
      const [child] = children as [SpeakerProcess];
      child.signal("SIGTERM");
      await child.exited();
      child.configure({
        follow: { cluster: CLUSTER, self: "m1", servers: join(scene.pair.directory, "relay.sock") },
      });
      child.spawn();
      const why = /it follows a mirror of this one's name, m1, itself: a > m1/;
      await child.untilLogged("it says why", ({ msg }) => why.test(msg));
      expect((await mirrorsOf(relay)).serving!.mirrors.map(({ name }) => name)).toEqual(["c2"]);
    });
  });
});
