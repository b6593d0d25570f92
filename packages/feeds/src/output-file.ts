/**
 * A file that is written piece by piece, compressed or not. It has its name once it is complete; until then
 * `.part` stands behind it.
 */

import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

/** What may wait to be written. */
const WAITING_OCTETS_MAX = 1 << 26;

export class OutputFile {
  readonly name: string;
  private readonly head: Writable;
  private readonly done: Promise<void>;
  private problem: string | null = null;

  constructor(name: string, compress: "gzip" | "none") {
    this.name = name;
    const file = createWriteStream(`${name}.part`);
    const gzip = compress === "gzip" ? createGzip() : null;
    this.head = gzip ?? file;
    const over = gzip === null ? finished(file) : pipeline(gzip, file);
    this.done = over.catch((error: Error) => {
      this.problem ??= error.message;
    });
  }

  /** Why it cannot be written; null when it can. */
  get fault(): string | null {
    return this.problem;
  }

  /** @returns false when it was not taken: nothing can be written, or too much waits */
  write(octets: Uint8Array): boolean {
    if (this.problem !== null || this.head.writableLength > WAITING_OCTETS_MAX) return false;
    this.head.write(octets);
    return true;
  }

  /** Calls back when what waits is not much. */
  whenReady(call: () => void): void {
    if (this.problem === null && this.head.writableNeedDrain) {
      this.head.once("drain", call);
      void this.done.then(() => {
        this.head.off("drain", call);
        if (this.problem !== null) call();
      });
    } else call();
  }

  /** @returns octets of the complete file; rejects when it could not be written, which leaves none */
  async close(): Promise<number> {
    this.head.end();
    await this.done;
    const part = `${this.name}.part`;
    try {
      if (this.problem !== null) throw new Error(this.problem);
      const { size } = await stat(part);
      await rename(part, this.name);
      return size;
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      throw error;
    }
  }
}

function finished(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("finish", resolve);
  });
}
