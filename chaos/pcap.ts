/**
 * Packet captures of tcpdump, read while they grow: the file format of libpcap (little endian, as
 * this machine writes it), Ethernet, IPv4 and IPv6, TCP.
 */
import { addressText, four, two } from "./updates.ts";

/** A TCP segment as a peer sees it. */
export interface Segment {
  /** Of the wall clock, in milliseconds. */
  readonly timeMs: number;
  /** "10.0.0.1" or "fd00::1". */
  readonly from: string;
  readonly to: string;
  readonly fromPort: number;
  readonly toPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** TSval of the timestamps option (RFC 7323), `null` without. */
  readonly timestamp: number | null;
  /** A view of the octets that were handed in. */
  readonly payload: Uint8Array;
}

export const FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

const FILE_HEADER_OCTETS = 24;
const RECORD_HEADER_OCTETS = 16;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const LINK_ETHERNET = 1;
const ETHERNET_OCTETS = 14;
const ETHER_TYPE = { IPV4: 0x0800, IPV6: 0x86dd } as const;
const IPV6_OCTETS = 40;
const PROTOCOL_TCP = 6;
const OPTION_NOP = 1;
const OPTION_TIMESTAMPS = 8;

/** Cuts the octets of a capture file into packets. */
export class PcapReader {
  private rest: Buffer = Buffer.alloc(0);
  /** Fractions of a second per millisecond; 0 before the header of the file. */
  private perMs = 0;

  /**
   * Takes the next octets of the file, any number.
   *
   * @throws Error when this is no capture of Ethernet that was written on this kind of machine
   */
  *read(octets: Uint8Array): Generator<Segment> {
    const all = this.rest.length === 0 ? Buffer.from(octets) : Buffer.concat([this.rest, octets]);
    let at = 0;
    if (this.perMs === 0 && all.length >= FILE_HEADER_OCTETS) {
      this.perMs = unitsOf(all);
      at = FILE_HEADER_OCTETS;
    }
    while (this.perMs > 0 && at + RECORD_HEADER_OCTETS <= all.length) {
      const end = at + RECORD_HEADER_OCTETS + all.readUInt32LE(at + 8);
      if (end > all.length) break;
      const timeMs = all.readUInt32LE(at) * 1000 + all.readUInt32LE(at + 4) / this.perMs;
      const segment = parseFrame(timeMs, all.subarray(at + RECORD_HEADER_OCTETS, end));
      if (segment !== null) yield segment;
      at = end;
    }
    this.rest = all.subarray(at);
  }
}

function unitsOf(header: Buffer): number {
  const magic = header.readUInt32LE(0);
  if (header.readUInt32LE(20) !== LINK_ETHERNET) throw new Error("no capture of Ethernet");
  if (magic === MAGIC_MICROSECONDS) return 1000;
  if (magic === MAGIC_NANOSECONDS) return 1_000_000;
  throw new Error("no capture file of this machine");
}

/** @returns null for anything but a whole TCP segment */
export function parseFrame(timeMs: number, frame: Uint8Array): Segment | null {
  if (frame.length < ETHERNET_OCTETS) return null;
  const type = two(frame, 12);
  const packet = frame.subarray(ETHERNET_OCTETS);
  if (type === ETHER_TYPE.IPV4 && packet.length >= 20 && packet[9] === PROTOCOL_TCP) {
    // A packet that is larger than its field can say, on a virtual cable, has a length of 0.
    const length = two(packet, 2) || packet.length;
    const tcp = packet.subarray(4 * (packet[0]! & 0xf), length);
    return parseTcp(timeMs, packet.subarray(12, 16), packet.subarray(16, 20), tcp);
  }
  if (type === ETHER_TYPE.IPV6 && packet.length >= IPV6_OCTETS && packet[6] === PROTOCOL_TCP) {
    const length = two(packet, 4) || packet.length - IPV6_OCTETS;
    const tcp = packet.subarray(IPV6_OCTETS, IPV6_OCTETS + length);
    return parseTcp(timeMs, packet.subarray(8, 24), packet.subarray(24, 40), tcp);
  }
  return null;
}

function parseTcp(
  timeMs: number,
  from: Uint8Array,
  to: Uint8Array,
  tcp: Uint8Array,
): Segment | null {
  const head = tcp.length < 20 ? 0 : 4 * (tcp[12]! >>> 4);
  if (head < 20 || head > tcp.length) return null;
  return {
    timeMs,
    from: addressText(from),
    to: addressText(to),
    fromPort: two(tcp, 0),
    toPort: two(tcp, 2),
    sequence: four(tcp, 4),
    acknowledgement: four(tcp, 8),
    flags: tcp[13]!,
    timestamp: timestampOf(tcp.subarray(20, head)),
    payload: tcp.subarray(head),
  };
}

function timestampOf(options: Uint8Array): number | null {
  for (let at = 0; at + 1 < options.length; ) {
    const kind = options[at]!;
    if (kind === OPTION_NOP) at++;
    else if (kind === OPTION_TIMESTAMPS && at + 6 <= options.length) return four(options, at + 2);
    else if (kind === 0 || options[at + 1]! < 2) return null;
    else at += options[at + 1]!;
  }
  return null;
}
