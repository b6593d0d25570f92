/**
 * Another member, as this speaker follows it: by links to each of its sides, of which the active one is listened to.
 * What it tells are calls of the router, so a standby of this speaker has it as well.
 */

import type { ClusterConfig, LinkAddress } from "@ts-bgp/config";
import { checkedRuns } from "@ts-bgp/feeds-codec";
import { Following } from "@ts-bgp/follow";
import { FormatError } from "@ts-bgp/replication";
import { FAMILIES, type MemberNews } from "@ts-bgp/router";
import type { Speaker } from "@ts-bgp/speaker";
import { UpdateReader } from "@ts-bgp/wire-codec";
import type { ControlRequest } from "../control.ts";
import { ServerLink } from "../forward/server-link.ts";
import { type AnswerPage, Questions } from "./asking.ts";
import { Faults } from "./faults.ts";
import { linkChanges } from "./member-list.ts";
import type { ShownMember } from "./shown.ts";
import { NO_OCTETS } from "./telling.ts";

const U32_MAX = 0xffff_ffff;

/** While the speaker has no room for more, it is looked so often whether it has. */
const ROOM_LOOK_MS = 10;

export class FollowedMember {
  readonly name: string;
  /** So long its routes stay while it is not there. */
  holdSeconds: number;
  private readonly speaker: Speaker;
  private readonly say: (level: "info" | "warn", message: string) => void;
  private readonly following: Following;
  private readonly options: Omit<ConstructorParameters<typeof ServerLink>[0], "address">;
  /** By numbers, which are not used again. */
  private readonly links: Map<number, ServerLink> = new Map();
  private lastLink = -1;
  private isListed = false;
  private readonly reader: UpdateReader = new UpdateReader();
  private readonly faults: Faults;
  private readonly questions: Questions = new Questions();
  /** Since when no side is active, by `performance.now`; null while one is. */
  private awaySinceMs: number | null = performance.now();
  /** Since when routes here may be old: it has not told all since, however often it came back. Null: they are not. */
  private oldSinceMs: number | null = performance.now();
  /** Old routes went since that lasted for too long. */
  private isGone = false;
  /** It was asked to tell all once more, and has not begun. */
  private isAsked = false;
  private roomLook: NodeJS.Timeout | undefined;
  private isOver = false;

  constructor(
    name: string,
    cluster: ClusterConfig,
    speaker: Speaker,
    software: string,
    say: (level: "info" | "warn", message: string) => void,
  ) {
    this.name = name;
    this.speaker = speaker;
    this.holdSeconds = cluster.holdSeconds;
    this.say = say;
    this.faults = new Faults((message) => say("warn", `${name}: ${message}`));
    this.following = new Following([], {
      activate: (side) => this.listenTo(side),
      complete: () => {
        this.run({ what: "complete" });
        this.oldSinceMs = null;
        this.isGone = false;
        this.say("info", `${name} has told all ${this.shown.routes} routes of its neighbors`);
      },
    });
    const trust = { cluster: cluster.name, tls: cluster.tls };
    this.options = { ...trust, server: name, follower: cluster.self, families: 0, software };
  }

  /** Has a link to each place, and goes on with all that is told meanwhile; see `linkChanges`. */
  follow(places: readonly LinkAddress[] | null, isOfFile: boolean): void {
    if (places !== null) this.isListed = places.length > 0;
    const now = [...this.links.values()].map(({ text, isUp }) => ({ text, isUp }));
    const { open, close } = linkChanges(now, places, isOfFile);
    for (const address of open) {
      const side = ++this.lastLink;
      const link = this.linkTo(side, address);
      this.links.set(side, link);
      link.connect();
    }
    if (close.length === 0) return;
    for (const [side, link] of this.links) {
      if (!close.includes(link.text)) continue;
      link.close();
      this.links.delete(side);
      this.lost(side);
    }
  }

  /** Whether it has a link that works, or there are routes of it here which may stay. */
  get isNeeded(): boolean {
    const isUp = [...this.links.values()].some((link) => link.isUp);
    return isUp || (this.isKnown && !this.isGone);
  }

  /** It has told something, of which the router has a state. */
  private get isKnown(): boolean {
    return this.speaker.router.tables.members?.has(this.name) === true;
  }

  /** Addresses of its neighbors by their numbers, as far as it has told. */
  private get peers(): ReadonlyMap<number, string> | undefined {
    return this.speaker.router.tables.members?.get(this.name)?.peers;
  }

  get shown(): ShownMember {
    const { following, links, awaySinceMs, oldSinceMs, isAsked, isGone, holdSeconds } = this;
    const { router } = this.speaker;
    const own = [...router.neighbors.values()].filter(({ config }) => config.speaker === this.name);
    const routesOf = (row: number) =>
      FAMILIES.reduce((sum, family) => sum + router.tables.rib(family).paths.accepted[row]!, 0);
    const { source, isComplete } = following;
    const dateOf = (ms: number | null) =>
      ms === null ? null : Math.round(ms - performance.now() + Date.now());
    const isOld = oldSinceMs !== null && !isGone;
    return {
      name: this.name,
      listed: this.isListed,
      state: source === null ? "away" : isComplete && !isAsked ? "up to date" : "copying",
      source: source === null ? null : links.get(source)!.text,
      away_since_ms: dateOf(awaySinceMs),
      keep_until_ms: isOld ? dateOf(oldSinceMs + 1000 * holdSeconds) : null,
      neighbors: own.length,
      routes: own.reduce((sum, { row }) => sum + routesOf(row), 0),
      faulty_runs: this.faults.runs,
      last_fault: this.faults.last,
      links: [...links.values()].map(({ text, problem }) => ({ address: text, problem })),
    };
  }

