/**
 * ExaBGP: told what to announce, and reporting what it receives, through its API.
 *
 * It has no RIB, so its view is what it received: the JSON events of its API process, played from
 * the first on. The API process is a shell that copies a file of commands to ExaBGP as it grows,
 * and what ExaBGP says to another file.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Daemon,
  type DaemonKind,
  type DaemonSpec,
  extendedTextOf,
  type Family,
  familyOf,
  isInternal,
  killProcess,
  type NotificationView,
  type Origin,
  type Route,
  type RouteView,
  type SessionSpec,
  type SessionState,
  type SessionView,
  sessionSpec,
  sorted,
  sortRoutes,
  untilReady,
} from "./daemon.ts";
import type { LabNode, LabProcess } from "./netns.ts";
import { until } from "./until.ts";

const FAMILIES: Readonly<Record<Family, string>> = {
  "ipv4-unicast": "ipv4 unicast",
  "ipv6-unicast": "ipv6 unicast",
};

export const exabgp: DaemonKind = {
  name: "exabgp",
  program: "/usr/sbin/exabgp",
  debianPackage: "exabgp",
  cannot: {
    "refresh-answer":
      "with enhanced route refresh negotiated, this version ends the session on a ROUTE-REFRESH",
    role: "ExaBGP knows no BGP roles",
    "ttl-security": "a connection that it accepts does not get a TTL of 255",
    shutdown: "teardown takes no text, and the session comes up again at once",
  },
  negotiates: ["4-octet-as", "enhanced-route-refresh", "extended-message", "route-refresh"],
  create: (node, spec) => createExabgp(node, spec),
};

function createExabgp(node: LabNode, spec: DaemonSpec): Daemon {
  let running: LabProcess | undefined;
  const path = (file: string) => join(node.directory, file);
  const events = () => parseEvents(readFileSync(path("events"), "utf8"));
  /** Each command is answered by a line "done" or "error". */
  const command = async (text: string) => {
    const answers = () => readFileSync(path("events"), "utf8").match(/^(done|error)$/gm) ?? [];
    const before = answers().length;
    appendFileSync(path("commands"), `${text}\n`);
    const answer = await until(() => answers()[before], 5_000, `exabgp answers to: ${text}`);
    if (answer !== "done") throw new Error(`exabgp refuses: ${text}`);
  };
  const announce = async (routes: readonly Route[]) => {
    for (const route of routes) {
      for (const session of sessionsFor(spec, route.prefix)) {
        await command(
          `neighbor ${session.peerAddress} announce route ${words(route, spec, session)}`,
        );
      }
    }
  };

  return {
    kind: exabgp,
    spec,
    async start() {
      writeFileSync(path("commands"), "");
      writeFileSync(path("events"), "");
      writeFileSync(path("api.sh"), apiScript(path("commands"), path("events")));
      writeFileSync(path("exabgp.conf"), config(spec, path("api.sh")));
      running = node.spawn([exabgp.program, "exabgp.conf"], { env: environment(spec) });
      await untilReady("exabgp", running, async () => {
        return readFileSync(path("events"), "utf8").includes("ready");
      });
      await announce(spec.originate);
    },
    async stop() {
      await running?.stop();
    },
    kill: () => killProcess(running),
    async session(peerAddress) {
      return play(events(), peerAddress).session;
    },
    async routes(family) {
      const received = spec.sessions.flatMap((session) => {
        const internal = isInternal(spec, session.peerAddress);
        return [...play(events(), session.peerAddress).routes.values()].map((route) =>
          internal ? route : { ...route, localPref: null },
        );
      });
      return sortRoutes(received.filter((route) => familyOf(route.prefix) === family));
    },
    announce,
    async withdraw(prefixes) {
      for (const prefix of prefixes) {
        for (const session of sessionsFor(spec, prefix)) {
          await command(`neighbor ${session.peerAddress} withdraw route ${prefix}`);
        }
      }
    },
    async refresh(peerAddress) {
      for (const family of sessionSpec(spec, peerAddress).families) {
        await command(`neighbor ${peerAddress} announce route-refresh ${FAMILIES[family]}`);
      }
    },
    shutdown: undefined,
    async enable() {},
    async lastNotification(peerAddress) {
      return play(events(), peerAddress).notification;
    },
    logText: () => running?.output() ?? "",
  };
}

function sessionsFor(spec: DaemonSpec, prefix: string): SessionSpec[] {
  return spec.sessions.filter((session) => session.families.includes(familyOf(prefix)));
}

/** Commands go out as soon as they are written; the `tail` ends with ExaBGP. */
function apiScript(commands: string, events: string): string {
  return [
    `echo ready >> ${events}`,
    `tail -n +1 -s 0.05 -f ${commands} &`,
    `cat >> ${events}`,
    "kill $!",
    "",
  ].join("\n");
}

