/** A pair with two ways between its sides: one of them breaks in the middle of something. */
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import { LinkProxy } from "../../../testkit/link-proxy.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  saidBy,
  type TestPair,
  untilNsr,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import { type Peer, UPDATE } from "../../../testkit/peer.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const WITH_WAYS = REASON ?? "on one host";
/** Routes of a burst, few to a message: many brackets. */
const BURST = 4000;
const PER_MESSAGE = 4;
const ROUNDS = 4;
/** Enough to change ways many times: each is left after a second of silence, for which a busy host is enough. */
const PATIENCE_MS = 24_000;
/** Patience that comes to its end, and that a busy host alone does not try. */
const SHORT_MS = 2000;
/** No takeover waits for so much. */
const VERY_PATIENT_MS = 60_000;

/** One address of the active side, for the link and for heartbeats. */
class Way {
  readonly path: string;
  readonly link: LinkProxy;
  private readonly heartbeats: LinkProxy;

  constructor(path: string, target: string) {
    this.path = path;
    this.link = LinkProxy.start(path, target);
    this.heartbeats = LinkProxy.start(`${path}.beat`, `${target}.beat`);
  }

  stall(): void {
    this.link.stall();
    this.heartbeats.stall();
  }

  /** As it was, with nothing of the past in it. */
  heal(): void {
    this.link.meddler = null;
    this.link.cut();
    this.link.goOn();
    this.heartbeats.goOn();
  }

  close(): void {
    this.link.close();
    this.heartbeats.close();
  }
}

interface Scene {
  readonly pair: TestPair;
  readonly a: SpeakerProcess;
  readonly b: SpeakerProcess;
  readonly ways: readonly Way[];
  /** The way that the stream uses. */
  used(): Promise<Way>;
}

async function withWays(
  nsr: Readonly<Record<string, unknown>>,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const only: { b: Record<string, unknown> } = { b: {} };
  await withPair({ nsr, only }, async (pair) => {
    const paths = [1, 2].map((n) => `${pair.link}.way${n}`);
    only.b["peer"] = paths;
    const ways = paths.map((path) => new Way(path, pair.link));
    try {
      const { a, b } = await pair.start();
      const used = async () => {
        const { peer } = await untilNsr(b, "the link is up", (shown) => shown.peer.link === "up");
        return ways.find(({ path }) => path === peer.over)!;
      };
      await body({ pair, a, b, ways, used });
    } finally {
      for (const way of ways) way.close();
    }
  });
}

/** Routes that a peer was sent, each as often as it was. */
function routesOf(peer: Peer): string[] {
  const routes: string[] = [];
  for (const { type, body } of peer.messages) {
    if (type !== UPDATE) continue;
    const { byteOffset, length } = body;
    const view = new DataView(body.buffer, byteOffset, length);
    const attributes = 2 + view.getUint16(0);
    let at = attributes + 2 + view.getUint16(attributes);
    for (; at < length; at += 4) routes.push(body.subarray(at, at + 4).join("."));
  }
  return routes;
}

/** What befalls a way at some frame of the active. @returns what goes on in its place */
type Fault = (way: Way, frame: Buffer) => readonly Buffer[];

const FAULTS: readonly (readonly [string, Fault])[] = [
  [
    "is cut in the middle of a frame",
    ({ link }, frame) => {
      setImmediate(() => link.cut());
      link.meddler = () => [];
      return [frame.subarray(0, frame.length >>> 1)];
    },
  ],
  [
    "carries nothing any more",
    (way, frame) => {
      setImmediate(() => way.stall());
      return [frame];
    },
  ],
  [
    "carries nothing of the standby any more",
    ({ link }, frame) => {
      link.meddler = (each, from) => (from === "standby" ? [] : [each]);
      return [frame];
    },
  ],
  [
    "changes a frame",
    ({ link }, frame) => {
      link.meddler = null;
      const octets = Buffer.from(frame);
      octets[octets.length - 1]! ^= 1;
      return [octets];
    },
  ],
];

function breakAt(way: Way, count: number, fault: Fault): void {
  let left = count;
  way.link.meddler = (frame, from) =>
    from === "active" && --left === 0 ? fault(way, frame) : [frame];
}

const joins = (a: SpeakerProcess) => saidBy(a, "standby-joining").length;

