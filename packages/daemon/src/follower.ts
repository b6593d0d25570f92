/** One who follows: its connection, and what it is told. */

import {
  FOLLOW_VERSION,
  type FollowedTable,
  FrameReader,
  FrameWriter,
  type RecordName,
  type RecordOf,
  recordOctets,
  Telling,
} from "@ts-bgp/follow";
import type { Caller } from "@ts-bgp/nsr/links";
import type { ShownFollower } from "./follower-orders.ts";

const NO_RUNS = new Uint8Array(0);
/** Octets that may wait in the stream; beyond it nothing is told until they have left. */
const WAITING_OCTETS_MAX = 1 << 18;
/** One that says nothing for so long is gone: it says something every second. */
const SILENCE_MS = 30_000;

/** What is told, and by whom. */
export interface Source {
  readonly name: string;
  readonly software: string;
  /** Null on a standby. */
  readonly tables: readonly FollowedTable[] | null;
  readonly isComplete: boolean;
  readonly epoch: number;
}

export interface FollowerHooks {
  source(): Source;
  /** @returns why there is no room for another one; null when there is */
  fullness(): string | null;
  /** It has said who it is. */
  joined(follower: Follower): void;
  left(follower: Follower, reason: string): void;
}

export class Follower {
  name = "";
  private software = "";
  private families = 0;
  private readonly caller: Caller;
  private readonly hooks: FollowerHooks;
  private readonly reader: FrameReader = new FrameReader("follower");
  private readonly writer: FrameWriter = new FrameWriter();
  private readonly sinceMs = Date.now();
  private heardMs = performance.now();
  private hasSaid = false;
  private telling: Telling | null = null;
  private isToldAll = false;
  private told = 0;
  private brackets = 0;
  private isOver = false;

  constructor(caller: Caller, hooks: FollowerHooks) {
    this.caller = caller;
    this.hooks = hooks;
    const { stream } = caller;
    stream.on("data", (octets: Uint8Array) => this.read(octets));
    stream.on("drain", () => this.tell());
    stream.on("error", ({ message }) => this.end(message));
    stream.on("close", () => this.end("it has closed the connection"));
  }

  get shown(): ShownFollower {
    const { telling, isToldAll, name, software, told, brackets } = this;
    const lag = telling?.lag ?? 0;
    const state =
      telling === null ? "silent" : isToldAll ? (lag > 0 ? "behind" : "up to date") : "copying";
    return { name, software, since_ms: this.sinceMs, state, lag, told, brackets };
  }

  /** The source is active, or is no more, or begins anew. */
  roleChanged(): void {
    this.stopTelling();
    const { tables, epoch } = this.hooks.source();
    this.say("role", { active: Number(tables !== null), epoch });
  }

  /** There may be something to tell. */
  tell(): void {
    const { telling, caller } = this;
    if (telling === null) return;
    const { stream } = caller;
    while (!this.isOver && stream.writableLength < WAITING_OCTETS_MAX) {
      const { routes, count, more } = telling.next();
      if (count > 0) {
        this.say("bracket", { routes, more: Number(more), runs: NO_RUNS });
        this.told += count;
        this.brackets++;
      }
      if (more) continue;
      if (!this.isToldAll && this.hooks.source().isComplete) {
        this.isToldAll = true;
        this.say("complete", {});
      }
      return;
    }
  }

  /** To be called once a second: has silence mean something. */
  tick(): void {
    if (!this.hasSaid) this.say("alive", {});
    this.hasSaid = false;
    if (performance.now() - this.heardMs > SILENCE_MS) this.end("it says nothing any more");
  }

  end(reason: string): void {
    if (this.isOver) return;
    this.say("bye", { reason });
    this.isOver = true;
    this.stopTelling();
    const { stream } = this.caller;
    stream.end();
    setTimeout(() => stream.destroy(), 1000).unref();
    this.hooks.left(this, reason);
  }

  private stopTelling(): void {
    this.telling?.close();
    this.telling = null;
    this.isToldAll = false;
  }

  private say<N extends RecordName>(record: N, value: Omit<RecordOf<N>, "record">): void {
    const { stream } = this.caller;
    if (this.isOver || !stream.writable) return;
    this.hasSaid = true;
    stream.write(this.writer.frame(recordOctets(record, value as never)));
  }

  private read(octets: Uint8Array): void {
    if (this.isOver) return;
    this.heardMs = performance.now();
    this.reader.push(octets);
    try {
      for (let next = this.reader.next(); next !== null; next = this.reader.next()) {
        if (next.record === "hello") this.hello(next);
        else if (this.name === "") this.refuse(`"${next.record}" comes before "hello"`);
        else if (next.record === "activate") this.activate();
        else if (next.record === "bye") this.end(next.reason);
        if (this.isOver) return;
      }
    } catch (error) {
      const { message } = error as Error;
      if (this.name === "") this.refuse(message);
      else this.end(`what it says is broken: ${message}`);
    }
  }

  private hello(hello: RecordOf<"hello">): void {
    const { hooks } = this;
    const problem = this.misfit(hello);
    if (problem !== null) {
      this.refuse(problem);
      return;
    }
    // What a certificate says is nobody's to choose.
    this.name = (this.caller.name ?? hello.follower) || "unnamed";
    this.software = hello.software;
    this.families = hello.families;
    this.caller.welcome();
    hooks.joined(this);
    const { software } = hooks.source();
    this.say("welcome", { version: FOLLOW_VERSION, software, self: "" });
    this.roleChanged();
  }

  /** @returns why it is not let in; null when it is */
  private misfit({ version, name: meant }: RecordOf<"hello">): string | null {
    const { hooks } = this;
    const { name } = hooks.source();
    if (this.name !== "") return "it has said hello twice";
    if (version !== FOLLOW_VERSION) return `version ${version} of the protocol is not understood`;
    return meant === name ? hooks.fullness() : `this is "${name}", not "${meant}"`;
  }

  private activate(): void {
    const { tables } = this.hooks.source();
    // What it was told of the role may be on its way.
    if (tables === null) return;
    this.stopTelling();
    this.telling = new Telling(tables.filter(({ family }) => (family & this.families) !== 0));
    this.tell();
  }

  private refuse(text: string): void {
    this.caller.refuse(text);
    this.end(text);
  }
}
