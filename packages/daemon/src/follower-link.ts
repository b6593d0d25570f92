/**
 * The connection of one who follows, at the end that tells: it says who it is and is let in or refused, both ends say
 * something once a second, and what it says besides is for the one who tells.
 */

import {
  FOLLOW_VERSION,
  FrameReader,
  FrameWriter,
  type RecordName,
  type RecordOf,
  recordOctets,
} from "@ts-bgp/follow";
import type { Caller } from "@ts-bgp/nsr/links";
import { FormatError } from "@ts-bgp/replication/canonical";

/** One that says nothing for so long is gone: it says something every second. */
const SILENCE_MS = 30_000;

/** Of the one who tells. */
export interface Identity {
  readonly name: string;
  readonly software: string;
  /** Which member of a cluster it is; empty for others. */
  readonly self: string;
}

export interface FollowerLinkUser {
  identity(): Identity;
  /** @returns the name that it has here, and why it is not let in; null when it is */
  admit(hello: RecordOf<"hello">): { readonly name: string; readonly problem: string | null };
  /** It was let in, and has been told by whom. */
  joined(hello: RecordOf<"hello">): void;
  activate(): void;
  /** Of a member of a cluster. */
  asked?(ask: RecordOf<"ask">): void;
  /** What waited in the stream has left. */
  drained(): void;
  ended(reason: string): void;
}

export class FollowerLink {
  /** Empty until it has been let in. */
  name = "";
  software = "";
  readonly sinceMs: number = Date.now();
  private readonly caller: Caller;
  private readonly user: FollowerLinkUser;
  private readonly reader: FrameReader = new FrameReader("follower");
  private readonly writer: FrameWriter = new FrameWriter();
  private heardMs = performance.now();
  private hasSaid = false;
  private hasEnded = false;

  constructor(caller: Caller, user: FollowerLinkUser) {
    this.caller = caller;
    this.user = user;
    const { stream } = caller;
    stream.on("data", (octets: Uint8Array) => this.read(octets));
    stream.on("drain", () => user.drained());
    stream.on("error", ({ message }) => this.end(message));
    stream.on("close", () => this.end("it has closed the connection"));
  }

  get isOver(): boolean {
    return this.hasEnded;
  }

  get waitingOctets(): number {
    return this.caller.stream.writableLength;
  }

  say<N extends RecordName>(record: N, value: Omit<RecordOf<N>, "record">): void {
    const { stream } = this.caller;
    if (this.hasEnded || !stream.writable) return;
    this.hasSaid = true;
    stream.write(this.writer.frame(recordOctets(record, value as never)));
  }

  /** To be called once a second: has silence mean something. */
  tick(): void {
    if (!this.hasSaid) this.say("alive", {});
    this.hasSaid = false;
    if (performance.now() - this.heardMs > SILENCE_MS) this.end("it says nothing any more");
  }

  end(reason: string): void {
    if (this.hasEnded) return;
    this.say("bye", { reason });
    this.hasEnded = true;
    const { stream } = this.caller;
    stream.end();
    setTimeout(() => stream.destroy(), 1000).unref();
    this.user.ended(reason);
  }

  private read(octets: Uint8Array): void {
    if (this.hasEnded) return;
    this.heardMs = performance.now();
    this.reader.push(octets);
    try {
      for (let next = this.reader.next(); next !== null; next = this.reader.next()) {
        if (next.record === "hello") this.hello(next);
        else if (this.name === "") this.refuse(`"${next.record}" comes before "hello"`);
        else if (next.record === "activate") this.user.activate();
        else if (next.record === "ask") this.user.asked?.(next);
        else if (next.record === "bye") this.end(next.reason);
        if (this.hasEnded) return;
      }
    } catch (error) {
      // Anything else is a fault of this process.
      if (!(error instanceof FormatError)) throw error;
      const { message } = error as Error;
      if (this.name === "") this.refuse(message);
      else this.end(`what it says is broken: ${message}`);
    }
  }

  private hello(hello: RecordOf<"hello">): void {
    const { user } = this;
    const { name: meant, version } = hello;
    const { name, software, self } = user.identity();
    if (this.name !== "") this.refuse("it has said hello twice");
    else if (version !== FOLLOW_VERSION) {
      this.refuse(`version ${version} of the protocol is not understood`);
    } else if (meant !== name) this.refuse(`this is "${name}", not "${meant}"`);
    else {
      // What a certificate says is nobody's to choose.
      const named = { ...hello, follower: this.caller.name ?? hello.follower };
      const admitted = user.admit(named);
      if (admitted.problem !== null) {
        this.refuse(admitted.problem);
        return;
      }
      this.name = admitted.name;
      this.software = hello.software;
      this.caller.welcome();
      this.say("welcome", { version: FOLLOW_VERSION, software, self });
      user.joined(named);
    }
  }

  private refuse(text: string): void {
    this.caller.refuse(text);
    this.end(text);
  }
}
