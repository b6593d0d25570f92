/** GoBGP: `gobgpd`, with its routes added and everything asked by `gobgp`. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  control,
  type Daemon,
  type DaemonKind,
  type DaemonSpec,
  extendedText,
  type Family,
  familyOf,
  isInternal,
  killProcess,
  type NotificationView,
  type Origin,
  pair,
  type Route,
  type RouteView,
  type SessionSpec,
  type SessionState,
  type SessionView,
  sorted,
  sortRoutes,
  untilReady,
} from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";

const FAMILIES: Readonly<Record<Family, string>> = {
  "ipv4-unicast": "ipv4",
  "ipv6-unicast": "ipv6",
};
const ORIGINS: readonly Origin[] = ["igp", "egp", "incomplete"];
const STATES: readonly SessionState[] = [
  "idle",
  "idle",
  "connect",
  "active",
  "open-sent",
  "open-confirm",
  "established",
];
const ADD_PATHS_MAX = 8;

export const gobgp: DaemonKind = {
  name: "gobgp",
  program: "/usr/bin/gobgpd",
  debianPackage: "gobgpd",
  cannot: {
    refresh: "softresetin replays its own Adj-RIB-In and sends no ROUTE-REFRESH",
    role: "GoBGP knows no BGP roles",
    soo: "the command line client has no word for a site of origin",
  },
  negotiates: ["4-octet-as", "route-refresh"],
  create: (node, spec) => createGobgp(node, spec),
};

function createGobgp(node: LabNode, spec: DaemonSpec): Daemon {
  let running: LabProcess | undefined;
  const socket = `unix://${node.directory}/api`;
  const log = () => running?.output() ?? "";
  const ask = (...words: string[]) => control(node, ["gobgp", "--target", socket, ...words]);
  const rib = (...words: string[]) => ask("global", "rib", ...words);
  const announce = async (routes: readonly Route[]) => {
    for (const route of routes)
      await rib("add", "-a", FAMILIES[familyOf(route.prefix)], ...words(route));
  };

  return {
    kind: gobgp,
    spec,
    async start(isRestart = false) {
      // What it has comes by its API: a restarted one that is connected before has nothing, and says so.
      writeFileSync(join(node.directory, "gobgpd.toml"), config(spec, isRestart));
      const recovers = isRestart ? ["--graceful-restart"] : [];
      const options = ["--pprof-disable", "--api-hosts", socket, ...recovers];
      running = node.spawn([gobgp.program, "-f", "gobgpd.toml", ...options]);
      await untilReady("gobgp", running, async () => (await ask("global")) !== "");
      await announce(spec.originate);
      if (!isRestart) return;
      for (const { peerAddress } of spec.sessions) await ask("neighbor", peerAddress, "enable");
    },
    async stop() {
      await running?.stop();
    },
    async kill() {
      await killProcess(running);
      // It does not start where another one has left this.
      rmSync(join(node.directory, "api"), { force: true });
    },
    async session(peerAddress) {
      const state = JSON.parse(await ask("-j", "neighbor", peerAddress));
      const ups = logEntries(log(), "Peer Up", peerAddress).length;
      return sessionView(state, await ask("neighbor", peerAddress), ups);
    },
    async routes(family) {
      const answer = await rib("-j", "-a", FAMILIES[family]);
      return sortRoutes(parseRoutes(JSON.parse(answer), spec));
    },
    announce,
    async withdraw(prefixes) {
      for (const prefix of prefixes) await rib("del", "-a", FAMILIES[familyOf(prefix)], prefix);
    },
    refresh: undefined,
    async shutdown(peerAddress, text) {
      // "disable", which this old word is to give way to, sends no reason.
      await ask("neighbor", peerAddress, "shutdown", "--reason", text);
    },
    async enable() {},
    async lastNotification(peerAddress) {
      return parseNotification(log(), peerAddress);
    },
    logText: log,
  };
}

function config(spec: DaemonSpec, isDown: boolean): string {
  return [
    "[global.config]",
    `as = ${spec.as}`,
    `router-id = "${spec.routerId}"`,
    ...spec.sessions.flatMap((session) => sessionConfig(session, isDown)),
    "",
  ].join("\n");
}

function sessionConfig(session: SessionSpec, isDown: boolean): string[] {
  const paths = session.addPath ?? "none";
  return [
    "[[neighbors]]",
    "[neighbors.config]",
    `neighbor-address = "${session.peerAddress}"`,
    `peer-as = ${session.peerAs}`,
    `admin-down = ${isDown}`,
    ...(session.password ? [`auth-password = "${session.password}"`] : []),
    "[neighbors.transport.config]",
    `local-address = "${session.localAddress}"`,
    `passive-mode = ${session.passive ?? false}`,
    "[neighbors.timers.config]",
    "connect-retry = 1",
    "hold-time = 90",
    "idle-hold-time-after-reset = 1",
    ...(session.ttlSecurity
      ? ["[neighbors.ttl-security.config]", "enabled = true", "ttl-min = 255"]
      : []),
    ...(session.restart
      ? [
          "[neighbors.graceful-restart.config]",
          "enabled = true",
          `restart-time = ${session.restart.seconds}`,
          "deferral-time = 20",
          `long-lived-enabled = ${session.restart.staleSeconds > 0}`,
          `notification-enabled = ${session.restart.notification ?? false}`,
        ]
      : []),
    ...session.families.flatMap((family) => [
      "[[neighbors.afi-safis]]",
      "[neighbors.afi-safis.config]",
      `afi-safi-name = "${family}"`,
      "[neighbors.afi-safis.add-paths.config]",
      `receive = ${paths === "receive" || paths === "both"}`,
      `send-max = ${paths === "send" || paths === "both" ? ADD_PATHS_MAX : 0}`,
      ...(session.restart
        ? [
            "[neighbors.afi-safis.mp-graceful-restart.config]",
            "enabled = true",
            "[neighbors.afi-safis.long-lived-graceful-restart.config]",
            `enabled = ${session.restart.staleSeconds > 0}`,
            `restart-time = ${session.restart.staleSeconds}`,
          ]
        : []),
    ]),
  ];
}

/** The arguments of `gobgp global rib add` that describe a route. */
function words(route: Route): string[] {
  const targets = (route.extCommunities ?? []).map((community) => community.replace(/^rt:/, ""));
  const option = (word: string, value: string | number | undefined) =>
    value === undefined || value === "" ? [] : [word, String(value)];
  return [
    route.prefix,
    ...option("origin", route.origin ?? "igp"),
    ...option("aspath", route.asPath?.join(" ")),
    ...option("nexthop", route.nextHop),
    ...option("med", route.med),
    ...option("local-pref", route.localPref),
    ...option("community", route.communities?.join(",")),
    ...option("large-community", route.largeCommunities?.join(",")),
    ...(targets.length > 0 ? ["rt", ...targets] : []),
  ];
}

