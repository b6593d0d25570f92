/**
 * One side of a pair: takes a role, and another one when its time has come.
 *
 *     start --role is free--> active --handed over--> standby
 *       '--someone is active--> standby --active lost, this side named--> active
 *                                  '--active lost, not named--> start
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { NsrConfig } from "@ts-bgp/config";
import { frameOf, type Machine } from "@ts-bgp/replication";
import type { ConnectionId } from "@ts-bgp/router";
import type { GateEnd, TcpState } from "@ts-bgp/takeover";
import { ActiveSide, type Side } from "./active-side.ts";
import type { Hold, Roles } from "./arbiter.ts";
import { BeatThread } from "./beats.ts";
import { LinkThread } from "./link-thread.ts";
import { PairGate } from "./pair-gate.ts";
import { PairLog } from "./pair-log.ts";
import type { PairOptions } from "./pair-options.ts";
import { byConnection, expectAll, type Frozen, freezeAll, resumeAll } from "./resume.ts";
import { RoleAsker } from "./role-asker.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import { newMachine, nowMs, Speaker } from "./speaker.ts";
import { type FollowEnd, StandbySide } from "./standby-side.ts";
import { type Left, type Outcome, rounded, Switchovers } from "./switchover.ts";

const UNSETTLED = "the standby did not acknowledge everything in time";
/** Wait before another attempt to find a role. */
const RETRY_MS = 200;
/** The same after something went wrong here. */
const RETRY_LATER_MS = 2000;

export class Pair {
  role: "starting" | "active" | "standby" = "starting";
  sinceMs = nowMs();
  epoch = 0;
  /** Of this side when it is active. */
  speaker: Speaker | null = null;
  activeSide: ActiveSide | null = null;
  standbySide: StandbySide | null = null;
  readonly gate: PairGate;
  readonly switchovers: Switchovers;
  /** Why the last attempt to find a role came to nothing. */
  reason = "";
  readonly options: PairOptions;
  private readonly log: PairLog;
  private readonly nsr: NsrConfig;
  private readonly addresses: ServiceAddresses;
  private readonly asker: RoleAsker;
  readonly side: Side;
  private isStopping = false;
  /** Ends with the switchover that is under way. */
  private handing: Promise<Outcome> | null = null;
  /** This side may not act for the time being. */
  isDoubtful = false;
  private isHandingOver = false;
  /** Meanwhile another side has become active. */
  private isLost = false;
  /** Ends when this side has a role, or stops to look for one. */
  private seeking: Promise<void> = Promise.resolve();

  constructor(options: PairOptions) {
    this.options = options;
    this.log = new PairLog(options.log);
    this.nsr = options.config.nsr!;
    this.gate = new PairGate({
      config: options.config,
      term: options.arbiter.term,
      say: (message) => {
        this.log.say("nsr-simplex", "warn", message);
        // It could not take over any more.
        if (this.gate.problem !== "") this.standbySide?.stop(message);
      },
    });
    this.addresses = new ServiceAddresses(this.nsr, (problem) =>
      this.log.say("nsr-link", "warn", problem),
    );
    const { name, software, log } = options;
    this.switchovers = new Switchovers(log);
    const lack = () => this.gate.lack();
    const beats = new BeatThread(this.log.refusals.note);
    const threads = { beats, links: new LinkThread() };
    const { refusals } = this.log;
    this.side = { config: this.nsr, name, software, log, lack, ...threads, refusals };
    this.asker = new RoleAsker(options.arbiter, name, (problem) =>
      this.log.say("nsr-arbiter", "warn", problem),
    );
    options.arbiter.onHold((hold, why) => this.held(hold, why));
  }

  /** Resolves when a role is found; rejects when the active one cannot begin. */
  async start(): Promise<void> {
    // While nobody answers the packet queue of a process that died here, nothing of its leaves.
    this.addresses.clear();
    await this.gate.open();
    this.addresses.watch((reason) => this.addressesLost(reason));
    this.seeking = this.seekRole();
    try {
      await this.seeking;
    } catch (error) {
      this.isStopping = true;
      await this.endThreads();
      throw error;
    }
  }

  /** Ends this side: peers are told that the sessions end, if it is the active one. */
  async stop(text: string): Promise<void> {
    this.isStopping = true;
    this.addresses.unwatch();
    await this.seeking.catch(() => {});
    await this.handing?.catch(() => {});
    this.standbySide?.stop("this side stops");
    this.activeSide?.stop();
    await this.speaker?.stop(text);
    this.addresses.drop();
    await this.gate.stop(this.speaker !== null ? "remove-rules" : this.gateEnd);
    await this.exitThreads();
    await this.options.arbiter.release();
  }

