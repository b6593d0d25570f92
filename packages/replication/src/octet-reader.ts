/** What `OctetWriter` wrote, read back. Octets that were cut or changed throw a `FormatError`. */

/** Octets that nobody who speaks this format has written. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

const decoder = new TextDecoder("utf-8", { fatal: true });
/** 2^53 has eight groups of seven bits. */
const VARINT_SCALE_MAX = 2 ** 49;

export class OctetReader {
  at: number;
  readonly end: number;
  private readonly buf: Uint8Array;

  constructor(buf: Uint8Array, at = 0, end: number = buf.length) {
    this.buf = buf;
    this.at = at;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; scale <= VARINT_SCALE_MAX; scale *= 128) {
      if (this.at >= this.end) throw new FormatError("a number is cut off");
      const octet = this.buf[this.at++]!;
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
    }
    throw new FormatError("a number is too long");
  }

  double(): number {
    const octets = this.octets(8);
    return new DataView(octets.buffer, octets.byteOffset, 8).getFloat64(0);
  }

  text(): string {
    const octets = this.octets(this.varint());
    try {
      return decoder.decode(octets);
    } catch {
      throw new FormatError("a text is not UTF-8");
    }
  }

  /** @returns the next octets where they lie */
  octets(length: number): Uint8Array {
    if (length > this.left) throw new FormatError(`${length} octets where ${this.left} are left`);
    const octets = this.buf.subarray(this.at, this.at + length);
    this.at += length;
    return octets;
  }
}
