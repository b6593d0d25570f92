/** The thread that sends heartbeats, or hears them; see `heartbeats.ts`. */

import type { Duplex } from "node:stream";
import { parentPort } from "node:worker_threads";
import { FrameReader, frameOf, type RecordOf } from "@ts-bgp/replication/stream";
import { lastReadIn, READING_OCTETS } from "@ts-bgp/router/reading";
import type { Suspect } from "@ts-bgp/speaker";
import { BlackBox, bootMs, HEARTBEAT_PRIORITY, Lease, raiseLoopPriority } from "@ts-bgp/takeover";
import {
  type HeartbeatOrder,
  type HeartbeatReply,
  type HeartbeatRequest,
  holdMs,
  promiseMs,
  WORD_ECHO,
  WORD_HEARD,
  WORD_PROGRESS,
  WORD_TOLD,
} from "./heartbeats.ts";
import { connectLink, listenForLinks } from "./links.ts";
import { RefusalBatch } from "./refusals.ts";

/** A main thread that has done nothing for so long hangs. */
const HANGING_MS = 3000;
/** One that has done nothing for so long says what it is at, in case that it hangs. */
const STUCK_MS = 1000;
const RETRY_MS = 100;
/** A way that no heartbeat came by for so long is down. */
const WAY_SILENT_MS = 1000;
/** Heartbeats that wait in this process for a standby that does not read. */
const BACKLOG_OCTETS_MAX = 1 << 16;
/** Streams of heartbeats at most: one for each way of each standby, and those that they have given up. */
const STREAMS_MAX = 64;

/** Of an order: what it uses until it is ended. */
abstract class Heart {
  protected readonly order: HeartbeatOrder;
  protected readonly words: Int32Array;
  protected readonly lease: Lease | null;
  protected readonly streams: Set<Duplex> = new Set();
  protected timer: NodeJS.Timeout | undefined;
  protected isEnded = false;

  constructor(order: HeartbeatOrder) {
    this.order = order;
    this.words = new Int32Array(order.memory);
    this.lease = order.lease === null ? null : new Lease(order.lease);
  }

  /** Resolves when nothing of it is left. */
  async end(): Promise<void> {
    this.isEnded = true;
    clearInterval(this.timer);
    for (const stream of this.streams) stream.destroy();
  }

  protected get echo(): number {
    return Atomics.load(this.words, WORD_ECHO) >>> 0;
  }

  /** @returns whether the stream is of use */
  protected keep(stream: Duplex): boolean {
    stream.on("error", () => {});
    if (this.isEnded) stream.destroy();
    else {
      this.streams.add(stream);
      if (this.streams.size > STREAMS_MAX) this.leave(this.streams.values().next().value!);
      stream.on("close", () => this.streams.delete(stream));
    }
    return !this.isEnded;
  }

  private leave(stream: Duplex): void {
    this.streams.delete(stream);
    stream.destroy();
  }

  protected write(stream: Duplex, frame: Uint8Array): void {
    if (stream.writableLength > BACKLOG_OCTETS_MAX) stream.destroy();
    else stream.write(frame);
  }
}

class Sender extends Heart {
  private readonly listening: Promise<(() => void)[]>;
  private readonly box: BlackBox | null;
  private progress = -1;
  private progressMs = 0;
  private hasSaidLast = false;

  constructor(order: HeartbeatOrder) {
    super(order);
    this.box = order.notes === null ? null : BlackBox.at(order.notes, READING_OCTETS);
    this.listening = this.listen();
    this.listening.catch((error: Error) => reply({ number: order.number, failed: error.message }));
    this.timer = setInterval(() => this.sendHeartbeat(), order.config.heartbeatMs);
  }

  override async end(): Promise<void> {
    await super.end();
    const stops = await this.listening.catch(() => []);
    for (const stop of stops) stop();
  }

