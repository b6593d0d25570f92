/**
 * Taking over in a thread of its own: sockets are built there while the main thread goes on with those that
 * are there already, which takes as long. The thread has done all of it once before it is needed, since code
 * that runs for the first time takes twice as long.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  type ResumeDeps,
  type ResumeOutcome,
  type ResumeRequest,
  resumeConnections,
} from "./resume.ts";
import { bootMs } from "./term.ts";

/** What the thread is asked for, one at a time. */
export type ResumeOrder = readonly ResumeRequest[] | "exit";

/** What it says: what became of one, or that all are settled. */
export type ResumeNews = { readonly index: number; readonly outcome: ResumeOutcome } | "done";

export class ResumeThread {
  /** Null once it has failed. */
  private worker: Worker | null;

  constructor() {
    const worker = new Worker(new URL("./resume-worker.ts", import.meta.url), { name: "resume" });
    this.worker = worker;
    worker.unref();
    const ended = () => {
      this.worker = null;
    };
    worker.on("error", ended);
    worker.on("exit", ended);
  }

  /**
   * As `resumeConnections` does, whose place it takes where the thread has failed; not twice at once. Times
   * of states are by `bootMs`.
   *
   * @returns when all are settled
   */
  async resume(requests: readonly ResumeRequest[], settled: ResumeDeps["settled"]): Promise<void> {
    const { worker } = this;
    if (worker === null) return resumeConnections(requests, { nowMs: bootMs, settled });
    const open = new Set(requests.keys());
    // Not the memory that they may be a small part of.
    const order = requests.map((request) => ({ ...request, unacked: request.unacked.slice() }));
    worker.ref();
    worker.postMessage(
      order satisfies ResumeOrder,
      order.map(({ unacked }) => unacked.buffer),
    );
    await new Promise<void>((resolve) => {
      const told = (news: ResumeNews) => {
        if (news === "done") return over();
        open.delete(news.index);
        settled(news.index, news.outcome);
      };
      const over = () => {
        worker.off("message", told);
        worker.off("exit", over);
        resolve();
      };
      worker.on("message", told);
      worker.on("exit", over);
    });
    worker.unref();
    const error = new Error("the thread that restores connections has failed");
    for (const index of open) settled(index, { kind: "failed", error });
  }

  /** Ends the thread. */
  async exit(): Promise<void> {
    const { worker } = this;
    if (worker === null) return;
    worker.ref();
    worker.postMessage("exit" satisfies ResumeOrder);
    if (worker.threadId >= 0) await once(worker, "exit");
  }
}
