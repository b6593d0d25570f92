/**
 * A router with a virtual clock, and scripted peers around it made of the codec alone.
 *
 *     const lab = new Lab(yaml);
 *     const a = lab.peer("192.0.2.1", { as: 65001 }).up();
 *     a.announce(["10.1.0.0/16"], { path: [65001] });
 *     lab.run();
 *     b.table  // what the router made b see
 *
 * Nothing happens in between: octets go in, slices run until there is nothing to do, outputs come
 * out. Time stands still until `advance`.
 */

import { type Config, loadConfig } from "@ts-bgp/config";
import {
  AFI,
  AS_TRANS,
  type AttributeValue,
  type Capability,
  type DecodedMessage,
  type DecodedUpdate,
  decodeMessages,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  encodeUpdate,
  KEEPALIVE_OCTETS,
  parseIpv4,
  type Route,
  SAFI,
  shutdownData,
} from "@ts-bgp/wire-codec";
import {
  type ConnectionId,
  INPUT_OCTETS_MAX,
  type LogEvent,
  type Neighbor,
  type Order,
  type Output,
  Router,
} from "../src/index.ts";
import { Jitter } from "../src/numbers.ts";

export const ROUTER_AS = 64500;
export const ROUTER_ADDRESS = "192.0.2.254";
export const ROUTER_ADDRESS6 = "2001:db8::254";
const START_MS = 1_700_000_000_000;
const TICK_MS = 100;
/** More slices than this without rest are an endless loop. */
const SLICES_MAX = 100_000;

/** What a scripted peer offers in OPEN; the rest follows from its address. */
export interface PeerOptions {
  readonly as: number;
  readonly id?: string;
  readonly families?: readonly ("ipv4" | "ipv6")[];
  readonly holdTime?: number;
  readonly fourOctetAs?: boolean;
  readonly addPath?: "receive" | "send" | "both";
  readonly extendedMessage?: boolean;
  readonly extendedNextHop?: boolean;
  readonly routeRefresh?: boolean;
  readonly enhancedRefresh?: boolean;
  readonly gracefulRestart?: { restarting?: boolean; forwarding?: boolean; seconds?: number };
  readonly role?: number;
}

/** Attributes of a route in few words; what is absent has a default that is good for eBGP. */
export interface Sketch {
  readonly origin?: "IGP" | "EGP" | "INCOMPLETE";
  readonly path?: readonly number[];
  readonly nextHop?: string;
  readonly med?: number;
  readonly localPref?: number;
  readonly communities?: readonly string[];
  readonly large?: readonly string[];
  readonly extended?: readonly string[];
  readonly otc?: number;
  readonly originator?: string;
  readonly clusters?: readonly string[];
  /** Further ones, or others in place of those above. */
  readonly more?: readonly AttributeValue[];
}

/** What a peer has of a route: attributes by short names, ORIGIN IGP left out. */
export type Seen = Readonly<Record<string, unknown>>;

export interface LabOptions {
  readonly seed?: number;
  /** Calls of `mayGoOn` that each slice answers with yes. */
  readonly budget?: () => number;
  /** Another router than a plain one. */
  readonly routerOf?: (config: Config, seed: number) => Router;
}

export function configOf(yaml: string): Config {
  const sources = { readFile: () => "", env: () => "" };
  const { config, mistakes } = loadConfig("lab.yaml", yaml, sources);
  if (config === null) throw new Error(mistakes.map(({ message }) => message).join("\n"));
  return config;
}

/** A configuration file with the router's section, to which the rest is appended. */
export function yamlOf(rest: string, router = `{ as: ${ROUTER_AS}, id: ${ROUTER_ADDRESS} }`) {
  return `router: ${router}\n${rest}`;
}

/** Numbers in [0, 1) that are the same for the same seed. */
export function randomOf(seed: number): () => number {
  const numbers = new Jitter(seed);
  return () => numbers.next();
}

