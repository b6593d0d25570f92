/** The link between two sides: records in frames over a stream. */

import type { Duplex } from "node:stream";
import { InvariantError } from "@ts-bgp/pair";
import { type AnyRecord, FrameReader, frameOf, type Sender } from "@ts-bgp/replication/stream";

/** Octets that may wait in this process for the link; beyond it the other side is taken for gone. */
const BACKLOG_OCTETS_MAX = 1 << 29;

const CLOSED = "the other side has closed the link";
const CLOSED_WITHOUT_A_WORD = `${CLOSED} without a word: its log says whom it refused, and why`;

export interface LinkEvents {
  /** @param frame - the record as it came */
  record(record: AnyRecord, frame: Uint8Array): void;
  /** What was sent has left this process. */
  drained(): void;
  /** All records that had come were handed over. */
  idle(): void;
  /** The link is over; called once. @param isBroken - for octets that are no record of the other end */
  closed(reason: string, isBroken: boolean): void;
}

export class Link {
  private readonly stream: Duplex;
  private readonly events: LinkEvents;
  private readonly frames: FrameReader;
  private isClosed = false;
  private hasRead = false;

  /** Takes over a stream that is connected. @param from - who is expected at its other end */
  constructor(stream: Duplex, from: Sender, events: LinkEvents) {
    this.stream = stream;
    this.events = events;
    this.frames = new FrameReader(from);
    stream.on("data", (octets: Uint8Array) => this.read(octets));
    stream.on("error", (error) => this.end(error.message));
    stream.on("drain", () => events.drained());
    stream.on("end", () => this.end(this.hasRead ? CLOSED : CLOSED_WITHOUT_A_WORD));
    stream.on("close", () => this.end("the link is closed"));
  }

  /** The other end has said who it is: from now on it may say more. */
  trust(from: Sender): void {
    this.frames.of = from;
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

  /** Says why, and closes the link. @param isSlow - as the others: see the record */
  bye(reason: string, isSlow = false, to = "", again = 0): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stream.end(frameOf("bye", { reason, slow: Number(isSlow), to, again }));
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
    this.hasRead = true;
    this.frames.push(octets);
    try {
      for (let next = this.frames.next(); next !== null; next = this.frames.next()) {
        this.events.record(next, this.frames.frame);
        if (this.isClosed) return;
      }
    } catch (error) {
      // That is this side's own fault, and more than the end of a link.
      if (error instanceof InvariantError) throw error;
      this.end(`the replication stream is broken: ${(error as Error).message}`, true);
      return;
    }
    this.events.idle();
  }

  private end(reason: string, isBroken = false): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stream.destroy();
    this.events.closed(reason, isBroken);
  }
}
