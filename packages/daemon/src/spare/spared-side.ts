/**
 * One side that a spare runs: a process of its own, as `tsbgp run` starts it, so that whatever happens to it
 * happens to no other one.
 *
 * It does not end with the spare: it is in a session of its own, and writes its log to where the spare does,
 * not through it. A spare that is started anew finds it by its command line.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { SparedPair } from "@ts-bgp/config";
import type { ShownNsr } from "@ts-bgp/nsr";
import type { Log } from "../logging.ts";
import { askSide } from "./ask-side.ts";
import { commandLines, figuresOf, type ProcessFigures, startedMsOf, wordsIn } from "./processes.ts";

const LOOK_MS = 1000;
const ANSWER_MS = 2000;
/** Until an ended process is started again; twice as long after each further time. */
const RESTART_MS = 1000;
const RESTART_MAX_MS = 60_000;
/** In the environment of a side: the file of the spare that has started it. */
export const OF_SPARE = "TSBGP_SPARE";
/** The share of the processor is that of the last ten seconds. */
const SAMPLES = 10;
/** The end of a process that is not a child of this one is looked for this often. */
const END_MS = 50;

/** What is shown of a pair. Times are by the host's clock. */
export interface ShownSpared {
  cluster: string;
  file: string;
  socket: string;
  /** `waiting`: until it is started again. */
  process: "running" | "waiting" | "stopped";
  /** Number of the process; 0 while there is none. */
  pid: number;
  started_ms: number;
  /** How often this spare has started it, or found it. */
  starts: number;
  /** How the last one ended; empty as long as none has. */
  last_end: string;
  next_start_ms: number | null;
  /** Whether the process says what it is at. */
  answers: boolean;
  /** As `show nsr` of this side has them; `unknown` when it does not answer. */
  role: ShownNsr["role"] | "unknown";
  side: string;
  other_side: string;
  since_ms: number;
  ready: boolean;
  reason: string;
  /** Sessions that this side has, or would take over; and those that would survive the loss of this side. */
  sessions: number;
  protected: number;
  /** Resident memory, and the limit of it. */
  memory_octets: number;
  memory_max_octets: number | null;
  /** Processor time since the process was started; and the share of one processor in the last ten seconds. */
  cpu_ms: number;
  cpu_share: number;
}

interface Running {
  readonly pid: number;
  readonly startTicks: number;
  readonly startedMs: number;
  /** Null for one that another spare has started. */
  readonly child: ChildProcess | null;
}

/** What the process has said last. */
interface Said {
  readonly nsr: ShownNsr;
  readonly established: number;
}

export class SparedSide {
  pair: SparedPair;
  private readonly command: readonly string[];
  private readonly spareFile: string;
  private readonly log: Log;
  private running: Running | null = null;
  private said: Said | null = null;
  private figures: ProcessFigures | null = null;
  private samples: { readonly atMs: number; readonly cpuMs: number }[] = [];
  private starts = 0;
  private lastEnd = "";
  private nextStartMs: number | null = null;
  private restartMs = RESTART_MS;
  private restart: NodeJS.Timeout | undefined;
  private readonly timer: NodeJS.Timeout;
  private isStopping = false;
  /** It is being ended for its memory. */
  private isHeavy = false;
  private isHeavyTold = false;
  /** Called when the process has ended. */
  private gone: () => void = () => {};
  private looking: Promise<void> | null = null;

  /**
   * @param command - that starts this program
   * @param spareFile - full path of the file that names the pair
   */
  constructor(pair: SparedPair, command: readonly string[], spareFile: string, log: Log) {
    this.pair = pair;
    this.spareFile = spareFile;
    this.command = command;
    this.log = log;
    this.timer = setInterval(() => void this.look(), LOOK_MS);
  }

