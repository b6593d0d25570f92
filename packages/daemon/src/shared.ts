/** Something that costs its maker more than those who ask for it. */

import { setTimeout as sleep } from "node:timers/promises";

/**
 * Made at most once in a while, and shared by all who ask. Whatever is given was begun after it was
 * asked for, so nobody is told what was before their question.
 */
export class Shared<T> {
  private readonly make: () => Promise<T>;
  private readonly everyMs: number;
  /** Not begun. */
  private next: Promise<T> | null = null;
  private last: Promise<unknown> = Promise.resolve();
  private begunMs = Number.NEGATIVE_INFINITY;

  /** @param everyMs - between two beginnings, at least */
  constructor(make: () => Promise<T>, everyMs: number) {
    this.make = make;
    this.everyMs = everyMs;
  }

  /** Rejects as the making does. */
  get(): Promise<T> {
    if (this.next !== null) return this.next;
    const next = this.begin(this.last);
    this.next = next;
    this.last = next.catch(() => {});
    return next;
  }

  private async begin(last: Promise<unknown>): Promise<T> {
    await last;
    const waitMs = this.begunMs + this.everyMs - performance.now();
    if (waitMs > 0) await sleep(waitMs, undefined, { ref: false });
    this.next = null;
    this.begunMs = performance.now();
    return this.make();
  }
}