  private async listen(): Promise<(() => void)[]> {
    const { addresses, config } = this.order;
    const stops: (() => void)[] = [];
    try {
      for (const address of addresses) {
        stops.push(
          await listenForLinks(
            address,
            config,
            // Its user or its certificate says who it is: heartbeats have no hello.
            ({ stream, welcome }) => {
              welcome();
              if (this.keep(stream)) void this.hearEchoes(stream);
            },
            refusals.note,
          ),
        );
      }
    } catch (error) {
      for (const stop of stops) stop();
      throw error;
    }
    return stops;
  }

  private sendHeartbeat(): void {
    const progress = Atomics.load(this.words, WORD_PROGRESS) >>> 0;
    const frame = frameOf("heartbeat", { progress, epoch: this.order.epoch, sentMs: bootMs() });
    for (const stream of this.streams) this.write(stream, frame);
    if (this.box !== null) this.accuse(this.box, progress);
  }

  /** Says what the process dies of, or hangs in: who takes over must not read that. */
  private accuse({ cause, notes }: BlackBox, progress: number): void {
    if (progress !== this.progress) this.progressMs = bootMs();
    this.progress = progress;
    const isStuck = bootMs() - this.progressMs > STUCK_MS;
    if (this.hasSaidLast || (cause === null && !isStuck)) return;
    this.hasSaidLast = cause !== null;
    // It is said again after as long.
    this.progressMs = bootMs();
    const { epoch } = this.order;
    const frames = lastReadIn(notes).map((read) =>
      frameOf("suspect", { epoch, cause: cause ?? "", ...read }),
    );
    const sent = [...this.streams].flatMap((stream) =>
      frames.map((frame) => new Promise<void>((resolve) => stream.write(frame, () => resolve()))),
    );
    if (cause !== null) void Promise.all(sent).then(() => this.told());
  }

  private told(): void {
    Atomics.store(this.words, WORD_TOLD, 1);
    Atomics.notify(this.words, WORD_TOLD);
  }

  /** What standbys promise, each by any of its ways. */
  private async hearEchoes(stream: Duplex): Promise<void> {
    const frames = new FrameReader("echoes");
    try {
      for await (const octets of stream) {
        frames.push(octets as Uint8Array);
        for (let next = frames.next(); next !== null; next = frames.next()) {
          if (next.record !== "echo") continue;
          const untilMs = Math.min(next.sentMs, bootMs()) + holdMs(this.order.config);
          this.lease?.renewByEcho(next.id, untilMs);
        }
      }
    } catch {
      // Broken: no more echoes this way.
      stream.destroy();
    }
  }
}

/** Hears heartbeats by all ways at once: one that comes through is enough. */
class Listener extends Heart {
  private heardMs = 0;
  /** By neighbor, what it has said that it dies of, or does nothing in. */
  private readonly suspects: Map<string, Suspect> = new Map();
  /** A heartbeat has come since: those that are said together come after one. */
  private isToldAnew = true;
  /** By way, when a heartbeat came last, and whether it counts as up. */
  private readonly ways: { heardMs: number; isUp: boolean }[];
  private progress = -1;
  private progressMs = 0;
  private lookedMs: number = performance.now();

  constructor(order: HeartbeatOrder) {
    super(order);
    this.ways = order.addresses.map(() => ({ heardMs: performance.now(), isUp: true }));
    for (const index of order.addresses.keys()) void this.hearBy(index);
    this.timer = setInterval(() => this.look(), order.config.heartbeatMs / 2);
  }

