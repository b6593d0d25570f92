/** An endless sequence of octets that is known by offset, and repeats too late to hide a shift. */

const PERIOD = 65_521;
const TABLE = Buffer.alloc(2 * PERIOD);
for (let at = 0; at < TABLE.length; at++) {
  const place = at % PERIOD;
  TABLE[at] = (Math.imul(place + 1, 0x9e37_79b1) >>> 13) & 0xff;
}

export function pattern(offset: number, octets: number): Buffer {
  const filled = Buffer.allocUnsafe(octets);
  for (let at = 0; at < octets; at += PERIOD) {
    const from = (offset + at) % PERIOD;
    TABLE.copy(filled, at, from, from + Math.min(PERIOD, octets - at));
  }
  return filled;
}

/** @returns index of the first octet that is not as it should be at `offset`, or -1 */
export function patternMismatch(offset: number, octets: Uint8Array): number {
  const expected = pattern(offset, octets.length);
  if (expected.equals(octets)) return -1;
  return expected.findIndex((octet, at) => octet !== octets[at]);
}
