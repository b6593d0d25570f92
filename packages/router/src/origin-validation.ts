/**
 * Origin validation of a router: what its sources say, until when that counts, and the gate that holds
 * routes back after a start while nothing is known.
 */

import type { RpkiConfig } from "@ts-bgp/config";
import { NO_SLURM, type Source, type SourceEnd, Validation } from "@ts-bgp/rpki";
import type { Outputs } from "./outputs.ts";

/** Whether routes of external neighbors wait for data, and if they did, why they do no more. */
export type StartGate = "closed" | "no need" | "data is there" | "the limit has passed";

export class OriginValidation {
  /** What policies ask. */
  readonly validation: Validation = new Validation();
  /** Null for no origin validation. */
  config: RpkiConfig | null = null;
  gate: StartGate = "no need";
  /** When a gate that is closed opens in any case. */
  gateEndsMs = 0;
  /** Paths that were judged again, and those of them that came out otherwise; in all. */
  judged = 0;
  changed = 0;
  private readonly outputs: Outputs;
  /** A job is at what has changed. */
  isWorking = false;

  constructor(outputs: Outputs) {
    this.outputs = outputs;
  }

  /** @returns whether there is work for a job that is not there */
  configure(config: RpkiConfig | null): boolean {
    if (config === null && this.config === null) return false;
    this.config = config;
    const caches = config?.caches ?? [];
    const files = config?.files ?? [];
    this.validation.configure(
      [
        ...caches.map(({ name, preference }) => ({ name, kind: "cache" as const, preference })),
        ...files.map(({ file, preference }) => ({ name: file, kind: "file" as const, preference })),
      ],
      config?.slurm ?? NO_SLURM,
    );
    return this.needsJob;
  }

  /** The router starts: nothing is known. */
  start(nowMs: number): void {
    const seconds = this.config?.startLimitSeconds ?? 0;
    const hasSources = (this.config?.caches.length ?? 0) + (this.config?.files.length ?? 0) > 0;
    if (seconds === 0 || !hasSources) return;
    this.gate = "closed";
    this.gateEndsMs = nowMs + 1000 * seconds;
  }

  /** @returns whether there is work for a job that is not there */
  complete(name: string, end: SourceEnd, nowMs: number): boolean {
    const source = this.validation.sources.get(name);
    if (source === undefined) return this.needsJob;
    const isFirst = source.end === null;
    const log = (level: "info" | "warn", message: string) => {
      const fields = { source: name, serial: end.serial };
      this.outputs.log("rpki-source", level, null, `${name} has sent ${message}`, fields);
    };
    if (!this.validation.complete(name, end, nowMs)) {
      const why = !end.isWhole && isFirst ? "there is nothing that it is new to" : "it is too much";
      const what = end.isWhole ? "all that it has" : "what is new";
      log("warn", `${what}, which does not count: ${why}`);
    } else if (isFirst) log("info", "all that it has");
    return this.needsJob;
  }

  /** Time passes. @returns whether there is work for a job that is not there */
  tick(nowMs: number): boolean {
    if (this.gate === "closed" && nowMs >= this.gateEndsMs) {
      this.open("the limit has passed", "warn");
    }
    for (const source of this.validation.sources.values()) {
      if (nowMs >= source.expiresMs) this.expire(source);
    }
    return this.needsJob;
  }

  /** All that was said is in the tables, and routes are judged by it. */
  settled(): void {
    this.isWorking = false;
    if (this.gate === "closed" && this.hasData) this.open("data is there", "info");
  }

  private get needsJob(): boolean {
    if (this.isWorking || !this.validation.isBusy) return false;
    this.isWorking = true;
    return true;
  }

  /** Whether all files, and one cache if there are any, are in the tables. */
  private get hasData(): boolean {
    const sources = [...this.validation.sources.values()];
    const caches = sources.filter(({ kind }) => kind === "cache");
    const files = sources.filter(({ kind }) => kind === "file");
    const isLoaded = (source: Source) => this.validation.isLoaded(source);
    return files.every(isLoaded) && (caches.length === 0 || caches.some(isLoaded));
  }

  private expire(source: Source): void {
    const { name, end } = source;
    const message = `what ${name} has sent is too old to count: nothing new for ${end?.expireSeconds} s`;
    this.validation.expire(source);
    this.outputs.log("rpki-source", "error", null, message, { source: name });
  }

  private open(why: StartGate, level: "info" | "warn"): void {
    this.gate = why;
    const message = `routes wait for origin validation no longer: ${why}`;
    this.outputs.log("rpki-gate", level, null, message);
  }
}
