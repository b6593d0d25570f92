/** Small seeded random numbers, so that a seed gives the same octets on every machine. */

const TWO_32 = 2 ** 32;

/**
 * The generator sfc32: 128 bits of state, a period of at least 2^32, no patterns that show here.
 *
 * Two generators of one seed with different `stream` numbers are independent of each other.
 */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** @param seed - any number; its low 32 bits count */
  constructor(seed: number, stream = 0) {
    this.a = seed | 0;
    this.b = stream | 0;
    this.c = 0x9e3779b9 | 0;
    // The first outputs still show the seed.
    for (let i = 0; i < 12; i++) this.next();
  }

  /** @returns an unsigned 32-bit number */
  next(): number {
    const out = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + out) | 0;
    return out >>> 0;
  }

  /** @returns a number in [0, 1) */
  fraction(): number {
    return this.next() / TWO_32;
  }

  /** @returns a whole number in [0, `limit`); `limit` is at most 2^32 */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** @returns whether an event of this probability happens */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }
}

const PICKER_SLOTS = 1 << 16;

/** Draws values by weight, in constant time. */
export class Picker {
  private readonly slots: Uint16Array = new Uint16Array(PICKER_SLOTS);

  /** @param weights - pairs of a value, 0..65535, and its weight; the weights may sum to anything */
  constructor(weights: readonly (readonly [value: number, weight: number])[]) {
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    let from = 0;
    let sum = 0;
    for (const [value, weight] of weights) {
      sum += weight;
      const to = Math.round((sum / total) * PICKER_SLOTS);
      this.slots.fill(value, from, to);
      from = to;
    }
  }

  pick(prng: Prng): number {
    return this.slots[prng.next() & (PICKER_SLOTS - 1)]!;
  }
}
