/**
 * One side: which role it has, and what it does to get another one.
 *
 *     step(side, event) -> actions         the state is plain data, and changed in place
 *
 *     waiting <------------------------------------------------- leaving
 *       '-> seeking --role--> opening --opened----------------> leading
 *              '--none--> connecting --> following                 |
 *                                           |--lost--> claiming    | switchover
 *                                           '--handover--^  |      v
 *                                                  resuming <    settling > closing > giving > given
 *                                                     '--------> leading                        |
 *                                                                           retaking <-not taken+-taken-> leaving
 *
 * Everything takes time, so each action that is not done at once has an answer that comes as an event, and
 * a state for the time until it comes. What comes in a state in which it means nothing is ignored: an
 * answer to a question of which nobody wants to know any more.
 */

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

/** Whether an active may act; see the arbiter. */
export type Hold = "held" | "unheard" | "doubtful" | "lost";

export interface Side {
  state: State;
  /** Of the role that this side has, or had last. */
  epoch: number;
  /** While it has the role. */
  hold: Hold;
  /** The connections are those of another side: why they are here. */
  cause: string;
  /** They were handed over, and not left. */
  isPlanned: boolean;
  /** This side is to end. */
  isStopping: boolean;
  /** Why it has no role, or had none the last time, for people; empty when it has one. */
  reason: string;
  /** Why the arbiter could not be asked the last time; empty when it could. */
  away: string;
}

export type SideEvent =
  | { readonly event: "start" }
  /** `wait` is over. */
  | { readonly event: "waited" }
  /** Answers `claim`: null for no; `reason` when it could not be asked. */
  | { readonly event: "role"; readonly epoch: number | null; readonly reason: string }
  /** Answer `connect`. */
  | { readonly event: "connected" }
  | { readonly event: "unreachable"; readonly reason: string }
  /** The active has given its role to this side. */
  | { readonly event: "handover"; readonly cause: string }
  /** The active is gone, or of no use; `isUsable`: this side has all that peers may have seen. */
  | { readonly event: "lost"; readonly cause: string; readonly isUsable: boolean }
  /** Answer `resume` and `open`; `failed` answers `claim` as well. */
  | { readonly event: "running" }
  | { readonly event: "differs"; readonly reason: string }
  | { readonly event: "failed"; readonly reason: string }
  | { readonly event: "hold"; readonly hold: Hold; readonly reason: string }
  /** By an operator, or because its addresses are lost. */
  | { readonly event: "switchover"; readonly isDeclared: boolean; readonly reason: string }
  /** Answers `settle`. */
  | { readonly event: "settled"; readonly isSettled: boolean }
  /** Answers `give`: whether the arbiter has it; `reason` why not. */
  | { readonly event: "gave"; readonly isOurs: boolean; readonly reason: string }
  /** Answers `hand-over`; not taken: nothing was heard in time, or the link is gone. */
  | { readonly event: "taken"; readonly isTaken: boolean }
  /** Answers `put-down`. */
  | { readonly event: "down" }
  | { readonly event: "stop" };

export type SideAction =
  | { readonly do: "wait"; readonly ms: number }
  /**
   * Asks the arbiter for the role. `begin`: it may be free; `take-over`: once the active is fenced, as
   * long as nobody can tell; `handed`: it is about to be; `take-back`: if nobody has taken it.
   */
  | { readonly do: "claim"; readonly how: "begin" | "take-over" | "handed" | "take-back" }
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
  /** The standbys have to join again; `isSlow`: they lack nothing else. */
  | { readonly do: "lose-standbys"; readonly reason: string; readonly isSlow: boolean }
  | { readonly do: "stop-reading" }
  | { readonly do: "go-on-reading" }
  | { readonly do: "settle" }
  | { readonly do: "refuse-standbys" }
  | { readonly do: "let-join" }
  /** Nothing happens any more, and the arbiter is told. */
  | { readonly do: "give" }
  | { readonly do: "hand-over" }
  /** The order of a switchover has come to its end; empty: it was done. */
  | { readonly do: "report"; readonly failure: string }
  /** Nothing leaves any more, at once. */
  | { readonly do: "fence" }
  /** `isFree`: the role, if this side still has it, is for whoever comes. */
  | { readonly do: "put-down"; readonly isFree: boolean };

/** Wait before another attempt to find a role, and after something went wrong here. */
const RETRY_MS = 200;
const RETRY_LATER_MS = 2000;

const TAKEN_OVER = "the other side has taken over meanwhile";
export const UNSETTLED = "the standby did not acknowledge everything in time";

export function newSide(): Side {
  return {
    ...{ state: "waiting", epoch: 0, hold: "lost", cause: "", isPlanned: false },
    ...{ isStopping: false, reason: "", away: "" },
  };
}

/** Whether this side has the role, as far as it knows. */
export function hasRole({ state }: Side): boolean {
  return ROLE_STATES.has(state);
}

