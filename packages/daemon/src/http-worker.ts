/** The thread that serves HTTP; see `http.ts`. */

import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { giveWay } from "@ts-bgp/feeds/give-way";
import { Api } from "./api/api.ts";
import type { ApiReply } from "./api/messages.ts";
import { birdMetrics } from "./bird-names.ts";
import type { Health, HttpOrder, HttpReply, HttpReport, HttpRequest } from "./http.ts";
import { HTTP_LIMITS, type HttpAnswer, type HttpQuestion, HttpServer } from "./http-server.ts";
import { counter, gauge, type MetricPart, type MetricRecord } from "./metric-parts.ts";
import {
  CONTENT_TYPES,
  formatFor,
  type MetricFormat,
  metricText,
  recordsOf,
} from "./metric-text.ts";
import { pageAnswer } from "./page.ts";
import { Shared } from "./shared.ts";

/** Between two times that the main thread is asked for metrics, and for its health. */
const METRICS_MS = 500;
const HEALTH_MS = 100;
/** Until those who wait for metrics, and for health, are told that there is no answer. */
const METRICS_WAIT_MS = 5000;
const HEALTH_WAIT_MS = 500;
/** A main thread that has had no turn for so long hangs. */
const HANGING_MS = 3000;
/** When there is not enough processor for all, routing goes first. */
const NICE = 3;

class Unanswered extends Error {}

/** The main thread, as it is seen from here. */
class MainThread {
  private readonly turned: BigInt64Array;
  private readonly asked: Map<HttpRequest["ask"], PromiseWithResolvers<void>> = new Map();
  private parts: MetricPart[] = [];
  private health: Health;
  private healthMs = performance.now();

  constructor({ turned, health }: HttpOrder) {
    this.turned = new BigInt64Array(turned);
    this.health = health;
  }

  /** For how long it has not had a turn. */
  get silentMs(): number {
    const ns = process.hrtime.bigint() - Atomics.load(this.turned, 0);
    return Math.max(0, Math.round(Number(ns) / 1e6));
  }

  /** Rejects with `Unanswered` after a while. */
  async takeMetrics(): Promise<MetricPart[]> {
    await this.answer("metrics", METRICS_WAIT_MS);
    return this.parts.splice(0);
  }

  /** As it is now, or was when it was known last. */
  async takeHealth(): Promise<Health> {
    const isNew = await this.answer("health", HEALTH_WAIT_MS).then(
      () => true,
      () => false,
    );
    const age_ms = isNew ? 0 : Math.round(performance.now() - this.healthMs);
    const silent_ms = isNew ? 0 : this.silentMs;
    const health = { ...this.health, age_ms, silent_ms };
    if (silent_ms < HANGING_MS) return health;
    const reason = `the thread that routes has had no turn for ${(silent_ms / 1000).toFixed(1)} s`;
    return { ...health, ok: false, reason };
  }

  hear(reply: Exclude<HttpReply, "close" | ApiReply>): void {
    if ("part" in reply) this.parts.push(reply.part);
    else if ("last" in reply) this.settled(reply.last)?.resolve();
    else if ("error" in reply) {
      this.parts = [];
      this.settled(reply.error)?.reject(new Error("internal error"));
    } else {
      this.health = reply.health;
      this.healthMs = performance.now();
      this.settled("health")?.resolve();
    }
  }

  private settled(ask: HttpRequest["ask"]): PromiseWithResolvers<void> | undefined {
    const found = this.asked.get(ask);
    this.asked.delete(ask);
    return found;
  }

  /** It is not asked again before it has answered. */
  private async answer(ask: HttpRequest["ask"], waitMs: number): Promise<void> {
    let asked = this.asked.get(ask);
    if (asked === undefined) {
      asked = Promise.withResolvers();
      // Those who ask may have gone when it is settled.
      asked.promise.catch(() => {});
      this.asked.set(ask, asked);
      // Those of an answer that came too late for whoever had asked.
      if (ask === "metrics") this.parts = [];
      report({ ask });
    }
    const over = sleep(waitMs, undefined, { ref: false }).then(() => {
      throw new Unanswered();
    });
    await Promise.race([asked.promise, over]);
  }
}