  /** Starts the process, or goes on with the one that is there. */
  start(): void {
    this.nextStartMs = null;
    if (this.isStopping || this.running !== null) return;
    this.starts++;
    const words = sideWords(this.pair);
    const found = this.found(words);
    if (found !== null) {
      this.running = found;
      this.say("info", "spare-found", `process ${found.pid} runs already, and goes on`);
      return;
    }
    const { nice } = this.pair;
    const wrapper = nice === 0 ? [] : ["nice", "-n", String(nice)];
    const [program = "", ...rest] = [...wrapper, ...this.command, ...words];
    const child = spawn(program, rest, {
      detached: true,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...ownEnvironment(process.env), [OF_SPARE]: this.spareFile },
    });
    child.on("error", (error) => this.ended(`it cannot be started: ${error.message}`));
    child.on("exit", (code, signal) => this.ended(signal ?? `exit ${code}`));
    const pid = child.pid ?? 0;
    const startTicks = figuresOf(pid)?.startTicks ?? 0;
    this.running = { pid, startTicks, startedMs: Date.now(), child };
    if (pid !== 0) this.say("info", "spare-started", `process ${pid} is started`);
  }

  /** Another limit of memory, with all else as it was. */
  limit(pair: SparedPair): void {
    this.pair = pair;
  }

  /** Ends the process in order, as SIGTERM does: an active one hands over first, if it can. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearTimeout(this.restart);
    const { running } = this;
    if (running !== null && this.isAlive(running)) {
      const gone = new Promise<void>((resolve) => {
        this.gone = resolve;
      });
      terminate(running);
      if (running.child === null) void this.watchEnd(running);
      await gone;
    }
    clearInterval(this.timer);
  }

  /** Why the process must not be ended just now; null when no session ends with it. */
  get stopRefusal(): string | null {
    const shown = this.shown();
    const { cluster, role, ready, sessions, reason } = shown;
    if (role !== "active" && role !== "simplex") return null;
    if (sessions === 0 || ready) return null;
    return `${cluster} is active here, and nobody can take over: its ${sessions} sessions would end (${reason})`;
  }

  /** Finds out how the process is. Resolves when it has said so, or has not in time. */
  look(): Promise<void> {
    this.looking ??= this.lookOnce().finally(() => {
      this.looking = null;
    });
    return this.looking;
  }

  shown(): ShownSpared {
    const { pair, running, said, figures } = this;
    const { nsr = null, established = 0 } = said ?? {};
    const isActive = nsr !== null && hasRole(nsr);
    return {
      cluster: pair.cluster,
      file: pair.file,
      socket: pair.socket,
      process: running !== null ? "running" : this.isStopping ? "stopped" : "waiting",
      pid: running?.pid ?? 0,
      started_ms: Math.round(running?.startedMs ?? 0),
      starts: this.starts,
      last_end: this.lastEnd,
      next_start_ms: this.nextStartMs,
      answers: nsr !== null,
      role: nsr?.role ?? "unknown",
      side: nsr?.side ?? "",
      other_side: nsr?.peer.side ?? "",
      since_ms: nsr?.since_ms ?? 0,
      ready: nsr?.ready ?? false,
      reason: nsr?.reason ?? (running === null ? this.waitReason() : "it does not answer"),
      sessions: established,
      protected: isActive ? nsr.protected : nsr?.ready === true ? established : 0,
      memory_octets: figures?.residentOctets ?? 0,
      memory_max_octets: pair.memoryMaxMb === null ? null : 1e6 * pair.memoryMaxMb,
      cpu_ms: figures?.cpuMs ?? 0,
      cpu_share: this.share(),
    };
  }

  /** @returns a process that another spare has started */
  private found(words: readonly string[]): Running | null {
    const found = commandLines().find(({ line }) => line.includes(wordsIn(words)));
    const figures = found === undefined ? null : figuresOf(found.pid);
    if (found === undefined || figures === null) return null;
    const { startTicks } = figures;
    return { pid: found.pid, startTicks, startedMs: startedMsOf(figures), child: null };
  }

  private waitReason(): string {
    const end = this.lastEnd === "" ? "" : `it has ended: ${this.lastEnd}`;
    if (this.nextStartMs === null) return end;
    return `${end}, and begins anew`;
  }

  private async lookOnce(): Promise<void> {
    const { running } = this;
    if (running === null) return;
    if (running.child === null && !this.isAlive(running)) {
      this.ended("it was not a child of this process, so nobody knows how");
      return;
    }
    this.figures = figuresOf(running.pid);
    this.sample();
    let said: Said | null = null;
    try {
      const { socket } = this.pair;
      const [nsr, status] = await Promise.all([
        askSide(socket, "show-nsr", ANSWER_MS) as Promise<ShownNsr>,
        askSide(socket, "show-status", ANSWER_MS) as Promise<{ established: number }>,
      ]);
      said = { nsr, established: status.established };
    } catch {
      // It has not started yet, or hangs: that is shown.
    }
    if (this.running !== running) return;
    this.said = said;
    this.checkMemory(running);
  }

  /** A heavy standby begins anew, so that there is room for the others; an active one is left alone. */
  private checkMemory(running: Running): void {
    const { memoryMaxMb } = this.pair;
    const megabytes = (this.figures?.residentOctets ?? 0) / 1e6;
    const isActive = this.said !== null && hasRole(this.said.nsr);
    if (memoryMaxMb === null || megabytes <= memoryMaxMb || this.isHeavy) return;
    const what = `process ${running.pid} has ${Math.round(megabytes)} MB, more than ${memoryMaxMb}`;
    if (!isActive && !this.isStopping) {
      this.isHeavy = true;
      this.say("error", "spare-heavy", `${what}; it is ended`);
      terminate(running);
    } else if (!this.isHeavyTold) {
      this.isHeavyTold = true;
      this.say("warn", "spare-heavy", `${what}; it is active, and goes on`);
    }
  }

  private sample(): void {
    if (this.figures === null) return;
    this.samples.push({ atMs: performance.now(), cpuMs: this.figures.cpuMs });
    if (this.samples.length > SAMPLES + 1) this.samples.shift();
  }

  private share(): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return Math.round((1000 * (last.cpuMs - first.cpuMs)) / (last.atMs - first.atMs)) / 1000;
  }

  private isAlive({ pid, startTicks }: Running): boolean {
    return pid !== 0 && figuresOf(pid)?.startTicks === startTicks;
  }

  private async watchEnd(running: Running): Promise<void> {
    while (this.isAlive(running)) await sleep(END_MS);
    this.ended("stopped");
  }

  private ended(how: string): void {
    const { running } = this;
    if (running === null) return;
    const ranMs = Date.now() - running.startedMs;
    this.running = null;
    this.said = null;
    this.figures = null;
    this.samples = [];
    this.lastEnd = this.isHeavy ? `${how}, for its memory` : how;
    this.isHeavy = false;
    this.isHeavyTold = false;
    if (this.isStopping) {
      this.say("info", "spare-stopped", `process ${running.pid} has ended: ${how}`);
      this.gone();
      return;
    }
    if (ranMs > RESTART_MAX_MS) this.restartMs = RESTART_MS;
    const waitMs = this.restartMs;
    this.restartMs = Math.min(2 * waitMs, RESTART_MAX_MS);
    const what = `process ${running.pid} has ended: ${this.lastEnd}`;
    this.say("error", "spare-ended", `${what}; it begins anew in ${waitMs / 1000} s`);
    this.nextStartMs = Date.now() + waitMs;
    this.restart = setTimeout(() => this.start(), waitMs);
  }

  private say(level: "info" | "warn" | "error", id: string, message: string): void {
    this.log.say(level, id, message, { name: this.pair.cluster });
  }
}

/** @returns the words of the command line that starts a side, behind the program */
export function sideWords({ file, cluster }: SparedPair): string[] {
  return ["run", "-c", file, "--log-name", cluster];
}

function hasRole({ role }: ShownNsr): boolean {
  return role === "active" || role === "simplex";
}

function terminate({ pid }: Running): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // It has ended meanwhile, which is noticed.
  }
}

/** @returns the environment without what the service manager says to the spare alone */
function ownEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NOTIFY_SOCKET: _, WATCHDOG_USEC: __, WATCHDOG_PID: ___, ...rest } = environment;
  return rest;
}
