/**
 * Follows the active side, and has no part in what that does: a copy of its router for whoever wants to know
 * something, as old as it is.
 *
 *     looking     nobody is followed: the next server is tried; what there is is shown, and grows old
 *     joining     a server sends its state; as long as that is not complete the one before is shown
 *     following   brackets come, and are run
 *
 * **How old it is.** Twice a second the server is asked, and its answer comes behind all that was sent before. Once
 * all of that is run, what is shown is no older than the question, by this side's own clock: whatever waited on the
 * way, at the server, in a network or here, is counted. A server that is a mirror itself says how old it is then, which
 * is added.
 *
 * **Which server.** The first one of them that is there. Who follows a later one, or one that follows nobody itself, looks
 * now and then whether another one is there, see `ServerChoice`.
 */

import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { MirrorConfig } from "@ts-bgp/config";
import { type AnyRecord, frameOf, type Machine, type RecordOf, Standby } from "@ts-bgp/replication";
import { type LogEvent, nowMs } from "@ts-bgp/speaker";
import { programDigest } from "./build.ts";
import type { Hello } from "./hello.ts";
import { Link } from "./link.ts";
import { addressText, connectFirst, type Way } from "./links.ts";
import { memoryOctets } from "./memory.ts";
import { MirrorAge } from "./mirror-age.ts";
import {
  AGAIN,
  mirrorHello,
  pathOf,
  pathProblem,
  type Self,
  strangeness,
  versionProblem,
} from "./mirror-hello.ts";
import { MirrorRelay } from "./mirror-relay.ts";
import type { FollowerOptions, ShownFollowing } from "./mirror-types.ts";
import { ServerChoice } from "./server-choice.ts";

const LOOK_MS = 500;
/** A server that says nothing for so long is gone. */
const SILENT_MS = 20_000;
const WORK_MS = 4;
/** Octets of brackets that may wait to be run here; more of them wait at the server. */
const WAITING_OCTETS_MAX = 1 << 24;
/** Wait before a server is looked for again: the first time, and at most. */
const AGAIN_MS = 100;
const AGAIN_MS_MAX = 5000;
/** The same of one whose server has sent it away, or that has come to something else; at most for one that may come again. */
const REFUSED_MS = 1000;
const REFUSED_MS_MAX = 30_000;
/** A server before the last one has so long to answer before the next one is tried. */
const ANSWER_MS = 500;
/** A server that was followed for less than this is not asked again at once. */
const STEADY_MS = 5000;
/** What was as of the active side so short a time ago is not given up for what a mirror has of the one before. */
const FRESH_MS = 60_000;
/** What a state becomes takes several times its octets: for one of more than this part of the memory there is no room. */
const IMAGE_PART = 1 / 4;

export class MirrorFollower {
  private readonly options: FollowerOptions;
  private readonly self: Self;
  private readonly choice: ServerChoice;
  /** Null where no mirrors may follow this one. */
  private readonly relay: MirrorRelay | null;
  /** What is shown; null for nothing. */
  private standby: Standby | null = null;
  /** What is becoming of the state that is being sent; null when none is. */
  private joining: Standby | null = null;
  private joiningStream = 0;
  private imageOctets = 0;
  private readonly imageOctetsMax: number;
  /** Of the brackets of what is shown. */
  private stream = 0;
  /** Of the side that is followed. */
  private epoch = 0;
  /** Of the side that what is shown is of. */
  private shownEpoch = 0;
  private side = "";
  /** To the one that is followed, or was last; and why that follows nobody, empty when it does. */
  private path: readonly string[] = [];
  private above = "";
  /** A way to a better server, which is to be taken next. */
  private nextWay: Way | null = null;
  private isTrying = false;
  private way: Way | null = null;
  private link: Link | null = null;
  private state: ShownFollowing["state"] = "looking";
  private sinceMs = nowMs();
  private reason = "nobody was followed yet";
  /** What the log has said of that since somebody was followed; empty for nothing. */
  private warned = "";
  private readonly age: MirrorAge = new MirrorAge();
  private states = 0;
  /** Looks since something came: while this process itself is held up, as by a state, there are none. */
  private silentLooks = 0;
  private isWorking = false;
  private isOver = false;
  /** Since when somebody is followed over this link, by `performance.now`; null while nobody is. */
  private followedMs: number | null = null;
  private again = { ms: AGAIN_MS, maxMs: AGAIN_MS_MAX };
  /** What has come over a link was not of the side that it was said to be: what is shown is no place to go on from. */
  private isAstray = false;
  private ended: (reason: string) => void = () => {};

