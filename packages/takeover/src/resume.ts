/**
 * Taking over many connections at once.
 *
 * Of a connection whose owner died, nobody knows how much of what was written has reached the peer.
 * Left to retransmission timers the peer would wait for hundreds of milliseconds, so the peer is
 * asked:
 *
 *     1. restore with what is in doubt as sent, and leave repair mode: the kernel sends a probe
 *     2. the peer's acknowledgement says where it is
 *     3. freeze, close silently, restore exactly there; the caller writes the rest as new
 *
 * What is in doubt of all connections may be more than the kernel has room for, so each has a share of
 * the room. The kernel ignores the answer of a peer that is further than that; then the rest counts as
 * sent, too, and a little later the peer is asked again, as is one that has not answered.
 *
 * What the peer sends between 1 and 3 is carried over, because the kernel has acknowledged it.
 *
 * A peer that lacks some octets but has others after them (segments were lost) will, once it has the
 * former, acknowledge all of them. The kernel ignores an acknowledgement of what it has not sent, and
 * the connection would stand still until its hold timer expires. So there, and with a peer that did
 * not answer, everything that the peer may have counts as sent, although only the first of it leaves
 * (`writeAsSent`). The answers to that tell the kernel what was lost, and it repeats that without
 * waiting for long timers (RFC 2018, RFC 8985).
 *
 * What a peer has beyond its share, and what was still on its way to it, does not show. So whoever goes
 * on with the sockets looks after them for a while (`goOnIfStuck`).
 */

import { libc } from "./libc.ts";
import { sequenceAfter } from "./sequence.ts";
import type { SocketProtection } from "./socket-options.ts";
import { countAsSent, octetsOf, openInRepair, writeAsSent } from "./tcp-restore.ts";
import {
  bytesAcked,
  closeSilently,
  enterRepair,
  freeze,
  leaveRepair,
  readTcpInfo,
  restated,
  type TcpInfo,
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
  /** Everything written after these, in pieces. Read only until the outcome. */
  readonly unacked: readonly Uint8Array[];
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
      /** Octets of `unacked` before the socket's first one: its `acknowledgedOctets` count from there. */
      readonly startsAt: number;
      /**
       * `exact`: nothing was in doubt. `spliced`: the peer said where it is. `unanswered`: it did not
       * say in time, or has ended its half; what is in doubt is in the send queue, and the peer gets what
       * it lacks by retransmission.
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
   * How much of what is in doubt counts as sent before anything is known of where peers are, of all
   * connections together; 256 MiB unless given.
   */
  readonly doubtOctets?: number;
  /** Requests whose peers have to be asked, in all; counted at the beginning unless given. */
  readonly asking?: number;
  /** Says whether more requests are still to be added to the list; unless given there are none. */
  isGrowing?(): boolean;
  /**
   * Called once per request, as soon as it is settled, never before `resumeConnections` has
   * returned.
   */
  settled(index: number, outcome: ResumeOutcome): void;
  /**
   * Called at most once: nothing is waited for, or nothing but peers that did not answer, or have no room,
   * for longer than all others need together.
   */
  onlyLate?(): void;
}

const NO_OCTETS = new Uint8Array(0);

/**
 * A peer answers one probe in so many milliseconds (Linux: tcp_invalid_ratelimit), and the dead side's
 * kernel may have asked it just before. So it is asked a second time, and has so long for that answer.
 */
const ASK_AGAIN_MS = 550;
const ANSWER_MS = 180;
/**
 * How far the time since a state may be off after a crash: the states of a killed process have come
 * over a link, as late as a busy machine made them. Timestamps that are ahead do no harm.
 */
