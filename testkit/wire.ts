/** The peer's end of one TCP connection: what came over it, decoded, and the table that it makes. */

import {
  AFI,
  type DecodedMessage,
  type DecodedUpdate,
  decodeMessages,
  KEEPALIVE_OCTETS,
  type Route,
} from "@ts-bgp/wire-codec";
import type { ConnectionId } from "../packages/router/src/index.ts";
import type { Peer } from "./router.ts";
import { keyOf, ROUTER_AS } from "./sketch.ts";

/** What a peer has of a route: attributes by short names, ORIGIN IGP left out. */
export type Seen = Readonly<Record<string, unknown>>;

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
  private hasPathIds = false;

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
    // One that is configured no more may still read what it was sent before.
    if (neighbor !== undefined) this.hasPathIds = neighbor.addPath.send !== 0;
    const sends = this.hasPathIds;
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
