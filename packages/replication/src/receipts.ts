/**
 * What a standby has stored of the stream, and what the active was told of it. It stands apart from what
 * runs brackets, so that a thread of its own can acknowledge while they are run.
 */

import { frameOf } from "./frames.ts";
import { FormatError } from "./octet-reader.ts";
import type { RecordOf } from "./records.ts";

/** Octets of brackets that may wait to be run: what a takeover has to catch up with. */
export const BACKLOG_OCTETS_MAX = 1 << 22;

export class Receipts {
  /** Number of the last bracket that is stored; 0 before the image is. */
  number = 0;
  private hasImage = false;
  /** What was acknowledged last. */
  private told = { number: -1, applied: -1, window: 0 };

  /** The image as it was before this bracket is stored. @throws FormatError for a second one */
  begin(before: number): void {
    if (this.hasImage) throw new FormatError("a second image");
    this.hasImage = true;
    this.number = before - 1;
  }

  /** A bracket is stored. @throws FormatError when it cannot stand here: the stream was cut or mixed up */
  store(number: number): void {
    if (!this.hasImage) throw new FormatError("a bracket before the image");
    if (number !== this.number + 1) {
      throw new FormatError(`bracket ${number} behind bracket ${this.number}`);
    }
    this.number = number;
  }

  /** The stream goes on over another link: what was told by the one before may never have come. */
  renew(): void {
    this.told = { number: -1, applied: -1, window: 0 };
  }

  /** Whether the active knows of room enough: what was run only it need not be told at once. */
  get hasToldRoom(): boolean {
    return this.told.window >= BACKLOG_OCTETS_MAX / 2;
  }

  /** Bracket that was run last, as the active was told; -1 for nothing. */
  get toldApplied(): number {
    return this.told.applied;
  }

  /**
   * @param applied - number of the last bracket that was run
   * @param waitingOctets - of brackets that are stored and not run
   * @returns what tells the active of all that is new since it was told last; null when nothing is
   */
  acknowledge(applied: number, waitingOctets: number): Uint8Array | null {
    const { told, number } = this;
    if (!this.hasImage || (told.number === number && told.applied === applied)) return null;
    const window = Math.max(0, BACKLOG_OCTETS_MAX - waitingOctets);
    this.told = { number, applied, window };
    return frameOf("ack", this.told);
  }
}

/** What a bracket takes while it waits. */
export function octetsOf({ calls, outputs }: RecordOf<"bracket">): number {
  return calls.length + outputs.length;
}
