/**
 * One side: which role it has, and what it does to get another one.
 *
 *     step(side, event) -> actions         the state is plain data, and changed in place
 *
 *     waiting <------------------------------------------------- leaving
 *       '-> seeking --role--> opening --opened----------------> leading
 *              '--none--> connecting --> following                 |
 *                                           |--lost--> claiming    | switchover
 *                                           '--handover--^  |      v       claiming <-> returning > following
 *                                                  resuming <    settling > closing > giving > given
 *                                                     '--------> leading                        |
 *                                                                           retaking <-not taken+-taken-> leaving
 *
 * Everything takes time, so each action that is not done at once has an answer that comes as an event, and
 * a state for the time until it comes. What comes in a state in which it means nothing is ignored: an
 * answer to a question of which nobody wants to know any more.
 */

import type { Side, SideAction, SideEvent, State } from "./side-types.ts";

/** Wait before another attempt to find a role, and after something went wrong here. */
const RETRY_MS = 200;
const RETRY_LATER_MS = 2000;

const TAKEN_OVER = "the other side has taken over meanwhile";
export const UNSETTLED = "the standby did not acknowledge everything in time";

export function newSide(): Side {
  return {
    ...{ state: "waiting", epoch: 0, hold: "lost", cause: "", isPlanned: false },
    ...{ isStopping: false, reason: null, away: null, deferred: null, delayMs: 0 },
  };
}

/** Whether this side has the role, as far as it knows. */
function hasRole({ state }: Side): boolean {
  return ROLE_STATES.has(state);
}

const ROLE_STATES: ReadonlySet<State> = new Set([
  ...(["resuming", "opening", "leading", "settling", "closing", "giving", "given"] as const),
]);

/** @returns what came to nothing when something fails in this state; `isRare`: it is not tried again */
export function failureIn({ state }: Side): { readonly what: string; readonly isRare: boolean } {
  switch (state) {
    case "claiming":
    case "returning":
    case "resuming":
    case "retaking":
      return { what: "the takeover failed", isRare: true };
    case "settling":
    case "closing":
    case "giving":
    case "given":
      return { what: "the switchover failed", isRare: true };
    default:
      return { what: "cannot be active", isRare: false };
  }
}

export type Role = "starting" | "active" | "standby";

