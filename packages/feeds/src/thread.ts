/** A thread beside the one that routes: what it is told, what it says, and that it begins again when it has ended. */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type ResourceLimits, Worker } from "node:worker_threads";

/** Until a thread that has ended is started again. */
const AGAIN_MS = 5000;

export interface ThreadOptions {
  /** Of the code that runs there. */
  readonly url: URL;
  /** Whose thread it is, for people. */
  readonly name: string;
  readonly resourceLimits?: ResourceLimits;
}

export interface ThreadHooks<Report> {
  heard(report: Report): void;
  /**
   * It has ended by itself.
   *
   * @param problem - whose thread, and why
   * @returns whether it is still needed
   */
  ended(problem: string): boolean;
  /** A while after that, if it is: whoever needs it begins. */
  again(): void;
  say(level: "error", message: string): void;
}

export class Thread<Order, Report> {
  private readonly options: ThreadOptions;
  private readonly hooks: ThreadHooks<Report>;
  private worker: Worker | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(options: ThreadOptions, hooks: ThreadHooks<Report>) {
    this.options = options;
    this.hooks = hooks;
  }

  get isUp(): boolean {
    return this.worker !== null;
  }

  /** @returns false where it was there */
  begin(): boolean {
    if (this.worker !== null) return false;
    this.worker = this.newWorker();
    return true;
  }

  /** Lost when there is none. */
  order(order: Order): void {
    this.worker?.postMessage(order);
  }

  /** Calls `again` after a while, in place of what was to come. */
  beginLater(): void {
    this.cancel();
    this.timer = setTimeout(() => this.hooks.again(), AGAIN_MS).unref();
  }

  /** `again` is not called any more. */
  cancel(): void {
    clearTimeout(this.timer);
  }

  /**
   * Nothing counts any more that it says.
   *
   * @param last - upon which it ends; null: it is ended
   */
  end(last: Order | null): void {
    this.cancel();
    const { worker } = this;
    this.worker = null;
    if (last === null) void worker?.terminate();
    else worker?.postMessage(last);
  }

  /** Resolves once there is none, which was told to end; or after so long. */
  async untilGone(maxMs: number): Promise<void> {
    const { worker } = this;
    if (worker === null) return;
    worker.ref();
    await Promise.race([once(worker, "exit"), sleep(maxMs, null, { ref: false })]);
    worker.unref();
  }

  private newWorker(): Worker {
    const { url, ...options } = this.options;
    const worker = new Worker(url, options);
    let problem = "it has ended";
    worker.on("message", (report: Report) => {
      if (this.worker === worker) this.hooks.heard(report);
    });
    worker.on("error", (error) => {
      problem = (error as Error).message;
    });
    worker.on("exit", () => {
      if (this.worker !== worker) return;
      this.worker = null;
      const text = `the thread of the ${options.name}: ${problem}`;
      if (!this.hooks.ended(text)) return;
      this.hooks.say("error", `${text}; it begins again`);
      this.beginLater();
    });
    worker.unref();
    return worker;
  }
}
