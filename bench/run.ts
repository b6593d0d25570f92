/** One run of one scenario with one daemon. */

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { shareAutogroupNice } from "../test/lab/autogroup.ts";
import { commandLine, type Daemon } from "./daemons.ts";
import { kill, makeDirectory } from "./leftovers.ts";
import { Load, type LoadEvent, RunError, TooSlowError } from "./load.ts";
import { Namespaces } from "./namespaces.ts";
import { longestTurnMs, reload, socketIn } from "./policy-swap.ts";
import { DAEMON_ADDRESS, type Peer, type Phase, type Scenario } from "./scenarios.ts";
import { machineBusySeconds, sessionPids, usageOf } from "./usage.ts";

/** What one phase took. */
export interface Measurement {
  readonly scenario: string;
  readonly phase: string;
  readonly daemon: string;
  /** From the first octet sent until the last receiver holds what it should. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMb: number;
  /** Until the daemon had taken all that the injectors sent. */
  readonly injectedSeconds: number;
  readonly pssMb: number;
  readonly messagesOut: number;
  readonly routesOut: number;
  /** Prefixes that came back to the one who announced them. */
  readonly echoes: number;
  /** Processor time that neither the daemon nor the load used: look at it before a slow run. */
  readonly foreignCpuSeconds: number;
  /** Latency of single updates, where it was measured. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly maxMs?: number;
  /** Of the standby alone, where there is one; the daemon's own figures are without it. */
  readonly standbyCpuSeconds?: number;
  readonly standbyPeakRssMb?: number;
  /** From the start of the standby's process until it could take over. */
  readonly joinSeconds?: number;
  /** Longest turn of the daemon's event loop, where a reload is measured. */
  readonly turnMs?: number;
}

export interface Failure {
  readonly scenario: string;
  /** Null when the sessions did not come up. */
  readonly phase: string | null;
  readonly daemon: string;
  readonly error: string;
}

export interface RunOptions {
  /** Of the load generator. */
  readonly loadProgram: string;
  /** Path of the daemon. */
  readonly program: string;
  readonly timeoutSeconds: number;
}

const READY_SECONDS = 60;
const ESTABLISHED_SECONDS = 240;
const IDLE_SECONDS = 1;
const POLL_MS = 20;
const QUIET_SECONDS = 1.5;
const QUIET_TIMEOUT_SECONDS = 30;
const LOG_SHOWN_CHARACTERS = 2000;

/** Runs phase after phase until the last one, or one that fails. */
export class Run {
  private readonly daemon: Daemon;
  private readonly scenario: Scenario;
  private readonly options: RunOptions;
  private readonly namespaces: Namespaces = new Namespaces();
  private readonly directory: string = makeDirectory();
  private child: ChildProcess | null = null;
  private standby: ChildProcess | null = null;
  private station: ChildProcess | null = null;
  private load: Load | null = null;

  constructor(daemon: Daemon, scenario: Scenario, options: RunOptions) {
    this.daemon = daemon;
    this.scenario = scenario;
    this.options = options;
  }

  /** @param take - is given what was measured, phase by phase */
  async run(take: (outcome: Measurement | Failure) => void): Promise<void> {
    let phase: Phase | null = null;
    try {
      await this.start();
      for (phase of this.scenario.phases) take(await this.measure(phase));
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      const where = { scenario: this.scenario.name, daemon: this.daemon.name };
      const output = error instanceof TooSlowError ? "" : this.outputTail();
      take({ ...where, phase: phase?.name ?? null, error: `${error.message}${output}` });
    } finally {
      this.close();
    }
  }