const CLOCK_DOUBT_MS = 300;
/** See `ResumeDeps`. */
const DOUBT_OCTETS = 256 << 20;
/** Segments that leave on a fresh connection without an answer (RFC 6928). */
const FRESH_SEGMENTS = 10;
/** More than a window without a scale can be. */
const UNSCALED_MARK = 0x1_0001;
/** So often is looked where an answer, or a window that is open, does not come soon. */
const PATIENT_LOOK_MS = 10;
/** The kernel queues about a millisecond of what a socket may send, or two segments. */
const QUEUED_MS = 5;
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
  /** Octets of `unacked` that count as sent. */
  countedOctets: number;
  /** When the peer is to be asked a second time; null once it has been. */
  askAgainMs: number | null;
  /** Not to be looked at before. */
  lookMs: number;
  /** The peer takes its time. */
  isLate: boolean;
  /** Nobody else has the socket, and it is not closed. */
  isOpen: boolean;
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
  const allOctets = deps.doubtOctets ?? DOUBT_OCTETS;
  const asking = deps.asking ?? requests.filter(isAsking).length;
  const doubtOctets = Math.floor(allOctets / Math.max(1, asking));
  const isGrowing = () => deps.isGrowing?.() === true;
  let waiting: Waiting[] = [];
  let eagerUntilMs = 0;
  let next = 0;
  let isOnlyLate = false;
  while (next < requests.length || waiting.length > 0 || isGrowing()) {
    const isEager = next < requests.length || deps.nowMs() < eagerUntilMs;
    await new Promise<void>((resolve) => {
      if (isEager) setImmediate(resolve);
      else setTimeout(resolve, 1);
    });
    const turnMs = deps.nowMs() + BEGIN_MS;
    for (; next < requests.length && deps.nowMs() < turnMs; next++) {
      const began = begin(next, requests[next]!, doubtOctets, deps);
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
    if (isOnlyLate || next < requests.length || isGrowing()) continue;
    if (!waiting.every(({ isLate }) => isLate)) continue;
    isOnlyLate = true;
    deps.onlyLate?.();
  }
}

/** Nobody but the peer knows how much it has. */
function isAsking({ inFlightOctets, unacked }: ResumeRequest): boolean {
  return inFlightOctets === null && unacked.length > 0;
}

/** @param doubtOctets - so much of what is in doubt counts as sent */
function begin(
  index: number,
  request: ResumeRequest,
  doubtOctets: number,
  deps: ResumeDeps,
): Waiting | ResumeOutcome {
  const beganMs = deps.nowMs();
  try {
    const { unacked, inFlightOctets } = request;
    const unackedOctets = octetsOf(unacked);
    const sentOctets = inFlightOctets ?? Math.min(unackedOctets, doubtOctets);
    const state = stateNow(request);
    const asks = isAsking(request);
    // Scaled windows are even numbers, others have 16 bits.
    const isScaled = (state.windowScale?.send ?? 0) > 0;
    const sendWindowMark = isScaled ? state.sendWindow | 1 : UNSCALED_MARK;
    const fd = openInRepair({
      state: asks ? { ...state, sendWindow: sendWindowMark } : state,
      asSent: piecesOf(unacked, 0, sentOctets),
      elapsedMs: request.elapsedMs + (inFlightOctets === null ? CLOCK_DOUBT_MS : 0),
      protection: request.protection,
    });
    leaveOrClose(fd, true);
    const nowMs = deps.nowMs();
    const durationMs = nowMs - beganMs;
    if (!asks) {
      const there = { startsAt: 0, resumedAt: sentOctets, unread: NO_OCTETS };
      const stateThen = restated(fd, state, nowMs);
      return { kind: "resumed", how: "exact", fd, ...there, state: stateThen, durationMs };
    }
    const askAgainMs = nowMs + ASK_AGAIN_MS;
    const giveUpMs = askAgainMs + ANSWER_MS;
    const waiting = { index, request, fd, beganMs, giveUpMs, sendWindowMark, askAgainMs };
    return { ...waiting, countedOctets: sentOctets, lookMs: nowMs, isLate: false, isOpen: true };
  } catch (error) {
    return { kind: "failed", error: error as Error };
  }
}

/** @returns null while the peer has not said where it is */
function lookAt(waiting: Waiting, deps: ResumeDeps): ResumeOutcome | null {
  const { fd, request } = waiting;
  const atMs = deps.nowMs();
  if (atMs < waiting.lookMs) return null;
  try {
    askAgain(waiting, atMs);
    const info = readTcpInfo(fd);
    const isAnswered = bytesAcked(info) > 0 || info.sendWindow !== waiting.sendWindowMark;
    if (!isAnswered && info.segmentsIn > 0) goFurther(waiting);
    if (atMs < dueMs(waiting, info, isAnswered)) {
      waiting.isLate = atMs > waiting.beganMs + ANSWER_MS;
      if (waiting.isLate) waiting.lookMs = atMs + PATIENT_LOOK_MS;
      return null;
    }
    // Even when the peer has everything: the kernel takes the age of what was in doubt for the
    // round trip time, and would wait as long as that before it repeats anything.
    const placed = place(waiting, isAnswered);
    const nowMs = deps.nowMs();
    const durationMs = nowMs - waiting.beganMs;
    if (placed !== null) {
      const how = isAnswered ? "spliced" : "unanswered";
      const state = restated(placed.fd, placed.state, nowMs);
      return { kind: "resumed", ...placed, how, state, durationMs };
    }
    // The peer has ended its half.
    const there = { startsAt: 0, resumedAt: waiting.countedOctets, unread: NO_OCTETS };
    const state = restated(fd, stateNow(request), nowMs);
    waiting.isOpen = false;
    return { kind: "resumed", how: "unanswered", fd, ...there, state, durationMs };
  } catch (error) {
    if (waiting.isOpen) abandon(fd);
    return { kind: "failed", error: error as Error };
  }
}

