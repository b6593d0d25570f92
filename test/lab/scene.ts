/**
 * A scene: the speaker with the daemon under test and two other peers.
 *
 *     witness (BIRD) ---- speaker ---- daemon under test
 *                            |
 *                        raw peer
 *
 * The speaker has no routes of its own: what the daemon gets comes from the witness and the other
 * way round, so a scenario sees both directions from the receivers' points of view. The speaker
 * connects to the daemon, and the witness connects to the speaker. The IPv6 sessions use TCP MD5;
 * where the daemon can, the IPv4 sessions use GTSM, and those of a route server client ADD-PATH
 * (IPv4) and roles (IPv6).
 */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { parse } from "yaml";
import { bird } from "./bird.ts";
import {
  type Ability,
  type Daemon,
  type DaemonKind,
  type Family,
  familyOf,
  type Route,
  type RouteView,
  type SessionSpec,
  sortRoutes,
  viewOf,
} from "./daemon.ts";
import { RAW_AS } from "./faults.ts";
import type { Lab, LabNode } from "./netns.ts";
import { sampleRoutes } from "./sample-routes.ts";
import { createSpeaker, type Speaker } from "./speaker.ts";
import { until } from "./until.ts";

/** What the daemon and the witness are to the speaker. */
export type Role = "route-server-client" | "ebgp-peer" | "ibgp-peer";

export interface Scene {
  readonly role: Role;
  readonly speaker: Speaker;
  readonly daemon: End;
  readonly witness: End;
  readonly rawNode: LabNode;
  /** Configure the speaker as at the beginning, apart from `changes`, and reload. */
  reconfigure(changes?: Changes): Promise<void>;
}

/** What a scenario changes of the speaker's configuration. */
export interface Changes {
  /** Of the IPv4 session of the daemon. */
  readonly prefixLimit?: number;
  /** Of the IPv6 session of the daemon. */
  readonly password?: string;
  /** Seconds for which routes of the raw peer are kept at most while it is away. */
  readonly rawRestartTimeMax?: number;
}

/** A daemon on its node, and what it announces when a scenario begins. */
export interface End {
  readonly node: LabNode;
  readonly as: number;
  readonly daemon: Daemon;
  readonly routes: readonly Route[];
}

const LAB_CONFIG = new URL("../../configs/lab.yaml", import.meta.url);
const SPEAKER_AS = 65500;
const PASSWORD = "correct-horse";
export const FAMILIES = ["ipv4-unicast", "ipv6-unicast"] as const;
/** Limit of everything that is waited for. */
export const WAIT_MS = 20_000;

/** Build a scene and start everything in it. */
export async function setScene(lab: Lab, kind: DaemonKind, role: Role): Promise<Scene> {
  const [speakerNode, witnessNode, daemonNode, rawNode] = [
    lab.node("tsbgp"),
    lab.node("witness"),
    lab.node(kind.name),
    lab.node("raw"),
  ];
  const as = (own: number) => (role === "ibgp-peer" ? SPEAKER_AS : own);
  const speaker = createSpeaker(speakerNode, SPEAKER_AS);
  const witness = createEnd(bird, witnessNode, as(65001), 1, speakerNode, role, false);
  const daemon = createEnd(kind, daemonNode, as(65002), 2, speakerNode, role, true);
  const scene: Scene = {
    role,
    speaker,
    daemon,
    witness,
    rawNode,
    async reconfigure(changes = {}) {
      speaker.configure(speakerConfig(scene, changes));
      await speaker.reload();
    },
  };
  speaker.configure(speakerConfig(scene, {}));
  await Promise.all([speaker.start(), witness.daemon.start(), daemon.daemon.start()]);
  return scene;
}

function createEnd(
  kind: DaemonKind,
  node: LabNode,
  as: number,
  net: number,
  speaker: LabNode,
  role: Role,
  passive: boolean,
): End {
  const routes = sampleRoutes(as, net, kind);
  const sessions = FAMILIES.map((family): SessionSpec => {
    const { ttlSecurity, addPath, role: bgpRole } = features(kind, role, family);
    return {
      families: [family],
      localAddress: addressOf(node, family),
      peerAddress: addressOf(speaker, family),
      peerAs: SPEAKER_AS,
      routeServer: role === "route-server-client",
      passive,
      ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
      ...(ttlSecurity ? { ttlSecurity } : {}),
      ...(addPath ? { addPath: "receive" } : {}),
      ...(bgpRole ? { role: "rs-client" } : {}),
    };
  });
  const daemon = kind.create(node, { as, routerId: node.address4, sessions, originate: routes });
  return { node, as, daemon, routes };
}

