/** Virtual time: what is to happen, in order. */

/** Something that stops happening when it is dead, and is put off while it is paused. */
export interface Actor {
  readonly isDead: boolean;
  readonly isPaused: boolean;
  /** What has come in the meantime; to be run when it goes on. */
  readonly putOff: (() => void)[];
}

/** Thrown by a process at the instruction at which it is killed. */
export class Killed extends Error {}

interface Event {
  readonly atMs: number;
  readonly number: number;
  readonly actor: Actor | null;
  readonly act: () => void;
}

export class Clock {
  nowMs = 0;
  /** Events that have happened. */
  count = 0;
  /** Nothing more is to happen. */
  isStopped = false;
  private numbers = 0;
  private readonly heap: Event[] = [];

  /** Has something happen later; never when its actor is dead by then. */
  after(ms: number, actor: Actor | null, act: () => void): void {
    const event = { atMs: this.nowMs + ms, number: this.numbers++, actor, act };
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** Lets everything happen until a time. */
  runTo(endMs: number): void {
    const { heap } = this;
    while (!this.isStopped && heap.length > 0 && heap[0]!.atMs <= endMs) {
      const event = this.pop();
      this.nowMs = event.atMs;
      this.count++;
      run(event.actor, event.act);
    }
    this.nowMs = endMs;
  }

  private pop(): Event {
    const { heap } = this;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** Runs what an actor has to do now, or when it goes on. */
export function run(actor: Actor | null, act: () => void): void {
  if (actor?.isDead === true) return;
  if (actor?.isPaused === true) {
    actor.putOff.push(act);
    return;
  }
  try {
    act();
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number);
}
