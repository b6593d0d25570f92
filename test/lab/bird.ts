/** BIRD 2: configured by a file, asked by `birdc`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AskedDaemon,
  asPathText,
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
  replaceRoutes,
  type SessionSpec,
  type SessionView,
  sorted,
  sortRoutes,
  stateOf,
  untilReady,
} from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";

const CHANNEL: Readonly<Record<Family, string>> = {
  "ipv4-unicast": "ipv4",
  "ipv6-unicast": "ipv6",
};
const ORIGINS: Readonly<Record<Origin, string>> = {
  igp: "ORIGIN_IGP",
  egp: "ORIGIN_EGP",
  incomplete: "ORIGIN_INCOMPLETE",
};
const ADD_PATHS = { send: "tx", receive: "rx", both: "on" } as const;

export const bird: DaemonKind = {
  name: "bird",
  program: "/usr/sbin/bird",
  debianPackage: "bird2",
  cannot: {},
  negotiates: ["4-octet-as", "enhanced-route-refresh", "extended-message", "route-refresh"],
  create: (node, spec) => createBird(node, spec),
};

function createBird(node: LabNode, spec: DaemonSpec): Daemon {
  let running: LabProcess | undefined;
  const log = () => running?.output() ?? "";
  const birdc = ["birdc", "-s", "bird.ctl"];
  const configure = (routes: readonly Route[]) =>
    writeFileSync(join(node.directory, "bird.conf"), config(spec, routes));
  const protocols = protocolsOf(spec);
  const asked = askBird(node, spec, { birdc, protocols, configure, log });

  return {
    ...asked,
    async start(isRestart = false) {
      configure(spec.originate);
      const recovers = isRestart ? ["-R"] : [];
      const options = ["-f", "-c", "bird.conf", "-s", "bird.ctl", "-P", "pid", ...recovers];
      running = node.spawn([bird.program, ...options]);
      await untilReady("bird", running, async () => {
        return /up and running/.test(await control(node, [...birdc, "show", "status"]));
      });
    },
    async stop() {
      await running?.stop();
    },
    kill: () => killProcess(running),
    async refresh(peerAddress) {
      await control(node, [...birdc, "reload", "in", protocolName(protocols, spec, peerAddress)]);
    },
    async shutdown(peerAddress, text) {
      const name = protocolName(protocols, spec, peerAddress);
      await control(node, [...birdc, "disable", name, `"${text}"`]);
    },
    async enable(peerAddress) {
      await control(node, [...birdc, "enable", protocolName(protocols, spec, peerAddress)]);
    },
    async lastNotification(peerAddress) {
      return parseNotification(log(), protocolName(protocols, spec, peerAddress));
    },
  };
}

/** How to reach a BIRD that runs. */
export interface BirdAccess {
  /** Words of its control client. */
  readonly birdc: readonly string[];
  /** Names of the protocols, in the order of the sessions. */
  readonly protocols: readonly string[];
  /** Write its configuration, to originate these routes. */
  readonly configure: (routes: readonly Route[]) => void;
  /** What it has logged, with "debug protocols { events }". */
  readonly log: () => string;
}

/** BIRD as one asks it, whoever has started it. */
export function askBird(node: LabNode, spec: DaemonSpec, access: BirdAccess): AskedDaemon {
  let routes = spec.originate;
  const birdc = (...words: string[]) => control(node, [...access.birdc, ...words]);
  const reconfigure = async () => {
    access.configure(routes);
    const answer = await birdc("configure");
    if (!/Reconfigur/.test(answer)) throw new Error(`birdc configure: ${answer}`);
  };
  return {
    kind: bird,
    spec,
    async session(peerAddress) {
      const name = protocolName(access.protocols, spec, peerAddress);
      const ups = access.log().split(`${name}: BGP session established`).length - 1;
      return parseSession(await birdc("show", "protocols", "all", name), ups);
    },
    async routes(family) {
      const table = family === "ipv4-unicast" ? "master4" : "master6";
      const text = await birdc("show", "route", "table", table, "all");
      return sortRoutes(parseRoutes(text, access.protocols, spec));
    },
    async announce(changed) {
      routes = replaceRoutes(routes, changed);
      await reconfigure();
    },
    async withdraw(prefixes) {
      routes = routes.filter((route) => !prefixes.includes(route.prefix));
      await reconfigure();
    },
    logText: access.log,
  };
}