  /** Gives the role to the standby. Resolves when it has acted; rejects with the reason why not. */
  async handOver(): Promise<Outcome> {
    if (this.handing !== null) throw new Error("a switchover is under way");
    this.handing = this.giveRole().finally(() => {
      this.handing = null;
      this.isHandingOver = false;
      // Nobody has it any more, or somebody else.
      const { speaker, isLost } = this;
      this.isLost = false;
      if (speaker !== null && (speaker.isSuspended || isLost)) void this.fenced(speaker);
    });
    return this.handing;
  }

  private async giveRole(): Promise<Outcome> {
    const { speaker, activeSide } = this;
    if (speaker === null || activeSide === null) throw new Error("this side is not the active one");
    if (speaker.active.state !== "declared") throw new Error(speaker.active.reason);
    // What is frozen waits for the arbiter.
    await this.options.arbiter.expectAnswer();
    speaker.transport.stopReading();
    if (!(await activeSide.settle())) {
      speaker.transport.goOnReading();
      throw new Error(UNSETTLED);
    }
    // From here on no heartbeat is echoed, and that means nothing.
    this.isHandingOver = true;
    activeSide.announceHandover();
    await activeSide.refuseStandbys();
    // What has happened meanwhile; from here to the freeze nothing can.
    if (!(await activeSide.settle())) {
      this.isLost ||= activeSide.isFenced;
      if (this.isLost) throw new Error("the other side has taken over meanwhile");
      speaker.transport.goOnReading();
      activeSide.giveUp(UNSETTLED);
      await this.letJoin(speaker);
      throw new Error(UNSETTLED);
    }
    const began = performance.now();
    const frozenMs = nowMs();
    const frozen = freezeAll(speaker, activeSide.protector);
    speaker.suspend();
    speaker.transport.abandon();
    this.addresses.drop();
    await this.gate.rest();
    await this.options.arbiter.handOver();
    const outcome = await activeSide.handOver(frozen);
    activeSide.stop();
    this.speaker = null;
    this.activeSide = null;
    this.become("starting");
    if (outcome === null) {
      const { machine } = speaker.journal;
      await this.takeBack({ machine, heardMs: frozenMs, frozen: byConnection(frozen) });
      throw new Error("the standby did not say that it has taken over");
    }
    this.switchovers.given(outcome, performance.now() - began);
    if (this.isStopping) return outcome;
    await this.gate.open();
    void this.seekAgain();
    return outcome;
  }

  /** The standby that was to have the role is gone: this side goes on, if nobody else does. */
  private async takeBack(last: Left): Promise<void> {
    const began = performance.now();
    const cause = "the standby did not take what it was handed";
    this.switchovers.notTaken(last.machine, cause);
    try {
      const roles = await this.asker.askPatiently();
      await this.gate.open();
      if (roles === null) return void this.seekAgain();
      const wasTaken = roles.epoch !== this.epoch + 1;
      this.epoch = roles.epoch;
      // It may have begun to act before it ended: peers may be further than what was frozen.
      if (wasTaken) throw new Error("it was the active side for a moment");
      const times = { fence: performance.now() - began, replay: 0 };
      await this.settleIn(await this.goOn(last, cause, times, began));
    } catch (error) {
      const why = `${cause}: ${(error as Error).message}`;
      this.log.say("nsr-simplex", "error", why);
      this.switchovers.notTaken(last.machine, why);
      await this.begone();
      void this.seekAgain();
    }
  }

  /** Sets everything up to hand over and to end; for a stop that nobody shall notice. */
  async handOverAndStop(): Promise<void> {
    this.isStopping = true;
    this.addresses.unwatch();
    await (this.handing ?? this.handOver());
    await this.endThreads();
    await this.options.arbiter.release();
  }

  /** Service addresses cannot be here any more: the other side does better, if it has them. */
  private addressesLost(reason: string): void {
    this.standbySide?.stop(reason);
    if (this.handing !== null || this.speaker?.active.state !== "declared") return;
    this.handOver().catch((error: Error) =>
      this.log.sayOnce("nsr-handover", "warn", `${reason}, and no switchover: ${error.message}`),
    );
  }

  /** The arbiter has something to say of the role that this side has. */
  private held(hold: Hold, why: string): void {
    if (why !== "") this.log.say("nsr-arbiter", hold === "held" ? "info" : "warn", why);
    const { speaker } = this;
    if (this.isHandingOver && hold === "lost") this.isLost = true;
    if (speaker === null || this.isHandingOver) return;
    if (hold === "lost") void this.fenced(speaker);
    else if (hold === "unheard") speaker.active.lose(why, true);
    else {
      const wasDoubtful = this.isDoubtful;
      this.isDoubtful = hold === "doubtful";
      if (wasDoubtful && !this.isDoubtful) this.addresses.claimAgain();
      if (!wasDoubtful && this.isDoubtful) this.addresses.drop();
    }
  }

