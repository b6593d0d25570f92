/** The thread that sends heartbeats, or hears them; see `beats.ts`. */

import type { Duplex } from "node:stream";
import { parentPort } from "node:worker_threads";
import { FrameReader, frameOf } from "@ts-bgp/replication/stream";
import { bootMs, HEARTBEAT_PRIORITY, raisePriority, Term } from "@ts-bgp/takeover";
import {
  type BeatOrder,
  type BeatReply,
  type BeatRequest,
  holdMs,
  promiseMs,
  WORD_ECHO,
  WORD_PROGRESS,
} from "./beats.ts";
import { connectLink, listenForLinks } from "./links.ts";
import { RefusalBatch } from "./refusals.ts";

/** A main thread that has done nothing for so long hangs. */
const HANGING_MS = 3000;
const RETRY_MS = 100;
/** A way that no beat came by for so long is down. */
const WAY_SILENT_MS = 1000;
/** Beats that wait in this process for a standby that does not read. */
const BACKLOG_OCTETS_MAX = 1 << 16;
/** Streams of beats at most: one for each way of a standby, and those that it has given up. */
const STREAMS_MAX = 16;

/** Of an order: what it uses until it is ended. */
abstract class Heart {
  protected readonly order: BeatOrder;
  protected readonly words: Int32Array;
  protected readonly term: Term | null;
  protected readonly streams: Set<Duplex> = new Set();
  protected timer: NodeJS.Timeout | undefined;
  protected isEnded = false;

  constructor(order: BeatOrder) {
    this.order = order;
    this.words = new Int32Array(order.memory);
    this.term = order.term === null ? null : new Term(order.term);
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

  constructor(order: BeatOrder) {
    super(order);
    this.listening = this.listen();
    this.listening.catch((error: Error) => reply({ number: order.number, failed: error.message }));
    this.timer = setInterval(() => this.beat(), order.config.heartbeatMs);
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

  private beat(): void {
    const progress = Atomics.load(this.words, WORD_PROGRESS) >>> 0;
    const frame = frameOf("beat", { progress, epoch: this.order.epoch, sentMs: bootMs() });
    for (const stream of this.streams) this.write(stream, frame);
  }

  /** What a standby promises, by one of the ways. */
  private async hearEchoes(stream: Duplex): Promise<void> {
    const frames = new FrameReader("echoes");
    try {
      for await (const octets of stream) {
        frames.push(octets as Uint8Array);
        for (let next = frames.next(); next !== null; next = frames.next()) {
          if (next.record !== "echo" || next.id !== this.echo) continue;
          this.term?.extendByEcho(Math.min(next.sentMs, bootMs()) + holdMs(this.order.config));
        }
      }
    } catch {
      // Broken: no more echoes this way.
      stream.destroy();
    }
  }
}

/** Hears beats by all ways at once: one that comes through is enough. */
class Listener extends Heart {
  private heardMs = 0;
  /** By way, when a beat came last, and whether it counts as up. */
  private readonly ways: { heardMs: number; isUp: boolean }[];
  private progress = -1;
  private progressMs = 0;
  private lookedMs: number = performance.now();

  constructor(order: BeatOrder) {
    super(order);
    this.ways = order.addresses.map(() => ({ heardMs: performance.now(), isUp: true }));
    for (const index of order.addresses.keys()) void this.hearBy(index);
    this.timer = setInterval(() => this.look(), order.config.heartbeatMs / 2);
  }

  private look(): void {
    const { heartbeatMs, heartbeatMisses } = this.order.config;
    const now = performance.now();
    const wasAsleep = now - this.lookedMs > heartbeatMs * heartbeatMisses;
    this.lookedMs = now;
    if (this.heardMs === 0) return;
    // After a pause of this side it is not known who was silent.
    if (wasAsleep) {
      this.heardMs = now;
      this.progressMs = now;
      for (const way of this.ways) way.heardMs = now;
    }
    if (this.ways.length > 1) this.lookAtWays(now);
    const silentMs = now - this.heardMs;
    if (silentMs > heartbeatMs * heartbeatMisses) {
      this.tell(`no heartbeat for ${Math.round(silentMs)} ms`);
    } else if (now - this.progressMs > HANGING_MS) {
      this.tell(`its main thread has done nothing for ${HANGING_MS} ms`);
    }
  }

  private lookAtWays(now: number): void {
    for (const [index, way] of this.ways.entries()) {
      const isUp = now - way.heardMs < WAY_SILENT_MS;
      if (isUp !== way.isUp) reply({ number: this.order.number, way: { index, isUp } });
      way.isUp = isUp;
    }
  }

  private tell(silent: string): void {
    this.heardMs = 0;
    reply({ number: this.order.number, silent });
  }

  private async hearBy(index: number): Promise<void> {
    const way = this.ways[index]!;
    while (!this.isEnded) {
      try {
        const stream = await connectLink(this.order.addresses[index]!, this.order.config);
        const frames = new FrameReader("beats");
        if (!this.keep(stream)) return;
        for await (const octets of stream) {
          frames.push(octets as Uint8Array);
          for (let next = frames.next(); next !== null; next = frames.next()) {
            if (next.record !== "beat") continue;
            // 0: of a version that did not say it.
            if (next.epoch !== this.order.epoch && next.epoch !== 0) continue;
            this.beaten(next.progress, next.sentMs, stream);
            way.heardMs = this.heardMs;
          }
        }
      } catch {
        // No way, or a broken one: the silence tells.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  private beaten(progress: number, sentMs: number, stream: Duplex): void {
    this.heardMs = performance.now();
    this.promise(sentMs, stream);
    if (progress === this.progress) return;
    this.progress = progress;
    this.progressMs = this.heardMs;
  }

  /** Answers a beat, if that may be promised. */
  private promise(sentMs: number, stream: Duplex): void {
    const { term } = this;
    if (term === null || !term.promise(bootMs() + promiseMs(this.order.config))) return;
    this.write(stream, frameOf("echo", { id: this.echo, sentMs }));
  }
}

// On a busy host a beat that comes late looks like one that was not sent.
raisePriority(HEARTBEAT_PRIORITY);

const hearts = new Map<number, Heart>();

const refusals = new RefusalBatch((refused) => parentPort!.postMessage({ refused }));

function reply(message: BeatReply): void {
  parentPort!.postMessage(message);
}

async function end(number: number): Promise<void> {
  await hearts.get(number)?.end();
  hearts.delete(number);
  reply({ number, ended: true });
}

parentPort!.on("message", (request: BeatRequest) => {
  if (request === "exit") process.exit();
  else if ("role" in request) {
    const heart = request.role === "active" ? new Sender(request) : new Listener(request);
    hearts.set(request.number, heart);
  } else void end(request.end);
});
