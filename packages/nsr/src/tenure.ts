/** What a side has as long as it is the active one: a speaker, and what has it followed by a standby. */

import type { NsrConfig } from "@ts-bgp/config";
import type { Estate, Machine } from "@ts-bgp/replication";
import { nowMs, Speaker } from "@ts-bgp/speaker";
import type { ResumeThread } from "@ts-bgp/takeover";
import { ActiveSide } from "./active-side.ts";
import type { Frozen } from "./frozen.ts";
import type { Side } from "./hello.ts";
import type { Left } from "./left.ts";
import type { PairGate } from "./pair-gate.ts";
import type { PairLog } from "./pair-log.ts";
import type { PairOptions } from "./pair-options.ts";
import { expectAll, freezeAll, resumeAll } from "./resume.ts";
import { RECENT_OCTETS } from "./stream.ts";
import type { Outcome } from "./switchover.ts";

/** What a side has in whatever role. */
export interface SideParts {
  readonly options: PairOptions;
  readonly nsr: NsrConfig;
  readonly side: Side;
  readonly gate: PairGate;
  readonly log: PairLog;
  readonly resumes: ResumeThread;
}

export class Tenure {
  readonly speaker: Speaker;
  readonly activeSide: ActiveSide;
  isOver = false;
  private readonly parts: SideParts;
  /** There were other standbys of the active that was taken over from. */
  private readonly hasHeirs: boolean;

  /**
   * @param clockOffsetMs - of the router's clock before this host's
   * @param left - of a side that has taken over, what it has beside the machine, by this host's clock
   */
  constructor(
    parts: SideParts,
    machine: Machine,
    epoch: number,
    clockOffsetMs: number,
    left: Omit<Estate, "nowMs"> | null,
  ) {
    this.parts = parts;
    this.hasHeirs = left !== null && left.heirs.length > 0;
    const isGoneOnWith = left !== null && (this.hasHeirs || left.stream > 0);
    const estate = isGoneOnWith ? { ...left, nowMs: nowMs() + clockOffsetMs } : null;
    const { arbiter, log } = parts.options;
    parts.options.crash()?.leads(epoch);
    const clock = () => nowMs() + clockOffsetMs;
    this.activeSide = new ActiveSide(parts.side, epoch, arbiter, parts.gate, clock);
    const { protector, stream } = this.activeSide;
    const { patienceMs } = parts.nsr;
    const isHeld = () => arbiter.isHeld();
    const time = { patienceMs, clockOffsetMs };
    const recentOctets = parts.nsr.log === null ? 0 : RECENT_OCTETS;
    const mirrored = { stream: parts.side.hasMirrors ? stream : 0 };
    const more = { estate, isHeld, recentOctets, ...mirrored };
    const options = { log, protection: protector, epoch, ...time, ...more };
    this.speaker = new Speaker(machine, options);
  }

  /** Begins with nothing. */
  async begin(): Promise<void> {
    await this.speaker.start();
    if (!this.isOver) this.parts.side.bfd.lead(this.speaker);
  }

  /**
   * Goes on with the connections that another side, or this one, left.
   *
   * @param frozen - how they were left on purpose; null after a crash
   * @param claim - claims the service addresses, once what comes to them is not refused and before anything
   *   is read; calls may be run from then on
   * @returns what became of them, and when sockets began to be built; null when this is over meanwhile
   */
  async takeUp(
    frozen: Left["frozen"],
    isPlanned: boolean,
    claim: () => void,
  ): Promise<(Outcome & { readonly restoreMs: number }) | null> {
    const { speaker, activeSide } = this;
    const soon = Promise.withResolvers<void>();
    activeSide.isTakingUp = true;
    let all: ReturnType<Tenure["restore"]> | undefined;
    await speaker.restoring(() => {
      all = this.restore(frozen, isPlanned, claim, soon.resolve);
      return Promise.race([soon.promise, all]);
    });
    const taken = await all!;
    activeSide.isTakingUp = false;
    return taken;
  }

  private async restore(
    frozen: Left["frozen"],
    isPlanned: boolean,
    claim: () => void,
    onlyLate: () => void,
  ): Promise<(Outcome & { readonly restoreMs: number }) | null> {
    const { speaker, activeSide, parts } = this;
    const { protector } = activeSide;
    const { machine } = speaker.journal;
    expectAll(machine, protector, parts.nsr.mode === "shared" && !isPlanned);
    parts.gate.bind();
    if (this.hasHeirs) {
      protector.hooks.closeGate();
      void this.letJoin("until done");
    }
    // What comes to the addresses for a connection that has no socket yet must not be refused.
    if (parts.nsr.mode === "address") await parts.gate.follow(machine.router.tables.config);
    if (this.isOver) return null;
    if (this.hasHeirs) {
      await activeSide.inherit(speaker);
      if (this.isOver) return null;
      // Another standby may have known of more.
      expectAll(machine, protector, false);
      protector.expectOnly(new Set(machine.ledger.connections.keys()));
    }
    claim();
    parts.side.bfd.lead(speaker);
    const restoreMs = performance.now();
    const { resumes } = parts;
    const { resumed, lost } = await resumeAll(speaker, protector, frozen, resumes, onlyLate);
    return this.isOver ? null : { resumed, lost, restoreMs };
  }

  /** Becomes ready for new sessions and for a standby. What fails here ends no session. */
  async settleIn(): Promise<void> {
    const { speaker, parts } = this;
    const { gate, log } = parts;
    const failed = (error: Error) => log.say("nsr-simplex", "error", error.message);
    await speaker.listen().catch(failed);
    await this.letJoin("until done");
    if (this.isOver) return;
    await gate.need(true);
    // The configuration may be another one than that of this side's file.
    await gate.follow(speaker.router.tables.config);
  }

  async letJoin(tries: "once" | "until done"): Promise<void> {
    const { speaker, activeSide, parts } = this;
    const { gate, log } = parts;
    if (this.isOver) return;
    const problem = (reason: string) => log.say("nsr-simplex", "error", reason);
    if (tries === "once") await activeSide.start(speaker, problem);
    else await activeSide.startSoon(speaker, problem);
    if (this.isOver) return;
    gate.watch({
      lost: (reason) => {
        activeSide.protector.gateLost(gate.problem);
        activeSide.giveUpAll(reason);
      },
      regained: (next) => activeSide.protector.use(next),
    });
  }

  /** Brings everything to a standstill. @returns how connections were left */
  freeze(): Readonly<Record<string, Frozen>> {
    const { speaker, activeSide, parts } = this;
    // It goes on until another side does that.
    parts.side.bfd.goAlone();
    const frozen = freezeAll(speaker, activeSide.protector);
    speaker.suspend();
    speaker.transport.abandon();
    return frozen;
  }

  /** Another side is active: this one lets nothing out any more. */
  fence(): void {
    this.speaker.active.fence();
    this.speaker.suspend();
    try {
      this.freeze();
    } finally {
      this.end();
    }
  }

  /** Ends all sessions, and tells peers so; `isRestart`: see the router's `shutdown`. */
  async stop(text: string, isRestart: boolean): Promise<void> {
    this.isOver = true;
    this.activeSide.stop();
    await this.speaker.stop(text, isRestart);
  }

  /** Is none any more, without a word to peers. */
  end(): void {
    this.isOver = true;
    this.parts.side.bfd.rest();
    this.speaker.suspend();
    this.speaker.transport.abandon();
    // What ends the process from now on ends a standby.
    this.parts.options.crash()?.leads(0);
    this.activeSide.stop();
  }
}
