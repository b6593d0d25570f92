/** The Control packet of RFC 5880 section 4.1. */

/** In the order of their numbers on the wire. */
export const BFD_STATES = ["admin-down", "down", "init", "up"] as const;
export type BfdState = (typeof BFD_STATES)[number];

/** Diagnostic codes of RFC 5880 section 4.1, by number. */
export const DIAGNOSTIC_NAMES: readonly string[] = [
  "no diagnostic",
  "control detection time expired",
  "echo function failed",
  "neighbor signaled session down",
  "forwarding plane reset",
  "path down",
  "concatenated path down",
  "administratively down",
  "reverse concatenated path down",
];

export const DIAGNOSTIC = { NONE: 0, TIME_EXPIRED: 1, NEIGHBOR_DOWN: 3, ADMIN_DOWN: 7 } as const;

/** Microseconds are those of the wire, unsigned and of 32 bits. */
export interface BfdPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  readonly isPoll: boolean;
  readonly isFinal: boolean;
  readonly isControlIndependent: boolean;
  readonly isDemand: boolean;
  readonly multiplier: number;
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  readonly desiredMinTxUs: number;
  readonly requiredMinRxUs: number;
}

/** Octets of a packet without an authentication section. */
export const MANDATORY_OCTETS = 24;
/** With the longest one. */
export const PACKET_OCTETS_MAX = MANDATORY_OCTETS + 28;
const VERSION = 1;
const AUTH_OCTETS_MIN = 2;
const FLAG = { POLL: 0x20, FINAL: 0x10, INDEPENDENT: 0x08, AUTH: 0x04, DEMAND: 0x02, MULTI: 0x01 };

/** A packet that was read. */
export interface ReadPacket {
  readonly packet: BfdPacket;
  /** Whether an authentication section follows the mandatory one, within the length that the packet has. */
  readonly hasAuth: boolean;
  /** Octets of the packet; what comes after them is not of it. */
  readonly octets: number;
}

/** @param authOctets - room for an authentication section behind the mandatory one; 0 for none */
export function encodePacket(packet: BfdPacket, authOctets = 0): Uint8Array {
  const octets = new Uint8Array(MANDATORY_OCTETS + authOctets);
  const view = new DataView(octets.buffer);
  view.setUint8(0, (VERSION << 5) | packet.diagnostic);
  view.setUint8(
    1,
    (BFD_STATES.indexOf(packet.state) << 6) |
      (packet.isPoll ? FLAG.POLL : 0) |
      (packet.isFinal ? FLAG.FINAL : 0) |
      (packet.isControlIndependent ? FLAG.INDEPENDENT : 0) |
      (authOctets > 0 ? FLAG.AUTH : 0) |
      (packet.isDemand ? FLAG.DEMAND : 0),
  );
  view.setUint8(2, packet.multiplier);
  view.setUint8(3, octets.length);
  view.setUint32(4, packet.myDiscriminator);
  view.setUint32(8, packet.yourDiscriminator);
  view.setUint32(12, packet.desiredMinTxUs);
  view.setUint32(16, packet.requiredMinRxUs);
  return octets;
}

/**
 * Reads a packet, with the checks of RFC 5880 section 6.8.6 that need no session.
 *
 * @returns the packet, or why it is to be discarded
 */
export function decodePacket(octets: Uint8Array): ReadPacket | string {
  if (octets.length < MANDATORY_OCTETS) return "too short";
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const first = view.getUint8(0);
  const flags = view.getUint8(1);
  if (first >> 5 !== VERSION) return "not of version 1";
  const length = view.getUint8(3);
  const hasAuth = (flags & FLAG.AUTH) !== 0;
  if (length < MANDATORY_OCTETS + (hasAuth ? AUTH_OCTETS_MIN : 0)) return "its length is too small";
  if (length > octets.length) return "cut short";
  const packet: BfdPacket = {
    diagnostic: first & 0x1f,
    state: BFD_STATES[flags >> 6]!,
    isPoll: (flags & FLAG.POLL) !== 0,
    isFinal: (flags & FLAG.FINAL) !== 0,
    isControlIndependent: (flags & FLAG.INDEPENDENT) !== 0,
    isDemand: (flags & FLAG.DEMAND) !== 0,
    multiplier: view.getUint8(2),
    myDiscriminator: view.getUint32(4),
    yourDiscriminator: view.getUint32(8),
    desiredMinTxUs: view.getUint32(12),
    requiredMinRxUs: view.getUint32(16),
  };
  if (packet.multiplier === 0) return "its detection multiplier is 0";
  if ((flags & FLAG.MULTI) !== 0) return "of multipoint";
  if (packet.myDiscriminator === 0) return "it has no discriminator of the sender";
  const isEarly = packet.state === "down" || packet.state === "admin-down";
  if (packet.yourDiscriminator === 0 && !isEarly) return "it has no discriminator of the receiver";
  return { packet, hasAuth, octets: length };
}
