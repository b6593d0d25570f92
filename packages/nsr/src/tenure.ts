/** What a side has as long as it is the active one: a speaker, and what has it followed by a standby. */

import type { NsrConfig } from "@ts-bgp/config";
import type { Machine } from "@ts-bgp/replication";
import { nowMs, Speaker } from "@ts-bgp/speaker";
import type { ResumeThread } from "@ts-bgp/takeover";
import { ActiveSide, type Side } from "./active-side.ts";
import type { Frozen } from "./frozen.ts";
import type { PairGate } from "./pair-gate.ts";
import type { PairLog } from "./pair-log.ts";
import type { PairOptions } from "./pair-options.ts";
import { expectAll, freezeAll, resumeAll } from "./resume.ts";
import type { Left, Outcome } from "./switchover.ts";

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

  /** @param clockOffsetMs - of the router's clock before this host's */
  constructor(parts: SideParts, machine: Machine, epoch: number, clockOffsetMs: number) {
    this.parts = parts;
    const { arbiter, log } = parts.options;
    parts.options.crash()?.leads(epoch);
    const clock = () => nowMs() + clockOffsetMs;
    this.activeSide = new ActiveSide(parts.side, epoch, arbiter, parts.gate, clock);
    const { protector } = this.activeSide;
    const { patienceMs } = parts.nsr;
    const isHeld = () => arbiter.isHeld();
    const options = { log, protection: protector, epoch, patienceMs, clockOffsetMs, isHeld };
    this.speaker = new Speaker(machine, options);
  }

  /**
   * Goes on with the connections that another side, or this one, left.
   *
   * @param frozen - how they were left on purpose; null after a crash
   * @param claim - claims the service addresses, once what comes to them is not refused and before anything
   *   is read
   * @returns what became of them, and when sockets began to be built; null when this is over meanwhile
   */
  async takeUp(
    frozen: Left["frozen"],
    isPlanned: boolean,
    claim: () => void,
  ): Promise<(Outcome & { readonly restoreMs: number }) | null> {
    const { speaker, activeSide, parts } = this;
    const { protector } = activeSide;
    const { machine } = speaker.journal;
    expectAll(machine, protector, parts.nsr.mode === "shared" && !isPlanned);
    parts.gate.bind();
    // What comes to the addresses for a connection that has no socket yet must not be refused.
    if (parts.nsr.mode === "address") await parts.gate.follow(machine.router.tables.config);
    if (this.isOver) return null;
    claim();
    const restoreMs = performance.now();
    const soon = Promise.withResolvers<void>();
    const all = resumeAll(speaker, protector, frozen, parts.resumes, soon.resolve);
    await speaker.restoring(Promise.race([soon.promise, all]));
    const { resumed, lost } = await all;
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
        activeSide.giveUp(reason);
      },
      regained: (next) => activeSide.protector.use(next),
    });
  }

  /** Brings everything to a standstill. @returns how connections were left */
  freeze(): Readonly<Record<string, Frozen>> {
    const { speaker, activeSide } = this;
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

  /** Ends all sessions, and tells peers so. */
  async stop(text: string): Promise<void> {
    this.isOver = true;
    this.activeSide.stop();
    await this.speaker.stop(text);
  }

  /** Is none any more, without a word to peers. */
  end(): void {
    this.isOver = true;
    this.speaker.suspend();
    this.speaker.transport.abandon();
    this.activeSide.stop();
  }
}
