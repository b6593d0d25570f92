/**
 * Taking over many connections at once.
 *
 * Of a connection whose owner died, nobody knows how much of what was written has reached the peer.
 * Left to retransmission timers the peer would wait for hundreds of milliseconds, so the peer is
 * asked:
 *
 *     1. restore with everything in doubt as sent, and leave repair mode: the kernel sends a probe
 *     2. the peer's acknowledgement says where it is
 *     3. freeze, close silently, restore exactly there; the caller writes the rest as new
 *
 * What the peer sends between 1 and 3 is carried over, because the kernel has acknowledged it.
 */

import { libc } from "./libc.ts";
import { sequenceAfter } from "./sequence.ts";
import type { SocketProtection } from "./socket-options.ts";
import { openInRepair } from "./tcp-restore.ts";
import {
  bytesAcked,
  closeSilently,
  freeze,
  leaveRepair,
  readTcpInfo,
  restated,
  type TcpState,
} from "./tcp-state.ts";

/** A connection to take over. */
export interface ResumeRequest {
  readonly state: TcpState;
  /**
   * Octets received since the state was taken, those that a frozen connection has `unread` included;
   * the next one that the socket wants is the one after.
   */
  readonly receivedOctets: number;
  /** Octets written since the state was taken that the peer is known to have acknowledged. */
  readonly acknowledgedOctets: number;
  /** Everything written after these. Read only until the outcome. */
  readonly unacked: Uint8Array;
  /**
   * How many octets of `unacked` have left, when that is exactly known (a frozen connection); null
   * when the peer has to be asked.
   */
  readonly inFlightOctets: number | null;
  /** Since the state was taken, by the clock of the side that took it where possible. */
  readonly elapsedMs: number;
  readonly protection: SocketProtection;
}

export type ResumeOutcome =
  | {
      readonly kind: "resumed";
      /** Non-blocking, established; for `new net.Socket({ fd })`. */
      readonly fd: number;
      /** Octets of `unacked` that need not be written; the caller writes those after them. */
      readonly resumedAt: number;
      /**
       * `exact`: nothing was in doubt. `spliced`: the peer said where it is, and the socket begins
       * there; its `acknowledgedOctets` count from `resumedAt`, those of the others from the first
       * of `unacked`. `unanswered`: it did not say in time; what is in doubt is in the send queue,
       * and the peer gets what it lacks by retransmission.
       */
      readonly how: "exact" | "spliced" | "unanswered";
      /** Octets received meanwhile: to be read before those of `fd`. */
      readonly unread: Uint8Array;
      /** By which its socket was restored, at the time of its `takenAtMs`. */
      readonly state: TcpState;
      /** From the beginning of this connection's restoration. */
      readonly durationMs: number;
    }
  | { readonly kind: "failed"; readonly error: Error };

export interface ResumeDeps {
  /** Milliseconds of a clock that never goes back. */
  nowMs(): number;
  /**
   * Called once per request, as soon as it is settled, never before `resumeConnections` has
   * returned.
   */
  settled(index: number, outcome: ResumeOutcome): void;
}

const NO_OCTETS = new Uint8Array(0);

/**
 * Longest wait for a peer: its round trip times this, within the bounds. Giving up early gains
 * nothing: before the kernel's first retransmission after 200 ms nothing would move.
 */
const ROUND_TRIPS = 3;
const ANSWER_MS_MIN = 100;
const ANSWER_MS_MAX = 180;
/**
 * How far the time since a state may be off after a crash: the states of a killed process have come
 * over a link, as late as a busy machine made them. Timestamps that are ahead do no harm.
 */
const CLOCK_DOUBT_MS = 300;
/** Connections are begun for so long before those waiting and everything else get a turn. */
const BEGIN_MS = 10;
/** So long every turn of the event loop looks for answers; then a timer does. */
const EAGER_MS = 3;

interface Waiting {
  readonly index: number;
  readonly request: ResumeRequest;
  readonly fd: number;
  readonly beganMs: number;
  readonly giveUpMs: number;
  /** No window that a peer announces, so that its first valid word shows. */
  readonly sendWindowMark: number;
}

/**
 * Restores connections, those that need not wait for a peer beside those that do; one that fails
 * leaves the others alone. The event loop gets its turn every few milliseconds. Old sockets of
 * these connections in this namespace are ended. The service addresses must be on an interface, and
 * a gate must protect the flows.
 *
 * @returns when all are settled
 */
