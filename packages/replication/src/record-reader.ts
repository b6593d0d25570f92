/**
 * What a speaker has done, read from a file of a record: a head, an image, and the brackets behind it with their
 * times. Each bracket is run, and compared with what the speaker came to: by the sum of its outputs, and every second
 * or so by digests of the tables.
 */

import type { Output } from "@ts-bgp/router";
import { FrameReader } from "./frames.ts";
import type { Machine } from "./machine.ts";
import { FormatError } from "./octet-reader.ts";
import type { AnyRecord, RecordOf } from "./records.ts";
import { type DifferingRoute, differingRoute } from "./replay-difference.ts";
import { Standby } from "./standby.ts";

/** A route is judged, and sent, in a few brackets behind the one that it comes in. */
const LAST_BRACKETS = 16;

export type RecordHead = Omit<RecordOf<"recordHead">, "record">;

/** What was replayed comes to something else than was recorded. */
export class ReplayDiffers extends Error {
  /** Of the bracket. */
  readonly number: number;
  readonly what: string;
  /** Null where it is about none. */
  readonly route: DifferingRoute | null;

  constructor(number: number, what: string, route: DifferingRoute | null) {
    super(`bracket ${number} gives other ${what} than it gave`);
    this.number = number;
    this.what = what;
    this.route = route;
  }
}

/** A newer version has recorded it, and it has what is not known here; whatever else went wrong comes of that. */
export class RecordedByNewer extends Error {
  constructor() {
    super("a newer version has recorded it, and it has what is not known here");
  }
}

export class RecordReader {
  /** Brackets that were run, and how many of them have digests. */
  brackets = 0;
  digests = 0;
  /** Octets of all frames that were read. */
  octets = 0;
  /** What was read is as of then, in milliseconds since 1970. */
  atMs = 0;
  private readonly standby: Standby;
  private readonly frames: FrameReader = new FrameReader("record");
  /** Of the last brackets, for whoever asks what one was about that differs. */
  private readonly lastCalls: Uint8Array[] = [];
  private known: RecordHead | null = null;
  /** Read, and nothing behind it is run before it is asked for. */
  private next: RecordOf<"recordTime"> | null = null;

  constructor() {
    const differs = (number: number, what: string, own: readonly Output[]) => {
      const router = this.machine?.router;
      const route = router === undefined ? null : differingRoute(router, own, this.lastCalls);
      throw new ReplayDiffers(number, what, route);
    };
    this.standby = new Standby({ send() {}, differs });
  }

  /** Null before it was read. */
  get head(): RecordHead | null {
    return this.known;
  }

  /** Null before the image is complete. */
  get machine(): Machine | null {
    return this.standby.follows;
  }

  /** Number of the last bracket that was run, or that the image has. */
  get number(): number {
    return this.standby.number;
  }

  /** Adds octets of the file, which must not change any more. */
  push(octets: Uint8Array): void {
    this.frames.push(octets);
  }

  /**
   * Reads the next frame, and runs what it holds, unless that was later than asked for.
   *
   * @param untilMs - milliseconds since 1970; what was at this time is run
   * @returns what it came to: `lacks`: no whole frame is there
   * @throws FormatError for octets that nobody has written so, ReplayDiffers, RecordedByNewer; the state is of no use
   *   then
   */
  step(untilMs: number): "bracket" | "other" | "later" | "lacks" {
    if (this.next !== null) {
      if (this.next.atMs > untilMs) return "later";
      this.atMs = this.next.atMs;
      this.next = null;
    }
    try {
      const record = this.frames.next();
      if (this.hasUnknown) throw new RecordedByNewer();
      if (record === null) return "lacks";
      this.octets += this.frames.frame.length;
      const step = this.read(record, untilMs);
      if (this.hasUnknown) throw new RecordedByNewer();
      return step;
    } catch (error) {
      throw this.hasUnknown ? new RecordedByNewer() : error;
    }
  }

  /** What is left out of a state or of a call makes another one of it. */
  private get hasUnknown(): boolean {
    return [this.frames.skipped, this.standby.skipped].some(
      ({ records, fields }) => records + fields > 0,
    );
  }

  private read(record: AnyRecord, untilMs: number): "bracket" | "other" | "later" {
    const { standby } = this;
    if (record.record === "recordHead") {
      if (this.known !== null) throw new FormatError("it has a second head");
      this.known = record;
      this.atMs = record.atMs;
      return "other";
    }
    if (this.known === null) throw new FormatError("it does not begin with a head");
    if (record.record === "recordTime") {
      if (!(record.atMs >= this.atMs)) throw new FormatError("its time goes back");
      this.next = record;
      return record.atMs > untilMs ? "later" : "other";
    }
    if (record.record === "bracket" && record.epoch !== this.known.epoch) {
      throw new FormatError(`bracket ${record.number} is of another epoch than its head`);
    }
    standby.record(record);
    if (record.record !== "bracket") return "other";
    this.lastCalls.push(record.calls);
    if (this.lastCalls.length > LAST_BRACKETS) this.lastCalls.shift();
    this.brackets++;
    if (record.digest !== null) this.digests++;
    standby.work(() => true);
    return "bracket";
  }
}
