/** Reads the routes of NLRI one by one, as words; allocates nothing per route. */
export class PrefixWords {
  /** The prefix, bits beyond its length being 0; of IPv4 only `w0` is in use. */
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
  bits = 0;
  /** 0 without ADD-PATH. */
  pathId = 0;
  /** Index after the route. */
  next = 0;

  /** Reads the well-formed route at `at`. */
  read(buf: Uint8Array, at: number, addPath: boolean): void {
    let i = at;
    this.pathId = 0;
    if (addPath) {
      this.pathId = word(buf, i, 32);
      i += 4;
    }
    const bits = buf[i++]!;
    this.bits = bits;
    this.w0 = word(buf, i, bits);
    this.w1 = word(buf, i + 4, bits - 32);
    this.w2 = word(buf, i + 8, bits - 64);
    this.w3 = word(buf, i + 12, bits - 96);
    this.next = i + ((bits + 7) >> 3);
  }
}

/** @returns the first `bits` bits at `at`, 0 when that is negative, as the high bits of a word */
function word(buf: Uint8Array, at: number, bits: number): number {
  if (bits <= 0) return 0;
  let value = buf[at]! << 24;
  if (bits > 8) value |= buf[at + 1]! << 16;
  if (bits > 16) value |= buf[at + 2]! << 8;
  if (bits > 24) value |= buf[at + 3]!;
  return (bits >= 32 ? value : value & ~(0xffffffff >>> bits)) >>> 0;
}
