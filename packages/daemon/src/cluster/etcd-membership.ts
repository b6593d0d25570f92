/**
 * This process in a list of members in etcd, and who else is there. The entry and the reading of the list do not wait
 * for each other. What fails is tried again for ever, and what was known stays meanwhile.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterEtcd, ListenAddress } from "@ts-bgp/config";
import { EtcdEntries } from "@ts-bgp/nsr/etcd-entries";
import { entryKey, type MemberList, membersIn } from "./member-list.ts";
import { SaidOnce } from "./said-once.ts";

/** Between two readings of the list. */
const LOOK_MS = 1000;
/** Between two readings of all that a list has which was not whole: etcd counts its keys each time, for all to wait. */
const PART_MS = 10_000;
/** Keys of the list that are read at once, and those of a member that is asked for by itself. */
const KEYS_MAX = 512;
const MEMBER_KEYS_MAX = 16;
/** Longest wait for an answer of etcd. */
const TIMEOUT_MS = 2000;
/** Longest wait for etcd when this process ends, or leaves. */
const LEAVE_MS = 1500;
/** Sides of a pair may start one after the other. */
const SIDES_MS = 15_000;
/** Of what is wrong: etcd's own words may be long. */
const PROBLEM_CHARACTERS = 500;
/** What etcd says of a lease that has run out, or was revoked. */
const IS_LOST = /lease not found/;
const LOST = "its lease in etcd was lost (it ran out, or was revoked): the entry is put anew";
const REMOVED = "somebody has removed the entry of this process from etcd: it is put anew";

export interface MembershipOptions {
  readonly etcd: ClusterEtcd;
  readonly self: string;
  readonly listen: ListenAddress;
  /** What the entry holds, for people. */
  readonly software: string;
  /** What is known already; null for nothing. */
  readonly places: MemberList["places"] | null;
}

export interface MembershipHooks {
  /** Members that are asked for by themselves where the list is not read as a whole, this one among them. */
  names(): Iterable<string>;
  /** The list was read. */
  read(): void;
  /** The entry is there. */
  entered(): void;
  say(level: "info" | "warn", message: string): void;
}

interface Found {
  /** An entry may be there twice. */
  readonly keys: readonly Uint8Array[];
  /** Why these are not all; null where they are. */
  readonly notWhole: string | null;
  /** Whether all of this member are among them. */
  readonly hasAllOwn: boolean;
}

export class EtcdMembership {
  /** As it was read last; null before that. */
  places: MemberList["places"] | null;
  /** Milliseconds since 1970 when it was read; null before that. */
  readMs: number | null = null;
  readonly key: string;
  private readonly options: MembershipOptions;
  private readonly hooks: MembershipHooks;
  private readonly entries: EtcdEntries;
  private readonly said: SaidOnce;
  private readonly prefix: string;
  /** What was read of a list that was not whole, and until when that counts by `performance.now`. */
  private part: Found = { keys: [], notWhole: null, hasAllOwn: false };
  private partUntilMs = 0;
  private lease: string | null = null;
  private isEntered = false;
  /** It was there, and was not in the list. */
  private isMissed = false;
  /** By `performance.now`, when it was put. */
  private enteredMs = 0;
  /** Likewise, when the lease was kept last. */
  private keptMs = 0;
  private keepProblem: string | null = null;
  private lookProblem: string | null = null;
  private listProblem: string | null = null;
  /** Since when fewer sides of this member are listed than there are, or more; null while all are. */
  private oddSinceMs: number | null = null;
  private sidesListed = 0;
  private isLeaving = false;
  private isOver = false;
  private keeping: Promise<void> = Promise.resolve();
  private readonly timers: Set<NodeJS.Timeout> = new Set();

  constructor(options: MembershipOptions, hooks: MembershipHooks) {
    const { etcd, self, listen, places } = options;
    this.options = options;
    this.hooks = hooks;
    this.places = places;
    this.prefix = etcd.prefix;
    this.key = entryKey(etcd.prefix, self, listen);
    const keepMs = (1000 * etcd.ttlSeconds) / 3;
    this.entries = new EtcdEntries(etcd, Math.min(TIMEOUT_MS, keepMs));
    this.said = new SaidOnce((...said) => hooks.say(...said));
    const work = () => this.keep();
    this.repeat(() => (this.keepProblem === null ? keepMs : LOOK_MS), work);
    this.repeat(
      () => LOOK_MS,
      () => this.look(),
    );
  }

