/**
 * One side of a pair: does what the machine of `@ts-bgp/pair` says, and tells it what came of that. Which
 * role this side has, and what it does to get another one, stands there as a table.
 */

import type { NsrConfig } from "@ts-bgp/config";
import {
  InTurn,
  newSide,
  type Side as PairSide,
  type Role,
  roleOf,
  type SideAction,
  type SideEvent,
  stepSide,
} from "@ts-bgp/pair";
import { frameOf, type Machine } from "@ts-bgp/replication";
import type { GateEnd } from "@ts-bgp/takeover";
import type { ActiveSide, Side } from "./active-side.ts";
import type { Hold } from "./arbiter.ts";
import { BeatThread } from "./beats.ts";
import { LinkThread } from "./link-thread.ts";
import { PairGate } from "./pair-gate.ts";
import { PairLog } from "./pair-log.ts";
import type { PairOptions } from "./pair-options.ts";
import { byConnection, expectAll, type Frozen, resumeAll } from "./resume.ts";
import { RoleAsker } from "./role-asker.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import { newMachine, nowMs, type Speaker } from "./speaker.ts";
import { type FollowEnd, StandbySide } from "./standby-side.ts";
import { type Left, type Outcome, rounded, Switchovers } from "./switchover.ts";
import { Tenure } from "./tenure.ts";

type ActionOf<N extends SideAction["do"]> = Extract<SideAction, { do: N }>;

export class Pair {
  role: Role = "starting";
  sinceMs = nowMs();
  /** Null unless this side is, or is about to be, the active one. */
  private tenure: Tenure | null = null;
  standbySide: StandbySide | null = null;
  readonly gate: PairGate;
  readonly switchovers: Switchovers;
  readonly options: PairOptions;
  readonly side: Side;
  private readonly machine: PairSide = newSide();
  private readonly events: InTurn<SideEvent> = new InTurn((event) => {
    for (const action of stepSide(this.machine, event)) this.perform(action);
    this.shown();
  });
  private readonly tell = (event: SideEvent): void => this.events.tell(event);
  readonly log: PairLog;
  readonly nsr: NsrConfig;
  private readonly addresses: ServiceAddresses;
  private readonly asker: RoleAsker;
  /** What peers are told when their sessions end with this side. */
  private farewell = "";
  /** What was followed, or was frozen here, and how following it came to its end. */
  private left: Left | null = null;
  private end: FollowEnd | null = null;
  private frozen: Readonly<Record<string, Frozen>> = {};
  /** By `performance.now()`: when this side was told to have another role. */
  private beganMs = 0;
  private fenceMs = 0;
  private outcome: Outcome | null = null;
  /** Nobody may join any more, once this ends. */
  private refusing: Promise<void> = Promise.resolve();
  private starting: PromiseWithResolvers<void> | null = null;
  private handing: PromiseWithResolvers<Outcome> | null = null;
  private stopped: (() => void)[] = [];

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

  get speaker(): Speaker | null {
    return this.tenure?.speaker ?? null;
  }

  get activeSide(): ActiveSide | null {
    return this.tenure?.activeSide ?? null;
  }

  get epoch(): number {
    return this.machine.epoch;
  }

  /** This side may not act for the time being. */
  get isDoubtful(): boolean {
    return this.speaker !== null && this.machine.hold === "doubtful";
  }

  /** Why the last attempt to find a role came to nothing; empty when there is a role. */
  get reason(): string {
    return this.machine.reason;
  }

  /** Resolves when a role is found; rejects when the active one cannot begin. */
  async start(): Promise<void> {
    // While nobody answers the packet queue of a process that died here, nothing of its leaves.
    this.addresses.clear();
    await this.gate.open();
    this.addresses.watch((reason) => this.addressesLost(reason));
    const starting = Promise.withResolvers<void>();
    this.starting = starting;
    this.tell({ event: "start" });
    try {
      await starting.promise;
    } catch (error) {
      await this.endThreads(false);
      throw error;
    }
  }