  constructor(options: FollowerOptions) {
    this.options = options;
    const { config, software } = options;
    this.imageOctetsMax = options.imageOctetsMax ?? memoryOctets() * IMAGE_PART;
    const name = config.self || `mirror-${process.pid}`;
    this.self = { cluster: config.cluster, name, software, build: programDigest() };
    this.choice = new ServerChoice(config.servers);
    const through = {
      path: () => this.shown.path,
      ageMs: () => this.shown.age_ms,
      problem: () => this.shown.reason,
      isJoining: () => this.state === "joining",
    };
    const { relayed } = options;
    this.relay = relayed === undefined ? null : new MirrorRelay(name, through, relayed);
  }

  /** Null before there is anything to be shown. */
  get machine(): Machine | null {
    return this.standby?.follows ?? null;
  }

  get shown(): ShownFollowing {
    const { standby, joining, path, way } = this;
    const { seenMs } = this.age;
    return {
      ...{ cluster: this.self.cluster, side: this.side, state: this.state, states: this.states },
      path: path.length === 0 ? [] : [...path, this.self.name],
      over: way === null ? "" : addressText(way.address),
      since_ms: Math.round(this.sinceMs),
      age_ms: seenMs === null ? null : Math.max(0, Math.round(nowMs() - seenMs)),
      reason: this.state === "following" ? this.above : this.reason,
      behind: (joining ?? standby)?.behind ?? { brackets: 0, octets: 0 },
    };
  }

  /** Follows, until it is stopped. */
  async run(): Promise<void> {
    const looks = setInterval(() => this.look(), LOOK_MS).unref();
    while (!this.isOver) {
      await this.once();
      if (this.isOver) break;
      const { again } = this;
      await sleep(again.ms, undefined, { ref: true });
      again.ms = Math.min(2 * again.ms, again.maxMs);
    }
    clearInterval(looks);
  }

  stop(): void {
    this.isOver = true;
    this.end("the mirror stops");
  }

  /** Follows whoever is found, until that comes to its end. */
  private async once(): Promise<void> {
    const { config } = this.options;
    let reason: string;
    this.followedMs = null;
    try {
      const { nextWay } = this;
      this.nextWay = null;
      const isThere = nextWay !== null && !nextWay.stream.destroyed;
      const way = isThere ? nextWay : await this.connect(config);
      if (this.isOver) {
        way.stream.destroy();
        return;
      }
      reason = await this.follow(way);
    } catch (error) {
      reason = `no way to a server: ${(error as Error).message}`;
    }
    this.way = null;
    this.link = null;
    this.joining = null;
    this.age.left();
    // What has come and is not run is still to be.
    if (reason !== this.warned) this.say("warn", reason);
    this.warned = reason;
    this.reason = reason;
    this.become("looking");
    if (this.isSteady) this.again = { ms: AGAIN_MS, maxMs: AGAIN_MS_MAX };
  }

  private connect(config: MirrorConfig["follow"]): Promise<Way> {
    return connectFirst(this.choice.candidates(performance.now()), config, ANSWER_MS);
  }

  /** @returns why it has ended */
  private follow(way: Way): Promise<string> {
    const { stream } = way;
    this.way = way;
    stream.setMaxListeners(0);
    return new Promise((resolve) => {
      const link = new Link(stream, "server", {
        record: (record) => this.record(link, record),
        drained() {},
        idle: () => this.work(stream),
        closed: (reason, isBroken) => {
          if (isBroken && !this.isSteady) this.refused(AGAIN.never);
          this.end(reason);
        },
      });
      this.link = link;
      this.silentLooks = 0;
      this.ended = (reason) => {
        this.ended = () => {};
        link.bye(reason);
        resolve(reason);
      };
      const { standby } = this;
      const lacks = standby?.isUsable === true && !this.isAstray ? standby.number + 1 : 0;
      const { seenMs } = this.age;
      const isFresh = seenMs !== null && nowMs() < seenMs + FRESH_MS;
      const epoch = isFresh ? this.shownEpoch : 0;
      const has = lacks > 0 ? { epoch, stream: this.stream, lacks } : {};
      link.send(frameOf("hello", mirrorHello(this.self, "mirror", has)));
    });
  }

