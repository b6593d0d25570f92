/**
 * The arbiter of sides on several hosts: two keys in etcd.
 *
 *     ts-bgp/CLUSTER/roles      who is active, who may take over, and the epoch, which only grows
 *     ts-bgp/CLUSTER/renewal    rewritten by the active all the time: that is its lease
 *
 * Every change is a transaction that compares the revision of `roles`, so each one follows upon what its
 * author knew, and whoever was overtaken finds out. Nobody can be asked to stop for certain, though: so
 * nobody acts longer than its lease, and nobody takes a role before the other's lease is over.
 *
 *     standby   the active may act      ... and what the other one waits for
 *     none      until 0.9 ttl after it has sent the last renewal that was confirmed
 *                                       a whole ttl in which `renewal` was seen not to change
 *     named     until holdMs after it has sent the last heartbeat that each standby has echoed
 *                                       a standby alone may take over, promiseMs after its last echo
 *     heirs     as with none, until they are named
 *                                       an heir waits as one does who finds none
 *
 * So with a standby it is the standby that keeps the active going, by its own link, and etcd is asked only
 * when roles change: to take over, and to take the standby's name out. Both compare the same revision:
 * one of them comes first. Takeover needs the heartbeats to be missed, then one transaction; an active that
 * runs finds the echoes missing somewhat earlier, so that it comes first when only the link is cut.
 *
 * Who stops when something cannot be reached? With the link: none. etcd may be away for any time, and a
 * single heartbeat that comes through is enough. Without the link, the one that reaches etcd goes on:
 * the active by taking the standby's name out, the standby by taking over. When neither does, both wait,
 * the active with its connections as they are; peers notice nothing but silence. The first one that
 * reaches etcd goes on. An active that is alone and cannot renew waits in the same way: nobody can
 * tell it from one that is cut off, and whose role somebody took.
 *
 * What may leave an active in the moment between its look at the clock and the packet? With a standby, only
 * what the standby has as well (I2), so that to a peer it is an old segment that comes late.
 *
 * The lease is not one of etcd's own: those end by the clock of the member that leads, a leader that was
 * replaced and does not know it confirms them and ends them (etcd issue 15247), and they last two seconds
 * at least.
 *
 * Each side has a name of its own. As long as a standby is named, or an heir, nobody but these and the active
 * gets the role.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { EtcdAccess } from "@ts-bgp/config";
import {
  claim,
  give,
  type Leaseholder,
  type LeaseholderEvent,
  leaseUntilMs,
  NOBODY,
  name,
  newLeaseholder,
  type Rights,
  release,
  renewalPeriodMs,
  rightOf,
  stepLeaseholder,
  type Word,
} from "@ts-bgp/pair";
import { bootMs, Lease } from "@ts-bgp/takeover";
import {
  type ActiveState,
  type Arbiter,
  ArbiterAwayError,
  type HoldChange,
  type Roles,
} from "./arbiter.ts";
import type { Change, Entry } from "./etcd-answers.ts";
import { EtcdClient } from "./etcd-client.ts";
import { isSame, wordIn, wordText } from "./word-text.ts";

export interface EtcdOptions extends EtcdAccess {
  readonly cluster: string;
  readonly ttlMs: number;
}

interface Seen {
  readonly word: Word;
  /** Of `roles`; 0 when there is none. */
  readonly revision: number;
  readonly renewal: number;
}

/** What came of a change of the keys, and what they held then. */
interface Settled extends Seen {
  readonly isDone: boolean;
}

const ROLES = "roles";
const RENEWAL = "renewal";
/** Longest wait for an answer of etcd. */
const TIMEOUT_PART = 1 / 3;
/** The lease is looked at this often. */
const LOOK_MS = 5;
/** From a change that etcd did not answer to the next try. */
const RETRY_MS = 100;
/** Longest wait for the first echo of a standby that is to be named. */
const ECHO_MS = 5000;
const UNECHOED = `it answered no heartbeat for ${ECHO_MS} ms (they go by the port after the link's)`;
/** Longest text of a problem, which has a part for each endpoint. */
const PROBLEM_CHARACTERS = 1000;
/** Longest wait for etcd when this process ends. */
const RELEASE_MS = 1000;

