/** One side of a pair: does what the machine of `@ts-bgp/pair` says, and tells it what came of that. */

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
import { frameOf } from "@ts-bgp/replication";
import type { Router } from "@ts-bgp/router";
import { newMachine, nowMs, type Speaker } from "@ts-bgp/speaker";
import { type GateEnd, ResumeThread } from "@ts-bgp/takeover";
import type { ActiveSide } from "./active-side.ts";
import type { HoldChange } from "./arbiter.ts";
import type { FollowEnd } from "./following.ts";
import type { Frozen } from "./frozen.ts";
import { HandoverOrder } from "./handover-order.ts";
import type { Side } from "./hello.ts";
import { finished, hadOf, type Left, leftBy, leftHere } from "./left.ts";
import { PairGate } from "./pair-gate.ts";
import { PairLog } from "./pair-log.ts";
import { nsrOf, type PairOptions } from "./pair-options.ts";
import { byConnection } from "./resume.ts";
import { RoleAsker } from "./role-asker.ts";
import { ServiceAddresses } from "./service-addresses.ts";
import { sideOf } from "./side-of.ts";
import { StandbySide } from "./standby-side.ts";
import { Suspects } from "./suspects.ts";
import { type Outcome, phasesOf, Switchovers } from "./switchover.ts";
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
  readonly resumes: ResumeThread = new ResumeThread();
  private readonly machine: PairSide = newSide();
  private readonly events: InTurn<SideEvent> = new InTurn((event) => {
    for (const action of stepSide(this.machine, event)) {
      try {
        this.perform(action);
      } catch (error) {
        // No action may fail, so this ends the process; but not before the other actions are done.
        void Promise.reject(error);
      }
    }
    this.shown();
  });
  private readonly tell = (event: SideEvent): void => this.events.tell(event);
  readonly log: PairLog;
  readonly nsr: NsrConfig;
  private readonly addresses: ServiceAddresses;
  private readonly asker: RoleAsker;
  private readonly suspects: Suspects;
  private readonly order: HandoverOrder;
  /** What peers are told when their sessions end with this side; null when they do not end. */
  private farewell: Parameters<Tenure["stop"]> | null = null;
  /** What was followed, or was frozen here, and how following it came to its end. */
  private left: Left | null = null;
  private end: FollowEnd | null = null;
  private frozen: Readonly<Record<string, Frozen>> = {};
  /** By `performance.now()`: when this side was told to have another role. */
  private beganMs = 0;
  private fenceMs = 0;
  private outcome: Outcome | null = null;
  /** Of the active that was followed last. */
  private followedEpoch = 0;
  /** The other standbys of an active that this side has taken over from. */
  private heirs: readonly string[] = [];
  /** Counts how often everything was put down. */
  private life = 0;
  private wasActive = false;
  /** Resolves once nobody can join any more. */
  private refusing: Promise<void> = Promise.resolve();
  private starting: PromiseWithResolvers<void> | null = null;
  private stopped: (() => void)[] = [];

  constructor(options: PairOptions) {
    this.options = options;
    this.suspects = new Suspects(options);
    this.log = new PairLog(options.log);
    const { config, name, log, arbiter, bfd } = options;
    this.nsr = nsrOf(options);
    const { peers } = this.nsr;
    const leading = () => (this.machine.state === "leading" ? this.speaker : null);
    this.order = new HandoverOrder({ leading, arbiter, peers, tell: this.tell });
    this.gate = new PairGate({
      config,
      lease: arbiter.lease,
      say: (message) => {
        this.log.say("nsr-simplex", "warn", message);
        // It could not take over any more.
        if (this.gate.problem !== null) this.standbySide?.stop(message);
      },
    });
    const warn = (id: "nsr-link" | "nsr-arbiter") => (text: string) =>
      this.log.say(id, "warn", text);
    this.addresses = new ServiceAddresses(this.nsr, warn("nsr-link"));
    this.switchovers = new Switchovers(log);
    const finds = { bfd, lack: () => this.gate.lack(), ...this.suspects.finds };
    this.side = sideOf(options, this.nsr, this.log, finds);
    this.asker = new RoleAsker(arbiter, name, warn("nsr-arbiter"));
    arbiter.onHold((change) => this.held(change));
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

  /** Why there is no role, or was none the last time; null when there is one. */
  get reason(): string | null {
    return this.machine.reason;
  }

  /** Resolves when a role is found; rejects when the active one cannot begin. */
  async start(): Promise<void> {
    // Before the gate opens: as long as nobody serves its packet queue, a process that died here sends nothing.
    this.addresses.clear();
    await this.gate.open();
    this.addresses.watch((reason) => this.addressesLost(reason));
    const starting = Promise.withResolvers<void>();
    this.starting = starting;
    this.tell({ event: "start" });
    try {
      await starting.promise;
    } catch (error) {
      await this.endThreads();
      throw error;
    }
  }

  /** Ends this side. @param text - for peers, whose sessions end if it is the active one; null when they go on */
  async stop(text: string | null, isRestart = false): Promise<void> {
    this.farewell = text === null ? null : [text, isRestart];
    this.addresses.unwatch();
    const stopped = Promise.withResolvers<void>();
    this.stopped.push(stopped.resolve);
    this.tell({ event: "stop" });
    await stopped.promise;
    await this.endThreads();
    await this.options.arbiter.release();
  }

  /**
   * Gives the role to a standby. Resolves when it has acted; rejects with the reason why not.
   *
   * @param to - its name; null for the first of those in the configuration that can take over
   */
  handOver(to: string | null = null): Promise<Outcome> {
    return this.order.give(to);
  }

  /** Hands over to the standby, then stops, so that peers notice nothing. Rejects if the standby does not take over. */
  async handOverAndStop(): Promise<void> {
    this.addresses.unwatch();
    await (this.order.outcome ?? this.handOver());
    await this.stop(null);
  }

  /** An interface for service addresses is gone or down: the other side, if it is ready, does better. */
  private addressesLost(reason: string): void {
    this.standbySide?.stop(reason);
    if (this.order.outcome !== null || this.speaker?.active.state !== "declared") return;
    this.handOver().catch((error: Error) =>
      this.log.sayOnce("nsr-handover", "warn", `${reason}, and no switchover: ${error.message}`),
    );
  }

  /** The arbiter has something to say of the role that this side has. */
  private held(change: HoldChange): void {
    const { hold, reason } = change;
    if (reason !== null) this.log.say("nsr-arbiter", hold === "held" ? "info" : "warn", reason);
    this.tell({ event: "hold", ...change });
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
      case "withdraw":
        this.asker.withdraw();
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
        void this.settleIn(this.tenure!);
        break;
      case "claim-addresses":
      case "drop-addresses":
        if (action.do === "drop-addresses") this.addresses.drop();
        else this.addresses.claimAgain();
        break;
      case "lose-standbys":
        if (action.standbys === null) activeSide?.giveUpAll(action.reason);
        for (const standby of action.standbys ?? []) {
          speaker?.active.lose(standby, action.reason, action.isSlow);
        }
        break;
      case "stop-reading":
      case "go-on-reading":
        if (action.do === "stop-reading") speaker!.transport.stopReading();
        else speaker!.transport.goOnReading();
        break;
      case "settle":
        void this.answered(this.settle(activeSide!));
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
        this.order.report(action.failure, this.outcome);
        break;
      case "fence":
        this.fence();
        break;
      case "put-down":
        void this.putDown(action);
        break;
    }
  }

  /** Tells the machine the answer to an action, or that it failed; not if everything was put down meanwhile. */
  private async answered(answer: Promise<SideEvent | null>): Promise<void> {
    const { life } = this;
    let event: SideEvent | null;
    try {
      event = await answer;
    } catch (error) {
      event = life === this.life ? this.failed(error as Error) : null;
    }
    if (event !== null && life === this.life) this.tell(event);
  }

  private failed(error: Error): SideEvent {
    if (this.starting !== null) {
      this.starting.reject(error);
      this.starting = null;
      this.tell({ event: "stop" });
      return { event: "failed", reason: error.message };
    }
    return { event: "failed", reason: this.log.failed(this.machine, error) };
  }

  private async claim({ how }: ActionOf<"claim">): Promise<SideEvent> {
    if (how === "begin" && this.addresses.lost === null) await this.gate.retry();
    const { lost } = this.addresses;
    const mayClaim = how !== "begin" || lost === null;
    // Before: nothing may come between the answer and what is done about it.
    if (how === "take-back") await this.gate.open();
    const roles = mayClaim ? await this.asker.claim(how, this.followedEpoch) : null;
    if (how === "begin" && roles === null) this.options.waits();
    this.fenceMs = performance.now() - this.beganMs;
    if (roles === "heir") return { event: "passed-over" };
    this.heirs = roles?.heirs ?? [];
    const epoch = roles?.epoch ?? null;
    return { event: "role", epoch, reason: mayClaim ? this.asker.away : lost };
  }

  private async connect(): Promise<SideEvent> {
    const lost = this.addresses.lost ?? this.suspects.pause;
    if (lost !== null) return { event: "unreachable", reason: lost };
    const had = await hadOf(this.side, this.left, this.followedEpoch);
    try {
      this.standbySide = await StandbySide.connect(this.side, this.options.arbiter, had);
      return { event: "connected" };
    } catch (error) {
      const reason = `no way to the active side: ${(error as Error).message}`;
      return { event: "unreachable", reason };
    }
  }

  private async follow(standbySide: StandbySide): Promise<void> {
    const end = await standbySide.follow();
    this.followedEpoch = standbySide.epoch;
    this.suspects.ended(standbySide, end.kind === "lost");
    if (this.machine.state !== "following") return;
    this.end = end;
    this.beganMs = performance.now();
    if (end.kind === "lost" && !end.mayTakeOver) await finished(standbySide.standby);
    if (end.kind === "handover") {
      this.left = leftBy(this.side, standbySide, end.frozen);
      const cause = `switchover by ${standbySide.peer?.side ?? "the active side"}`;
      this.tell({ event: "handover", cause });
      return;
    }
    const { cause, mayTakeOver } = end;
    this.left = leftBy(this.side, standbySide, null);
    this.log.sayOnce("nsr-link", "warn", cause);
    if (standbySide.peer !== null) this.log.letIn();
    this.tell({ event: "lost", cause, isUsable: mayTakeOver });
  }

  private forget(cause: string): void {
    this.switchovers.notTaken(this.left?.machine ?? null, cause);
    this.left = null;
    this.standbySide = null;
  }

  /** This side is the first one, or has lost what it had. */
  private async open(): Promise<SideEvent | null> {
    const tenure = new Tenure(this, newMachine(this.options.config), this.epoch, 0, null);
    this.tenure = tenure;
    await this.addresses.expectFree();
    if (!tenure.isOver) await this.gate.need(true);
    if (tenure.isOver) return null;
    this.addresses.claim();
    await tenure.letJoin("once");
    if (tenure.isOver) return null;
    await tenure.begin();
    if (tenure.isOver) return null;
    this.suspects.begin(tenure.speaker);
    this.switchovers.begunAnew();
    return { event: "running" };
  }

  /** Goes on with everything that the active had. */
  private async resume({ cause, isPlanned }: ActionOf<"resume">): Promise<SideEvent | null> {
    const { beganMs, fenceMs, heirs, left } = this;
    const { standby, machine: own } = left ?? { standby: null, machine: null };
    const isolate = (router: Router) => this.suspects.isolate(router);
    const machine = standby === null ? own : await finished(standby, isolate);
    if (!left || !machine) return { event: "differs", reason: "the state differs" };
    const replayMs = performance.now() - beganMs - fenceMs;
    // The router's clock goes on where it was, whatever this host's clock says.
    const { number, stream } = left;
    const estate = { heirs, brackets: standby?.handOn ?? [], number, stream };
    const offsetMs = Math.max(left.clockOffsetMs, machine.router.tables.nowMs - left.heardMs);
    const tenure = new Tenure(this, machine, this.epoch, offsetMs, estate);
    this.tenure = tenure;
    const taken = await tenure.takeUp(left.frozen, isPlanned, () => {
      this.addresses.claim();
      this.suspects.goOn(tenure.speaker);
    });
    if (taken === null) return null;
    const { restoreMs, ...outcome } = taken;
    const ms = phasesOf({ beganMs, fenceMs, replayMs, restoreMs }, nowMs() - left.heardMs);
    this.switchovers.done({ cause, planned: isPlanned, ms, ...outcome });
    this.left = null;
    return { event: "running" };
  }

  private async settleIn(tenure: Tenure): Promise<void> {
    const { standbySide } = this;
    await tenure.settleIn();
    if (this.standbySide === standbySide) this.standbySide = null;
  }

  private tellTaken(): void {
    const { end } = this;
    if (end?.kind !== "handover") return;
    const { resumed = 0, lost = [] } = this.switchovers.last ?? {};
    end.link.send(frameOf("handoverTaken", { number: end.number, resumed, lost }));
  }

  /** Nothing happens between its last answer and what the machine does about it. */
  private async settle(activeSide: ActiveSide): Promise<SideEvent> {
    await this.refusing;
    return { event: "settled", isSettled: await activeSide.settle(this.order.heir) };
  }

  private async give(tenure: Tenure): Promise<SideEvent> {
    this.beganMs = performance.now();
    this.end = null;
    this.frozen = tenure.freeze();
    this.addresses.drop();
    this.left = leftHere(tenure.speaker, byConnection(this.frozen));
    await this.gate.rest();
    const isOurs = await this.options.arbiter.handOver(this.order.heir);
    return { event: "gave", isOurs, reason: null };
  }

  private async pass(tenure: Tenure): Promise<SideEvent> {
    this.outcome = await tenure.activeSide.handOver(this.order.heir, this.frozen);
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
    this.left = leftHere(tenure.speaker, null);
    this.tenure = null;
    tenure.fence();
  }

  private async putDown({ isFree }: ActionOf<"put-down">): Promise<void> {
    const { standbySide, tenure, farewell } = this;
    const { isStopping } = this.machine;
    this.life++;
    this.wasActive = tenure !== null;
    this.standbySide = null;
    try {
      standbySide?.stop("this side stops");
      if (farewell !== null) await tenure?.stop(...farewell);
      else tenure?.end();
      this.tenure = null;
      this.addresses.drop();
      // One that stops has its gate closed by `endThreads`.
      if (!isStopping) {
        await this.gate.rest();
        if (isFree) await this.options.arbiter.release();
        await this.gate.open();
      }
    } finally {
      this.tell({ event: "down" });
    }
  }

  private async endThreads(): Promise<void> {
    // In a shared namespace the rules are there for the other side as well.
    const mayGo = this.wasActive || this.nsr.mode === "address";
    const end: GateEnd = mayGo ? "remove-rules" : "keep-rules";
    await this.gate.stop(end);
    const { heartbeats, links, diskLog } = this.side;
    await Promise.all([heartbeats, links, this.resumes, diskLog].map((thread) => thread?.exit()));
  }

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
    this.log.role(role, this.side.name, this.epoch);
    if (role === "active") this.side.diskLog?.remove();
    this.options.changed();
    if (role === "starting") return;
    this.starting?.resolve();
    this.starting = null;
  }
}
