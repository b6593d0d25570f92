/** An order to give the role to a standby, from when it is given until its outcome is known. */

import type { NsrPeer } from "@ts-bgp/config";
import type { SideEvent } from "@ts-bgp/pair";
import type { StandbyState } from "@ts-bgp/replication";
import type { Speaker } from "@ts-bgp/speaker";
import type { Arbiter } from "./arbiter.ts";
import type { Outcome } from "./switchover.ts";

/** The side that gives it. */
export interface Giver {
  /** Null unless it leads. */
  readonly leading: () => Speaker | null;
  readonly arbiter: Arbiter;
  readonly peers: readonly NsrPeer[];
  readonly tell: (event: SideEvent) => void;
}

export class HandoverOrder {
  /** The standby that the role is given to. */
  heir = "";
  private answer: PromiseWithResolvers<Outcome> | null = null;
  private readonly giver: Giver;

  constructor(giver: Giver) {
    this.giver = giver;
  }

  /** Resolves when a switchover that is under way has come to its end; null when none is. */
  get outcome(): Promise<Outcome> | null {
    return this.answer?.promise ?? null;
  }

  /** @param to - null for the one that stands first @returns see `Pair` */
  async give(to: string | null): Promise<Outcome> {
    if (this.answer !== null) throw new Error("a switchover is under way");
    const answer = Promise.withResolvers<Outcome>();
    this.answer = answer;
    const { leading, arbiter, peers, tell } = this.giver;
    try {
      const speaker = leading();
      if (speaker === null) throw new Error("this side is not the active one");
      // Connections are frozen until the arbiter has answered: one that is away would keep them so.
      if (speaker.active.state === "declared") await arbiter.expectAnswer();
      if (leading() !== speaker) throw new Error("this side is not the active one any more");
      const { active } = speaker;
      this.heir = to ?? firstOf(peers, active.standbys) ?? "";
      tell({ event: "switchover", refusal: refusalOf(speaker, to, this.heir) });
    } catch (error) {
      answer.reject(error);
    }
    return answer.promise.finally(() => {
      this.answer = null;
    });
  }

  /** @param failure - why it came to nothing; null when it was done */
  report(failure: string | null, outcome: Outcome | null): void {
    if (failure === null) this.answer?.resolve(outcome!);
    else this.answer?.reject(new Error(failure));
  }
}

function refusalOf({ active }: Speaker, to: string | null, heir: string): string | null {
  if (active.stateOf(heir) === "declared") return null;
  const { reason } = active;
  if (to !== null && reason === null) return `${to} cannot take over`;
  return reason ?? "no standby can take over";
}

/** @returns of the standbys that can take over the one that stands first in the configuration */
export function firstOf(
  peers: readonly NsrPeer[],
  standbys: readonly StandbyState[],
): string | null {
  const ready = standbys.flatMap(({ name, state }) => (state === "declared" ? [name] : []));
  const [first = null] = peers.flatMap(({ name }) => ready.filter((one) => one === name));
  return first ?? ready[0] ?? null;
}
