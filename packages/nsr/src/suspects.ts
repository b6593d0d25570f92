/** Neighbors whose message ended a side of the pair: they are held down before anything more of them is read. */

import type { Router } from "@ts-bgp/router";
import {
  type Ended,
  type Hold,
  HUNG,
  holdDown,
  holdsOf,
  type Speaker,
  type Suspect,
  suspectsIn,
  suspectsOfHanging,
} from "@ts-bgp/speaker";
import type { Side } from "./hello.ts";
import type { PairOptions } from "./pair-options.ts";
import type { StandbySide } from "./standby-side.ts";

type Notes = Pick<PairOptions, "crash" | "crashFile" | "held">;
/** What is asked of a side that was followed. */
type Followed = Pick<StandbySide, "peer" | "suspects" | "isHanging" | "machine">;

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
  /** Those that a router holds down by itself, which was not journalled. */
  private isolated: Hold[] = [];
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
  ended(followed: Followed, isLost: boolean): void {
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

  /** Has a router hold them down that is about to do more than the active has done. */
  isolate(router: Router): void {
    const { nowMs } = router.tables;
    for (const suspects of this.found) {
      for (const hold of holdsOf(router, suspects, this.notes.crash(), nowMs)) {
        router.operate(hold.address, hold.order, nowMs);
        this.isolated.push(hold);
      }
    }
  }

  /** This side goes on where another one has ended. */
  goOn(speaker: Speaker): void {
    this.tellIsolated(speaker);
    for (const suspects of this.found) holdDown(speaker, suspects, this.notes.crash());
    // At once: this side may be the next to end. It is written soon, and before the end where that is an exception.
    this.notes.held.look(speaker.router);
    this.last = [];
    this.hasFollowed = true;
  }

  /** Of this side's start, and of what it has followed. */
  private get found(): readonly (readonly Suspect[])[] {
    const before = this.hasFollowed ? [] : (this.notes.crash()?.before?.suspects ?? []);
    return [before, this.last];
  }

  /** For other standbys, which do what the journal has: for as long, and not as once more. */
  private tellIsolated(speaker: Speaker): void {
    const { journal } = speaker;
    const nowMs = speaker.now();
    for (const { address, order } of this.isolated.splice(0)) {
      const { quarantine = null } = journal.machine.router.neighbors.get(address) ?? {};
      if (quarantine === null) continue;
      const seconds = Math.ceil(Math.max(0, quarantine.untilMs - nowMs) / 1000);
      journal.run({ record: "operate", address, order: { ...order, seconds }, nowMs });
    }
  }

  /** What the side before the one that has ended died of, if that one has not said whom it holds down for it. */
  private unsettled({ machine }: Followed): readonly Suspect[] {
    if (performance.now() - this.lastMs > SETTLED_MS) return [];
    return this.last.filter(({ address }) => {
      const neighbor = machine?.router.neighbors.get(address);
      return neighbor !== undefined && neighbor.quarantine === null;
    });
  }

  private of({ peer, suspects, isHanging }: Followed): readonly Suspect[] {
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
