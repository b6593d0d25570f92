/** Sources of numbers that are state like any other, so that a copy of the router draws the same. */

/** Counts: a number that it has not given before. */
export class Numbers {
  private last = 0;

  /** @returns 1, 2, 3 and so on */
  next(): number {
    return ++this.last;
  }

  /** Somebody else has given a number. @returns it; it is not given here any more */
  use(number: number): number {
    this.last = Math.max(this.last, number);
    return number;
  }
}

/** Numbers without order, for timers that must not run in step; of no use against an attacker. */
export class Jitter {
  private state: number;

  /** @param seed - any 32-bit number */
  constructor(seed: number) {
    this.state = seed;
  }

  /** @returns the next number in [0, 1) (the generator "mulberry32") */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let x = this.state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }
}
