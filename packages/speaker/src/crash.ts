/**
 * What is done when the program dies of a message: whoever reads that message next would die as well. So
 * each process notes in a file what it reads (see `BlackBox`); the one that goes on, the standby or the next
 * start, keeps that message in a file and has its neighbor held down, in place of reading it again.
 */

import path from "node:path";
import {
  type LastRead,
  lastReadIn,
  noteReadingIn,
  type QuarantineOrder,
  READING_OCTETS,
  type Router,
} from "@ts-bgp/router";
import { BlackBox, type LastEnd, readLastEnd, readNotes } from "@ts-bgp/takeover";
import { type Kept, KeptMessages } from "./kept-messages.ts";
import type { Speaker } from "./speaker.ts";

/** For so long those are held down each of whom may have been the one. */
const AMONG_SECONDS = 60;
/** Cause of a process that was ended because it did nothing more. */
export const HUNG = "it hung";

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
  readonly messages: KeptMessages;
  private readonly box: BlackBox;

  /**
   * Begins to note what is read.
   *
   * @param file - of the notes, in a folder that nobody else can write to
   * @param lingerMs - how long the process still lives when it dies of its own doing, for others of its
   *   threads to say so; 0 where that is of no use
   * @param warn - told of a message that cannot be kept
   * @throws Error when there is no room for them, or no way on this host
   */
  constructor(file: string, lingerMs: number, warn: (message: string) => void) {
    this.messages = new KeptMessages(path.join(path.dirname(file), "quarantine"), warn);
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
    for (const suspect of this.before.suspects) this.messages.keep(suspect, now, false);
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
    this.messages.writeNow();
    return suspectsOf({ cause: "an exception", notes: this.box.notes });
  }
}

const NOT_KEPT: Kept = { file: null, count: 1 };

/** That a neighbor is to be held down. */
export interface Hold {
  readonly address: string;
  readonly order: QuarantineOrder;
}

/**
 * How the neighbors of suspects are held down before anything more of them is read. Of several nobody knows
 * which one it was: each one may be it, and is held for a minute, however often that was so before. One that
 * is held down already has not been read from since, and has ended nothing more.
 *
 * @param crash - keeps the messages; null where nothing can be kept
 */
export function holdsOf(
  router: Router,
  suspects: readonly Suspect[],
  crash: Crash | null,
  nowMs: number,
): readonly Hold[] {
  const isAmong = suspects.length > 1;
  const among = isAmong ? `, at messages of ${suspects.length} neighbors` : "";
  return suspects.flatMap((suspect) => {
    const { address } = suspect;
    const { quarantine = null } = router.neighbors.get(address) ?? {};
    // It may have gone from the configuration.
    if (router.refusalOf(address) !== null || (quarantine?.untilMs ?? 0) > nowMs) return [];
    const kept = crash?.messages.keep(suspect, new Date(), !isAmong) ?? NOT_KEPT;
    const cause = `${suspect.cause}${among}`;
    const time = isAmong ? { seconds: AMONG_SECONDS } : {};
    return [{ address, order: { do: "quarantine", cause, ...kept, ...time } }];
  });
}

/** Has a speaker do so; their sessions end with the next slice. */
export function holdDown(
  speaker: Pick<Speaker, "journal" | "now">,
  suspects: readonly Suspect[],
  crash: Crash | null,
): void {
  const { journal } = speaker;
  const nowMs = speaker.now();
  for (const { address, order } of holdsOf(journal.machine.router, suspects, crash, nowMs)) {
    journal.run({ record: "operate", address, order, nowMs });
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
