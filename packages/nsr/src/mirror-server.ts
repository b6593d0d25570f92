/**
 * Serves mirrors of the active side: lets them in, sends them the state and what peers may have been sent, and
 * disconnects those that do not take it. The side itself waits for none of that.
 */

import type { MirrorsConfig } from "@ts-bgp/config";
import { type AnyRecord, frameOf, type Machine, type Mirrors } from "@ts-bgp/replication";
import { type LogEvent, nowMs } from "@ts-bgp/speaker";
import { programDigest } from "./build.ts";
import { FewLines } from "./few-lines.ts";
import type { Hello } from "./hello.ts";
import { Link } from "./link.ts";
import { addressText, type Caller, listenForLinks } from "./links.ts";
import { AGAIN, mirrorHello, type Self, strangeness, versionProblem } from "./mirror-hello.ts";
import { MirrorLink } from "./mirror-link.ts";
import { Refusals } from "./refusals.ts";
import { inTurns, prepared } from "./state-transfer.ts";

/** Wait before another attempt to have the address. */
const RETRY_MS = 2000;
const LOOK_MS = 5000;
/** A mirror says something twice a second; after so long without a word it is disconnected. */
const SILENT_MS = 60_000;
/** After so long without a word it makes way for another of its name: its host may be gone, and have come again. */
const MAKES_WAY_MS = 5000;
/** The state is copied for a mirror, and kept until that has it: for no longer than this. */
const STATE_MS = 300_000;
/** After a state was sent, the next one is begun after so many times as long, at most `REST_MS_MAX` later. */
const REST = 3;
const REST_MS_MAX = 60_000;
/** From the begin of a state to that of the next one for a mirror of the same name, whatever became of it. */
const SAME_NAME_MS = 5000;
const UNKNOWN_AGE = -1;
const NOBODY = " follows nobody itself: ";

/** Of a mirror that is followed itself: how it comes to what it has. */
export interface Through {
  /** Names, the active side first and the mirror last. */
  path(): readonly string[];
  /** How old what it has is, at most; null when that is not known. */
  ageMs(): number | null;
  /** Why it follows nobody; empty when it does. */
  problem(): string;
  /** It is being sent a state, and is about to follow. */
  isJoining(): boolean;
}

/** What mirrors follow. */
export interface Mirrored {
  readonly mirrors: Mirrors;
  readonly machine: Machine;
  readonly epoch: number;
  /** Name of the side, or of the mirror, for people. */
  readonly side: string;
  /** Null of an active side. */
  readonly through: Through | null;
  /** Ends the bracket at hand. @returns the number of the last one */
  commit(): number;
}

/** A mirror that follows, for people. */
export interface ShownMirror {
  name: string;
  /** Where it comes from; empty for a process of this host. */
  from: string;
  since_ms: number;
  /** It is being sent the state. */
  joining: boolean;
  /** Brackets that it has not run, as far as it has said. */
  behind_brackets: number;
  /** Octets that wait for it. */
  behind_octets: number;
}

/** What serves mirrors, for people. */
export interface ShownServing {
  cluster: string;
  listen: string;
  /** Why none can come; empty when they can. */
  problem: string;
  mirrors: ShownMirror[];
}

export interface MirrorServerOptions {
  readonly software: string;
  readonly log: (event: LogEvent) => void;
}

export class MirrorServer {
  private readonly options: MirrorServerOptions;
  private serving: Serving | null = null;
  private build = "";

  constructor(options: MirrorServerOptions) {
    this.options = options;
  }

  /** From now on this is served, as its configuration says; null for nothing. */
  use(mirrored: Mirrored | null, config: MirrorsConfig | null): void {
    const { serving } = this;
    const isConfigured = JSON.stringify(serving?.config) === JSON.stringify(config);
    if (serving !== null && mirrored !== null && isConfigured) {
      serving.change(mirrored);
      return;
    }
    serving?.stop("this side is not the active side any more, or has another configuration");
    this.serving = null;
    if (mirrored === null || config === null) return;
    this.build ||= programDigest();
    const { software, log } = this.options;
    const self = { cluster: config.cluster, name: mirrored.side, software, build: this.build };
    this.serving = new Serving(mirrored, config, self, log);
    void this.serving.start();
  }

  /** Null where there is nobody to be followed. */
  get shown(): ShownServing | null {
    return this.serving?.shown ?? null;
  }
}

