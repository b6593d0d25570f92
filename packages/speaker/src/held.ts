/**
 * Which neighbors are held down, in a file: a start of both sides at once, or of one that runs alone, is not
 * to read again what has ended the program.
 */

import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import type { QuarantineOrder, Router } from "@ts-bgp/router";
import type { Bfd } from "./bfd.ts";
import { type Crash, holdDown } from "./crash.ts";
import type { Speaker } from "./speaker.ts";

const FILE_MODE = 0o600;
/** A file that has more is none of these. */
const FILE_OCTETS_MAX = 1 << 20;
const ENTRIES_MAX = 1000;
/** Longest time that one is held down, whatever clocks say. */
const SECONDS_MAX = 3600;

/** Of the file. */
interface Entry extends Omit<QuarantineOrder, "do" | "seconds"> {
  readonly address: string;
  /** Milliseconds since 1970, by the clock of the host. */
  readonly untilMs: number;
}

export class Held {
  private readonly file: string;
  /** What the file says, or will soon, in the clock of the router; null for nothing. */
  private written: string | null = null;
  private writing: Promise<void> = Promise.resolve();
  /** Text of the file that is not there yet. */
  private unwritten: string | null = null;
  private readonly warn: (message: string) => void;
  private isWarned = false;

  /** @param file - in a folder that nobody else can write to @param warn - told of a file that is of no use */
  constructor(file: string, warn: (message: string) => void) {
    this.file = file;
    this.warn = warn;
  }

  /** Has a speaker that begins anew hold those down that were, for the rest of their time. */
  restore(speaker: Pick<Speaker, "journal" | "now">): void {
    const nowMs = Date.now();
    for (const { address, untilMs, cause, count, file } of this.read()) {
      const seconds = Math.min(SECONDS_MAX, Math.ceil((untilMs - nowMs) / 1000));
      // It may have gone from the configuration.
      if (seconds <= 0 || speaker.journal.machine.router.refusalOf(address) !== null) continue;
      const order = { do: "quarantine", cause, count, file, seconds } as const;
      speaker.journal.run({ record: "operate", address, order, nowMs: speaker.now() });
    }
  }

  /** Writes who is held down now, if that has changed; nobody waits for the disk but `writeNow`. */
  look({ neighbors, tables: { nowMs } }: Pick<Router, "neighbors" | "tables">): void {
    const held = [...neighbors.values()].flatMap(({ config, quarantine }) =>
      quarantine !== null && quarantine.untilMs > nowMs
        ? [{ address: config.address, ...quarantine }]
        : [],
    );
    const now = JSON.stringify(held);
    if (now === this.written) return;
    this.written = now;
    const entries: Entry[] = held.slice(0, ENTRIES_MAX).map(({ address, cause, ...one }) => ({
      address,
      cause,
      count: one.count,
      file: one.file,
      untilMs: Math.round(Date.now() + one.untilMs - nowMs),
    }));
    const text = `${JSON.stringify(entries, null, 1)}\n`;
    this.unwritten = text;
    this.writing = this.writing.then(() => this.write(text));
  }

  /** The process ends at once: writes what waits. */
  writeNow(): void {
    if (this.unwritten === null) return;
    try {
      // Another name than what is under way has.
      const last = `${this.file}.last`;
      writeFileSync(last, this.unwritten, { mode: FILE_MODE, flush: true });
      renameSync(last, this.file);
      this.unwritten = null;
    } catch (error) {
      this.warn(`cannot be written: ${(error as Error).message}`);
    }
  }

  /** Resolves when the file says what was seen last, or cannot be written. */
  settled(): Promise<void> {
    return this.writing;
  }

  private async write(text: string): Promise<void> {
    try {
      const fresh = `${this.file}.new`;
      // On the disk before it has the name: an end of the host must not leave it empty.
      await writeFile(fresh, text, { mode: FILE_MODE, flush: true });
      await rename(fresh, this.file);
      if (this.unwritten === text) this.unwritten = null;
      this.isWarned = false;
    } catch (error) {
      // The next look tries again.
      this.written = null;
      if (!this.isWarned) this.warn(`cannot be written: ${(error as Error).message}`);
      this.isWarned = true;
    }
  }

  private read(): readonly Entry[] {
    try {
      const { size } = statSync(this.file);
      if (size > FILE_OCTETS_MAX) throw new Error(`it has ${size} octets`);
      const json: unknown = JSON.parse(readFileSync(this.file, "utf8"));
      if (!Array.isArray(json) || json.length > ENTRIES_MAX || !json.every(isEntry)) {
        throw new Error("it is no list of neighbors that are held down");
      }
      return json;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") this.warn(`is ignored: ${message}`);
      return [];
    }
  }
}

/** A speaker that no other one follows begins: whoever is held down stays so, as does who ended the process before. */
export function beginAlone(speaker: Speaker, held: Held, crash: Crash | null, bfd: Bfd): void {
  bfd.lead(speaker);
  // It is no standby, whose ends in a row would count.
  crash?.leads(1);
  held.restore(speaker);
  holdDown(speaker, crash?.before?.suspects ?? [], crash);
  held.look(speaker.router);
}

function isEntry(json: unknown): json is Entry {
  if (typeof json !== "object" || json === null) return false;
  const { address, cause, count, file, untilMs } = json as Readonly<Record<string, unknown>>;
  const areTexts = typeof address === "string" && typeof cause === "string";
  const isCount = Number.isSafeInteger(count) && (count as number) >= 1;
  return (
    areTexts && isCount && Number.isFinite(untilMs) && (file === null || typeof file === "string")
  );
}