  private look(): void {
    const { heartbeatMs, heartbeatMisses } = this.order.config;
    const nowMs = performance.now();
    const wasAsleep = nowMs - this.lookedMs > heartbeatMs * heartbeatMisses;
    this.lookedMs = nowMs;
    if (this.heardMs === 0) return;
    // After a pause of this side it is not known who was silent.
    if (wasAsleep) {
      this.heardMs = nowMs;
      this.progressMs = nowMs;
      for (const way of this.ways) way.heardMs = nowMs;
    }
    if (this.ways.length > 1) this.lookAtWays(nowMs);
    const silentMs = nowMs - this.heardMs;
    if (silentMs > heartbeatMs * heartbeatMisses) {
      this.tell(`no heartbeat for ${Math.round(silentMs)} ms`);
    } else if (nowMs - this.progressMs > HANGING_MS) {
      this.tell(`its main thread has done nothing for ${HANGING_MS} ms`, true);
    }
  }

  private lookAtWays(nowMs: number): void {
    for (const [index, way] of this.ways.entries()) {
      const isUp = nowMs - way.heardMs < WAY_SILENT_MS;
      if (isUp !== way.isUp) reply({ number: this.order.number, way: { index, isUp } });
      way.isUp = isUp;
    }
  }

  private tell(silent: string, isHanging = false): void {
    this.heardMs = 0;
    reply({ number: this.order.number, silent, isHanging });
  }

  private async hearBy(index: number): Promise<void> {
    const way = this.ways[index]!;
    while (!this.isEnded) {
      try {
        const stream = await connectLink(this.order.addresses[index]!, this.order.config);
        const frames = new FrameReader("heartbeats");
        if (!this.keep(stream)) return;
        for await (const octets of stream) {
          frames.push(octets as Uint8Array);
          for (let next = frames.next(); next !== null; next = frames.next()) {
            if (next.record === "suspect" && next.epoch === this.order.epoch) this.accused(next);
            if (next.record !== "heartbeat") continue;
            // 0: of a version that did not say it.
            if (next.epoch !== this.order.epoch && next.epoch !== 0) continue;
            this.heartbeatCame(next.progress, next.sentMs, stream);
            way.heardMs = this.heardMs;
          }
        }
      } catch {
        // No way, or a broken one: the silence tells.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  private accused({ cause, address, message }: RecordOf<"suspect">): void {
    // It has said so before, of what it was at then.
    if (this.isToldAnew) this.suspects.clear();
    this.isToldAnew = false;
    this.suspects.set(address, { cause, address, message: new Uint8Array(message) });
    this.tellSuspects();
  }

  private tellSuspects(): void {
    reply({ number: this.order.number, suspects: [...this.suspects.values()] });
  }

  private heartbeatCame(progress: number, sentMs: number, stream: Duplex): void {
    this.heardMs = performance.now();
    Atomics.store(this.words, WORD_HEARD, Math.floor(bootMs()) | 0);
    this.isToldAnew = true;
    this.promise(sentMs, stream);
    if (progress === this.progress) return;
    if ([...this.suspects.values()].some(({ cause }) => cause === "")) {
      this.suspects.clear();
      this.tellSuspects();
    }
    this.progress = progress;
    this.progressMs = this.heardMs;
  }

  /** Answers a heartbeat, if that may be promised. */
  private promise(sentMs: number, stream: Duplex): void {
    const { lease } = this;
    if (lease === null || !lease.promise(bootMs() + promiseMs(this.order.config))) return;
    this.write(stream, frameOf("echo", { id: this.echo, sentMs }));
  }
}

// On a busy host a heartbeat that comes late looks like one that was not sent.
raiseLoopPriority(HEARTBEAT_PRIORITY);

const hearts = new Map<number, Heart>();

const refusals = new RefusalBatch((refused) => parentPort!.postMessage({ refused }));

function reply(message: HeartbeatReply): void {
  parentPort!.postMessage(message);
}

async function end(number: number): Promise<void> {
  await hearts.get(number)?.end();
  hearts.delete(number);
  reply({ number, isEnded: true });
}

parentPort!.on("message", (request: HeartbeatRequest) => {
  if (request === "exit") process.exit();
  else if ("role" in request) {
    const heart = request.role === "active" ? new Sender(request) : new Listener(request);
    hearts.set(request.number, heart);
  } else void end(request.end);
});