/** The parts of a path in `gobgp -j global rib` that are read; an attribute goes by its type. */
interface GobgpPath {
  readonly attrs: readonly {
    readonly type: number;
    readonly value?: number | readonly unknown[];
    readonly metric?: number;
    readonly nexthop?: string;
    readonly communities?: readonly number[];
    readonly as_paths?: readonly {
      readonly segment_type: number;
      readonly asns: readonly number[];
    }[];
  }[];
  readonly "neighbor-ip"?: string;
}

function parseRoutes(answer: Record<string, readonly GobgpPath[]>, spec: DaemonSpec): RouteView[] {
  return Object.entries(answer).flatMap(([prefix, paths]) =>
    paths.flatMap((path) => {
      const from = path["neighbor-ip"];
      return from === undefined ? [] : [routeView(prefix, from, path, spec)];
    }),
  );
}

function routeView(prefix: string, from: string, path: GobgpPath, spec: DaemonSpec): RouteView {
  const attribute = (type: number) => path.attrs.find((one) => one.type === type);
  const list = (type: number) =>
    (attribute(type)?.value ?? []) as readonly Record<string, number>[];
  return {
    prefix,
    nextHop: attribute(3)?.nexthop ?? attribute(14)?.nexthop ?? "",
    asPath: (attribute(2)?.as_paths ?? [])
      .map(({ segment_type: type, asns }) => (type === 1 ? `{${asns.join(",")}}` : asns.join(" ")))
      .join(" "),
    origin: ORIGINS[Number(attribute(1)?.value ?? 2)]!,
    med: attribute(4)?.metric ?? null,
    localPref: isInternal(spec, from)
      ? ((attribute(5)?.value as number | undefined) ?? null)
      : null,
    communities: sorted(attribute(8)?.communities?.map((c) => `${c >>> 16}:${c & 0xffff}`)),
    largeCommunities: sorted(
      list(32).map((one) => `${one["ASN"]}:${one["LocalData1"]}:${one["LocalData2"]}`),
    ),
    extCommunities: sorted(list(16).map(extendedView)),
    from,
  };
}

