/**
 * Another member that follows this one, and what it is told. One that takes too little is told nothing
 * more until all has left that waits, and then all anew: what waits for it is bounded, and nobody waits for it.
 */

import { runPieces } from "@ts-bgp/feeds-codec";
import type { RecordOf } from "@ts-bgp/follow";
import type { Caller } from "@ts-bgp/nsr/links";
import type { Router } from "@ts-bgp/router";
import type { ControlHandler } from "../control.ts";
import type { Fault } from "../fault.ts";
import { FollowerLink, type FollowerLinkUser } from "../follower-link.ts";
import { answerPieces } from "./asking.ts";
import type { ShownTeller } from "./shown.ts";
import { Copy, NO_OCTETS, type Told } from "./telling.ts";

/** Octets that may wait for it; of a copy alone, fewer. */
const WAITING_OCTETS_MAX = 1 << 26;
const COPY_OCTETS_MAX = 1 << 19;
/** Of a bracket; a frame has room for four times as many. */
const BRACKET_OCTETS_MAX = 1 << 18;
/** A piece of a copy is over when it has lasted this long. */
const PIECE_MS = 1;
/** While more octets wait for it nothing is answered: it asks, and reads no answers. */
const ANSWERS_OCTETS_MAX = 1 << 24;
/** Questions that are answered at once. */
const ASKED_MAX = 8;
/** So often it is looked whether a restart of the speaker is over. */
const RESTART_LOOK_MS = 200;

/** What is told. */
export interface TellerSource {
  readonly name: string;
  readonly software: string;
  /** Which member it is. */
  readonly self: string;
  /** Whether one may follow that is known to have this name. */
  admits(name: string): boolean;
  /** Null on a standby. */
  readonly router: Router | null;
  readonly epoch: number;
}

export interface TellerHooks {
  source(): TellerSource;
  /** Answers what may be asked, see `ASKABLE`. */
  readonly answer: ControlHandler;
  readonly fault: Fault;
  /** It has said who it is. */
  joined(teller: Teller): void;
  left(teller: Teller, reason: string): void;
}

export class Teller implements FollowerLinkUser {
  private readonly link: FollowerLink;
  private readonly hooks: TellerHooks;
  private state: ShownTeller["state"] = "silent";
  private copy: Copy | null = null;
  private answering = 0;

  constructor(caller: Caller, hooks: TellerHooks) {
    this.hooks = hooks;
    this.link = new FollowerLink(caller, this);
  }

  get name(): string {
    return this.link.name;
  }

  get shown(): ShownTeller {
    const { name, software, sinceMs } = this.link;
    return { name, software, since_ms: sinceMs, state: this.state };
  }

  /** The source is active, or is no more, or begins anew. */
  roleChanged(): void {
    this.state = "silent";
    this.copy = null;
    const { router, epoch } = this.hooks.source();
    this.link.say("role", { active: Number(router !== null), epoch });
  }

  /** Each bracket counts as a whole for those who follow; what is too long for one is several. */
  tell({ news, octets }: Told): void {
    if (this.state === "silent" || this.state === "behind") return;
    if (news.what === "peer") this.link.say("peer", news);
    for (const runs of runPieces(octets, BRACKET_OCTETS_MAX)) {
      this.link.say("bracket", { routes: NO_OCTETS, more: 0, runs });
    }
    if (this.link.waitingOctets <= WAITING_OCTETS_MAX) return;
    this.state = "behind";
    this.copy = null;
  }

  tick(): void {
    this.link.tick();
  }

  end(reason: string): void {
    this.link.end(reason);
  }

  identity(): TellerSource {
    return this.hooks.source();
  }

  admit({ follower }: RecordOf<"hello">): { name: string; problem: string | null } {
    const source = this.hooks.source();
    const problem = `"${follower}" is no other member of the cluster, as ${source.self} knows it`;
    return { name: follower, problem: source.admits(follower) ? null : problem };
  }

  joined(): void {
    this.hooks.joined(this);
    this.roleChanged();
  }

  activate(): void {
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

  async asked({ number, request }: RecordOf<"ask">): Promise<void> {
    if (this.isFull) return;
    const by = () => `member ${this.name}`;
    const { answer, fault } = this.hooks;
    const handler = this.answering < ASKED_MAX ? answer : null;
    this.answering++;
    const pieces = await answerPieces(handler, request, by, fault);
    this.answering--;
    // Others have been answered meanwhile.
    if (this.isFull) return;
    for (const [octets, more] of pieces) this.link.say("answer", { number, more, octets });
  }

  /** Whether too much waits for it to answer it, or to refuse to: whoever asks gives up after a while. */
  private get isFull(): boolean {
    return this.link.waitingOctets > ANSWERS_OCTETS_MAX;
  }

  /** Tells a piece of the copy, in a turn of its own, while there is room for it. */
  private goOn(copy: Copy): void {
    const { router } = this.hooks.source();
    if (this.copy !== copy || this.link.isOver || router === null) return;
    if (this.link.waitingOctets > COPY_OCTETS_MAX) return;
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
      this.link.say("complete", {});
    }
  }

  drained(): void {
    if (this.state === "behind") this.roleChanged();
    else if (this.copy !== null) this.goOn(this.copy);
  }

  ended(reason: string): void {
    this.copy = null;
    this.hooks.left(this, reason);
  }
}