class Serving {
  readonly config: MirrorsConfig;
  mirrored: Mirrored;
  /** As those who follow were told it. */
  private path = "";
  private readonly self: Self;
  private readonly log: (event: LogEvent) => void;
  private readonly refusals: Refusals;
  private readonly lines: FewLines;
  private readonly links: Map<string, MirrorLink> = new Map();
  private problem = "";
  private isOver = false;
  private stopListening: () => void = () => {};
  private looks: NodeJS.Timeout | undefined;
  /** When the last state was begun, before its copy was made. */
  private stateMs = 0;
  private nextStateMs = 0;
  /** When the last state was begun for each name, of late. */
  private readonly begunMs: Map<string, number> = new Map();

  constructor(
    mirrored: Mirrored,
    config: MirrorsConfig,
    self: Self,
    log: (event: LogEvent) => void,
  ) {
    this.mirrored = mirrored;
    this.config = config;
    this.self = self;
    this.log = log;
    this.refusals = new Refusals((message) => this.say("warn", message, "mirror-refused"));
    this.lines = new FewLines((message) => this.say("info", message));
    this.serve();
  }

  /** From now on this is what is followed. Who follows comes again, and goes on if it can. */
  change(mirrored: Mirrored): void {
    const { mirrors } = this.mirrored;
    const isSame = mirrored.mirrors === mirrors;
    if (isSame && pathText(mirrored) === this.path) return;
    const reason = isSame
      ? "the way to the active side is another one"
      : "what is followed here goes on as something else";
    for (const name of [...this.links.keys()]) this.drop(name, reason, AGAIN.here);
    if (!isSame) mirrors.serve(null);
    this.mirrored = mirrored;
    this.serve();
  }

  private serve(): void {
    this.path = pathText(this.mirrored);
    this.mirrored.mirrors.serve({
      send: (to, frame) => this.links.get(to)?.send(frame),
      backlogOf: (to) => this.links.get(to)?.backlog ?? 0,
      wake: (to) => void this.pump(to),
      drop: (to, reason) => this.drop(to, reason),
    });
  }

  /** Tries until it listens. */
  async start(): Promise<void> {
    this.looks ??= setInterval(() => this.look(), LOOK_MS).unref();
    const { listen, cluster, tls } = this.config;
    const waiting = { cluster, tls, whom: "mirrors" };
    try {
      const stop = await listenForLinks(
        listen,
        waiting,
        (caller) => this.accept(caller),
        (refusal) => this.refusals.note({ ...refusal, count: 1 }),
      );
      if (this.isOver) stop();
      else this.stopListening = stop;
      this.problem = "";
    } catch (error) {
      if (this.isOver) return;
      const { message } = error as Error;
      if (message !== this.problem) this.say("warn", message);
      this.problem = message;
      setTimeout(() => void this.start(), RETRY_MS).unref();
    }
  }

  stop(reason: string): void {
    this.isOver = true;
    clearInterval(this.looks);
    this.stopListening();
    for (const name of [...this.links.keys()]) this.drop(name, reason);
    this.mirrored.mirrors.serve(null);
  }

  get shown(): ShownServing {
    const { config, problem, links, mirrored } = this;
    const last = mirrored.mirrors.last;
    const mirrors = [...links.values()].map(
      (link): ShownMirror => ({
        name: link.name,
        from: link.from,
        since_ms: Math.round(link.sinceMs),
        joining: link.applied === 0,
        behind_brackets: link.applied === 0 ? 0 : Math.max(0, last - link.applied),
        behind_octets: link.backlog,
      }),
    );
    return { cluster: config.cluster, listen: addressText(config.listen), problem, mirrors };
  }

  private accept(caller: Caller): void {
    let own: MirrorLink | null = null;
    const link: Link = new Link(caller.stream, "stranger", {
      record: (record) => {
        if (own !== null) this.heard(own, record);
        else if (record.record === "hello") own = this.welcome(link, caller, record);
        else this.refuse(link, caller, "a mirror says hello first");
      },
      drained: () => {
        if (own !== null) void this.pump(own.name);
      },
      idle() {},
      closed: (reason, isBroken) => {
        if (isBroken) caller.refuse(reason);
        if (own !== null && this.links.get(own.name) === own) this.drop(own.name, reason);
      },
    });
  }

  private refuse(link: Link, caller: Caller, reason: string): null {
    caller.refuse(reason);
    link.bye(reason);
    return null;
  }

