/** Who the other members of the cluster are: those of the file, or of a list in etcd, which this process is put into. */

import type { ClusterConfig, ClusterEtcd, LinkAddress, ListenAddress } from "@ts-bgp/config";
import { EtcdMembership } from "./etcd-membership.ts";
import { type FollowedNow, whomToFollow } from "./member-list.ts";
import { SaidOnce } from "./said-once.ts";
import type { ShownMembership } from "./shown.ts";

/** Characters of a list of members in a line of the log. */
const LISTED_CHARACTERS = 200;
/** From one line of who is there to the next one. */
const WHO_MS = 5000;

type Say = (level: "info" | "warn", message: string) => void;

export class Membership {
  private readonly software: string;
  private readonly say: Say;
  private readonly said: SaidOnce;
  private readonly changed: () => void;
  private config: ClusterConfig | null = null;
  /** Members that have neighbors, by the file. */
  private named: ReadonlySet<string> = new Set();
  private list: EtcdMembership | null = null;
  /** The one before, until the present one has an entry. */
  private before: EtcdMembership | null = null;
  /** Members that are listed, and one too many. */
  private leftOut = 0;
  /** Members that have neighbors and are not listed, and since when by `performance.now`. */
  private absentSinceMs: ReadonlyMap<string, number> = new Map();
  private absentProblem: string | null = null;
  private whoSaid = "";
  private whoSaidMs: number = Number.NEGATIVE_INFINITY;

  /** @param changed - called when there may be others to follow */
  constructor(software: string, say: Say, changed: () => void) {
    this.software = software;
    this.say = say;
    this.said = new SaidOnce(say);
    this.changed = changed;
  }

  /** Puts this process into another list, or none; it goes out of the one before when it is in the other one. */
  configure(config: ClusterConfig | null): void {
    const { config: old, list } = this;
    this.config = config;
    if (isSame(old, config, ["self", "listen", "etcd"])) return;
    this.list = null;
    this.absentSinceMs = new Map();
    this.absentProblem = null;
    if (list?.hasEntry && this.before === null) {
      list.stay();
      this.before = list;
    } else void list?.leave();
    if (config?.etcd) this.list = this.listed(config, config.etcd, list?.places ?? null);
    else this.leaveBefore();
  }

  /** @param names - of members that have neighbors */
  name(names: ReadonlySet<string>): void {
    this.named = names;
  }

  /** @returns each of the others, and where it is; null where that is not known yet */
  whomToFollow(followed: readonly FollowedNow[]): Map<string, readonly LinkAddress[] | null> {
    const { config, list } = this;
    if (config === null) return new Map();
    if (list === null) return new Map(config.members.map(({ name, links }) => [name, links]));
    const { members, leftOut } = whomToFollow(config.self, this.named, list.places, followed);
    this.leftOut = leftOut;
    this.said.note("many", this.manyProblem, "all members that are listed are followed");
    return list.places === null
      ? new Map([...members.keys()].map((name) => [name, null]))
      : new Map(members);
  }

  /** Whether it is one by the file, or by what it has shown: whoever can write to etcd can list others. */
  counts({ name, isNeeded }: FollowedNow): boolean {
    return this.list === null || this.named.has(name) || isNeeded;
  }

  get shown(): ShownMembership {
    const { list, manyProblem, absentProblem } = this;
    if (list === null) {
      return { by: "file", entry: null, has_entry: null, read_ms: null, problems: [] };
    }
    const own = [manyProblem, absentProblem].filter((problem) => problem !== null);
    const problems = [...list.problems, ...own];
    const { key: entry, hasEntry: has_entry, readMs: read_ms } = list;
    return { by: "etcd", entry, has_entry, read_ms, problems };
  }

  async stop(): Promise<void> {
    await Promise.all([this.list?.leave(), this.before?.leave()]);
    this.list = null;
    this.before = null;
  }

  private get manyProblem(): string | null {
    if (this.leftOut === 0) return null;
    return `${this.leftOut} more members are listed than can be followed`;
  }

  private listed(
    { self, listen }: ClusterConfig,
    etcd: ClusterEtcd,
    places: EtcdMembership["places"],
  ): EtcdMembership {
    const { software } = this;
    const options = { etcd, self, listen: listen as ListenAddress, software, places };
    let isNew = true;
    const list: EtcdMembership = new EtcdMembership(options, {
      names: () => [self, ...this.named],
      read: () => {
        if (list !== this.list) return;
        this.sayWho(list);
        this.noteAbsent(list);
        this.changed();
      },
      entered: () => {
        if (list !== this.list) return;
        if (isNew) this.say("info", `${list.key} is in etcd`);
        isNew = false;
        this.leaveBefore();
      },
      say: (...said) => this.say(...said),
    });
    return list;
  }

  /** Any name may come to be in the list, so a misspelt one is found by this alone. */
  private noteAbsent({ places }: EtcdMembership): void {
    const nowMs = performance.now();
    const { named, absentSinceMs: before } = this;
    const names = [...named].filter((name) => !places?.has(name));
    const since = new Map(names.map((name) => [name, before.get(name) ?? nowMs]));
    this.absentSinceMs = since;
    const untilMs = nowMs - 1000 * this.config!.holdSeconds;
    const long = names.filter((name) => since.get(name)! <= untilMs).sort();
    const text = long.join(", ").slice(0, LISTED_CHARACTERS);
    const why = 'which neighbors have as "speaker": down, in another list, or misspelt?';
    this.absentProblem = long.length === 0 ? null : `the list has no ${text}, ${why}`;
    this.said.note("absent", this.absentProblem, "the list has all members that neighbors are of");
  }

  /** Says who is there when that has changed, though not each time. */
  private sayWho({ places }: EtcdMembership): void {
    const { self } = this.config!;
    // Others are not to take the room of those that the file names.
    const rank = (name: string) => (name === self || this.named.has(name) ? 0 : 1);
    const names = [...(places?.keys() ?? [])].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    const who = names.map((name) => {
      const { length } = places!.get(name)!;
      return length === 1 ? name : `${name} (${length} addresses)`;
    });
    const text = who.join(", ").slice(0, LISTED_CHARACTERS);
    const nowMs = performance.now();
    if (text === this.whoSaid || nowMs < this.whoSaidMs + WHO_MS) return;
    this.whoSaid = text;
    this.whoSaidMs = nowMs;
    this.say("info", `members in etcd: ${text === "" ? "none" : text}`);
  }

  private leaveBefore(): void {
    void this.before?.leave();
    this.before = null;
  }
}

/** @param keys - that are compared */
export function isSame(
  a: ClusterConfig | null,
  b: ClusterConfig | null,
  keys: readonly (keyof ClusterConfig)[],
): boolean {
  const part = (config: ClusterConfig | null) => config && keys.map((key) => config[key]);
  return JSON.stringify(part(a)) === JSON.stringify(part(b));
}