const order = workerData as HttpOrder;
const main = new MainThread(order);
const records = new Shared(async () => {
  const taken = recordsOf(await main.takeMetrics());
  return [...taken, ...ownMetrics()];
}, METRICS_MS);
const metrics = {
  prometheus: new Shared(() => metricsAs("prometheus"), 0),
  openmetrics: new Shared(() => metricsAs("openmetrics"), 0),
  bird: new Shared(() => metricsAs("prometheus", birdMetrics), 0),
};
const health = new Shared(() => main.takeHealth(), HEALTH_MS);

const server = new HttpServer(answer, order.limits ?? HTTP_LIMITS, (path, error) => {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  report({ fault: `http ${path}`, text });
});

const { access } = order;
const seen = order.seen === null ? null : new BigInt64Array(order.seen);
const api =
  access === null ? null : new Api(access, report, { silentMs: () => main.silentMs, ageMs });

async function answer(question: HttpQuestion): Promise<HttpAnswer> {
  const { path, method } = question;
  if (api !== null && Api.has(path)) return aged(await api.answer(question));
  if (method === "POST") {
    const headers = { allow: "GET, HEAD", connection: "close" };
    return { status: 405, contentType: "text/plain", headers, body: "" };
  }
  switch (path) {
    case "/metrics":
      return metrics[formatFor(question.headers.accept)].get();
    case "/metrics/bird":
      return metrics.bird.get();
    case "/healthz": {
      const state = await health.get();
      const body = `${JSON.stringify(state)}\n`;
      return { status: state.ok ? 200 : 503, contentType: "application/json", body };
    }
    default: {
      const page = api === null ? null : pageAnswer(question);
      if (page !== null) return page;
      const more = api === null ? "" : ", and the API: /api/v1/openapi.json";
      const body = `here are /metrics and /healthz${more}\n`;
      return { status: 404, contentType: "text/plain", body };
    }
  }
}

async function metricsAs(
  format: MetricFormat,
  choose = (all: readonly MetricRecord[]) => all,
): Promise<HttpAnswer> {
  try {
    const body = await metricText(choose(await records.get()), format);
    return { status: 200, contentType: CONTENT_TYPES[format], headers: { vary: "accept" }, body };
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    const body = `no answer for ${METRICS_WAIT_MS / 1000} s: the thread that routes is busy or hangs\n`;
    return { status: 503, contentType: "text/plain", body };
  }
}

/** How old what is shown is; null where it is this speaker's own, or nothing is known. */
function ageMs(): number | null {
  const at = seen === null ? 0n : Atomics.load(seen, 0);
  return at === 0n ? null : Math.max(0, Number(process.hrtime.bigint() - at) / 1e6);
}

/** What a mirror answers, with its age in seconds (RFC 9111 section 5.1). */
function aged(answer: HttpAnswer): HttpAnswer {
  const ms = ageMs();
  if (ms === null) return answer;
  return { ...answer, headers: { ...answer.headers, age: String(Math.ceil(ms / 1000)) } };
}

/** What this thread knows of itself. */
function ownMetrics(): MetricRecord[] {
  const cuts = Object.entries(server.cuts);
  return [
    gauge("tsbgp_http_connections", "HTTP connections", server.connections),
    counter("tsbgp_http_requests", "HTTP requests", server.requests),
    counter(
      "tsbgp_http_connections_cut",
      "HTTP connections that were closed; displaced: by too many others; pipelined: with too many requests; unread: the answer was not taken",
      cuts.map(([reason, value]) => ({ value, labels: { reason } })),
    ),
  ];
}

function report(what: HttpReport): void {
  parentPort!.postMessage(what);
}

parentPort!.on("message", (reply: HttpReply) => {
  if (reply === "close") {
    server.close();
    process.exit();
  } else if ("question" in reply || "event" in reply || "access" in reply) api?.hear(reply);
  else main.hear(reply);
});

try {
  const { address, port } = order.address;
  report({ listening: await server.listen(port, address) });
  giveWay(NICE);
} catch (error) {
  report({ failed: (error as Error).message });
  parentPort!.close();
}