export class Lab {
  readonly router: Router;
  readonly peers: Map<string, Peer> = new Map();
  readonly wires: Map<ConnectionId, Wire> = new Map();
  readonly logs: LogEvent[] = [];
  /** Connections that the router wants and nobody has answered. */
  readonly attempts: { id: ConnectionId; address: string; port: number }[] = [];
  /** Everything that came out, for comparisons. */
  readonly outputs: Output[] = [];
  /** Slices of the last `run`. */
  slices = 0;
  nowMs = START_MS;
  private readonly budget: () => number;

  constructor(yaml: string, { seed = 1, budget = () => 1000, routerOf }: LabOptions = {}) {
    this.budget = budget;
    const config = configOf(yaml);
    this.router = routerOf?.(config, seed) ?? new Router(config, seed);
    this.router.start(this.nowMs);
    this.run();
  }

  peer(address: string, options: PeerOptions): Peer {
    const peer = new Peer(this, address, options);
    this.peers.set(address, peer);
    return peer;
  }

  neighbor(address: string): Neighbor {
    const neighbor = this.router.neighbors.get(address);
    if (neighbor === undefined) throw new Error(`no neighbor ${address}`);
    return neighbor;
  }

  /** One slice. @returns whether there is more to do */
  slice(): boolean {
    let left = this.budget();
    const more = this.router.slice(this.nowMs, () => left-- > 0);
    this.slices++;
    return this.deliver() || more;
  }

  /** Works until nothing is left to do; what came out in the meantime is delivered first. */
  run(): this {
    this.deliver();
    this.slices = 0;
    do {
      if (this.slices > SLICES_MAX) throw new Error("the router does not come to rest");
    } while (this.slice());
    return this;
  }

  /** Lets time pass; peers whose session is up send KEEPALIVE messages unless told otherwise. */
  advance(ms: number): this {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs += Math.min(TICK_MS, end - this.nowMs);
      for (const wire of this.wires.values()) wire.keepAlive();
      this.router.tick(this.nowMs);
      this.run();
    }
    return this;
  }

  /** Puts another configuration into force. */
  reload(yaml: string): this {
    this.router.configure(configOf(yaml), this.nowMs);
    return this;
  }

  /** Carries out an operator's order. */
  operate(address: string, order: Order): this {
    this.router.operate(address, order, this.nowMs);
    return this;
  }

  logsOf(id: LogEvent["id"]): LogEvent[] {
    return this.logs.filter((event) => event.id === id);
  }

  /** Does what the outputs say. @returns whether that gave the router something to read */
  deliver(): boolean {
    let fed = false;
    const outputs = this.router.takeOutputs();
    for (const output of outputs) {
      this.outputs.push(output);
      if (output.do === "log") this.logs.push(output.event);
      else if (output.do === "connect") {
        const { neighbor: address, port } = output.target;
        const peer = this.peers.get(address);
        if (peer?.listens === true) {
          peer.adopt(output.connection);
          const { localAddress, otherAddress } = peer;
          this.router.connected(output.connection, localAddress, otherAddress, this.nowMs);
          fed = true;
        } else this.attempts.push({ id: output.connection, address, port });
      } else if (output.do === "write") {
        const wire = this.wires.get(output.connection);
        if (wire?.write(output.octets) === true) fed = true;
      } else {
        const at = this.attempts.findIndex(({ id }) => id === output.connection);
        if (at >= 0) this.attempts.splice(at, 1);
        this.wires.get(output.connection)?.closedByRouter();
      }
    }
    return fed;
  }
}

export class Peer {
  readonly lab: Lab;
  readonly address: string;
  readonly isIpv6: boolean;
  options: PeerOptions;
  /** Takes the connections that the router begins. */
  listens = false;
  /** Asked by the router to send everything again. */
  asked: ((family: "ipv4" | "ipv6") => void) | null = null;
  /** Cuts what is sent into pieces. */
  cut: (octets: Uint8Array) => Uint8Array[] = (octets) => [octets];
  /** Own address of the router towards the peer. */
  localAddress: string;
  /** Address of the other family on the same interface. */
  otherAddress: string | null = null;
  /** The last connection. */
  wire!: Wire;

