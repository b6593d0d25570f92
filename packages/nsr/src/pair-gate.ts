/** The gate of a side of a pair: opened, looked after, and ended; or what this host lacks for one. */

import type { Config } from "@ts-bgp/config";
import {
  type DoctorRow,
  Gate,
  type GateCounters,
  type GateEnd,
  type Lease,
  missingCapabilities,
} from "@ts-bgp/takeover";
import { HostCheck } from "./host.ts";

const FLOWS_MAX = 16_384;
/** So often the rules are looked at: someone may have removed them. What failed is tried again as often. */
const LOOK_MS = 3000;

/** For `show nsr`: the kind of rules, and packets by what became of them. */
export interface ShownGate extends Omit<GateCounters, "waiting"> {
  readonly kind: string;
}

const NO_PACKETS = { passed: 0, held: 0, guarded: 0, overflowed: 0, overruns: 0, unparsed: 0 };
export const NO_GATE: ShownGate = { kind: "none", ...NO_PACKETS, fenced: 0 };

/** What an active side wants to know. */
export interface GateEvents {
  /** Peers may have been acknowledged what no standby has. */
  lost(reason: string): void;
  /** There is a gate again. */
  regained(gate: Gate): void;
}

const NOBODY: GateEvents = { lost() {}, regained() {} };

export interface PairGateOptions {
  /** With a section `nsr`. */
  readonly config: Config;
  readonly lease: Lease | null;
  /** Told of what goes wrong. */
  readonly say: (message: string) => void;
}

export class PairGate {
  /** Null when there is none. */
  gate: Gate | null = null;
  /** Why connections cannot be protected; null when they can. */
  problem: string | null = null;
  private readonly options: PairGateOptions;
  private readonly host: HostCheck;
  private kind = "none";
  private isLooking = false;
  /** The gate has the packet queue. */
  private isBound = false;
  /** This side has put its rules in place, so that they can be missing. */
  private hasRules = false;
  /** There is, or is about to be, a standby. */
  private isNeeded = true;
  /** All that is done to the rules, one after the other. */
  private turn: Promise<unknown> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  /** Whose packets go through it. */
  private ports: readonly number[];
  private events: GateEvents = NOBODY;
  /** The problem that was told last. */
  private told: string | null = null;
  private failedMs = 0;

  constructor(options: PairGateOptions) {
    this.options = options;
    this.host = new HostCheck(options.config);
    this.ports = portsOf(options.config);
  }

  /** Makes ready for the role, or finds out what is missing. */
  async open(): Promise<void> {
    await this.turn;
    this.isBound = false;
    this.hasRules = false;
    this.isNeeded = true;
    this.problem = null;
    if (this.gate === null) await this.create();
    // Of its own namespace; in a shared one the active has them in place.
    if (this.options.config.nsr!.mode === "address") {
      try {
        this.bind();
      } catch {
        // The other side's, in the same namespace after all.
        return;
      }
      await this.need(true);
    }
    if (this.problem === null) this.told = null;
  }

  /** Makes ready again after something failed, not too often. */
  async retry(): Promise<void> {
    if (this.problem === null || performance.now() < this.failedMs + LOOK_MS) return;
    await this.open();
  }

  /** @returns why this host cannot take connections over; null when it can */
  async lack(): Promise<string | null> {
    await this.host.look();
    if (this.missing() !== null) await this.host.lookAgain();
    return this.problem ?? this.missing();
  }

  private missing(): string | null {
    const vital = this.needs().filter(({ ok, isMinor = false }) => !ok && !isMinor);
    if (vital.length === 0) return null;
    return vital.map(({ what, detail }) => `${what}: ${detail}`).join("; ");
  }

  private async create(): Promise<void> {
    void this.host.look();
    const { config, lease } = this.options;
    const queue = queueOf(config.nsr!.cluster);
    if (missingCapabilities(["CAP_NET_ADMIN"]).length > 0) {
      this.without(
        new Error("CAP_NET_ADMIN is missing, so that its sessions end with this process"),
      );
      return;
    }
    try {
      const gate = await Gate.start({ queue, flowsMax: FLOWS_MAX, lease });
      this.gate = gate;
      gate.ended.catch((error: Error) => void this.failed(gate, error));
    } catch (error) {
      this.without(error as Error);
    }
  }

  /**
   * Takes the queue, with nothing held back; one that has it already may be holding back something.
   *
   * @throws KernelError while another process has it
   */
  bind(): void {
    if (this.isBound) return;
    this.gate?.open();
    this.gate?.bind();
    this.isBound = true;
  }

