/** Neighbors whose message ended a side of the pair: they are held down before anything more of them is read. */

import {
  HUNG,
  holdDown,
  type Speaker,
  type Suspect,
  suspectIn,
  suspectOfHanging,
} from "@ts-bgp/speaker";
import type { PairOptions } from "./pair-options.ts";
import type { StandbySide } from "./standby-side.ts";

type Notes = Pick<PairOptions, "crash" | "crashFile">;

export class Suspects {
  private readonly notes: Notes;
  /** What the side that this one followed has ended of, until somebody else goes on. */
  private last: Suspect | null = null;
  /** Another side has gone on since this process began: what the one before it died of is settled. */
  private hasFollowed = false;

  constructor(notes: Notes) {
    this.notes = notes;
  }

  /**
   * Following a side has come to its end. Its notes are read now: those of its next start are in the same
   * place.
   *
   * @param isLost - it has not given its role away
   */
  ended(followed: StandbySide, isLost: boolean): void {
    if (followed.peer !== null) this.hasFollowed = true;
    this.last = isLost ? this.of(followed) : null;
  }

  /** This side goes on where another one has ended, or begins with nothing. */
  goOn(speaker: Speaker): void {
    const crash = this.notes.crash();
    const before = this.hasFollowed ? null : (crash?.before ?? null);
    for (const suspect of [before, this.last]) {
      if (suspect !== null) holdDown(speaker, suspect, crash);
    }
    this.last = null;
    this.hasFollowed = true;
  }

  private of({ peer, suspect, isHanging }: StandbySide): Suspect | null {
    // One that was slow for a moment has said what it was at then, which counts only if it hangs.
    if (suspect !== null && suspect.cause !== "") return suspect;
    if (suspect !== null && isHanging) return { ...suspect, cause: HUNG };
    const file = peer === null ? null : this.notes.crashFile(peer.side);
    if (file === null) return null;
    return isHanging ? suspectOfHanging(file) : suspectIn(file);
  }
}
