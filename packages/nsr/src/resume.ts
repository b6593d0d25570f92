/** Going on with the connections of a machine that was taken over. */

import type { LedgerConnection, Machine } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import type { Speaker } from "@ts-bgp/speaker";
import { protectionOf } from "@ts-bgp/speaker";
import {
  bootMs,
  closeSilently,
  destroySockets,
  type Ends,
  freeze,
  goOnIfStuck,
  type ResumeList,
  type ResumeOutcome,
  type ResumeRequest,
  type ResumeThread,
  type TcpState,
} from "@ts-bgp/takeover";
import type { Frozen, Resumed } from "./frozen.ts";
import { isProtectedTcp } from "./handover-check.ts";
import { endsOf, type ProtectedTcp, type Protector } from "./protector.ts";

/** Brings all connections to a standstill, so that another process can go on with them. */
export function freezeAll(speaker: Speaker, protector: Protector): Record<string, Frozen> {
  const frozen: Record<string, Frozen> = {};
  for (const [id, fd] of speaker.transport.descriptors()) {
    if (!protector.has(id)) continue;
    const state = freeze(fd, speaker.now());
    if (state === null) continue;
    const { unackedOctets, unsentOctets, unread, ...tcp } = state;
    frozen[id] = {
      acknowledged: protector.acknowledgedOctets(id),
      unackedOctets,
      unsentOctets,
      unread: Buffer.from(unread).toString("base64"),
      tcp,
    };
  }
  return frozen;
}

/** So often, and so many times, is looked whether a connection that was taken over stands still. */
const STUCK_LOOK_MS = 600;
const STUCK_LOOKS = 8;

const NO_OCTETS = new Uint8Array(0);

/** @returns how this side has left connections, by their numbers */
export function byConnection(frozen: Readonly<Record<string, Frozen>>): Map<ConnectionId, Frozen> {
  return new Map(Object.entries(frozen).map(([id, one]) => [Number(id), one]));
}

/** A connection with what it is taken over by. */
interface Resumable {
  readonly connection: LedgerConnection;
  readonly tcp: ProtectedTcp;
}

/**
 * Has packets of all connections wait until they have sockets here. To be done before the gate lets
 * anything out.
 *
 * @param hasLeftovers - a process died in this namespace: its sockets would go on to acknowledge what a
 *   peer sends again, for nobody, and are ended
 */
export function expectAll(machine: Machine, protector: Protector, hasLeftovers: boolean): void {
  const ends: Ends[] = [];
  for (const { id, tcp, received } of machine.ledger.connections.values()) {
    if (!isProtectedTcp(tcp)) continue;
    protector.expect(id, tcp, received);
    ends.push(endsOf(tcp));
  }
  if (!hasLeftovers) return;
  try {
    // One that is not ended cannot be restored, which says why.
    destroySockets(ends, () => {});
  } catch {
    // The same for all of them.
  }
}

/**
 * Builds the sockets of all connections again, in another thread, and tells the speaker of those that cannot
 * be.
 *
 * @param frozen - of a planned switchover: how each connection was left; null after a crash
 * @param onlyLate - called once: all have their sockets but those, if any, whose peer does not answer soon.
 *   The others need not wait for these
 * @returns when all are settled
 */
export async function resumeAll(
  speaker: Speaker,
  protector: Protector,
  frozen: ReadonlyMap<ConnectionId, Frozen> | null,
  thread: ResumeThread,
  onlyLate: () => void,
): Promise<Resumed> {
  const { machine } = speaker.journal;
  // By the clock of the side that took the states.
  const elapsedMs = (tcp: TcpState) => Math.max(0, speaker.now() - tcp.takenAtMs);
  const result: Resumed = { resumed: 0, lost: [], longestMs: 0 };
  const connections = [...machine.ledger.connections.values()];
  const resumable: Resumable[] = [];
  for (const connection of connections) {
    const found = resumableOf(machine, connection);
    if (typeof found === "string") lose(speaker, connection, found, result);
    else resumable.push(found);
  }
  const inDoubt = ({ connection: { id, send } }: Resumable) =>
    frozen?.has(id) !== true && send.acked < send.appended;
  const list: ResumeList = {
    count: resumable.length,
    asking: resumable.filter(inDoubt).length,
    requestOf: (index) => {
      const one = resumable[index]!;
      return requestOf(machine, one, elapsedMs, frozen?.get(one.connection.id) ?? null);
    },
  };
  const placed: ConnectionId[] = [];
  const settled = (index: number, outcome: ResumeOutcome) => {
    const { connection, tcp } = resumable[index]!;
    if (outcome.kind === "failed") {
      lose(speaker, connection, outcome.error.message, result);
      return;
    }
    // Another side has the role meanwhile.
    if (speaker.isSuspended) return closeSilently(outcome.fd);
    const unread = [unreadOf(frozen?.get(connection.id) ?? null), outcome.unread];
    try {
      goOn(speaker, protector, { connection, tcp }, outcome, Buffer.concat(unread));
    } catch (error) {
      // The others go on.
      if (!speaker.transport.has(connection.id)) closeSilently(outcome.fd);
      lose(speaker, connection, (error as Error).message, result);
      return;
    }
    result.resumed++;
    if (outcome.how !== "exact") placed.push(connection.id);
    result.longestMs = Math.max(result.longestMs, outcome.durationMs);
  };
  let isRest = false;
  const rest = () => {
    if (isRest) return;
    isRest = true;
    // Slices, which may have new ones made, follow.
    const { attempts } = machine.ledger;
    if (!speaker.isSuspended) for (const to of attempts) speaker.transport.connect(...to);
    onlyLate();
  };
  await thread.resume(list, { settled, onlyLate: rest });
  rest();
  if (!speaker.isSuspended) lookAfter(speaker, placed);
  return result;
}

