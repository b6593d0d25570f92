/**
 * Rows of attributes that this speaker has no use for but passes on. They are checked, so that a
 * malformed one stops here and does not reset sessions further on, and shown as octets.
 */

import {
  type AttributeRow,
  badLength,
  badValue,
  OPTIONAL,
  OPTIONAL_TRANSITIVE,
  type UpdateContext,
} from "./attribute.ts";
import { ATTR, UPDATE_ERROR } from "./constants.ts";
import type { Fault, FaultAction } from "./fault.ts";
import { readU16, readU32 } from "./octets.ts";
import { formatHex, parseHex } from "./text.ts";

type Head = Pick<AttributeRow, "type" | "name" | "malformed">;

function passed(
  type: number,
  name: string,
  flags: number,
  malformed: FaultAction,
  check: (row: Head, buf: Uint8Array, at: number, octets: number) => Fault | null,
): AttributeRow<string> {
  const row: AttributeRow<string> = {
    type,
    name,
    flags,
    malformed,
    // Where a malformed one costs itself alone, so do wrong flags, as FRR reads it.
    wrongFlags: malformed,
    // An attribute that may not be passed on by those who do not use it goes no further.
    kept: flags === OPTIONAL_TRANSITIVE ? "always" : "never",
    check: (buf: Uint8Array, at: number, octets: number, _context: UpdateContext) =>
      check(row, buf, at, octets),
    decode: (buf, at, octets) => formatHex(buf, at, at + octets),
    encode(value) {
      const octets = parseHex(value);
      if (octets === null) throw new RangeError(`${value} is not hexadecimal`);
      return octets;
    },
  };
  return row;
}

/** RFC 6514 section 5: flags, tunnel type, label, tunnel identifier. */
export const PMSI_TUNNEL: AttributeRow<string> = passed(
  ATTR.PMSI_TUNNEL,
  "PMSI_TUNNEL",
  OPTIONAL_TRANSITIVE,
  "treat-as-withdraw",
  (row, buf, at, octets) => {
    if (octets < 5) return badLength(row, octets, "at least 5");
    const type = buf[at + 1]!;
    if (type > 7) {
      return badValue(row, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, `has tunnel type ${type}`);
    }
    // Ingress replication has an address as its identifier.
    return type === 6 && octets !== 9 && octets !== 21 ? badLength(row, octets, "9 or 21") : null;
  },
);

/** RFC 9012 section 13: tunnels, each a list of sub-TLVs, must fill the attribute exactly. */
export const TUNNEL_ENCAPSULATION: AttributeRow<string> = passed(
  ATTR.TUNNEL_ENCAPSULATION,
  "TUNNEL_ENCAPSULATION",
  OPTIONAL_TRANSITIVE,
  "treat-as-withdraw",
  (row, buf, at, octets) => {
    const end = at + octets;
    let i = at;
    while (end - i >= 4) {
      const tunnelEnd = i + 4 + readU16(buf, i + 2);
      i += 4;
      while (tunnelEnd <= end && tunnelEnd - i >= 2) {
        const longLength = buf[i]! >= 128;
        i += longLength ? 3 + readU16(buf, i + 1) : 2 + buf[i + 1]!;
      }
      if (i !== tunnelEnd) break;
    }
    return octets > 0 && i === end ? null : badFraming(row);
  },
);

/** RFC 9552 section 8.2.2: TLVs must fill the attribute exactly. */
export const BGP_LS: AttributeRow<string> = passed(
  ATTR.BGP_LS,
  "BGP_LS",
  OPTIONAL,
  "attribute-discard",
  (row, buf, at, octets) => checkTlvs(row, buf, at, at + octets, 2),
);

/** draft-ietf-idr-entropy-label: AFI, SAFI, next hop, then TLVs. */
export const NEXT_HOP_CHARACTERISTICS: AttributeRow<string> = passed(
  ATTR.NEXT_HOP_CHARACTERISTICS,
  "NEXT_HOP_CHARACTERISTICS",
  OPTIONAL_TRANSITIVE,
  "attribute-discard",
  (row, buf, at, octets) => {
    if (octets < 8) return badLength(row, octets, "at least 8");
    const nextHopOctets = buf[at + 3]!;
    if (nextHopOctets !== 4 && nextHopOctets !== 16) {
      const problem = `next hop length ${nextHopOctets} is not 4 or 16`;
      return badValue(row, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, problem);
    }
    return checkTlvs(row, buf, at + 4 + nextHopOctets, at + octets, 2);
  },
);

/** RFC 8669 section 6: a label index has 7 octets, an SRGB list 2 and a non-zero multiple of 6. */
export const PREFIX_SID: AttributeRow<string> = passed(
  ATTR.PREFIX_SID,
  "PREFIX_SID",
  OPTIONAL_TRANSITIVE,
  "attribute-discard",
  (row, buf, at, octets) => {
    const fault = checkTlvs(row, buf, at, at + octets, 1);
    if (fault !== null) return fault;
    for (let i = at; i < at + octets; i += 3 + readU16(buf, i + 1)) {
      const length = readU16(buf, i + 1);
      if (buf[i] === 1 && (length !== 7 || readU32(buf, i + 6) === 0xffffffff)) {
        return badValue(row, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, "has a malformed label index");
      }
      if (buf[i] === 3 && (length < 8 || (length - 2) % 6 !== 0)) {
        return badValue(row, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, "has a malformed SRGB");
      }
    }
    return null;
  },
);

/** TLVs with a type of `typeOctets` and a length of two octets must fill `[at, end)` exactly. */
function checkTlvs(
  row: Head,
  buf: Uint8Array,
  at: number,
  end: number,
  typeOctets: number,
): Fault | null {
  const headOctets = typeOctets + 2;
  let i = at;
  while (end - i >= headOctets) i += headOctets + readU16(buf, i + typeOctets);
  return i === end ? null : badFraming(row);
}

function badFraming(row: Head): Fault {
  return badValue(row, UPDATE_ERROR.OPTIONAL_ATTRIBUTE, "has TLVs that do not fill it exactly");
}
