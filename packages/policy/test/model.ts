/** Routes as values, their canonical octets, a store of sets that watches its callers. */

import {
  type AsPathSegment,
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  type CommunityKind,
  decodeAsPath,
  encodeAsPath,
  FAMILY,
  type Family,
  formatAddress,
  formatCommunity,
  parseAddress,
  parseCommunityOf,
  parsePrefix,
  readU32,
  writeU32,
} from "@ts-bgp/wire-codec";
import type { AttributeSets, PeerFacts } from "../src/index.ts";

export interface RouteValue {
  origin: number;
  asPath: AsPathSegment[];
  nextHop: string;
  med: number | null;
  localPref: number | null;
  communities: string[];
  large: string[];
  extended: string[];
}

export const BASE: RouteValue = {
  origin: 0,
  asPath: [{ type: "AS_SEQUENCE", as: [65001, 65002] }],
  nextHop: "192.0.2.1",
  med: null,
  localPref: null,
  communities: [],
  large: [],
  extended: [],
};

/** A path of one sequence. */
export function sequence(...as: number[]): AsPathSegment[] {
  return as.length === 0 ? [] : [{ type: "AS_SEQUENCE", as }];
}

export function encodeRoute(route: RouteValue): Uint8Array {
  const parts: number[] = [];
  const put = (flags: number, type: number, value: Uint8Array) => {
    if (value.length > 255) parts.push(flags | 0x10, type, value.length >> 8, value.length & 255);
    else parts.push(flags, type, value.length);
    parts.push(...value);
  };
  const list = (kind: CommunityKind, texts: string[]) =>
    Uint8Array.from(texts.flatMap((text) => [...parseCommunityOf(kind, text)!]));
  put(0x40, ATTR.ORIGIN, Uint8Array.of(route.origin));
  put(0x40, ATTR.AS_PATH, encodeAsPath(route.asPath, 4));
  put(0x40, ATTR.NEXT_HOP, parseAddress(route.nextHop)!);
  if (route.med !== null) put(0x80, ATTR.MULTI_EXIT_DISC, u32(route.med));
  if (route.localPref !== null) put(0x40, ATTR.LOCAL_PREF, u32(route.localPref));
  if (route.communities.length > 0) {
    put(0xc0, ATTR.COMMUNITIES, list("standard", route.communities));
  }
  if (route.extended.length > 0) {
    put(0xc0, ATTR.EXTENDED_COMMUNITIES, list("extended", route.extended));
  }
  if (route.large.length > 0) put(0xc0, ATTR.LARGE_COMMUNITIES, list("large", route.large));
  return Uint8Array.from(parts);
}

export function decodeRoute(buf: Uint8Array): RouteValue {
  const route: RouteValue = { ...BASE, asPath: [], nextHop: "" };
  let before = 0;
  for (let i = 0; i < buf.length; ) {
    const type = buf[i + 1]!;
    if (type <= before) throw new Error("types do not ascend");
    before = type;
    const at = attributeValueAt(buf, i);
    const octets = attributeValueOctets(buf, i);
    const list = (kind: CommunityKind, size: number) =>
      Array.from({ length: octets / size }, (_, k) => formatCommunity(kind, buf, at + k * size));
    if (type === ATTR.ORIGIN) route.origin = buf[at]!;
    else if (type === ATTR.AS_PATH) route.asPath = decodeAsPath(buf, at, at + octets, 4).segments;
    else if (type === ATTR.NEXT_HOP) route.nextHop = formatAddress(octets === 4 ? 1 : 2, buf, at);
    else if (type === ATTR.MULTI_EXIT_DISC) route.med = readU32(buf, at);
    else if (type === ATTR.LOCAL_PREF) route.localPref = readU32(buf, at);
    else if (type === ATTR.COMMUNITIES) route.communities = list("standard", 4);
    else if (type === ATTR.LARGE_COMMUNITIES) route.large = list("large", 12);
    else if (type === ATTR.EXTENDED_COMMUNITIES) route.extended = list("extended", 8);
    i = at + octets;
  }
  return route;
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, value);
  return out;
}

export type PrefixArguments = [Family, number, number, number, number, number];

/** A prefix as the arguments of `decide`. */
export function prefixArguments(text: string): PrefixArguments {
  const { afi, address, bits } = parsePrefix(text)!;
  if (afi === 1) return [FAMILY.IPV4_UNICAST, readU32(address, 0), 0, 0, 0, bits];
  const word = (k: number) => readU32(address, 4 * k);
  return [FAMILY.IPV6_UNICAST, word(0), word(1), word(2), word(3), bits];
}

export function peerFacts(values: Partial<PeerFacts> & { address: string }): PeerFacts {
  const octets = parseAddress(values.address)!;
  return {
    number: 1,
    as: 65001,
    localAs: 65000,
    routeType: "ebgp",
    group: "",
    addressOctets: octets,
    sameAsAddresses: [octets],
    localAddress4: Uint8Array.of(192, 0, 2, 254),
    localAddress6: parseAddress("2001:db8::254"),
    role: null,
    anyPeer: false,
    ...values,
  };
}

/** Sets by their octets; misuse throws. */
export class WatchfulSets implements AttributeSets {
  private readonly octets: (Uint8Array | null)[] = [null];
  private readonly refs: number[] = [0];
  private readonly serials: number[] = [0];
  private readonly ids: Map<string, number> = new Map();
  private made = 0;

  /** Number of sets that somebody holds. */
  get size(): number {
    return this.ids.size;
  }

  bytesOf(id: number): Uint8Array {
    const octets = this.octets[id];
    if (octets == null) throw new Error(`set ${id} is gone`);
    return octets;
  }

  offsetOf(): number {
    return 3;
  }

  lengthOf(id: number): number {
    return this.bytesOf(id).length - 3;
  }

  serialOf(id: number): number {
    return this.serials[id]!;
  }

  copyOf(id: number): Uint8Array {
    return this.bytesOf(id).slice(3);
  }

  add(octets: Uint8Array): number {
    return this.intern(octets, 0, octets.length);
  }

  intern(buf: Uint8Array, at: number, end: number): number {
    const octets = Uint8Array.of(0, 0, 0, ...buf.subarray(at, end));
    const key = octets.join();
    let id = this.ids.get(key);
    if (id === undefined) {
      // The lowest free id, so that ids are used again as soon as they can be.
      const free = this.octets.indexOf(null, 1);
      id = free > 0 ? free : this.octets.length;
      this.octets[id] = octets;
      this.refs[id] = 0;
      this.serials[id] = ++this.made;
      this.ids.set(key, id);
    }
    this.refs[id]!++;
    return id;
  }

  hold(id: number): void {
    this.bytesOf(id);
    this.refs[id]!++;
  }

  release(id: number): void {
    const octets = this.bytesOf(id);
    if (--this.refs[id]! > 0) return;
    this.ids.delete(octets.join());
    this.octets[id] = null;
    this.serials[id] = 0;
  }
}
