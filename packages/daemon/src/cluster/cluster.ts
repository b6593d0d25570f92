/**
 * This speaker as a member of a cluster: it follows the others, and they follow it.
 *
 *     telling.ts           what this one tells      teller.ts              to one that follows
 *     followed-member.ts   what another one tells   router/members.ts      what becomes of it
 *     asking.ts            what members ask each other    ask-members.ts  of all of them
 *     faults.ts            what of that is not taken
 *     handed-clients.ts    clients that came to another member
 *     membership.ts        who the others are    etcd-membership.ts   as a list in etcd has them
 *     member-list.ts       what becomes of that       member-lines.ts   and is said in the log
 */

import type { ClusterConfig } from "@ts-bgp/config";
import { listenForLinks } from "@ts-bgp/nsr/links";
import { Refusals } from "@ts-bgp/nsr/refusals";
import type { Observed, Router } from "@ts-bgp/router";
import type { Speaker } from "@ts-bgp/speaker";
import { resetConnection } from "@ts-bgp/takeover";
import { ControlError, type ControlHandler, type ControlRequest } from "../control.ts";
import { faultsTo } from "../fault.ts";
import type { Log } from "../logging.ts";
import { askMembers } from "./ask-members.ts";
import { FollowedMember } from "./followed-member.ts";
import { HandedClients } from "./handed-clients.ts";
import { MemberLines } from "./member-lines.ts";
import { isSame, Membership } from "./membership.ts";
import { NO_CLUSTER, type ShownCluster } from "./shown.ts";
import { Teller, type TellerHooks } from "./teller.ts";
import { toldOf } from "./telling.ts";

const TICK_MS = 1000;

export class Cluster {
  readonly wantsWrites: boolean = false;
  private config: ClusterConfig | null = null;
  /** Of the members that are followed. */
  private followedBy: ClusterConfig | null = null;
  private speaker: Speaker | null = null;
  private epoch = 0;
  private members: ReadonlyMap<string, FollowedMember> = new Map();
  private readonly membership: Membership;
  private readonly tellers: Set<Teller> = new Set();
  private stopListening: () => void = () => {};
  private readonly clients: HandedClients;
  private timer: NodeJS.Timeout | undefined;
  private readonly hooks: TellerHooks;
  private readonly refusals: Refusals;
  private readonly version: string;
  private readonly log: Log["say"];
  /** Answers what this speaker is asked. */
  private readonly answer: ControlHandler;
  private readonly lines: MemberLines;

  constructor(version: string, log: Log["say"], answer: ControlHandler) {
    this.version = version;
    this.answer = answer;
    this.log = log;
    this.refusals = new Refusals((message) => this.say("warn", message));
    this.clients = new HandedClients(
      (fd) => {
        if (this.speaker === null) resetConnection(fd);
        else this.speaker.transport.takeHandedOver(fd);
      },
      (from, text) => this.refusals.note({ reason: "user", from, text, count: 1 }),
    );
    const said = (level: "info" | "warn", message: string) => this.say(level, message);
    this.membership = new Membership(version, said, () => this.arrange());
    this.lines = new MemberLines(said);
    this.hooks = {
      answer,
      fault: faultsTo({ say: log }),
      source: () => {
        const { config, speaker, epoch } = this;
        const router = speaker?.router ?? null;
        return {
          ...{ name: config?.name ?? "", self: config?.self ?? "" },
          admits: (member) => admits(config, member),
          ...{ software: version, router, epoch },
        };
      },
      joined: (teller) => {
        this.tellers.add(teller);
        this.say("info", `${teller.name} follows`);
      },
      left: (teller, reason) => {
        if (this.tellers.delete(teller))
          this.say("info", `${teller.name} follows no more: ${reason}`);
      },
    };
  }

