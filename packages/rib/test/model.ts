/** A plain model of RIB and update groups to hold the real ones against, and helpers to drive both. */

import {
  type AttributeValue,
  decodeMessages,
  encodeUpdate,
  readU16,
  type WireForm,
} from "@ts-bgp/wire-codec";
import {
  AttrStore,
  type Chunk,
  type ExportRules,
  type Importer,
  type Member,
  type PathRow,
  type PathTable,
  type PeerRow,
  PeerTable,
  Rib,
  type RouteLimit,
  shareOf,
} from "../src/index.ts";

/** What a route of the tests looks like; the rest is fixed. */
export interface Attributes {
  localPref: number;
  path: readonly number[];
  origin: "IGP" | "EGP" | "INCOMPLETE";
  /** 0 for none. Export rules of the tests read it, see `TestRules`. */
  med: number;
  /** An address of its own unless given. */
  nextHop?: string;
}

/** Canonical octets of an attribute set. */
export function attributeOctets(a: Attributes): Uint8Array {
  const attributes: AttributeValue[] = [
    { type: 1, value: a.origin },
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [...a.path] }] } },
    { type: 3, value: a.nextHop ?? "192.0.2.1" },
    ...(a.med === 0 ? [] : [{ type: 4, value: a.med }]),
    { type: 5, value: a.localPref },
  ];
  const message = encodeUpdate({ attributes });
  return message.subarray(23, 23 + readU16(message, 21));
}

export function u32(n: number): Uint8Array {
  return Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
}

/** Canonical octets of one attribute; the flags that say what it is do not matter here. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const { length } = value;
  if (length < 256) return Uint8Array.of(0x40, type, length, ...value);
  return Uint8Array.of(0x50, type, length >> 8, length, ...value);
}

/** Segment type (1 AS_SET, 2 AS_SEQUENCE) and AS numbers. */
export type Segment = readonly [type: number, ...as: number[]];

/** AS_PATH value in AS numbers of four octets. */
export function segments(list: readonly Segment[]): Uint8Array {
  const octets = list.flatMap(([type, ...as]) => [
    type,
    as.length,
    ...as.flatMap((n) => [...u32(n)]),
  ]);
  return Uint8Array.from(octets);
}

/** NLRI octets of 10.x.0.0/16, with a path identifier when that is not null. */
export function nlri(prefix: number, pathId: number | null): Uint8Array {
  const route = [16, 10, prefix];
  return Uint8Array.from(pathId === null ? route : [0, 0, 0, pathId, ...route]);
}

export function prefixText(prefix: number): string {
  return `10.${prefix}.0.0/16`;
}

export const UNLIMITED = { received: Infinity, accepted: Infinity, reason: 0 };

/** Accepts all. */
export function acceptAll(attr: number): Importer {
  return { attr, reason: 0, perPrefix: false, keepsRejected: true, judge() {} };
}

/** @returns a path as a value */
export function stateOf(paths: PathTable, path: number) {
  return {
    peer: paths.peer[path]!,
    pathId: paths.pathId[path]!,
    sentPathId: paths.sentPathId[path]!,
    attrIn: paths.attrIn[path]!,
    attr: paths.attr[path]!,
    reason: paths.reason[path]!,
    round: paths.round[path]!,
    sinceSeconds: paths.sinceSeconds[path]!,
  };
}

export interface World {
  attrs: AttrStore;
  peers: PeerTable;
  rib: Rib;
  rows: PeerRow[];
}

/** Four external peers, two of one AS, and an internal one. */
export const PEER_AS = [65001, 65002, 65003, 65003, 65000];
const OWN_AS = 65000;

export function newWorld(): World {
  const attrs = new AttrStore(1);
  const peers = new PeerTable();
  const rib = new Rib(1, attrs, peers, 2);
  const rows = PEER_AS.map((as, i) => {
    const row = peers.add({ as, external: as !== OWN_AS, address: [0, 0, 0xffff, 10 + i] });
    peers.identifier[row] = 100 - i;
    rib.paths.addPeer(row);
    return row;
  });
  return { attrs, peers, rib, rows };
}

/**
 * Export rules that cover what policies can do: a MED of 1 rejects for everyone, 100 + c for class
 * c alone, 200 + c for everyone but class c.
 */
export class TestRules implements ExportRules {
  readonly mitigatesPathHiding: boolean;
  readonly pathsMax: number;
  readonly limit: RouteLimit | null;
  private readonly world: World;
  private readonly byAs: boolean;

