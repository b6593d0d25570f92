/**
 * The disk that a record is on, behind a thread of its own, which compresses what it is given: nobody else waits for
 * either.
 *
 * Orders are carried out one after the other. What has become of no use while it waited, since the file was given up
 * meanwhile, is left out.
 */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { RecordConfig } from "@ts-bgp/config";
import type { RecordHead } from "@ts-bgp/replication";
import { LogWords } from "./log-thread.ts";

/** So long the process waits in its end for what was not written yet. */
const EXIT_MS = 2000;

type Order =
  /** A file is begun, whose name is not its own yet. */
  | { readonly do: "begin"; readonly head: RecordHead }
  | { readonly do: "write"; readonly octets: Uint8Array }
  /** Its state is complete: it gets its name. */
  | { readonly do: "whole" }
  /** There is nothing more for it. */
  | { readonly do: "end" };

/** With the number of times that a file had been given up. */
export type RecordOrder = Order & { readonly turn: number };

export interface RecordInput {
  readonly config: RecordConfig;
  readonly memory: SharedArrayBuffer;
}

/** What is on disk, about once a second. */
export interface RecordNews {
  /** Why the file at hand was given up; null when it was not. */
  readonly failed: string | null;
  /** Of all files, and the file at hand of that, compressed. */
  readonly octets: number;
  readonly fileOctets: number;
  readonly files: number;
  /** When the oldest begins; null without one. */
  readonly fromMs: number | null;
}

export class RecordThread {
  private readonly worker: Worker;
  private readonly words: LogWords = new LogWords();
  private orderedOctets = 0;

  /** @param died - the thread has a fault, and does nothing more: what was ordered is not done */
  constructor(
    config: RecordConfig,
    told: (news: RecordNews) => void,
    died: (reason: string) => void,
  ) {
    const workerData: RecordInput = { config, memory: this.words.memory };
    const url = new URL("./record-worker.ts", import.meta.url);
    this.worker = new Worker(url, { name: "record", workerData });
    this.worker.unref();
    this.worker.on("message", told);
    this.worker.on("error", (error) => died(`its thread has failed: ${messageOf(error)}`));
  }

  get writtenOctets(): number {
    return this.words.writtenOctets;
  }

  /** Octets that wait for the thread. */
  get waitingOctets(): number {
    return this.orderedOctets - this.words.writtenOctets;
  }

  begin(head: RecordHead): void {
    this.order({ do: "begin", head });
  }

  /** @param octets - are handed over, and nobody has them any more */
  write(octets: Uint8Array): void {
    this.orderedOctets += octets.length;
    this.order({ do: "write", octets }, [octets.buffer as ArrayBuffer]);
  }

  whole(): void {
    this.order({ do: "whole" });
  }

  end(): void {
    this.order({ do: "end" });
  }

  /** What was ordered and is not done is of no use; what is on disk stays. */
  giveUp(): void {
    this.words.giveUp();
    this.order({ do: "end" });
  }

  /** Ends the thread, once all is written if that does not take long; does not wait for a disk that stands still. */
  async exit(): Promise<void> {
    const { worker } = this;
    worker.postMessage("exit");
    if (worker.threadId < 0) return;
    // Nothing else may be left that keeps the process from its end until then.
    worker.ref();
    const waiting = new AbortController();
    const { signal } = waiting;
    await Promise.race([once(worker, "exit", { signal }), sleep(EXIT_MS, null, { signal })]).catch(
      () => {},
    );
    waiting.abort();
    worker.unref();
    void worker.terminate();
  }

  private order(order: Order, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage({ ...order, turn: this.words.turn } satisfies RecordOrder, transfer);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
