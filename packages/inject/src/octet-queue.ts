/** Octets that come in pieces, for whoever cuts them into records or messages. */

const NO_OCTETS = new Uint8Array(0);

/**
 * Octets that came in pieces and have not been read yet, as one array.
 *
 * A piece is copied only when something of the one before it is left.
 */
export class OctetQueue {
  /** What has not been read is `[at, buf.length)`. */
  buf: Uint8Array = NO_OCTETS;
  at = 0;
  /** Octets that came before `buf`. */
  private before = 0;

  /** Octets that have been read. */
  get offset(): number {
    return this.before + this.at;
  }

  /** Octets that have not been read. */
  get length(): number {
    return this.buf.length - this.at;
  }

  /** Adds the next piece, which must not change any more. */
  push(octets: Uint8Array): void {
    const rest = this.length;
    this.before += this.at;
    if (rest === 0) this.buf = octets;
    else {
      const all = new Uint8Array(rest + octets.length);
      all.set(this.buf.subarray(this.at));
      all.set(octets, rest);
      this.buf = all;
    }
    this.at = 0;
  }
}
