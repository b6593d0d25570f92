/**
 * FRR: `bgpd` with `zebra`, asked by `vtysh`.
 *
 * Without zebra bgpd knows no interface, and then treats an IPv6 route with a link-local next hop
 * as withdrawn and announces no IPv6 route itself.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AskedDaemon,
  asPathText,
  communityText,
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
  type Route,
  type RouteView,
  type SessionSpec,
  type SessionView,
  sorted,
  sortRoutes,
  stateOf,
  untilReady,
  words,
} from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";

const FAMILIES: Readonly<Record<Family, string>> = {
  "ipv4-unicast": "ipv4 unicast",
  "ipv6-unicast": "ipv6 unicast",
};

/** Of routes that came from a peer; it is not sent. */
const RECEIVED_TAG = 1;

const ALL_FAMILIES = ["ipv4-unicast", "ipv6-unicast"] as const;

export const frr: DaemonKind = {
  name: "frr",
  program: "/usr/lib/frr/bgpd",
  debianPackage: "frr",
  cannot: {
    "med-absent": "a network statement announces a MED of 0 unless its route map sets another",
  },
  negotiates: ["4-octet-as", "enhanced-route-refresh", "extended-message", "route-refresh"],
  create: (node, spec) => createFrr(node, spec),
};

function createFrr(node: LabNode, spec: DaemonSpec): Daemon {
  let bgpd: LabProcess | undefined;
  let zebra: LabProcess | undefined;
  const log = () => bgpd?.output() ?? "";
  const words = ["vtysh", "--vty_socket", node.directory, "-d", "bgpd"];
  const vtysh = vtyshOf(node, words);

  return {
    ...askFrr(node, spec, { vtysh: words, log }),
    async start() {
      writeFileSync(join(node.directory, "zebra.conf"), "log stdout\n");
      writeFileSync(join(node.directory, "bgpd.conf"), config(spec, spec.originate));
      // Both give up root for this user, and make sockets and pid files here.
      await control(node, ["chown", "-R", "frr:frr", node.directory]);
      const common = ["-P", "0", "--vty_socket", node.directory, "-z", `${node.directory}/zserv`];
      const own = (name: string) => ["-f", `${name}.conf`, "-i", `${node.directory}/${name}.pid`];
      zebra = node.spawn(["/usr/lib/frr/zebra", ...own("zebra"), ...common]);
      // A bgpd that finds no zebra tries again only ten seconds later.
      await untilReady("zebra", zebra, async () => existsSync(join(node.directory, "zserv")));
      bgpd = node.spawn([frr.program, ...own("bgpd"), ...common]);
      await untilReady("frr", bgpd, async () => (await vtysh("show version")) !== "");
    },
    async stop() {
      await Promise.all([bgpd?.stop(), zebra?.stop()]);
    },
    async kill() {
      await Promise.all([killProcess(bgpd), killProcess(zebra)]);
      // Else one that is started again takes it for that of a zebra which runs.
      rmSync(join(node.directory, "zserv"), { force: true });
    },
    async refresh(peerAddress) {
      await vtysh(`clear bgp ${peerAddress} soft in`);
    },
    async shutdown(peerAddress, text) {
      const command = `neighbor ${peerAddress} shutdown message ${text}`;
      await vtysh("configure terminal", `router bgp ${spec.as}`, command);
    },
    async enable(peerAddress) {
      const command = `no neighbor ${peerAddress} shutdown`;
      await vtysh("configure terminal", `router bgp ${spec.as}`, command);
    },
    async lastNotification(peerAddress) {
      return parseNotification(log(), peerAddress);
    },
  };
}

/** How to reach an FRR that runs. */
export interface FrrAccess {
  /** Words of its control client, for bgpd. */
  readonly vtysh: readonly string[];
  /** What it has logged. */
  readonly log: () => string;
}

function vtyshOf(node: LabNode, words: readonly string[]) {
  return (...commands: string[]) =>
    control(node, [...words, ...commands.flatMap((command) => ["-c", command])]);
}

