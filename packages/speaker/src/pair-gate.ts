/** The gate of a side of a pair: opened, looked after, and ended; or what this host lacks for one. */

import type { Config } from "@ts-bgp/config";
import {
  type DoctorRow,
  Gate,
  type GateEnd,
  missingCapabilities,
  type Term,
} from "@ts-bgp/takeover";
import { HostCheck } from "./host.ts";

const FLOWS_MAX = 16_384;
/** So often the rules are looked at: someone may have removed them. */
const LOOK_MS = 3000;

export interface PairGateOptions {
  /** With a section `nsr`. */
  readonly config: Config;
  readonly term: Term | null;
  /** Told of what goes wrong. */
  readonly say: (message: string) => void;
}

export class PairGate {
  /** Null when there is none. */
  gate: Gate | null = null;
  /** Why connections cannot be protected; empty when they can. */
  problem = "";
  private readonly options: PairGateOptions;
  private readonly host: HostCheck;
  private kind = "none";
  private isLooking = false;
  /** The gate has the packet queue. */
  private isBound = false;
  private timer: NodeJS.Timeout | undefined;
  /** Whose packets go through it. */
  private ports: readonly number[];
  private lost: (reason: string) => void = () => {};

  constructor(options: PairGateOptions) {
    this.options = options;
    this.host = new HostCheck(options.config);
    this.ports = portsOf(options.config);
  }

  /** Makes ready for the role, or finds out what is missing. */
  async open(): Promise<void> {
    this.isBound = false;
    this.problem = "";
    if (this.gate === null) await this.create();
    // Of its own namespace; in a shared one the active has them in place.
    if (this.options.config.nsr!.mode !== "address") return;
    try {
      this.bind();
    } catch {
      // The other side's, in the same namespace after all.
      return;
    }
    await this.install();
  }

  private async create(): Promise<void> {
    void this.host.look();
    const { config, term } = this.options;
    const queue = queueOf(config.nsr!.cluster);
    if (missingCapabilities(["CAP_NET_ADMIN"]).length > 0) {
      this.lack(new Error("CAP_NET_ADMIN is missing, so that its sessions end with this process"));
      return;
    }
    try {
      const gate = await Gate.start({ queue, flowsMax: FLOWS_MAX, term });
      this.gate = gate;
      gate.ended.catch((error: Error) => void this.failed(gate, error));
    } catch (error) {
      this.lack(error as Error);
    }
  }

  /** Takes the queue, with nothing held back. @throws KernelError while another process has it */
  bind(): void {
    this.gate?.open();
    if (!this.isBound) this.gate?.bind();
    this.isBound = true;
  }

  /** Puts the rules in place; without them there is no gate. */
  async install(): Promise<void> {
    const { gate } = this;
    if (gate === null) return;
    try {
      this.bind();
      this.kind = (await gate.installRules(this.ports)).kind;
    } catch (error) {
      await this.failed(gate, error as Error);
    }
  }

  /** Has it for the ports of another configuration as well; rejects with nothing changed. */
  async widen(config: Config): Promise<void> {
    const ports = [...new Set([...this.ports, ...portsOf(config)])];
    if (ports.length === this.ports.length) return;
    await this.gate?.installRules(ports);
    this.ports = ports;
  }

  /**
   * Looks after the rules from now on, and puts them back.
   *
   * @param lost - told when peers may have been acknowledged what no standby has
   */
  watch(lost: (reason: string) => void): void {
    this.lost = lost;
    clearInterval(this.timer);
    this.timer = setInterval(() => void this.look(), LOOK_MS).unref();
  }

  /** Ends it; another process can have one. */
  async stop(end: GateEnd): Promise<void> {
    clearInterval(this.timer);
    this.lost = () => {};
    const { gate } = this;
    this.gate = null;
    await gate?.stop(end);
  }

  /** Leaves the packets to another process; `open` has it ready again, at once. */
  async rest(): Promise<void> {
    clearInterval(this.timer);
    this.lost = () => {};
    this.isBound = false;
    await this.gate?.rest();
  }

  /** For `show nsr`. */
  shown(): { kind: string; held: number; passed: number; guarded: number } {
    if (this.gate === null) return { kind: "none", held: 0, passed: 0, guarded: 0 };
    const { held, passed, guarded } = this.gate.counters();
    return { kind: this.kind, held, passed, guarded };
  }

  /** What is needed of this host, and whether it is there; empty for a moment after the start. */
  needs(): DoctorRow[] {
    const { problem, kind, isBound } = this;
    const found = (detail: string) => ({ ok: problem === "", detail: problem || detail });
    const rules = kind === "none" ? "the active side's" : kind;
    return this.host.rows({ queue: found(isBound ? "in use" : "ready"), rules: found(rules) });
  }

  private async look(): Promise<void> {
    const { gate } = this;
    if (gate === null || this.isLooking) return;
    this.isLooking = true;
    const isInPlace = await gate.rulesInPlace();
    this.isLooking = false;
    if (isInPlace || this.gate !== gate) return;
    const reason = "the rules of the gate were removed by someone";
    this.options.say(`${reason}: they are put back, and the standby has to join again`);
    // Before they are back: what peers were told meanwhile is not to be relied on.
    this.lost(reason);
    await this.install();
  }

  private async failed(gate: Gate, error: Error): Promise<void> {
    if (this.gate !== gate) return;
    this.lack(error);
    await gate.stop("remove-rules").catch(() => {});
    this.lost(this.problem);
  }

  /** Without a gate there is no standby; peers are served all the same. */
  private lack({ message }: Error): void {
    this.gate = null;
    this.problem = `this host cannot protect connections: ${message} (tsbgp doctor tells more)`;
    this.options.say(this.problem);
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