  private end(reason: string): void {
    this.ended(reason);
  }

  private record(link: Link, record: AnyRecord): void {
    if (link !== this.link || this.isOver) return;
    this.silentLooks = 0;
    const problem = this.problemOf(record);
    if (problem !== null) {
      this.refuse(problem);
      return;
    }
    switch (record.record) {
      case "hello":
        this.welcome(record);
        return;
      case "bye":
        if (!this.isSteady) this.refused(record.again);
        this.end(`disconnected by the server: ${record.reason}`);
        return;
      case "look":
        this.answered(record);
        return;
      case "imageEnd":
        this.joining?.record(record);
        this.joined();
        return;
      case "bracket":
        if (record.epoch !== this.epoch) {
          this.isAstray = true;
          this.refuse(`a bracket is of epoch ${record.epoch}, not ${this.epoch}: it joins anew`);
          return;
        }
        break;
    }
    (this.joining ?? this.standby)?.record(record);
  }

  /** @returns why a server has no reason to say that now; null when it has */
  private problemOf(record: AnyRecord): string | null {
    const { state, joining } = this;
    switch (record.record) {
      case "bye":
        return null;
      case "hello":
        if (state !== "looking") return "the server says hello again";
        return (
          strangeness(this.self, "active", record) ??
          versionProblem(this.self, record) ??
          pathProblem(this.options.config.self, pathOf(record))
        );
    }
    if (state === "looking") return `the server says "${record.record}" before hello`;
    if (record.record !== "image" && record.record !== "imageEnd") return null;
    if (joining === null) return "the server sends a state that it has not announced";
    if (record.record === "image") this.imageOctets += record.octets.length;
    if (this.imageOctets <= this.imageOctetsMax) return null;
    const max = Math.floor(this.imageOctetsMax / 1e6);
    return `the state has more than ${max} MB, which is more than there can be room for here`;
  }

  private welcome(hello: Hello): void {
    this.side = hello.side;
    this.epoch = hello.epoch;
    this.above = "";
    const before = this.path.join(" ");
    this.path = pathOf(hello);
    if (this.path.join(" ") !== before) this.relay?.wayChanged();
    const { standby } = this;
    if (standby !== null && hello.goesOn > 0 && hello.goesOn === standby.number + 1) {
      standby.follow(this.hooks(standby));
      this.stream = hello.stream;
      this.relay?.expect(hello);
      this.becomeFollowing("goes on where it was");
      return;
    }
    this.joiningStream = hello.stream;
    this.age.joins();
    this.imageOctets = 0;
    this.joining = this.newStandby();
    this.reason = "the server sends its state";
    this.become("joining");
  }

  /** All of the state has come. */
  private joined(): void {
    this.standby = this.joining;
    this.stream = this.joiningStream;
    this.joining = null;
    this.isAstray = false;
    this.states++;
    // How old this is is about to be known.
    this.age.forget();
    this.options.changed();
    this.relay?.begin(this.standby, { epoch: this.epoch, stream: this.stream });
    this.becomeFollowing("has the state");
  }

  private becomeFollowing(what: string): void {
    this.followedMs = performance.now();
    this.shownEpoch = this.epoch;
    this.choice.followed(this.way!.address, this.followedMs);
    this.warned = "";
    this.become("following");
    this.say("info", `this mirror of ${this.self.cluster} ${what}: ${this.side} is followed`);
    this.look();
  }

  private newStandby(): Standby {
    const standby: Standby = new Standby({ send() {}, differs() {} }, this.relay !== null);
    standby.follow(this.hooks(standby));
    standby.isSameProgram = true;
    return standby;
  }

  private hooks(standby: Standby) {
    return {
      send() {},
      differs: (number: number, what: string) => {
        if (standby !== this.standby && standby !== this.joining) return;
        // What is not what the server has is not shown.
        if (standby === this.standby) {
          this.standby = null;
          this.age.forget();
          this.options.changed();
          this.relay?.begin(null, { epoch: 0, stream: 0 });
        }
        this.refused(AGAIN.never);
        const text = `this mirror differs in ${what} at bracket ${number}: it joins anew`;
        this.say("error", text);
        this.end(text);
      },
      ran: (bracket: RecordOf<"bracket">) => {
        if (standby === this.standby) this.relay?.ran(bracket);
      },
    };
  }