  /** To be called once a second. */
  tick(): void {
    for (const link of this.links.values()) link.tick();
    this.look();
    const { oldSinceMs, isGone, holdSeconds } = this;
    if (oldSinceMs === null || isGone) return;
    if (performance.now() < oldSinceMs + 1000 * holdSeconds) return;
    this.isGone = true;
    // One that was never there has no state, and is given none.
    if (!this.isKnown) return;
    const { routes, state } = this.shown;
    const old = `${this.name} has not told all for ${holdSeconds} seconds`;
    if (state === "copying") {
      // What it has told since it began is as good as ever.
      this.say("warn", `${old}: routes that it has not told again go`);
      this.run({ what: "complete" });
    } else {
      if (routes > 0) this.say("warn", `${old}: its ${routes} routes go`);
      this.run({ what: "gone" });
    }
  }

  /**
   * Has it tell all once more, where neighbors have come whose routes it has told already. What it says on the way is
   * of what it began before: only the role that it answers with is where it begins again.
   */
  look(): void {
    const { source } = this.following;
    const wants = this.speaker.router.tables.members?.get(this.name)?.wantsCopy === true;
    if (source === null || !wants || this.isAsked) return;
    this.isAsked = true;
    this.links.get(source)!.activate();
  }

  /** Asks the side that is active; rejects with what is wrong where none answers. */
  ask(request: ControlRequest): Promise<AnswerPage> {
    const { following, links } = this;
    const { source } = following;
    if (source === null) return Promise.reject(new Error(this.problem));
    return this.questions.ask(request, (...ask) => links.get(source)!.ask(...ask));
  }

  /** Why nothing is heard of it while it is away. */
  get problem(): string {
    if (this.links.size === 0) return "it is not in the list of members in etcd";
    const problems = [...this.links.values()].map((link) => link.problem);
    return problems.find((problem) => problem !== null) ?? "no side of it is active";
  }

  close(): void {
    this.isOver = true;
    this.questions.lost("it is followed no more");
    clearTimeout(this.roomLook);
    for (const link of this.links.values()) link.close();
  }

  private linkTo(side: number, address: LinkAddress): ServerLink {
    const { following } = this;
    const options = { address, ...this.options };
    return new ServerLink(options, {
      role: (role) => {
        following.role(side, role);
        this.noteSource();
      },
      peer: ({ peer, address, identifier }) => {
        if (peer > U32_MAX || identifier > U32_MAX)
          throw new FormatError("a neighbor that is none");
        if (side === following.source) this.run({ what: "peer", peer, address, identifier });
      },
      bracket: ({ runs }) => {
        const checked = checkedRuns(runs, this.reader);
        if (checked === null) throw new FormatError("routes that are none");
        if (side === following.source) {
          this.run({ what: "routes" }, checked.octets);
          if (checked.faulty.length > 0) this.faults.note(checked.faulty, this.peers);
        }
        this.holdWhileFull();
      },
      complete: () => following.complete(side),
      answer: (answer) => this.questions.answered(answer),
      lost: () => this.lost(side),
      say: (level, message) => this.say(level, `${this.name}: ${message}`),
    });
  }

  private lost(side: number): void {
    if (side === this.following.source) this.questions.lost("the link to it is cut");
    this.following.lost(side);
    this.noteSource();
  }

  private listenTo(side: number): void {
    // Where it was asked to tell all once more, what it told before is as good as ever meanwhile.
    if (!this.isAsked) this.keepFromNow();
    this.isAsked = false;
    this.run({ what: "begin" });
    this.links.get(side)!.activate();
  }

  private noteSource(): void {
    if (this.following.source !== null) this.awaySinceMs = null;
    else if (this.awaySinceMs === null) {
      this.awaySinceMs = performance.now();
      this.keepFromNow();
      const until = `the routes of its neighbors stay for at most ${this.holdSeconds} seconds`;
      this.say("warn", `${this.name} is away: ${until}`);
    }
  }

  /** Unless a time runs: being away, or telling but a part of all, does not make it longer. */
  private keepFromNow(): void {
    if (this.oldSinceMs === null || this.isGone) this.oldSinceMs = performance.now();
    this.isGone = false;
  }

  private run(news: MemberNews, octets: Uint8Array = NO_OCTETS): void {
    const { speaker, name, isOver } = this;
    if (isOver || speaker.isSuspended) return;
    speaker.run({ record: "member", nowMs: speaker.now(), name, news, octets });
  }

  /** What others are to be sent, and a standby is to store, comes first. */
  private holdWhileFull(): void {
    const { active, router } = this.speaker;
    const isFull = !active.mayWork || !router.hasRoom;
    for (const link of this.links.values()) link.hold(isFull);
    clearTimeout(this.roomLook);
    if (isFull && !this.isOver) {
      this.roomLook = setTimeout(() => this.holdWhileFull(), ROOM_LOOK_MS);
    }
  }
}
