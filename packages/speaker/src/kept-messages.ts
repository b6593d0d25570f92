/**
 * Messages that the program may have died of, each in a file that `tsbgp decode` reads. Nobody waits for the
 * disk: a file has its name at once, and is written beside everything else. An exception that ends the process
 * meanwhile waits for it; a signal does not, and what has not been written then is lost.
 */

import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { LastRead } from "@ts-bgp/router";

/** Files that are kept: of each neighbor the newest, and then the next ones, as long as there is room. */
const FILES_MAX = 100;
/** Of a neighbor, those that count when it comes to how long it is held down. */
const COUNTED_MS = 24 * 3_600_000;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Neighbor and time; the last word is of a message that was one of several, or that ended a standby. */
const NAME = /^(.*)-(\d{4}-\d\d-\d\dT\d\d)(\d\d)(\d\d\.\d{3}Z)(-maybe)?\.hex$/;
/** Of file names: colons and percent signs of IPv6 addresses are trouble in many a tool. */
const ODD = /[^0-9a-fA-F.]/g;

/** A message that is kept. */
export interface Kept {
  readonly file: string | null;
  /** How often a message of its neighbor has ended a process of late, this one included. */
  readonly count: number;
}

interface Named {
  readonly name: string;
  readonly neighbor: string;
  readonly atMs: number;
  readonly isProven: boolean;
}

export class KeptMessages {
  private readonly folder: string;
  private readonly warn: (message: string) => void;
  private readonly kept: Map<LastRead, Kept> = new Map();
  /** What is in the folder, or will be soon. */
  private names: string[] = [];
  /** By file, what is not written yet. */
  private readonly unwritten: Map<string, Uint8Array> = new Map();
  private writing: Promise<void> = Promise.resolve();

  /** @param warn - told of a file that cannot be written */
  constructor(folder: string, warn: (message: string) => void) {
    this.folder = folder;
    this.warn = warn;
    try {
      this.names = readdirSync(folder);
    } catch {
      // There is none yet.
    }
  }

  /** Looks, beside everything else, what is there by now, which another process may have added to. */
  async look(): Promise<void> {
    const found = await readdir(this.folder).catch(() => []);
    const unwritten = [...this.unwritten.keys()].map((file) => path.basename(file));
    this.names = [...new Set([...found, ...unwritten])];
  }

  /**
   * Keeps a message, once.
   *
   * @param isProven - no other message can have been the one, so that it counts
   */
  keep(read: LastRead, now: Date, isProven: boolean): Kept {
    const before = this.kept.get(read);
    if (before !== undefined) return before;
    const neighbor = read.address.replace(ODD, "_");
    const time = now.toISOString().replaceAll(":", "");
    const name = `${neighbor}-${time}${isProven ? "" : "-maybe"}.hex`;
    this.names.push(name);
    const sinceMs = now.getTime() - COUNTED_MS;
    const counted = named(this.names).filter(
      (one) => one.isProven && one.neighbor === neighbor && one.atMs > sinceMs,
    );
    const kept = { file: path.join(this.folder, name), count: Math.max(1, counted.length) };
    this.kept.set(read, kept);
    this.unwritten.set(kept.file, read.message);
    this.writing = this.writing.then(() => this.write(kept.file, read.message));
    return kept;
  }

  /** Resolves when all is written that was kept so far, or cannot be. */
  settled(): Promise<void> {
    return this.writing;
  }

  /** The process ends at once: writes what waits. */
  writeNow(): void {
    for (const [file, message] of this.unwritten) {
      try {
        mkdirSync(this.folder, { recursive: true, mode: FOLDER_MODE });
        writeFileSync(file, textOf(message), { mode: FILE_MODE });
      } catch (error) {
        this.warn(`${file} cannot be written: ${(error as Error).message}`);
      }
    }
    this.unwritten.clear();
  }

  private async write(file: string, message: Uint8Array): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true, mode: FOLDER_MODE });
      await writeFile(file, textOf(message), { mode: FILE_MODE });
      this.unwritten.delete(file);
      for (const name of surplus(await readdir(this.folder))) {
        await rm(path.join(this.folder, name), { force: true });
      }
    } catch (error) {
      this.unwritten.delete(file);
      this.warn(`${file} cannot be written: ${(error as Error).message}`);
    }
  }
}

function textOf(message: Uint8Array): string {
  return `${Buffer.from(message).toString("hex")}\n`;
}

/** @returns names of files that go: who has many loses the oldest of them, before others lose any */
function surplus(names: readonly string[]): readonly string[] {
  const newestFirst = [...named(names)].sort((a, b) => b.atMs - a.atMs);
  const counts = new Map<string, number>();
  const ranked = newestFirst.map(({ name, neighbor }) => {
    const rank = counts.get(neighbor) ?? 0;
    counts.set(neighbor, rank + 1);
    return { name, rank };
  });
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.slice(FILES_MAX).map(({ name }) => name);
}

function named(names: readonly string[]): readonly Named[] {
  return names.flatMap((name) => {
    const [, neighbor, hour, minute, second, maybe] = NAME.exec(name) ?? [];
    if (neighbor === undefined) return [];
    const atMs = Date.parse(`${hour}:${minute}:${second}`);
    return [{ name, neighbor, atMs, isProven: maybe === undefined }];
  });
}