export class EtcdArbiter implements Arbiter {
  readonly kind = "etcd";
  readonly lease: Lease = new Lease();
  problem: string | null = null;
  private readonly cluster: string;
  private readonly etcd: EtcdClient;
  private readonly ttlMs: number;
  private readonly holder: string = crypto.randomUUID();
  /** While this side is active. */
  private own: Leaseholder | null = null;
  private changed: (change: HoldChange) => void = () => {};
  private timer: NodeJS.Timeout | undefined;
  /** This side is a standby. */
  private isWatching = false;
  private renewals = 0;
  private claims = 0;
  private namings = 0;
  /** Roles are changed one after the other. */
  private changes: Promise<unknown> = Promise.resolve();
  /** Revision of the roles and of the renewal as they were seen last, and since when they are so. */
  private sight: string | null = null;
  private sightMs = 0;
  private isOver = false;

  constructor({ cluster, ttlMs, ...access }: EtcdOptions) {
    this.cluster = cluster;
    this.ttlMs = ttlMs;
    this.etcd = new EtcdClient(access, `ts-bgp/${cluster}/`, ttlMs * TIMEOUT_PART);
  }

  isHeld(): boolean {
    return this.own !== null && this.lease.isValid;
  }

  onHold(changed: (change: HoldChange) => void): void {
    this.changed = changed;
  }

  async acquire(side: string, hasState = false): Promise<Roles | null> {
    if (this.own !== null) return null;
    const seen = await this.look();
    const { word, revision, renewal } = seen;
    const claimant = { side, process: this.holder, hasState: false, isFenced: false };
    // Looked at each time: it is known by not changing.
    const isOwed = word.heirs.some((heir) => heir !== side);
    // An heir, which could go on, waits for as long as one that finds nobody: it is to come first.
    const isExpired = this.hasEnded(seen, isOwed ? 2 : 1);
    const right = rightOf(word, { ...claimant, isExpired });
    if (right === null) {
      if (isExpired) this.refuseThird(side, word);
      return null;
    }
    const unchanged = new Map([[ROLES, revision]]);
    if (right === "expired") unchanged.set(RENEWAL, renewal);
    // This side may have been a standby until now, and have promised not to take over for a while.
    const isBound = right === "expired" || right === "own";
    if (isBound && bootMs() < this.lease.withdraw()) return null;
    return this.claim(side, claim(word, side, this.nextHolder(), hasState), unchanged);
  }

  nameStandbys({ standbys, heirs }: Rights): Promise<boolean> {
    const naming = ++this.namings;
    const tenure = this.claims;
    return this.inTurn(async () => {
      const before = this.own?.word ?? NOBODY;
      const hasHeirs = before.heirs.length > 0;
      if (standbys.some((standby) => !before.standbys.includes(standby))) {
        // With named standbys only echoes let this side go on, so they have to come before one is named; and
        // the arbiter has to have confirmed the role before this side relies on echoes.
        const endMs = bootMs() + ECHO_MS;
        while (!this.lease.areEchoed(standbys) || !this.lease.isValid) {
          if (naming !== this.namings || this.own === null) return false;
          if (bootMs() > endMs) throw new Error(UNECHOED);
          await sleep(LOOK_MS);
        }
        if (tenure !== this.claims) return false;
        // Before etcd is asked: it may name the standby even if its answer is lost.
        this.lease.followEchoes([...before.standbys, ...standbys], hasHeirs);
      }
      const named = (word: Word) => name(word, word.holder, standbys, heirs);
      const isDone = await this.change(named, tenure);
      if (isDone) this.lease.followEchoes(standbys, heirs.length > 0);
      return isDone;
    });
  }

