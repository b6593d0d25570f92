/**
 * Cutting the octet stream of a connection into messages (RFC 4271 sections 4.1 and 6.1).
 */

import { HEADER_OCTETS, MESSAGE, MESSAGE_OCTETS_MAX } from "./constants.ts";
import { Fault } from "./fault.ts";
import { readU16, readU32 } from "./octets.ts";

const MESSAGE_HEADER_ERROR = 1;
const NOT_SYNCHRONIZED = 1;
const BAD_LENGTH = 2;
const BAD_TYPE = 3;

/** Shortest message per type; 0 where the type is not assigned. */
const OCTETS_MIN: readonly number[] = [0, 29, 23, 21, HEADER_OCTETS, 23];

/**
 * Length in octets of the message whose header is at `at`.
 *
 * Looks at the header only. Cost: constant, allocates only for a fault.
 *
 * @param buf - receive buffer; read only, not kept
 * @param end - index after the last octet received
 * @param octetsMax - 4096, or 65535 when extended messages were negotiated; OPEN and KEEPALIVE
 *   stay at 4096 (RFC 8654 section 4)
 * @returns the length when the whole message is there, 0 when it is not yet, or the fault of the
 *   header as soon as its 19 octets are there: 1,1 (marker), 1,2 (length) or 1,3 (type)
 */
export function messageLength(
  buf: Uint8Array,
  at: number,
  end: number,
  octetsMax: number,
): number | Fault {
  if (end - at < HEADER_OCTETS) return 0;
  if (
    readU32(buf, at) !== 0xffffffff ||
    readU32(buf, at + 4) !== 0xffffffff ||
    readU32(buf, at + 8) !== 0xffffffff ||
    readU32(buf, at + 12) !== 0xffffffff
  ) {
    return headerFault(NOT_SYNCHRONIZED, "the marker is not 16 octets of 255");
  }
  const length = readU16(buf, at + 16);
  if (length < HEADER_OCTETS || length > octetsMax) return badLength(buf, at, length, octetsMax);
  const type = buf[at + 18]!;
  const min = OCTETS_MIN[type] ?? 0;
  if (min === 0) {
    const data = buf.slice(at + 18, at + HEADER_OCTETS);
    return headerFault(BAD_TYPE, `message type ${type} is not known`, data);
  }
  if (length < min) return badLength(buf, at, length, octetsMax);
  if (type === MESSAGE.KEEPALIVE && length !== HEADER_OCTETS) {
    return badLength(buf, at, length, HEADER_OCTETS);
  }
  if (type === MESSAGE.OPEN && length > MESSAGE_OCTETS_MAX) {
    return badLength(buf, at, length, MESSAGE_OCTETS_MAX);
  }
  return length <= end - at ? length : 0;
}

function badLength(buf: Uint8Array, at: number, length: number, octetsMax: number): Fault {
  const type = buf[at + 18]!;
  const min = OCTETS_MIN[type] || HEADER_OCTETS;
  return headerFault(
    BAD_LENGTH,
    `length ${length} of a message of type ${type} is not between ${min} and ${octetsMax}`,
    buf.slice(at + 16, at + 18),
  );
}

function headerFault(subcode: number, reason: string, data?: Uint8Array): Fault {
  return new Fault("session-reset", MESSAGE_HEADER_ERROR, subcode, reason, 0, data);
}
