/** Timers as deadlines: whoever has a clock asks which have expired. */

/** Deadlines by key. Arming is constant time; `take` looks at all, so keep the keys few. */
export class Timers<K> {
  private readonly deadlines: Map<K, number> = new Map();

  arm(key: K, deadlineMs: number): void {
    this.deadlines.set(key, deadlineMs);
  }

  cancel(key: K): void {
    this.deadlines.delete(key);
  }

  /** @returns the deadline of a timer, or null when it is not armed */
  get(key: K): number | null {
    return this.deadlines.get(key) ?? null;
  }

  /** @returns the earliest deadline, Infinity when none is armed */
  get nextMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const deadline of this.deadlines.values()) if (deadline < next) next = deadline;
    return next;
  }

  /** Disarms and returns one timer whose deadline has come, earliest first; null when none has. */
  take(nowMs: number): K | null {
    let first: K | null = null;
    let earliest = nowMs;
    for (const [key, deadline] of this.deadlines) {
      if (deadline > earliest || (deadline === earliest && first !== null)) continue;
      first = key;
      earliest = deadline;
    }
    if (first !== null) this.deadlines.delete(first);
    return first;
  }
}