  async takeOver(side: string, epoch: number): Promise<Roles | "heir" | null> {
    while (!this.isOver) {
      const promisedUntilMs = this.lease.withdraw();
      try {
        const seen = await this.look();
        const { word, revision, renewal } = seen;
        // Nothing was promised to an active that was not followed.
        const isFenced = word.epoch === epoch;
        const isExpired = this.hasEnded(seen);
        const claimant = { side, process: this.holder, hasState: true, isFenced, isExpired };
        const right = rightOf(word, claimant);
        if (right === null)
          return isIn(word.heirs, side) || isIn(word.standbys, side) ? "heir" : null;
        // An active that lives has this time to take the standby's name out.
        if (right !== "given") await sleep(Math.max(0, promisedUntilMs - bootMs()));
        const unchanged = new Map([[ROLES, revision]]);
        if (right === "expired") unchanged.set(RENEWAL, renewal);
        const next = claim(word, side, this.nextHolder(), true);
        const roles = await this.claim(side, next, unchanged);
        if (roles !== null) return roles;
      } catch {
        await sleep(LOOK_MS);
      }
    }
    return null;
  }

  async expectAnswer(): Promise<void> {
    await this.look();
  }

  async handOver(to: string): Promise<boolean> {
    this.endLease();
    const tenure = this.claims;
    const given = (word: Word) => give(word, word.holder, to);
    const isOurs = await this.inTurn(() => this.change(given, tenure));
    this.stopRenewing();
    return isOurs;
  }

  /** Keeps a connection to etcd ready for a takeover. etcd does not know when the active ends: nobody is called. */
  watch(): void {
    this.isOver = false;
    this.stopRenewing();
    this.isWatching = true;
    const again = () => void this.look().catch(() => {});
    again();
    this.timer = setInterval(again, renewalPeriodMs(this.ttlMs)).unref();
  }

  async state(side: string, epoch: number): Promise<ActiveState> {
    try {
      const { word } = await this.look();
      if (!isIn(word.standbys, side) && !isIn(word.heirs, side)) return "alone";
      return word.epoch === epoch ? "unknown" : "stopped";
    } catch {
      return "unknown";
    }
  }

  async release(): Promise<void> {
    this.isOver = true;
    this.endLease();
    const tenure = this.claims;
    const freed = (word: Word) => release(word, word.holder);
    const released = this.inTurn(() => this.change(freed, tenure));
    await Promise.race([released, sleep(RELEASE_MS, undefined, { ref: false })]);
    this.stopRenewing();
  }

  /** @returns the new roles, null when another one was quicker; rejects when nobody can tell */
  private async claim(
    side: string,
    word: Word,
    unchanged: ReadonlyMap<string, number>,
  ): Promise<Roles | null> {
    const sentMs = bootMs();
    const { word: found, revision } = await this.put({ unchanged, put: this.puts(word) });
    if (!isSame(found, word)) return null;
    this.stopRenewing();
    this.own = newLeaseholder(word, revision, sentMs, this.ttlMs);
    this.lease.renewByArbiter(leaseUntilMs(sentMs, this.ttlMs));
    this.timer = setInterval(() => this.lookAtLease(), LOOK_MS).unref();
    return { epoch: word.epoch, active: side, heirs: word.heirs };
  }

  private nextHolder(): string {
    return `${this.holder} ${++this.claims}`;
  }

