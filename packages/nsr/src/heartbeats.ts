/**
 * Heartbeats between two sides, from a thread of their own on each: a busy main thread does not delay
 * them, and they carry its progress, so that one that hangs is not taken for alive.
 *
 * With a lease (see `Lease`) the standby echoes them, and promises with each echo not to take over as long
 * as it would need to miss the next ones. The active's lease ends somewhat earlier.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";
import type { Suspect } from "@ts-bgp/speaker";
import { bootMs, type Lease } from "@ts-bgp/takeover";
import type { Refused } from "./refusals.ts";
import { endProcess } from "./thread-failure.ts";

/** What the thread is to do from now on. */
export interface HeartbeatOrder {
  /** Goes with everything that the thread says of it. */
  readonly number: number;
  readonly role: "active" | "standby";
  readonly addresses: readonly LinkAddress[];
  readonly config: NsrConfig;
  /** Of the active side. */
  readonly epoch: number;
  /** 32-bit words, see `WORD_PROGRESS`. */
  readonly memory: SharedArrayBuffer;
  readonly lease: SharedArrayBuffer | null;
  /** Of the active side: address of what it notes of what it reads, see `BlackBox`; null for none. */
  readonly notes: bigint | null;
}

export type HeartbeatRequest = HeartbeatOrder | { readonly end: number } | "exit";

/** What the thread tells. */
export interface HeartbeatReply {
  readonly number: number;
  /** The other side is not heard any more: why. */
  readonly silent?: string;
  /** With that: it is heard, and its main thread does nothing. */
  readonly isHanging?: boolean;
  /** Messages that the other side may die of, or hangs in; empty: it does not hang any more. */
  readonly suspects?: readonly Suspect[];
  /** Heartbeats come by one of several ways, by its number, no more, or again. */
  readonly way?: { readonly index: number; readonly isUp: boolean };
  /** Heartbeats cannot be sent: why. */
  readonly failed?: string;
  readonly isEnded?: boolean;
}

/** Of all that the thread does: who was not let in. */
export interface HeartbeatRefusals {
  readonly refused: readonly Refused[];
}

/** Counts what the active's main thread has done. */
export const WORD_PROGRESS = 0;
/** Signs the echoes of a standby. */
export const WORD_ECHO = 1;
/** 1: all of the other side's streams were told what the process dies of. */
export const WORD_TOLD = 2;
/** When the active's newest heartbeat came, by `bootMs`, whole milliseconds; the lower 32 bits. */
export const WORD_HEARD = 3;
const WORDS = 4;
/** Longest wait for that. */
const TELL_MS = 300;

/** How long a process still lives that dies of its own doing: until its thread has said so. */
export function lingerMs({ heartbeatMs }: NsrConfig): number {
  return Math.min(TELL_MS, 3 * heartbeatMs);
}

/** Heartbeats have an address of their own beside the link's: `.beat` behind a path, or the next port. */
function heartbeatAddress(address: LinkAddress): LinkAddress {
  return "path" in address
    ? { path: `${address.path}.beat` }
    : { address: address.address, port: address.port + 1 };
}

/**
 * The thread, for one role after the other: when roles change there is no time to start one.
 *
 * It ends by itself: one that is ended from outside while it loads a native module takes the whole process
 * with it.
 */
export class HeartbeatThread {
  private readonly worker: Worker;
  private readonly told: Map<number, (reply: HeartbeatReply) => void> = new Map();
  private orders = 0;

  /** @param refused - told of those who were not let in, some at a time */
  constructor(refused: (refused: Refused) => void = () => {}) {
    this.worker = new Worker(new URL("./heartbeat-worker.ts", import.meta.url));
    this.worker.unref();
    this.worker.on("message", (message: HeartbeatReply | HeartbeatRefusals) => {
      if ("refused" in message) message.refused.forEach(refused);
      else this.told.get(message.number)?.(message);
    });
    this.worker.on("error", (error) => endProcess("heartbeats", error));
    this.worker.on("exit", () => this.allEnded());
  }

  /** @returns ends what is begun here; resolves when nothing of it is left */
  begin(
    order: Pick<HeartbeatOrder, "role" | "addresses" | "config" | "epoch" | "notes">,
    words: Int32Array,
    lease: Lease | null,
    told: (reply: HeartbeatReply) => void,
  ): () => Promise<void> {
    const number = ++this.orders;
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    this.told.set(number, (reply) => {
      if (reply.isEnded !== true) told(reply);
      else {
        this.told.delete(number);
        ended();
      }
    });
    this.request({
      ...{ ...order, number, addresses: order.addresses.map(heartbeatAddress) },
      ...{ memory: words.buffer as SharedArrayBuffer, lease: lease?.memory ?? null },
    });
    return () => {
      if (this.told.has(number)) this.request({ end: number });
      return end;
    };
  }

