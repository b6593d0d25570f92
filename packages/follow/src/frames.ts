/**
 * Records on a byte stream, so that one which was cut, changed, put in another order or played again is found
 * out before anything of it counts.
 *
 *     frame = length of the record (4 octets), checksum (4 octets), record
 *
 * The checksum is one of the record and of how many frames came before it. A frame is no longer than those whom
 * it comes of may need: nothing is kept of one that is, and of others what has come, whatever the length says.
 */

import { FormatError, OctetPieces, type Skipped } from "@ts-bgp/replication/canonical";
import { hashOctets } from "@ts-bgp/rib/hash-index";
import { readU32, writeU32 } from "@ts-bgp/wire-codec";
import { type AnyRecord, KINDS, type RecordName } from "./records.ts";

const HEAD_OCTETS = 8;
/** Of a follower, and of anybody who has not said who he is. */
const SMALL_OCTETS_MAX = 1 << 12;
/** Of a server: four times of what it puts into one. */
const LARGE_OCTETS_MAX = 1 << 20;

/** What may come of whom. */
const EXPECTED = {
  follower: { octetsMax: SMALL_OCTETS_MAX, records: ["hello", "activate", "ask", "bye", "alive"] },
  server: {
    octetsMax: LARGE_OCTETS_MAX,
    records: ["welcome", "role", "bracket", "complete", "peer", "answer", "bye", "alive"],
  },
} as const satisfies Readonly<
  Record<string, { readonly octetsMax: number; readonly records: readonly RecordName[] }>
>;

export type Sender = keyof typeof EXPECTED;

/** Puts records into frames, in the order of the stream. */
export class FrameWriter {
  private count = 0;

  /** @param record - see `recordOctets` */
  frame(record: Uint8Array): Uint8Array {
    const frame = new Uint8Array(HEAD_OCTETS + record.length);
    writeU32(frame, 0, record.length);
    writeU32(frame, 4, hashOctets(this.count++, record, 0, record.length));
    frame.set(record, HEAD_OCTETS);
    return frame;
  }
}

/** Cuts a byte stream into records. */
export class FrameReader {
  /** Unknown records and fields that were skipped. */
  readonly skipped: Skipped = { records: 0, fields: 0 };
  private readonly of: Sender;
  private count = 0;
  private readonly pieces: OctetPieces = new OctetPieces();

  constructor(of: Sender) {
    this.of = of;
  }

  /** Adds octets of the stream, which must not change any more. */
  push(octets: Uint8Array): void {
    this.pieces.push(octets);
  }

  /** @returns the next record, null when none is complete; throws a FormatError when it is broken */
  next(): AnyRecord | null {
    const { pieces } = this;
    for (;;) {
      if (pieces.length < HEAD_OCTETS) return null;
      const head = pieces.first(HEAD_OCTETS);
      const length = readU32(head, 0);
      const { octetsMax } = EXPECTED[this.of];
      if (length > octetsMax) {
        throw new FormatError(`a frame of ${length} octets, at most ${octetsMax}`);
      }
      if (pieces.length < HEAD_OCTETS + length) return null;
      const frame = pieces.first(HEAD_OCTETS + length);
      const record = frame.subarray(HEAD_OCTETS, HEAD_OCTETS + length);
      if (hashOctets(this.count++, record, 0, length) !== readU32(frame, 4)) {
        throw new FormatError("the checksum of a frame is wrong");
      }
      pieces.drop(HEAD_OCTETS + length);
      this.checkKind(record);
      const read = KINDS.readOnly(record, this.skipped);
      if (read !== null) return read;
    }
  }

  private checkKind(record: Uint8Array): void {
    const name = KINDS.nameOf(record[0] ?? 0);
    const expected: readonly RecordName[] = EXPECTED[this.of].records;
    if (name === undefined || expected.includes(name)) return;
    throw new FormatError(`"${name}" is no record of a ${this.of}`);
  }
}