  /** Ends this side: peers are told that the sessions end, if it is the active one. */
  async stop(text: string): Promise<void> {
    this.farewell = text;
    this.addresses.unwatch();
    const hasSpeaker = this.speaker !== null;
    const stopped = Promise.withResolvers<void>();
    this.stopped.push(stopped.resolve);
    this.tell({ event: "stop" });
    await stopped.promise;
    await this.endThreads(hasSpeaker);
    await this.options.arbiter.release();
  }

  /** Gives the role to the standby. Resolves when it has acted; rejects with the reason why not. */
  async handOver(): Promise<Outcome> {
    if (this.handing !== null) throw new Error("a switchover is under way");
    const handing = Promise.withResolvers<Outcome>();
    this.handing = handing;
    try {
      const { speaker, machine } = this;
      const isLeading = () => speaker === this.speaker && machine.state === "leading";
      if (speaker === null || !isLeading()) throw new Error("this side is not the active one");
      // What is frozen waits for the arbiter.
      if (speaker.active.state === "declared") await this.options.arbiter.expectAnswer();
      if (!isLeading()) throw new Error("this side is not the active one any more");
      const { state, reason } = speaker.active;
      this.tell({ event: "switchover", isDeclared: state === "declared", reason });
    } catch (error) {
      handing.reject(error);
    }
    return handing.promise.finally(() => {
      this.handing = null;
    });
  }

  /** Sets everything up to hand over and to end; for a stop that nobody shall notice. */
  async handOverAndStop(): Promise<void> {
    this.addresses.unwatch();
    await (this.handing?.promise ?? this.handOver());
    await this.stop("");
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
    this.tell({ event: "hold", hold, reason: why });
  }

  private perform(action: SideAction): void {
    const { speaker, activeSide } = this;
    switch (action.do) {
      case "wait":
        setTimeout(() => this.tell({ event: "waited" }), action.ms);
        break;
      case "claim":
        void this.answered(this.claim(action));
        break;
      case "connect":
        void this.answered(this.connect());
        break;
      case "follow":
        void this.follow(this.standbySide!);
        break;
      case "forget":
        this.forget(action.cause);
        break;
      case "open":
        void this.answered(this.open());
        break;
      case "resume":
        void this.answered(this.resume(action));
        break;
      case "settle-in":
        if (action.tellTaken) this.tellTaken();
        void this.tenure!.settleIn().then(() => {
          this.standbySide = null;
        });
        break;
      case "claim-addresses":
        this.addresses.claimAgain();
        break;
      case "drop-addresses":
        this.addresses.drop();
        break;
      case "lose-standbys":
        if (action.isSlow) speaker!.active.lose(action.reason, true);
        else activeSide!.giveUp(action.reason);
        break;
      case "stop-reading":
        speaker!.transport.stopReading();
        break;
      case "go-on-reading":
        speaker!.transport.goOnReading();
        break;
      case "settle":
        void this.settle(activeSide!);
        break;
      case "refuse-standbys":
        activeSide!.announceHandover();
        this.refusing = activeSide!.refuseStandbys();
        break;
      case "let-join":
        void this.tenure!.letJoin("until done");
        break;
      case "give":
        void this.answered(this.give(this.tenure!));
        break;
      case "hand-over":
        void this.answered(this.pass(this.tenure!));
        break;
      case "report":
        if (action.failure === "") this.handing?.resolve(this.outcome!);
        else this.handing?.reject(new Error(action.failure));
        break;
      case "fence":
        this.fence();
        break;
      case "put-down":
        void this.putDown(action);
        break;
    }
  }

  /** What was asked has this answer, or failed. */
  private async answered(answer: Promise<SideEvent | null>): Promise<void> {
    let event: SideEvent | null;
    try {
      event = await answer;
    } catch (error) {
      event = this.failed(error as Error);
    }
    if (event !== null) this.tell(event);
  }

  private failed(error: Error): SideEvent {
    if (this.starting !== null) {
      this.starting.reject(error);
      this.starting = null;
      this.tell({ event: "stop" });
      return { event: "failed", reason: error.message };
    }
    const isTakeover = this.left !== null;
    const reason = `${isTakeover ? "the takeover failed" : "cannot be active"}: ${error.message}`;
    if (isTakeover) this.log.say("nsr-simplex", "error", reason);
    else this.log.sayOnce("nsr-simplex", "error", reason);
    return { event: "failed", reason };
  }

