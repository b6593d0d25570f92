/**
 * Ethernet frames that ask who has an address, or tell that it has moved: ARP (RFC 826, RFC 5227)
 * for IPv4, neighbor discovery (RFC 4861) for IPv6.
 */

import { blob, type Layout, struct, u8, u16be, u32be } from "buffer-layout";

export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
const HARDWARE_ETHERNET = 1;
const ETHERTYPE_IPV4 = 0x0800;
const BROADCAST = Buffer.alloc(6, 0xff);
const NO_HARDWARE = Buffer.alloc(6);
const NO_ADDRESS_IPV4 = Buffer.alloc(4);
const NO_ADDRESS_IPV6 = Buffer.alloc(16);
const ALL_NODES = Buffer.from("ff020000000000000000000000000001", "hex");
const NEXT_HEADER_ICMPV6 = 58;
const HOP_LIMIT = 255;
const ICMPV6_NEIGHBOR_SOLICITATION = 135;
const ICMPV6_NEIGHBOR_ADVERTISEMENT = 136;
const FLAG_OVERRIDE = 0x2000_0000;
const OPTION_TARGET_HARDWARE = 2;

interface Ethernet {
  destination: Uint8Array;
  source: Uint8Array;
  type: number;
}

const ethernet: Layout<Ethernet> = struct([
  blob(6, "destination"),
  blob(6, "source"),
  u16be("type"),
]);

interface Arp {
  hardwareKind: number;
  protocolKind: number;
  hardwareOctets: number;
  protocolOctets: number;
  operation: number;
  senderHardware: Uint8Array;
  sender: Uint8Array;
  targetHardware: Uint8Array;
  target: Uint8Array;
}

const arp: Layout<Arp> = struct([
  u16be("hardwareKind"),
  u16be("protocolKind"),
  u8("hardwareOctets"),
  u8("protocolOctets"),
  u16be("operation"),
  blob(6, "senderHardware"),
  blob(4, "sender"),
  blob(6, "targetHardware"),
  blob(4, "target"),
]);

interface Ipv6 {
  versionClassFlow: number;
  payloadOctets: number;
  nextHeader: number;
  hopLimit: number;
  source: Uint8Array;
  destination: Uint8Array;
}

const ipv6: Layout<Ipv6> = struct([
  u32be("versionClassFlow"),
  u16be("payloadOctets"),
  u8("nextHeader"),
  u8("hopLimit"),
  blob(16, "source"),
  blob(16, "destination"),
]);

interface NeighborMessage {
  type: number;
  code: number;
  checksum: number;
  flags: number;
  target: Uint8Array;
}

/** Solicitation and advertisement have the same form up to their options. */
const neighborMessage: Layout<NeighborMessage> = struct([
  ...["type", "code"].map(u8),
  u16be("checksum"),
  u32be("flags"),
  blob(16, "target"),
]);

/**
 * @param address - four octets, or sixteen
 * @returns frames that make every host of the segment send to `hardware` from now on. For IPv4 both
 *   forms that implementations look at, request and reply; for IPv6 an unsolicited advertisement
 *   that overrides.
 */
export function announcements(address: Uint8Array, hardware: Uint8Array): Buffer[] {
  if (address.length === 16) {
    return [advertisement(address, hardware)];
  }
  return [ARP_REQUEST, ARP_REPLY].map((operation) =>
    arpFrame(hardware, {
      operation,
      senderHardware: hardware,
      sender: address,
      targetHardware: operation === ARP_REQUEST ? NO_HARDWARE : BROADCAST,
      target: address,
    }),
  );
}

/** @returns a frame that whoever has the address answers, and from which nobody learns anything */
export function question(address: Uint8Array, hardware: Uint8Array): Buffer {
  if (address.length === 16) return solicitation(address, hardware);
  return arpFrame(hardware, {
    operation: ARP_REQUEST,
    senderHardware: hardware,
    sender: NO_ADDRESS_IPV4,
    targetHardware: NO_HARDWARE,
    target: address,
  });
}

/**
 * @param frame - as received on the segment
 * @returns the Ethernet address of another host that says it has the address, or null
 */