/** The peer has answered, and of more than counts as sent: the kernel has ignored that. */
function goFurther(waiting: Waiting): void {
  const { fd, request, countedOctets } = waiting;
  const restOctets = octetsOf(request.unacked) - countedOctets;
  if (restOctets === 0) return;
  const rest = piecesOf(request.unacked, countedOctets, restOctets);
  waiting.countedOctets += countAsSent(fd, rest);
}

function askAgain(waiting: Waiting, nowMs: number): void {
  const { fd, askAgainMs } = waiting;
  if (askAgainMs === null || nowMs < askAgainMs) return;
  waiting.askAgainMs = null;
  enterRepair(fd);
  leaveRepair(fd, { probe: true });
}

/** @returns when the connection can be placed where its peer is, or where it may be */
function dueMs(waiting: Waiting, info: TcpInfo, isAnswered: boolean): number {
  const { beganMs, giveUpMs, request } = waiting;
  if (!isAnswered) return giveUpMs;
  const { segmentOctetsMax } = request.state;
  const leftOctets = octetsOf(request.unacked) - bytesAcked(info);
  const freshOctets = FRESH_SEGMENTS * segmentOctetsMax;
  if (info.sendWindow < Math.min(leftOctets, segmentOctetsMax)) {
    // The word that it is open again must not fall between two sockets: another would follow seconds
    // later.
    return giveUpMs;
  }
  // What a queue of this host still has of the old socket, where each socket is paced by itself, comes
  // to the peer behind the probe. It must not be more than a fresh connection may send.
  return leftOctets > freshOctets ? beganMs + QUEUED_MS : beganMs;
}

interface Placed {
  readonly fd: number;
  readonly state: TcpState;
  readonly startsAt: number;
  readonly resumedAt: number;
  readonly unread: Uint8Array;
}

/**
 * Restores once more, where the peer is.
 *
 * @returns null when the peer has ended the connection, or its half; then the first socket is still there
 */
function place(waiting: Waiting, isAnswered: boolean): Placed | null {
  const { fd, request, countedOctets } = waiting;
  const frozen = freeze(fd, 0, request.state);
  if (frozen === null) return null;
  const { sackedSegments } = readTcpInfo(fd);
  waiting.isOpen = false;
  closeSilently(fd);
  const { unread, unackedOctets, unsentOctets: _, ...found } = frozen;
  const state = stateNow({ state: found, receivedOctets: unread.length, acknowledgedOctets: 0 });
  const startsAt = countedOctets - unackedOctets;
  const restOctets = octetsOf(request.unacked) - startsAt;
  const isBehind = isAnswered && sackedSegments === 0 && state.selectiveAcks;
  // What the peer has beyond its acknowledgement is within the window that came with it.
  const reach = isAnswered ? Math.min(restOctets, state.sendWindow) : restOctets;
  const placed = openInRepair({
    state,
    asSent: [],
    elapsedMs: 0,
    protection: request.protection,
  });
  // The peer has just been asked, and answers at most one probe in half a second.
  leaveOrClose(placed, false);
  const mayHave = piecesOf(request.unacked, startsAt, isBehind ? 0 : reach);
  const asSent = writeAsSent(placed, mayHave);
  return { fd: placed, state, startsAt, resumedAt: startsAt + asSent, unread };
}

/** @returns `octets` of these octets, from the given one on */
function piecesOf(pieces: readonly Uint8Array[], from: number, octets: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let before = from;
  let left = octets;
  for (const piece of pieces) {
    if (left === 0) break;
    const part = piece.subarray(before, before + left);
    before = Math.max(0, before - piece.length);
    left -= part.length;
    if (part.length > 0) found.push(part);
  }
  return found;
}

/** The connection is lost, and nothing more of it may reach the peer from here. */
function abandon(fd: number): void {
  try {
    closeSilently(fd);
  } catch {
    libc().close(fd);
  }
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