/** @returns what people call it; while it takes over, it is what it was `before` */
export function roleOf(side: Side, before: Role): Role {
  const { state } = side;
  if (state === "following" || state === "claiming" || state === "returning") return "standby";
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
      leave(side, null, true, act);
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
    failed: notYet,
    stop: noteStop,
  },
  connecting: {
    connected: (side, _, act) => {
      if (side.isStopping) return leave(side, null, true, act);
      side.state = "following";
      act({ do: "follow" });
    },
    unreachable: (side, { reason }, act) => {
      side.reason = side.away ?? reason;
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
      leave(side, null, true, act);
    },
  },
  claiming: {
    role: (side, { epoch, reason }, act) => {
      if (epoch === null) return forget(side, reason ?? side.cause, act);
      resume(side, epoch, act);
    },
    "passed-over": (side, _, act) => {
      if (side.isStopping) return forget(side, side.cause, act);
      side.state = "returning";
      act({ do: "connect" });
    },
    failed: giveUp,
    stop: (side, _, act) => {
      side.isStopping = true;
      act({ do: "withdraw" });
    },
  },
  returning: {
    connected: (side, _, act) => {
      if (side.isStopping) return leave(side, null, true, act);
      side.state = "following";
      act({ do: "follow" });
    },
    unreachable: (side, _, act) => {
      if (side.isStopping) return forget(side, side.cause, act);
      side.state = "claiming";
      side.isPlanned = false;
      act({ do: "claim", how: "take-over" });
    },
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
    hold: (side, event, act) => {
      if (event.hold === "lost") fence(side, event.reason, act);
      else held(side, event, act);
    },
    stop: noteStop,
  },
  opening: {
    running: (side, _, act) => {
      lead(side, act);
      leadOn(side, act);
    },
    failed: notYet,
    hold: (side, event, act) => {
      if (event.hold === "lost") fence(side, event.reason, act);
      else held(side, event, act);
    },
    stop: noteStop,
  },
  leading: {
    hold: (side, event, act) => {
      if (event.hold === "lost") fence(side, event.reason, act);
      else held(side, event, act);
    },
    switchover: (side, { refusal }, act) => {
      if (refusal !== null) return act({ do: "report", failure: refusal });
      side.state = "settling";
      act({ do: "stop-reading" }, { do: "settle" });
    },
    stop: (side, _, act) => {
      side.isStopping = true;
      leave(side, null, true, act);
    },
  },
  settling: {
    settled: (side, { isSettled }, act) => {
      if (!isSettled) return goOn(side, UNSETTLED, act);
      side.state = "closing";
      side.deferred = null;
      act({ do: "refuse-standbys" }, { do: "settle" });
    },
    failed: (side, { reason }, act) => goOn(side, reason, act),
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
        return openAgain(side, UNSETTLED, act);
      }
      side.state = "giving";
      act({ do: "give" });
    },
    failed: (side, { reason }, act) => openAgain(side, reason, act),
    switchover: underWay,
    // No heartbeat is echoed any more, and that means nothing.
    hold: (side, { hold }, act) => {
      if (hold === "lost") interrupted(side, TAKEN_OVER, act);
      else if (hold !== "unheard") side.deferred = hold;
    },
    stop: noteStop,
  },
  giving: {
    gave: (side, { isOurs, reason }, act) => {
      if (!isOurs) return interrupted(side, reason ?? TAKEN_OVER, act);
      side.state = "given";
      act({ do: "hand-over" });
    },
    failed: (side, { reason }, act) => interrupted(side, reason, act),
    switchover: underWay,
    stop: noteStop,
  },
  given: {
    taken: (side, { isTaken }, act) => {
      if (isTaken) {
        act({ do: "report", failure: null });
        return leave(side, null, false, act);
      }
      act({ do: "report", failure: "the standby did not say that it has taken over" });
      side.state = "retaking";
      side.cause = "the standby did not take what it was handed";
      side.isPlanned = true;
      act({ do: "claim", how: "take-back" });
    },
    failed: (side, { reason }, act) => interrupted(side, reason, act),
    switchover: underWay,
    stop: noteStop,
  },
  retaking: {
    role: (side, { epoch, reason }, act) => {
      if (epoch === side.epoch + 1) return resume(side, epoch, act);
      // One that acted for a moment may have brought peers further than what was frozen here.
      const why =
        epoch === null
          ? (reason ?? "another side has the role")
          : "it was the active side for a moment";
      act({ do: "forget", cause: `${side.cause}: ${why}` });
      leave(side, why, epoch !== null, act);
    },
    failed: giveUp,
    stop: noteStop,
  },
  leaving: {
    down: (side, _, act) => {
      if (side.isStopping) side.state = "stopped";
      else wait(side, side.delayMs, act);
    },
    // Sessions may still be at their end; whoever has the role now has them.
    hold: (_, { hold, reason }, act) => {
      if (hold !== "lost") return;
      act({ do: "fence" }, { do: "drop-addresses" }, { do: "forget", cause: reason });
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
  if (side.isStopping) leave(side, null, true, act);
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
  if (side.isStopping) leave(side, null, true, act);
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
  side.reason = null;
  if (side.hold === "doubtful") act({ do: "drop-addresses" });
}

/** What was noted on the way to the role is done. */
function leadOn(side: Side, act: Act): void {
  if (side.isStopping) leave(side, null, true, act);
}

/** The arbiter has said something of a role that this side still has. */
function held(side: Side, event: EventOf<"hold">, act: Act): void {
  const { hold } = event;
  if (event.hold === "unheard") {
    // In doubt or not, it is a standby that cannot be relied on.
    act({ do: "lose-standbys", reason: event.reason, isSlow: true, standbys: event.standbys });
    return;
  }
  const before = side.hold;
  side.hold = hold;
  if (hold === "doubtful" && before !== "doubtful") act({ do: "drop-addresses" });
  if (hold === "held" && before === "doubtful") act({ do: "claim-addresses" });
}

/** A takeover failed: the other side, or this one without sessions, may do better. */
function giveUp(side: Side, { reason }: EventOf<"failed">, act: Act): void {
  act({ do: "forget", cause: reason });
  leave(side, reason, true, act);
  side.delayMs = RETRY_MS;
}

/** Something is missing here; nobody is kept from the role meanwhile. */
function notYet(side: Side, { reason }: EventOf<"failed">, act: Act): void {
  leave(side, reason, true, act);
  side.delayMs = RETRY_LATER_MS;
}

/** The same once nobody could join any more. */
function openAgain(side: Side, failure: string, act: Act): void {
  act({ do: "lose-standbys", reason: failure, isSlow: false, standbys: null }, { do: "let-join" });
  goOn(side, failure, act);
}

/** A switchover came to nothing, and nothing has happened. */
function goOn(side: Side, failure: string, act: Act): void {
  side.state = "leading";
  act({ do: "go-on-reading" }, { do: "report", failure });
  const { deferred } = side;
  side.deferred = null;
  if (deferred !== null) held(side, { event: "hold", hold: deferred, reason: null }, act);
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
  leave(side, null, false, act);
}

function leave(side: Side, reason: string | null, isFree: boolean, act: Act): void {
  side.state = "leaving";
  if (reason !== null) side.reason = reason;
  side.delayMs = 0;
  act({ do: "put-down", isFree });
}
