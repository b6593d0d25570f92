/**
 * Cutting an MRT file into records (RFC 6396 section 2), whatever pieces it comes in.
 *
 *     seconds (4) | type (2) | subtype (2) | length (4) | [microseconds (4)] | body
 */

import { readU16, readU32 } from "@ts-bgp/wire-codec";
import type { FileFault } from "./file-fault.ts";
import { OctetQueue } from "./octet-queue.ts";

/** MRT types that hold routes (RFC 6396 section 4). */
export const MRT = { TABLE_DUMP: 12, TABLE_DUMP_V2: 13, BGP4MP: 16, BGP4MP_ET: 17 } as const;

const HEADER_OCTETS = 12;
const MICROSECONDS_OCTETS = 4;
/** No real record comes near; a length beyond it is not one. */
const RECORD_OCTETS_MAX = 1 << 24;
/** The registry's types, current and deprecated ones (RFC 6396 section 4 and appendix B). */
const TYPE_MAX_OF_FIRST_BLOCK = 13;
const OTHER_TYPES: ReadonlySet<number> = new Set([16, 17, 32, 33, 48, 49]);

/** Whether a type is one of the registry; others may come to be one. */
export function isKnownType(type: number): boolean {
  return type <= TYPE_MAX_OF_FIRST_BLOCK || OTHER_TYPES.has(type);
}

/** One record; the same object each time. */
export interface MrtRecord {
  /** Octets of the file before the record. */
  offset: number;
  type: number;
  subtype: number;
  /** The body is `[at, end)` of `buf`, without the microseconds. */
  buf: Uint8Array;
  at: number;
  end: number;
}

/** Finds the records in a stream of octets. */
export class MrtSplitter {
  readonly octets: OctetQueue = new OctetQueue();
  private readonly record: MrtRecord = {
    offset: 0,
    type: 0,
    subtype: 0,
    buf: this.octets.buf,
    at: 0,
    end: 0,
  };

  /**
   * @returns the next record, valid until the next call; null when it is not all there; or a fault,
   *   after which there is nothing more to read
   */
  next(): MrtRecord | FileFault | null {
    const { octets, record } = this;
    const { buf, at } = octets;
    if (octets.length < HEADER_OCTETS) return null;
    const type = readU16(buf, at + 4);
    const length = readU32(buf, at + 8);
    if (length > RECORD_OCTETS_MAX) {
      // Most likely this is no MRT file, or the record before it was of another length.
      const isKnown = isKnownType(type);
      return this.fault(
        isKnown
          ? `the record length ${length} cannot be`
          : `${type} is not a type of MRT record, and its length ${length} cannot be`,
      );
    }
    if (length > octets.length - HEADER_OCTETS) return null;
    const bodyAt = at + HEADER_OCTETS + (type === MRT.BGP4MP_ET ? MICROSECONDS_OCTETS : 0);
    const end = at + HEADER_OCTETS + length;
    if (bodyAt > end) return this.fault("the record has no room for its microseconds");
    record.offset = octets.offset;
    record.type = type;
    record.subtype = readU16(buf, at + 6);
    record.buf = buf;
    record.at = bodyAt;
    record.end = end;
    octets.at = end;
    return record;
  }

  /** @returns the fault when the file ends here and not after a whole record */
  end(): FileFault | null {
    const { length } = this.octets;
    if (length === 0) return null;
    return this.fault(`the file ends in a record, ${length} octets after its beginning`);
  }

  private fault(reason: string): FileFault {
    return { offset: this.octets.offset, reason };
  }
}
