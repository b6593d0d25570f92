/** The one source of chance of a run: the same seed gives the same numbers in the same order. */

import { randomOf } from "../../../../testkit/router.ts";

export class Chance {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = randomOf(seed);
  }

  /** @returns a number from `from` to `to`, both included */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** True in one of `n` cases. */
  oneIn(n: number): boolean {
    return this.int(1, n) === 1;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)]!;
  }
}