  /** Another side is active: this one does nothing more of what it was at, and tells nobody. */
  private async fenced(speaker: Speaker): Promise<void> {
    const { activeSide } = this;
    this.speaker = null;
    this.activeSide = null;
    this.isDoubtful = false;
    speaker.active.fence();
    speaker.suspend();
    if (activeSide !== null) freezeAll(speaker, activeSide.protector);
    speaker.transport.abandon();
    activeSide?.stop();
    this.addresses.drop();
    await this.gate.rest();
    this.switchovers.notTaken(speaker.journal.machine, "another side has the role");
    if (this.isStopping) return;
    this.become("starting");
    await this.gate.open();
    void this.seekAgain();
  }

  private async seekRole(): Promise<void> {
    while (!this.isStopping) {
      const { lost } = this.addresses;
      if (lost === "") await this.gate.retry();
      const roles = lost === "" ? await this.asker.ask() : null;
      if (roles !== null) return this.beginAlone(roles);
      this.options.waits();
      if (lost !== "") this.reason = lost;
      else if (await this.joinActive()) return;
      await sleep(RETRY_MS);
    }
  }

  /** Once this side runs, what goes wrong with a role is told, and tried again. */
  private async seekAgain(): Promise<void> {
    while (!this.isStopping) {
      try {
        this.seeking = this.seekRole();
        await this.seeking;
        return;
      } catch (error) {
        this.reason = `cannot be active: ${(error as Error).message}`;
        this.log.sayOnce("nsr-simplex", "error", this.reason);
        await this.begone();
        await sleep(RETRY_LATER_MS);
      }
    }
  }

  /** Gives up a role that could not be filled, so that another side can have it. */
  private async begone(): Promise<void> {
    this.speaker?.suspend();
    this.speaker?.transport.abandon();
    this.activeSide?.stop();
    this.speaker = null;
    this.activeSide = null;
    this.addresses.drop();
    await this.gate.rest();
    await this.options.arbiter.release();
    await this.gate.open();
  }

  private async endThreads(): Promise<void> {
    await this.gate.stop(this.gateEnd);
    await this.exitThreads();
  }

  private async exitThreads(): Promise<void> {
    await Promise.all([this.side.beats.exit(), this.side.links.exit()]);
  }

  /** In a shared namespace the rules are there for the other side as well. */
  private get gateEnd(): GateEnd {
    return this.nsr.mode === "address" && this.isStopping ? "remove-rules" : "keep-rules";
  }

  /** @returns whether this side follows, in the background */
  private async joinActive(): Promise<boolean> {
    try {
      this.standbySide = await StandbySide.connect(this.side, this.options.arbiter);
      this.become("standby");
      void this.follow(this.standbySide);
      return true;
    } catch (error) {
      this.reason = this.asker.away || `no way to the active side: ${(error as Error).message}`;
      return false;
    }
  }

  private async follow(standbySide: StandbySide): Promise<void> {
    const end = await standbySide.follow();
    if (this.isStopping) return;
    if (end.kind === "lost" && !end.mayTakeOver) standbySide.catchUp();
    const { machine } = standbySide;
    if (end.kind === "lost") this.switchovers.notTaken(machine, end.cause);
    try {
      await this.ended(standbySide, end);
    } catch (error) {
      const cause = `the takeover failed: ${(error as Error).message}`;
      this.switchovers.notTaken(machine, cause);
      this.log.say("nsr-simplex", "error", cause);
      await this.begone();
    }
    this.standbySide = null;
    if (this.speaker !== null) return;
    this.become("starting");
    await sleep(RETRY_MS);
    await this.seekAgain();
  }

  private async ended(standbySide: StandbySide, end: FollowEnd): Promise<void> {
    const began = performance.now();
    if (end.kind === "handover") {
      const roles = await this.asker.askSoon();
      const frozen = byConnection(end.record.frozen as Record<string, Frozen>);
      const cause = `switchover by ${standbySide.peer?.side ?? "the active side"}`;
      const speaker = await this.takeOver(standbySide, roles, cause, frozen, began);
      const { resumed = 0, lost = [] } = this.switchovers.last ?? {};
      end.link.send(frameOf("handoverTaken", { number: end.record.number, resumed, lost }));
      await this.settleIn(speaker);
      return;
    }
    this.reason = end.cause;
    this.log.sayOnce("nsr-link", "warn", end.cause);
    if (standbySide.peer !== null) this.log.refusal = "";
    if (!end.mayTakeOver) return;
    const roles = await this.options.arbiter.takeOver(this.side.name);
    if (roles === null) {
      this.log.say("nsr-link", "warn", "not taking over: the active side goes on alone");
      return;
    }
    await this.settleIn(await this.takeOver(standbySide, roles, end.cause, null, began));
  }

