/** Routes of a Linux kernel as its messages have them: rtnetlink(7). */

import { AF_INET, AF_INET6 } from "@ts-bgp/takeover/libc";
import {
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  NLMSG_HEADER_OCTETS,
} from "@ts-bgp/takeover/netlink";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
/** Protocol `bgp` of rt_protos: what is written is marked with it, and nothing else is touched. */
export const RTPROT_BGP = 186;
export const RTN_UNICAST = 1;
const RTMSG_OCTETS = 12;
export const NLM_F_EXCL = 0x200;
const RTA = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  ENCAP: 22,
  NH_ID: 30,
};
/** Of the type of an attribute, without flags. */
export const TYPE_MASK = 0x3fff;
const RTNH_F_DEAD = 1;
/** Its interface has no carrier: the kernel says so where it is asked, and sends no word of it. */
const RTNH_F_LINKDOWN = 16;
const RTNH_F_ONLINK = 4;
/** Next hops of a route that are written, at most. */
export const HOPS_MAX = 16;
const RTNEXTHOP_OCTETS = 8;
/** Of `struct rtvia`: the family of the address behind it. */
const RTVIA_OCTETS = 2;
/** Longest message that is written here. */
export const ROUTE_OCTETS_MAX = 96 + HOPS_MAX * (RTNEXTHOP_OCTETS + 24);

/** Where packets go: a neighbor on an interface. */
export interface KernelHop {
  /** Of 4 octets or 16, and of an IPv6 route always of 16; null: to the destination itself. */
  readonly gateway: Uint8Array | null;
  /** Number of the interface. */
  readonly interface: number;
}

export interface KernelRoute {
  /** All of them have the same share of packets. */
  readonly hops: readonly KernelHop[];
  readonly family: Family;
  readonly table: number;
  readonly protocol: number;
  /** RTN_UNICAST, or a kind that goes nowhere. */
  readonly type: number;
  readonly metric: number;
  readonly bits: number;
  /** First octets of the prefix, as many as the family has. */
  readonly prefix: Uint8Array;
  /** It has something that this program writes no route with. */
  readonly isOther: boolean;
  /** And something without which packets do not go the same way. */
  readonly isSpecial: boolean;
  /** Its interface is down, or has no carrier; of several next hops: those of all of them. */
  readonly isDead: boolean;
  /**
   * Object of the kernel's that says where packets go; 0 when the route itself does. Then `hops` are as the kernel shows
   * them beside it, which it does with net.ipv4.nexthop_compat_mode alone.
   */
  readonly nextHop: number;
}

export type Change = "add" | "replace" | "delete";

/**
 * What becomes of a route. `add` fails where there is one with this metric, whoever has it, and `delete` where there
 * is none of protocol `bgp`. `replace` fails where there is none, and does not ask whose it is: who writes it is to
 * know that it is an own one, see `RouteMonitor`.
 */
const KINDS: Readonly<Record<Change, readonly [number, number]>> = {
  add: [RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL],
  replace: [RTM_NEWROUTE, NLM_F_REPLACE],
  delete: [RTM_DELROUTE, 0],
};

/** Where routes are written. */
export interface Place {
  readonly table: number;
  readonly metric: number;
}

/** Writes messages one behind the other. */
export class RouteMessages {
  readonly buffer: Buffer;
  length = 0;
  count = 0;
  private lastAt = 0;

  constructor(max: number) {
    this.buffer = Buffer.alloc(max * ROUTE_OCTETS_MAX);
  }

