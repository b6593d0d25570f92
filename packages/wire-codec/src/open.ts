/**
 * OPEN (RFC 4271 section 4.2) with capabilities (RFC 5492) and extended optional parameters
 * (RFC 9072).
 *
 * The faults here are those that every speaker would find (RFC 4271 section 6.2). Whether the AS
 * number and the capabilities are the wanted ones is for the state machine to say.
 */

import { type Capability, decodeCapability, encodeCapability } from "./capability.ts";
import { HEADER_OCTETS, MESSAGE, MESSAGE_OCTETS_MAX } from "./constants.ts";
import { Fault } from "./fault.ts";
import { newMessage } from "./header.ts";
import { readU16, readU32, writeU16, writeU32 } from "./octets.ts";

export interface OpenMessage {
  /** 4; `decodeOpen` gives no other. */
  version: number;
  /** The 2-octet field: AS_TRANS when the number has four octets (RFC 6793 section 4). */
  as: number;
  /** 0 for no hold timer, else at least 3. */
  holdTimeSeconds: number;
  /** Unsigned 32 bits, never 0 (RFC 6286). */
  bgpIdentifier: number;
  /** In the order of the message; the same code may stand several times. */
  capabilities: Capability[];
}

/** Subcodes of OPEN Message Error (RFC 4271 section 6.2). */
const OPEN_ERROR = {
  UNSPECIFIC: 0,
  UNSUPPORTED_VERSION: 1,
  BAD_PEER_AS: 2,
  BAD_BGP_IDENTIFIER: 3,
  UNSUPPORTED_OPTIONAL_PARAMETER: 4,
  UNACCEPTABLE_HOLD_TIME: 6,
} as const;

const VERSION = 4;
const HOLD_TIME_SECONDS_MIN = 3;
/** Index in the message of the optional parameters, after their length octet. */
const PARAMETERS_AT = HEADER_OCTETS + 10;
const PARAMETER_CAPABILITIES = 2;
/** As length and as first parameter type: lengths have two octets (RFC 9072 section 2). */
const EXTENDED = 255;

/**
 * Reads an OPEN.
 *
 * @param buf - holds the whole message `[at, end)`, as `messageLength` found it; not kept
 * @returns the message, or a fault with code 2: subcode 0 for malformed optional parameters or
 *   capabilities, 1 for a version other than 4, 2 for AS 0 (RFC 7607), 3 for identifier 0
 *   (RFC 6286), 4 for an optional parameter other than capabilities, 6 for a hold time of 1 or 2
 */
export function decodeOpen(buf: Uint8Array, at: number, end: number): OpenMessage | Fault {
  const { open, fault } = readOpen(buf, at, end);
  return fault ?? open;
}

/** As `decodeOpen`, but with what could be read beside the fault, for people to see. */
export function readOpen(
  buf: Uint8Array,
  at: number,
  end: number,
): { open: OpenMessage; fault: Fault | null } {
  const open: OpenMessage = {
    version: buf[at + HEADER_OCTETS]!,
    as: readU16(buf, at + HEADER_OCTETS + 1),
    holdTimeSeconds: readU16(buf, at + HEADER_OCTETS + 3),
    bgpIdentifier: readU32(buf, at + HEADER_OCTETS + 5),
    capabilities: [],
  };
  if (open.version !== VERSION) return { open, fault: fixedPartFault(open) };
  const parametersFault = decodeParameters(buf, at, end, open.capabilities);
  return { open, fault: fixedPartFault(open) ?? parametersFault };
}

function fixedPartFault({
  version,
  as,
  holdTimeSeconds,
  bgpIdentifier,
}: OpenMessage): Fault | null {
  if (version !== VERSION) {
    const reason = `version ${version} is not ${VERSION}`;
    return openFault(OPEN_ERROR.UNSUPPORTED_VERSION, reason, Uint8Array.of(0, VERSION));
  }
  if (as === 0) return openFault(OPEN_ERROR.BAD_PEER_AS, "AS number is 0");
  // Data are the octets at fault, as BIRD sends them too.
  if (bgpIdentifier === 0) {
    const data = new Uint8Array(4);
    return openFault(OPEN_ERROR.BAD_BGP_IDENTIFIER, "BGP Identifier is 0.0.0.0", data);
  }
  if (holdTimeSeconds === 0 || holdTimeSeconds >= HOLD_TIME_SECONDS_MIN) return null;
  const reason = `hold time ${holdTimeSeconds} is neither 0 nor at least 3 seconds`;
  const data = Uint8Array.of(0, holdTimeSeconds);
  return openFault(OPEN_ERROR.UNACCEPTABLE_HOLD_TIME, reason, data);
}