/** Has connections go on whose peers are found to be further than it seemed. */
function lookAfter(speaker: Speaker, placed: readonly ConnectionId[]): void {
  const acked = new Map(placed.map((id) => [id, 0]));
  let looks = 0;
  const timer = setInterval(() => {
    // Sockets that were brought to a standstill for another side must stay as they are.
    if (++looks > STUCK_LOOKS || speaker.isSuspended) return clearInterval(timer);
    for (const [id, before] of acked) {
      const fd = speaker.transport.descriptor(id);
      try {
        if (fd === null) acked.delete(id);
        else acked.set(id, goOnIfStuck(fd, before));
      } catch {
        // It has just ended.
        acked.delete(id);
      }
    }
  }, STUCK_LOOK_MS);
  timer.unref();
}

/** @returns why a connection cannot be taken over, or what it can be by */
function resumableOf({ router }: Machine, connection: LedgerConnection): Resumable | string {
  const { id, tcp, received } = connection;
  if (router.neighborOf(id) === undefined) return "its neighbor has given it up";
  if (tcp === null) return "it was not protected";
  if (!isProtectedTcp(tcp)) return "what the other side says of its TCP cannot be read";
  const isShort = received < tcp.arrivedOctets;
  if (isShort) return "it had just begun, and the peer may take for received what was not";
  return { connection, tcp };
}

/** @returns what the kernel had received of a connection that was frozen, and nobody had read */
function unreadOf(frozen: Frozen | null): Uint8Array {
  return frozen === null ? NO_OCTETS : Buffer.from(frozen.unread, "base64");
}

function requestOf(
  machine: Machine,
  { connection: { id, send, received }, tcp }: Resumable,
  elapsedMs: (tcp: TcpState) => number,
  frozen: Frozen | null,
): ResumeRequest {
  const protection = protectionOf(machine.router.neighborOf(id)!.config);
  if (frozen !== null) {
    send.acknowledge(frozen.acknowledged);
    return {
      state: frozen.tcp,
      receivedOctets: unreadOf(frozen).length,
      acknowledgedOctets: 0,
      unacked: send.from(send.acked),
      inFlightOctets: frozen.unackedOctets - frozen.unsentOctets,
      elapsedMs: elapsedMs(frozen.tcp),
      protection,
    };
  }
  return {
    state: tcp,
    receivedOctets: received,
    acknowledgedOctets: send.acked,
    unacked: send.from(send.acked),
    inFlightOctets: null,
    elapsedMs: elapsedMs(tcp),
    protection,
  };
}

/** @param unread - received by a socket before, and by nobody else */
function goOn(
  speaker: Speaker,
  protector: Protector,
  { connection, tcp }: Resumable,
  outcome: ResumeOutcome & { kind: "resumed" },
  unread: Uint8Array,
): void {
  const { id, send, sent, closing } = connection;
  const received = connection.received + unread.length;
  const { fd, startsAt, resumedAt } = outcome;
  const start = send.acked + startsAt;
  const position = send.acked + resumedAt;
  protector.resumed(id, fd, tcp, { acknowledged: start, received });
  const takenAtMs = speaker.now() - (bootMs() - outcome.state.takenAtMs);
  const state = protector.describe(id, { ...outcome.state, takenAtMs }, received);
  speaker.run({ record: "tcp", connection: id, state });
  if (unread.length > 0) speaker.run({ record: "received", connection: id, octets: unread });
  if (position > sent) {
    const octets = position - sent;
    speaker.run({ record: "sent", connection: id, octets, nowMs: speaker.now() });
  }
  // A connection whose peer answers late: what others wait for, this one gets with them.
  const heldBack = speaker.active.heldBackOf(id);
  const octets = withoutEnd(send.from(position), heldBack.octets);
  speaker.restored(id, fd, Math.max(0, sent - position), octets);
  speaker.checkCongestionControl(speaker.router.neighborOf(id)!.config, fd);
  if (!closing || heldBack.isClosing) return;
  protector.closing(id);
  speaker.transport.close(id);
}

function withoutEnd(pieces: readonly Uint8Array[], octets: number): Uint8Array[] {
  let left = pieces.reduce((sum, piece) => sum + piece.length, -octets);
  const found: Uint8Array[] = [];
  for (const piece of pieces) {
    if (left > 0) found.push(piece.subarray(0, left));
    left -= piece.length;
  }
  return found;
}

/** The speaker goes on without a connection. */
function lose(speaker: Speaker, { id }: LedgerConnection, cause: string, { lost }: Resumed): void {
  const address = speaker.router.neighborOf(id)?.config.address ?? "a closed connection";
  lost.push({ address, cause });
  speaker.run({ record: "closed", connection: id, nowMs: speaker.now() });
}
