/**
 * What the labs ask of a BGP daemon, and one notation for what the daemons answer.
 *
 * Each daemon reports in its own words; its adapter turns them into the views below, so that one
 * scenario runs against all of them. Notations: an AS path is "65001 64999 {1,2}"; a community is
 * "65001:1", well-known ones included ("65535:65281"); a large community "65001:2:3"; an extended
 * community "rt:65001:4", "soo:65001:5" or, of another type, "generic:0x43000000:0x1". Lists are
 * sorted as text, because no daemon promises an order.
 */
import type { LabNode, LabProcess } from "./netns.ts";
import { until } from "./until.ts";

const READY_MS = 20_000;

export type Family = "ipv4-unicast" | "ipv6-unicast";

/** A route that a daemon originates. */
export interface Route {
  readonly prefix: string;
  /** The daemon's own address on the session unless given. */
  readonly nextHop?: string;
  /** What follows the daemon's own AS number; nothing unless given. */
  readonly asPath?: readonly number[];
  /** "igp" unless given. */
  readonly origin?: Origin;
  readonly med?: number;
  readonly localPref?: number;
  readonly communities?: readonly string[];
  readonly largeCommunities?: readonly string[];
  readonly extCommunities?: readonly string[];
}

export type Origin = "igp" | "egp" | "incomplete";

/** A route as the daemon holds it after import, by the daemon's own report. */
export interface RouteView {
  readonly prefix: string;
  /** The global address; a link-local next hop beside it is left out. */
  readonly nextHop: string;
  readonly asPath: string;
  readonly origin: Origin;
  readonly med: number | null;
  /** `null` on external sessions, where the attribute is not carried. */
  readonly localPref: number | null;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly extCommunities: readonly string[];
  /** Address of the peer it was learned from. */
  readonly from: string;
}

/** States of RFC 4271 section 8.2.2. */
export type SessionState =
  | "idle"
  | "connect"
  | "active"
  | "open-sent"
  | "open-confirm"
  | "established";

export interface SessionView {
  readonly state: SessionState;
  /** How often the session came up since the daemon started: unchanged means never lost. */
  readonly upCount: number;
  /** Names of the capabilities in the daemon's OPEN, as far as the daemon shows them. */
  readonly sent: readonly string[];
  /** Names of the capabilities in the peer's OPEN. */
  readonly received: readonly string[];
  /** Routes the peer has announced and not withdrawn. */
  readonly prefixesReceived: number;
  /** UPDATE messages, or routes in them, received in this session: only growth has a meaning. */
  readonly updatesReceived: number;
}

/** The NOTIFICATION that a daemon received last from a peer. */
export interface NotificationView {
  readonly code: number;
  readonly subcode: number;
  /** Shutdown communication (RFC 9003), "" when there was none. */
  readonly text: string;
}

export interface SessionRestart {
  readonly seconds: number;
  readonly staleSeconds: number;
  /** Also when a NOTIFICATION ends the session (RFC 8538). */
  readonly notification?: boolean;
}

export interface SessionSpec {
  readonly peerAddress: string;
  readonly peerAs: number;
  readonly localAddress: string;
  readonly families: readonly Family[];
  /** TCP MD5 (RFC 2385). */
  readonly password?: string;
  /** Wait for the peer to connect. */
  readonly passive?: boolean;
  /** ADD-PATH (RFC 7911), from the daemon's side. */
  readonly addPath?: "send" | "receive" | "both";
  /** Require a TTL of 255 (RFC 5082). */
  readonly ttlSecurity?: boolean;
  /**
   * Graceful restart of both sides, in seconds, and then the long-lived one (RFC 4724, RFC 9494), or 0 s of
   * that; null for nothing of it, not even the routes of the other side.
   */
  readonly restart?: SessionRestart | null;
  /** BGP role of the daemon (RFC 9234). */
  readonly role?: "rs-client" | "customer" | "provider" | "peer";
  /** The peer is a transparent route server: its AS number is not expected first in the path. */
  readonly routeServer: boolean;
}

export interface DaemonSpec {
  readonly as: number;
  readonly routerId: string;
  readonly sessions: readonly SessionSpec[];
  readonly originate: readonly Route[];
}

/**
 * A running daemon. Everything it receives is accepted; only its own routes are announced.
 * A method that is `undefined` is beyond the daemon: `DaemonKind.cannot` says why.
 */