  private async claim({ how }: ActionOf<"claim">): Promise<SideEvent> {
    if (how === "begin" && this.addresses.lost === "") await this.gate.retry();
    const { lost } = this.addresses;
    const mayClaim = how !== "begin" || lost === "";
    const epoch = mayClaim ? await this.asker.claim(how) : null;
    if (how === "begin" && epoch === null) this.options.waits();
    if (how === "take-back") await this.gate.open();
    this.fenceMs = performance.now() - this.beganMs;
    return { event: "role", epoch, reason: mayClaim ? this.asker.away : lost };
  }

  private async connect(): Promise<SideEvent> {
    const { lost } = this.addresses;
    if (lost !== "") return { event: "unreachable", reason: lost };
    try {
      this.standbySide = await StandbySide.connect(this.side, this.options.arbiter);
      return { event: "connected" };
    } catch (error) {
      const reason = `no way to the active side: ${(error as Error).message}`;
      return { event: "unreachable", reason };
    }
  }

  private async follow(standbySide: StandbySide): Promise<void> {
    const end = await standbySide.follow();
    if (this.machine.state !== "following") return;
    this.end = end;
    this.beganMs = performance.now();
    if (end.kind === "lost" && !end.mayTakeOver) standbySide.catchUp();
    const { machine, heardMs } = standbySide;
    if (end.kind === "handover") {
      const frozen = byConnection(end.record.frozen as Record<string, Frozen>);
      this.left = machine === null ? null : { machine, heardMs, frozen };
      const cause = `switchover by ${standbySide.peer?.side ?? "the active side"}`;
      this.tell({ event: "handover", cause });
      return;
    }
    const { cause, mayTakeOver } = end;
    this.left = machine === null ? null : { machine, heardMs, frozen: null };
    this.log.sayOnce("nsr-link", "warn", cause);
    if (standbySide.peer !== null) this.log.refusal = "";
    this.tell({ event: "lost", cause, isUsable: mayTakeOver });
  }

  private forget(cause: string): void {
    this.switchovers.notTaken(this.left?.machine ?? null, cause);
    this.left = null;
    this.standbySide = null;
  }

  /** This side is the first one, or has lost what it had. */
  private async open(): Promise<SideEvent | null> {
    await this.addresses.expectFree();
    await this.gate.install();
    this.addresses.claim();
    const tenure = this.begin(newMachine(this.options.config), 0);
    await tenure.letJoin("once");
    await tenure.speaker.start();
    if (tenure.isOver) return null;
    this.switchovers.begunAnew();
    return { event: "running" };
  }

  /** Goes on with everything that the active had. */
  private async resume({ cause, isPlanned }: ActionOf<"resume">): Promise<SideEvent | null> {
    const { beganMs, fenceMs, standbySide, nsr, left } = this;
    // Its own machine, if it was frozen here.
    const machine = standbySide === null ? left?.machine : standbySide.standby.finish();
    if (left === null || !machine) return { event: "differs", reason: "the state differs" };
    const replayMs = performance.now() - beganMs - fenceMs;
    // The router's clock goes on where it was, whatever this host's clock says.
    const heardMs = standbySide?.heardMs ?? left.heardMs;
    const tenure = this.begin(machine, machine.router.tables.nowMs - heardMs);
    const { speaker, activeSide } = tenure;
    const { protector } = activeSide;
    expectAll(machine, protector, nsr.mode === "shared" && !isPlanned);
    this.gate.bind();
    // What comes to the addresses for a connection that has no socket yet must not be refused.
    if (nsr.mode === "address") await this.gate.follow(machine.router.tables.config);
    this.addresses.claim();
    const restoreMs = performance.now();
    const { resumed, lost } = await speaker.restoring(resumeAll(speaker, protector, left.frozen));
    if (tenure.isOver) return null;
    const endMs = performance.now();
    const ms = rounded({
      fence: fenceMs,
      replay: replayMs,
      addresses: restoreMs - beganMs - fenceMs - replayMs,
      restore: endMs - restoreMs,
      total: endMs - beganMs,
      silence: nowMs() - heardMs,
    });
    this.switchovers.done({ cause, planned: isPlanned, ms, resumed, lost });
    this.left = null;
    return { event: "running" };
  }

