/**
 * TCP sequence numbers (RFC 9293 section 3.4): 32 bits that wrap, so a connection that has carried
 * more than 4 GB is like any other.
 */

/**
 * @param octets - any whole number, negative ones included, below 2^53 with the sequence added
 * @returns the sequence number `octets` after `sequence`
 */
export function sequenceAfter(sequence: number, octets: number): number {
  // The shift takes a number modulo 2^32, whatever its size.
  return (sequence + octets) >>> 0;
}

/** @returns octets from `from` to `to`, between -2^31 and 2^31 - 1 */
export function sequenceDistance(from: number, to: number): number {
  return (to - from) | 0;
}

/**
 * Counts octets where only 32 bits of the count are known.
 *
 * @param near - a count that is less than 2^31 octets off
 * @returns octets from `base` to `sequence`
 */
export function octetsBetween(base: number, sequence: number, near: number): number {
  return near + sequenceDistance(sequenceAfter(base, near), sequence);
}
