/**
 * A pair with its peers, and a capture in the namespace of each.
 *
 *     BIRD ----+            +---- FRR           each: one IPv4 session with GTSM where it can,
 *              +--- pair ---+                   one IPv6 session with TCP MD5
 *   GoBGP -----+     |      +---- feeder        scripted: IPv4 table, IPv6 table, update stream
 *                  cache  +---- restarter     scripted: restarts gracefully in each trial, not captured;
 *                                             the cache is nearly always in the middle of an update
 *
 * The speaker is a route server, so what a peer must hold is what the others announce, as it is. It drops
 * what is invalid; what the cache says makes IPv4 routes of daemons valid, and half of it would not.
 */
import { bird } from "../test/lab/bird.ts";
import {
  type AskedDaemon,
  control,
  type DaemonKind,
  type Family,
  type Route,
  viewOf,
} from "../test/lab/daemon.ts";
import { frr } from "../test/lab/frr.ts";
import { gobgp } from "../test/lab/gobgp.ts";
import { createLab, type Lab, type LabNode } from "../test/lab/netns.ts";
import { addressOf, FAMILIES, features } from "../test/lab/scene.ts";
import { until } from "../test/lab/until.ts";
import { type Capture, startCapture } from "./capture.ts";
import { Expectation } from "./expectation.ts";
import type { Feed } from "./feed.ts";
import { FeedTraffic } from "./feed-traffic.ts";
import { Feeder } from "./feeder.ts";
import { createPair, type LabPair, type PairKind, type Standbys } from "./pair.ts";
import { RESTARTER_AS, RESTARTER_ROUTES, Restarter } from "./restarter.ts";
import { Cache } from "./rtr-cache.ts";
import { makeReady, type Pair } from "./sides.ts";
import type { TrialScene } from "./trial.ts";
import { encodeUpdate, shownText } from "./updates.ts";
import { WireWatch } from "./wire-watch.ts";

const SPEAKER_AS = 4_200_001_000;
// AS numbers of 16 bits stand in real paths, where they would make loops.
const DAEMON_AS = 4_200_001_001;
const PASSWORD = "correct-horse";
const STREAM_ADDRESS = "10.0.0.241";
const READY_MS = 20_000;
const SESSIONS_MS = 40_000;
const SEND_MS = 60_000;
const DAEMON_ROUTES = 20;
const POLICIES = `{
  "origins": { "default": "accept", "rules": [ { "if": { "rpki": "invalid" }, "then": "reject" } ] }
}`;
const KINDS: readonly DaemonKind[] = [bird, frr, gobgp];

export interface DaemonEnd {
  readonly node: LabNode;
  readonly daemon: AskedDaemon;
  /** What it originates now, by prefix. */
  readonly routes: Map<string, Route>;
}

export interface FeedEnd {
  readonly feed: Feed;
  /** Number in the feeder. */
  readonly session: number;
  readonly address: string;
}

/** Peers of all kinds, and what they announce. */
export interface Scene extends TrialScene {
  readonly daemons: readonly DaemonEnd[];
  readonly feeds: readonly FeedEnd[];
  readonly feeder: Feeder;
  /** Null where there is none. */
  readonly restarter: Restarter | null;
  readonly expectation: Expectation;
  /** Where the speaker validates origins. */
  readonly cache?: Cache;
  /** How often each session of a daemon came up, by the peer's own count. */
  upCounts(): Promise<number[]>;
  /** Changed routes for a daemon to announce, with the number in a community. */
  changedRoutes(end: DaemonEnd, number: number): Route[];
}

/** In a lab that is there for nothing else. */
export interface LabTrialScene extends TrialScene {
  readonly lab: Lab;
  readonly pair: LabPair;
  remove(): void;
}

export type LabScene = Scene & LabTrialScene;

/** Those who take part. */
export type Cast = Pick<Scene, "pair" | "daemons" | "feeds" | "feeder" | "watch"> &
  Pick<Scene, "cache" | "restarter"> & {
    readonly captures: readonly Capture[];
  };

/**
 * Build a scene; return when every peer has everything and nothing moves any more.
 *
 * @param feeds - an IPv4 table, an IPv6 table and a stream
 * @throws Error when the pair or a session does not come up; the lab's words are printed
 */