  private tellTaken(): void {
    const { end } = this;
    if (end?.kind !== "handover" || this.standbySide === null) return;
    const { resumed = 0, lost = [] } = this.switchovers.last ?? {};
    end.link.send(frameOf("handoverTaken", { number: end.record.number, resumed, lost }));
  }

  /** Nothing happens between its last answer and what the machine does about it. */
  private async settle(activeSide: ActiveSide): Promise<void> {
    await this.refusing;
    const isSettled = await activeSide.settle();
    this.tell({ event: "settled", isSettled });
  }

  private async give(tenure: Tenure): Promise<SideEvent> {
    this.beganMs = performance.now();
    const heardMs = nowMs();
    this.frozen = tenure.freeze();
    this.addresses.drop();
    const { machine } = tenure.speaker.journal;
    this.left = { machine, heardMs, frozen: byConnection(this.frozen) };
    await this.gate.rest();
    try {
      await this.options.arbiter.handOver();
      return { event: "gave", isOurs: true, reason: "" };
    } catch (error) {
      return { event: "gave", isOurs: false, reason: (error as Error).message };
    }
  }

  private async pass(tenure: Tenure): Promise<SideEvent> {
    this.outcome = await tenure.activeSide.handOver(this.frozen);
    tenure.end();
    this.tenure = null;
    if (this.outcome !== null) {
      this.left = null;
      this.switchovers.given(this.outcome, performance.now() - this.beganMs);
    }
    this.beganMs = performance.now();
    return { event: "taken", isTaken: this.outcome !== null };
  }

  /** Another side is active: this one does nothing more of what it was at, and tells nobody. */
  private fence(): void {
    const { tenure } = this;
    if (tenure === null) return;
    const { machine } = tenure.speaker.journal;
    this.left = { machine, heardMs: nowMs(), frozen: null };
    this.tenure = null;
    tenure.fence();
  }

  private async putDown({ isFree }: ActionOf<"put-down">): Promise<void> {
    const { standbySide, tenure, farewell } = this;
    const { isStopping } = this.machine;
    this.standbySide = null;
    standbySide?.stop("this side stops");
    if (farewell !== "") await tenure?.stop(farewell);
    else tenure?.end();
    this.tenure = null;
    this.addresses.drop();
    // What ends takes its gate with it.
    if (!isStopping) {
      await this.gate.rest();
      if (isFree) await this.options.arbiter.release();
      await this.gate.open();
    }
    this.tell({ event: "down" });
  }

  /** @param hasSpeaker - whether this side was active until its end */
  private async endThreads(hasSpeaker: boolean): Promise<void> {
    // In a shared namespace the rules are there for the other side as well.
    const mayGo = hasSpeaker || this.nsr.mode === "address";
    const end: GateEnd = mayGo ? "remove-rules" : "keep-rules";
    await this.gate.stop(end);
    await Promise.all([this.side.beats.exit(), this.side.links.exit()]);
  }

  private begin(machine: Machine, clockOffsetMs: number): Tenure {
    this.tenure = new Tenure(this, machine, this.epoch, clockOffsetMs);
    return this.tenure;
  }

  /** Tells of a role that this side has now, or has no more. */
  private shown(): void {
    const { state } = this.machine;
    const role = roleOf(this.machine, this.role);
    if (state === "stopped") {
      for (const stopped of this.stopped.splice(0)) stopped();
      this.starting?.resolve();
    }
    if (role === this.role) return;
    this.role = role;
    this.sinceMs = nowMs();
    const { name } = this.side;
    const isNews = role === "standby" && this.log.refusal === "";
    if (isNews) this.log.say("nsr-standby", "info", `${name} follows the active side`);
    const text = `${name} is active, epoch ${this.epoch}`;
    if (role === "active") this.log.say("nsr-active", "info", text);
    this.options.changed();
    if (role === "starting") return;
    this.starting?.resolve();
    this.starting = null;
  }
}
