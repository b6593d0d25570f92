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
  type ResumeOutcome,
  type ResumeRequest,
  type ResumeThread,
  type TcpState,
} from "@ts-bgp/takeover";
import { endsOf, type ProtectedTcp, type Protector } from "./protector.ts";

/** A connection as its active left it, on purpose. */
export interface Frozen {
  /** Octets that the peer had acknowledged, in all. */
  readonly acknowledged: number;
  /** Octets behind those that the kernel had, and how many of them had not left. */
  readonly unackedOctets: number;
  readonly unsentOctets: number;
  /** What had arrived and was not read, in base 64. */
  readonly unread: string;
  /** As it was at that moment. */
  readonly tcp: TcpState;
}

/** What became of the connections. */
export interface Resumed {
  resumed: number;
  lost: { address: string; cause: string }[];
  /** Of the slowest connection. */
  longestMs: number;
}

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

const NO_OCTETS = new Uint8Array(0);

/** @returns how connections were left, as a handover says it */
export function byConnection(frozen: Readonly<Record<string, Frozen>>): Map<ConnectionId, Frozen> {
  return new Map(Object.entries(frozen).map(([id, one]) => [Number(id), one]));
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
    if (tcp === null) continue;
    protector.expect(id, tcp as TcpState, received);
    ends.push(endsOf(tcp as TcpState));
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
 */
export async function resumeAll(
  speaker: Speaker,
  protector: Protector,
  frozen: ReadonlyMap<ConnectionId, Frozen> | null,
  thread: ResumeThread,
): Promise<Resumed> {
  const { machine } = speaker.journal;
  // By the clock of the side that took the states.
  const elapsedMs = (tcp: TcpState) => Math.max(0, speaker.now() - tcp.takenAtMs);
  const result: Resumed = { resumed: 0, lost: [], longestMs: 0 };
  const connections = [...machine.ledger.connections.values()];
  const resumable: LedgerConnection[] = [];
  for (const connection of connections) {
    const isKnown = machine.router.neighborOf(connection.id) !== undefined;
    const problem = isKnown ? problemOf(connection) : "its neighbor has given it up";
    if (problem === "") resumable.push(connection);
    else lose(speaker, connection, problem, result);
  }
  const requests = resumable.map((connection) =>
    requestOf(machine, connection, elapsedMs, frozen?.get(connection.id) ?? null),
  );
  await thread.resume(requests, (index, outcome) => {
    const connection = resumable[index]!;
    if (outcome.kind === "failed") {
      lose(speaker, connection, outcome.error.message, result);
      return;
    }
    // Another side has the role meanwhile.
    if (speaker.isSuspended) return closeSilently(outcome.fd);
    const unread = [unreadOf(frozen?.get(connection.id) ?? null), outcome.unread];
    try {
      goOn(speaker, protector, connection, outcome, Buffer.concat(unread));
    } catch (error) {
      // The others go on.
      if (!speaker.transport.has(connection.id)) closeSilently(outcome.fd);
      lose(speaker, connection, (error as Error).message, result);
      return;
    }
    result.resumed++;
    result.longestMs = Math.max(result.longestMs, outcome.durationMs);
  });
  if (speaker.isSuspended) return result;
  for (const [id, target] of machine.ledger.attempts) speaker.transport.connect(id, target);
  return result;
}

/** @returns why a connection cannot be taken over, empty when it may be */
function problemOf({ tcp, received }: LedgerConnection): string {
  if (tcp === null) return "it was not protected";
  const isShort = received < (tcp as ProtectedTcp).arrivedOctets;
  return isShort ? "it had just begun, and the peer may take for received what was not" : "";
}

/** @returns what the kernel had received of a connection that was frozen, and nobody had read */
function unreadOf(frozen: Frozen | null): Uint8Array {
  return frozen === null ? NO_OCTETS : Buffer.from(frozen.unread, "base64");
}

function requestOf(
  machine: Machine,
  { id, tcp, send, received }: LedgerConnection,
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
  const state = tcp as TcpState;
  return {
    state,
    receivedOctets: received,
    acknowledgedOctets: send.acked,
    unacked: send.from(send.acked),
    inFlightOctets: null,
    elapsedMs: elapsedMs(state),
    protection,
  };
}

/** @param unread - received by a socket before, and by nobody else */
function goOn(
  speaker: Speaker,
  protector: Protector,
  connection: LedgerConnection,
  outcome: ResumeOutcome & { kind: "resumed" },
  unread: Uint8Array,
): void {
  const { id, tcp, send, sent, closing } = connection;
  const received = connection.received + unread.length;
  const { fd, resumedAt, how } = outcome;
  const start = send.acked + (how === "spliced" ? resumedAt : 0);
  const position = send.acked + resumedAt;
  protector.resumed(id, fd, tcp as TcpState, { acknowledged: start, received });
  const takenAtMs = speaker.now() - (bootMs() - outcome.state.takenAtMs);
  const state = protector.describe(id, { ...outcome.state, takenAtMs }, received);
  speaker.run({ record: "tcp", connection: id, state });
  if (unread.length > 0) speaker.run({ record: "received", connection: id, octets: unread });
  if (position > sent) {
    const octets = position - sent;
    speaker.run({ record: "sent", connection: id, octets, nowMs: speaker.now() });
  }
  speaker.transport.restored(id, fd, Math.max(0, sent - position));
  speaker.checkCongestionControl(speaker.router.neighborOf(id)!.config, fd);
  const rest = send.from(position);
  if (rest.length > 0) speaker.transport.write(id, rest);
  speaker.transport.flush();
  if (!closing) return;
  protector.closing(id);
  speaker.transport.close(id);
}

/** The speaker goes on without a connection. */
function lose(speaker: Speaker, { id }: LedgerConnection, cause: string, { lost }: Resumed): void {
  const address = speaker.router.neighborOf(id)?.config.address ?? "a closed connection";
  lost.push({ address, cause });
  speaker.run({ record: "closed", connection: id, nowMs: speaker.now() });
}