  /** Ends the thread, and what it does. The process waits for it, awaited or not. */
  async exit(): Promise<void> {
    this.worker.ref();
    this.request("exit");
    // A number below zero: it has ended.
    if (this.worker.threadId >= 0) await once(this.worker, "exit");
  }

  private request(request: HeartbeatRequest): void {
    this.worker.postMessage(request);
  }

  private allEnded(): void {
    for (const [number, told] of [...this.told]) told({ number, isEnded: true });
  }
}

function newWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * WORDS));
}

/** @returns how long a standby does not take over after a heartbeat: it counts as lost then */
export function promiseMs({ heartbeatMs, heartbeatMisses }: NsrConfig): number {
  return heartbeatMs * heartbeatMisses;
}

/** @returns how long an active may act after a heartbeat that was echoed */
export function holdMs(config: NsrConfig): number {
  return promiseMs(config) - config.heartbeatMs / 2;
}

/** The active's heart. */
export class HeartbeatSender {
  /** Resolves when nothing more is sent, and the address is free. */
  readonly stop: () => Promise<void>;
  private readonly words: Int32Array = newWords();
  private readonly tellMs: number;

  /**
   * @param epoch - goes with every heartbeat
   * @param lease - extended by echoes, null for none
   * @param notes - see `HeartbeatOrder`
   * @param failed - heartbeats cannot be sent any more
   */
  constructor(
    thread: HeartbeatThread,
    config: NsrConfig,
    epoch: number,
    lease: Lease | null,
    notes: bigint | null,
    failed: (reason: string) => void,
  ) {
    this.tellMs = notes === null ? 0 : lingerMs(config);
    const order = { role: "active", addresses: [config.listen], config, epoch, notes } as const;
    this.stop = thread.begin(order, this.words, lease, (reply) => {
      if (reply.failed !== undefined) failed(reply.failed);
    });
  }

  /** The main thread is alive: to be called several times a second. */
  progress(): void {
    Atomics.add(this.words, WORD_PROGRESS, 1);
  }

  /** An exception ends the process, which was noted: waits for a moment until the other side was told. */
  sayLast(): void {
    Atomics.wait(this.words, WORD_TOLD, 0, this.tellMs);
  }
}

/** The standby's ear. */
export class HeartbeatListener {
  readonly stop: () => Promise<void>;
  /** For other threads, see `WORD_HEARD`. */
  readonly memory: SharedArrayBuffer;

  /**
   * @param order - `ways`: addresses of the active side; `epoch`: heartbeats of another one are not heard;
   *   `lease`: with what is promised to the active, null for nothing; `echo`: signs the promises, 32 bits
   * @param silent - called once heartbeats that had begun are missing, and after that no more
   * @param failed - heartbeats cannot be heard any more
   * @param way - told of each of several ways that no heartbeat comes by any more, or again
   * @param suspected - told of messages that the active may die of, or hangs in; of none when it goes on
   */
  constructor(
    order: {
      readonly thread: HeartbeatThread;
      readonly config: NsrConfig;
      readonly ways: readonly LinkAddress[];
      readonly epoch: number;
      readonly lease: Lease | null;
      readonly echo: number;
    },
    silent: (reason: string, isHanging: boolean) => void,
    failed: (reason: string) => void,
    way: (address: LinkAddress, isUp: boolean) => void = () => {},
    suspected: (suspects: readonly Suspect[]) => void = () => {},
  ) {
    const { thread, config, ways, epoch, lease, echo } = order;
    const words = newWords();
    words[WORD_ECHO] = echo;
    words[WORD_HEARD] = Math.floor(bootMs());
    this.memory = words.buffer as SharedArrayBuffer;
    // What was promised to this active by a process before counts as well.
    lease?.beginPromises(bootMs() + promiseMs(config));
    const listen = {
      role: "standby",
      addresses: ways,
      config,
      epoch,
      notes: null,
    } as const;
    this.stop = thread.begin(listen, words, lease, (reply) => {
      if (reply.silent !== undefined) silent(reply.silent, reply.isHanging === true);
      else if (reply.suspects !== undefined) suspected(reply.suspects);
      else if (reply.way !== undefined) way(ways[reply.way.index]!, reply.way.isUp);
      else if (reply.failed !== undefined) failed(reply.failed);
    });
  }
}