/** Names in the configuration that is written here. */
function protocolsOf({ sessions }: DaemonSpec): string[] {
  return sessions.map((_, i) => `p${i}`);
}

function protocolName(names: readonly string[], spec: DaemonSpec, peerAddress: string): string {
  return names[spec.sessions.findIndex((session) => session.peerAddress === peerAddress)] ?? "";
}

function config(spec: DaemonSpec, routes: readonly Route[]): string {
  return [
    "log stderr all;",
    "debug protocols { states, events };",
    `router id ${spec.routerId};`,
    "graceful restart wait 20;",
    // MED and next hop of a static route count only when the export filter sets them.
    "attribute int lab_med;",
    "attribute ip lab_next_hop;",
    "filter own_routes {",
    "  if source != RTS_STATIC then reject;",
    "  if defined(lab_med) then bgp_med = lab_med;",
    "  if defined(lab_next_hop) then bgp_next_hop = lab_next_hop;",
    "  accept;",
    "}",
    "protocol device {}",
    ...staticProtocols("originate", routes),
    ...spec.sessions.flatMap((session) => sessionConfig(spec, session)),
    "",
  ].join("\n");
}

/** Protocols of static routes, `NAME4` and `NAME6`; for a MED, see `lab_med` in `config`. */
export function staticProtocols(name: string, routes: readonly Route[]): string[] {
  return (["ipv4-unicast", "ipv6-unicast"] as const).flatMap((family) => [
    `protocol static ${name}${family.charAt(3)} { ${CHANNEL[family]};`,
    ...routes
      .filter((route) => familyOf(route.prefix) === family)
      .map((route) => `  route ${route.prefix} blackhole { ${attributes(route).join(" ")} };`),
    "}",
  ]);
}

function attributes(route: Route): string[] {
  const tuple = (community: string) => `(${community.replaceAll(":", ",")})`;
  return [
    `bgp_origin = ${ORIGINS[route.origin ?? "igp"]};`,
    ...[...(route.asPath ?? [])].reverse().map((as) => `bgp_path.prepend(${as});`),
    ...(route.med === undefined ? [] : [`lab_med = ${route.med};`]),
    ...(route.nextHop === undefined ? [] : [`lab_next_hop = ${route.nextHop};`]),
    ...(route.localPref === undefined ? [] : [`bgp_local_pref = ${route.localPref};`]),
    ...(route.communities ?? []).map((c) => `bgp_community.add(${tuple(c)});`),
    ...(route.largeCommunities ?? []).map((c) => `bgp_large_community.add(${tuple(c)});`),
    ...(route.extCommunities ?? []).map(
      (c) => `bgp_ext_community.add(${tuple(c.replace(/^soo:/, "ro:"))});`,
    ),
  ];
}

function sessionConfig(spec: DaemonSpec, session: SessionSpec): string[] {
  const option = (value: unknown, line: string) => (value ? [line] : []);
  return [
    `protocol bgp ${protocolName(protocolsOf(spec), spec, session.peerAddress)} {`,
    `  local ${session.localAddress} as ${spec.as};`,
    `  neighbor ${session.peerAddress} as ${session.peerAs};`,
    "  direct;",
    "  hold time 90;",
    "  connect delay time 0; connect retry time 1; error wait time 1, 1;",
    "  enable extended messages on;",
    ...restartConfig(session),
    ...option(session.passive, "  passive on;"),
    ...option(session.password, `  password "${session.password}";`),
    ...option(session.ttlSecurity, "  ttl security on;"),
    ...option(session.role, `  local role ${session.role?.replace("-", "_")};`),
    ...option(session.peerAs !== spec.as && !session.routeServer, "  enforce first as on;"),
    ...session.families.flatMap((family) => [
      `  ${CHANNEL[family]} {`,
      "    import all; export filter own_routes;",
      ...(session.addPath ? [`    add paths ${ADD_PATHS[session.addPath]};`] : []),
      "  };",
    ]),
    "}",
  ];
}

