/**
 * Metrics, health and the API over HTTP, from a thread of their own: connections, requests and texts are
 * its business, and however many ask, the thread that routes tells what it knows in small pieces, one a
 * turn, and metrics at most once in a while.
 *
 *     main thread                                    http-worker.ts
 *     metrics.ts  pieces of numbers   --- parts -->  metric-text.ts  text, shared by all who wait
 *     turns.ts    one piece a turn    <-- asks ----  shared.ts       no more often than twice a second
 *     a clock word, written 10 times a second ---->  /healthz        knows when that thread hangs
 *     api/questions.ts                <-- asks ----  api/api.ts      who asks for what
 *         commands of the control socket -- lines ->                 the form of answers
 *                                                    http-server.ts  bounds of what clients can have
 */

import { Worker } from "node:worker_threads";
import type { HttpConfig, ListenAddress } from "@ts-bgp/config";
import type { ApiReply, ApiRequest, HttpAccess } from "./api/messages.ts";
import { type ApiSources, Questions } from "./api/questions.ts";
import { type Fault, faultsTo } from "./fault.ts";
import type { HttpLimits } from "./http-server.ts";
import type { Log } from "./logging.ts";
import type { MetricPart } from "./metric-parts.ts";

/**
 * What `/healthz` says. The daemon tells:
 *
 * - `ok`: it works, whatever its role is;
 * - `role`: active, standby, starting, or simplex for one that nobody could take over from;
 * - `ready`: whether the standby can take over, as `show nsr` has it on either side;
 * - `neighbors`: how many there are;
 * - `config_ok`: whether the last reload was applied; on a standby, that its file is in order.
 *
 * Added to this are
 *
 * - `age_ms`: how old that is, more than 0 when the thread that routes did not answer in time;
 * - `silent_ms`: for how long that thread has not had a turn, or 0 when it has answered; from 3 s on `ok`
 *   is false, and `reason` says so.
 *
 * The status is 200 when `ok` is true, else 503.
 */
export interface Health {
  readonly ok: boolean;
  readonly [field: string]: unknown;
}

/** What the main thread is asked for. */
export interface HttpSources {
  /** Takes its turns between the pieces. */
  parts(): AsyncIterable<MetricPart>;
  health(): Health;
  /** Null where there is no API. */
  readonly api: (ApiSources & { readonly access: HttpAccess }) | null;
  /** What is shown is somebody else's, and as old as `seen` says. */
  readonly isMirror?: boolean;
}

/** What the service tells of itself. */
export interface HttpHooks {
  readonly fault: Fault;
  /** Its thread has ended, or is there again: what an operator should know. */
  readonly say: (level: "info" | "error", message: string) => void;
}

/** @returns what tells a log */
export function hooksTo(log: Log): HttpHooks {
  return { fault: faultsTo(log), say: (level, message) => log.say(level, "http", message) };
}

/** What the thread is told when it begins. */
export interface HttpOrder {
  readonly address: ListenAddress;
  readonly health: Health;
  /** When the main thread had its last turn, by `process.hrtime`. */
  readonly turned: SharedArrayBuffer;
  /** By the same clock, when what is shown was so; 0 for never. Null where that is now. */
  readonly seen: SharedArrayBuffer | null;
  readonly limits: HttpLimits | null;
  /** Null where there is no API. */
  readonly access: HttpAccess | null;
}

export type HttpRequest = { readonly ask: "metrics" | "health" };
/** What the thread tells. */
export type HttpReport =
  | HttpRequest
  | ApiRequest
  | { readonly listening: number }
  | { readonly failed: string }
  | { readonly fault: string; readonly text: string };
/** What the thread is told. `last`: all is said; `error`: it could not be. */
export type HttpReply =
  | { readonly part: MetricPart }
  | { readonly last: "metrics" }
  | { readonly health: Health }
  | { readonly error: "metrics" | "health" }
  | ApiReply
  | "close";

const TURN_MS = 100;
/** Until a thread that has ended is started again; twice as long after each further time. */
const RESTART_MS = 1000;
const RESTART_MAX_MS = 60_000;
/** A thread that should end, and does not, is ended from outside. */
const CLOSE_MS = 1000;
/** Much more than 2,000 neighbors and all clients need; what a thread can take of this host. */
const THREAD_MEMORY = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16 };

export class HttpService {
  /** Where it listens: the port is another one when that was 0. */
  port: number;
  private readonly address: ListenAddress;
  private readonly sources: HttpSources;
  private readonly hooks: HttpHooks;
  private readonly limits: HttpLimits | null;
  private readonly turned: BigInt64Array = new BigInt64Array(new SharedArrayBuffer(8));
  /** Null for what is this speaker's own. */
  private readonly seenAt: BigInt64Array | null;
  private readonly timer: NodeJS.Timeout;
  private worker: Worker | null = null;
  private access: HttpAccess | null;
  private restart: NodeJS.Timeout | undefined;
  private restartMs = RESTART_MS;
  private isClosed = false;

  private constructor(
    address: ListenAddress,
    sources: HttpSources,
    hooks: HttpHooks,
    limits: HttpLimits | null,
  ) {
    this.address = address;
    this.port = address.port;
    this.sources = sources;
    this.hooks = hooks;
    this.limits = limits;
    this.access = sources.api?.access ?? null;
    this.seenAt = sources.isMirror ? new BigInt64Array(new SharedArrayBuffer(8)) : null;
    this.turn();
    this.timer = setInterval(() => this.turn(), TURN_MS).unref();
  }

