/**
 * Records on a byte stream: each in a frame with its length and checksums, so that a stream that was
 * cut, changed or mixed up is found out before anything of it counts.
 *
 *     frame = length of the record (4 octets), checksum of the record (4 octets), checksum of these
 *             8 octets (4 octets), record
 *
 * The head has a checksum of its own, or a reader would wait for the rest of a frame that is much
 * shorter than its length says. A frame is no longer than its kind may need, which its reader finds by its
 * first octet: nothing is kept of one that is, and of others what has come, whatever the length says.
 */

import { hashOctets } from "@ts-bgp/rib/hash-index";
import { OctetPieces } from "./octet-pieces.ts";
import { FormatError } from "./octet-reader.ts";
import { joined, OctetWriter } from "./octet-writer.ts";
import type { Skipped } from "./record-kinds.ts";
import { type AnyRecord, KINDS, type RECORDS, type RecordName } from "./records.ts";
import type { ValueOf } from "./tlv.ts";

const HEAD_OCTETS = 12;
/** The head without its own checksum. */
const SUMMED_OCTETS = 8;
/** A frame is no longer than this; larger ones are a fault. */
export const FRAME_OCTETS_MAX = 1 << 28;
const SMALL = 1 << 8;
const WITH_TEXT = 1 << 13;

/**
 * Longest record by kind, in octets. A bracket has no bound of its own: a configuration goes in one piece,
 * and a slice reads what there is. Nor has a handover: it has every connection with what its peer has not
 * acknowledged.
 */
const OCTETS_MAX: Readonly<Partial<Record<RecordName, number>>> = {
  ...{ hello: WITH_TEXT, bye: WITH_TEXT, declared: WITH_TEXT },
  ...{ imageEnd: SMALL, ack: SMALL, heartbeat: SMALL, echo: SMALL, handingOver: SMALL },
  look: WITH_TEXT,
  logHead: WITH_TEXT,
  ...{ recordHead: WITH_TEXT, recordTime: SMALL },
  // Four times of a piece as it is sent.
  image: 1 << 20,
  // A message of a peer.
  suspect: 1 << 17,
  bracket: FRAME_OCTETS_MAX,
  handover: FRAME_OCTETS_MAX,
  // An address and a cause for each connection.
  ...{ handoverTaken: 1 << 24, differs: 1 << 24 },
};
/** Of a kind that this version does not know, which is skipped. */
const UNKNOWN_OCTETS_MAX = 1 << 20;

/** What may come of whom. */
const EXPECTED = {
  /** Of somebody who has not yet said that it is a standby. */
  stranger: ["hello", "bye"],
  standby: ["hello", "bye", "ack", "differs", "handoverTaken", "bracket"],
  active: [
    ...(["hello", "bye", "image", "imageEnd", "bracket", "declared"] as const),
    ...(["handover", "handingOver"] as const),
  ],
  mirror: ["hello", "bye", "look"],
  /** To a mirror. */
  server: ["hello", "bye", "image", "imageEnd", "bracket", "look"],
  /** Of the heartbeats of either side. */
  heartbeats: ["heartbeat", "suspect"],
  echoes: ["echo"],
  log: ["logHead", "image", "imageEnd", "bracket"],
  record: ["recordHead", "recordTime", "image", "imageEnd", "bracket"],
} as const satisfies Readonly<Record<string, readonly RecordName[]>>;

export type Sender = keyof typeof EXPECTED;

const SENDERS: Readonly<Record<Sender, string>> = {
  stranger: "somebody who has not said hello",
  standby: "a standby",
  active: "an active side",
  mirror: "a mirror",
  server: "an active side to a mirror",
  heartbeats: "an active side's heartbeats",
  echoes: "a standby's echoes",
  log: "a standby's log",
  record: "a record",
};

/** Those that are known, and may be of a later version. */
const MAY_SAY_MORE: readonly Sender[] = ["active", "standby", "server", "mirror"];

/** @returns the frame of a record */
export function frameOf<N extends RecordName>(
  record: N,
  value: ValueOf<(typeof RECORDS)[N]>,
): Uint8Array {
  const out = new OctetWriter();
  KINDS.write(out, record, value);
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
  readonly skipped: Skipped = { records: 0, fields: 0 };
  /** Whose octets they are; null for anybody's, where both sides are read. */
  of: Sender | null;
  /** Octets of the record that was read last, with its head. */
  frame: Uint8Array = new Uint8Array(0);
  private readonly isChecked: boolean;
  private readonly pieces: OctetPieces = new OctetPieces();

  /** @param isChecked - another reader has let all frames pass: checksums are not looked at again */
  constructor(of: Sender | null, isChecked = false) {
    this.of = of;
    this.isChecked = isChecked;
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
      const view = new DataView(head.buffer, head.byteOffset);
      if (!this.isSum(view.getUint32(SUMMED_OCTETS), head, 0, SUMMED_OCTETS)) {
        throw new FormatError("the checksum of a frame's head is wrong");
      }
      const length = view.getUint32(0);
      if (length > FRAME_OCTETS_MAX) throw new FormatError(`a frame of ${length} octets`);
      if (length > 0 && pieces.length > HEAD_OCTETS) this.checkKind(length);
      if (pieces.length < HEAD_OCTETS + length) return null;
      const frame = pieces.first(HEAD_OCTETS + length).subarray(0, HEAD_OCTETS + length);
      pieces.drop(HEAD_OCTETS + length);
      if (!this.isSum(view.getUint32(4), frame, HEAD_OCTETS, frame.length)) {
        throw new FormatError("the checksum of a frame is wrong");
      }
      this.frame = frame;
      const record = KINDS.readOnly(frame.subarray(HEAD_OCTETS), this.skipped);
      if (record !== null) return record;
    }
  }

  private isSum(sum: number, octets: Uint8Array, from: number, to: number): boolean {
    return this.isChecked || hashOctets(0, octets, from, to) === sum;
  }

  /** Before more of a frame is kept. The kind is the first octet of the record. */
  private checkKind(length: number): void {
    const { of } = this;
    const name = KINDS.nameOf(this.pieces.first(HEAD_OCTETS + 1)[HEAD_OCTETS]!);
    const expected: readonly RecordName[] | null = of === null ? null : EXPECTED[of];
    if (name !== undefined && expected?.includes(name) === false) {
      throw new FormatError(`"${name}" is no record of ${SENDERS[of!]}`);
    }
    const isKnown = of === null || MAY_SAY_MORE.includes(of);
    const unknownMax = isKnown ? UNKNOWN_OCTETS_MAX : WITH_TEXT;
    const max = name === undefined ? unknownMax : (OCTETS_MAX[name] ?? 0);
    if (length > max) {
      throw new FormatError(
        `a frame of ${length} octets for "${name ?? "unknown"}", at most ${max}`,
      );
    }
  }
}
