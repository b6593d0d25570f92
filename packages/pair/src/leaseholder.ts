/**
 * The side that has the role by a lease that an arbiter knows of: until when it may act, and when it is in
 * doubt.
 *
 *     step(holder, event) -> actions       the state is plain data, and changed in place
 *
 * Its lease is renewed at the arbiter all the time; with standbys that are named, echoes of each of them
 * extend it in place of the arbiter's answers. While the lease is over nothing leaves this side, and it goes
 * through
 *
 *     held       it may act
 *     unheard    at once, when the arbiter answers and echoes of a named standby are missing: it can be asked
 *                to take the name out, and whoever comes first, this side or the standby, goes on. Told once
 *                of each standby
 *     doubtful   somewhat later: this side may have been overtaken, and people are told
 *     lost       the arbiter has another holder
 *
 * What the arbiter has is compared by revisions: an answer without `isDone` may belong to a change whose
 * own answer was lost and that was carried out. No clock, no arbiter in here: what a lease is worth now is
 * told with each look, and what to do comes back as actions.
 */

import type { HoldChange } from "./side-types.ts";
import type { Word } from "./word.ts";

/** What a side uses of the time to live of its lease; the rest is for clocks that run at different speeds. */
const LEASE_PART = 0.9;
const RENEWALS_PER_TTL = 6;
/** A lease that has been over for so long is in doubt. */
export const DOUBT_MS = 100;
/** So often the arbiter is asked while the lease is over. */
const RETRY_MS = 100;

export interface Leaseholder {
  readonly ttlMs: number;
  /** As the arbiter had it last, as far as this side knows, and the revision of that. */
  word: Word;
  revision: number;
  hold: "held" | "doubtful" | "lost";
  /** Since when the lease is over; null while it holds. */
  overSinceMs: number | null;
  /** Standbys of which `unheard` was told since the lease is over. */
  unheard: string[];
  /** The role is being given away: the lease gets no longer. */
  isEnding: boolean;
  /** A renewal waits for its answer. */
  isRenewing: boolean;
  /** When the last renewal was sent. */
  renewedMs: number;
}

export type LeaseholderEvent =
  /**
   * Every few milliseconds. `unheard`: named standbys whose echoes do not come; `problem`: why the arbiter
   * did not answer the last time, null when it did.
   */
  | {
      readonly event: "look";
      readonly nowMs: number;
      readonly isValid: boolean;
      readonly unheard: readonly string[];
      readonly problem: string | null;
    }
  /** What the arbiter has after a change that this side sent it at `sentMs`; `isDone`: that change. */
  | {
      readonly event: "settled";
      readonly isDone: boolean;
      readonly word: Word;
      readonly revision: number;
      readonly sentMs: number;
    }
  /** A renewal was answered, or will not be. */
  | { readonly event: "renewed" }
  | { readonly event: "end" };

export type LeaseholderAction =
  /** The arbiter has confirmed that nobody else gets the role before. */
  | { readonly do: "extend"; readonly untilMs: number }
  | { readonly do: "renew" }
  /** After `lost` the role is not this side's any more. */
  | { readonly do: "tell"; readonly change: HoldChange };

/** @param sentMs - when the claim was sent that the arbiter has confirmed */
export function newLeaseholder(
  word: Word,
  revision: number,
  sentMs: number,
  ttlMs: number,
): Leaseholder {
  return {
    ...{ ttlMs, word, revision, hold: "held", overSinceMs: null, unheard: [] },
    ...{ isEnding: false, isRenewing: false, renewedMs: sentMs },
  };
}

/** @returns until when a change that was sent at a time and confirmed lets its side act */
export function leaseUntilMs(sentMs: number, ttlMs: number): number {
  return sentMs + ttlMs * LEASE_PART;
}

/** @returns how long to wait from one renewal of a lease that holds to the next */
export function renewalPeriodMs(ttlMs: number): number {
  return ttlMs / RENEWALS_PER_TTL;
}

/** @returns what is to be done, in that order */
export function step(holder: Leaseholder, event: LeaseholderEvent): LeaseholderAction[] {
  if (holder.hold === "lost") return [];
  switch (event.event) {
    case "look":
      return look(holder, event);
    case "settled":
      return settled(holder, event);
    case "renewed":
      holder.isRenewing = false;
      return [];
    case "end":
      holder.isEnding = true;
      return [];
  }
}

type EventOf<N extends LeaseholderEvent["event"]> = Extract<LeaseholderEvent, { event: N }>;

function look(holder: Leaseholder, event: EventOf<"look">): LeaseholderAction[] {
  const { nowMs, isValid } = event;
  const change = isValid ? goesOn(holder) : isOver(holder, event);
  const actions: LeaseholderAction[] = change === null ? [] : [{ do: "tell", change }];
  const periodMs = isValid ? renewalPeriodMs(holder.ttlMs) : RETRY_MS;
  if (holder.isRenewing || nowMs - holder.renewedMs < periodMs) return actions;
  holder.isRenewing = true;
  holder.renewedMs = nowMs;
  return [...actions, { do: "renew" }];
}

function goesOn(holder: Leaseholder): HoldChange | null {
  holder.overSinceMs = null;
  holder.unheard = [];
  if (holder.hold === "held") return null;
  holder.hold = "held";
  return { hold: "held", reason: null };
}

function isOver(holder: Leaseholder, event: EventOf<"look">): HoldChange | null {
  const { nowMs, problem } = event;
  holder.overSinceMs ??= nowMs;
  const standbys = event.unheard.filter((standby) => !holder.unheard.includes(standby));
  // At once: a standby that is about to take over comes second then. While the arbiter does not answer,
  // neither side can do anything but wait for the next heartbeat that comes through.
  if (standbys.length > 0 && problem === null) {
    holder.unheard.push(...standbys);
    return { hold: "unheard", reason: "the standby has not echoed the heartbeats", standbys };
  }
  if (holder.hold !== "held" || nowMs - holder.overSinceMs < DOUBT_MS) return null;
  holder.hold = "doubtful";
  return { hold: "doubtful", reason: problem ?? "the standby may be about to take over" };
}

function settled(holder: Leaseholder, event: EventOf<"settled">): LeaseholderAction[] {
  const { isDone, word, revision, sentMs } = event;
  // Even when this try was not carried out, an earlier one without an answer may have been.
  if (word.holder !== holder.word.holder) {
    holder.hold = "lost";
    const reason = `${word.active ?? "nobody"} has the role, epoch ${word.epoch}`;
    return [{ do: "tell", change: { hold: "lost", reason } }];
  }
  if (revision > holder.revision) {
    holder.word = word;
    holder.revision = revision;
  }
  if (!isDone || holder.isEnding) return [];
  return [{ do: "extend", untilMs: leaseUntilMs(sentMs, holder.ttlMs) }];
}