export async function resumeConnections(
  requests: readonly ResumeRequest[],
  deps: ResumeDeps,
): Promise<void> {
  let waiting: Waiting[] = [];
  let eagerUntilMs = 0;
  let next = 0;
  while (next < requests.length || waiting.length > 0) {
    const isEager = next < requests.length || deps.nowMs() < eagerUntilMs;
    await new Promise<void>((resolve) => {
      if (isEager) setImmediate(resolve);
      else setTimeout(resolve, 1);
    });
    const turnMs = deps.nowMs() + BEGIN_MS;
    for (; next < requests.length && deps.nowMs() < turnMs; next++) {
      const began = begin(next, requests[next]!, deps);
      if ("kind" in began) deps.settled(next, began);
      else waiting.push(began);
      eagerUntilMs = deps.nowMs() + EAGER_MS;
    }
    const stillWaiting: Waiting[] = [];
    for (const one of waiting) {
      const outcome = lookAt(one, deps);
      if (outcome === null) stillWaiting.push(one);
      else deps.settled(one.index, outcome);
    }
    waiting = stillWaiting;
  }
}

function begin(index: number, request: ResumeRequest, deps: ResumeDeps): Waiting | ResumeOutcome {
  const beganMs = deps.nowMs();
  try {
    const { unacked, inFlightOctets } = request;
    const sentOctets = inFlightOctets ?? unacked.length;
    const state = stateNow(request);
    const isAsking = inFlightOctets === null && unacked.length > 0;
    // Scaled windows are even numbers.
    const sendWindowMark = state.sendWindow | 1;
    const fd = openInRepair({
      state: isAsking ? { ...state, sendWindow: sendWindowMark } : state,
      asSent: unacked.subarray(0, sentOctets),
      elapsedMs: request.elapsedMs + (inFlightOctets === null ? CLOCK_DOUBT_MS : 0),
      protection: request.protection,
    });
    leaveOrClose(fd, true);
    const nowMs = deps.nowMs();
    const durationMs = nowMs - beganMs;
    if (!isAsking) {
      const reached = { how: "exact", resumedAt: sentOctets, unread: NO_OCTETS } as const;
      return { kind: "resumed", fd, ...reached, state: restated(fd, state, nowMs), durationMs };
    }
    const waitMs = Math.max(ANSWER_MS_MIN, (ROUND_TRIPS * state.roundTripUs) / 1000);
    const giveUpMs = nowMs + Math.min(waitMs, ANSWER_MS_MAX);
    return { index, request, fd, beganMs, giveUpMs, sendWindowMark };
  } catch (error) {
    return { kind: "failed", error: error as Error };
  }
}

/** @returns null while the peer has not said where it is */
function lookAt(waiting: Waiting, deps: ResumeDeps): ResumeOutcome | null {
  const { fd, request } = waiting;
  try {
    const info = readTcpInfo(fd);
    const isAnswered = bytesAcked(info) > 0 || info.sendWindow !== waiting.sendWindowMark;
    if (!isAnswered && deps.nowMs() < waiting.giveUpMs) return null;
    // Even when the peer has everything: the kernel takes the age of what was in doubt for the
    // round trip time, and would wait as long as that before it repeats anything.
    const spliced = isAnswered ? splice(fd, request) : null;
    const nowMs = deps.nowMs();
    const durationMs = nowMs - waiting.beganMs;
    if (spliced !== null) {
      const state = restated(spliced.fd, spliced.state, nowMs);
      return { kind: "resumed", ...spliced, how: "spliced", state, durationMs };
    }
    // No answer, or the peer has ended its half.
    const resumedAt = request.unacked.length;
    const reached = { how: "unanswered", resumedAt, unread: NO_OCTETS } as const;
    const state = restated(fd, stateNow(request), nowMs);
    return { kind: "resumed", fd, ...reached, state, durationMs };
  } catch (error) {
    return { kind: "failed", error: error as Error };
  }
}

/** Restores once more, exactly where the peer is. */
function splice(
  fd: number,
  request: ResumeRequest,
): { fd: number; state: TcpState; resumedAt: number; unread: Uint8Array } | null {
  const frozen = freeze(fd, 0, request.state);
  if (frozen === null) return null;
  closeSilently(fd);
  const { unread, unackedOctets, unsentOctets: _, ...found } = frozen;
  const state = stateNow({ state: found, receivedOctets: unread.length, acknowledgedOctets: 0 });
  const spliced = openInRepair({
    state,
    asSent: NO_OCTETS,
    elapsedMs: 0,
    protection: request.protection,
  });
  // The peer has just been asked, and answers at most one probe in half a second.
  leaveOrClose(spliced, false);
  const resumedAt = request.unacked.length - unackedOctets;
  return { fd: spliced, state, resumedAt, unread };
}

function leaveOrClose(fd: number, probe: boolean): void {
  try {
    leaveRepair(fd, { probe });
  } catch (error) {
    libc().close(fd);
    throw error;
  }
}

/** The state with its sequence numbers moved to where the connection is. */
function stateNow({
  state,
  receivedOctets,
  acknowledgedOctets,
}: Pick<ResumeRequest, "state" | "receivedOctets" | "acknowledgedOctets">): TcpState {
  return {
    ...state,
    sendSequence: sequenceAfter(state.sendSequence, acknowledgedOctets),
    receiveSequence: sequenceAfter(state.receiveSequence, receivedOctets),
    receiveWindow: Math.max(0, state.receiveWindow - receivedOctets),
  };
}
