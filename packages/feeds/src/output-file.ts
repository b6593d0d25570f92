/**
 * A file that is written piece by piece, compressed or not. It has its name once it is complete; until then
 * a random word and `.part` stand behind it. The process may have the rights to write anything: what is there
 * already, be it a link that somebody else has made, is never written to.
 */

import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { link, rename, rm, stat } from "node:fs/promises";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Compression, compressor } from "./compression.ts";

/** What may wait to be written. */
const WAITING_OCTETS_MAX = 1 << 26;
/** Others than the owner's group have no need of what neighbors have sent. */
const MODE = 0o640;

export class OutputFile {
  readonly name: string;
  private readonly part: string;
  private readonly replaces: boolean;
  private readonly head: Writable;
  private readonly done: Promise<void>;
  private problem: string | null = null;

  /** @param replaces - whether a file of that name gives way */
  constructor(name: string, compress: Compression, replaces: boolean) {
    this.name = name;
    this.part = `${name}.${randomBytes(8).toString("hex")}.part`;
    this.replaces = replaces;
    const file = createWriteStream(this.part, { flags: "wx", mode: MODE });
    const through = compressor(compress);
    this.head = through ?? file;
    const over = through === null ? finished(file) : pipeline(through, file);
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

  /** What is there already is of no use: nothing is left when it is closed. */
  giveUp(problem: string): void {
    this.problem ??= problem;
  }

  /** @returns octets of the complete file; rejects when it could not be written, which leaves none */
  async close(): Promise<number> {
    this.head.end();
    await this.done;
    const { part, name } = this;
    try {
      if (this.problem !== null) throw new Error(this.problem);
      const { size } = await stat(part);
      if (this.replaces) await rename(part, name);
      else await this.linkNew();
      return size;
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      throw error;
    }
  }

  /** Other than `rename`, `link` takes no name that is there already. */
  private async linkNew(): Promise<void> {
    const { part, name } = this;
    await link(part, name).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EEXIST"
        ? new Error(`${name} is there already; it stays as it is`)
        : error;
    });
    await rm(part);
  }
}

function finished(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("finish", resolve);
  });
}
