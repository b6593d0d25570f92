/** What the machine of a side is told, what it says, and what it remembers. */

export type State =
  /** Has no role, and will look for one in a while. */
  | "waiting"
  /** Asks for the role. */
  | "seeking"
  /** There is an active: looks for a way to it. */
  | "connecting"
  | "following"
  /** The active is gone, or gives its role to this side: claims it. */
  | "claiming"
  /** Another standby has the role: looks for a way to it, to go on with it where this side is. */
  | "returning"
  /** Has the role, and gives the connections sockets here. */
  | "resuming"
  /** Has the role, and begins without connections. */
  | "opening"
  | "leading"
  /** A switchover: the standby is to have everything; what comes stays with the kernel. */
  | "settling"
  /** Nobody may join any more, and the standby is to have what has come up meanwhile. */
  | "closing"
  /** Does nothing more, and says so to the arbiter. */
  | "giving"
  /** Waits for the standby's word that it acts. */
  | "given"
  /** It did not come: asks for the role back. */
  | "retaking"
  /** Puts everything down. */
  | "leaving"
  | "stopped";

/**
 * Whether this side may act as the active one. `unheard`: it may not now, because some standbys were not
 * heard in time; it may as soon as their names are out. `doubtful`: the same for a while already, or
 * there is no standby and nobody can tell. `lost`: another one has the role.
 */
export type Hold = "held" | "unheard" | "doubtful" | "lost";

/** What the arbiter says of that; `reason` is for people. */
export type HoldChange =
  | { readonly hold: "held" | "doubtful"; readonly reason: string | null }
  | { readonly hold: "unheard"; readonly reason: string; readonly standbys: readonly string[] }
  | { readonly hold: "lost"; readonly reason: string };

export interface Side {
  state: State;
  /** Of the role that this side has, or had last. */
  epoch: number;
  /** While it has the role. */
  hold: Hold;
  /** The connections are those of another side: why they are here; empty before there were any. */
  cause: string;
  /** They were handed over, and not left. */
  isPlanned: boolean;
  /** This side is to end. */
  isStopping: boolean;
  /** Why it has no role, or had none the last time, for people; null when it has one. */
  reason: string | null;
  /** Why the arbiter could not be asked the last time; null when it could. */
  away: string | null;
  /** What the arbiter said last in the middle of a switchover, to be heeded if that comes to nothing. */
  deferred: "held" | "doubtful" | null;
  /** Until it looks for a role again, once everything is put down. */
  delayMs: number;
}

export type SideEvent =
  | { readonly event: "start" }
  /** `wait` is over. */
  | { readonly event: "waited" }
  /** Answers `claim`: null for no; `reason` when it could not be asked. */
  | { readonly event: "role"; readonly epoch: number | null; readonly reason: string | null }
  /** Answers `claim`: another standby has the role, or is about to have it, and this side may go on with it. */
  | { readonly event: "passed-over" }
  /** Answer `connect`. */
  | { readonly event: "connected" }
  | { readonly event: "unreachable"; readonly reason: string }
  /** The active has given its role to this side. */
  | { readonly event: "handover"; readonly cause: string }
  /** The active is gone, or of no use; `isUsable`: this side has all that peers may have seen. */
  | { readonly event: "lost"; readonly cause: string; readonly isUsable: boolean }
  /** Answer `resume` and `open`; `failed` whatever takes time. */
  | { readonly event: "running" }
  | { readonly event: "differs"; readonly reason: string }
  | { readonly event: "failed"; readonly reason: string }
  | ({ readonly event: "hold" } & HoldChange)
  /** By an operator, or because its addresses are lost; `refusal`: why no standby may take over, null if one may. */
  | { readonly event: "switchover"; readonly refusal: string | null }
  /** Answers `settle`. */
  | { readonly event: "settled"; readonly isSettled: boolean }
  /** Answers `give`: whether the arbiter has it; `reason` why not. */
  | { readonly event: "gave"; readonly isOurs: boolean; readonly reason: string | null }
  /** Answers `hand-over`; not taken: nothing was heard in time, or the link is gone. */
  | { readonly event: "taken"; readonly isTaken: boolean }
  /** Answers `put-down`. */
  | { readonly event: "down" }
  | { readonly event: "stop" };

export type SideAction =
  | { readonly do: "wait"; readonly ms: number }
  /**
   * Asks the arbiter for the role. `begin`: whether it is free; `take-over`: until the active is fenced,
   * or has taken this side's right back; `handed`: until it is free, which is about to be; `take-back`:
   * whether nobody has taken it.
   */
  | { readonly do: "claim"; readonly how: "begin" | "take-over" | "handed" | "take-back" }
  /** The arbiter is not to be waited for any more. */
  | { readonly do: "withdraw" }
  | { readonly do: "connect" }
  | { readonly do: "follow" }
  /** The state of the one that was followed is of no use: its sessions are lost, unless it goes on. */
  | { readonly do: "forget"; readonly cause: string }
  | { readonly do: "open"; readonly epoch: number }
  | {
      readonly do: "resume";
      readonly epoch: number;
      readonly cause: string;
      readonly isPlanned: boolean;
    }
  /** Lets a standby join, and listens. */
  | { readonly do: "settle-in"; readonly tellTaken: boolean }
  | { readonly do: "claim-addresses" }
  | { readonly do: "drop-addresses" }
  /** These standbys, null for all, have to join again; `isSlow`: they lack nothing else. */
  | {
      readonly do: "lose-standbys";
      readonly reason: string;
      readonly isSlow: boolean;
      readonly standbys: readonly string[] | null;
    }
  | { readonly do: "stop-reading" }
  | { readonly do: "go-on-reading" }
  | { readonly do: "settle" }
  | { readonly do: "refuse-standbys" }
  | { readonly do: "let-join" }
  /** Nothing happens any more, and the arbiter is told. */
  | { readonly do: "give" }
  | { readonly do: "hand-over" }
  /** The order of a switchover has come to its end; `failure` is null when it was done. */
  | { readonly do: "report"; readonly failure: string | null }
  /** Nothing leaves any more, at once. */
  | { readonly do: "fence" }
  /** `isFree`: the role, if this side still has it, is for whoever comes. */
  | { readonly do: "put-down"; readonly isFree: boolean };