  /** Ends and removes everything. Synchronous; harmless when repeated. */
  close(): void {
    this.load?.close();
    this.station?.kill();
    for (const pid of [this.child?.pid, this.standby?.pid]) {
      if (pid !== undefined) for (const one of sessionPids(pid)) kill(one);
    }
    this.namespaces.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async start(): Promise<void> {
    const { daemon, scenario, options, namespaces, directory } = this;
    chmodSync(directory, 0o755);
    const addresses = scenario.peers.map(({ address }) => address);
    namespaces.make(DAEMON_ADDRESS, addresses);
    this.child = this.spawn(daemon.prepare(scenario, directory));
    const joinsLater = scenario.phases.some(({ standbyJoins }) => standbyJoins);
    if (!joinsLater) await this.startStandby();
    if (daemon.station !== undefined) this.startStation(daemon.station);
    const load = new Load(options.loadProgram, namespaces.load, scenario.peers, directory);
    this.load = load;
    await load.expect("ready", READY_SECONDS, "the load generator does not begin");
    load.command("connect");
    await this.whileAlive(load.expect("up", ESTABLISHED_SECONDS, "the sessions do not come up"));
    await load.quiet(IDLE_SECONDS, 10 * IDLE_SECONDS);
  }

  private startStation({ address, port }: { address: string; port: number }): void {
    const program = fileURLToPath(new URL("bmp-station.ts", import.meta.url));
    const argv = [process.execPath, program, address, String(port)];
    const args = ["netns", "exec", this.namespaces.daemon, ...argv];
    this.station = spawn("ip", args, { stdio: ["pipe", "ignore", "inherit"] });
  }

  private spawn(args: readonly string[]): ChildProcess {
    const argv = commandLine(this.options.program, args);
    const log = openSync(this.logPath, "a");
    const child = spawn("ip", ["netns", "exec", this.namespaces.daemon, ...argv], {
      detached: true,
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    if (child.pid !== undefined) shareAutogroupNice(child.pid);
    return child;
  }

  /**
   * Starts the standby, where the daemon has one, and waits until it is ready.
   *
   * @returns how long that took, `null` where there is none
   */
  private async startStandby(): Promise<number | null> {
    const { daemon, directory, scenario } = this;
    const { standby } = daemon;
    if (standby === undefined) return null;
    const until = async (isSo: (directory: string) => Promise<boolean>, problem: string) => {
      const endMs = performance.now() + 1000 * READY_SECONDS;
      while (!(await isSo(directory))) {
        if (performance.now() > endMs) throw new RunError(problem);
        await delay(POLL_MS);
      }
    };
    await until(standby.isAwaited, "the daemon does not become active");
    const began = performance.now();
    this.standby = this.spawn(standby.prepare(scenario, directory));
    await until(standby.isReady, "the standby does not become ready");
    return (performance.now() - began) / 1000;
  }

  private async measure(phase: Phase): Promise<Measurement> {
    const { scenario, daemon, options } = this;
    const load = this.load!;
    const before = this.daemonUsage();
    const standbyBefore = this.standbyUsage();
    const busyBefore = machineBusySeconds();
    const loadBefore = usageOf([load.pid]).cpuSeconds;
    const receivers = scenario.peers.filter(({ receives }) => receives);
    load.command(phase.keepsHeld ? "zero" : "reset");
    const wantOf = phase.wantOf ?? (() => phase.want);
    const wants = receivers.map((peer) => `want ${peer.name} ${wantOf(peer)}`);
    // Those of a reload have been answered when it begins.
    if (phase.policies !== undefined) longestTurnMs(this.namespaces.daemon);
    load.command(...wants, ...phase.commands);
    const [times, joinSeconds] = await Promise.all([
      phase.policies === undefined
        ? this.converge(phase, options.timeoutSeconds)
        : this.swap(phase, options.timeoutSeconds),
      phase.standbyJoins ? this.startStandby() : null,
    ]);
    const turnMs = phase.policies === undefined ? null : longestTurnMs(this.namespaces.daemon);

    const busy = machineBusySeconds() - busyBefore;
    const loadCpu = usageOf([load.pid]).cpuSeconds - loadBefore;
    const ownCpu = this.daemonUsage().cpuSeconds - before.cpuSeconds;
    const standbyCpu = this.standbyUsage().cpuSeconds - standbyBefore.cpuSeconds;
    const foreign = busy - loadCpu - ownCpu - standbyCpu;
    await load.quiet(QUIET_SECONDS, QUIET_TIMEOUT_SECONDS);
    const after = this.daemonUsage();
    const standbyAfter = this.standbyUsage();
    const rows = await load.stat();
    const names = new Set(receivers.map(({ name }) => name));
    const received = rows.filter(({ peer }) => names.has(peer));
    const latency = await load.latency();
    return {
      scenario: scenario.name,
      phase: phase.name,
      daemon: daemon.name,
      seconds: round(times.seconds, 4),
      cpuSeconds: round(after.cpuSeconds - before.cpuSeconds, 2),
      peakRssMb: round(after.peakRssMb, 1),
      injectedSeconds: round(times.injectedSeconds, 4),
      pssMb: round(after.pssMb, 1),
      messagesOut: sum(received, ({ msgs }) => msgs),
      routesOut: sum(received, ({ ann, wdr }) => ann + wdr),
      echoes: sum(rows, ({ echo }) => echo),
      foreignCpuSeconds: round(foreign, 2),
      ...(latency === null
        ? {}
        : {
            p50Ms: round(1000 * latency.p50, 3),
            p99Ms: round(1000 * latency.p99, 3),
            maxMs: round(1000 * latency.max, 3),
          }),
      ...(this.standby === null
        ? {}
        : {
            standbyCpuSeconds: round(standbyAfter.cpuSeconds - standbyBefore.cpuSeconds, 2),
            standbyPeakRssMb: round(standbyAfter.peakRssMb, 1),
          }),
      ...(turnMs === null ? {} : { turnMs: round(turnMs, 1) }),
      ...(joinSeconds === null ? {} : { joinSeconds: round(joinSeconds, 3) }),
    };
  }

  /** Waits until all has been sent, and all receivers hold what they should. */
  private async converge(
    phase: Phase,
    timeoutSeconds: number,
  ): Promise<{ seconds: number; injectedSeconds: number }> {
    const load = this.load!;
    const end = performance.now() + 1000 * timeoutSeconds;
    const sends = ({ files, probes }: Peer) => files.length > 0 && probes !== true;
    const injectors = this.scenario.peers.filter(sends).length;
    const sent: Extract<LoadEvent, { ev: "sent" }>[] = [];
    let goal: number | null = null;
    while (goal === null || sent.length < injectors) {
      const event = await this.whileAlive(load.next(end - performance.now()));
      if (event === null) throw new TooSlowError(await this.describeHeld(phase, timeoutSeconds));
      if (event.ev === "sent") sent.push(event);
      if (event.ev === "goal") goal = event.t;
    }
    const began = Math.min(...sent.map(({ t0 }) => t0));
    const injected = Math.max(...sent.map(({ t1 }) => t1));
    return { seconds: goal - began, injectedSeconds: injected - began };
  }

  /** Has the daemon read other policies, and waits until all receivers have been told what they change. */
  private async swap(
    phase: Phase,
    timeoutSeconds: number,
  ): Promise<{ seconds: number; injectedSeconds: number }> {
    const { daemon, scenario, directory } = this;
    daemon.prepare({ ...scenario, policies: phase.policies! }, directory);
    const clock = () => Number(process.hrtime.bigint()) / 1e9;
    const end = clock() + timeoutSeconds;
    const began = clock();
    const isReloaded = await this.whileAlive(reload(socketIn(directory)));
    if (!isReloaded) throw new RunError("the daemon has refused to reload");
    const reloaded = clock();
    for (;;) {
      const event = await this.whileAlive(this.load!.next(1000 * (end - clock())));
      if (event === null) throw new TooSlowError(await this.describeHeld(phase, timeoutSeconds));
      if (event.ev === "goal") {
        return { seconds: event.t - began, injectedSeconds: reloaded - began };
      }
    }
  }

  private async describeHeld(phase: Phase, seconds: number): Promise<string> {
    const receives = new Set(
      this.scenario.peers.filter((peer) => peer.receives).map(({ name }) => name),
    );
    const rows = (await this.load!.stat()).filter(({ peer }) => receives.has(peer));
    const held = rows.map((row) => row.held);
    const range = `${Math.min(...held)} to ${Math.max(...held)}`;
    return `receivers hold ${range} of ${phase.want} prefixes after ${seconds} s`;
  }

  /** @throws RunError when the daemon ends before there is an answer */
  private async whileAlive<T>(answer: Promise<T>): Promise<T> {
    const child = this.child!;
    let onExit = () => {};
    const ended = new Promise<never>((_, reject) => {
      onExit = () => reject(new RunError("the daemon has ended"));
      if (child.exitCode !== null || child.signalCode !== null) onExit();
      else child.once("exit", onExit);
    });
    try {
      return await Promise.race([answer, ended]);
    } finally {
      child.off("exit", onExit);
    }
  }

  private daemonUsage() {
    return usageOf(sessionPids(this.child!.pid!));
  }

  private standbyUsage() {
    return usageOf(this.standby === null ? [] : sessionPids(this.standby.pid!));
  }

  private get logPath(): string {
    return join(this.directory, "daemon.out");
  }

  private outputTail(): string {
    try {
      const text = readFileSync(this.logPath, "utf8").trim().slice(-LOG_SHOWN_CHARACTERS);
      return text === "" ? "" : `\n${text}`;
    } catch {
      return "";
    }
  }
}

function sum<T>(list: readonly T[], value: (one: T) => number): number {
  return list.reduce((total, one) => total + value(one), 0);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
