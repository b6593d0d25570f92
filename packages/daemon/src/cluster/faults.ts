/** What is wrong with what another member tells: counted, and told of, though not each time. */

import type { FaultyRun } from "@ts-bgp/feeds-codec";

/** A line is enough in so long. */
const SAY_MS = 10_000;

export class Faults {
  /** Runs that were not taken as they were told. */
  runs = 0;
  /** Of the last one; null before the first one. */
  last: string | null = null;
  private said = 0;
  private saidMs = Number.NEGATIVE_INFINITY;
  private readonly say: (message: string) => void;

  constructor(say: (message: string) => void) {
    this.say = say;
  }

  /** @param peers - addresses of neighbors, by the numbers that the member has for them */
  note(faulty: readonly FaultyRun[], peers: ReadonlyMap<number, string> | undefined): void {
    const { peer, reason } = faulty.at(-1)!;
    this.runs += faulty.length;
    this.last = `routes of ${peers?.get(peer) ?? `number ${peer}`}: ${reason}`;
    if (performance.now() < this.saidMs + SAY_MS) return;
    const others = this.runs - this.said - 1;
    const more = others > 0 ? ` (and ${others} more since the last such line)` : "";
    this.say(`what it tells is not taken as told, ${this.last}${more}`);
    this.saidMs = performance.now();
    this.said = this.runs;
  }
}