function restartConfig({ restart }: SessionSpec): string[] {
  if (restart === undefined) return [];
  if (restart === null) return ["  graceful restart off; long lived graceful restart off;"];
  return [
    `  graceful restart on; graceful restart time ${restart.seconds};`,
    restart.staleSeconds > 0
      ? `  long lived graceful restart on; long lived stale time ${restart.staleSeconds};`
      : "  long lived graceful restart off;",
  ];
}

/**
 * `show route all`: a line at the margin starts a prefix, an indented line with a protocol in
 * brackets starts another route of it, a line after a tab holds an attribute.
 */
function parseRoutes(text: string, names: readonly string[], spec: DaemonSpec): RouteView[] {
  const found: { prefix: string; protocol: string; attributes: Map<string, string> }[] = [];
  for (const line of text.split("\n")) {
    const route = /^(\S*)\s+\S+ \[(\S+) .*\]/.exec(line);
    const attribute = /^\tBGP\.(\w+): ?(.*)$/.exec(line);
    if (route !== null) {
      const prefix = route[1] || (found.at(-1)?.prefix ?? "");
      found.push({ prefix, protocol: route[2]!, attributes: new Map() });
    } else if (attribute !== null) {
      found.at(-1)?.attributes.set(attribute[1]!, attribute[2]!);
    }
  }
  return found.flatMap(({ prefix, protocol, attributes }) => {
    const session = spec.sessions[names.indexOf(protocol)];
    return session === undefined ? [] : [routeView(prefix, session.peerAddress, spec, attributes)];
  });
}

function routeView(
  prefix: string,
  from: string,
  spec: DaemonSpec,
  attributes: ReadonlyMap<string, string>,
): RouteView {
  const text = (name: string) => attributes.get(name) ?? "";
  const number = (name: string) => (attributes.has(name) ? Number(text(name)) : null);
  const extended = tuples(text("ext_community"));
  return {
    prefix,
    nextHop: text("next_hop").split(" ")[0]!,
    asPath: asPathText(text("as_path")),
    origin: text("origin").toLowerCase() as Origin,
    med: number("med"),
    localPref: isInternal(spec, from) ? number("local_pref") : null,
    communities: sorted(tuples(text("community")).map((tuple) => tuple.join(":"))),
    largeCommunities: sorted(tuples(text("large_community")).map((tuple) => tuple.join(":"))),
    extCommunities: sorted(extended.map(([kind, a, b]) => extendedText(kind!, a!, b!))),
    from,
  };
}

/** "(65001,1) (rt, 65001, 4)" to its tuples. */
function tuples(text: string): string[][] {
  return [...text.matchAll(/\(([^)]*)\)/g)].map((match) => match[1]!.split(/,\s*/));
}

function parseSession(text: string, upCount: number): SessionView {
  const [before = "", after = ""] = text.split("Neighbor capabilities");
  const channels = [...text.matchAll(/Routes:\s+(\d+) imported(?:, (\d+) filtered)?/g)];
  const updates = [...text.matchAll(/Import updates:\s+(\d+)/g)];
  const sum = (numbers: (string | undefined)[]) =>
    numbers.reduce((total, number) => total + Number(number ?? 0), 0);
  return {
    state: stateOf(/BGP state:\s+(\w+)/.exec(text)?.[1] ?? "idle"),
    upCount,
    sent: parseCapabilities(before.split("Local capabilities")[1] ?? ""),
    received: parseCapabilities(after.split("Session:")[0]!),
    prefixesReceived: sum(channels.flatMap((match) => [match[1], match[2]])),
    updatesReceived: sum(updates.map((match) => match[1])),
  };
}