  private get isSteady(): boolean {
    return this.followedMs !== null && performance.now() > this.followedMs + STEADY_MS;
  }

  private refuse(reason: string): void {
    this.refused(AGAIN.never);
    this.end(reason);
  }

  /** Whoever is sent away does not come again at once. @param again - as in the record `bye` */
  private refused(again: number): void {
    this.followedMs = null;
    if (again !== AGAIN.here && this.way !== null) {
      this.choice.avoid(this.way.address, performance.now());
    }
    const maxMs = again === AGAIN.never ? REFUSED_MS_MAX : AGAIN_MS_MAX;
    const isFirst = this.again.ms < REFUSED_MS;
    this.again = { ms: isFirst ? REFUSED_MS : Math.min(this.again.ms, maxMs), maxMs };
  }

  private look(): void {
    this.relay?.tick();
    const { link } = this;
    if (link === null) return;
    if (++this.silentLooks > SILENT_MS / LOOK_MS) {
      // Its process may hang: its kernel would let it be followed again and again.
      this.choice.avoid(this.way!.address, performance.now());
      this.end(`the server has said nothing for ${SILENT_MS / 1000} s`);
      return;
    }
    if (this.state === "looking") return;
    const applied = this.joining === null ? (this.standby?.applied ?? 0) : 0;
    const number = this.age.ask(nowMs());
    link.send(frameOf("look", { number, applied, ageMs: 0, problem: "" }));
    if (this.state === "following") void this.goElsewhere();
  }

  /** Goes on with a better server than the one that is followed, or with another than one that follows nobody. */
  private async goElsewhere(): Promise<void> {
    const { choice, link, way, above } = this;
    if (way === null || this.isTrying) return;
    const nowMs = performance.now();
    const better = choice.better(way.address, nowMs);
    // Both may be due each time at once: these are looked for at the next look then.
    const others = better.length > 0 ? [] : choice.others(way.address, above !== "", nowMs);
    if (better.length + others.length === 0) return;
    this.isTrying = true;
    try {
      const servers = better.length > 0 ? better : others;
      const found = await connectFirst(servers, this.options.config, ANSWER_MS);
      // Until it is taken nobody else minds.
      found.stream.on("error", () => {});
      const isWanted = better.length > 0 || (this.above !== "" && choice.isThere());
      if (!isWanted || this.link !== link || this.isOver) found.stream.destroy();
      else {
        this.nextWay = found;
        if (better.length > 0) choice.goesBack();
        else choice.avoid(way.address, performance.now());
        const where = addressText(found.address);
        const why = better.length > 0 ? "that goes before it" : "that may follow somebody";
        this.end(`a server ${why} is there: ${where}`);
      }
    } catch {
      // It is still not there.
      if (better.length === 0) choice.isNotThere();
    }
    this.isTrying = false;
  }

  private answered(look: RecordOf<"look">): void {
    const bracket = (this.joining ?? this.standby)?.number ?? 0;
    if (!this.age.answered(look, bracket)) return;
    this.above = look.problem;
    this.see();
  }

  /** Notes how old what is shown is. */
  private see(): void {
    const { standby, age } = this;
    if (standby === null || this.joining !== null) return;
    if (age.ran(standby.applied)) this.options.seen(age.seenMs!);
  }

  private work(stream: Duplex | null): void {
    if (stream !== null) {
      const { octets } = (this.joining ?? this.standby)?.behind ?? { octets: 0 };
      if (octets > WAITING_OCTETS_MAX) stream.pause();
    }
    if (this.isWorking) return;
    this.isWorking = true;
    setImmediate(() => {
      this.isWorking = false;
      const { standby } = this;
      if (standby === null) return;
      const endMs = performance.now() + WORK_MS;
      const more = standby.work(() => performance.now() < endMs);
      this.see();
      if (standby.behind.octets < WAITING_OCTETS_MAX / 2) this.way?.stream.resume();
      if (more) this.work(null);
    });
  }

  private become(state: ShownFollowing["state"]): void {
    if (state !== this.state) this.sinceMs = nowMs();
    this.state = state;
  }

  private say(level: LogEvent["level"], message: string): void {
    this.options.log({ id: "mirror", level, neighbor: null, message, fields: {} });
  }
}
