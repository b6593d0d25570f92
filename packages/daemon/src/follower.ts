/** One who follows the routes that are used, and what it is told. */

import { type FollowedTable, type RecordOf, Telling } from "@ts-bgp/follow";
import type { Caller } from "@ts-bgp/nsr/links";
import { FollowerLink, type FollowerLinkUser, type Identity } from "./follower-link.ts";
import type { ShownFollower } from "./follower-orders.ts";
import { networkNamespace } from "./network-namespace.ts";

const NO_RUNS = new Uint8Array(0);
/** Octets that may wait in the stream; beyond it nothing is told until they have left. */
const WAITING_OCTETS_MAX = 1 << 18;

/** What is told, and by whom. */
export interface Source {
  readonly name: string;
  readonly software: string;
  /** Null on a standby. */
  readonly tables: readonly FollowedTable[] | null;
  readonly isComplete: boolean;
  readonly epoch: number;
}

export interface FollowerHooks {
  source(): Source;
  /** @returns why there is no room for another one; null when there is */
  fullness(): string | null;
  /** It has said who it is. */
  joined(follower: Follower): void;
  left(follower: Follower, reason: string): void;
}

export class Follower implements FollowerLinkUser {
  private readonly link: FollowerLink;
  private readonly hooks: FollowerHooks;
  private families = 0;
  private takesSeveral = false;
  private takesInterfaces = false;
  private telling: Telling | null = null;
  private isToldAll = false;
  private told = 0;
  private brackets = 0;

  constructor(caller: Caller, hooks: FollowerHooks) {
    this.hooks = hooks;
    this.link = new FollowerLink(caller, this);
  }

  get name(): string {
    return this.link.name;
  }

  get shown(): ShownFollower {
    const { telling, isToldAll, told, brackets, link } = this;
    const { name, software, sinceMs } = link;
    const lag = telling?.lag ?? 0;
    const state =
      telling === null ? "silent" : isToldAll ? (lag > 0 ? "behind" : "up to date") : "copying";
    return { name, software, since_ms: sinceMs, state, lag, told, brackets };
  }

  /** The source is active, or is no more, or begins anew. */
  roleChanged(): void {
    this.stopTelling();
    const { tables, epoch } = this.hooks.source();
    this.link.say("role", { active: Number(tables !== null), epoch });
  }

  /** There may be something to tell. */
  tell(): void {
    const { telling, link } = this;
    if (telling === null) return;
    while (!link.isOver && link.waitingOctets < WAITING_OCTETS_MAX) {
      const { routes, count, more } = telling.next();
      if (count > 0) {
        this.link.say("bracket", { routes, more: Number(more), runs: NO_RUNS });
        this.told += count;
        this.brackets++;
      }
      if (more) continue;
      if (!this.isToldAll && this.hooks.source().isComplete) {
        this.isToldAll = true;
        this.link.say("complete", {});
      }
      return;
    }
  }

  tick(): void {
    this.link.tick();
  }

  end(reason: string): void {
    this.link.end(reason);
  }

  identity(): Identity {
    const { name, software } = this.hooks.source();
    return { name, software, self: "" };
  }

  admit({ follower }: RecordOf<"hello">): { name: string; problem: string | null } {
    return { name: follower || "unnamed", problem: this.hooks.fullness() };
  }

  joined({ families, several, network }: RecordOf<"hello">): void {
    this.families = families;
    this.takesSeveral = several === 1;
    this.takesInterfaces = network !== "" && network === networkNamespace();
    this.hooks.joined(this);
    this.roleChanged();
  }

  activate(): void {
    const { tables } = this.hooks.source();
    // What it was told of the role may be on its way.
    if (tables === null) return;
    this.stopTelling();
    const wanted = tables.filter(({ family }) => (family & this.families) !== 0);
    this.telling = new Telling(wanted, this.takesSeveral, this.takesInterfaces);
    this.tell();
  }

  drained(): void {
    this.tell();
  }

  ended(reason: string): void {
    this.stopTelling();
    this.hooks.left(this, reason);
  }

  private stopTelling(): void {
    this.telling?.close();
    this.telling = null;
    this.isToldAll = false;
  }
}
