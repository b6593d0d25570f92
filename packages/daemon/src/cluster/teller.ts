/**
 * Another member that follows this one: its connection, and what it is told. One that takes too little is told nothing
 * more until all has left that waits, and then all anew: what waits for it is bounded, and nobody waits for it.
 */

import { runPieces } from "@ts-bgp/feeds-codec";
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
import type { Router } from "@ts-bgp/router";
import type { ShownTeller } from "./shown.ts";
import { Copy, NO_OCTETS, type Told } from "./telling.ts";

/** Octets that may wait for it; of a copy alone, fewer. */
const WAITING_OCTETS_MAX = 1 << 26;
const COPY_OCTETS_MAX = 1 << 19;
/** Of a bracket; a frame has room for four times as many. */
const BRACKET_OCTETS_MAX = 1 << 18;
/** A piece of a copy is over when it has lasted this long. */
const PIECE_MS = 1;
/** So often it is looked whether a restart of the speaker is over. */
const RESTART_LOOK_MS = 200;
/** One that says nothing for so long is gone: it says something every second. */
const SILENCE_MS = 30_000;

/** What is told. */
export interface TellerSource {
  readonly name: string;
  readonly software: string;
  /** Which member it is, and which ones may follow. */
  readonly self: string;
  readonly members: readonly string[];
  /** Null on a standby. */
  readonly router: Router | null;
  readonly epoch: number;
}

export interface TellerHooks {
  source(): TellerSource;
  /** It has said who it is. */
  joined(teller: Teller): void;
  left(teller: Teller, reason: string): void;
}

export class Teller {
  name = "";
  private software = "";
  private readonly caller: Caller;
  private readonly hooks: TellerHooks;
  private readonly reader: FrameReader = new FrameReader("follower");
  private readonly writer: FrameWriter = new FrameWriter();
  private readonly sinceMs = Date.now();
  private heardMs = performance.now();
  private hasSaid = false;
  private state: ShownTeller["state"] = "silent";
  private copy: Copy | null = null;
  private isOver = false;

  constructor(caller: Caller, hooks: TellerHooks) {
    this.caller = caller;
    this.hooks = hooks;
    const { stream } = caller;
    stream.on("data", (octets: Uint8Array) => this.read(octets));
    stream.on("drain", () => this.drained());
    stream.on("error", ({ message }) => this.end(message));
    stream.on("close", () => this.end("it has closed the connection"));
  }

  get shown(): ShownTeller {
    return {
      ...{ name: this.name, software: this.software, since_ms: this.sinceMs, state: this.state },
    };
  }

  /** The source is active, or is no more, or begins anew. */
  roleChanged(): void {
    this.state = "silent";
    this.copy = null;
    const { router, epoch } = this.hooks.source();
    this.say("role", { active: Number(router !== null), epoch });
  }

  /** Each bracket counts as a whole for those who follow; what is too long for one is several. */
  tell({ news, octets }: Told): void {
    if (this.state === "silent" || this.state === "behind") return;
    if (news.what === "peer") this.say("peer", news);
    for (const runs of runPieces(octets, BRACKET_OCTETS_MAX)) {
      this.say("bracket", { routes: NO_OCTETS, more: 0, runs });
    }
    if (this.caller.stream.writableLength <= WAITING_OCTETS_MAX) return;
    this.state = "behind";
    this.copy = null;
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
    this.copy = null;
    const { stream } = this.caller;
    stream.end();
    setTimeout(() => stream.destroy(), 1000).unref();
    this.hooks.left(this, reason);
  }

  private activate(): void {
    const { router } = this.hooks.source();
    // What it was told of the role may be on its way.
    if (router === null) return;
    if (this.state !== "silent") {
      // It wants all anew, and has to know where in the stream that begins.
      this.roleChanged();
      return;
    }
    this.state = "copying";
    const copy = new Copy(router);
    this.copy = copy;
    for (const told of copy.head) this.tell(told);
    this.goOn(copy);
  }

  /** Tells a piece of the copy, in a turn of its own, while there is room for it. */
  private goOn(copy: Copy): void {
    const { router } = this.hooks.source();
    if (this.copy !== copy || this.isOver || router === null) return;
    if (this.caller.stream.writableLength > COPY_OCTETS_MAX) return;
    const end = performance.now() + PIECE_MS;
    const told = copy.next(() => performance.now() < end);
    if (told !== null) {
      this.tell(told);
      setImmediate(() => this.goOn(copy));
    } else if (router.tables.restart.waiting !== 0) {
      // After a restart of the speaker that is not all as long as neighbors have not told all.
      setTimeout(() => this.goOn(copy), RESTART_LOOK_MS).unref();
    } else {
      this.copy = null;
      this.state = "up to date";
      this.say("complete", {});
    }
  }

  private drained(): void {
    if (this.state === "behind") this.roleChanged();
    else if (this.copy !== null) this.goOn(this.copy);
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
      // Anything else is a fault of this process.
      if (!(error instanceof FormatError)) throw error;
      const { message } = error as Error;
      if (this.name === "") this.refuse(message);
      else this.end(`what it says is broken: ${message}`);
    }
  }

  private hello({ version, name: meant, follower, software }: RecordOf<"hello">): void {
    const { hooks } = this;
    const { name, self, members } = hooks.source();
    // What a certificate says is nobody's to choose.
    const member = this.caller.name ?? follower;
    if (this.name !== "") this.refuse("it has said hello twice");
    else if (version !== FOLLOW_VERSION) {
      this.refuse(`version ${version} of the protocol is not understood`);
    } else if (meant !== name) this.refuse(`this is "${name}", not "${meant}"`);
    else if (!members.includes(member)) {
      this.refuse(`"${member}" is no other member of the cluster, as ${self} knows it`);
    } else {
      this.name = member;
      this.software = software;
      this.caller.welcome();
      hooks.joined(this);
      this.say("welcome", { version: FOLLOW_VERSION, software: hooks.source().software, self });
      this.roleChanged();
    }
  }

  private refuse(text: string): void {
    this.caller.refuse(text);
    this.end(text);
  }
}