  private welcome(link: Link, caller: Caller, hello: Hello): MirrorLink | null {
    const { config, self, links } = this;
    const name = caller.name ?? hello.side;
    const isAllowed = config.names.length === 0 || config.names.includes(name);
    const stranger =
      strangeness(self, "mirror", hello) ??
      (isAllowed && name !== "" ? null : `"names" has no mirror "${name}"`);
    if (stranger !== null) return this.refuse(link, caller, stranger);
    caller.welcome();
    const refusal = this.refusalOf(name, hello);
    if (refusal !== null) {
      const { reason, again } = refusal;
      this.lines.say(`the mirror ${name} cannot follow now: ${reason}`);
      link.bye(reason, false, "", again);
      return null;
    }
    const own = new MirrorLink(name, link, caller.stream);
    links.set(name, own);
    void this.join(own, hello);
    return own;
  }

  /** @returns why a mirror that belongs here cannot follow, and when it may come again; null when it can follow */
  private refusalOf(name: string, hello: Hello): { reason: string; again: number } | null {
    // One that will not follow takes nobody's place.
    const lasting = versionProblem(this.self, hello) ?? this.crowd(name);
    if (lasting !== null) return { reason: lasting, again: AGAIN.never };
    const { through } = this.mirrored;
    const problem = through?.problem() ?? "";
    if (problem !== "" && !this.hasNewsFor(hello)) {
      const again = through!.isJoining() ? AGAIN.here : AGAIN.elsewhere;
      // Mirrors can be servers of each other: what one says of another is not said of that again.
      const cause = problem.split(NOBODY).at(-1);
      return { reason: `${this.self.name}${NOBODY}${cause}`, again };
    }
    if (through !== null && this.isOfLaterSide(hello)) {
      const reason = `${this.self.name} has not heard yet of the takeover that ${name} is behind`;
      return { reason, again: AGAIN.elsewhere };
    }
    const passing = this.takePlace(name) ?? this.lackOf(name, hello);
    return passing === null ? null : { reason: passing, again: AGAIN.here };
  }

  /** Where nobody is followed: @returns whether what is here is surely newer than what a mirror has */
  private hasNewsFor({ stream, lacks }: Hello): boolean {
    const { mirrors } = this.mirrored;
    return lacks === 0 || (lacks <= mirrors.last && mirrors.goesOnFrom(stream, lacks) > 0);
  }

  /** Whether all that could be sent to a mirror is older than what that has. */
  private isOfLaterSide({ epoch, stream, lacks }: Hello): boolean {
    const { mirrored } = this;
    return epoch > mirrored.epoch && mirrored.mirrors.goesOnFrom(stream, lacks) === 0;
  }

  /** One that may be dead makes way for another of its name. @returns why it does not */
  private takePlace(name: string): string | null {
    const own = this.links.get(name);
    if (own === undefined) return null;
    if (nowMs() < own.heardMs + MAKES_WAY_MS) {
      return `a mirror of that name follows already, from ${own.from || "this host"}`;
    }
    this.drop(name, "it says nothing, and another mirror of that name has come");
    return null;
  }

  /** @returns that there is no room for another one */
  private crowd(name: string): string | null {
    const { config, links } = this;
    if (links.size < config.max || links.has(name)) return null;
    return `${links.size} of ${config.max} may follow, and do ("max")`;
  }

  /** @returns why a mirror cannot follow at the moment */
  private lackOf(name: string, hello: Hello): string | null {
    const { mirrored, links } = this;
    if (mirrored.mirrors.goesOnFrom(hello.stream, hello.lacks) > 0) return null;
    if ([...links.values()].some(({ takesState }) => takesState)) {
      return "the state is being sent to another mirror";
    }
    // What is recorded begins with a state as well.
    if (mirrored.mirrors.isSendingState) return "the state is being written to the record";
    const nextMs = Math.max(this.nextStateMs, this.nextForMs(name));
    return performance.now() < nextMs ? "the state was sent a moment ago" : null;
  }

  /** @returns when the next state may be begun for it, so that one that drops each does not keep the side busy */
  private nextForMs(name: string): number {
    return (this.begunMs.get(name) ?? Number.NEGATIVE_INFINITY) + SAME_NAME_MS;
  }

