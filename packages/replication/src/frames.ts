/**
 * Records on a byte stream: each in a frame with its length and checksums, so that a stream that was
 * cut, changed or mixed up is found out before anything of it counts.
 *
 *     frame = length of the record (4 octets), checksum of the record (4 octets), checksum of these
 *             8 octets (4 octets), record
 *
 * The head has a checksum of its own, or a reader would wait for the rest of a frame that is much
 * shorter than its length says.
 */

import { hashOctets } from "@ts-bgp/rib";
import { FormatError } from "./octet-reader.ts";
import { joined, OctetWriter } from "./octet-writer.ts";
import { type AnyRecord, type RECORDS, type RecordName, readOnly, write } from "./records.ts";
import type { ValueOf } from "./tlv.ts";

const HEAD_OCTETS = 12;
/** The head without its own checksum. */
const SUMMED_OCTETS = 8;
/** A frame is no longer than this; larger ones are a fault. */
export const FRAME_OCTETS_MAX = 1 << 28;

/** @returns the frame of a record */
export function frameOf<N extends RecordName>(
  record: N,
  value: ValueOf<(typeof RECORDS)[N]>,
): Uint8Array {
  const out = new OctetWriter();
  write(out, record, value);
  const { length } = out;
  const frame = joined([new Uint8Array(HEAD_OCTETS), ...out.take()]);
  const head = new DataView(frame.buffer, frame.byteOffset);
  head.setUint32(0, length);
  head.setUint32(4, hashOctets(0, frame, HEAD_OCTETS, frame.length));
  head.setUint32(SUMMED_OCTETS, hashOctets(0, frame, 0, SUMMED_OCTETS));
  return frame;
}

/** Cuts a byte stream into records. */
export class FrameReader {
  /** Unknown records and fields that were skipped. */
  readonly skipped = { records: 0, fields: 0 };
  private readonly chunks: Uint8Array[] = [];
  private octets = 0;

  /** Adds octets of the stream, which must not change any more. */
  push(octets: Uint8Array): void {
    this.chunks.push(octets);
    this.octets += octets.length;
  }

  /** @returns the next record, null when none is complete; throws a FormatError when it is broken */
  next(): AnyRecord | null {
    for (;;) {
      if (this.octets < HEAD_OCTETS) return null;
      const head = this.first(HEAD_OCTETS);
      const view = new DataView(head.buffer, head.byteOffset);
      if (hashOctets(0, head, 0, SUMMED_OCTETS) !== view.getUint32(SUMMED_OCTETS)) {
        throw new FormatError("the checksum of a frame's head is wrong");
      }
      const length = view.getUint32(0);
      if (length > FRAME_OCTETS_MAX) throw new FormatError(`a frame of ${length} octets`);
      if (this.octets < HEAD_OCTETS + length) return null;
      const frame = this.first(HEAD_OCTETS + length);
      this.drop(HEAD_OCTETS + length);
      if (hashOctets(0, frame, HEAD_OCTETS, HEAD_OCTETS + length) !== view.getUint32(4)) {
        throw new FormatError("the checksum of a frame is wrong");
      }
      const record = readOnly(frame.subarray(HEAD_OCTETS, HEAD_OCTETS + length), this.skipped);
      if (record !== null) return record;
    }
  }

  /** @returns the first octets in one piece, at least `count` of them */
  private first(count: number): Uint8Array {
    if (this.chunks[0]!.length >= count) return this.chunks[0]!;
    let taken = 0;
    let have = 0;
    while (have < count) have += this.chunks[taken++]!.length;
    const one = joined(this.chunks.slice(0, taken));
    this.chunks.splice(0, taken, one);
    return one;
  }

  private drop(count: number): void {
    const rest = this.chunks[0]!.subarray(count);
    if (rest.length === 0) this.chunks.shift();
    else this.chunks[0] = rest;
    this.octets -= count;
  }
}