  constructor(
    world: World,
    options: { mitigates: boolean; pathsMax: number; byAs: boolean; limit?: RouteLimit },
  ) {
    this.limit = options.limit ?? null;
    this.world = world;
    this.mitigatesPathHiding = options.mitigates;
    this.pathsMax = options.pathsMax;
    this.byAs = options.byAs;
  }

  sourceClass(peer: PeerRow): number {
    if (!this.byAs) return peer;
    return this.world.peers.as[peer]! - 64000;
  }

  allows(med: number, cls: number): boolean {
    if (med === 1) return false;
    if (med >= 2000 && med < 4000) return med - 2000 === cls;
    if (med >= 4000) return med - 4000 !== cls;
    return true;
  }

  evaluate(path: PathRow, _row: number, cls: number): number {
    const attr = this.world.rib.paths.attr[path]!;
    if (!this.allows(this.world.attrs.med[attr]!, cls)) return 0;
    this.world.attrs.hold(attr);
    return attr;
  }

  exceptions(path: PathRow, classes: Uint16Array): number {
    const med = this.world.attrs.med[this.world.rib.paths.attr[path]!]!;
    if (med < 2000) return 0;
    classes[0] = med >= 4000 ? med - 4000 : med - 2000;
    return 1;
  }
}

/** One path as the model holds it. */
export interface ModelPath {
  peer: number;
  pathId: number;
  attributes: Attributes;
}

/** Orders the paths of a prefix: RFC 4271 section 9.1.2.2 as it is written, by elimination. */
export function preferred(paths: readonly ModelPath[], world: World): ModelPath[] {
  const left = [...paths];
  const order: ModelPath[] = [];
  while (left.length > 0) {
    let best = left;
    const keep = (value: (p: ModelPath) => number) => {
      const min = Math.min(...best.map(value));
      best = best.filter((p) => value(p) === min);
    };
    const origins = ["IGP", "EGP", "INCOMPLETE"];
    keep((p) => -p.attributes.localPref);
    keep((p) => p.attributes.path.length);
    keep((p) => origins.indexOf(p.attributes.origin));
    const tied = best;
    best = tied.filter(
      (p) =>
        !tied.some(
          (q) =>
            q.attributes.path[0] === p.attributes.path[0] && q.attributes.med < p.attributes.med,
        ),
    );
    keep((p) => 1 - world.peers.external[world.rows[p.peer]!]!);
    keep((p) => world.peers.identifier[world.rows[p.peer]!]!);
    keep((p) => p.peer);
    keep((p) => p.pathId);
    order.push(best[0]!);
    left.splice(left.indexOf(best[0]!), 1);
  }
  return order;
}

export const FORM: WireForm = {
  family: 1,
  fourOctetAs: true,
  addPath: false,
  octetsMax: 4096,
  prependAs: 0,
  nextHop: null,
  internal: true,
  med: true,
  otcAs: 0,
  rpkiState: false,
};

/** A member that keeps what it is sent as text: prefix (and path identifier) to attributes. */
export class TestMember implements Member {
  readonly cls: number;
  readonly peer: PeerRow;
  /** Its address, empty when that is nobody's next hop. */
  readonly address: string;
  backlogOctets = 0;
  syncs = 0;
  /** Withdrawals of routes that it did not hold. */
  idle = 0;
  /** Most routes that it has held at once. */
  most = 0;
  readonly held: Map<string, string> = new Map();
  private readonly addPath: boolean;

  constructor(cls: number, addPath: boolean, peer: PeerRow = 0, address = "") {
    this.cls = cls;
    this.peer = peer;
    this.address = address;
    this.addPath = addPath;
  }

  take(chunk: Chunk): void {
    for (const piece of shareOf(chunk, this).pieces) {
      const options = { fourOctetAs: true, addPath: this.addPath, external: false };
      for (const message of decodeMessages(piece, options)) {
        if (message.error !== undefined) throw new Error(message.error.reason);
        const update = message as unknown as {
          withdrawn: unknown[];
          nlri: unknown[];
          attributes: unknown;
        };
        for (const route of update.withdrawn) {
          if (!this.held.delete(JSON.stringify(route))) this.idle++;
        }
        const text = JSON.stringify(update.attributes);
        for (const route of update.nlri) this.held.set(JSON.stringify(route), text);
        this.most = Math.max(this.most, this.held.size);
      }
    }
  }
}
