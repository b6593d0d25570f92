/**
 * Heartbeats between two sides, from a thread of their own on each: a busy main thread does not delay
 * them, and they carry its progress, so that one that hangs is not taken for alive.
 *
 * With a term (see `Term`) the standby echoes them, and promises with each echo not to take over as long
 * as it would need to miss the next ones. The active's term ends somewhat earlier.
 */

import { Worker } from "node:worker_threads";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";
import { bootMs, type Term } from "@ts-bgp/takeover";

export interface BeatWorkerData {
  readonly role: "active" | "standby";
  readonly addresses: readonly LinkAddress[];
  readonly config: NsrConfig;
  /** 32-bit words, see `WORD_PROGRESS`. */
  readonly memory: SharedArrayBuffer;
  readonly term: SharedArrayBuffer | null;
}

/** Counts what the active's main thread has done. */
export const WORD_PROGRESS = 0;
/** Signs echoes: of the active, those that count. */
export const WORD_ECHO = 1;
const WORDS = 2;

/** What the standby's thread tells. */
export interface BeatMessage {
  readonly silent: string;
}

/** Beats have an address of their own beside the link's: `.beat` behind a path, or the next port. */
function beatAddress(address: LinkAddress): LinkAddress {
  return "path" in address
    ? { path: `${address.path}.beat` }
    : { address: address.address, port: address.port + 1 };
}

function startWorker(
  role: BeatWorkerData["role"],
  addresses: readonly LinkAddress[],
  config: NsrConfig,
  words: Int32Array,
  term: Term | null,
): Worker {
  const workerData: BeatWorkerData = {
    role,
    addresses: addresses.map(beatAddress),
    config,
    memory: words.buffer as SharedArrayBuffer,
    term: term?.memory ?? null,
  };
  const worker = new Worker(new URL("./beat-worker.ts", import.meta.url), { workerData });
  worker.unref();
  return worker;
}

/**
 * Has a thread end by itself: one that is ended from outside while it loads a native module takes the
 * whole process with it.
 */
function end(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.once("exit", () => resolve());
    // It may have ended already.
    if (worker.threadId < 0) resolve();
    worker.postMessage("end");
  });
}

function newWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * WORDS));
}

/** @returns how long a standby does not take over after a beat: it counts as lost then */
export function promiseMs({ heartbeatMs, heartbeatMisses }: NsrConfig): number {
  return heartbeatMs * heartbeatMisses;
}

/** @returns how long an active may act after a beat that was echoed */
export function holdMs(config: NsrConfig): number {
  return promiseMs(config) - config.heartbeatMs / 2;
}

/** The active's heart. */
export class BeatSender {
  private readonly words: Int32Array = newWords();
  private readonly worker: Worker;

  /**
   * @param term - extended by echoes, null for none
   * @param failed - beats cannot be sent any more
   */
  constructor(config: NsrConfig, term: Term | null, failed: (reason: string) => void) {
    this.worker = startWorker("active", [config.listen], config, this.words, term);
    this.worker.on("error", (error) => failed((error as Error).message));
  }

  /** The main thread is alive: to be called several times a second. */
  progress(): void {
    Atomics.add(this.words, WORD_PROGRESS, 1);
  }

  /** Only echoes with this id count from now on, see the record `hello`. */
  expect(echo: number): void {
    Atomics.store(this.words, WORD_ECHO, echo | 0);
  }

  /** Resolves when nothing more is sent, and the address is free. */
  stop(): Promise<void> {
    return end(this.worker);
  }
}

/** The standby's ear. */
export class BeatListener {
  private readonly worker: Worker;

  /**
   * @param term - with what is promised to the active, null for nothing
   * @param echo - signs the promises, 32 bits
   * @param silent - called once beats that had begun are missing, and after that no more
   */
  constructor(
    config: NsrConfig,
    term: Term | null,
    echo: number,
    silent: (reason: string) => void,
  ) {
    const words = newWords();
    words[WORD_ECHO] = echo;
    // What was promised to this active by a process before counts as well.
    term?.beginPromises(bootMs() + promiseMs(config));
    this.worker = startWorker("standby", config.peers, config, words, term);
    this.worker.on("message", (message: BeatMessage) => silent(message.silent));
    this.worker.on("error", () => {});
  }

  stop(): void {
    void end(this.worker);
  }
}
