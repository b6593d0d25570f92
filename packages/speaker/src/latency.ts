/**
 * How long routes take through the speaker, by sampling: from octets with an UPDATE that were read from a
 * connection until all that came of them was handed to the kernel, after the standbys have it. What did not come of
 * them but left in between does no harm; what made the speaker say nothing does not count, nor does what a peer
 * takes late that does not read. It looks at the router from outside, and is no part of its state.
 */

import type { Active } from "@ts-bgp/replication";
import { type Connection, type ConnectionId, FAMILIES, type Router } from "@ts-bgp/router";

/** Upper ends of the classes that samples are counted in, in seconds; a last one has all that is longer. */
export const LATENCY_SECONDS: readonly number[] = [
  ...[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
];
/** No sample begins sooner after the last one began. */
const EVERY_MS = 10;
/** Type of an UPDATE, and where it stands in a message (RFC 4271 section 4.1). */
const UPDATE = 2;
const TYPE_AT = 18;
/** Octets read at once that are more than this have UPDATEs among them: none of the other messages come like that. */
const BULK_OCTETS = 1 << 13;

/** Octets that are followed on their way. */
interface Mark {
  readonly connection: Connection;
  /** Octets of the connection up to their end. */
  readonly upTo: number;
  readonly readMs: number;
  /** Ends of the change logs, by family, behind what they have changed; null while they are not all read. */
  ends: readonly (readonly [number, number])[] | null;
  /** The bracket with the last of what came of them; null while they are not passed on. */
  bracket: number | null;
  /** An UPDATE was handed to a connection since. */
  isOut: boolean;
}

export class Latency {
  /** Samples of each class. */
  readonly counts: Float64Array = new Float64Array(LATENCY_SECONDS.length + 1);
  totalSeconds = 0;
  private mark: Mark | null = null;
  private nextMs = 0;

  /** Octets were given to the router. @param nowMs - of `performance` */
  received(router: Router, id: ConnectionId, octets: Uint8Array, nowMs: number): void {
    if (this.mark !== null || nowMs < this.nextMs) return;
    if (octets.length <= BULK_OCTETS && !isUpdate(octets)) return;
    const connection = router.connection(id);
    if (connection === undefined || connection.closed) return;
    this.nextMs = nowMs + EVERY_MS;
    const upTo = connection.octetsReceived;
    this.mark = { connection, upTo, readMs: nowMs, ends: null, bracket: null, isOut: false };
  }

  /** A slice has ended, and so has its bracket. */
  sliced({ tables }: Router, { number, acked }: Pick<Active, "number" | "acked">): void {
    const { mark } = this;
    if (mark === null) return;
    const { connection, upTo, bracket, isOut } = mark;
    if (bracket !== null) {
      if (acked >= bracket && !isOut) this.mark = null;
      return;
    }
    const { closed, octetsReceived, input } = connection;
    if (closed) {
      this.mark = null;
      return;
    }
    if (octetsReceived - input.octets < upTo) return;
    const ribs = FAMILIES.map((family) => tables.rib(family));
    // Until it is decided, what has changed is in no log.
    if (mark.ends === null && ribs.some(({ pending }) => pending > 0)) return;
    mark.ends ??= ribs.map(({ log }) => log.ends());
    const { ends } = mark;
    if (ribs.every(({ log }, i) => log.isRead(ends[i]!))) mark.bracket = number;
  }

  /** Octets are about to leave. */
  wrote(octets: Uint8Array): void {
    if (this.mark !== null && octets[TYPE_AT] === UPDATE) this.mark.isOut = true;
  }

  /** All that may leave has left. @param acked - the last bracket that may @param nowMs - of `performance` */
  flushed(acked: number, nowMs: number): void {
    const { mark } = this;
    if (mark === null || mark.bracket === null || acked < mark.bracket || !mark.isOut) return;
    this.mark = null;
    const seconds = (nowMs - mark.readMs) / 1000;
    const at = LATENCY_SECONDS.findIndex((end) => seconds <= end);
    this.counts[at < 0 ? LATENCY_SECONDS.length : at]!++;
    this.totalSeconds += seconds;
  }
}

function isUpdate(octets: Uint8Array): boolean {
  return octets[0] === 0xff && octets[TYPE_AT] === UPDATE;
}
