/**
 * What a standby had stored, read from its log: a head, an image, and the brackets behind it, in frames as they
 * come over a link. Another head among them says that another active goes on from there.
 */

import { FrameReader } from "./frames.ts";
import { FormatError } from "./octet-reader.ts";
import type { AnyRecord, RecordOf } from "./records.ts";
import { Standby } from "./standby.ts";

export type LogHead = Omit<RecordOf<"logHead">, "record">;

/** What the log must be of to be of use. */
export type LogOwner = Pick<LogHead, "cluster" | "side" | "build">;

export class LogReader {
  /** Has all that was read, and has run it. */
  readonly standby: Standby;
  /** Octets of all frames that were read. */
  octets = 0;
  /** Those of the image, and of what stands before it. */
  imageOctets = 0;
  brackets = 0;
  private last: LogHead | null = null;
  private readonly owner: LogOwner;
  private readonly frames: FrameReader = new FrameReader("log");

  /** @param hasOthers - as for `Standby` */
  constructor(owner: LogOwner, hasOthers = false) {
    this.owner = owner;
    const differs = (number: number, what: string) => {
      throw new FormatError(`bracket ${number} gives other ${what} than it gave`);
    };
    this.standby = new Standby({ send() {}, differs }, hasOthers);
  }

  /** The head that counts for the last bracket. @throws FormatError when what was read is no state */
  get head(): LogHead {
    if (this.last === null) throw new FormatError("it has no head");
    if (!this.standby.isUsable) throw new FormatError("its image is not complete");
    return this.last;
  }

  /** Adds octets of the log, which must not change any more. */
  push(octets: Uint8Array): void {
    this.frames.push(octets);
  }

  /**
   * Reads the next frame, and runs what it holds.
   *
   * @returns whether there was a whole one
   * @throws FormatError for octets that nobody has written so: nothing of what was read is to be relied on
   */
  step(): boolean {
    const { frames, standby } = this;
    const record = frames.next();
    const { skipped } = frames;
    const unknown = skipped.records + skipped.fields + standby.skipped.records;
    if (unknown + standby.skipped.fields > 0)
      throw new FormatError("it has what is not known here");
    if (record === null) return false;
    this.read(record);
    this.octets += frames.frame.length;
    if (record.record === "imageEnd") this.imageOctets = this.octets;
    return true;
  }

  private read(record: AnyRecord): void {
    const { standby } = this;
    if (record.record === "logHead") {
      this.readHead(record);
      return;
    }
    if (this.last === null) throw new FormatError("it does not begin with a head");
    if (record.record === "imageEnd" && record.hasOutputs === 1)
      throw new FormatError("its brackets need outputs");
    if (record.record === "bracket" && record.epoch !== this.last.epoch)
      throw new FormatError(`bracket ${record.number} is of another epoch than its head`);
    standby.record(record);
    if (record.record !== "bracket") return;
    this.brackets++;
    standby.work(() => true);
  }

  private readHead(head: LogHead): void {
    for (const name of ["cluster", "side", "build"] as const) {
      if (head[name] === this.owner[name]) continue;
      const what = name === "build" ? "another version of the program" : `another ${name}`;
      throw new FormatError(`it is of ${what}`);
    }
    this.last = head;
  }
}
