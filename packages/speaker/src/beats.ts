/**
 * Heartbeats between two sides, from a thread of their own on each: a busy main thread does not delay
 * them, and they carry its progress, so that one that hangs is not taken for alive.
 */

import { Worker } from "node:worker_threads";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";

export interface BeatWorkerData {
  readonly role: "active" | "standby";
  readonly addresses: readonly LinkAddress[];
  readonly config: NsrConfig;
  /** Of the active: 32-bit words; the first one counts what its main thread has done. */
  readonly memory: SharedArrayBuffer;
}

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
  memory: SharedArrayBuffer,
): Worker {
  const workerData: BeatWorkerData = {
    role,
    addresses: addresses.map(beatAddress),
    config,
    memory,
  };
  const worker = new Worker(new URL("./beat-worker.ts", import.meta.url), { workerData });
  worker.unref();
  return worker;
}

/** The active's heart. */
export class BeatSender {
  private readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker: Worker;

  /** @param failed - beats cannot be sent any more */
  constructor(config: NsrConfig, failed: (reason: string) => void) {
    const memory = this.words.buffer as SharedArrayBuffer;
    this.worker = startWorker("active", [config.listen], config, memory);
    this.worker.on("error", (error) => failed((error as Error).message));
  }

  /** The main thread is alive: to be called several times a second. */
  progress(): void {
    Atomics.add(this.words, 0, 1);
  }

  stop(): Promise<unknown> {
    return this.worker.terminate();
  }
}

/** The standby's ear. */
export class BeatListener {
  private readonly worker: Worker;

  /** @param silent - called once beats that had begun are missing, and after that no more */
  constructor(config: NsrConfig, silent: (reason: string) => void) {
    this.worker = startWorker("standby", config.peers, config, new SharedArrayBuffer(4));
    this.worker.on("message", (message: BeatMessage) => silent(message.silent));
    this.worker.on("error", () => {});
  }

  stop(): void {
    void this.worker.terminate();
  }
}
