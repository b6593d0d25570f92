/**
 * The standby's end of the link, in a thread of its own: what has come is acknowledged there, whatever the
 * main thread is running.
 *
 *     active --stream--> thread: cuts and checks frames, passes them on, acknowledges --stream--> active
 *                          | port: frames, and behind them why the link is over
 *                          v
 *                        main thread: runs brackets, and says in shared memory how far it is
 *
 * The thread passes a bracket on, then looks whether the main thread is done with the link, and acknowledges
 * the bracket if it is not. The main thread says that it is done, and takes what was passed on after that. So
 * it has every bracket that was acknowledged.
 */

import { once } from "node:events";
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from "node:worker_threads";
import type { LinkAddress, NsrConfig } from "@ts-bgp/config";
import { type AnyRecord, FrameReader } from "@ts-bgp/replication/stream";
import { endProcess } from "./thread-failure.ts";

/** So long, and so often, somebody is looked for who is about to listen. */
const SOON_MS = 500;
const AGAIN_MS = 30;

/** A link that the thread is to have. */
export interface LinkOrder {
  readonly addresses: readonly LinkAddress[];
  readonly config: NsrConfig;
  readonly port: MessagePort;
  readonly memory: SharedArrayBuffer;
}

/** What was stored before, by another link. */
export interface Stored {
  /** Of the active that is to send more; null when it says so. */
  readonly epoch: number | null;
  /** Bracket that is to come first. */
  readonly next: number;
  /** Octets of all brackets before it. */
  readonly octets: number;
}

export type LinkRequest = LinkOrder | "exit";

/** What the main thread wants of a link. */
export type LinkTask =
  /** A frame to be sent. */
  | Uint8Array
  /** The active is to know what was run. */
  | "acknowledge"
  /** The stream goes on behind what is stored. */
  | { readonly resume: Stored }
  /** The same, if the active says in its hello that it goes on there. */
  | { readonly offer: Stored }
  | { readonly bye: string }
  | "close";

/** What the thread says of a link: whole frames that have come, or what has become of it. */
export type LinkNews =
  | Uint8Array
  /** It is up, by the address with that number. */
  | { readonly up: number }
  | { readonly closed: string };

const WORDS = {
  /** Of the main thread: bracket that was run last, octets of all that were, whether it is done with the link. */
  ...{ applied: 0, octetsRun: 1, isDone: 2 },
  /** Of the other: when a record came, what it has told the active, records and fields it did not know. */
  ...{ heardUs: 3, toldApplied: 4, hasToldRoom: 5, skipped: 6 },
} as const;

/** What both threads know of a link. Numbers that were never set are -1. */
export class LinkWords {
  readonly memory: SharedArrayBuffer;
  private readonly words: BigInt64Array;

  constructor(memory: SharedArrayBuffer | null = null) {
    const octets = Object.keys(WORDS).length * BigInt64Array.BYTES_PER_ELEMENT;
    this.memory = memory ?? new SharedArrayBuffer(octets);
    this.words = new BigInt64Array(this.memory);
    if (memory === null) this.words.fill(-1n);
  }

  get(name: keyof typeof WORDS): number {
    return Number(Atomics.load(this.words, WORDS[name]));
  }

  set(name: keyof typeof WORDS, value: number): void {
    Atomics.store(this.words, WORDS[name], BigInt(value));
  }
}

/** By a clock that all threads of a process have. */
export function threadsUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

export interface ThreadLinkEvents {
  /** @param frame - of the record, as it came; nobody may change or transfer it */
  record(record: AnyRecord, frame: Uint8Array): void;
  /** All records that had come were handed over. */
  idle(): void;
  /** The link is over, and all that came before its end was handed over; called once. */
  closed(reason: string): void;
}

/** A link of the thread, for the main thread. */
export class ThreadLink {
  /** Resolves to the number of the address it leads to; rejects when there is no way to any. */
  readonly up: Promise<number>;
  private readonly answer = Promise.withResolvers<number>();
  private readonly port: MessagePort;
  private readonly words: LinkWords;
  private readonly frames: FrameReader = new FrameReader("active", true);
  private events: ThreadLinkEvents | null = null;
  /** What came before there was anybody to tell. */
  private early: LinkNews[] = [];
  private isOver = false;

  constructor(port: MessagePort, words: LinkWords) {
    this.port = port;
    this.words = words;
    this.up = this.answer.promise;
    port.on("message", (news: LinkNews) => this.told(news));
    port.on("close", () => this.told({ closed: "the thread of the link has ended" }));
  }

  /** Begins to hand over what comes. */
  use(events: ThreadLinkEvents): void {
    this.events = events;
    for (const news of this.early.splice(0)) this.told(news);
  }

  /** Records and fields that were not known. */
  get skipped(): number {
    return Math.max(0, this.words.get("skipped"));
  }

  /** When the last record came, by `threadsUs`; -1 when none has. */
  get heardUs(): number {
    return this.words.get("heardUs");
  }

  send(frame: Uint8Array): void {
    if (!this.isOver) this.ask(frame);
  }

  /** So far brackets were run. The active is told with the next acknowledgement. */
  ran(applied: number, octets: number): void {
    this.words.set("octetsRun", octets);
    this.words.set("applied", applied);
  }