  /**
   * Changes the roles, as long as it takes.
   *
   * @param tenure - what `claims` was when that was asked for: a later role of this side is not meant
   * @param changed - what of the word of this side as it is; null when that may not be
   * @returns false when the roles are not this side's any more
   */
  private async change(changed: (word: Word) => Word | null, tenure: number): Promise<boolean> {
    for (;;) {
      const { own } = this;
      if (own === null || tenure !== this.claims) return false;
      const word = changed(own.word);
      if (word === null) return false;
      if (isSame(own.word, word)) return true;
      const sentMs = bootMs();
      try {
        const unchanged = new Map([[ROLES, own.revision]]);
        this.settle(own, await this.put({ unchanged, put: this.puts(word) }), sentMs);
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }

  private async renew(own: Leaseholder): Promise<void> {
    const sentMs = bootMs();
    try {
      const unchanged = new Map([[ROLES, own.revision]]);
      const put = new Map([[RENEWAL, this.nextRenewal()]]);
      this.settle(own, await this.put({ unchanged, put }), sentMs);
    } catch {
      // The next one may come through.
    } finally {
      this.tell(own, { event: "renewed" });
    }
  }

  private settle(own: Leaseholder, { isDone, word, revision }: Settled, sentMs: number): void {
    this.tell(own, { event: "settled", isDone, word, revision, sentMs });
  }

  private lookAtLease(): void {
    const { own, problem } = this;
    if (own === null) return;
    const { isValid } = this.lease;
    const unheard = isValid ? [] : this.lease.unheard(own.word.standbys);
    this.tell(own, { event: "look", nowMs: bootMs(), isValid, unheard, problem });
  }

  /** @param own - of a role that may have ended since: then nothing is done */
  private tell(own: Leaseholder, event: LeaseholderEvent): void {
    if (own !== this.own) return;
    for (const action of stepLeaseholder(own, event)) {
      switch (action.do) {
        case "extend":
          this.lease.renewByArbiter(action.untilMs);
          break;
        case "renew":
          void this.renew(own);
          break;
        case "tell":
          if (action.change.hold === "lost") this.stopRenewing();
          this.changed(action.change);
          break;
      }
    }
  }

  private endLease(): void {
    if (this.own !== null) this.tell(this.own, { event: "end" });
    this.lease.end();
  }

  private stopRenewing(): void {
    clearInterval(this.timer);
    this.isWatching = false;
    this.own = null;
    this.lease.end();
  }

  private async look(): Promise<Seen> {
    return this.ask(async () => seenOf((await this.etcd.read()).found));
  }

  private put(change: Change): Promise<Settled> {
    return this.ask(async () => {
      const { isDone, found } = await this.etcd.change(change);
      return { isDone, ...seenOf(found) };
    });
  }

  /** Asks etcd; the operator is told when it answers no more, and when it answers again. */
  private async ask<T>(question: () => Promise<T>): Promise<T> {
    const before = this.problem;
    try {
      const answer = await question();
      this.problem = null;
      if (before !== null) this.tellReason("etcd answers again");
      return answer;
    } catch (error) {
      const problem = `etcd does not answer: ${(error as Error).message}`;
      this.problem = problem.slice(0, PROBLEM_CHARACTERS);
      if (before === null) this.tellReason(this.problem);
      throw new ArbiterAwayError(this.problem);
    }
  }

  private tellReason(reason: string): void {
    const hold = this.own?.hold ?? "lost";
    if (hold !== "lost") this.changed({ hold, reason });
    else if (this.isWatching) {
      this.changed({ hold: this.problem === null ? "held" : "doubtful", reason });
    }
  }

  private inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = this.changes.then(change);
    this.changes = done.catch(() => {});
    return done;
  }

  private puts(word: Word): ReadonlyMap<string, string> {
    return new Map([
      [ROLES, wordText(word)],
      [RENEWAL, this.nextRenewal()],
    ]);
  }

  private nextRenewal(): string {
    return `${this.holder} ${++this.renewals}`;
  }

  /** Says to a side that is none of these why it does not get a role that nobody fills. */
  private refuseThird(side: string, { active, standbys: named, heirs }: Word): void {
    const standbys = [...named, ...heirs];
    if (standbys.length === 0 || standbys.includes(side) || side === active) return;
    const key = `ts-bgp/${this.cluster}/${ROLES}`;
    throw new ArbiterAwayError(
      `${active} and ${standbys.join(", ")} share the role; if neither exists any more, delete ${key} in etcd`,
    );
  }

  /** Whether another's lease has ended: it was not renewed for so many ttl by this side's clock. */
  private hasEnded({ revision, renewal }: Seen, ttls = 1): boolean {
    const sight = `${revision} ${renewal}`;
    const nowMs = bootMs();
    if (sight !== this.sight) {
      this.sight = sight;
      this.sightMs = nowMs;
    }
    return nowMs - this.sightMs >= ttls * this.ttlMs;
  }
}

function seenOf(entries: ReadonlyMap<string, Entry>): Seen {
  const roles = entries.get(ROLES);
  return {
    word: roles === undefined ? NOBODY : wordIn(roles.text),
    revision: roles?.revision ?? 0,
    renewal: entries.get(RENEWAL)?.revision ?? 0,
  };
}

function isIn(names: readonly string[], side: string): boolean {
  return names.includes(side);
}
