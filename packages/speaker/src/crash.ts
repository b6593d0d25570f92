/**
 * What is done when the program dies of a message: whoever reads that message next would die as well. So
 * each process notes in a file what it reads (see `BlackBox`); the one that goes on, the standby or the next
 * start, keeps that message in a file and has its neighbor held down, in place of reading it again.
 */

import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type LastRead, lastReadIn, noteReadingIn, READING_OCTETS } from "@ts-bgp/router";
import { BlackBox, type LastEnd, readLastEnd, readNotes } from "@ts-bgp/takeover";
import type { Speaker } from "./speaker.ts";

/** Messages that are kept; the oldest go. */
const FILES_MAX = 100;
/** Of a neighbor, those that count when it comes to how long it is held down. */
const COUNTED_MS = 24 * 3_600_000;
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** As `tsbgp decode` reads it. */
const ENDING = ".hex";
/** Cause of a process that was ended because it did nothing more. */
export const HUNG = "it hung";
/** Of file names: colons and percent signs of IPv6 addresses are trouble in many a tool. */
const ODD = /[^0-9a-fA-F.]/g;

/** Whose message a process died of, or hangs in. */
export interface Suspect extends LastRead {
  /** For people: "SIGABRT", "an exception", "it hung". */
  readonly cause: string;
}

export class Crash {
  /** What the process before died of; null when it did not, or of nothing that was read. */
  readonly before: Suspect | null;
  private readonly box: BlackBox;
  private readonly folder: string;

  /**
   * Begins to note what is read.
   *
   * @param file - of the notes, in a folder that nobody else can write to
   * @param lingerMs - how long the process still lives when it dies of its own doing, for others of its
   *   threads to say so; 0 where that is of no use
   * @throws Error when there is no room for them, or no way on this host
   */
  constructor(file: string, lingerMs: number) {
    this.folder = path.join(path.dirname(file), "quarantine");
    this.box = BlackBox.open(file, READING_OCTETS, lingerMs);
    this.before = suspectOf(this.box.before);
    noteReadingIn(this.box.notes);
  }

  /** Where the notes are, for threads of this process. */
  get address(): bigint {
    return this.box.address;
  }

  /**
   * The process ends as it should: nothing is left of its notes.
   *
   * @param hasBegun - whether what the process before died of was seen to; if not, the next start finds it
   */
  end(hasBegun: boolean): void {
    noteReadingIn(null);
    this.box.remove(!hasBegun);
  }

  /** An exception ends the process. @returns whose message it is to be put down to; null for nobody's */
  noteException(): Suspect | null {
    this.box.noteException();
    return suspectOf({ cause: "an exception", notes: this.box.notes });
  }

  /**
   * Keeps a message.
   *
   * @returns the file, null when it could not be written; and how often a message of this neighbor was kept
   *   of late, this one included
   */
  keep({ address, message }: LastRead, now: Date): { file: string | null; count: number } {
    const name = address.replace(ODD, "_");
    try {
      mkdirSync(this.folder, { recursive: true, mode: FOLDER_MODE });
      const time = now.toISOString().replaceAll(":", "");
      const file = path.join(this.folder, `${name}-${time}${ENDING}`);
      const hex = Buffer.from(message).toString("hex");
      writeFileSync(file, `${hex}\n`, { mode: FILE_MODE });
      return { file, count: this.tidy(name, now.getTime()) };
    } catch {
      // A full disk must not have the message read again.
      return NOT_KEPT;
    }
  }

  /** @returns how many files of this neighbor count */
  private tidy(name: string, nowMs: number): number {
    const files = readdirSync(this.folder).filter((file) => file.endsWith(ENDING));
    const aged = files.map((file) => {
      // The other side may have removed it meanwhile.
      const stat = statSync(path.join(this.folder, file), { throwIfNoEntry: false });
      return { file, atMs: stat?.mtimeMs ?? 0 };
    });
    aged.sort((a, b) => b.atMs - a.atMs);
    for (const { file } of aged.slice(FILES_MAX))
      rmSync(path.join(this.folder, file), { force: true });
    const isCounted = ({ file, atMs }: (typeof aged)[number]) =>
      file.startsWith(`${name}-`) && atMs > nowMs - COUNTED_MS;
    return Math.max(1, aged.filter(isCounted).length);
  }
}

const NOT_KEPT = { file: null, count: 1 } as const;

/**
 * Has a speaker hold the neighbor of a suspect down before anything more of it is read; its session ends with
 * the next slice.
 *
 * @param crash - keeps the message; null where nothing can be kept
 */
export function holdDown(
  speaker: Pick<Speaker, "journal" | "now">,
  suspect: Suspect,
  crash: Crash | null,
): void {
  const { address, cause } = suspect;
  // It may have gone from the configuration.
  if (!speaker.journal.machine.router.neighbors.has(address)) return;
  const kept = crash?.keep(suspect, new Date()) ?? NOT_KEPT;
  const order = { do: "quarantine", cause, ...kept } as const;
  speaker.journal.run({ record: "operate", address, order, nowMs: speaker.now() });
}

/** @returns what another process died of, by its notes; null when it did not, or of nothing that was read */
export function suspectIn(file: string): Suspect | null {
  return suspectOf(readLastEnd(file));
}

/** @returns what a process hangs in that was found to do nothing more; null for nothing that was read */
export function suspectOfHanging(file: string): Suspect | null {
  const notes = readNotes(file);
  return suspectOf(notes === null ? null : { cause: HUNG, notes });
}

function suspectOf(end: LastEnd | null): Suspect | null {
  const read = end === null ? null : lastReadIn(end.notes);
  return read === null ? null : { ...read, cause: end!.cause };
}