export interface Daemon {
  readonly kind: DaemonKind;
  readonly spec: DaemonSpec;
  /**
   * Returns when the daemon answers its control client; sessions come up later.
   *
   * @param isRestart - it has run before, and tells its peers so; needs `restart` of its sessions
   */
  start(isRestart?: boolean): Promise<void>;
  stop(): Promise<void>;
  /** SIGKILL; returns when it is gone. */
  kill(): Promise<void>;
  session(peerAddress: string): Promise<SessionView>;
  /** Every route of every peer, sorted by prefix, peer and path. */
  routes(family: Family): Promise<RouteView[]>;
  /** Originate routes, in place of earlier ones of the same prefixes. */
  announce(routes: readonly Route[]): Promise<void>;
  withdraw(prefixes: readonly string[]): Promise<void>;
  /** Ask the peer for its routes again (RFC 2918). */
  readonly refresh: ((peerAddress: string) => Promise<void>) | undefined;
  /** Close the session with Cease / Administrative Shutdown and `text`. */
  readonly shutdown: ((peerAddress: string, text: string) => Promise<void>) | undefined;
  /** Start a session that was shut down or waits after an error. Some start by themselves. */
  enable(peerAddress: string): Promise<void>;
  lastNotification(peerAddress: string): Promise<NotificationView | null>;
  logText(): string;
}

/** A daemon as one asks it, and has it announce something, whoever has started it. */
export type AskedDaemon = Pick<
  Daemon,
  "kind" | "spec" | "session" | "routes" | "announce" | "withdraw" | "logText"
>;

/** Things that not every daemon, in the version of Debian 12, can do or show. */
export type Ability =
  | "add-path-receive"
  | "add-path-send"
  | "as-path"
  | "med-absent"
  | "med-zero"
  | "next-hop"
  | "refresh"
  | "refresh-answer"
  | "role"
  | "shutdown"
  | "soo"
  | "ttl-security";

export interface DaemonKind {
  readonly name: string;
  /** The program that must be installed, with its Debian package. */
  readonly program: string;
  readonly debianPackage: string;
  /** What it cannot do, with the reason. */
  readonly cannot: Readonly<Partial<Record<Ability, string>>>;
  /**
   * Capabilities beside multiprotocol that it negotiates with a peer that offers all, and shows.
   */
  readonly negotiates: readonly string[];
  create(node: LabNode, spec: DaemonSpec): Daemon;
}

/** Capabilities in both OPENs that take effect; an ADD-PATH direction needs its counterpart. */
export function negotiated(session: SessionView): string[] {
  return session.sent.filter((name) => session.received.includes(counterpart(name)));
}

function counterpart(capability: string): string {
  if (capability.startsWith("add-path-send-")) return capability.replace("send", "receive");
  if (capability.startsWith("add-path-receive-")) return capability.replace("receive", "send");
  return capability;
}

export function familyOf(prefix: string): Family {
  return prefix.includes(":") ? "ipv6-unicast" : "ipv4-unicast";
}

export function isInternal(spec: DaemonSpec, peerAddress: string): boolean {
  return sessionSpec(spec, peerAddress).peerAs === spec.as;
}

export function sessionSpec(spec: DaemonSpec, peerAddress: string): SessionSpec {
  const found = spec.sessions.find((session) => session.peerAddress === peerAddress);
  if (found === undefined) throw new Error(`no session with ${peerAddress} is configured`);
  return found;
}

/** `routes` in place of those of `old` with the same prefix. */
export function replaceRoutes(old: readonly Route[], routes: readonly Route[]): Route[] {
  const changed = new Set(routes.map((route) => route.prefix));
  return [...old.filter((route) => !changed.has(route.prefix)), ...routes];
}

/** What a route looks like to the receiver, in the notation of the views. */
export function viewOf(
  route: Route,
  received: { asPath: string; nextHop: string; from: string; localPref?: number },
): RouteView {
  return {
    prefix: route.prefix,
    nextHop: received.nextHop,
    asPath: received.asPath,
    origin: route.origin ?? "igp",
    med: route.med ?? null,
    localPref: received.localPref ?? null,
    communities: sorted(route.communities),
    largeCommunities: sorted(route.largeCommunities),
    extCommunities: sorted(route.extCommunities),
    from: received.from,
  };
}