  /**
   * The number of a message is how many are in front of it.
   *
   * @param hops - none to delete
   * @param nextHop - an object of the kernel's in place of `hops`; 0 for none
   */
  add(
    change: Change,
    { table, metric }: Place,
    family: Family,
    words: readonly [number, number, number, number],
    bits: number,
    hops: readonly KernelHop[],
    nextHop = 0,
  ): void {
    const { buffer } = this;
    const start = this.length;
    this.lastAt = start;
    const [type, flags] = KINDS[change];
    const isIpv4 = family === FAMILY.IPV4_UNICAST;
    let at = start + NLMSG_HEADER_OCTETS;
    buffer[at] = isIpv4 ? AF_INET : AF_INET6;
    buffer[at + 1] = bits;
    buffer.fill(0, at + 2, at + RTMSG_OCTETS);
    buffer[at + 5] = RTPROT_BGP;
    buffer[at + 7] = RTN_UNICAST;
    at += RTMSG_OCTETS;
    at = this.head(at, RTA.DST, isIpv4 ? 4 : 16);
    for (let i = 0; i < (isIpv4 ? 1 : 4); i++) at = buffer.writeUInt32BE(words[i]!, at);
    at = this.u32(at, RTA.TABLE, table);
    at = this.u32(at, RTA.PRIORITY, metric);
    if (nextHop !== 0) at = this.u32(at, RTA.NH_ID, nextHop);
    else if (hops.length === 1) {
      at = this.u32(at, RTA.OIF, hops[0]!.interface);
      at = this.gateway(at, hops[0]!, isIpv4);
    } else if (hops.length > 1) at = this.multipath(at, hops, isIpv4);
    buffer.writeUInt32LE(at - start, start);
    buffer.writeUInt16LE(type, start + 4);
    buffer.writeUInt16LE(NLM_F_REQUEST | flags, start + 6);
    buffer.writeUInt32LE(this.count++, start + 8);
    buffer.writeUInt32LE(0, start + 12);
    this.length = at;
  }

  /** Hands over what was written, the last of which is to be acknowledged. Valid until the next `add`. */
  take(): Buffer {
    const { buffer, lastAt, length } = this;
    buffer.writeUInt16LE(buffer.readUInt16LE(lastAt + 6) | NLM_F_ACK, lastAt + 6);
    this.length = 0;
    this.count = 0;
    return buffer.subarray(0, length);
  }

  private gateway(at: number, { gateway }: KernelHop, isIpv4: boolean): number {
    if (gateway === null) return at;
    const { buffer } = this;
    if (isIpv4 && gateway.length !== 4) {
      const familyAt = this.head(at, RTA.VIA, RTVIA_OCTETS + gateway.length);
      buffer.set(gateway, buffer.writeUInt16LE(AF_INET6, familyAt));
      // Attributes begin at multiples of 4 octets.
      return buffer.writeUInt16LE(0, familyAt + RTVIA_OCTETS + gateway.length);
    }
    const valueAt = this.head(at, RTA.GATEWAY, gateway.length);
    buffer.set(gateway, valueAt);
    return valueAt + gateway.length;
  }

  private multipath(start: number, hops: readonly KernelHop[], isIpv4: boolean): number {
    const { buffer } = this;
    let at = start + 4;
    for (const hop of hops) {
      const end = this.gateway(at + RTNEXTHOP_OCTETS, hop, isIpv4);
      buffer.writeUInt16LE(end - at, at);
      // No flags, and a weight of 1, which is 0 here.
      buffer.writeUInt16LE(0, at + 2);
      buffer.writeInt32LE(hop.interface, at + 4);
      at = end;
    }
    this.head(start, RTA.MULTIPATH, at - start - 4);
    return at;
  }

  private u32(at: number, type: number, value: number): number {
    return this.buffer.writeUInt32LE(value, this.head(at, type, 4));
  }

  private head(at: number, type: number, octets: number): number {
    this.buffer.writeUInt16LE(4 + octets, at);
    return this.buffer.writeUInt16LE(type, at + 2);
  }
}

/** @returns the octets behind the header of a request for all routes of a table; 0: of any protocol */
export function routesRequest(family: Family, table: number, protocol: number): Buffer {
  const octets = Buffer.alloc(RTMSG_OCTETS + 8);
  octets[0] = family === FAMILY.IPV4_UNICAST ? AF_INET : AF_INET6;
  octets[5] = protocol;
  octets.writeUInt16LE(8, RTMSG_OCTETS);
  octets.writeUInt16LE(RTA.TABLE, RTMSG_OCTETS + 2);
  octets.writeUInt32LE(table, RTMSG_OCTETS + 4);
  return octets;
}

