/**
 * One direction of a TCP connection, put together from captured segments.
 *
 * Octets come out in order, each once. What a segment repeats is compared with what it repeats: two
 * processes that continue one connection must have written the same octets at the same places.
 */

/** Octets kept for the comparison; a peer's receive window is far smaller. */
const KEPT_OCTETS = 1 << 21;

export class OctetStream {
  /** Places where a segment began beyond the octets seen so far. */
  jumps = 0;
  /** Segments that repeated octets. */
  repeats = 0;
  /** The first place where a repetition differed, or `null`. */
  rewrittenAt: number | null = null;
  private readonly deliver: (octets: Uint8Array) => void;
  /** Position in the stream of sequence number `base`; positions never wrap. */
  private base = -1;
  private next = 0;
  /** Segments beyond `next`, by position. */
  private readonly waiting = new Map<number, Buffer>();
  /** The newest delivered octets, as a ring. */
  private ring: Buffer | null = null;

  constructor(deliver: (octets: Uint8Array) => void) {
    this.deliver = deliver;
  }

  /** Octets delivered so far. */
  get position(): number {
    return this.next;
  }

  /** Octets that came later than a hole which was not filled. */
  get waitingOctets(): number {
    let sum = 0;
    for (const part of this.waiting.values()) sum += part.length;
    return sum;
  }

  /** The sequence number of the first octet. Without it, the first segment's is taken. */
  begin(sequence: number): void {
    this.base = sequence;
  }

  /** Position of a sequence number (RFC 9293 section 3.4), near the octets seen last. */
  positionOf(sequence: number): number {
    if (this.base < 0) this.base = sequence;
    return this.next + ((sequence - (this.base + this.next)) | 0);
  }

  /** Takes a segment's octets. They are not kept. */
  take(sequence: number, octets: Uint8Array): void {
    if (octets.length === 0) return;
    const at = this.positionOf(sequence);
    if (at > this.next) {
      this.jumps++;
      const known = this.waiting.get(at);
      if (known === undefined || known.length < octets.length) {
        this.waiting.set(at, Buffer.from(octets));
      }
      return;
    }
    this.append(at, octets);
    this.fill();
  }

  private append(at: number, octets: Uint8Array): void {
    const old = Math.min(this.next - at, octets.length);
    if (old > 0) {
      this.repeats++;
      this.compare(at, octets.subarray(0, old));
    }
    const fresh = octets.subarray(old);
    if (fresh.length === 0) return;
    this.keep(fresh);
    this.next += fresh.length;
    this.deliver(fresh);
  }

  /** What waited and now follows on, or lies before the end. */
  private fill(): void {
    for (let moved = true; moved && this.waiting.size > 0; ) {
      moved = false;
      for (const [at, octets] of this.waiting) {
        if (at > this.next) continue;
        this.waiting.delete(at);
        this.append(at, octets);
        moved = true;
      }
    }
  }

  private keep(octets: Uint8Array): void {
    this.ring ??= Buffer.alloc(KEPT_OCTETS);
    for (let i = 0; i < octets.length; ) {
      const to = (this.next + i) % KEPT_OCTETS;
      const count = Math.min(octets.length - i, KEPT_OCTETS - to);
      this.ring.set(octets.subarray(i, i + count), to);
      i += count;
    }
  }

  private compare(at: number, octets: Uint8Array): void {
    if (this.ring === null || this.rewrittenAt !== null) return;
    const oldest = Math.max(0, this.next - KEPT_OCTETS);
    for (let i = Math.max(0, oldest - at); i < octets.length; i++) {
      if (this.ring[(at + i) % KEPT_OCTETS] === octets[i]) continue;
      this.rewrittenAt = at + i;
      return;
    }
  }
}
