/** Events of one machine, one after the other. */

/** What follows from an event comes behind all that the event before has as its consequence. */
export class InTurn<E> {
  private readonly events: E[] = [];
  private readonly handle: (event: E) => void;
  private isAtIt = false;

  /** @param handle - may tell of more, which waits until it has returned */
  constructor(handle: (event: E) => void) {
    this.handle = handle;
  }

  tell(event: E): void {
    this.events.push(event);
    if (this.isAtIt) return;
    this.isAtIt = true;
    try {
      for (let next = this.events.shift(); next !== undefined; next = this.events.shift()) {
        this.handle(next);
      }
    } finally {
      this.isAtIt = false;
    }
  }
}
