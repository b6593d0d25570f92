/** Next hops that the kernel has as objects of their own, and groups of them: ip-nexthop(8), Linux 5.3 and later. */

import { AF_INET, AF_INET6 } from "@ts-bgp/takeover/libc";
import {
  attribute,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  NLM_F_REQUEST,
  NLMSG_HEADER_OCTETS,
  nlmsghdr,
} from "@ts-bgp/takeover/netlink";
import { hasAttribute, type KernelHop, NLM_F_EXCL, RTPROT_BGP, TYPE_MASK } from "./kernel-route.ts";

export const RTM_NEWNEXTHOP = 104;
export const RTM_DELNEXTHOP = 105;
export const RTM_GETNEXTHOP = 106;
/** `struct nhmsg`: family, scope, protocol, a reserved octet, and flags. */
export const NHMSG_OCTETS = 8;
const PROTOCOL_AT = 2;
const NHA = { ID: 1, GROUP: 2, GROUP_TYPE: 3, OIF: 5, GATEWAY: 6 };
/** NHA_BLACKHOLE, NHA_ENCAP_TYPE, NHA_ENCAP, NHA_FDB and NHA_RES_GROUP. */
const SPECIAL: readonly number[] = [4, 7, 8, 11, 12];
const RTNH_F_ONLINK = 4;
/** `struct nexthop_grp`: the number of a member, and its weight less 1. */
const MEMBER_OCTETS = 8;

/** Number of an object, of which a network namespace has one set, whoever made them; 0 is none. */
export type ObjectId = number;

/** An object is one next hop, or a group: then `hop` is null. */
export interface NextHopObject {
  readonly id: ObjectId;
  readonly protocol: number;
  readonly hop: KernelHop | null;
  /** Of a group; empty for another object. */
  readonly members: readonly ObjectId[];
  /** It has something that this program makes no object with. */
  readonly isOther: boolean;
}

/** @param octets - a message of type RTM_NEWNEXTHOP or RTM_DELNEXTHOP behind its header. @returns null for what is none */
export function readNextHop(octets: Buffer): NextHopObject | null {
  if (octets.length < NHMSG_OCTETS) return null;
  const family = octets[0]!;
  let id = 0;
  let oif = 0;
  let gateway: Uint8Array | null = null;
  let members: readonly ObjectId[] | null = null;
  let isOther = (octets.readUInt32LE(4) & RTNH_F_ONLINK) !== 0;
  let next = NHMSG_OCTETS;
  for (let at = next; hasAttribute(octets, at, octets.length); at = next) {
    const type = octets.readUInt16LE(at + 2) & TYPE_MASK;
    const end = at + octets.readUInt16LE(at);
    const value = octets.subarray(at + 4, end);
    next = (end + 3) & ~3;
    if (type === NHA.ID) id = value.readUInt32LE();
    else if (type === NHA.OIF) oif = value.readUInt32LE();
    else if (type === NHA.GATEWAY) gateway = Uint8Array.from(value);
    else if (type === NHA.GROUP) {
      const found = readMembers(value);
      members = found.members;
      isOther ||= !found.areEqual;
    } else if (type === NHA.GROUP_TYPE) isOther ||= value.readUInt16LE() !== 0;
    else isOther ||= SPECIAL.includes(type);
  }
  if (id === 0) return null;
  const hop = members === null ? { gateway, interface: oif } : null;
  if (hop !== null && (gateway === null || (family !== AF_INET && family !== AF_INET6))) {
    isOther = true;
  }
  return { id, protocol: octets[PROTOCOL_AT]!, hop, members: members ?? [], isOther };
}

function readMembers(value: Buffer): { members: ObjectId[]; areEqual: boolean } {
  const members: ObjectId[] = [];
  let areEqual = true;
  for (let at = 0; at + MEMBER_OCTETS <= value.length; at += MEMBER_OCTETS) {
    members.push(value.readUInt32LE(at));
    if (value.readUInt16LE(at + 4) !== 0) areEqual = false;
  }
  return { members, areEqual };
}

/** An object that is not there yet is made: an IPv4 or IPv6 neighbor on an interface. */
export function newNextHop(number: number, id: ObjectId, hop: KernelHop): Buffer {
  const gateway = hop.gateway!;
  return message(
    RTM_NEWNEXTHOP,
    NLM_F_CREATE | NLM_F_EXCL,
    number,
    header(gateway.length === 4 ? AF_INET : AF_INET6),
    attribute(NHA.ID, u32(id)),
    attribute(NHA.OIF, u32(hop.interface)),
    attribute(NHA.GATEWAY, gateway),
  );
}

/**
 * A group is made, which fails where there is an object of the number; or it gets other members at once, for all routes by
 * it, which fails where there is none.
 */
export function setGroup(
  number: number,
  id: ObjectId,
  members: readonly ObjectId[],
  isNew: boolean,
): Buffer {
  const value = Buffer.alloc(members.length * MEMBER_OCTETS);
  for (const [k, member] of members.entries()) value.writeUInt32LE(member, k * MEMBER_OCTETS);
  const flags = isNew ? NLM_F_CREATE | NLM_F_EXCL : NLM_F_REPLACE;
  return message(
    RTM_NEWNEXTHOP,
    flags,
    number,
    header(0),
    attribute(NHA.ID, u32(id)),
    attribute(NHA.GROUP, value),
  );
}

/** The kernel takes routes by it away as well, and says no word of them. */
export function deleteNextHop(number: number, id: ObjectId): Buffer {
  const empty = Buffer.alloc(NHMSG_OCTETS);
  return message(RTM_DELNEXTHOP, 0, number, empty, attribute(NHA.ID, u32(id)));
}

function header(family: number): Buffer {
  const octets = Buffer.alloc(NHMSG_OCTETS);
  octets[0] = family;
  octets[PROTOCOL_AT] = RTPROT_BGP;
  return octets;
}

function message(
  type: number,
  flags: number,
  sequence: number,
  ...parts: readonly Buffer[]
): Buffer {
  const payload = Buffer.concat(parts);
  const octets = Buffer.alloc(NLMSG_HEADER_OCTETS + payload.length);
  const fields = { octets: octets.length, type, flags: NLM_F_REQUEST | flags, sequence, port: 0 };
  nlmsghdr.encode(fields, octets);
  octets.set(payload, NLMSG_HEADER_OCTETS);
  return octets;
}

function u32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32LE(value);
  return octets;
}