function extendedView(community: Readonly<Record<string, unknown>>): string {
  const kind = ({ 2: "rt", 3: "soo" } as const)[Number(community["subtype"])];
  if (kind === undefined) return `generic:${JSON.stringify(community)}`;
  return extendedText(kind, ...pair(String(community["value"])));
}

/** The parts of `gobgp -j neighbor X` that are read; a count of 0 is left out. */
interface GobgpNeighbor {
  readonly state: {
    readonly session_state?: number;
    readonly messages: { readonly received?: { readonly update?: number } };
  };
  readonly afi_safis?: readonly { readonly state?: { readonly received?: number } }[];
}

function sessionView(neighbor: GobgpNeighbor, text: string, upCount: number): SessionView {
  const families = neighbor.afi_safis ?? [];
  const capabilities =
    text.split("Neighbor capabilities:")[1]?.split("Message statistics:")[0] ?? "";
  return {
    state: STATES[neighbor.state.session_state ?? 0] ?? "idle",
    upCount,
    ...parseCapabilities(capabilities),
    prefixesReceived: families.reduce((sum, { state }) => sum + (state?.received ?? 0), 0),
    updatesReceived: neighbor.state.messages.received?.update ?? 0,
  };
}

const CAPABILITIES: Readonly<Record<string, string>> = {
  "4-octet-as": "4-octet-as",
  "UnknownCapability(6)": "extended-message",
  "enhanced-route-refresh": "enhanced-route-refresh",
  "extended-nexthop": "extended-next-hop",
  fqdn: "fqdn",
  "graceful-restart": "graceful-restart",
  "ipv4-unicast": "mp-ipv4-unicast",
  "ipv6-unicast": "mp-ipv6-unicast",
  "long-lived-graceful-restart": "long-lived-graceful-restart",
  "route-refresh": "route-refresh",
};

/** Lines `NAME: advertised and received`, and below "Local:" or "Remote:" what ADD-PATH says. */
function parseCapabilities(text: string): { sent: string[]; received: string[] } {
  const sent: string[] = [];
  const received: string[] = [];
  let details = sent;
  for (const line of text.split("\n")) {
    const [, word = "", value = ""] = /^\s*([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (word === "Local") details = sent;
    if (word === "Remote") details = received;
    if (/send|receive$/.test(value)) {
      for (const way of value.split("/")) details.push(`add-path-${way}-${word}`);
    }
    const name = CAPABILITIES[word];
    if (name !== undefined && value.includes("advertised")) sent.push(name);
    if (name !== undefined && value.includes("received")) received.push(name);
  }
  return { sent: sorted(sent), received: sorted(received) };
}

/** Log entries, one JSON object a line, with this message about this peer. */
function logEntries(log: string, message: string, peer: string): Record<string, unknown>[] {
  return log
    .split("\n")
    .filter((line) => line.includes(message))
    .map((line) => JSON.parse(line))
    .filter((entry) => entry.msg === message && entry.Key === peer);
}

function parseNotification(log: string, peerAddress: string): NotificationView | null {
  const last = logEntries(log, "received notification", peerAddress).at(-1);
  if (last === undefined) return null;
  return {
    code: Number(last["Code"]),
    subcode: Number(last["Subcode"]),
    text: String(last["Communicated-Reason"] ?? ""),
  };
}