/** FRR as one asks it, whoever has started it. Its configuration takes routes without more ado. */
export function askFrr(node: LabNode, spec: DaemonSpec, access: FrrAccess): AskedDaemon {
  /** Route maps are never changed in place: a changed route gets one of a new name. */
  let generation = 0;
  const vtysh = vtyshOf(node, access.vtysh);
  const json = async (command: string) => JSON.parse(await vtysh(command));
  const configure = (...commands: string[]) => vtysh("configure terminal", ...commands);
  const originate = async (family: Family, lines: readonly string[]) => {
    if (lines.length === 0) return;
    await configure(`router bgp ${spec.as}`, `address-family ${FAMILIES[family]}`, ...lines);
  };

  return {
    kind: frr,
    spec,
    async session(peerAddress) {
      const answer = await json(`show bgp neighbors ${peerAddress} json`);
      return sessionView(answer[peerAddress]);
    },
    async routes(family) {
      const answer = await json(`show bgp ${FAMILIES[family]} json detail`);
      return sortRoutes(parseRoutes(answer, spec));
    },
    async announce(changed) {
      generation += 1;
      await configure(...changed.flatMap((route) => routeMap(route, generation)));
      for (const family of ALL_FAMILIES) {
        await originate(family, networks(family, changed, generation));
      }
    },
    async withdraw(prefixes) {
      for (const family of ALL_FAMILIES) {
        const own = prefixes.filter((prefix) => familyOf(prefix) === family);
        await originate(
          family,
          own.map((prefix) => `no network ${prefix}`),
        );
      }
    },
    logText: access.log,
  };
}

function config(spec: DaemonSpec, routes: readonly Route[]): string {
  return [
    "log stdout",
    // What one peer sent would be announced to the others, and at times to itself.
    "route-map received permit 10",
    ` set tag ${RECEIVED_TAG}`,
    "exit",
    "route-map own deny 10",
    ` match tag ${RECEIVED_TAG}`,
    "exit",
    "route-map own permit 20",
    "exit",
    // A network is announced at once only when its route map exists already.
    ...routes.flatMap((route) => [...routeMap(route, 0), "exit"]),
    `router bgp ${spec.as}`,
    ` bgp router-id ${spec.routerId}`,
    " bgp log-neighbor-changes",
    " no bgp ebgp-requires-policy",
    " no bgp network import-check",
    " no bgp default ipv4-unicast",
    " timers bgp 30 90",
    " bgp route-map delay-timer 1",
    " coalesce-time 20",
    ...restartConfig(spec),
    ...spec.sessions.flatMap((session) => sessionConfig(spec, session)),
    ...ALL_FAMILIES.flatMap((family) => [
      ` address-family ${FAMILIES[family]}`,
      ...networks(family, routes, 0).map((line) => `  ${line}`),
      ...spec.sessions
        .filter((session) => session.families.includes(family))
        .flatMap((session) => familyConfig(session)),
      " exit-address-family",
    ]),
    "",
  ].join("\n");
}

/** It has one setting for all sessions; what it had forwarded it says to have kept. */
function restartConfig({ sessions }: DaemonSpec): string[] {
  const restart = sessions[0]?.restart;
  if (restart === undefined || restart === null) return [];
  return [
    " bgp graceful-restart",
    " bgp graceful-restart preserve-fw-state",
    ` bgp graceful-restart restart-time ${restart.seconds}`,
    " bgp graceful-restart select-defer-time 20",
    ...(restart.staleSeconds > 0
      ? [` bgp long-lived-graceful-restart stale-time ${restart.staleSeconds}`]
      : []),
    // Without the second, each `clear bgp` is a Hard Reset.
    ...(restart.notification
      ? [" bgp graceful-restart notification", " no bgp hard-administrative-reset"]
      : []),
  ];
}