  constructor(lab: Lab, address: string, options: PeerOptions) {
    this.lab = lab;
    this.address = address;
    this.options = options;
    this.isIpv6 = address.includes(":");
    this.localAddress = this.isIpv6 ? ROUTER_ADDRESS6 : ROUTER_ADDRESS;
  }

  /** Connects, and answers OPEN as a peer would, unless `speaks` says no. */
  connect(speaks = true): Wire {
    const { lab } = this;
    lab.deliver();
    const { address, localAddress, otherAddress } = this;
    const id = lab.router.accepted(address, 40_000, localAddress, otherAddress, lab.nowMs);
    if (id === null) throw new Error(`${this.address} is not configured`);
    const wire = this.adopt(id);
    wire.speaks = speaks;
    lab.deliver();
    return wire;
  }

  /** Brings the session up. */
  up(options: Partial<PeerOptions> = {}): this {
    this.options = { ...this.options, ...options };
    this.connect();
    this.lab.run();
    if (!this.isUp) {
      const { state } = this.lab.neighbor(this.address);
      throw new Error(`${this.address} did not come up: ${JSON.stringify(state)}`);
    }
    return this;
  }

  adopt(id: ConnectionId): Wire {
    this.wire = new Wire(this, id);
    this.lab.wires.set(id, this.wire);
    return this.wire;
  }

  get isUp(): boolean {
    return this.lab.neighbor(this.address).fsmState === "established";
  }