/** Appends to `capabilities`. @returns the fault, or null */
function decodeParameters(
  buf: Uint8Array,
  at: number,
  end: number,
  capabilities: Capability[],
): Fault | null {
  let octets = buf[at + PARAMETERS_AT - 1]!;
  let i = at + PARAMETERS_AT;
  // A length of 0 is never extended, whatever follows (RFC 9072 section 2).
  const extended = octets !== 0 && end - i >= 3 && buf[i] === EXTENDED;
  if (extended) {
    octets = readU16(buf, i + 1);
    i += 3;
  }
  if (i + octets !== end) {
    return unspecific(`optional parameters length ${octets} leaves ${end - i - octets} octets`);
  }
  const headOctets = extended ? 3 : 2;
  while (i < end) {
    if (end - i < headOctets) return unspecific("an optional parameter has no room for its length");
    const type = buf[i]!;
    const length = extended ? readU16(buf, i + 1) : buf[i + 1]!;
    i += headOctets;
    if (length > end - i) {
      return unspecific(`optional parameter ${type} has length ${length}, ${end - i} octets left`);
    }
    if (type !== PARAMETER_CAPABILITIES) {
      const reason = `optional parameter ${type} is not supported`;
      return openFault(OPEN_ERROR.UNSUPPORTED_OPTIONAL_PARAMETER, reason);
    }
    const found = decodeCapabilities(buf, i, i + length, capabilities);
    if (found !== null) return found;
    i += length;
  }
  return null;
}

function decodeCapabilities(
  buf: Uint8Array,
  at: number,
  end: number,
  capabilities: Capability[],
): Fault | null {
  for (let i = at; i < end; ) {
    const code = buf[i]!;
    if (end - i < 2) return unspecific(`capability ${code} has no length`);
    const octets = buf[i + 1]!;
    i += 2;
    if (octets > end - i) {
      return unspecific(`capability ${code} has length ${octets}, ${end - i} octets left`);
    }
    const capability = decodeCapability(code, buf, i, octets);
    if (capability === null) return unspecific(`capability ${code} cannot have length ${octets}`);
    if (capability.name === "four-octet-as" && capability.as === 0) {
      return openFault(OPEN_ERROR.BAD_PEER_AS, "AS number in the four-octet AS capability is 0");
    }
    capabilities.push(capability);
    i += octets;
  }
  return null;
}

/**
 * Writes an OPEN with all capabilities in one optional parameter, in the extended form of RFC 9072
 * only when they do not fit otherwise.
 *
 * @returns a new message; throws when it would be longer than 4,096 octets
 */
export function encodeOpen(open: OpenMessage): Uint8Array {
  const capabilities = open.capabilities.map(encodeCapability);
  const octets = capabilities.reduce((sum, capability) => sum + capability.length, 0);
  const extended = octets + 2 > EXTENDED;
  const parameters = octets === 0 ? 0 : octets + (extended ? 6 : 2);
  if (PARAMETERS_AT + parameters > MESSAGE_OCTETS_MAX) throw new RangeError("OPEN is too long");
  const out = newMessage(MESSAGE.OPEN, PARAMETERS_AT + parameters);
  let i = HEADER_OCTETS;
  out[i++] = open.version;
  i = writeU16(out, i, open.as);
  i = writeU16(out, i, open.holdTimeSeconds);
  i = writeU32(out, i, open.bgpIdentifier);
  out[i++] = extended ? EXTENDED : parameters;
  if (octets === 0) return out;
  if (extended) {
    out[i++] = EXTENDED;
    i = writeU16(out, i, octets + 3);
    out[i++] = PARAMETER_CAPABILITIES;
    i = writeU16(out, i, octets);
  } else {
    out[i++] = PARAMETER_CAPABILITIES;
    out[i++] = octets;
  }
  for (const capability of capabilities) {
    out.set(capability, i);
    i += capability.length;
  }
  return out;
}

function unspecific(reason: string): Fault {
  return openFault(OPEN_ERROR.UNSPECIFIC, reason);
}

function openFault(subcode: number, reason: string, data?: Uint8Array): Fault {
  return new Fault("session-reset", 2, subcode, reason, 0, data);
}