export function claimant(
  frame: Uint8Array,
  address: Uint8Array,
  hardware: Uint8Array,
): Uint8Array | null {
  if (frame.length < ethernet.span) return null;
  const { type, source } = ethernet.decode(frame);
  if (Buffer.compare(source, hardware) === 0) return null;
  if (type === ETHERTYPE_ARP && address.length === 4) {
    if (frame.length < ethernet.span + arp.span) return null;
    const { sender, senderHardware } = arp.decode(frame, ethernet.span);
    return Buffer.compare(sender, address) === 0 ? Uint8Array.from(senderHardware) : null;
  }
  if (type !== ETHERTYPE_IPV6 || address.length !== 16) return null;
  const messageAt = ethernet.span + ipv6.span;
  if (frame.length < messageAt + neighborMessage.span) return null;
  if (ipv6.decode(frame, ethernet.span).nextHeader !== NEXT_HEADER_ICMPV6) return null;
  const message = neighborMessage.decode(frame, messageAt);
  const isClaim =
    message.type === ICMPV6_NEIGHBOR_ADVERTISEMENT && Buffer.compare(message.target, address) === 0;
  return isClaim ? Uint8Array.from(source) : null;
}

function arpFrame(
  source: Uint8Array,
  fields: Pick<Arp, "operation" | "senderHardware" | "sender" | "targetHardware" | "target">,
): Buffer {
  const frame = Buffer.alloc(ethernet.span + arp.span);
  ethernet.encode({ destination: BROADCAST, source, type: ETHERTYPE_ARP }, frame);
  const kinds = {
    hardwareKind: HARDWARE_ETHERNET,
    protocolKind: ETHERTYPE_IPV4,
    hardwareOctets: 6,
    protocolOctets: 4,
  };
  arp.encode({ ...kinds, ...fields }, frame, ethernet.span);
  return frame;
}

function advertisement(target: Uint8Array, hardware: Uint8Array): Buffer {
  const option = Buffer.concat([Buffer.from([OPTION_TARGET_HARDWARE, 1]), hardware]);
  const fields = { type: ICMPV6_NEIGHBOR_ADVERTISEMENT, flags: FLAG_OVERRIDE, target };
  return ndFrame(hardware, target, ALL_NODES, fields, option);
}

/**
 * From the unspecified address, as for the detection of duplicates: whoever has it answers to all.
 */
function solicitation(target: Uint8Array, hardware: Uint8Array): Buffer {
  const destination = Buffer.from("ff0200000000000000000001ff000000", "hex");
  destination.set(target.subarray(13), 13);
  const fields = { type: ICMPV6_NEIGHBOR_SOLICITATION, flags: 0, target };
  return ndFrame(hardware, NO_ADDRESS_IPV6, destination, fields, Buffer.alloc(0));
}

function ndFrame(
  hardware: Uint8Array,
  source: Uint8Array,
  destination: Uint8Array,
  fields: Pick<NeighborMessage, "type" | "flags" | "target">,
  option: Uint8Array,
): Buffer {
  const payloadOctets = neighborMessage.span + option.length;
  const frame = Buffer.alloc(ethernet.span + ipv6.span + payloadOctets);
  const multicast = Buffer.from([0x33, 0x33, ...destination.subarray(12)]);
  ethernet.encode({ destination: multicast, source: hardware, type: ETHERTYPE_IPV6 }, frame);
  const header = {
    versionClassFlow: 0x6000_0000,
    payloadOctets,
    nextHeader: NEXT_HEADER_ICMPV6,
    hopLimit: HOP_LIMIT,
    source,
    destination,
  };
  ipv6.encode(header, frame, ethernet.span);
  const messageAt = ethernet.span + ipv6.span;
  frame.set(option, messageAt + neighborMessage.span);
  neighborMessage.encode({ ...fields, code: 0, checksum: 0 }, frame, messageAt);
  const checksum = icmpv6Checksum(source, destination, frame.subarray(messageAt));
  neighborMessage.encode({ ...fields, code: 0, checksum }, frame, messageAt);
  return frame;
}

/**
 * RFC 4443 section 2.3: the Internet checksum over a pseudo-header (RFC 8200 section 8.1) and the
 * message.
 */
function icmpv6Checksum(source: Uint8Array, destination: Uint8Array, message: Uint8Array): number {
  const lengthAndKind = Buffer.alloc(8);
  lengthAndKind.writeUInt32BE(message.length, 0);
  lengthAndKind.writeUInt32BE(NEXT_HEADER_ICMPV6, 4);
  const summed = Buffer.concat([source, destination, lengthAndKind, message]);
  let sum = 0;
  for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