  get table(): Record<string, Seen> {
    return Object.fromEntries([...this.wire.table].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  announce(routes: readonly Route[], sketch: Sketch = {}): this {
    return this.send(this.updateOf(routes, sketch));
  }

  withdraw(routes: readonly Route[]): this {
    const { ipv4, ipv6 } = byFamily(routes);
    const attributes = ipv6.length === 0 ? [] : [mpUnreach(ipv6)];
    return this.send(this.encode(ipv4, attributes, []));
  }

  endOfRib(family: "ipv4" | "ipv6" = "ipv4"): this {
    return this.send(this.encode([], family === "ipv4" ? [] : [mpUnreach([])], []));
  }

  refresh(subtype: number, family: "ipv4" | "ipv6" = "ipv4"): this {
    const afi = family === "ipv4" ? AFI.IPV4 : AFI.IPV6;
    return this.send(encodeRouteRefresh({ afi, safi: SAFI.UNICAST, subtype }));
  }

  notify(code: number, subcode: number, text?: string): this {
    const data = text === undefined ? new Uint8Array(0) : shutdownData(text);
    return this.send(encodeNotification(code, subcode, data));
  }

  /** TCP ends, without a word. */
  hangUp(): this {
    this.wire.hangUp();
    return this;
  }

  send(octets: Uint8Array): this {
    for (const piece of this.cut(octets)) this.wire.feed(piece);
    return this;
  }

  /** The UPDATE that announces routes. */
  updateOf(routes: readonly Route[], sketch: Sketch): Uint8Array {
    const { ipv4, ipv6 } = byFamily(routes);
    const attributes = attributesOf(sketch, this);
    const nextHop = attributes.find(({ type }) => type === 3)!.value as string;
    const v6NextHop = nextHop.includes(":");
    const field = v6NextHop ? [] : ipv4;
    const kept = field.length === 0 ? attributes.filter(({ type }) => type !== 3) : attributes;
    const mp = v6NextHop && ipv4.length > 0 ? ipv4 : ipv6;
    if (mp.length > 0) kept.push(mpReach(mp, v6NextHop ? nextHop : "2001:db8::1"));
    return this.encode([], kept, field);
  }

  encode(
    withdrawn: readonly Route[],
    attributes: readonly AttributeValue[],
    nlri: readonly Route[],
  ): Uint8Array {
    const { fourOctetAs = true } = this.options;
    const context = { ...CONTEXT, fourOctetAs };
    return encodeUpdate({ withdrawn, attributes, nlri }, context);
  }

  get open(): Uint8Array {
    const { as, id, holdTime = 90, fourOctetAs = true } = this.options;
    return encodeOpen({
      version: 4,
      as: as > 0xffff ? AS_TRANS : as,
      holdTimeSeconds: holdTime,
      bgpIdentifier: parseIpv4(id ?? (this.isIpv6 ? "10.6.0.1" : this.address))!,
      capabilities: [
        ...capabilitiesOf(this.options, this.isIpv6),
        ...(fourOctetAs ? [{ code: 65, name: "four-octet-as", as } as const] : []),
      ],
    });
  }
}

/** One TCP connection, seen from the peer. */
export class Wire {
  readonly peer: Peer;
  readonly id: ConnectionId;
  /** Whatever came, in order. */
  readonly messages: DecodedMessage[] = [];
  readonly table: Map<string, Seen> = new Map();
  /** Prefixes in the order in which they were announced and withdrawn ("-10.0.0.0/8"). */
  readonly changes: string[] = [];
  octets = 0;
  /** Takes octets from TCP; while not, they pile up. */
  reads = true;
  /** Answers OPEN and sends KEEPALIVE messages by itself. */
  speaks = true;
  closed = false;
  /** Withdrawals of what was not there, announcements of what was there already. */
  redundant = 0;
  waiting: Uint8Array[] = [];
  private lastSentMs: number;
  private established = false;

  constructor(peer: Peer, id: ConnectionId) {
    this.peer = peer;
    this.id = id;
    this.lastSentMs = peer.lab.nowMs;
  }

  /** Messages of one type. */
  of(type: DecodedMessage["type"]): DecodedMessage[] {
    return this.messages.filter((message) => message.type === type);
  }

  /** The NOTIFICATION that came, as "6/2 text". */
  get notification(): string | null {
    const message = this.of("NOTIFICATION")[0];
    if (message === undefined) return null;
    const { code, subcode, text } = message;
    return `${code}/${subcode}${text === undefined ? "" : ` ${text}`}`;
  }

  /** Families whose End-of-RIB marker came. */
  get endsOfRib(): unknown[] {
    return this.messages.flatMap((message) => message["end_of_rib"] ?? []);
  }

  /** Forgets what came so far, but not the table. */
  forget(): this {
    this.messages.length = 0;
    this.changes.length = 0;
    this.redundant = 0;
    this.octets = 0;
    return this;
  }

  feed(octets: Uint8Array): void {
    if (this.closed) return;
    this.lastSentMs = this.peer.lab.nowMs;
    this.peer.lab.router.received(this.id, octets);
  }

  keepAlive(): void {
    const { lab, options } = this.peer;
    const seconds = Math.min(options.holdTime ?? 90, 90);
    if (!this.established || !this.speaks || this.closed || seconds === 0) return;
    if (lab.nowMs - this.lastSentMs >= (1000 * seconds) / 3) this.feed(KEEPALIVE_OCTETS);
  }

  hangUp(): void {
    if (this.closed) return;
    this.closed = true;
    this.peer.lab.router.closed(this.id, this.peer.lab.nowMs);
  }

  /** TCP takes octets again. */
  drain(): void {
    this.reads = true;
    const { waiting } = this;
    this.waiting = [];
    for (const octets of waiting) this.take(octets);
  }

  closedByRouter(): void {
    if (this.closed) return;
    this.closed = true;
    this.peer.lab.router.closed(this.id, this.peer.lab.nowMs);
  }

  /** @returns whether the peer answered */
  write(octets: Uint8Array): boolean {
    if (this.closed) return false;
    if (!this.reads) {
      this.waiting.push(octets);
      return false;
    }
    return this.take(octets);
  }

  private take(octets: Uint8Array): boolean {
    const { lab } = this.peer;
    this.octets += octets.length;
    let answered = false;
    for (const message of decodeMessages(octets, this.decodeOptions)) {
      if (message.type === "UNKNOWN") throw new Error(`the router sent ${JSON.stringify(message)}`);
      this.messages.push(message);
      if (message.type === "UPDATE") this.update(message as DecodedUpdate);
      else if (this.speaks && message.type === "OPEN") answered = this.answerOpen();
      else if (message.type === "ROUTE-REFRESH" && message["subtype"] === 0) {
        this.peer.asked?.(message["afi"] === AFI.IPV4 ? "ipv4" : "ipv6");
        answered = true;
      }
    }
    if (!this.closed) lab.router.sent(this.id, octets.length, lab.nowMs);
    return answered;
  }

  private get decodeOptions() {
    const { as, fourOctetAs = true, addPath } = this.peer.options;
    const config = this.peer.lab.router.tables.config;
    const neighbor = config.neighbors.find(({ address }) => address === this.peer.address);
    const receives = addPath === "receive" || addPath === "both";
    const sends = neighbor !== undefined && neighbor.addPath.send !== 0;
    const external = (neighbor?.localAs ?? ROUTER_AS) !== as;
    return { fourOctetAs, addPath: receives && sends, external };
  }

  private answerOpen(): true {
    this.feed(this.peer.open);
    this.feed(KEEPALIVE_OCTETS);
    this.established = true;
    return true;
  }

  private update(message: DecodedUpdate): void {
    if (message.error !== undefined) throw new Error(JSON.stringify(message.error));
    const shared = summaryOf(message);
    const drop = (route: Route) => {
      const key = keyOf(route);
      this.changes.push(`-${key}`);
      if (!this.table.delete(key)) this.redundant++;
    };
    const put = (route: Route, seen: Seen) => {
      const key = keyOf(route);
      this.changes.push(key);
      if (JSON.stringify(this.table.get(key)) === JSON.stringify(seen)) this.redundant++;
      this.table.set(key, seen);
    };
    for (const route of message.withdrawn) drop(route);
    for (const { type, value } of message.attributes) {
      const mp = value as { nlri: Route[]; next_hop: string };
      if (type === 15) for (const route of mp.nlri) drop(route);
      if (type === 14) for (const route of mp.nlri) put(route, { ...shared, nextHop: mp.next_hop });
    }
    for (const route of message.nlri) put(route, shared);
  }
}

const CONTEXT = {
  fourOctetAs: true,
  external: true,
  addPath: 0,
  families: 3,
  allowAsSet: true,
  allowConfed: true,
  aigp: true,
};

function keyOf(route: Route): string {
  return typeof route === "string" ? route : `${route.prefix} ${route.path_id}`;
}

const SHORT: Readonly<Record<string, string>> = {
  ORIGIN: "origin",
  NEXT_HOP: "nextHop",
  MULTI_EXIT_DISC: "med",
  LOCAL_PREF: "localPref",
  COMMUNITIES: "communities",
  LARGE_COMMUNITIES: "large",
  EXTENDED_COMMUNITIES: "extended",
  ORIGINATOR_ID: "originator",
  CLUSTER_LIST: "clusters",
  OTC: "otc",
};

function summaryOf(message: DecodedUpdate): Seen {
  const seen: Record<string, unknown> = {};
  for (const { type, name, value } of message.attributes) {
    if (type === 14 || type === 15 || (type === 1 && value === "IGP")) continue;
    const text = (value as { text?: string }).text;
    seen[name === "AS_PATH" ? "path" : (SHORT[name] ?? name)] = type === 2 ? text : value;
  }
  return seen;
}

export function attributesOf(sketch: Sketch, peer: Peer): AttributeValue[] {
  const { as } = peer.options;
  const internal = as === ROUTER_AS;
  const path = sketch.path ?? (internal ? [] : [as]);
  const segments = path.length === 0 ? [] : [{ type: "AS_SEQUENCE", as: [...path] }];
  const localPref = sketch.localPref ?? (internal ? 100 : undefined);
  const list: [type: number, value: unknown][] = [
    [1, sketch.origin ?? "IGP"],
    [2, { segments }],
    [3, sketch.nextHop ?? peer.address],
    [4, sketch.med],
    [5, localPref],
    [8, sketch.communities],
    [9, sketch.originator],
    [10, sketch.clusters],
    [16, sketch.extended],
    [32, sketch.large],
    [35, sketch.otc],
  ];
  const more = sketch.more ?? [];
  const known = list.filter(([type, value]) => {
    const isThere = value !== undefined && !(Array.isArray(value) && value.length === 0);
    return isThere && !more.some((other) => other.type === type);
  });
  return [...known.map(([type, value]) => ({ type, value })), ...more];
}

function byFamily(routes: readonly Route[]): { ipv4: Route[]; ipv6: Route[] } {
  const isIpv6 = (route: Route) => keyOf(route).includes(":");
  return { ipv4: routes.filter((route) => !isIpv6(route)), ipv6: routes.filter(isIpv6) };
}

function mpReach(nlri: readonly Route[], nextHop: string): AttributeValue {
  const afi = keyOf(nlri[0]!).includes(":") ? AFI.IPV6 : AFI.IPV4;
  return { type: 14, value: { afi, safi: SAFI.UNICAST, next_hop: nextHop, nlri } };
}

function mpUnreach(nlri: readonly Route[]): AttributeValue {
  return { type: 15, value: { afi: AFI.IPV6, safi: SAFI.UNICAST, nlri } };
}

function capabilitiesOf(options: PeerOptions, isIpv6: boolean): Capability[] {
  const families = options.families ?? [isIpv6 ? "ipv6" : "ipv4"];
  const pairs = families.map((family) => ({
    afi: family === "ipv4" ? AFI.IPV4 : AFI.IPV6,
    safi: SAFI.UNICAST,
  }));
  const list: Capability[] = pairs.map((pair) => ({ code: 1, name: "multiprotocol", ...pair }));
  const { addPath, gracefulRestart, role } = options;
  if (options.routeRefresh !== false) list.push({ code: 2, name: "route-refresh" });
  if (options.enhancedRefresh !== false) list.push({ code: 70, name: "enhanced-route-refresh" });
  if (options.extendedMessage === true) list.push({ code: 6, name: "extended-message" });
  if (options.extendedNextHop === true) {
    const entry = { afi: AFI.IPV4, safi: SAFI.UNICAST, nextHopAfi: AFI.IPV6 };
    list.push({ code: 5, name: "extended-next-hop", families: [entry] });
  }
  if (addPath !== undefined) {
    const receive = addPath !== "send";
    const send = addPath !== "receive";
    const entries = pairs.map((pair) => ({ ...pair, receive, send }));
    list.push({ code: 69, name: "add-path", families: entries });
  }
  if (gracefulRestart !== undefined) {
    const { restarting = false, forwarding = true, seconds = 120 } = gracefulRestart;
    list.push({
      code: 64,
      name: "graceful-restart",
      restarting,
      notification: false,
      restartTimeSeconds: seconds,
      families: pairs.map((pair) => ({ ...pair, forwarding })),
    });
  }
  if (role !== undefined) list.push({ code: 9, name: "role", role });
  return list;
}

/** Everything that ties memory to routes is gone. */
export function isEmpty(lab: Lab): boolean {
  const { tables } = lab.router;
  const ribs = [tables.rib(1), tables.rib(2)];
  // One set stays: that of no attributes.
  return (
    tables.attrs.size === 1 &&
    tables.jobs.size === 0 &&
    tables.groups.entries.length === 0 &&
    ribs.every((rib) => rib.prefixes.size === 0 && rib.paths.size === 0)
  );
}

export { INPUT_OCTETS_MAX };
