/** Lines to a file or to standard output, written behind the back of the caller. */

import { closeSync, openSync, write, writeSync } from "node:fs";
import { UnusableFileError } from "./config-file.ts";

/** Characters that may wait to be written; lines beyond are lost. */
const WAITING_MAX = 1 << 20;
/** A pipe that is full is tried again after so long. */
const RETRY_MS = 50;
const STANDARD_OUTPUT = 1;

/**
 * Writes lines one batch after the other. A line that cannot be written, or finds too many waiting,
 * is lost and counted: a full disk or a reader that does not read must not stop the speaker, nor
 * fill its memory.
 */
export class LogFile {
  /** Lines that could not be written. */
  lost = 0;
  /** The process ends: what is still written is written at once. */
  isEnding = false;
  private fd: number;
  /** Descriptors to close once nothing is being written to them. */
  private retired: number[] = [];
  private waiting: string[] = [];
  private waitingLength = 0;
  private isBusy = false;
  private whenIdle: (() => void)[] = [];

  /** @param file - null for standard output; throws an UnusableFileError when it cannot be opened */
  constructor(file: string | null) {
    this.fd = openLogFile(file);
    // Before the one that ends the process.
    process.prependListener("exit", () => this.writeRest());
  }

  write(line: string): void {
    if (this.waitingLength + line.length > WAITING_MAX) {
      this.lost++;
      return;
    }
    this.waiting.push(line);
    this.waitingLength += line.length;
    if (this.isEnding) this.writeRest();
    else if (!this.isBusy) this.next();
  }

  /** Writes to another file from now on; throws, and stays with the old one, if it cannot. */
  reopen(file: string | null): void {
    const fd = openLogFile(file);
    if (this.fd !== STANDARD_OUTPUT) this.retired.push(this.fd);
    this.fd = fd;
    if (!this.isBusy) this.next();
  }

  /** Resolves when all lines are written or lost, or the time is up. */
  flush(timeoutMs: number): Promise<void> {
    if (!this.isBusy) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.whenIdle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private next(): void {
    for (const fd of this.retired.splice(0)) closeSync(fd);
    const lines = this.waiting;
    this.isBusy = lines.length > 0;
    if (!this.isBusy) {
      for (const done of this.whenIdle.splice(0)) done();
      return;
    }
    this.waiting = [];
    this.waitingLength = 0;
    this.writeOctets(this.fd, Buffer.from(lines.join("")), 0, lines.length);
  }

  private writeOctets(fd: number, octets: Buffer, at: number, lines: number): void {
    write(fd, octets, at, (error, count) => {
      if (error?.code === "EAGAIN") {
        setTimeout(() => this.writeOctets(fd, octets, at, lines), RETRY_MS).unref();
      } else if (error === null && at + count < octets.length) {
        this.writeOctets(fd, octets, at + count, lines);
      } else {
        if (error !== null) this.lost += lines;
        this.next();
      }
    });
  }

  /** The process ends at once: the last lines may tell why. */
  private writeRest(): void {
    try {
      if (this.waiting.length > 0) writeSync(this.fd, this.waiting.join(""));
      this.waiting = [];
    } catch {
      // Nobody is left to be told.
    }
  }
}

function openLogFile(file: string | null): number {
  if (file === null) return STANDARD_OUTPUT;
  try {
    return openSync(file, "a");
  } catch (error) {
    throw new UnusableFileError(`cannot write the log to ${file}: ${(error as Error).message}`);
  }
}