  /** Whether the active knows how far brackets were run, and of room enough. */
  get hasTold(): { applied: boolean; room: boolean } {
    const { words } = this;
    const applied = words.get("toldApplied") >= words.get("applied");
    return { applied, room: words.get("hasToldRoom") === 1 };
  }

  /** Has the stream go on behind what is stored; to be called before anything is sent. */
  resume(stored: Stored): void {
    this.ask({ resume: stored });
  }

  /** The same, if the active goes on there. */
  offer(stored: Stored): void {
    this.ask({ offer: stored });
  }

  /** Tells the active how far brackets were run, if it does not know. */
  acknowledge(): void {
    if (!this.isOver) this.ask("acknowledge");
  }

  /** Hands over all that was acknowledged, says why, and closes the link. */
  bye(reason: string): void {
    this.end({ bye: reason });
  }

  /** Hands over all that was acknowledged, and closes the link without a word. */
  close(): void {
    this.end("close");
  }

  private ask(task: LinkTask): void {
    this.port.postMessage(task);
  }

  private end(task: LinkTask): void {
    if (this.isOver || this.words.get("isDone") === 1) return;
    this.words.set("isDone", 1);
    for (;;) {
      const next = receiveMessageOnPort(this.port);
      if (next === undefined) break;
      this.told(next.message as LinkNews);
    }
    if (this.isOver) return;
    this.isOver = true;
    this.ask(task);
    this.port.close();
  }

  private told(news: LinkNews): void {
    if (this.isOver) return;
    if (news instanceof Uint8Array) this.read(news);
    else if ("up" in news) this.answer.resolve(news.up);
    else if (this.events === null) {
      this.early.push(news);
      this.answer.reject(new Error(news.closed));
    } else this.over(news.closed);
  }

  private read(octets: Uint8Array): void {
    const { events, frames } = this;
    if (events === null) {
      this.early.push(octets);
      return;
    }
    // What is handed over may end the link, and have the rest handed over within this loop.
    frames.push(octets);
    try {
      for (let next = frames.next(); next !== null; next = frames.next()) {
        events.record(next, frames.frame);
      }
    } catch (error) {
      this.over(`the replication stream is broken: ${(error as Error).message}`);
      return;
    }
    if (this.words.get("isDone") !== 1) events.idle();
  }

  private over(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    const isDone = this.words.get("isDone") === 1;
    this.words.set("isDone", 1);
    this.port.close();
    if (!isDone) this.events?.closed(reason);
  }
}

/** A link to the other side, and where it leads. */
export interface Way {
  readonly link: ThreadLink;
  readonly address: LinkAddress;
}

/** The thread, for one link after the other. It ends by itself, as `HeartbeatThread` does. */
export class LinkThread {
  private worker: Worker | null;
  private readonly links: Set<ThreadLink> = new Set();

  constructor() {
    this.worker = this.begin();
  }

  /**
   * Connects to the first of several addresses that answers.
   *
   * @returns rejects with what was wrong with the last address
   */
  async connect(addresses: readonly LinkAddress[], config: NsrConfig): Promise<Way> {
    this.worker ??= this.begin();
    const { port1, port2: port } = new MessageChannel();
    const words = new LinkWords();
    const link = new ThreadLink(port1, words);
    this.links.add(link);
    port1.once("close", () => this.links.delete(link));
    const order: LinkOrder = { addresses, config, port, memory: words.memory };
    this.worker.postMessage(order, [port]);
    try {
      return { link, address: addresses[await link.up]! };
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /**
   * The same of somebody who is about to listen, at one of addresses of which others may lead to nobody who
   * would say so: tries all of them again and again.
   */
  async connectSoon(addresses: readonly LinkAddress[], config: NsrConfig): Promise<Way> {
    const found = Promise.withResolvers<Way>();
    let isOver = false;
    const attempt = async () => {
      try {
        const way = await this.connect(addresses, config);
        if (isOver) way.link.close();
        isOver = true;
        found.resolve(way);
      } catch {
        // Another attempt may come through.
      }
    };
    const timer = setInterval(() => void attempt(), AGAIN_MS);
    const end = setTimeout(() => {
      isOver = true;
      found.reject(new Error(`nobody listens within ${SOON_MS} ms`));
    }, SOON_MS);
    void attempt();
    try {
      return await found.promise;
    } finally {
      clearInterval(timer);
      clearTimeout(end);
    }
  }

  /** Ends the thread, and its links once they have said goodbye. The process waits for it. */
  async exit(): Promise<void> {
    const { worker } = this;
    if (worker === null) return;
    worker.ref();
    for (const link of this.links) link.close();
    worker.postMessage("exit" satisfies LinkRequest);
    // A number below zero: it has ended.
    if (worker.threadId >= 0) await once(worker, "exit");
  }

  private begin(): Worker {
    const worker = new Worker(new URL("./link-worker.ts", import.meta.url), { name: "link" });
    worker.unref();
    const ended = () => {
      if (this.worker === worker) this.worker = null;
    };
    // Its links are told by their ports.
    worker.on("error", (error) => endProcess("the link", error));
    worker.on("exit", ended);
    return worker;
  }
}