function sessionConfig(spec: DaemonSpec, session: SessionSpec): string[] {
  const neighbor = ` neighbor ${session.peerAddress}`;
  const option = (value: unknown, words: string) => (value ? [`${neighbor} ${words}`] : []);
  const firstAs = session.routeServer || session.peerAs === spec.as ? " no" : "";
  return [
    `${neighbor} remote-as ${session.peerAs}`,
    `${neighbor} update-source ${session.localAddress}`,
    `${neighbor} advertisement-interval 0`,
    `${neighbor} timers connect 1`,
    `${firstAs}${neighbor} enforce-first-as`,
    ...option(session.passive, "passive"),
    ...option(session.password, `password ${session.password}`),
    ...option(session.ttlSecurity, "ttl-security hops 1"),
    ...option(session.role, `local-role ${session.role}`),
  ];
}

function familyConfig(session: SessionSpec): string[] {
  const neighbor = `  neighbor ${session.peerAddress}`;
  const sends = session.addPath === "send" || session.addPath === "both";
  return [
    `${neighbor} activate`,
    `${neighbor} route-map received in`,
    `${neighbor} route-map own out`,
    ...(sends ? [`${neighbor} addpath-tx-all-paths`] : []),
    ...(session.addPath === "send" ? [`${neighbor} disable-addpath-rx`] : []),
  ];
}

function networks(family: Family, routes: readonly Route[], generation: number): string[] {
  return routes
    .filter((route) => familyOf(route.prefix) === family)
    .map((route) => `network ${route.prefix} route-map ${mapName(route, generation)}`);
}

function mapName(route: Route, generation: number): string {
  return `lab-${route.prefix.replace(/[^0-9a-f]/g, "-")}-${generation}`;
}

function routeMap(route: Route, generation: number): string[] {
  const set = (words: string, values: readonly (string | number)[] | undefined) =>
    values === undefined || values.length === 0 ? [] : [` set ${words} ${values.join(" ")}`];
  const extended = (kind: string) =>
    route.extCommunities
      ?.filter((c) => c.startsWith(`${kind}:`))
      .map((c) => c.slice(kind.length + 1));
  const nextHop =
    familyOf(route.prefix) === "ipv4-unicast" ? "ip next-hop" : "ipv6 next-hop global";
  const one = (value: string | number | undefined) => (value === undefined ? [] : [value]);
  return [
    `route-map ${mapName(route, generation)} permit 10`,
    ...set("origin", [route.origin ?? "igp"]),
    ...set("as-path prepend", route.asPath),
    ...set(nextHop, one(route.nextHop)),
    ...set("metric", one(route.med)),
    ...set("local-preference", one(route.localPref)),
    ...set("community", route.communities),
    ...set("large-community", route.largeCommunities),
    ...set("extcommunity rt", extended("rt")),
    ...set("extcommunity soo", extended("soo")),
  ];
}

/** The parts of `show bgp … json detail` that are read. */
interface FrrPath {
  readonly aspath?: { readonly string: string };
  readonly origin: string;
  readonly metric?: number;
  readonly locPrf?: number;
  readonly community?: { readonly string: string };
  readonly extendedCommunity?: { readonly string: string };
  readonly largeCommunity?: { readonly string: string };
  readonly nexthops?: readonly { readonly ip: string; readonly scope?: string }[];
  readonly peer?: { readonly peerId: string };
}

/** A prefix holds a list (whose first entry describes the prefix), or its paths under `paths`. */
function parseRoutes(
  answer: { routes?: Record<string, FrrPath[] | { paths: FrrPath[] }> },
  spec: DaemonSpec,
): RouteView[] {
  return Object.entries(answer.routes ?? {}).flatMap(([prefix, entry]) =>
    (Array.isArray(entry) ? entry : entry.paths).flatMap((path) => {
      const from = path.peer?.peerId ?? "";
      const known = spec.sessions.some((session) => session.peerAddress === from);
      return path.aspath === undefined || !known ? [] : [routeView(prefix, from, path, spec)];
    }),
  );
}