function environment(spec: DaemonSpec): Record<string, string> {
  const addresses = new Set(spec.sessions.map((session) => session.localAddress));
  return {
    "exabgp.api.cli": "false",
    "exabgp.daemon.user": "root",
    "exabgp.reactor.speed": "0.1",
    "exabgp.tcp.bind": [...addresses].join(" "),
  };
}

function config(spec: DaemonSpec, script: string): string {
  return [
    `process lab { run /bin/sh ${script}; encoder json; }`,
    ...spec.sessions.flatMap((session) => sessionConfig(spec, session)),
    "",
  ].join("\n");
}

const ADD_PATHS = { send: "send", receive: "receive", both: "send/receive" } as const;

function sessionConfig(spec: DaemonSpec, session: SessionSpec): string[] {
  const option = (value: unknown, text: string) => (value ? [`  ${text};`] : []);
  const paths = session.addPath === undefined ? "disable" : ADD_PATHS[session.addPath];
  return [
    `neighbor ${session.peerAddress} {`,
    `  router-id ${spec.routerId};`,
    `  local-address ${session.localAddress};`,
    `  local-as ${spec.as};`,
    `  peer-as ${session.peerAs};`,
    "  hold-time 90;",
    ...option(session.passive, "passive true"),
    ...option(session.password, `md5-password "${session.password}"`),
    // Otherwise a password of hexadecimal digits is taken for base64.
    ...option(session.password, "md5-base64 false"),
    ...option(session.ttlSecurity, "incoming-ttl 255"),
    ...option(session.ttlSecurity, "outgoing-ttl 255"),
    "  capability {",
    "    asn4 enable; route-refresh enable; extended-message enable; graceful-restart disable;",
    `    add-path ${paths};`,
    "  }",
    `  family { ${session.families.map((family) => `${FAMILIES[family]};`).join(" ")} }`,
    "  api {",
    "    processes [ lab ];",
    "    neighbor-changes;",
    // A NOTIFICATION is taken from its octets: this version fails to decode most of them.
    "    receive { parsed; packets; open; update; notification; }",
    "    send { parsed; open; }",
    "  }",
    "}",
  ];
}

/** The arguments of `announce route`. ExaBGP sends a given AS_PATH as it is. */
function words(route: Route, spec: DaemonSpec, session: SessionSpec): string {
  const own = session.peerAs === spec.as ? [] : [spec.as];
  const list = (name: string, values: readonly (string | number)[] | undefined) =>
    values === undefined || values.length === 0 ? [] : [`${name} [ ${values.join(" ")} ]`];
  const one = (name: string, value: number | undefined) =>
    value === undefined ? [] : [`${name} ${value}`];
  return [
    route.prefix,
    `next-hop ${route.nextHop ?? "self"}`,
    `origin ${route.origin ?? "igp"}`,
    ...(route.asPath === undefined ? [] : list("as-path", [...own, ...route.asPath])),
    ...one("med", route.med),
    ...one("local-preference", route.localPref),
    ...list("community", route.communities),
    ...list("large-community", route.largeCommunities),
    ...list("extended-community", route.extCommunities?.map(extendedWord)),
  ].join(" ");
}

function extendedWord(community: string): string {
  return community.replace(/^rt:/, "target:").replace(/^soo:/, "origin:");
}

/** The parts of an event that are read. */
interface ExabgpEvent {
  readonly type: "state" | "open" | "update" | "notification" | "refresh";
  readonly neighbor?: {
    readonly address: { readonly peer: string };
    readonly direction?: "send" | "receive";
    readonly state?: "connected" | "up" | "down";
    readonly open?: { readonly capabilities: Readonly<Record<string, ExabgpCapability>> };
    readonly message?: {
      readonly category?: number;
      readonly body?: string;
      readonly update?: ExabgpUpdate;
    };
  };
}

interface ExabgpCapability {
  readonly name: string;
  readonly value?: number;
  readonly families?: readonly string[];
  readonly [family: string]: unknown;
}

interface ExabgpUpdate {
  readonly attribute?: Readonly<Record<string, unknown>>;
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly ExabgpNlri[]>>>>;
  readonly withdraw?: Readonly<Record<string, readonly ExabgpNlri[]>>;
}

interface ExabgpNlri {
  readonly nlri: string;
  readonly "path-information"?: string;
}

/** One event a line, between the answers to commands. */
function parseEvents(text: string): ExabgpEvent[] {
  return (
    text
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      // It prints the data of a NOTIFICATION as they are.
      .map((line) => line.replace(/\p{Cc}/gu, "?"))
      .map((line) => line.replace(/""(\w+)""/g, '"$1"').replace(/"value": (\d+)/g, '"value": "$1"'))
      .map((line) => JSON.parse(line))
  );
}