  /** Lets other members follow as a configuration says; rejects when the address cannot be had, with nothing changed. */
  async configure(config: ClusterConfig | null): Promise<void> {
    const before = this.config;
    if (!isSame(before, config, ["name", "listen", "tls", "sharesAddress"])) {
      // The address may be the same one.
      this.listenNoMore();
      try {
        if (config !== null) await this.listen(config);
      } catch (error) {
        this.listenNoMore();
        if (before !== null) await this.listen(before).catch(() => {});
        throw error;
      }
    }
    const isOther = !isSame(before, config, ["name", "listen", "tls", "self"]);
    for (const teller of this.tellers) {
      if (isOther || !admits(config, teller.name)) teller.end("the cluster is configured anew");
    }
    this.config = config;
    this.membership.configure(config);
    clearInterval(this.timer);
    if (config !== null) this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** The others are told of the neighbors of a speaker from now on, and it is told of theirs; null: it is not active. */
  use(speaker: Speaker | null, epoch: number): void {
    const { config } = this;
    const next = config === null ? null : speaker;
    const isOther = next !== this.speaker;
    if (isOther || !isSame(this.followedBy, config, ["name", "self", "tls"])) this.followNobody();
    this.followedBy = config;
    if (isOther) {
      this.leaveSpeaker();
      next?.observers.add(this);
      if (next !== null) next.handOver = (address, fd) => this.handOver(next, address, fd);
      this.speaker = next;
      this.epoch = epoch;
    }
    const named = new Set(next === null ? [] : speakersIn(next.router));
    this.membership.name(named);
    this.lines.name(named);
    this.arrange();
    for (const member of this.members.values()) member.look();
    if (isOther) for (const teller of this.tellers) teller.roleChanged();
  }

  event(event: Observed): void {
    if (this.tellers.size === 0) return;
    const told = toldOf(event);
    if (told !== null) for (const teller of this.tellers) teller.tell(told);
  }

  /** What is written to peers is not asked for. */
  wrote(): void {}

  shown(): ShownCluster {
    const { config, members, tellers } = this;
    if (config === null) return NO_CLUSTER;
    return {
      self: config.self,
      clients: config.sharesAddress ? { ...this.clients.counts } : null,
      membership: this.membership.shown,
      members: [...members.values()].map(({ shown }) => shown),
      followers: [...tellers].map(({ shown }) => shown),
    };
  }

  /** Asks all members but those that nothing is but listed in etcd, see `askMembers`. */
  ask(request: ControlRequest): ReturnType<ControlHandler> {
    const { config, speaker, answer, membership } = this;
    const members = [...this.members.values()].filter((each) => membership.counts(each));
    if (config === null)
      throw new ControlError("this speaker is no member of a cluster", "unknown");
    if (speaker === null) throw new ControlError("a standby follows no other member", "standby");
    return askMembers({ self: config.self, router: speaker.router, answer, members }, request);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.followNobody();
    this.leaveSpeaker();
    for (const teller of this.tellers) teller.end("the speaker ends");
    this.listenNoMore();
    await this.membership.stop();
  }

  private leaveSpeaker(): void {
    this.speaker?.observers.delete(this);
    if (this.speaker !== null) this.speaker.handOver = () => false;
    this.speaker = null;
  }

  private handOver({ router }: Speaker, address: string, fd: number): boolean {
    const { config, clients } = this;
    const member = router.neighbors.get(address)?.config.speaker ?? null;
    return config !== null && member !== null && clients.give(config, member, fd);
  }

  private followNobody(): void {
    for (const member of this.members.values()) member.close();
    this.members = new Map();
  }

  /** Follows those that there are, where they are. What is followed already goes on. */
  private arrange(): void {
    const { speaker, followedBy: config, members: before } = this;
    if (speaker === null || config === null) return;
    const wanted = this.membership.whomToFollow([...before.values()]);
    const isOfFile = config.etcd === null;
    const members = new Map<string, FollowedMember>();
    for (const [name, places] of wanted) {
      const member =
        before.get(name) ??
        new FollowedMember(name, config, speaker, this.version, (...said) =>
          this.sayOf(name, ...said),
        );
      members.set(name, member);
      member.holdSeconds = config.holdSeconds;
      member.follow(places, isOfFile);
    }
    for (const [name, member] of before) if (!members.has(name)) member.close();
    this.members = members;
  }

  /** Where it rejects, a part of it may be done. */
  private async listen(config: ClusterConfig): Promise<void> {
    const { name, listen, tls } = config;
    this.stopListening = await listenForLinks(
      listen,
      { cluster: name, tls, whom: "members of the cluster" },
      (caller) => void new Teller(caller, this.hooks),
      (refusal) => this.refusals.note({ ...refusal, count: 1 }),
    );
    await this.clients.listen(config);
  }

  private listenNoMore(): void {
    this.stopListening();
    this.stopListening = () => {};
    this.clients.stop();
  }

  private tick(): void {
    for (const teller of this.tellers) teller.tick();
    for (const member of this.members.values()) member.tick();
    this.arrange();
  }

  private sayOf(member: string, level: "info" | "warn", message: string): void {
    if (this.config?.etcd) this.lines.say(member, level, message);
    else this.say(level, message);
  }

  private say(level: "info" | "warn", message: string): void {
    this.log(level, "cluster", message);
  }
}

/** Whoever has a certificate of a member is one where nothing but etcd has a list: that may be read later. */
function admits(config: ClusterConfig | null, member: string): boolean {
  if (config === null) return false;
  if (config.etcd !== null) return member !== config.self;
  return config.members.some(({ name }) => name === member);
}

/** @returns names of members that have neighbors */
function speakersIn({ neighbors }: Router): string[] {
  const names = [...neighbors.values()].map(({ config }) => config.speaker);
  return names.filter((name) => name !== null);
}
