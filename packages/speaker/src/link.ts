/** The link between two sides: records in frames over a stream. */

import type { Duplex } from "node:stream";
import { type AnyRecord, FrameReader, frameOf } from "@ts-bgp/replication";

/** Octets that may wait in this process for the link; beyond it the other side is taken for gone. */
const BACKLOG_OCTETS_MAX = 1 << 29;

export interface LinkEvents {
  record(record: AnyRecord): void;
  /** What was sent has left this process. */
  drained(): void;
  /** All records that had come were handed over. */
  idle(): void;
  /** The link is over; called once. */
  closed(reason: string): void;
}

export class Link {
  private readonly stream: Duplex;
  private readonly events: LinkEvents;
  private readonly frames: FrameReader = new FrameReader();
  private isClosed = false;

  /** Takes over a stream that is connected. */
  constructor(stream: Duplex, events: LinkEvents) {
    this.stream = stream;
    this.events = events;
    stream.on("data", (octets: Uint8Array) => this.read(octets));
    stream.on("error", (error) => this.end(error.message));
    stream.on("drain", () => events.drained());
    stream.on("end", () => this.end("the other side has closed the link"));
    stream.on("close", () => this.end("the link is closed"));
  }

  /** Records and fields that were not known. */
  get skipped(): number {
    const { records, fields } = this.frames.skipped;
    return records + fields;
  }

  /** Whether what was sent has left this process, but for a little. */
  get hasRoom(): boolean {
    return !this.stream.writableNeedDrain;
  }

  send(frame: Uint8Array): void {
    if (this.isClosed) return;
    this.stream.write(frame);
    if (this.stream.writableLength > BACKLOG_OCTETS_MAX) this.end("the other side does not read");
  }

  /** Says why, and closes the link. @param isSlow - see the record */
  bye(reason: string, isSlow = false): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stream.end(frameOf("bye", { reason, slow: Number(isSlow) }));
    // Whoever does not read must not keep the stream.
    setTimeout(() => this.stream.destroy(), 1000).unref();
  }

  /** Closes the link without a word: the stream goes on by another one. */
  close(): void {
    this.isClosed = true;
    this.stream.destroy();
  }

  private read(octets: Uint8Array): void {
    if (this.isClosed) return;
    this.frames.push(octets);
    try {
      for (let next = this.frames.next(); next !== null; next = this.frames.next()) {
        this.events.record(next);
        if (this.isClosed) return;
      }
    } catch (error) {
      this.end(`the replication stream is broken: ${(error as Error).message}`);
      return;
    }
    this.events.idle();
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stream.destroy();
    this.events.closed(reason);
  }
}