  /**
   * @param limits - others than `HTTP_LIMITS`
   * @returns a service that listens; rejects when the address cannot be listened on
   */
  static async listen(
    address: ListenAddress,
    sources: HttpSources,
    hooks: HttpHooks,
    limits: HttpLimits | null = null,
  ): Promise<HttpService> {
    const service = new HttpService(address, sources, hooks, limits);
    try {
      await service.start();
    } catch (error) {
      service.close();
      throw error;
    }
    return service;
  }

  /** What a mirror shows is as it was at this time, by `nowMs`. */
  seen(atMs: number): void {
    if (this.seenAt === null) return;
    const agoMs = performance.timeOrigin + performance.now() - atMs;
    Atomics.store(this.seenAt, 0, process.hrtime.bigint() - BigInt(Math.round(1e6 * agoMs)));
  }

  /** Has others use the API from now on. */
  admit(access: HttpAccess): void {
    this.access = access;
    this.worker?.postMessage({ access } satisfies HttpReply);
  }

  /** Ends the thread and its connections. */
  close(): void {
    this.isClosed = true;
    clearInterval(this.timer);
    clearTimeout(this.restart);
    const { worker } = this;
    if (worker === null) return;
    worker.postMessage("close" satisfies HttpReply);
    setTimeout(() => void worker.terminate(), CLOSE_MS).unref();
  }

  private turn(): void {
    Atomics.store(this.turned, 0, process.hrtime.bigint());
  }

  /** Resolves when the thread listens. */
  private start(): Promise<void> {
    const { address, limits, turned, sources, access, hooks } = this;
    const order: HttpOrder = {
      ...{ address, limits, access, health: sources.health() },
      turned: turned.buffer as SharedArrayBuffer,
      seen: (this.seenAt?.buffer ?? null) as SharedArrayBuffer | null,
    };
    const worker = new Worker(new URL("./http-worker.ts", import.meta.url), {
      name: "http",
      workerData: order,
      resourceLimits: THREAD_MEMORY,
    });
    this.worker = worker;
    const post = (reply: ApiReply) => worker.postMessage(reply);
    const questions = sources.api === null ? null : new Questions(sources.api, post, hooks.fault);
    const startedMs = performance.now();
    return new Promise((resolve, reject) => {
      let problem = "it has ended";
      let isUp = false;
      worker.on("error", (error) => {
        problem = (error as Error).message;
      });
      worker.on("exit", () => {
        this.worker = null;
        questions?.close();
        reject(this.failure(problem));
        if (isUp) this.ended(problem, performance.now() - startedMs);
      });
      worker.on("message", (report: HttpReport) => {
        if ("listening" in report) {
          isUp = true;
          this.port = report.listening;
          // A stopped speaker does not live on for those who ask how it is.
          worker.unref();
          resolve();
        } else if ("failed" in report) problem = report.failed;
        else if ("fault" in report) this.hooks.fault(report.fault, new Error(report.text));
        else if (isOfApi(report)) questions?.hear(report);
        else void this.tell(worker, report);
      });
    });
  }

  /** What the thread has asked for goes to it. */
  private async tell(worker: Worker, { ask }: HttpRequest): Promise<void> {
    const reply = (what: HttpReply) => {
      const moved = typeof what === "object" && "part" in what && "rows" in what.part;
      worker.postMessage(what, moved ? [what.part.rows.numbers.buffer] : []);
    };
    try {
      if (ask === "health") reply({ health: this.sources.health() });
      else {
        for await (const part of this.sources.parts()) reply({ part });
        reply({ last: "metrics" });
      }
    } catch (error) {
      this.hooks.fault(ask, error);
      reply({ error: ask });
    }
  }

  /** The thread was up, and is no more. */
  private ended(problem: string, upMs: number): void {
    if (this.isClosed) return;
    if (upMs > RESTART_MAX_MS) this.restartMs = RESTART_MS;
    this.startLater(problem);
  }

  private startLater(problem: string): void {
    const waitMs = this.restartMs;
    this.restartMs = Math.min(2 * waitMs, RESTART_MAX_MS);
    const { message } = this.failure(problem);
    this.hooks.say("error", `${message}; nothing is served, it begins again in ${waitMs / 1000} s`);
    this.restart = setTimeout(async () => {
      try {
        await this.start();
        this.hooks.say("info", `http on ${this.place} is served again`);
      } catch (error) {
        if (!this.isClosed) this.startLater((error as Error).message);
      }
    }, waitMs).unref();
  }

  private get place(): string {
    return `${this.address.address} port ${this.address.port}`;
  }

  private failure(problem: string): Error {
    return new Error(`http on ${this.place}: ${problem}`);
  }
}

function isOfApi(report: HttpRequest | ApiRequest): report is ApiRequest {
  return report.ask !== "metrics" && report.ask !== "health";
}

/** @returns whether it takes another listener; who may do what is another matter */
export function isMoved(old: HttpConfig | null, next: HttpConfig | null): boolean {
  return old?.address !== next?.address || old?.port !== next?.port;
}