export async function setScene(
  kind: PairKind,
  feeds: readonly Feed[],
  standbys: Standbys = 1,
): Promise<LabScene> {
  const lab = createLab();
  try {
    return await build(lab, kind, feeds, standbys);
  } catch (error) {
    console.error(lab.describe());
    lab.remove();
    throw error;
  }
}

async function build(
  lab: Lab,
  kind: PairKind,
  feeds: readonly Feed[],
  standbys: Standbys,
): Promise<LabScene> {
  const pair = await createPair(lab, kind, standbys);
  const nodes = KINDS.map((one) => lab.node(one.name));
  const daemons = KINDS.map((one, i) => createEnd(one, nodes[i]!, i, pair));
  const covered = coveredRoutes(daemons);
  const stays = new Set(covered.map(([prefix]) => prefix));
  const watch = new WireWatch([pair.address4, pair.address6], {
    readsRoutes: true,
    stays: (prefix) => stays.has(prefix),
  });
  const cache = await Cache.start(lab.node("cache"), covered);
  const feederNode = lab.node("feeder");
  const restarterNode = lab.node("restarter");
  const feedEnds = await createFeedEnds(feederNode, feeds, STREAM_ADDRESS);
  const captures = await Promise.all(
    [...nodes, feederNode].map((node) => startCapture(node, watch)),
  );
  pair.configure(sections(pair, daemons, feedEnds, { restarter: restarterNode, cache }));
  if (!(await makeReady(pair, READY_MS))) throw new Error("the pair does not become ready");
  await Promise.all(daemons.map(({ daemon }) => daemon.start()));
  const feeder = await startFeeder(feederNode, feedEnds, pair);
  // Where nobody takes over it could not come back.
  const restarter = kind === "alone" ? null : await Restarter.start(restarterNode, pair.address4);
  const cast = { pair, daemons, feeds: feedEnds, feeder, watch, cache, captures, restarter };
  const scene = createScene(cast);
  if (restarter !== null) {
    scene.expectation.addFeed(restarterNode.address4, RESTARTER_ROUTES.family);
    scene.expectation.apply(restarterNode.address4, RESTARTER_ROUTES);
  }
  await fillScene(scene);
  const remove = () => {
    for (const capture of captures) capture.close();
    lab.remove();
  };
  return { ...scene, lab, pair, remove };
}

/** @param streamAddress - the node gets it beside its own, for the third feed */
export async function createFeedEnds(
  node: LabNode,
  feeds: readonly Feed[],
  streamAddress: string,
): Promise<FeedEnd[]> {
  await control(node, ["ip", "address", "add", `${streamAddress}/24`, "dev", "eth0"]);
  return feeds.map((feed, session) => {
    const own = addressOf(node, feed.family);
    return { feed, session, address: session < 2 ? own : streamAddress };
  });
}

/** Returns when the scripted peers have their sessions. */
export function startFeeder(node: LabNode, ends: readonly FeedEnd[], pair: Pair): Promise<Feeder> {
  return Feeder.start(
    node,
    ends.map(({ feed, address }) => ({
      host: addressOfPair(pair, feed.family),
      localAddress: address,
      as: feed.as,
      identifier: address.includes(":") ? "10.0.0.242" : address,
      family: feed.family === "ipv4-unicast" ? "ipv4" : "ipv6",
    })),
  );
}

/** Waits for the daemons' sessions, and has the scripted peers announce their tables. */
export async function fillScene(scene: Scene): Promise<void> {
  await until(
    async () => (await scene.upCounts()).every((count) => count > 0),
    SESSIONS_MS,
    "the daemons have their sessions",
  );
  for (const { feed, session, address } of scene.feeds) {
    for (const change of feed.table) scene.expectation.apply(address, change);
    const messages = feed.table.map(({ family, nlri, attributes }) =>
      encodeUpdate(family, nlri, attributes, address),
    );
    if (messages.length > 0) await scene.feeder.send(session, messages, SEND_MS);
  }
}

