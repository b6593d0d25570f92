/**
 * Protocol data units of the RPKI to Router protocol, versions 0 (RFC 6810), 1 (RFC 8210) and 2
 * (draft-ietf-sidrops-8210bis). What is wrong with one is returned as a value.
 */

import { AFI, formatAddress, readU16, readU32, writeU16, writeU32 } from "@ts-bgp/wire-codec";
import { isAspa, newVrp, readAspa, readVrp } from "./payload-octets.ts";

export type RtrVersion = 0 | 1 | 2;
export const RTR_VERSION_MAX: RtrVersion = 2;

export const PDU = {
  SERIAL_NOTIFY: 0,
  SERIAL_QUERY: 1,
  RESET_QUERY: 2,
  CACHE_RESPONSE: 3,
  IPV4_PREFIX: 4,
  IPV6_PREFIX: 6,
  END_OF_DATA: 7,
  CACHE_RESET: 8,
  ROUTER_KEY: 9,
  ERROR_REPORT: 10,
  ASPA: 11,
} as const;

/** Error codes (RFC 8210 section 12). */
export const RTR_ERROR = {
  CORRUPT_DATA: 0,
  INTERNAL_ERROR: 1,
  NO_DATA: 2,
  INVALID_REQUEST: 3,
  UNSUPPORTED_VERSION: 4,
  UNSUPPORTED_TYPE: 5,
  WITHDRAWAL_OF_UNKNOWN: 6,
  DUPLICATE_ANNOUNCEMENT: 7,
  UNEXPECTED_VERSION: 8,
} as const;

const ERROR_NAMES: Readonly<Record<number, string>> = {
  0: "corrupt data",
  1: "internal error",
  2: "no data available",
  3: "invalid request",
  4: "unsupported protocol version",
  5: "unsupported PDU type",
  6: "withdrawal of unknown record",
  7: "duplicate announcement received",
  8: "unexpected protocol version",
};

export const HEADER_OCTETS = 8;
/** Longest PDU that is taken: providers of an AS and texts of errors need no more. */
export const PDU_OCTETS_MAX = 1 << 17;
/** Octets of a faulty PDU, and of a text, that an Error Report has. */
const REPORTED_OCTETS = 512;

/** What is wrong with a PDU, and what the cache is told. */
export interface RtrFault {
  readonly error: number;
  readonly message: string;
}

/** Lengths by type, per version where they differ; types that are not there have any. */
const LENGTHS: Readonly<Record<number, readonly [number, number, number]>> = {
  [PDU.SERIAL_NOTIFY]: [12, 12, 12],
  [PDU.CACHE_RESPONSE]: [8, 8, 8],
  [PDU.IPV4_PREFIX]: [20, 20, 20],
  [PDU.IPV6_PREFIX]: [32, 32, 32],
  [PDU.END_OF_DATA]: [12, 24, 24],
  [PDU.CACHE_RESET]: [8, 8, 8],
};

/** Least length of what has any, and the first version that has it. */
const OTHERS: Readonly<Record<number, readonly [octets: number, version: RtrVersion]>> = {
  [PDU.ROUTER_KEY]: [32, 1],
  [PDU.ERROR_REPORT]: [16, 0],
  [PDU.ASPA]: [12, 2],
};

/**
 * Looks at the header of a PDU of which there are at least `HEADER_OCTETS`.
 *
 * @returns its length; or what is wrong with it
 */
export function pduLength(buf: Uint8Array, at: number): number | RtrFault {
  const version = buf[at]!;
  const type = buf[at + 1]!;
  const length = readU32(buf, at + 4);
  if (version > RTR_VERSION_MAX && type !== PDU.ERROR_REPORT) {
    return { error: RTR_ERROR.UNSUPPORTED_VERSION, message: `version ${version} is not known` };
  }
  const corrupt = (message: string) => ({ error: RTR_ERROR.CORRUPT_DATA, message });
  if (length < HEADER_OCTETS || length > PDU_OCTETS_MAX) {
    return corrupt(`a PDU of type ${type} with ${length} octets`);
  }
  const exact = LENGTHS[type]?.[Math.min(version, RTR_VERSION_MAX)];
  const [least, since] = OTHERS[type] ?? [];
  if (exact === undefined && (least === undefined || since! > version)) {
    const message = `PDU type ${type} is not one of version ${version}`;
    return { error: RTR_ERROR.UNSUPPORTED_TYPE, message };
  }
  if (exact === undefined ? length < least! : length !== exact) {
    return corrupt(`a PDU of type ${type} with ${length} octets`);
  }
  return length;
}