/** Both ways break, one after the other, in the middle of bursts; in the end the active is killed. */
async function leaves({ pair, a, b, used }: Scene, fault: Fault): Promise<void> {
  const [from, to] = [await pair.peer(1), await pair.peer(2)];
  await untilNsr(a, "both sessions are protected", (shown) => shown.protected === 2);
  let count = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const way = await used();
    const before = saidBy(b, "nsr-link").length;
    breakAt(way, 3, fault);
    const burst = { as: PEER_AS, count: BURST, from: count, perMessage: PER_MESSAGE };
    await from.sendAll(manyRoutes(burst));
    count += BURST;
    await until(() => saidBy(b, "nsr-link").length > before, WAIT_MS, "it goes on");
    await until(() => routesOf(to).length >= count, WAIT_MS, "the routes are there");
    expect(await used()).not.toBe(way);
    way.heal();
  }
  for (const side of [a, b]) expect((await nsrOf(side)).ready).toBe(true);
  expect(saidBy(b, "nsr-link").every((line) => line.startsWith("the link goes on over"))).toBe(
    true,
  );
  expect(saidBy(a, "standby-lost")).toEqual([]);
  expect(joins(a)).toBe(1);
  a.signal("SIGKILL");
  await untilNsr(b, "b is active", ({ role }) => role === "active");
  const { items } = await b.ask({ command: "show-routes", view: "accepted" });
  expect(items).toHaveLength(count);
  // Nothing was lost, and nothing came twice.
  expect(routesOf(to)).toHaveLength(count);
  expect(new Set(routesOf(to)).size).toBe(count);
  for (const peer of [from, to]) expect(isUndisturbed(peer)).toBe(true);
}

describe.skipIf(REASON !== null)(`of two ways (${WITH_WAYS})`, () => {
  test.each(FAULTS)("the one that %s is left for the other, and nobody notices", (_, fault) =>
    withWays({ "patience-ms": PATIENCE_MS }, (scene) => leaves(scene, fault)),
  );

  test.each(FAULTS)("the one that %s is left as well when etcd has the roles", async (_, fault) => {
    const etcd = await FakeEtcd.start();
    // Heartbeats pass this process as well, which is busy: of the link alone is something to be seen here.
    const heartbeats = { "heartbeat-ms": 400 };
    const nsr = {
      arbiter: { etcd: [etcd.endpoint], ttl: 10 },
      "patience-ms": PATIENCE_MS,
      ...heartbeats,
    };
    await withWays(nsr, (scene) => leaves(scene, fault));
    etcd.stop();
  });

  test("both may carry nothing: then the pair is simplex until one does again", () =>
    withWays({ "patience-ms": SHORT_MS }, async ({ pair, a, b, ways }) => {
      const peer = await pair.peer(1);
      for (const way of ways) way.link.stall();
      const line = await a.untilLogged("the loss", ({ id }) => id === "standby-lost");
      expect(line.msg).toMatch(/did not acknowledge for 2000 ms/);
      ways[0]!.close();
      ways[1]!.heal();
      await untilReady(b, "standby");
      await untilReady(a, "active");
      expect((await nsrOf(b)).peer.over).toBe(ways[1]!.path);
      expect(joins(a)).toBe(2);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("the first one may lead nowhere from the beginning", () =>
    withWays({}, async ({ pair, a, b, ways }) => {
      ways[0]!.close();
      b.signal("SIGKILL");
      await b.exited();
      await b.start();
      await untilReady(b, "standby");
      expect((await nsrOf(b)).peer.over).toBe(ways[1]!.path);
      expect((await nsrOf(a)).peer.over).toBe(pair.link);
      await b.untilLogged(
        "the way is told",
        ({ id, msg }) => id === "nsr-way" && /no heart/.test(msg),
      );
      expect((await nsrOf(b)).peer.ways_down).toEqual([ways[0]!.path]);
    }));

  test("the idle one that fails is told of, and told of again when it is back", () =>
    withWays({}, async ({ b, ways, used }) => {
      const first = await used();
      const idle = ways.find((way) => way !== first)!;
      idle.stall();
      const down = await b.untilLogged("it is down", ({ id }) => id === "nsr-way");
      expect(down.msg).toBe(`no heartbeat comes by ${idle.path}`);
      expect(await nsrOf(b)).toMatchObject({ ready: true, peer: { ways_down: [idle.path] } });
      idle.heal();
      await b.untilLogged(
        "it is back",
        ({ msg }) => msg === `heartbeats come by ${idle.path} again`,
      );
      expect((await nsrOf(b)).peer.ways_down).toEqual([]);
    }));

  test("neither makes a takeover wait: a killed active is taken over from at once", () =>
    withWays({ "patience-ms": VERY_PATIENT_MS }, async ({ pair, a, b }) => {
      const peer = await pair.peer(1);
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      a.signal("SIGKILL");
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(shown.last_switchover!.ms["silence"]).toBeLessThan(VERY_PATIENT_MS / 2);
      expect(isUndisturbed(peer)).toBe(true);
    }));
});
