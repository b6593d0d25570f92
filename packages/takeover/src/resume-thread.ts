/**
 * Taking over in a thread of its own: sockets are built there while the main thread goes on with those that
 * are there already, which takes as long. The thread has done all of it once before it is needed, since code
 * that runs for the first time takes twice as long.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { bootMs } from "./lease.ts";
import {
  type ResumeDeps,
  type ResumeOutcome,
  type ResumeRequest,
  resumeConnections,
} from "./resume.ts";

/** Connections to be taken over, one list at a time, which comes in parts. */
export interface ResumePart {
  readonly requests: readonly ResumeRequest[];
  /** See `ResumeDeps`. */
  readonly asking: number;
  readonly isLast: boolean;
}

/** What the thread is asked for. */
export type ResumeOrder = ResumePart | "exit";

/** What is to be taken over. */
export interface ResumeList {
  readonly count: number;
  /** How many of them have octets in doubt: see `ResumeDeps`. */
  readonly asking: number;
  /** Called once for each in order, again for one that a thread has not settled which has failed. */
  requestOf(index: number): ResumeRequest;
}

/** What it says: what became of one, that only late ones are left, or that all are settled. */
export type ResumeNews =
  | { readonly index: number; readonly outcome: ResumeOutcome }
  | "only late"
  | "done";

/**
 * The thread begins with the first part while the next one is made, which copies what is to be sent. Parts
 * double, since what many are sent alike is copied once in each.
 */
const FIRST_PART = 64;

/** Who is told. */
type Told = Required<Pick<ResumeDeps, "settled" | "onlyLate">>;

export class ResumeThread {
  /** Null once it has failed. */
  private worker: Worker | null;
  private turn: Promise<void> = Promise.resolve();

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
   * As `resumeConnections` does, whose place it takes as long as the thread lives; one call after the other.
   * Times of states are by `bootMs`.
   *
   * @returns when all are settled
   */
  resume(list: ResumeList, told: Told): Promise<void> {
    const done = this.turn.then(() => this.resumeNow(list, told));
    this.turn = done.catch(() => {});
    return done;
  }

  private async resumeNow(list: ResumeList, told: Told): Promise<void> {
    const open = new Set(Array(list.count).keys());
    const { worker } = this;
    const { onlyLate } = told;
    const settled: Told["settled"] = (index, outcome) => {
      open.delete(index);
      told.settled(index, outcome);
    };
    if (worker !== null && list.count > 0) await this.ask(worker, list, { settled, onlyLate });
    // What a thread had begun that has failed is ended first, as what a dead process left.
    const indexes = [...open];
    await resumeConnections(
      indexes.map((index) => list.requestOf(index)),
      { nowMs: bootMs, settled: (at, outcome) => settled(indexes[at]!, outcome), onlyLate },
    );
  }

  private async ask(
    worker: Worker,
    { count, asking, requestOf }: ResumeList,
    { settled, onlyLate }: Told,
  ): Promise<void> {
    worker.ref();
    let requests: ResumeRequest[] = [];
    let partMax = FIRST_PART;
    for (let index = 0; index < count; index++) {
      requests.push(requestOf(index));
      const isLast = index === count - 1;
      if (requests.length < partMax && !isLast) continue;
      // What many are sent alike is copied once: a message has each memory once.
      worker.postMessage({ requests, asking, isLast } satisfies ResumeOrder);
      requests = [];
      partMax *= 2;
    }
    await new Promise<void>((resolve) => {
      const told = (news: ResumeNews) => {
        if (news === "done") over();
        else if (news === "only late") onlyLate();
        else settled(news.index, news.outcome);
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
  }

  /** Ends the thread, after what it is at. */
  async exit(): Promise<void> {
    const { worker } = this;
    if (worker === null) return;
    worker.ref();
    worker.postMessage("exit" satisfies ResumeOrder);
    if (worker.threadId >= 0) await once(worker, "exit");
  }
}
