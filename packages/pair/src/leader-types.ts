/** What a leader remembers of its followers and brackets, what it is told, and what it says. */

export type Phase = "joining" | "heir" | "holding" | "naming" | "declared" | "removing";

/** Who may take over, see `Word`. */
export interface Rights {
  readonly standbys: readonly string[];
  readonly heirs: readonly string[];
}

/** The log of the active that was taken over from, as far as this side has it, and who else has it. */
export interface Inherited {
  /** Of its last bracket. */
  readonly number: number;
  /** Octets of those up to the last that can be handed on. */
  readonly octets: readonly number[];
  readonly heirs: readonly string[];
  readonly nowMs: number;
}

export interface Follower {
  readonly name: string;
  phase: Phase;
  /** Last brackets that it has stored, and run. */
  acked: number;
  applied: number;
  /** Octets of all brackets up to `acked`. */
  ackedOctets: number;
  /** Of an heir that has come: the last bracket that it had stored; 0 of others. */
  had: number;
  /** Octets that it has room for. */
  windowOctets: number;
  /** First bracket behind its image. */
  readonly joinedAt: number;
  /** What peers were told before it was waited for stands in this bracket at the latest. */
  heldFrom: number;
  /** When it began to be waited for, last acknowledged something new, and last ran something. */
  heldMs: number;
  ackedMs: number;
  appliedMs: number;
}

/** A bracket that is not let out, or that a follower has not stored. */
export interface Bracket {
  readonly number: number;
  /** Of all brackets up to this one. */
  readonly endOctets: number;
  readonly sentMs: number;
}

export interface Leader {
  readonly epoch: number;
  readonly patienceMs: number;
  /** Of the last bracket. */
  number: number;
  /** Octets of all brackets. */
  octets: number;
  /** Brackets up to this one are out. */
  released: number;
  brackets: Bracket[];
  followers: Follower[];
  /** Peers may have been acknowledged octets, before the gate was closed, that are in no bracket yet. */
  isOwing: boolean;
  /** First bracket of an active before that can be handed on. */
  readonly inheritedFrom: number;
  /** The last bracket of it, 0 where there is none; what heirs have more is added. */
  inheritedTo: number;
  /** All that may have a right as far as the arbiter's answers tell, and as it is being asked to have them. */
  named: Rights;
  /** Those that the arbiter had at its last answer that is known, and that were not taken out since. */
  answered: Rights;
  asked: Rights | null;
  /** Number of the last question: what comes in answer to one before it tells nothing. */
  question: number;
  /** The gate is closed. */
  isClosed: boolean;
  /** Another side is active: nothing leaves this one any more. */
  isFenced: boolean;
}

export type LeaderEvent =
  /** A bracket has ended. */
  | { readonly event: "commit"; readonly octets: number; readonly nowMs: number }
  /** Somebody wants to follow. */
  | { readonly event: "join"; readonly follower: string; readonly nowMs: number }
  | {
      readonly event: "ack";
      readonly follower: string;
      readonly number: number;
      readonly applied: number;
      readonly windowOctets: number;
      readonly nowMs: number;
    }
  /** Answers `close-gate`; what was received up to then stands in brackets, what peers were told may not. */
  | { readonly event: "gate-closed"; readonly isOwing: boolean }
  /** All that peers had been told before the gate was closed stands in brackets that are out. */
  | { readonly event: "paid" }
  /** It comes back over another link, and has stored all brackets before `next`. */
  | {
      readonly event: "resume";
      readonly follower: string;
      readonly next: number;
      readonly nowMs: number;
    }
  /** The bracket behind the last one has come from an heir, and was run. */
  | {
      readonly event: "gain";
      readonly number: number;
      readonly octets: number;
      readonly nowMs: number;
    }
  | {
      readonly event: "lose";
      readonly follower: string;
      readonly reason: string;
      readonly isSlow: boolean;
    }
  /** The arbiter's answer: whether the word is as it was asked for; `problem` when it is not known. */
  | {
      readonly event: "named";
      readonly question: number;
      readonly isDone: boolean;
      readonly problem: string | null;
    }
  | { readonly event: "fence" }
  /** A few times a second. */
  | { readonly event: "tick"; readonly nowMs: number };

export type LeaderAction =
  /** Brackets up to this one may be seen by peers. */
  | { readonly do: "release"; readonly number: number }
  /** Brackets from one to another go to a follower. */
  | { readonly do: "send"; readonly to: string; readonly from: number; readonly number: number }
  /** The image as of now, then everything from bracket `from` on. */
  | { readonly do: "image"; readonly to: string; readonly from: number }
  /** An heir has brackets that this side lacks, from this one on: they are to come as `gain`. */
  | { readonly do: "fetch"; readonly of: string; readonly from: number }
  | { readonly do: "close-gate" }
  | { readonly do: "open-gate" }
  /**
   * The arbiter is to have these standbys and heirs, and no others; tried until it can be told, or until
   * there is another question.
   */
  | ({ readonly do: "name"; readonly question: number } & Rights)
  | { readonly do: "declared"; readonly to: string }
  | {
      readonly do: "drop";
      readonly follower: string;
      readonly reason: string;
      readonly isSlow: boolean;
    }
  | { readonly do: "fenced" };

/** Whether a follower may have the right to take over, now or in a moment. */
export function isBinding({ phase }: Follower): boolean {
  return phase !== "joining";
}
