/** OpenBGPD: configured by a file, asked by `bgpctl`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  asPathText,
  communityText,
  control,
  type Daemon,
  type DaemonKind,
  type DaemonSpec,
  extendedText,
  type Family,
  isInternal,
  killProcess,
  type NotificationView,
  type Origin,
  pair,
  type Route,
  type RouteView,
  replaceRoutes,
  type SessionSpec,
  type SessionView,
  sorted,
  sortRoutes,
  stateOf,
  untilReady,
} from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";
import { until } from "./until.ts";

/** OpenBGPD confines its workers to this directory and does not make it. */
const CHROOT = "/run/openbgpd";
const RELOAD_MS = 60_000;
const FAMILIES: Readonly<Record<Family, string>> = {
  "ipv4-unicast": "IPv4 unicast",
  "ipv6-unicast": "IPv6 unicast",
};

export const openbgpd: DaemonKind = {
  name: "openbgpd",
  program: "/usr/sbin/bgpd",
  debianPackage: "openbgpd",
  cannot: {
    "as-path": "a network statement can only prepend the own or the neighbor's AS number",
    "med-zero": "bgpctl shows a MED of 0 for a route without MED",
    "refresh-answer": "this version takes a ROUTE-REFRESH for one of a family not negotiated",
  },
  negotiates: ["4-octet-as", "enhanced-route-refresh", "route-refresh"],
  create: (node, spec) => createOpenbgpd(node, spec),
};

function createOpenbgpd(node: LabNode, spec: DaemonSpec): Daemon {
  let routes = spec.originate;
  let running: LabProcess | undefined;
  const file = join(node.directory, "bgpd.conf");
  const socket = join(node.directory, "bgpd.sock");
  const log = () => running?.output() ?? "";
  const bgpctl = (...words: string[]) => control(node, ["bgpctl", "-s", socket, ...words]);
  const json = async (...words: string[]) => JSON.parse(await bgpctl("-j", ...words));
  // OpenBGPD refuses a file that others can read.
  const configure = () => writeFileSync(file, config(spec, routes, socket), { mode: 0o600 });
  // Of two reloads at once it may lose what the later one withdraws.
  const reload = async () => {
    const done = () => log().split("RDE soft reconfiguration done").length;
    const before = done();
    configure();
    await bgpctl("reload");
    await until(() => done() > before, RELOAD_MS, "openbgpd has its new configuration");
  };

  return {
    kind: openbgpd,
    spec,
    async start() {
      mkdirSync(CHROOT, { recursive: true });
      configure();
      running = node.spawn([openbgpd.program, "-d", "-v", "-f", file]);
      await untilReady("openbgpd", running, async () => (await bgpctl("show")) !== "");
    },
    async stop() {
      await running?.stop();
    },
    kill: () => killProcess(running),
    async session(peerAddress) {
      const answer = await json("show", "neighbor", peerAddress);
      const up = `neighbor ${peerAddress}: state change OpenConfirm -> Established`;
      return sessionView(answer.neighbors[0], log().split(up).length - 1);
    },
    async routes(family) {
      const table = family === "ipv4-unicast" ? "inet" : "inet6";
      return sortRoutes(parseRoutes(await json("show", "rib", table, "detail"), spec));
    },
    async announce(changed) {
      routes = replaceRoutes(routes, changed);
      await reload();
    },
    async withdraw(prefixes) {
      routes = routes.filter((route) => !prefixes.includes(route.prefix));
      await reload();
    },
    async refresh(peerAddress) {
      await bgpctl("neighbor", peerAddress, "refresh");
    },
    async shutdown(peerAddress, text) {
      await bgpctl("neighbor", peerAddress, "down", text);
    },
    async enable(peerAddress) {
      await bgpctl("neighbor", peerAddress, "up");
    },
    async lastNotification(peerAddress) {
      return parseNotification(log(), peerAddress);
    },
    logText: log,
  };
}