interface Playback {
  readonly session: SessionView;
  readonly routes: ReadonlyMap<string, RouteView>;
  readonly notification: NotificationView | null;
}

/** The state of one session after all events. */
function play(events: readonly ExabgpEvent[], peerAddress: string): Playback {
  const routes = new Map<string, RouteView>();
  let notification: NotificationView | null = null;
  let state: SessionState = "idle";
  let upCount = 0;
  let updatesReceived = 0;
  const opens: Record<"send" | "receive", string[]> = { send: [], receive: [] };
  for (const { neighbor } of events) {
    if (neighbor?.address.peer !== peerAddress) continue;
    if (neighbor.state !== undefined) {
      state = ({ connected: "open-sent", up: "established", down: "idle" } as const)[
        neighbor.state
      ];
      if (state === "established") upCount += 1;
      routes.clear();
      updatesReceived = 0;
    } else if (neighbor.open !== undefined) {
      opens[neighbor.direction ?? "receive"] = capabilityNames(neighbor.open.capabilities);
    } else if (neighbor.message?.category === 3) {
      notification = parseNotification(neighbor.message.body ?? "");
    } else if (neighbor.message?.update !== undefined) {
      updatesReceived += 1;
      apply(neighbor.message.update, peerAddress, routes);
    }
  }
  const { send: sent, receive: received } = opens;
  const prefixesReceived = routes.size;
  const session = { state, upCount, sent, received, prefixesReceived, updatesReceived };
  return { session, routes, notification };
}

function apply(update: ExabgpUpdate, from: string, routes: Map<string, RouteView>): void {
  const key = (one: ExabgpNlri) => `${one.nlri} ${one["path-information"] ?? ""}`;
  for (const withdrawn of Object.values(update.withdraw ?? {}).flat())
    routes.delete(key(withdrawn));
  for (const byNextHop of Object.values(update.announce ?? {})) {
    for (const [nextHop, list] of Object.entries(byNextHop)) {
      // A link-local next hop beside a global one is reported as a route of its own.
      if (/^fe80:/i.test(nextHop)) continue;
      for (const one of list) {
        routes.set(key(one), routeView(one.nlri, nextHop, from, update.attribute ?? {}));
      }
    }
  }
}

function routeView(
  prefix: string,
  nextHop: string,
  from: string,
  attribute: Readonly<Record<string, unknown>>,
): RouteView {
  const numbers = (name: string) => (attribute[name] ?? []) as readonly (readonly number[])[];
  const asSet = attribute["as-set"] as readonly number[] | undefined;
  const extended = (attribute["extended-community"] ?? []) as readonly { value: string }[];
  return {
    prefix,
    nextHop,
    asPath: [
      ...((attribute["as-path"] ?? []) as readonly number[]),
      ...(asSet === undefined ? [] : [`{${asSet.join(",")}}`]),
    ].join(" "),
    origin: attribute["origin"] as Origin,
    med: (attribute["med"] as number | undefined) ?? null,
    localPref: (attribute["local-preference"] as number | undefined) ?? null,
    communities: sorted(numbers("community").map((parts) => parts.join(":"))),
    largeCommunities: sorted(numbers("large-community").map((parts) => parts.join(":"))),
    extCommunities: sorted(extended.map(({ value }) => extendedTextOf(BigInt(value)))),
    from,
  };
}

const CAPABILITIES: Readonly<Record<string, string>> = {
  asn4: "4-octet-as",
  "enhanced-route-refresh": "enhanced-route-refresh",
  "extended-message": "extended-message",
  "graceful restart": "graceful-restart",
  hostname: "fqdn",
  nexthop: "extended-next-hop",
  "route-refresh": "route-refresh",
};

function capabilityNames(capabilities: Readonly<Record<string, ExabgpCapability>>): string[] {
  const family = (name: string) => name.replace(/[/ ]/, "-");
  return sorted(
    Object.values(capabilities).flatMap((capability) => {
      const { name, families = [] } = capability;
      if (name === "multiprotocol") return families.map((one) => `mp-${family(one)}`);
      if (name === "addpath") {
        return Object.entries(capability).flatMap(([word, ways]) =>
          ["send", "receive"]
            .filter((way) => word !== "name" && String(ways).includes(way))
            .map((way) => `add-path-${way}-${family(word)}`),
        );
      }
      if (name === "unknown" && capability.value === 9) return ["role"];
      return CAPABILITIES[name] === undefined ? [] : [CAPABILITIES[name]];
    }),
  );
}

/** @param body - the message after its header, as "0x" and hexadecimal digits */
function parseNotification(body: string): NotificationView {
  const octets = Buffer.from(body.slice(2), "hex");
  const [code = 0, subcode = 0, length = 0] = octets;
  const hasText = code === 6 && (subcode === 2 || subcode === 4);
  return { code, subcode, text: hasText ? octets.toString("utf8", 3, 3 + length) : "" };
}
