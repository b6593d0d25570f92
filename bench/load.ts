/** The load generator `bgpload`: commands go in, events come out, one JSON object a line. */

import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { compile } from "../exchange/compile.ts";
import { DAEMON_ADDRESS, type Peer } from "./scenarios.ts";

/** Times are seconds of the clock that all processes share. */
export type LoadEvent =
  | { readonly ev: "ready" | "end" }
  | { readonly ev: "up"; readonly n: number }
  | { readonly ev: "down"; readonly peer: string; readonly why: string }
  | { readonly ev: "sent"; readonly peer: string; readonly t0: number; readonly t1: number }
  | { readonly ev: "goal"; readonly t: number }
  | StatEvent
  | LatencyEvent
  | { readonly ev: "peer"; readonly peer: string; readonly prefixes: number };

export interface StatEvent {
  readonly ev: "stat";
  readonly peer: string;
  readonly held: number;
  readonly ann: number;
  readonly wdr: number;
  readonly echo: number;
  readonly msgs: number;
}

export interface LatencyEvent {
  readonly ev: "lat";
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** The run cannot go on; the message is for people. */
export class RunError extends Error {}

/** A phase takes longer than it may: no fault of anybody. */
export class TooSlowError extends RunError {}

const QUERY_SECONDS = 60;

/**
 * Compiles the load generator.
 *
 * @returns the path of the program
 * @throws RunError when there is no compiler, or it refuses
 */
export function buildLoad(directory: string): string {
  const program = join(directory, "bgpload");
  const problem = compile(new URL("bgpload.c", import.meta.url), program);
  if (problem !== null) throw new RunError(problem);
  return program;
}

export class Load {
  private readonly child: ChildProcess;
  private readonly events: LoadEvent[] = [];
  private rest = "";
  private ended = false;
  private wake: () => void = () => {};

  constructor(program: string, namespace: string, peers: readonly Peer[], directory: string) {
    const file = join(directory, "bgpload.spec");
    writeFileSync(file, peers.map(specLine).join(""));
    this.child = spawn("ip", ["netns", "exec", namespace, program, file], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.child.stdin!.on("error", () => {});
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => this.take(text));
    this.child.on("exit", () => {
      this.ended = true;
      this.wake();
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  command(...lines: readonly string[]): void {
    this.child.stdin!.write(lines.map((line) => `${line}\n`).join(""));
  }

  /**
   * Waits for the next event.
   *
   * @returns null when none has come in time
   * @throws RunError when a session went down, or the load generator has ended
   */
  async next(timeoutMs: number): Promise<LoadEvent | null> {
    if (this.events.length === 0 && !this.ended && timeoutMs > 0) {
      await new Promise<void>((resolve) => {
        const timeout = setTimeout(resolve, timeoutMs);
        this.wake = () => {
          clearTimeout(timeout);
          resolve();
        };
      });
    }
    const event = this.events.shift() ?? null;
    if (event === null && this.ended) throw new RunError("the load generator has ended");
    if (event?.ev === "down") throw new RunError(`session ${event.peer} is down: ${event.why}`);
    return event;
  }

  /** Waits for an event of a kind. @throws RunError when it does not come in time */
  async expect(kind: LoadEvent["ev"], seconds: number, otherwise: string): Promise<void> {
    const end = performance.now() + 1000 * seconds;
    for (;;) {
      const event = await this.next(end - performance.now());
      if (event?.ev === kind) return;
      if (event === null) throw new RunError(otherwise);
    }
  }

  /** Counters of all sessions. */
  async stat(): Promise<StatEvent[]> {
    return (await this.query("stat")).filter((event) => event.ev === "stat");
  }

  /** Latencies of the first receiver that has any. */
  async latency(): Promise<LatencyEvent | null> {
    return (await this.query("lat")).find((event) => event.ev === "lat") ?? null;
  }

  /** Waits until nothing has arrived for a while. */
  async quiet(seconds: number, timeoutSeconds: number): Promise<void> {
    const end = performance.now() + 1000 * timeoutSeconds;
    let last = -1;
    let sinceMs = performance.now();
    while (performance.now() < end) {
      const messages = (await this.stat()).reduce((sum, { msgs }) => sum + msgs, 0);
      if (messages !== last) sinceMs = performance.now();
      last = messages;
      if (performance.now() - sinceMs >= 1000 * seconds) return;
      await delay(200);
    }
  }

  /** Synchronous, so that it can be done while the process exits. */
  close(): void {
    this.child.kill("SIGKILL");
  }

  private async query(what: "stat" | "lat"): Promise<LoadEvent[]> {
    this.command(what);
    const rows: LoadEvent[] = [];
    for (;;) {
      const event = await this.next(1000 * QUERY_SECONDS);
      if (event === null) throw new RunError("the load generator does not answer");
      if (event.ev === "end") return rows;
      rows.push(event);
    }
  }

  private take(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    for (const line of lines) this.events.push(JSON.parse(line) as LoadEvent);
    this.wake();
  }
}

function specLine({ name, address, as, files, win, remote }: Peer): string {
  const words = [name, `local=${address}`, `remote=${remote ?? DAEMON_ADDRESS}`, `as=${as}`];
  if (files.length > 0) words.push(`file=${files.join(",")}`);
  if (win !== 0) words.push(`win=${win}`);
  return `${words.join(" ")}\n`;
}