/** @param octets - a message of type RTM_NEWROUTE behind its header. @returns null for what is no IP route */
export function readRoute(octets: Buffer): KernelRoute | null {
  const family = octets[0] === AF_INET ? 1 : octets[0] === AF_INET6 ? 2 : 0;
  if (family === 0 || octets.length < RTMSG_OCTETS) return null;
  const prefix = new Uint8Array(family === 1 ? 4 : 16);
  let table = octets[4]!;
  let metric = 0;
  let nextHop = 0;
  const flags = octets.readUInt32LE(8);
  const single = new HopReader();
  const hops: KernelHop[] = [];
  let isOther = (flags & RTNH_F_ONLINK) !== 0;
  let isSpecial = isOther;
  let isMultipath = false;
  // Of an own route such next hops are as they were written.
  const dead = octets[5] === RTPROT_BGP ? RTNH_F_DEAD : RTNH_F_DEAD | RTNH_F_LINKDOWN;
  let isDead = (flags & dead) !== 0;
  let next = RTMSG_OCTETS;
  for (let at = next; hasAttribute(octets, at, octets.length); at = next) {
    const type = octets.readUInt16LE(at + 2) & TYPE_MASK;
    const end = at + octets.readUInt16LE(at);
    next = (end + 3) & ~3;
    at += 4;
    if (type === RTA.DST) prefix.set(octets.subarray(at, end));
    else if (type === RTA.TABLE) table = octets.readUInt32LE(at);
    else if (type === RTA.PRIORITY) metric = octets.readUInt32LE(at);
    else if (type === RTA.OIF) single.interface = octets.readUInt32LE(at);
    else if (type === RTA.NH_ID) nextHop = octets.readUInt32LE(at);
    else if (type === RTA.MULTIPATH) {
      isMultipath = true;
      const several = readMultipath(octets.subarray(at, end), dead, hops);
      if (!several.isPlain) isOther = true;
      if (several.areDead) isDead = true;
    } else single.attribute(type, octets, at, end);
  }
  if (isMultipath) {
    if (hops.length === 0) isSpecial = true;
  } else {
    hops.push({ gateway: single.gateway, interface: single.interface });
    if (single.isSpecial) isSpecial = true;
  }
  return {
    ...{ family, table, metric, hops, prefix, isSpecial, isDead, nextHop },
    isOther: isOther || isSpecial,
    protocol: octets[5]!,
    type: octets[7]!,
    bits: octets[1]!,
  };
}

/** Attributes of a next hop, one after the other. */
class HopReader {
  gateway: Uint8Array | null = null;
  interface = 0;
  isSpecial = false;

  attribute(type: number, octets: Buffer, at: number, end: number): void {
    if (type === RTA.GATEWAY) this.gateway = Uint8Array.from(octets.subarray(at, end));
    else if (type === RTA.VIA && isIpv6Via(octets, at, end)) {
      this.gateway = Uint8Array.from(octets.subarray(at + RTVIA_OCTETS, end));
    } else if (type === RTA.ENCAP || type === RTA.VIA) this.isSpecial = true;
  }
}

/** Whether a gateway of another family than the route's is an IPv6 one, as of an IPv4 route. */
function isIpv6Via(octets: Buffer, at: number, end: number): boolean {
  return end - at === RTVIA_OCTETS + 16 && octets.readUInt16LE(at) === AF_INET6;
}

/**
 * @param dead - flags of next hops that nothing leads to
 * @returns whether they are as they would be written here, and whether there are none but dead ones; what is special is
 * no next hop here, nor is what is dead
 */
function readMultipath(
  octets: Buffer,
  dead: number,
  hops: KernelHop[],
): { isPlain: boolean; areDead: boolean } {
  let isPlain = true;
  let areDead = true;
  for (let at = 0; at + RTNEXTHOP_OCTETS <= octets.length; ) {
    const length = octets.readUInt16LE(at);
    if (length < RTNEXTHOP_OCTETS || at + length > octets.length) break;
    const flags = octets[at + 2]!;
    const hop = new HopReader();
    hop.interface = octets.readInt32LE(at + 4);
    let next = at + RTNEXTHOP_OCTETS;
    for (let each = next; hasAttribute(octets, each, at + length); each = next) {
      const valueEnd = each + octets.readUInt16LE(each);
      next = (valueEnd + 3) & ~3;
      hop.attribute(octets.readUInt16LE(each + 2) & TYPE_MASK, octets, each + 4, valueEnd);
    }
    const isUsable = !hop.isSpecial && (flags & (dead | RTNH_F_ONLINK)) === 0;
    if ((flags & dead) === 0) areDead = false;
    // A weight other than 1.
    if (!isUsable || octets[at + 3] !== 0) isPlain = false;
    if (isUsable) hops.push({ gateway: hop.gateway, interface: hop.interface });
    at += (length + 3) & ~3;
  }
  return { isPlain, areDead };
}

/** Whether a whole attribute stands at `at`, in front of `to`; they begin at multiples of 4 octets in the message. */
export function hasAttribute(octets: Buffer, at: number, to: number): boolean {
  if (at + 4 > to) return false;
  const length = octets.readUInt16LE(at);
  return length >= 4 && at + length <= to;
}