export function sorted(list: readonly string[] | undefined): string[] {
  return [...(list ?? [])].sort();
}

export function sortRoutes(routes: RouteView[]): RouteView[] {
  const key = (route: RouteView) => `${route.prefix} ${route.from} ${route.asPath}`;
  return routes.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** "65001 { 1 2 }" and its variants to "65001 {1,2}". */
export function asPathText(text: string): string {
  const sets = text.replace(/\{([^}]*)\}/g, (_, set: string) => `{${words(set).join(",")}}`);
  return words(sets, /\s+/).join(" ");
}

export function words(text: string, separator = /[\s,]+/): string[] {
  return text.split(separator).filter((word) => word !== "");
}

/** Well-known communities by name, letters only: daemons differ in case and punctuation. */
const WELL_KNOWN_COMMUNITIES: Readonly<Record<string, string>> = {
  gracefulshutdown: "65535:0",
  acceptown: "65535:1",
  llgrstale: "65535:6",
  nollgr: "65535:7",
  blackhole: "65535:666",
  noexport: "65535:65281",
  noadvertise: "65535:65282",
  noexportsubconfed: "65535:65283",
  localas: "65535:65283",
  nopeer: "65535:65284",
};

export function communityText(word: string): string {
  return WELL_KNOWN_COMMUNITIES[word.toLowerCase().replace(/[^a-z]/g, "")] ?? word;
}

const EXTENDED_KINDS: Readonly<Record<string, string>> = {
  rt: "rt",
  target: "rt",
  soo: "soo",
  ro: "soo",
  origin: "soo",
};

/** @param kind - the daemon's word for the type; one that is neither target nor origin is kept */
export function extendedText(kind: string, administrator: string, assigned: string): string {
  const known = EXTENDED_KINDS[kind.toLowerCase()] ?? kind.toLowerCase();
  return `${known}:${administrator}:${assigned}`;
}

/** The eight octets of an extended community (RFC 4360, 5668) as text. */
export function extendedTextOf(value: bigint): string {
  const type = Number(value >> 56n);
  const subtype = Number((value >> 48n) & 0xffn);
  const high = Number((value >> 32n) & 0xffffn);
  const low = Number(value & 0xffffffffn);
  const kind = subtype === 2 ? "rt" : "soo";
  if (subtype === 2 || subtype === 3) {
    const four = high * 0x10000 + (low >>> 16);
    if (type === 0) return `${kind}:${high}:${low}`;
    if (type === 2) return `${kind}:${four}:${low & 0xffff}`;
    if (type === 1) return `${kind}:${dotted(four)}:${low & 0xffff}`;
  }
  const first = (value >> 32n).toString(16);
  return `generic:0x${first}:0x${low.toString(16)}`;
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** "65001:4" to its two parts. */
export function pair(community: string): [string, string] {
  const at = community.lastIndexOf(":");
  return [community.slice(0, at), community.slice(at + 1)];
}

const STATES: Readonly<Record<string, SessionState>> = {
  idle: "idle",
  connect: "connect",
  active: "active",
  opensent: "open-sent",
  openconfirm: "open-confirm",
  established: "established",
};

/** @param word - the daemon's name of a state; an unknown one counts as idle */
export function stateOf(word: string): SessionState {
  return STATES[word.toLowerCase()] ?? "idle";
}

/**
 * Wait until a daemon that was just started answers.
 *
 * @throws Error when it ends instead or does not answer
 */
export async function untilReady(
  name: string,
  process: LabProcess,
  answers: () => Promise<boolean>,
): Promise<void> {
  await until(async () => process.ended() !== null || answers(), READY_MS, `${name} answers`);
  if (process.ended() !== null) throw new Error(`${name} ended at start: ${process.ended()}`);
}

/** SIGKILL; returns when the process is gone. */
export async function killProcess(process: LabProcess | undefined): Promise<void> {
  process?.signal("SIGKILL");
  await until(() => process === undefined || process.ended() !== null, READY_MS, "it is killed");
}

/** Run a control client and insist on its success. */
export async function control(node: LabNode, argv: readonly string[], input = ""): Promise<string> {
  const { code, stdout, stderr } = await node.run(argv, { input });
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit ${code}: ${stderr}${stdout}`);
  return stdout;
}
