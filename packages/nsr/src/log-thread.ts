/**
 * The disk that a standby's log is on, behind a thread of its own: nobody else waits for it.
 *
 * Orders are carried out one after the other. What has become of no use while it waited, since the log was given
 * up meanwhile, is left out.
 */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { endProcess } from "./thread-failure.ts";

/** So long the process waits in its end for what was not written yet. */
const EXIT_MS = 2000;

type Order =
  /** The file is gone on with behind so many octets. */
  | { readonly do: "go-on"; readonly octets: number }
  /** One is begun that is to take its place. */
  | { readonly do: "begin" }
  | { readonly do: "write"; readonly to: "log" | "next"; readonly octets: Uint8Array }
  /** It does. */
  | { readonly do: "swap" }
  /** There is to be none. */
  | { readonly do: "remove" };

/** With the number of times that the log had been given up. */
export type LogOrder = Order & { readonly turn: number };

export interface LogInput {
  readonly file: string;
  readonly memory: SharedArrayBuffer;
}

/** The file is gone, and why. */
export interface LogNews {
  readonly failed: string;
}

/** What both threads know: octets that were written, how often the log was given up, and orders that are done. */
export class LogWords {
  readonly memory: SharedArrayBuffer;
  private readonly words: BigInt64Array;
  private seen = 0;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(24)) {
    this.memory = memory;
    this.words = new BigInt64Array(memory);
  }

  get writtenOctets(): number {
    return Number(Atomics.load(this.words, 0));
  }

  written(octets: number): void {
    Atomics.add(this.words, 0, BigInt(octets));
  }

  get doneOrders(): number {
    return Number(Atomics.load(this.words, 2));
  }

  /** An order is done, or left out. */
  done(): void {
    Atomics.add(this.words, 2, 1n);
  }

  get turn(): number {
    return Number(Atomics.load(this.words, 1));
  }

  giveUp(): void {
    Atomics.add(this.words, 1, 1n);
  }

  /** An order of this turn is looked at. */
  see(turn: number): void {
    this.seen = turn;
  }

  /** The log was given up after that order. */
  get isStale(): boolean {
    return this.seen !== this.turn;
  }
}

export class LogThread {
  private readonly worker: Worker;
  private readonly words: LogWords = new LogWords();
  private orderedOctets = 0;
  private orders = 0;
  /** Of the last one that made a file what it is to be. */
  private fileOrder = 0;

  /** @param failed - told why the file is gone */
  constructor(file: string, failed: (reason: string) => void) {
    const workerData: LogInput = { file, memory: this.words.memory };
    const url = new URL("./log-worker.ts", import.meta.url);
    this.worker = new Worker(url, { name: "log", workerData });
    this.worker.unref();
    this.worker.on("message", (news: LogNews) => failed(news.failed));
    this.worker.on("error", (error) => endProcess("the log", error));
  }

  /** There is a file, unless the disk has failed: it was gone on with, or begun and put in its place. */
  get hasFile(): boolean {
    return this.words.doneOrders >= this.fileOrder;
  }

  /** Octets that wait for the disk. */
  get waitingOctets(): number {
    return this.orderedOctets - this.words.writtenOctets;
  }

  goOn(octets: number): void {
    this.order({ do: "go-on", octets });
    this.fileOrder = this.orders;
  }

  begin(): void {
    this.order({ do: "begin" });
  }

  /** @param octets - are handed over, and nobody has them any more */
  write(to: "log" | "next", octets: Uint8Array): void {
    this.orderedOctets += octets.length;
    this.order({ do: "write", to, octets }, [octets.buffer as ArrayBuffer]);
  }

  swap(): void {
    this.order({ do: "swap" });
    this.fileOrder = this.orders;
  }

  /** Gives up what was ordered and is not done, and has the files removed. */
  remove(): void {
    this.words.giveUp();
    this.order({ do: "remove" });
  }

  /** Ends the thread, once all is written if that does not take long. */
  async exit(): Promise<void> {
    this.worker.postMessage("exit");
    if (this.worker.threadId < 0) return;
    await Promise.race([once(this.worker, "exit"), sleep(EXIT_MS, null, { ref: false })]);
  }

  private order(order: Order, transfer: ArrayBuffer[] = []): void {
    this.orders++;
    this.worker.postMessage({ ...order, turn: this.words.turn } satisfies LogOrder, transfer);
  }
}
