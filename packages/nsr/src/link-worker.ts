/** The thread that has the standby's end of the link; see `link-thread.ts`. */

import { setTimeout as sleep } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import { parentPort } from "node:worker_threads";
import { type AnyRecord, octetsOf, Receipts, type RecordOf } from "@ts-bgp/replication/stream";
import { Link } from "./link.ts";
import {
  type LinkNews,
  type LinkOrder,
  type LinkRequest,
  type LinkTask,
  LinkWords,
  type Stored,
  threadsUs,
} from "./link-thread.ts";
import { connectFirst, type Way } from "./links.ts";

/** Longest wait for a goodbye to leave before the thread ends. */
const GOODBYE_MS = 200;

class StandbyEnd {
  /** Resolves when the main thread is done with the link, and what it had to say has left. */
  readonly ended: Promise<unknown>;
  private readonly hasWritten = Promise.withResolvers<void>();
  private readonly port: MessagePort;
  private readonly words: LinkWords;
  private readonly receipts: Receipts = new Receipts();
  private octetsStored = 0;
  /** Of the brackets that are stored; null before the active has said it. */
  private epoch: number | null = null;
  /** What has come is not to be acknowledged. */
  private isStrange = false;
  /** What this side has, which the active may go on behind. */
  private offered: Stored | null = null;
  private frames: Uint8Array[] = [];
  private link: Link | null = null;
  private isOver = false;

  constructor({ port, memory, addresses, config }: LinkOrder) {
    this.port = port;
    this.words = new LinkWords(memory);
    const isDone = new Promise<void>((resolve) => {
      port.once("close", resolve);
    });
    this.ended = Promise.all([isDone, this.hasWritten.promise]);
    port.on("message", (task: LinkTask) => this.do(task));
    port.on("close", () => this.do("close"));
    connectFirst(addresses, config).then(
      (way) => this.use(way, addresses.indexOf(way.address)),
      (error: Error) => {
        this.tell({ closed: error.message });
        this.hasWritten.resolve();
      },
    );
  }

  private use({ stream }: Way, address: number): void {
    stream.once("finish", this.hasWritten.resolve);
    stream.once("close", this.hasWritten.resolve);
    if (this.isOver) {
      stream.destroy();
      return;
    }
    this.tell({ up: address });
    this.link = new Link(stream, "active", {
      record: (record, frame) => this.record(record, frame),
      drained() {},
      idle: () => {
        this.passOn();
        this.acknowledge();
      },
      closed: (reason) => {
        this.passOn();
        this.tell({ closed: reason });
      },
    });
  }

  private do(task: LinkTask): void {
    const { link } = this;
    if (this.isOver) return;
    if (task === "acknowledge") this.acknowledge();
    else if (task instanceof Uint8Array) link?.send(task);
    else if (task !== "close" && "resume" in task) this.resume(task.resume);
    else if (task !== "close" && "offer" in task) this.offered = task.offer;
    else {
      this.isOver = true;
      if (task === "close") link?.close();
      else link?.bye(task.bye);
      if (link === null) this.hasWritten.resolve();
    }
  }

  private resume({ epoch, next, octets }: Stored): void {
    this.epoch = epoch;
    this.receipts.begin(next);
    this.octetsStored = octets;
  }

  private record(record: AnyRecord, frame: Uint8Array): void {
    if (record.record === "hello") this.answered(record);
    else if (record.record === "imageEnd") this.receipts.begin(record.before);
    else if (record.record === "bracket") {
      this.isStrange ||= record.epoch !== this.epoch;
      if (!this.isStrange) this.receipts.store(record.number);
      this.octetsStored += octetsOf(record);
    }
    this.frames.push(frame);
    this.words.set("heardUs", threadsUs());
  }

  private answered({ epoch, goesOn }: RecordOf<"hello">): void {
    const { offered } = this;
    this.offered = null;
    if (offered !== null && offered.next === goesOn) this.resume({ ...offered, epoch });
    this.epoch ??= epoch;
  }

  private passOn(): void {
    this.words.set("skipped", this.link?.skipped ?? 0);
    const { frames } = this;
    if (frames.length === 0) return;
    this.frames = [];
    const octets = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const frame of frames) {
      octets.set(frame, at);
      at += frame.length;
    }
    this.port.postMessage(octets satisfies LinkNews, [octets.buffer]);
  }

  /** Nothing that was not passed on before. */
  private acknowledge(): void {
    const { words, receipts, link } = this;
    const applied = words.get("applied");
    // Before the image is a machine there is nobody to run a bracket.
    if (applied < 0 || this.isStrange || words.get("isDone") === 1) return;
    const waiting = this.octetsStored - words.get("octetsRun");
    const frame = receipts.acknowledge(applied, waiting);
    if (frame === null) return;
    link?.send(frame);
    words.set("toldApplied", receipts.toldApplied);
    words.set("hasToldRoom", Number(receipts.hasToldRoom));
  }

  private tell(news: LinkNews): void {
    this.port.postMessage(news);
  }
}

const ends = new Set<StandbyEnd>();

/** The main thread is done with all links: its words for them may be on the way. */
async function exit(): Promise<void> {
  const ended = Promise.all([...ends].map((end) => end.ended));
  await Promise.race([ended, sleep(GOODBYE_MS)]);
  process.exit();
}

parentPort!.on("message", (request: LinkRequest) => {
  if (request === "exit") {
    void exit();
    return;
  }
  const end = new StandbyEnd(request);
  ends.add(end);
  void end.ended.then(() => ends.delete(end));
});
