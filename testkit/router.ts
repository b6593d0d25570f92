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
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  encodeUpdate,
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
  type Observed,
  type Order,
  type Output,
  Router,
} from "../packages/router/src/index.ts";
import { Jitter } from "../packages/router/src/numbers.ts";
import {
  attributesOf,
  byFamily,
  capabilitiesOf,
  mpReach,
  mpUnreach,
  type PeerOptions,
  ROUTER_ADDRESS,
  ROUTER_ADDRESS6,
  ROUTER_AS,
  type Sketch,
} from "./sketch.ts";
import { type Seen, Wire } from "./wire.ts";

const START_MS = 1_700_000_000_000;
const TICK_MS = 100;
/** More slices than this without rest are an endless loop. */
const SLICES_MAX = 100_000;

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
  readonly observed: Observed[] = [];
  /** Connections that the router wants and nobody has answered. */
  readonly attempts: { id: ConnectionId; address: string; port: number }[] = [];
  /** Everything that came out, for comparisons. */
  readonly outputs: Output[] = [];
  /** Slices of the last `run`. */
  slices = 0;
  nowMs = START_MS;
  /** What may be done in a slice. */
  budget: () => number;

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
      else if (output.do === "observe") this.observed.push(output.event);
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

const CONTEXT = {
  fourOctetAs: true,
  external: true,
  addPath: 0,
  families: 3,
  allowAsSet: true,
  allowConfed: true,
  aigp: true,
  extendedNextHop: 3,
  rpkiState: false,
};

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