function config(spec: DaemonSpec, routes: readonly Route[], socket: string): string {
  const addresses = new Set(spec.sessions.map((session) => session.localAddress));
  return [
    `AS ${spec.as}`,
    `router-id ${spec.routerId}`,
    "fib-update no",
    "holdtime 90",
    `socket "${socket}"`,
    ...[...addresses].map((address) => `listen on ${address}`),
    ...routes.map((route) => `network ${route.prefix} set { ${attributes(route).join(" ")} }`),
    ...spec.sessions.flatMap((session) => sessionConfig(spec, session)),
    "allow from any",
    "allow to any",
    "",
  ].join("\n");
}

function attributes(route: Route): string[] {
  const option = (word: string, value: string | number | undefined) =>
    value === undefined ? [] : [`${word} ${value}`];
  return [
    `origin ${route.origin ?? "igp"}`,
    ...option("nexthop", route.nextHop),
    ...option("metric", route.med),
    ...option("localpref", route.localPref),
    ...(route.communities ?? []).map((community) => `community ${community}`),
    ...(route.largeCommunities ?? []).map((community) => `large-community ${community}`),
    ...(route.extCommunities ?? []).map((c) => `ext-community ${c.replace(":", " ")}`),
  ];
}

function sessionConfig(spec: DaemonSpec, session: SessionSpec): string[] {
  const option = (value: unknown, line: string) => (value ? [` ${line}`] : []);
  const paths = session.addPath;
  // No local-address: with it this version leaves the peer's MD5 key off its listening socket.
  const enforced = session.peerAs !== spec.as && !session.routeServer;
  return [
    `neighbor ${session.peerAddress} {`,
    ` remote-as ${session.peerAs}`,
    " announce enhanced refresh yes",
    ` enforce neighbor-as ${enforced ? "yes" : "no"}`,
    ...session.families.map((family) => ` announce ${FAMILIES[family]}`),
    ...option(session.passive, "passive"),
    ...option(session.password, `tcp md5sig password ${session.password}`),
    ...option(session.ttlSecurity, "ttl-security yes"),
    ...option(session.role, `announce policy ${session.role}`),
    ...option(paths === "receive" || paths === "both", "announce add-path recv yes"),
    ...option(paths === "send" || paths === "both", "announce add-path send all"),
    "}",
  ];
}

/** The parts of a route in `bgpctl -j show rib detail` that are read. */
interface OpenbgpdRoute {
  readonly prefix: string;
  readonly aspath: string;
  readonly exit_nexthop: string;
  readonly origin: string;
  readonly metric: number;
  readonly localpref: number;
  readonly neighbor: { readonly remote_addr: string };
  readonly communities?: readonly string[];
  readonly extended_communities?: readonly string[];
  readonly large_communities?: readonly string[];
}

function parseRoutes(answer: { rib?: readonly OpenbgpdRoute[] }, spec: DaemonSpec): RouteView[] {
  const peers = new Set(spec.sessions.map((session) => session.peerAddress));
  return (answer.rib ?? [])
    .filter((route) => peers.has(route.neighbor.remote_addr))
    .map((route) => routeView(route, spec));
}

function routeView(route: OpenbgpdRoute, spec: DaemonSpec): RouteView {
  const from = route.neighbor.remote_addr;
  const extended = (route.extended_communities ?? []).map((community) => {
    const [kind = "", value = ""] = community.split(" ");
    return extendedText(kind, ...pair(value));
  });
  return {
    prefix: route.prefix,
    nextHop: route.exit_nexthop,
    asPath: asPathText(route.aspath),
    origin: route.origin.toLowerCase() as Origin,
    med: route.metric === 0 ? null : route.metric,
    localPref: isInternal(spec, from) ? route.localpref : null,
    communities: sorted(route.communities?.map(communityText)),
    largeCommunities: sorted(route.large_communities),
    extCommunities: sorted(extended),
    from,
  };
}

interface OpenbgpdCapabilities {
  readonly as4byte?: boolean;
  readonly refresh?: boolean;
  readonly enhanced_refresh?: boolean;
  readonly multiprotocol?: readonly string[];
  readonly graceful_restart?: unknown;
  readonly "add-path"?: readonly { readonly family: string; readonly mode: string }[];
  readonly open_policy_role?: string;
}

/** The parts of `bgpctl -j show neighbor X` that are read; `session` is there while it is up. */
interface OpenbgpdNeighbor {
  readonly state: string;
  readonly stats: {
    readonly prefixes: { readonly received: number };
    readonly message: { readonly received: { readonly updates: number } };
  };
  readonly session?: {
    readonly local: { readonly capabilities?: OpenbgpdCapabilities };
    readonly remote: { readonly capabilities?: OpenbgpdCapabilities };
  };
}