  /** Whether the entry is there, as far as this process can know. */
  get hasEntry(): boolean {
    const untilMs = this.keptMs + 1000 * this.options.etcd.ttlSeconds;
    return this.isEntered && performance.now() < untilMs;
  }

  /** What is wrong, for people. */
  get problems(): string[] {
    return [this.etcdProblem, this.leaseProblem, this.listProblem, this.sidesProblem].filter(
      (problem) => problem !== null,
    );
  }

  /** The entry is kept until `leave`, and not put again: another one of this process takes its place. */
  stay(): void {
    this.isLeaving = true;
  }

  /** Takes the entry out, if etcd answers soon enough, and ends. */
  async leave(): Promise<void> {
    this.isLeaving = true;
    for (const timer of this.timers) clearTimeout(timer);
    const revoke = async () => {
      await this.keeping;
      if (this.lease !== null) await this.entries.revoke(this.lease);
    };
    await Promise.race([revoke().catch(() => {}), sleep(LEAVE_MS, undefined, { ref: false })]);
    this.isOver = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.entries.close();
  }

  /** Does something again and again, with a pause of so long after each time. */
  private repeat(pauseMs: () => number, work: () => Promise<void>): void {
    const next = async () => {
      await work();
      if (this.isOver) return;
      this.note();
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        void next();
      }, pauseMs());
      this.timers.add(timer);
    };
    void next();
  }

  /** Keeps the lease, and puts the entry where it is not. */
  private keep(): Promise<void> {
    this.keeping = this.keeping.then(() => this.keepOnce());
    return this.keeping;
  }

  private async keepOnce(): Promise<void> {
    const { entries, options } = this;
    try {
      if (this.lease !== null && !(await entries.keepAlive(this.lease))) this.lost();
      else if (this.isMissed) this.said.note("lost", REMOVED, "");
      this.isMissed = false;
      if (this.isLeaving && !this.isEntered) return;
      this.lease ??= await entries.grant(options.etcd.ttlSeconds);
      if (!this.isEntered) await this.enter(this.lease);
      this.keptMs = performance.now();
      this.keepProblem = null;
    } catch (error) {
      const { message } = error as Error;
      if (IS_LOST.test(message)) this.lost();
      this.keepProblem = message.slice(0, PROBLEM_CHARACTERS);
    }
  }

  private async enter(lease: string): Promise<void> {
    await this.entries.put(this.key, JSON.stringify({ software: this.options.software }), lease);
    this.isEntered = true;
    this.enteredMs = performance.now();
    setImmediate(() => this.hooks.entered());
  }

  private lost(): void {
    this.lease = null;
    this.isEntered = false;
    if (this.isLeaving) return;
    this.said.note("lost", LOST, "");
  }

  private async look(): Promise<void> {
    const beganMs = performance.now();
    try {
      const found = await this.read();
      if (this.isOver) return;
      this.take(found, beganMs);
      this.lookProblem = null;
    } catch (error) {
      this.lookProblem = (error as Error).message.slice(0, PROBLEM_CHARACTERS);
    }
  }

  /** Some members are found whatever else stands there, also where that is too much for etcd to answer in time. */
  private async read(): Promise<Found> {
    const { entries, prefix, hooks, options } = this;
    const all = performance.now() < this.partUntilMs ? this.part : await this.readAll();
    if (all.notWhole === null) return all;
    const keys: Uint8Array[] = [];
    let hasAllOwn = false;
    for (const name of hooks.names()) {
      if (this.isOver) break;
      const found = await entries.keysUnder(`${prefix}/${name}/`, MEMBER_KEYS_MAX);
      keys.push(...found.keys);
      if (name === options.self) hasAllOwn = found.isWhole;
    }
    // Not while nothing can be read.
    if (all !== this.part) this.partUntilMs = performance.now() + PART_MS;
    this.part = all;
    return { keys: [...keys, ...all.keys], notWhole: all.notWhole, hasAllOwn };
  }

  private async readAll(): Promise<Found> {
    const { entries, prefix } = this;
    try {
      const { keys, isWhole } = await entries.keysUnder(`${prefix}/`, KEYS_MAX);
      const many = `too much stands under ${prefix}/ for a list of members`;
      return { keys, notWhole: isWhole ? null : many, hasAllOwn: isWhole };
    } catch (error) {
      const why = (error as Error).message.slice(0, PROBLEM_CHARACTERS);
      const notWhole = `the list cannot be read as a whole: ${why}`;
      return { keys: [], notWhole, hasAllOwn: false };
    }
  }

  /** @param beganMs - what was put later need not be in the list */
  private take({ keys, notWhole, hasAllOwn }: Found, beganMs: number): void {
    const { options, prefix } = this;
    const { places, bad } = membersIn(prefix, keys);
    this.places = places;
    this.readMs = Date.now();
    const what = bad?.count === 1 ? "1 key is" : `${bad?.count} keys are`;
    const few = bad === null ? null : `${what} no entry, and left out: ${bad.first}`;
    const which = "those that neighbors are of are looked for one by one";
    this.listProblem = notWhole === null ? few : `${notWhole}; ${which}`;
    const own = Buffer.from(this.key);
    const isListed = keys.some((key) => own.equals(key));
    const isExpected = this.isEntered && this.enteredMs < beganMs && !this.isLeaving;
    if (hasAllOwn && !isListed && isExpected) {
      this.isEntered = false;
      this.isMissed = true;
      void this.keep();
    }
    this.sidesListed = places.get(options.self)?.length ?? 0;
    if (this.sidesListed === options.etcd.sides) this.oddSinceMs = null;
    else this.oddSinceMs ??= performance.now();
    // Behind what is tried here: a fault of the speaker ends the process, and is no trouble with etcd.
    setImmediate(() => {
      if (!this.isOver) this.hooks.read();
    });
  }

  private get etcdProblem(): string | null {
    const { keepProblem, lookProblem } = this;
    if (lookProblem !== null) {
      const what = keepProblem === null ? "the list cannot be read" : "etcd cannot be reached";
      const known = this.places === null ? "no member is known yet" : "the last list counts";
      return `${what}, ${known}: ${lookProblem}`;
    }
    return keepProblem === null ? null : `the entry cannot be kept: ${keepProblem}`;
  }

  private get leaseProblem(): string | null {
    if (this.hasEntry || this.keepProblem === null) return null;
    if (!this.isEntered) return "this process has no entry yet: others do not find it";
    return "its lease has run out: members that start now do not find this process";
  }

  private get sidesProblem(): string | null {
    const { oddSinceMs, sidesListed } = this;
    const { etcd, self } = this.options;
    const graceMs = Math.max(SIDES_MS, 1000 * etcd.ttlSeconds);
    if (oddSinceMs === null || performance.now() < oddSinceMs + graceMs) return null;
    const { sides } = etcd;
    if (sidesListed > sides) {
      const why = "is another process wrong about which member it is?";
      return `${sidesListed} processes are listed as ${self}, which has ${sides}; ${why}`;
    }
    // Of the own entry alone it is told otherwise.
    if (sides === 1) return null;
    const why = "after a takeover nobody finds a side that is not: start it, or reload it there";
    return `${sidesListed} of ${sides} sides of ${self} are listed; ${why}`;
  }

  private note(): void {
    const { said } = this;
    if (this.isLeaving) return;
    said.note("etcd", this.etcdProblem, "etcd answers again");
    said.note("lease", this.leaseProblem, "the entry of this process is in etcd");
    if (this.isEntered) said.note("lost", null, "the entry of this process is in etcd again");
    said.note("list", this.listProblem, "all keys of the list are entries");
    said.note("sides", this.sidesProblem, "this member is listed as often as it has sides");
  }
}