  /**
   * Has packets go through it or, while there is no standby, not: that costs as much as routing does. With a
   * lease they always do, for it may end.
   *
   * @returns whether it is so, once it is; if not, `problem` may say why
   */
  need(isNeeded: boolean): Promise<boolean> {
    const needed = isNeeded || this.options.lease !== null;
    // Asked for many times a second.
    if (!needed && !this.isNeeded && !this.hasRules) return Promise.resolve(true);
    this.isNeeded = needed;
    return this.inTurn(() => this.adjust());
  }

  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.turn.then(task);
    this.turn = done.catch(() => {});
    return done;
  }

  private async adjust(): Promise<boolean> {
    const { gate, isNeeded } = this;
    if (gate === null) return false;
    if (isNeeded && !this.hasRules) await this.install(gate);
    else if (!isNeeded && this.hasRules) {
      this.hasRules = false;
      await gate.liftRules();
    }
    return this.isNeeded === this.hasRules;
  }

  /** Puts the rules in place; without them there is no gate. */
  private async install(gate: Gate): Promise<void> {
    try {
      this.bind();
      this.kind = (await gate.installRules(this.ports)).kind;
      this.hasRules = this.gate === gate;
    } catch (error) {
      await this.failed(gate, error as Error);
    }
  }

  /** Has it for the ports of another configuration as well; rejects with nothing changed. */
  widen(config: Config): Promise<void> {
    return this.inTurn(async () => {
      const ports = [...new Set([...this.ports, ...portsOf(config)])];
      if (ports.length === this.ports.length) return;
      if (this.hasRules) await this.gate?.installRules(ports);
      this.ports = ports;
    });
  }

  /** The same for a configuration that is in force already: what goes wrong is told. */
  async follow(config: Config): Promise<void> {
    try {
      await this.widen(config);
    } catch (error) {
      this.options.say((error as Error).message);
    }
  }

  /**
   * Looks after the rules from now on, and puts them back; a gate that could not be had, or has failed,
   * is tried again.
   */
  watch(events: GateEvents): void {
    this.events = events;
    clearInterval(this.timer);
    this.timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** Ends it; another process can have one. */
  async stop(end: GateEnd): Promise<void> {
    clearInterval(this.timer);
    this.events = NOBODY;
    const { gate } = this;
    this.gate = null;
    await gate?.stop(end);
  }

  /** Leaves the packets to another process; `open` has it ready again, at once. */
  async rest(): Promise<void> {
    clearInterval(this.timer);
    this.events = NOBODY;
    await this.turn;
    this.isBound = false;
    this.hasRules = false;
    await this.gate?.rest();
  }

  shown(): ShownGate {
    if (this.gate === null) return NO_GATE;
    const { waiting: _, ...counters } = this.gate.counters();
    return { kind: this.kind, ...counters };
  }

  /** What is needed of this host, and whether it is there; empty for a moment after the start. */
  needs(): DoctorRow[] {
    const { problem, kind, isBound } = this;
    const found = (detail: string) => ({ ok: problem === null, detail: problem ?? detail });
    const rules = kind === "none" ? "the active side's" : kind;
    return this.host.rows({ queue: found(isBound ? "in use" : "ready"), rules: found(rules) });
  }

  private async look(): Promise<void> {
    if (this.isLooking) return;
    this.isLooking = true;
    const { gate } = this;
    if (gate === null) await this.regain();
    else await this.inTurn(() => this.lookAtRules(gate));
    this.isLooking = false;
  }

  private async lookAtRules(gate: Gate): Promise<void> {
    if (!this.hasRules || (await gate.rulesInPlace())) return;
    if (this.gate !== gate || !this.hasRules) return;
    this.hasRules = false;
    const reason = "the rules of the gate were removed by someone";
    this.options.say(`${reason}: they are put back, and the standby has to join again`);
    // Before they are back: what peers were told meanwhile is not to be relied on.
    this.events.lost(reason);
    await this.adjust();
  }

  private async regain(): Promise<void> {
    const { events } = this;
    await this.create();
    if (this.events !== events) {
      // Its watch has ended meanwhile: the packets may be for somebody else now.
      const { gate } = this;
      this.gate = null;
      await gate?.stop("keep-rules");
      return;
    }
    await this.need(true);
    if (this.gate === null) return;
    this.problem = null;
    this.told = null;
    this.options.say("this host can protect connections again");
    events.regained(this.gate);
  }

  private async failed(gate: Gate, error: Error): Promise<void> {
    if (this.gate !== gate) return;
    // Rules for a queue that this side does not have are the other side's.
    const end = this.isBound ? "remove-rules" : "keep-rules";
    // First: what peers are told from here on is not to be relied on.
    this.events.lost(this.without(error));
    await gate.stop(end).catch(() => {});
  }

  /** Without a gate there is no standby; peers are served all the same. @returns the problem, for people */
  private without({ message }: Error): string {
    this.gate = null;
    this.isBound = false;
    this.hasRules = false;
    this.failedMs = performance.now();
    const problem = `this host cannot protect connections: ${message} (tsbgp doctor tells more)`;
    this.problem = problem;
    if (problem !== this.told) this.options.say(problem);
    this.told = problem;
    return problem;
  }
}

function portsOf({ listen, neighbors }: Config): number[] {
  return [...new Set([...listen, ...neighbors].map(({ port }) => port))];
}

/** @returns a number of a packet queue that both sides compute alike */
function queueOf(cluster: string): number {
  let hash = 0;
  for (const char of cluster) hash = (31 * hash + char.codePointAt(0)!) % 60_000;
  return 1000 + hash;
}
