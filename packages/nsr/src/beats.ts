/**
 * Heartbeats between two sides, from a thread of their own on each: a busy main thread does not delay
 * them, and they carry its progress, so that one that hangs is not taken for alive.
 *
 * With a term (see `Term`) the standby echoes them, and promises with each echo not to take over as long
 * as it would need to miss the next ones. The active's term ends somewhat earlier.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";
import { bootMs, type Term } from "@ts-bgp/takeover";
import type { Refused } from "./refusals.ts";

/** What the thread is to do from now on. */
export interface BeatOrder {
  /** Goes with everything that the thread says of it. */
  readonly number: number;
  readonly role: "active" | "standby";
  readonly addresses: readonly LinkAddress[];
  readonly config: NsrConfig;
  /** Of the active side. */
  readonly epoch: number;
  /** 32-bit words, see `WORD_PROGRESS`. */
  readonly memory: SharedArrayBuffer;
  readonly term: SharedArrayBuffer | null;
}

export type BeatRequest = BeatOrder | { readonly end: number } | "exit";

/** What the thread tells. */
export interface BeatReply {
  readonly number: number;
  /** The other side is not heard any more: why. */
  readonly silent?: string;
  /** Beats come by one of several ways, by its number, no more, or again. */
  readonly way?: { readonly index: number; readonly isUp: boolean };
  /** Beats cannot be sent: why. */
  readonly failed?: string;
  readonly ended?: boolean;
}

/** Of all that the thread does: who was not let in. */
export interface BeatRefusals {
  readonly refused: readonly Refused[];
}

/** Counts what the active's main thread has done. */
export const WORD_PROGRESS = 0;
/** Signs echoes: of the active, those that count. */
export const WORD_ECHO = 1;
const WORDS = 2;

/** Beats have an address of their own beside the link's: `.beat` behind a path, or the next port. */
function beatAddress(address: LinkAddress): LinkAddress {
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
export class BeatThread {
  private readonly worker: Worker;
  private readonly told: Map<number, (reply: BeatReply) => void> = new Map();
  private failure = "";
  private orders = 0;

  /** @param refused - told of those who were not let in, some at a time */
  constructor(refused: (refused: Refused) => void = () => {}) {
    this.worker = new Worker(new URL("./beat-worker.ts", import.meta.url));
    this.worker.unref();
    this.worker.on("message", (message: BeatReply | BeatRefusals) => {
      if ("refused" in message) message.refused.forEach(refused);
      else this.told.get(message.number)?.(message);
    });
    this.worker.on("error", (error) => this.fail((error as Error).message));
    this.worker.on("exit", () => this.allEnded());
  }

  /** @returns ends what is begun here; resolves when nothing of it is left */
  begin(
    order: Pick<BeatOrder, "role" | "addresses" | "config" | "epoch">,
    words: Int32Array,
    term: Term | null,
    told: (reply: BeatReply) => void,
  ): () => Promise<void> {
    const number = ++this.orders;
    let ended = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    this.told.set(number, (reply) => {
      if (reply.ended !== true) told(reply);
      else {
        this.told.delete(number);
        ended();
      }
    });
    this.request({
      ...{ ...order, number, addresses: order.addresses.map(beatAddress) },
      ...{ memory: words.buffer as SharedArrayBuffer, term: term?.memory ?? null },
    });
    if (this.failure !== "") this.fail(this.failure);
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

  private request(request: BeatRequest): void {
    this.worker.postMessage(request);
  }

  /** The thread is no more. */
  private fail(reason: string): void {
    this.failure = reason;
    for (const [number, told] of this.told) told({ number, failed: reason });
    this.allEnded();
  }

  private allEnded(): void {
    for (const [number, told] of [...this.told]) told({ number, ended: true });
  }
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
  /** Resolves when nothing more is sent, and the address is free. */
  readonly stop: () => Promise<void>;
  private readonly words: Int32Array = newWords();

  /**
   * @param epoch - goes with every beat
   * @param term - extended by echoes, null for none
   * @param failed - beats cannot be sent any more
   */
  constructor(
    thread: BeatThread,
    config: NsrConfig,
    epoch: number,
    term: Term | null,
    failed: (reason: string) => void,
  ) {
    const order = { role: "active", addresses: [config.listen], config, epoch } as const;
    this.stop = thread.begin(order, this.words, term, (reply) => failed(reply.failed ?? ""));
  }

  /** The main thread is alive: to be called several times a second. */
  progress(): void {
    Atomics.add(this.words, WORD_PROGRESS, 1);
  }

  /** Only echoes with this id count from now on, see the record `hello`. */
  expect(echo: number): void {
    Atomics.store(this.words, WORD_ECHO, echo | 0);
  }
}

/** The standby's ear. */
export class BeatListener {
  readonly stop: () => Promise<void>;

  /**
   * @param order - `epoch`: beats of another one are not heard; `term`: with what is promised to the
   *   active, null for nothing; `echo`: signs the promises, 32 bits
   * @param silent - called once beats that had begun are missing, and after that no more
   * @param failed - beats cannot be heard any more
   * @param way - told of each of several ways that no beat comes by any more, or again
   */
  constructor(
    order: {
      readonly thread: BeatThread;
      readonly config: NsrConfig;
      readonly epoch: number;
      readonly term: Term | null;
      readonly echo: number;
    },
    silent: (reason: string) => void,
    failed: (reason: string) => void,
    way: (address: LinkAddress, isUp: boolean) => void = () => {},
  ) {
    const { thread, config, epoch, term, echo } = order;
    const words = newWords();
    words[WORD_ECHO] = echo;
    // What was promised to this active by a process before counts as well.
    term?.beginPromises(bootMs() + promiseMs(config));
    const listen = { role: "standby", addresses: config.peers, config, epoch } as const;
    this.stop = thread.begin(listen, words, term, (reply) => {
      if (reply.silent !== undefined) silent(reply.silent);
      else if (reply.way !== undefined) way(config.peers[reply.way.index]!, reply.way.isUp);
      else if (reply.failed !== undefined) failed(reply.failed);
    });
  }
}
