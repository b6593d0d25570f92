/**
 * This speaker as a member of a cluster: it follows the others, and they follow it.
 *
 *     telling.ts           what this one tells      teller.ts              to one that follows
 *     followed-member.ts   what another one tells   router/members.ts      what becomes of it
 *     asking.ts            what members ask each other    ask-members.ts  of all of them
 *     faults.ts            what of that is not taken
 */

import type { ClusterConfig } from "@ts-bgp/config";
import { listenForLinks } from "@ts-bgp/nsr/links";
import { Refusals } from "@ts-bgp/nsr/refusals";
import type { Observed } from "@ts-bgp/router";
import type { Speaker } from "@ts-bgp/speaker";
import { ControlError, type ControlHandler, type ControlRequest } from "../control.ts";
import { faultsTo } from "../fault.ts";
import type { Log } from "../logging.ts";
import { askMembers } from "./ask-members.ts";
import { FollowedMember } from "./followed-member.ts";
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
  private members: readonly FollowedMember[] = [];
  private readonly tellers: Set<Teller> = new Set();
  private stopListening: () => void = () => {};
  private timer: NodeJS.Timeout | undefined;
  private readonly hooks: TellerHooks;
  private readonly refusals: Refusals;
  private readonly version: string;
  private readonly log: Log["say"];
  /** Answers what this speaker is asked. */
  private readonly answer: ControlHandler;

  constructor(version: string, log: Log["say"], answer: ControlHandler) {
    this.version = version;
    this.answer = answer;
    this.log = log;
    this.refusals = new Refusals((message) => this.say("warn", message));
    this.hooks = {
      answer,
      fault: faultsTo({ say: log }),
      source: () => {
        const { config, speaker, epoch } = this;
        const router = speaker?.router ?? null;
        return {
          ...{ name: config?.name ?? "", self: config?.self ?? "" },
          members: config?.members.map((member) => member.name) ?? [],
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
    if (!isSame(before, config, ["name", "listen", "tls"])) {
      // The address may be the same one.
      this.stopListening();
      this.stopListening = () => {};
      try {
        if (config !== null) this.stopListening = await this.listen(config);
      } catch (error) {
        if (before !== null) this.stopListening = await this.listen(before).catch(() => () => {});
        throw error;
      }
    }
    if (!isSame(before, config, ["name", "listen", "tls", "self", "members"])) {
      for (const teller of this.tellers) teller.end("the cluster is configured anew");
    }
    this.config = config;
    clearInterval(this.timer);
    if (config !== null) this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** The others are told of the neighbors of a speaker from now on, and it is told of theirs; null: it is not active. */
  use(speaker: Speaker | null, epoch: number): void {
    const { config } = this;
    const next = config === null ? null : speaker;
    const isOther = next !== this.speaker;
    if (isOther || !isSame(this.followedBy, config, null)) this.follow(next, config);
    else for (const member of this.members) member.look();
    if (!isOther) return;
    this.speaker?.observers.delete(this);
    next?.observers.add(this);
    this.speaker = next;
    this.epoch = epoch;
    for (const teller of this.tellers) teller.roleChanged();
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
      members: members.map(({ shown }) => shown),
      followers: [...tellers].map(({ shown }) => shown),
    };
  }

  /** Asks all members, see `askMembers`. */
  ask(request: ControlRequest): ReturnType<ControlHandler> {
    const { config, speaker, members, answer } = this;
    if (config === null)
      throw new ControlError("this speaker is no member of a cluster", "unknown");
    if (speaker === null) throw new ControlError("a standby follows no other member", "standby");
    return askMembers({ self: config.self, router: speaker.router, answer, members }, request);
  }

  stop(): void {
    clearInterval(this.timer);
    this.follow(null, null);
    this.speaker?.observers.delete(this);
    for (const teller of this.tellers) teller.end("the speaker ends");
    this.stopListening();
  }

  private follow(speaker: Speaker | null, config: ClusterConfig | null): void {
    for (const member of this.members) member.close();
    this.followedBy = config;
    const say = (level: "info" | "warn", message: string) => this.say(level, message);
    this.members =
      speaker === null || config === null
        ? []
        : config.members.map(
            (each) => new FollowedMember(each, config, speaker, this.version, say),
          );
  }

  private listen({ name, listen, tls }: ClusterConfig): Promise<() => void> {
    return listenForLinks(
      listen,
      { cluster: name, tls, whom: "members of the cluster" },
      (caller) => void new Teller(caller, this.hooks),
      (refusal) => this.refusals.note({ ...refusal, count: 1 }),
    );
  }

  private tick(): void {
    for (const teller of this.tellers) teller.tick();
    for (const member of this.members) member.tick();
  }

  private say(level: "info" | "warn", message: string): void {
    this.log(level, "cluster", message);
  }
}

/** @param keys - that are compared; null for all */
function isSame(
  a: ClusterConfig | null,
  b: ClusterConfig | null,
  keys: readonly (keyof ClusterConfig)[] | null,
): boolean {
  const part = (config: ClusterConfig | null) =>
    config === null || keys === null ? config : keys.map((key) => config[key]);
  return JSON.stringify(part(a)) === JSON.stringify(part(b));
}