  /** This side is the first one. */
  private async beginAlone(roles: Roles): Promise<void> {
    this.epoch = roles.epoch;
    await this.addresses.expectFree();
    await this.gate.install();
    this.addresses.claim();
    const speaker = this.speakerOf(newMachine(this.options.config), 0);
    await this.letJoin(speaker);
    await speaker.start();
    this.switchovers.begunAnew();
    this.become("active");
  }

  /**
   * Goes on with everything that the active had.
   *
   * @returns the speaker, for `settleIn`; null when this side had to begin anew
   */
  private async takeOver(
    standbySide: StandbySide,
    roles: Roles,
    cause: string,
    frozen: ReadonlyMap<ConnectionId, Frozen> | null,
    began: number,
  ): Promise<Speaker | null> {
    const times = { fence: performance.now() - began, replay: 0 };
    this.epoch = roles.epoch;
    const machine = standbySide.standby.finish();
    if (machine === null) {
      this.switchovers.notTaken(standbySide.machine, "the state differs");
      await this.beginAlone(roles);
      return null;
    }
    times.replay = performance.now() - began - times.fence;
    return this.goOn({ machine, heardMs: standbySide.heardMs, frozen }, cause, times, began);
  }

  /** Has the state that was left carry on here. @returns the speaker, for `settleIn` */
  private async goOn(
    { machine, heardMs, frozen }: Left,
    cause: string,
    { fence, replay }: { fence: number; replay: number },
    began: number,
  ): Promise<Speaker> {
    // The router's clock goes on where it was, whatever this host's clock says.
    const clockOffsetMs = machine.router.tables.nowMs - heardMs;
    const speaker = this.speakerOf(machine, clockOffsetMs);
    const { protector } = this.activeSide!;
    expectAll(machine, protector, this.nsr.mode === "shared" && frozen === null);
    this.gate.bind();
    // What comes to the addresses for a connection that has no socket yet must not be refused.
    if (this.nsr.mode === "address") await this.gate.follow(machine.router.tables.config);
    this.addresses.claim();
    const before = performance.now();
    const elapsedMs = (tcp: TcpState) => Math.max(0, speaker.now() - tcp.takenAtMs);
    const restoring = resumeAll(speaker, protector, elapsedMs, frozen);
    const { resumed, lost } = await speaker.restoring(restoring);
    const addresses = before - began - fence - replay;
    const restore = performance.now() - before;
    const total = performance.now() - began;
    const times = { fence, replay, addresses, restore, total, silence: nowMs() - heardMs };
    this.switchovers.done({ cause, planned: frozen !== null, ms: rounded(times), resumed, lost });
    return speaker;
  }

  /** Becomes ready for new sessions and for a standby. */
  private async settleIn(speaker: Speaker | null): Promise<void> {
    if (speaker === null) return;
    // What fails here ends no session.
    const failed = (error: Error) => this.log.say("nsr-simplex", "error", error.message);
    await speaker.listen().catch(failed);
    await this.letJoin(speaker, "until done");
    await this.gate.install();
    // The configuration may be another one than that of this side's file.
    await this.gate.follow(speaker.router.tables.config);
    this.become("active");
  }

  private async letJoin(speaker: Speaker, tries: "once" | "until done" = "once"): Promise<void> {
    const activeSide = this.activeSide!;
    const problem = (reason: string) => this.log.say("nsr-simplex", "error", reason);
    if (tries === "once") await activeSide.start(speaker, problem);
    else await activeSide.startSoon(speaker, problem);
    this.gate.watch({
      lost: (reason) => {
        activeSide.protector.problem = this.gate.problem;
        activeSide.giveUp(reason);
      },
      regained: (gate) => activeSide.protector.use(gate),
    });
  }

  private speakerOf(machine: Machine, clockOffsetMs: number): Speaker {
    const { arbiter, log } = this.options;
    const clock = () => nowMs() + clockOffsetMs;
    const { epoch } = this;
    const { gate, problem } = this.gate;
    this.activeSide = new ActiveSide(this.side, epoch, arbiter, gate, problem, clock);
    const { protector } = this.activeSide;
    const { patienceMs } = this.nsr;
    const isHeld = () => arbiter.isHeld();
    const options = { log, protection: protector, epoch, patienceMs, clockOffsetMs, isHeld };
    this.speaker = new Speaker(machine, options);
    return this.speaker;
  }

  private become(role: Pair["role"]): void {
    this.role = role;
    this.sinceMs = nowMs();
    const { name } = this.side;
    const isNews = role === "standby" && this.log.refusal === "";
    if (isNews) this.log.say("nsr-standby", "info", `${name} follows the active side`);
    const text = `${name} is active, epoch ${this.epoch}`;
    if (role === "active") this.log.say("nsr-active", "info", text);
    this.options.changed();
  }
}
