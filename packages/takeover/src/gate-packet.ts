/**
 * The few fields of a TCP packet that the gate looks at. Allocates nothing: the newest packet's
 * fields stand in `packet` until the next is read.
 */

export const KEY_WORDS = 9;

/** The newest packet. */
export const packet = {
  /**
   * Source address (four words), destination address (four words), both ports (one word). IPv4
   * addresses as mapped ones.
   */
  key: new Int32Array(KEY_WORDS),
  acknowledgement: 0,
  flags: 0,
};

export const FLAG_FIN = 1;
export const FLAG_SYN = 2;
export const FLAG_RST = 4;
export const FLAG_ACK = 16;

const PROTOCOL_TCP = 6;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
const IPV4_HEADER_OCTETS_MIN = 20;
const IPV6_HEADER_OCTETS = 40;
/** Of the TCP header, up to and with the flags. */
const TCP_OCTETS_READ = 14;
const MAPPED = 0xffff;

/**
 * Reads an IP packet, which may be cut off after its headers.
 *
 * @returns whether it is TCP and its header is there; then `packet` is set
 */
export function readPacket(octets: DataView, at: number, length: number): boolean {
  if (length < 1) return false;
  const version = octets.getUint8(at) >> 4;
  if (version === 4) return readIpv4(octets, at, at + length);
  return version === 6 && readIpv6(octets, at, at + length);
}

function readIpv4(octets: DataView, at: number, end: number): boolean {
  if (end - at < IPV4_HEADER_OCTETS_MIN) return false;
  const headerOctets = (octets.getUint8(at) & 15) * 4;
  if (headerOctets < IPV4_HEADER_OCTETS_MIN) return false;
  if (octets.getUint8(at + 9) !== PROTOCOL_TCP) return false;
  // Only a first fragment has the header of TCP.
  if ((octets.getUint16(at + 6) & 0x1fff) !== 0) return false;
  const { key } = packet;
  key[0] = key[1] = key[4] = key[5] = 0;
  key[2] = key[6] = MAPPED;
  key[3] = octets.getInt32(at + 12);
  key[7] = octets.getInt32(at + 16);
  return readTcp(octets, at + headerOctets, end);
}

function readIpv6(octets: DataView, at: number, end: number): boolean {
  if (end - at < IPV6_HEADER_OCTETS) return false;
  const { key } = packet;
  for (let word = 0; word < 8; word++) key[word] = octets.getInt32(at + 8 + 4 * word);
  let next = octets.getUint8(at + 6);
  let header = at + IPV6_HEADER_OCTETS;
  while (next !== PROTOCOL_TCP) {
    if (end - header < 8) return false;
    if (next === HOP_BY_HOP || next === ROUTING || next === DESTINATION_OPTIONS) {
      next = octets.getUint8(header);
      header += 8 * (octets.getUint8(header + 1) + 1);
    } else if (next === AUTHENTICATION) {
      next = octets.getUint8(header);
      header += 4 * (octets.getUint8(header + 1) + 2);
    } else if (next === FRAGMENT && (octets.getUint16(header + 2) & 0xfff8) === 0) {
      next = octets.getUint8(header);
      header += 8;
    } else return false;
  }
  return readTcp(octets, header, end);
}

function readTcp(octets: DataView, at: number, end: number): boolean {
  if (end - at < TCP_OCTETS_READ) return false;
  packet.key[8] = octets.getInt32(at);
  packet.acknowledgement = octets.getInt32(at + 8);
  packet.flags = octets.getUint8(at + 13);
  return true;
}
