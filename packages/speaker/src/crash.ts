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
/** The same of a message that was one of several, or that ended a standby: it does not count. */
const ENDING_UNPROVEN = "-maybe.hex";
/** For so long those are held down each of whom may have been the one. */
const AMONG_SECONDS = 60;
/** Cause of a process that was ended because it did nothing more. */
export const HUNG = "it hung";
/** Of file names: colons and percent signs of IPv6 addresses are trouble in many a tool. */
const ODD = /[^0-9a-fA-F.]/g;

/** Whose message a process may have died of, or hangs in. */
export interface Suspect extends LastRead {
  /** For people: "SIGABRT", "an exception", "it hung". */
  readonly cause: string;
}

/** How the process before ended. */
export interface Ended {
  /** For people, as that of a suspect. */
  readonly cause: string;
  /** How many in a row have ended so, each soon after it began, and without having been active. */
  readonly row: number;
  readonly suspects: readonly Suspect[];
}

export class Crash {
  /** What the process before died of; null when it did not end by its own doing. */
  readonly before: Ended | null;
  private readonly box: BlackBox;
  private readonly folder: string;
  /** Of the process before. */
  private readonly kept: Map<LastRead, Kept> = new Map();

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
    const { before } = this.box;
    this.before =
      before === null
        ? null
        : { cause: before.cause, row: before.row, suspects: suspectsOf(before) };
    noteReadingIn(this.box.notes);
    if (this.before === null || this.before.row === 0) return;
    // As a standby: the active side may have survived the message, and holds nobody down for it.
    const now = new Date();
    for (const suspect of this.before.suspects)
      this.kept.set(suspect, this.write(suspect, now, false));
  }

  /** Where the notes are, for threads of this process. */
  get address(): bigint {
    return this.box.address;
  }

  /** This side is the active one of an epoch, 0 for no more: what it notes from now on is of that. */
  leads(epoch: number): void {
    this.box.goBy(epoch);
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

  /** An exception ends the process. @returns whose messages it may be put down to */
  noteException(): readonly Suspect[] {
    this.box.noteException();
    return suspectsOf({ cause: "an exception", notes: this.box.notes });
  }

  /**
   * Keeps a message, once.
   *
   * @param isProven - no other message can have been the one
   * @returns the file, null when it could not be written; and how often a message of this neighbor was kept
   *   of late, this one included
   */
  keep(read: LastRead, now: Date, isProven: boolean): Kept {
    return this.kept.get(read) ?? this.write(read, now, isProven);
  }

  private write({ address, message }: LastRead, now: Date, isProven: boolean): Kept {
    const name = address.replace(ODD, "_");
    try {
      mkdirSync(this.folder, { recursive: true, mode: FOLDER_MODE });
      const time = now.toISOString().replaceAll(":", "");
      const ending = isProven ? ENDING : ENDING_UNPROVEN;
      const file = path.join(this.folder, `${name}-${time}${ending}`);
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
      file.startsWith(`${name}-`) && !file.endsWith(ENDING_UNPROVEN) && atMs > nowMs - COUNTED_MS;
    return Math.max(1, aged.filter(isCounted).length);
  }
}

interface Kept {
  readonly file: string | null;
  readonly count: number;
}

const NOT_KEPT: Kept = { file: null, count: 1 };

/**
 * Has a speaker hold the neighbors of suspects down before anything more of them is read; their sessions end
 * with the next slice. Of several nobody knows which one it was: each one may be it, and is held for a minute,
 * however often that was so before. One that is held down already has not been read from since, and has
 * ended nothing more.
 *
 * @param crash - keeps the messages; null where nothing can be kept
 */
export function holdDown(
  speaker: Pick<Speaker, "journal" | "now">,
  suspects: readonly Suspect[],
  crash: Crash | null,
): void {
  const isAmong = suspects.length > 1;
  const among = isAmong ? `, at messages of ${suspects.length} neighbors` : "";
  for (const suspect of suspects) {
    const { address } = suspect;
    const { router } = speaker.journal.machine;
    const { quarantine = null } = router.neighbors.get(address) ?? {};
    const nowMs = speaker.now();
    // It may have gone from the configuration.
    if (router.refusalOf(address) !== null || (quarantine?.untilMs ?? 0) > nowMs) continue;
    const kept = crash?.keep(suspect, new Date(), !isAmong) ?? NOT_KEPT;
    const cause = `${suspect.cause}${among}`;
    const time = isAmong ? { seconds: AMONG_SECONDS } : {};
    const order = { do: "quarantine", cause, ...kept, ...time } as const;
    speaker.journal.run({ record: "operate", address, order, nowMs });
  }
}

/**
 * @param epoch - that the process was active in: the notes of a later one say nothing of it
 * @returns what another process died of, by its notes; empty when it did not, or of nothing that was read
 */
export function suspectsIn(file: string, epoch: number): readonly Suspect[] {
  const end = readLastEnd(file);
  return end?.name === (epoch | 0) ? suspectsOf(end) : [];
}

/** @returns what a process hangs in that was found to do nothing more; empty for nothing that was read */
export function suspectsOfHanging(file: string, epoch: number): readonly Suspect[] {
  const found = readNotes(file);
  return found?.name === (epoch | 0) ? suspectsOf({ cause: HUNG, notes: found.notes }) : [];
}

function suspectsOf({ cause, notes }: Pick<LastEnd, "cause" | "notes">): readonly Suspect[] {
  return lastReadIn(notes).map((read) => ({ ...read, cause }));
}