const ROLE_STATES: ReadonlySet<State> = new Set([
  ...(["resuming", "opening", "leading", "settling", "closing", "giving", "given"] as const),
]);

export type Role = "starting" | "active" | "standby";

/** @returns what people call it; while it takes over, it is what it was `before` */
export function roleOf(side: Side, before: Role): Role {
  const { state } = side;
  if (state === "following" || state === "claiming") return "standby";
  if (state === "resuming") return before;
  return hasRole(side) && state !== "opening" ? "active" : "starting";
}

type Name = SideEvent["event"];
type EventOf<N extends Name> = Extract<SideEvent, { event: N }>;
type Row = {
  readonly [N in Name]?: (
    side: Side,
    event: EventOf<N>,
    act: (...actions: SideAction[]) => void,
  ) => void;
};

/** @returns what is to be done, in that order; nothing where the event means nothing in this state */
export function step(side: Side, event: SideEvent): SideAction[] {
  const actions: SideAction[] = [];
  const act = (...more: SideAction[]) => void actions.push(...more);
  const row = TABLE[side.state];
  const handle = row[event.event] as
    | ((side: Side, event: SideEvent, act: (...actions: SideAction[]) => void) => void)
    | undefined;
  handle?.(side, event, act);
  return actions;
}

/** What happens where; where nothing stands, nothing does. */
export const TABLE: Readonly<Record<State, Row>> = {
  waiting: {
    start: seek,
    waited: seek,
    stop: (side, _, act) => {
      side.isStopping = true;
      leave(side, "", true, act);
    },
  },
  seeking: {
    role: (side, { epoch, reason }, act) => {
      side.away = reason;
      if (epoch !== null) begin(side, epoch, act);
      else {
        side.state = "connecting";
        act({ do: "connect" });
      }
    },
    failed: (side, { reason }, act) => leave(side, reason, true, act),
    stop: noteStop,
  },
  connecting: {
    connected: (side, _, act) => {
      if (side.isStopping) return leave(side, "", true, act);
      side.state = "following";
      act({ do: "follow" });
    },
    unreachable: (side, { reason }, act) => {
      side.reason = side.away || reason;
      wait(side, RETRY_MS, act);
    },
    stop: noteStop,
  },
  following: {
    handover: (side, { cause }, act) => {
      side.state = "claiming";
      side.isPlanned = true;
      side.cause = cause;
      act({ do: "claim", how: "handed" });
    },
    lost: (side, { cause, isUsable }, act) => {
      side.reason = cause;
      side.cause = cause;
      side.isPlanned = false;
      if (!isUsable) return forget(side, cause, act);
      side.state = "claiming";
      act({ do: "claim", how: "take-over" });
    },
    stop: (side, _, act) => {
      side.isStopping = true;
      leave(side, "", true, act);
    },
  },
  claiming: {
    role: (side, { epoch, reason }, act) => {
      if (epoch === null) return forget(side, reason || side.cause, act);
      resume(side, epoch, act);
    },
    failed: giveUp,
    stop: noteStop,
  },
  resuming: {
    running: (side, _, act) => {
      const { isPlanned } = side;
      lead(side, act);
      act({ do: "settle-in", tellTaken: isPlanned });
      leadOn(side, act);
    },
    differs: (side, { reason }, act) => {
      act({ do: "forget", cause: reason });
      begin(side, side.epoch, act);
    },
    failed: giveUp,
    hold: (side, { hold, reason }, act) => {
      side.hold = hold;
      if (hold === "lost") fence(side, reason, act);
    },
    stop: noteStop,
  },
  opening: {
    running: (side, _, act) => {
      lead(side, act);
      leadOn(side, act);
    },
    failed: (side, { reason }, act) => leave(side, reason, true, act),
    hold: (side, { hold, reason }, act) => {
      side.hold = hold;
      if (hold === "lost") fence(side, reason, act);
    },
    stop: noteStop,
  },
  leading: {
    hold: (side, event, act) => {
      if (event.hold === "lost") fence(side, event.reason, act);
      else held(side, event, act);
    },
    switchover: (side, { isDeclared, reason }, act) => {
      if (!isDeclared) return act({ do: "report", failure: reason });
      side.state = "settling";
      act({ do: "stop-reading" }, { do: "settle" });
    },
    stop: (side, _, act) => {
      side.isStopping = true;
      leave(side, "", true, act);
    },
  },
  settling: {
    settled: (side, { isSettled }, act) => {
      if (!isSettled) return goOn(side, UNSETTLED, act);
      side.state = "closing";
      act({ do: "refuse-standbys" }, { do: "settle" });
    },
    switchover: underWay,
    hold: (side, event, act) => {
      if (event.hold === "lost") interrupted(side, event.reason, act);
      else held(side, event, act);
    },
    stop: noteStop,
  },
  closing: {
    settled: (side, { isSettled }, act) => {
      if (!isSettled) {
        act({ do: "lose-standbys", reason: UNSETTLED, isSlow: false }, { do: "let-join" });
        return goOn(side, UNSETTLED, act);
      }
      side.state = "giving";
      act({ do: "give" });
    },
    switchover: underWay,
    hold: (side, event, act) => {
      if (event.hold === "lost") interrupted(side, TAKEN_OVER, act);
      else held(side, event, act);
    },
    stop: noteStop,
  },
  giving: {
    gave: (side, { isOurs, reason }, act) => {
      if (!isOurs) return interrupted(side, reason || TAKEN_OVER, act);
      side.state = "given";
      act({ do: "hand-over" });
    },
    switchover: underWay,
    stop: noteStop,
  },
  given: {
    taken: (side, { isTaken }, act) => {
      if (isTaken) {
        act({ do: "report", failure: "" });
        return leave(side, "", false, act);
      }
      act({ do: "report", failure: "the standby did not say that it has taken over" });
      side.state = "retaking";
      side.cause = "the standby did not take what it was handed";
      side.isPlanned = true;
      act({ do: "claim", how: "take-back" });
    },
    switchover: underWay,
    stop: noteStop,
  },
  retaking: {
    role: (side, { epoch, reason }, act) => {
      if (epoch === side.epoch + 1) return resume(side, epoch, act);
      // One that acted for a moment may have brought peers further than what was frozen here.
      const why = epoch === null ? reason : "it was the active side for a moment";
      act({ do: "forget", cause: `${side.cause}${why === "" ? "" : `: ${why}`}` });
      leave(side, why, epoch !== null, act);
    },
    failed: giveUp,
    stop: noteStop,
  },
  leaving: {
    down: (side, _, act) => {
      if (side.isStopping) side.state = "stopped";
      else wait(side, side.reason === "" ? RETRY_MS : RETRY_LATER_MS, act);
    },
    stop: noteStop,
  },
  stopped: {},
};