/** What a session has beside the basics, where the daemon can. */
export function features(kind: DaemonKind, role: Role, family: Family) {
  const can = (ability: Ability) => kind.cannot[ability] === undefined;
  const client = role === "route-server-client";
  return {
    ttlSecurity: family === "ipv4-unicast" && can("ttl-security"),
    addPath: family === "ipv4-unicast" && client && can("add-path-receive"),
    role: family === "ipv6-unicast" && client && can("role"),
  };
}

export function addressOf(node: { address4: string; address6: string }, family: Family): string {
  return family === "ipv4-unicast" ? node.address4 : node.address6;
}

/** The labs' configuration with the neighbors of a scene, as JSON, which is YAML. */
function speakerConfig(
  scene: Scene,
  { prefixLimit, password = PASSWORD, rawRestartTimeMax }: Changes,
): string {
  const { role, speaker, daemon, witness, rawNode } = scene;
  const limit = { "max-prefix": { "ipv4-unicast": prefixLimit, action: "shutdown" } };
  const neighbors = [witness, daemon].flatMap((end) =>
    FAMILIES.map((family) => {
      const { ttlSecurity, addPath, role: bgpRole } = features(end.daemon.kind, role, family);
      const limited = end === daemon && family === "ipv4-unicast" && prefixLimit !== undefined;
      const secret = end === daemon ? password : PASSWORD;
      return {
        address: addressOf(end.node, family),
        as: end.as,
        group: role,
        passive: end === witness,
        ...(family === "ipv6-unicast" ? { password: secret } : {}),
        ...(ttlSecurity ? { "ttl-security": 1 } : {}),
        ...(addPath ? { "add-path": { send: "all" } } : {}),
        ...(bgpRole ? { role: "rs" } : {}),
        ...(limited ? limit : {}),
      };
    }),
  );
  const raw = {
    address: rawNode.address4,
    as: RAW_AS,
    passive: true,
    ...(rawRestartTimeMax === undefined
      ? {}
      : { "graceful-restart": { "restart-time-max": rawRestartTimeMax } }),
    ...(role === "ibgp-peer" ? {} : { group: role }),
  };
  return JSON.stringify({
    ...parse(readFileSync(LAB_CONFIG, "utf8")),
    router: { as: speaker.as, id: speaker.address4 },
    control: { socket: speaker.socket },
    neighbors: [...neighbors, raw],
  });
}

/** What `receiver` holds when `sender` announces `routes` through the speaker. */
function expectedViews(scene: Scene, sender: End, routes: readonly Route[], family: Family) {
  const { role, speaker } = scene;
  const from = addressOf(speaker, family);
  const asPath = (route: Route, ...before: number[]) =>
    [...before, ...(route.asPath ?? [])].join(" ");
  const views = routes
    .filter((route) => familyOf(route.prefix) === family)
    .map((route): RouteView => {
      const nextHop = addressOf(sender.node, family);
      if (role === "route-server-client") {
        return viewOf(route, { from, nextHop, asPath: asPath(route, sender.as) });
      }
      if (role === "ibgp-peer") {
        const localPref = route.localPref ?? 100;
        return viewOf(route, { from, nextHop, asPath: asPath(route), localPref });
      }
      // MED is for the neighbouring AS alone (RFC 4271 section 5.1.4).
      const path = asPath(route, speaker.as, sender.as);
      return { ...viewOf(route, { from, nextHop: from, asPath: path }), med: null };
    });
  return sortRoutes(views);
}

/** Wait until `receiver` holds these routes of `sender`, and no others, through the speaker. */
export async function expectRoutes(
  scene: Scene,
  receiver: End,
  sender: End,
  routes: readonly Route[],
): Promise<void> {
  const unseen = receiver.daemon.kind.cannot["med-zero"] !== undefined;
  for (const family of FAMILIES) {
    const expected = expectedViews(scene, sender, routes, family).map((view) =>
      unseen && view.med === 0 ? { ...view, med: null } : view,
    );
    await until(
      async () => {
        expect(await receiver.daemon.routes(family)).toEqual(expected);
        return true;
      },
      WAIT_MS,
      `${receiver.daemon.kind.name} has the ${family} routes of ${sender.daemon.kind.name}`,
    );
  }
}

export async function expectHome(scene: Scene): Promise<void> {
  await expectRoutes(scene, scene.daemon, scene.witness, scene.witness.routes);
  await expectRoutes(scene, scene.witness, scene.daemon, scene.daemon.routes);
}

/** How often the sessions of a daemon came up: unchanged, none was lost. */
export async function upCounts(scene: Scene, end: End): Promise<number[]> {
  const counts: number[] = [];
  for (const family of FAMILIES) {
    counts.push((await end.daemon.session(addressOf(scene.speaker, family))).upCount);
  }
  return counts;
}
