/** The connection of a follower with one server: made, made again, and what comes of it. */

import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { LinkAddress } from "@ts-bgp/config";
import {
  type AnyRecord,
  FOLLOW_VERSION,
  FrameReader,
  FrameWriter,
  type RecordName,
  type RecordOf,
  recordOctets,
} from "@ts-bgp/follow";
import { addressText, connectLink, type LinkTrust } from "@ts-bgp/nsr/links";
import { FormatError } from "@ts-bgp/replication/canonical";
import { networkNamespace } from "../network-namespace.ts";

/** Between two attempts; twice as long after each further one. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 4000;
/** A connection that has lasted so long was none that ends at once, again and again. */
const SETTLED_MS = 10_000;
/** Longest wait for a server to hear that its follower ends. */
const CLOSE_MS = 1000;
/** A server says something every second. */
const SILENCE_MS = 5000;

export interface ServerLinkOptions extends LinkTrust {
  readonly address: LinkAddress;
  /** Which member of a cluster is expected there; null where any server is right. */
  readonly server: string | null;
  /** Of this follower. */
  readonly follower: string;
  readonly families: number;
  readonly software: string;
}

export interface ServerLinkEvents {
  role(role: RecordOf<"role">): void;
  bracket(bracket: RecordOf<"bracket">): void;
  /** Of a member of a cluster; throws for what cannot be. */
  peer?(peer: RecordOf<"peer">): void;
  complete(): void;
  /** Of a member of a cluster. */
  answer?(answer: RecordOf<"answer">): void;
  /** It was connected, and is no more. */
  lost(): void;
  say(level: "info" | "warn", message: string): void;
}

export class ServerLink {
  readonly text: string;
  /** Milliseconds since 1970 since when it is connected; null when it is not. */
  sinceMs: number | null = null;
  /** Why it is not; null when it is, or nobody has tried. */
  problem: string | null = null;
  private readonly options: ServerLinkOptions;
  private readonly events: ServerLinkEvents;
  private stream: Duplex | null = null;
  private writer: FrameWriter = new FrameWriter();
  private heardMs = 0;
  private welcomedMs = 0;
  private retryMs = RETRY_MS;
  private retry: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(options: ServerLinkOptions, events: ServerLinkEvents) {
    this.options = options;
    this.events = events;
    this.text = addressText(options.address);
  }

  /** Whether it is connected, and who is there is the right one. */
  get isUp(): boolean {
    return this.sinceMs !== null;
  }

  connect(): void {
    connectLink(this.options.address, this.options).then(
      (stream) => {
        if (this.isOver) stream.destroy();
        else this.use(stream);
      },
      (error: Error) => this.failed(error.message),
    );
  }

  /** Has the server begin to tell. */
  activate(): void {
    this.say("activate", {});
  }

  /** @param request - in JSON, see `answer` */
  ask(number: number, request: string): void {
    this.say("ask", { number, request });
  }

  /** Has what the server says wait, or no longer. */
  hold(isHeld: boolean): void {
    if (isHeld) this.stream?.pause();
    else this.stream?.resume();
  }

  /** To be called once a second. */
  tick(): void {
    if (this.stream === null) return;
    this.say("alive", {});
    // What it says is not heard.
    if (this.stream.isPaused()) this.heardMs = performance.now();
    if (performance.now() - this.heardMs > SILENCE_MS) this.end("it says nothing any more");
  }

  close(): void {
    this.isOver = true;
    clearTimeout(this.retry);
    if (this.stream === null) return;
    const { stream } = this;
    this.say("bye", { reason: "the follower ends" });
    stream.end();
    // What it has said already is of no use any more.
    stream.resume();
    setTimeout(() => stream.destroy(), CLOSE_MS).unref();
  }

  private use(stream: Duplex): void {
    const { follower, families, software, cluster } = this.options;
    const reader = new FrameReader("server");
    this.stream = stream;
    this.writer = new FrameWriter();
    this.heardMs = performance.now();
    stream.on("data", (octets: Uint8Array) => {
      if (stream === this.stream && !this.isOver) this.read(reader, octets);
    });
    stream.on("error", (error: Error) => {
      if (stream === this.stream) this.end(error.message);
    });
    stream.on("close", () => {
      if (stream === this.stream) this.end("it has closed the connection");
    });
    const who = { name: cluster, follower, software };
    const network = networkNamespace();
    this.say("hello", { version: FOLLOW_VERSION, ...who, families, several: 1, network });
  }

  private say<N extends RecordName>(record: N, value: Omit<RecordOf<N>, "record">): void {
    const { stream, writer } = this;
    if (stream?.writable) stream.write(writer.frame(recordOctets(record, value as never)));
  }

  private read(reader: FrameReader, octets: Uint8Array): void {
    const { stream } = this;
    this.heardMs = performance.now();
    reader.push(octets);
    try {
      for (let next = reader.next(); next !== null; next = reader.next()) {
        this.hear(next);
        if (this.stream !== stream) return;
      }
    } catch (error) {
      // Anything else is a fault of this process.
      if (!(error instanceof FormatError)) throw error;
      this.end(`what it says is broken: ${(error as Error).message}`);
    }
  }

  private hear(record: AnyRecord): void {
    const { events } = this;
    if (record.record === "welcome") this.welcome(record);
    else if (record.record === "bye") this.end(record.reason);
    else if (record.record === "alive") return;
    else if (this.sinceMs === null) this.end(`"${record.record}" comes before "welcome"`);
    else if (record.record === "role") events.role(record);
    else if (record.record === "bracket") events.bracket(record);
    else if (record.record === "peer") events.peer?.(record);
    else if (record.record === "answer") events.answer?.(record);
    else if (record.record === "complete") events.complete();
  }

  private welcome({ version, self }: RecordOf<"welcome">): void {
    const { server } = this.options;
    const name = this.certifiedName() ?? self;
    if (version !== FOLLOW_VERSION) {
      this.end(`version ${version} of the protocol is not understood`);
      return;
    }
    if (server !== null && name !== server) {
      this.end(`"${name}" answers there, not "${server}"`);
      return;
    }
    this.sinceMs = Date.now();
    this.problem = null;
    this.welcomedMs = performance.now();
    this.events.say("info", `connected to ${this.text}`);
  }

  /** @returns the name in the server's certificate; null for a process of this host */
  private certifiedName(): string | null {
    const { stream } = this;
    if (!(stream instanceof TLSSocket)) return null;
    // One may have several.
    return [stream.getPeerCertificate().subject?.CN].flat()[0] ?? "";
  }

  private end(reason: string): void {
    const { stream, sinceMs } = this;
    this.stream = null;
    this.sinceMs = null;
    stream?.destroy();
    if (sinceMs !== null) {
      if (performance.now() - this.welcomedMs >= SETTLED_MS) this.retryMs = RETRY_MS;
      if (!this.isOver) this.events.lost();
    }
    this.failed(reason);
  }

  private failed(problem: string): void {
    if (this.isOver) return;
    if (problem !== this.problem) this.events.say("warn", `${this.text}: ${problem}`);
    this.problem = problem;
    this.retry = setTimeout(() => this.connect(), this.retryMs);
    this.retryMs = Math.min(2 * this.retryMs, RETRY_MAX_MS);
  }
}