const CAPABILITIES: Readonly<Record<string, string>> = {
  "4-octet AS numbers": "4-octet-as",
  "Enhanced refresh": "enhanced-route-refresh",
  "Extended message": "extended-message",
  "Extended next hop": "extended-next-hop",
  "Graceful restart": "graceful-restart",
  "Long-lived graceful restart": "long-lived-graceful-restart",
  "Route refresh": "route-refresh",
};
const FAMILIES: Readonly<Record<string, Family>> = {
  ipv4: "ipv4-unicast",
  ipv6: "ipv6-unicast",
};

/** The indented list below "Local capabilities" or "Neighbor capabilities". */
function parseCapabilities(text: string): string[] {
  const families = (list: string, prefix: string) =>
    list.split(" ").flatMap((word) => (FAMILIES[word] ? [`${prefix}${FAMILIES[word]}`] : []));
  return sorted(
    text.split("\n").flatMap((line) => {
      const [, name = "", list = ""] = /^\s*([^:]+):?\s*(.*)$/.exec(line) ?? [];
      if (name === "AF announced") return families(list, "mp-");
      if (name === "RX") return families(list, "add-path-receive-");
      if (name === "TX") return families(list, "add-path-send-");
      if (name === "Hostname") return ["fqdn"];
      if (name === "Role") return ["role"];
      return CAPABILITIES[name] === undefined ? [] : [CAPABILITIES[name]];
    }),
  );
}

/** BIRD's names of the error codes, by code and subcode. */
const ERRORS: Readonly<Record<string, [code: number, subcode: number]>> = {
  "Invalid message header": [1, 0],
  "Connection not synchronized": [1, 1],
  "Bad message length": [1, 2],
  "Bad message type": [1, 3],
  "Invalid OPEN message": [2, 0],
  "Unsupported version number": [2, 1],
  "Bad peer AS": [2, 2],
  "Bad BGP identifier": [2, 3],
  "Unsupported optional parameter": [2, 4],
  "Unacceptable hold time": [2, 6],
  "Required capability missing": [2, 7],
  "No supported AFI/SAFI": [2, 8],
  "Role mismatch": [2, 11],
  "Invalid UPDATE message": [3, 0],
  "Malformed attribute list": [3, 1],
  "Unrecognized well-known attribute": [3, 2],
  "Missing mandatory attribute": [3, 3],
  "Invalid attribute flags": [3, 4],
  "Invalid attribute length": [3, 5],
  "Invalid ORIGIN attribute": [3, 6],
  "Invalid NEXT_HOP attribute": [3, 8],
  "Optional attribute error": [3, 9],
  "Invalid network field": [3, 10],
  "Malformed AS_PATH": [3, 11],
  "Hold timer expired": [4, 0],
  "Finite state machine error": [5, 0],
  "Unexpected message in OpenSent state": [5, 1],
  "Unexpected message in OpenConfirm state": [5, 2],
  "Unexpected message in Established state": [5, 3],
  Cease: [6, 0],
  "Maximum number of prefixes reached": [6, 1],
  "Administrative shutdown": [6, 2],
  "Peer de-configured": [6, 3],
  "Administrative reset": [6, 4],
  "Connection rejected": [6, 5],
  "Other configuration change": [6, 6],
  "Connection collision resolution": [6, 7],
  "Out of Resources": [6, 8],
  "Invalid ROUTE-REFRESH message": [7, 0],
  "Invalid ROUTE-REFRESH message length": [7, 1],
};

/** The newest log line `<RMT> p0: Received: Administrative shutdown: "text"`. */
function parseNotification(log: string, name: string): NotificationView | null {
  const lines = log.matchAll(/<RMT> (\S+): Received: ([^:\n]+)(?:: (.*))?/g);
  const last = [...lines].findLast((line) => line[1] === name);
  if (last === undefined) return null;
  const [code, subcode] = ERRORS[last[2]!] ?? unnamedError(last[2]!);
  return { code, subcode, text: /^"(.*)"$/.exec(last[3] ?? "")?.[1] ?? "" };
}

/** A code that BIRD has no name for is logged as "Unknown error 6.9". */
function unnamedError(text: string): [code: number, subcode: number] {
  const numbers = /(\d+)\.(\d+)/.exec(text);
  return [Number(numbers?.[1] ?? 0), Number(numbers?.[2] ?? 0)];
}
