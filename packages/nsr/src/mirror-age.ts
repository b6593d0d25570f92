/**
 * How old what a mirror shows is, at most: its server is asked now and then, and answers behind all that was sent
 * before. Once all of that is run, what is shown is no older than the question, and than the server was then.
 */

import type { RecordOf } from "@ts-bgp/replication";

/** A question whose answer has come: once this bracket was run what is shown is as of then. */
interface Mark {
  readonly bracket: number;
  readonly atMs: number;
}

/** Times are by the clock of this side. */
export class MirrorAge {
  /** What is shown is as it was then; null for nothing, or when that is not known yet. */
  seenMs: number | null = null;
  private looks = 0;
  /** When questions were asked that are not answered, by number. */
  private readonly asked: Map<number, number> = new Map();
  private marks: Mark[] = [];

  /** @returns the number of the question that is asked now */
  ask(nowMs: number): number {
    this.asked.set(++this.looks, nowMs);
    return this.looks;
  }

  /**
   * @param number - of the last bracket that has come before the answer
   * @returns whether that was asked
   */
  answered(answer: Pick<RecordOf<"look">, "number" | "ageMs">, number: number): boolean {
    const askedMs = this.asked.get(answer.number);
    if (askedMs === undefined) return false;
    // Answers come in order.
    for (const each of [...this.asked.keys()]) if (each <= answer.number) this.asked.delete(each);
    // A mirror that is followed has just got its state when it does not know.
    if (answer.ageMs >= 0) this.marks.push({ bracket: number, atMs: askedMs - answer.ageMs });
    return true;
  }

  /** @param applied - the last bracket of what is shown that was run @returns whether more is known than before */
  ran(applied: number): boolean {
    const { marks, seenMs } = this;
    let seen = seenMs ?? Number.NEGATIVE_INFINITY;
    // Each of them holds, also of a server that was older than the one before it.
    while (marks.length > 0 && marks[0]!.bracket <= applied) {
      seen = Math.max(seen, marks.shift()!.atMs);
    }
    if (seen === (seenMs ?? Number.NEGATIVE_INFINITY)) return false;
    this.seenMs = seen;
    return true;
  }

  /** What was asked of this server is not answered any more. */
  left(): void {
    this.asked.clear();
  }

  /** A server is about to send another state, whose brackets are not those of what is shown. */
  joins(): void {
    this.marks = [];
  }

  /** Another state is shown, or none: of what was shown before nothing is left. */
  forget(): void {
    this.seenMs = null;
  }
}