type Act = (...actions: SideAction[]) => void;

function seek(side: Side, _: unknown, act: Act): void {
  side.state = "seeking";
  act({ do: "claim", how: "begin" });
}

/** Done once what is under way has its answer. */
function noteStop(side: Side): void {
  side.isStopping = true;
}

function wait(side: Side, ms: number, act: Act): void {
  if (side.isStopping) leave(side, "", true, act);
  else {
    side.state = "waiting";
    act({ do: "wait", ms });
  }
}

function forget(side: Side, cause: string, act: Act): void {
  act({ do: "forget", cause });
  wait(side, RETRY_MS, act);
}

function begin(side: Side, epoch: number, act: Act): void {
  side.epoch = epoch;
  side.hold = "held";
  side.cause = "";
  side.isPlanned = false;
  if (side.isStopping) leave(side, "", true, act);
  else {
    side.state = "opening";
    act({ do: "open", epoch });
  }
}

function resume(side: Side, epoch: number, act: Act): void {
  const { cause, isPlanned } = side;
  side.epoch = epoch;
  side.hold = "held";
  side.state = "resuming";
  act({ do: "resume", epoch, cause, isPlanned });
}

function lead(side: Side, act: Act): void {
  side.state = "leading";
  side.reason = "";
  if (side.hold === "doubtful") act({ do: "drop-addresses" });
}

/** What was noted on the way to the role is done. */
function leadOn(side: Side, act: Act): void {
  if (side.isStopping) leave(side, "", true, act);
}

/** The arbiter has said something of a role that this side still has. */
function held(side: Side, { hold, reason }: EventOf<"hold">, act: Act): void {
  const before = side.hold;
  side.hold = hold;
  if (hold === "unheard") act({ do: "lose-standbys", reason, isSlow: true });
  if (hold === "doubtful" && before !== "doubtful") act({ do: "drop-addresses" });
  if (hold !== "doubtful" && before === "doubtful") act({ do: "claim-addresses" });
}

/** A takeover failed: the other side, or this one without sessions, may do better. */
function giveUp(side: Side, { reason }: EventOf<"failed">, act: Act): void {
  act({ do: "forget", cause: reason });
  leave(side, reason, true, act);
}

/** A switchover came to nothing, and nothing has happened. */
function goOn(side: Side, failure: string, act: Act): void {
  side.state = "leading";
  act({ do: "go-on-reading" }, { do: "report", failure });
  leadOn(side, act);
}

function interrupted(side: Side, reason: string, act: Act): void {
  act({ do: "report", failure: reason });
  fence(side, reason, act);
}

function underWay(_side: Side, _event: unknown, act: Act): void {
  act({ do: "report", failure: "a switchover is under way" });
}

function fence(side: Side, reason: string, act: Act): void {
  act({ do: "fence" }, { do: "forget", cause: reason });
  side.hold = "lost";
  leave(side, "", false, act);
}

function leave(side: Side, reason: string, isFree: boolean, act: Act): void {
  side.state = "leaving";
  side.reason = reason;
  act({ do: "put-down", isFree });
}
