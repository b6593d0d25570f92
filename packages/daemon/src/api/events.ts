/** Events as a stream (server-sent events), to as many as listen; one that is slow is told what it missed. */

import type { ApiEvent } from "./messages.ts";
import { Problem } from "./problem.ts";

/** Those that listen at once: others need connections, too. */
const LISTENERS_MAX = 32;
/** What is kept for one that does not read. */
const WAITING_MAX = 256;
/** So often something is sent, for those between to see that the connection lives. */
const ALIVE_MS = 15_000;

interface Listener {
  /** Whether who listens may still do so. */
  readonly may: () => boolean;
  waiting: string[];
  missed: number;
  wake: () => void;
}

export class Events {
  private readonly watch: (isOn: boolean) => void;
  private readonly listeners: Set<Listener> = new Set();
  private number = 0;

  /** @param watch - told whether somebody listens */
  constructor(watch: (isOn: boolean) => void) {
    this.watch = watch;
  }

  tell(event: ApiEvent): void {
    const text = `id: ${++this.number}\nevent: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`;
    for (const listener of this.listeners) {
      if (listener.waiting.length < WAITING_MAX) listener.waiting.push(text);
      else listener.missed++;
      listener.wake();
    }
  }

  /** Others may listen from now on: those who may not any more hear nothing more. */
  review(): void {
    for (const listener of this.listeners) if (!listener.may()) this.end(listener);
  }

  /**
   * Throws a `Problem` when too many listen.
   *
   * @param gone - that the client has gone
   * @param may - whether it may listen, asked again when others may
   */
  listen(gone: AbortSignal, may: () => boolean): AsyncGenerator<string> {
    if (this.listeners.size >= LISTENERS_MAX) {
      throw new Problem(503, `${LISTENERS_MAX} listen already`, {}, { "retry-after": "60" });
    }
    const listener: Listener = { may, waiting: [], missed: 0, wake: () => {} };
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.watch(true);
    const leave = () => this.end(listener);
    gone.addEventListener("abort", leave, { once: true });
    if (gone.aborted) leave();
    return this.textFor(listener, gone, leave);
  }

  private end(listener: Listener): void {
    if (this.listeners.delete(listener) && this.listeners.size === 0) this.watch(false);
    listener.wake();
  }

  private async *textFor(
    listener: Listener,
    gone: AbortSignal,
    leave: () => void,
  ): AsyncGenerator<string> {
    try {
      yield ": events\n\n";
      while (this.listeners.has(listener)) {
        if (listener.waiting.length === 0 && listener.missed === 0) {
          const isNew = await this.wait(listener);
          if (!isNew) yield ": alive\n\n";
          continue;
        }
        const { waiting, missed } = listener;
        listener.waiting = [];
        listener.missed = 0;
        const gap = missed === 0 ? "" : `event: missed\ndata: {"count":${missed}}\n\n`;
        yield waiting.join("") + gap;
      }
    } finally {
      gone.removeEventListener("abort", leave);
      leave();
    }
  }

  /** @returns false when nothing has come for a while */
  private wait(listener: Listener): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ALIVE_MS);
      listener.wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