  /** What is in hand, and nothing else, waits for the copy of the state. */
  private async join(own: MirrorLink, hello: Hello): Promise<void> {
    const { mirrored, self } = this;
    const { mirrors, machine, epoch } = mirrored;
    const { stream, lacks } = hello;
    const goesOn = mirrors.goesOnFrom(stream, lacks);
    const more = { epoch, stream: mirrors.stream, goesOn, path: this.path };
    own.send(frameOf("hello", mirrorHello(self, "active", more)));
    if (goesOn === 0) this.beginState(own);
    try {
      const room = await prepared(machine, () => own.takesState && this.isUsed(own));
      if (!this.isUsed(own)) return;
      const number = mirrored.commit();
      if (goesOn > 0 && mirrors.goesOnFrom(stream, lacks) === 0) {
        this.drop(own.name, "what it lacks was given up");
        return;
      }
      const from = goesOn > 0 ? { stream, lacks } : { stream: 0, lacks: 0 };
      mirrors.join(own.name, from, number, room);
      own.hasJoined = true;
      const what = goesOn > 0 ? `goes on behind bracket ${goesOn - 1}` : "is being sent the state";
      this.lines.say(`the mirror ${own.name} ${what}`);
    } catch (error) {
      // There may be no memory for it.
      this.drop(own.name, `its state cannot be sent: ${(error as Error).message}`);
    }
    await this.pump(own.name);
  }

  private isUsed(own: MirrorLink): boolean {
    return this.links.get(own.name) === own && !this.isOver;
  }

  /** Until all that waits is sent, or the link takes no more. */
  private async pump(name: string): Promise<void> {
    const own = this.links.get(name);
    if (own === undefined || !own.hasJoined || own.isPumping) return;
    const { mirrors } = this.mirrored;
    own.isPumping = true;
    try {
      await inTurns(
        () => this.isUsed(own),
        () => own.hasRoom && mirrors.pump(name),
      );
    } catch (error) {
      this.drop(name, `its state cannot be sent: ${(error as Error).message}`);
    }
    own.isPumping = false;
    if (own.takesState && !mirrors.isSendingStateTo(name)) this.endState(own);
  }

  private beginState(own: MirrorLink): void {
    own.takesState = true;
    this.stateMs = performance.now();
    this.begunMs.set(own.name, this.stateMs);
  }

  /** It is sent, or given up. */
  private endState(own: MirrorLink): void {
    own.takesState = false;
    const now = performance.now();
    this.nextStateMs = now + Math.min(REST * (now - this.stateMs), REST_MS_MAX);
  }

  private heard(own: MirrorLink, record: AnyRecord): void {
    if (!this.isUsed(own)) return;
    own.heardMs = nowMs();
    if (record.record === "look") {
      const { number, applied } = record;
      own.applied = applied;
      const { mirrors, through } = this.mirrored;
      const ageMs = through === null ? 0 : (through.ageMs() ?? UNKNOWN_AGE);
      const problem = through?.problem() ?? "";
      mirrors.tell(own.name, frameOf("look", { number, applied: 0, ageMs, problem }));
    } else if (record.record === "bye") this.drop(own.name, `it leaves: ${record.reason}`);
    else this.drop(own.name, "it says hello again");
  }

  private look(): void {
    for (const name of [...this.begunMs.keys()]) {
      if (performance.now() > this.nextForMs(name)) this.begunMs.delete(name);
    }
    for (const own of [...this.links.values()]) {
      if (nowMs() > own.heardMs + SILENT_MS) {
        this.drop(own.name, `it has said nothing for ${SILENT_MS / 1000} s`);
      } else if (own.takesState && this.isStateOld) {
        this.drop(own.name, `it has not taken the state in ${STATE_MS / 1000} s`);
      }
    }
  }

  private get isStateOld(): boolean {
    return performance.now() > this.stateMs + STATE_MS;
  }

  private drop(name: string, reason: string, again: number = AGAIN.never): void {
    const own = this.links.get(name);
    if (own === undefined) return;
    this.links.delete(name);
    if (own.takesState) this.endState(own);
    this.mirrored.mirrors.leave(name);
    own.end(reason, again);
    this.lines.say(`the mirror ${name} does not follow any more: ${reason}`);
  }

  private say(
    level: LogEvent["level"],
    message: string,
    id: "mirror" | "mirror-refused" = "mirror",
  ): void {
    this.log({ id, level, neighbor: null, message, fields: {} });
  }
}

/** @returns as hello says it */
function pathText({ through }: Mirrored): string {
  return through?.path().join(" ") ?? "";
}