function sessionView(neighbor: OpenbgpdNeighbor, upCount: number): SessionView {
  return {
    state: stateOf(neighbor.state),
    upCount,
    sent: capabilityNames(neighbor.session?.local.capabilities ?? {}),
    received: capabilityNames(neighbor.session?.remote.capabilities ?? {}),
    prefixesReceived: neighbor.stats.prefixes.received,
    updatesReceived: neighbor.stats.message.received.updates,
  };
}

function capabilityNames(capabilities: OpenbgpdCapabilities): string[] {
  const family = (name: string) => name.toLowerCase().replace(" ", "-");
  const named = (value: unknown, name: string) => (value ? [name] : []);
  const paths = (capabilities["add-path"] ?? []).flatMap(({ family: name, mode }) => [
    ...named(/send|bidir/.test(mode), `add-path-send-${family(name)}`),
    ...named(/recv|bidir/.test(mode), `add-path-receive-${family(name)}`),
  ]);
  return sorted([
    ...named(capabilities.as4byte, "4-octet-as"),
    ...named(capabilities.refresh, "route-refresh"),
    ...named(capabilities.enhanced_refresh, "enhanced-route-refresh"),
    ...named(capabilities.graceful_restart, "graceful-restart"),
    ...named(capabilities.open_policy_role, "role"),
    ...(capabilities.multiprotocol ?? []).map((name) => `mp-${family(name)}`),
    ...paths,
  ]);
}

/** OpenBGPD's names of the error codes, and of the subcodes in their order. */
const ERRORS: Readonly<Record<string, [code: number, subcodes: readonly string[]]>> = {
  "Header error": [1, ["none", "synchronization error", "wrong length", "unknown message type"]],
  "error in OPEN message": [
    2,
    [
      "none",
      "version mismatch",
      "AS unacceptable",
      "BGPID invalid",
      "optional parameter error",
      "authentication error",
      "unacceptable holdtime",
      "unsupported capability",
      "unknown",
      "unknown",
      "unknown",
      "role mismatch",
    ],
  ],
  "error in UPDATE message": [
    3,
    [
      "none",
      "attribute list error",
      "unknown well-known attribute",
      "well-known attribute missing",
      "attribute flags error",
      "attribute length wrong",
      "origin unacceptable",
      "loop detected",
      "nexthop unacceptable",
      "optional attribute error",
      "network unacceptable",
      "AS-Path unacceptable",
    ],
  ],
  "HoldTimer expired": [4, []],
  "Finite State Machine error": [
    5,
    [
      "none",
      "received unexpected message in OpenSent",
      "received unexpected message in OpenConfirm",
      "received unexpected message in Established",
    ],
  ],
  Cease: [
    6,
    [
      "none",
      "received max-prefix exceeded",
      "administratively down",
      "peer unconfigured",
      "administrative reset",
      "connection rejected",
      "other config change",
      "collision",
      "resource exhaustion",
      "hard reset",
    ],
  ],
  "error in ROUTE-REFRESH message": [7, ["none", "invalid message length"]],
};

/**
 * The newest log line `neighbor X: received notification: Cease, administratively down`; the
 * shutdown communication is in a line of its own after it.
 */
function parseNotification(log: string, peerAddress: string): NotificationView | null {
  const lines = log.split("\n").filter((line) => line.startsWith(`neighbor ${peerAddress}: `));
  const at = lines.findLastIndex((line) => line.includes(": received notification"));
  if (at === -1) return null;
  const [name = "", subname = ""] =
    lines[at]!.split("received notification: ")[1]?.split(", ") ?? [];
  const [code, subcodes] = ERRORS[name] ?? [0, []];
  const named = Math.max(0, subcodes.indexOf(subname));
  const unnamed = /unknown subcode (\d+)/.exec(subname)?.[1];
  const text = /received shutdown reason: "(.*)"/.exec(lines[at + 1] ?? "")?.[1] ?? "";
  return { code, subcode: unnamed === undefined ? named : Number(unnamed), text };
}