export function resetQuery(version: RtrVersion): Uint8Array {
  return header(version, PDU.RESET_QUERY, 0, HEADER_OCTETS);
}

export function serialQuery(version: RtrVersion, session: number, serial: number): Uint8Array {
  const pdu = header(version, PDU.SERIAL_QUERY, session, 12);
  writeU32(pdu, 8, serial);
  return pdu;
}

/** @param cause - the PDU that is wrong, as far as it is there */
export function errorReport(
  version: RtrVersion,
  { error, message }: RtrFault,
  cause: Uint8Array,
): Uint8Array {
  const text = new TextEncoder().encode(message).subarray(0, REPORTED_OCTETS);
  const reported = cause.subarray(0, REPORTED_OCTETS);
  const pdu = header(version, PDU.ERROR_REPORT, error, 16 + reported.length + text.length);
  writeU32(pdu, 8, reported.length);
  pdu.set(reported, 12);
  writeU32(pdu, 12 + reported.length, text.length);
  pdu.set(text, 16 + reported.length);
  return pdu;
}

/**
 * @param payload - one of a cache that does not fit to what it has said before, see payload-octets.ts
 * @returns what the cache is told, with the PDU as it was, or would be in the form of the draft
 */
export function misfitReport(
  version: RtrVersion,
  payload: Uint8Array,
): { fault: RtrFault; cause: Uint8Array } {
  const { isAnnounced, text, pdu } = isAspa(payload, 0)
    ? aspaPdu(version, payload)
    : prefixPdu(version, payload);
  const fault = isAnnounced
    ? { error: RTR_ERROR.DUPLICATE_ANNOUNCEMENT, message: `${text} is announced twice` }
    : { error: RTR_ERROR.WITHDRAWAL_OF_UNKNOWN, message: `${text} is withdrawn and was not there` };
  return { fault, cause: pdu };
}

interface Rebuilt {
  readonly isAnnounced: boolean;
  readonly text: string;
  readonly pdu: Uint8Array;
}

function prefixPdu(version: RtrVersion, payload: Uint8Array): Rebuilt {
  const vrp = newVrp();
  readVrp(payload, 0, vrp);
  const { isAnnounced, isWide, bits, maxLength, as } = vrp;
  const words = isWide ? [vrp.w0, vrp.w1, vrp.w2, vrp.w3] : [vrp.w0];
  const type = isWide ? PDU.IPV6_PREFIX : PDU.IPV4_PREFIX;
  const pdu = header(version, type, 0, 16 + 4 * words.length);
  pdu.set([Number(isAnnounced), bits, maxLength], 8);
  for (const [k, word] of [...words, as].entries()) writeU32(pdu, 12 + 4 * k, word);
  const address = formatAddress(isWide ? AFI.IPV6 : AFI.IPV4, pdu, 12);
  return { isAnnounced, text: `${address}/${bits}-${maxLength} AS${as}`, pdu };
}

function aspaPdu(version: RtrVersion, payload: Uint8Array): Rebuilt {
  const [{ isAnnounced, customer, providers }] = readAspa(payload, 0);
  // Flags are the first octet of the field.
  const pdu = header(version, PDU.ASPA, isAnnounced ? 0x100 : 0, 12 + 4 * providers.length);
  writeU32(pdu, 8, customer);
  for (const [k, as] of providers.entries()) writeU32(pdu, 12 + 4 * k, as);
  return { isAnnounced, text: `the ASPA of AS${customer}`, pdu };
}

/** @returns the code of an Error Report of `[at, end)`, and what it says, for people */
export function readErrorReport(
  buf: Uint8Array,
  at: number,
  end: number,
): { code: number; text: string } {
  const code = readU16(buf, at + 2);
  const name = ERROR_NAMES[code] ?? `error ${code}`;
  const textAt = at + 12 + readU32(buf, at + 8);
  if (textAt + 4 > end) return { code, text: name };
  const octets = Math.min(readU32(buf, textAt), REPORTED_OCTETS, end - textAt - 4);
  // What a cache says is shown to people: no control characters.
  const said = new TextDecoder()
    .decode(buf.subarray(textAt + 4, textAt + 4 + octets))
    .replace(/\p{Cc}+/gu, " ")
    .trim();
  return { code, text: said === "" ? name : `${name}: ${said}` };
}

function header(version: RtrVersion, type: number, field: number, length: number): Uint8Array {
  const pdu = new Uint8Array(length);
  pdu[0] = version;
  pdu[1] = type;
  writeU16(pdu, 2, field);
  writeU32(pdu, 4, length);
  return pdu;
}
