/** Neighbors whose message ended a side of the pair: they are held down before anything more of them is read. */

import {
  type Ended,
  HUNG,
  holdDown,
  type Speaker,
  type Suspect,
  suspectsIn,
  suspectsOfHanging,
} from "@ts-bgp/speaker";
import type { Side } from "./hello.ts";
import type { PairOptions } from "./pair-options.ts";
import type { StandbySide } from "./standby-side.ts";

type Notes = Pick<PairOptions, "crash" | "crashFile" | "held">;

/** How long a side waits that has ended a second time soon after its start; twice as long each further time. */
const PAUSE_SECONDS = 5;
const PAUSE_SECONDS_MAX = 300;
/** A side that has gone on for so long has told those that follow it whom it holds down. */
const SETTLED_MS = 60_000;

export class Suspects {
  /** What threads and the other side are told of this one. */
  readonly finds: Pick<Side, "notes" | "ended">;
  private readonly notes: Notes;
  /** What the side that this one followed has ended of, until somebody else goes on. */
  private last: readonly Suspect[] = [];
  private lastMs = 0;
  /** Another side has gone on since this process began: what the one before it died of is settled. */
  private hasFollowed = false;

  constructor(notes: Notes) {
    this.notes = notes;
    this.finds = {
      notes: () => notes.crash()?.address ?? null,
      ended: () => {
        const before = notes.crash()?.before ?? null;
        return { ends: before?.row ?? 0, ended: before === null ? "" : endText(before) };
      },
    };
  }

  /**
   * Why this side does not follow the active one yet: it dies of what it is sent, again and again, and each
   * time the active one makes an image for it. The role it takes at once, if it is free.
   */
  get pause(): string | null {
    const before = this.notes.crash()?.before ?? null;
    const seconds = pauseSeconds(before?.row ?? 0);
    if (before === null || performance.now() >= 1000 * seconds) return null;
    const how = `this side has ended ${before.row} times in a row, by ${endText(before)}`;
    return `${how}: it joins ${seconds} s after its start`;
  }

  /**
   * Following a side has come to its end. Its notes are read now: those of its next start are in the same
   * place.
   *
   * @param isLost - it has not given its role away
   */
  ended(followed: StandbySide, isLost: boolean): void {
    if (followed.peer !== null) this.hasFollowed = true;
    const before = isLost ? this.unsettled(followed) : [];
    const now = isLost ? this.of(followed) : [];
    const isNew = ({ address }: Suspect) => now.every((each) => each.address !== address);
    this.last = [...before.filter(isNew), ...now];
    if (now.length > 0) this.lastMs = performance.now();
  }

  /** This side begins with nothing. */
  begin(speaker: Speaker): void {
    this.notes.held.restore(speaker);
    this.goOn(speaker);
  }

  /** This side goes on where another one has ended. */
  goOn(speaker: Speaker): void {
    const crash = this.notes.crash();
    const before = this.hasFollowed ? [] : (crash?.before?.suspects ?? []);
    holdDown(speaker, before, crash);
    holdDown(speaker, this.last, crash);
    // At once: this side may be the next to end.
    this.notes.held.look(speaker.router);
    this.last = [];
    this.hasFollowed = true;
  }

  /** What the side before the one that has ended died of, if that one has not said whom it holds down for it. */
  private unsettled({ machine }: StandbySide): readonly Suspect[] {
    if (performance.now() - this.lastMs > SETTLED_MS) return [];
    return this.last.filter(({ address }) => {
      const neighbor = machine?.router.neighbors.get(address);
      return neighbor !== undefined && neighbor.quarantine === null;
    });
  }

  private of({ peer, suspects, isHanging }: StandbySide): readonly Suspect[] {
    const died = suspects.filter(({ cause }) => cause !== "");
    if (died.length > 0) return died;
    // One that was slow for a moment has said what it was at then, which counts only if it hangs.
    if (suspects.length > 0 && isHanging) return suspects.map((one) => ({ ...one, cause: HUNG }));
    const file = peer === null ? null : this.notes.crashFile(peer.side);
    if (file === null) return [];
    return isHanging ? suspectsOfHanging(file, peer!.epoch) : suspectsIn(file, peer!.epoch);
  }
}

/** @returns for people: "SIGABRT at a message of 192.0.2.1" */
function endText({ cause, suspects }: Ended): string {
  const addresses = suspects.map(({ address }) => address).join(", ");
  return addresses === "" ? cause : `${cause} at a message of ${addresses}`;
}

/** @param row - how often this side has ended */
export function pauseSeconds(row: number): number {
  return row < 2 ? 0 : Math.min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2 ** Math.min(row - 2, 16));
}