function routeView(prefix: string, from: string, path: FrrPath, spec: DaemonSpec): RouteView {
  const extended = words(path.extendedCommunity?.string ?? "").map((word) => {
    const [kind = "", administrator = "", assigned = ""] = word.split(":");
    return extendedText(kind, administrator, assigned);
  });
  return {
    prefix,
    nextHop: path.nexthops?.find((hop) => hop.scope !== "link-local")?.ip ?? "",
    // An empty path is shown as a word.
    asPath: asPathText(path.aspath?.string.replace("Local", "") ?? ""),
    origin: path.origin.toLowerCase() as Origin,
    med: path.metric ?? null,
    localPref: isInternal(spec, from) ? (path.locPrf ?? null) : null,
    communities: sorted(words(path.community?.string ?? "").map(communityText)),
    largeCommunities: sorted(words(path.largeCommunity?.string ?? "")),
    extCommunities: sorted(extended),
    from,
  };
}

/** The parts of `show bgp neighbors X json` that are read. */
interface FrrNeighbor {
  readonly bgpState: string;
  readonly connectionsEstablished: number;
  readonly neighborCapabilities?: Readonly<Record<string, unknown>>;
  readonly messageStats: { readonly updatesRecv: number };
  readonly addressFamilyInfo?: Readonly<Record<string, { acceptedPrefixCounter?: number }>>;
}

function sessionView(neighbor: FrrNeighbor): SessionView {
  const families = Object.values(neighbor.addressFamilyInfo ?? {});
  const capabilities = neighbor.neighborCapabilities ?? {};
  return {
    state: stateOf(neighbor.bgpState),
    upCount: neighbor.connectionsEstablished,
    sent: capabilityNames(capabilities, "advertised"),
    received: capabilityNames(capabilities, "received"),
    prefixesReceived: families.reduce((sum, one) => sum + (one.acceptedPrefixCounter ?? 0), 0),
    updatesReceived: neighbor.messageStats.updatesRecv,
  };
}

const CAPABILITIES: Readonly<Record<string, string>> = {
  "4byteAs": "4-octet-as",
  enhancedRouteRefresh: "enhanced-route-refresh",
  extendedMessage: "extended-message",
  extendedNexthop: "extended-next-hop",
  gracefulRestart: "graceful-restart",
  longLivedGracefulRestart: "long-lived-graceful-restart",
  role: "role",
  routeRefresh: "route-refresh",
};

/**
 * Capabilities that one side announced. FRR says "advertised", "received" or both in one word,
 * as the value of a capability or, per family, as a key: `{"ipv4Unicast": {"rxReceived": true}}`.
 */
function capabilityNames(
  capabilities: Readonly<Record<string, unknown>>,
  side: "advertised" | "received",
): string[] {
  const has = (word: string) => word.toLowerCase().includes(side);
  const perFamily = (name: string) =>
    Object.entries((capabilities[name] ?? {}) as Record<string, object>).flatMap(
      ([family, words]) =>
        Object.keys(words)
          .filter(has)
          .map((word) => [family, word] as const),
    );
  const family = (name: string) => name.replace("Unicast", "-unicast");
  const plain = Object.entries(CAPABILITIES).flatMap(([word, name]) => {
    const value = capabilities[word];
    return typeof value === "string" && has(value) ? [name] : [];
  });
  const direction = (word: string) => (word.startsWith("tx") ? "send" : "receive");
  const host = capabilities["hostName"] as Record<string, string> | undefined;
  const named = side === "advertised" ? host?.["advHostName"] : host?.["rcvHostName"];
  return sorted([
    ...plain,
    ...perFamily("multiprotocolExtensions").map(([name]) => `mp-${family(name)}`),
    ...perFamily("addPath").map(([name, word]) => `add-path-${direction(word)}-${family(name)}`),
    ...(named === undefined || named === "n/a" ? [] : ["fqdn"]),
  ]);
}

/** The newest log line `%NOTIFICATION: received from neighbor X 6/2 (…) "text"`. */
function parseNotification(log: string, peerAddress: string): NotificationView | null {
  const lines = log.matchAll(
    /%NOTIFICATION: received from neighbor (\S+) (\d+)\/(\d+) \([^)]*\)(?: "(.*)")?/g,
  );
  const last = [...lines].findLast((line) => line[1] === peerAddress);
  if (last === undefined) return null;
  return { code: Number(last[2]), subcode: Number(last[3]), text: last[4] ?? "" };
}