/** @param cast - with everything started */
export function createScene({ captures, ...cast }: Cast): Scene {
  const { pair, daemons, feeds } = cast;
  const expectation = new Expectation();
  for (const { feed, address } of feeds) expectation.addFeed(address, feed.family);
  for (const { node, daemon, routes } of daemons) {
    for (const family of FAMILIES) {
      expectation.addDaemon(addressOf(node, family), family, () =>
        [...routes.values()].map((route) => [route.prefix, shown(daemon, node, route)]),
      );
    }
  }
  const scene: Scene = {
    ...cast,
    expectation,
    startTraffic: (plan) => FeedTraffic.start(scene, plan),
    look() {
      for (const capture of captures) capture.read();
    },
    async upCounts() {
      const questions = daemons.flatMap(({ daemon }) =>
        FAMILIES.map((family) => daemon.session(addressOfPair(pair, family))),
      );
      const answers = await Promise.all(questions);
      return answers.map(({ state, upCount }) => (state === "established" ? upCount : -1));
    },
    changedRoutes({ routes }, number) {
      return [...routes.values()]
        .filter((_, i) => (i + number) % 5 === 0)
        .map((route) => ({ ...route, communities: [`65001:${number % 65_536}`, "65001:1"] }));
    },
  };
  return scene;
}

export function addressOfPair(pair: Pair, family: Family): string {
  return addressOf(pair, family);
}

/** What a receiver is shown of a daemon's own route. */
export function shown(
  daemon: AskedDaemon,
  node: LabNode,
  route: Route,
  asPath: string = String(daemon.spec.as),
): string {
  const nextHop = addressOf(node, route.prefix.includes(":") ? "ipv6-unicast" : "ipv4-unicast");
  return shownText(viewOf(route, { from: "", nextHop, asPath }));
}

function createEnd(kind: DaemonKind, node: LabNode, number: number, pair: Pair) {
  const as = DAEMON_AS + number;
  const routes = Array.from({ length: DAEMON_ROUTES }, (_, i): Route => {
    const common = { med: i + 1, communities: [`65001:${i}`], origin: "igp" } as const;
    const isIpv4 = i % 2 === 0;
    const prefix = isIpv4 ? `10.${number + 1}.${i}.0/24` : `fd${number + 1}0:${i}::/48`;
    return { ...common, prefix };
  });
  const sessions = FAMILIES.map((family) => {
    const { ttlSecurity } = features(kind, "route-server-client", family);
    return {
      families: [family],
      localAddress: addressOf(node, family),
      peerAddress: addressOfPair(pair, family),
      peerAs: SPEAKER_AS,
      routeServer: true,
      ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
      ...(ttlSecurity ? { ttlSecurity } : {}),
    };
  });
  const daemon = kind.create(node, { as, routerId: node.address4, sessions, originate: routes });
  return { node, daemon, routes: new Map(routes.map((route) => [route.prefix, route])) };
}

/** Routes of daemons that have payloads in the cache, and so are not to go while these change. */
function coveredRoutes(daemons: readonly DaemonEnd[]) {
  return daemons.flatMap(({ daemon, routes }) =>
    [...routes.keys()]
      .filter((prefix) => !prefix.includes(":"))
      .map((prefix) => [prefix, daemon.spec.as] as const),
  );
}

function sections(
  pair: LabPair,
  daemons: readonly DaemonEnd[],
  feeds: readonly FeedEnd[],
  { restarter, cache: { address, port } }: { restarter: LabNode; cache: Cache },
) {
  return {
    router: { as: SPEAKER_AS, id: pair.address4 },
    rpki: { caches: [{ address, port }] },
    policies: JSON.parse(POLICIES),
    defaults: {
      import: "origins",
      export: "accept-all",
      passive: true,
      "route-server-client": true,
    },
    neighbors: [
      ...daemons.flatMap(({ node, daemon }) =>
        FAMILIES.map((family) => {
          const { ttlSecurity } = features(daemon.kind, "route-server-client", family);
          return {
            address: addressOf(node, family),
            as: daemon.spec.as,
            families: [family],
            ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
            ...(ttlSecurity ? { "ttl-security": 1 } : {}),
          };
        }),
      ),
      ...feeds.map(({ feed, address }) => ({ address, as: feed.as, families: [feed.family] })),
      { address: restarter.address4, as: RESTARTER_AS },
    ],
  };
}
