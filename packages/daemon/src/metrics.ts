/** The speaker as metrics. Everything is read when it is asked for, in pieces between which routing goes on. */

import { familyLabel, type Router } from "@ts-bgp/router";
import { recentMaxMs } from "@ts-bgp/speaker";
import { showTables } from "@ts-bgp/views";
import { collectDefaultMetrics, type Metric, Registry } from "prom-client";
import type { Served } from "./commands.ts";
import { latencyMetric } from "./latency-metrics.ts";
import { counter, gauge, type MetricPart, type MetricRecord } from "./metric-parts.ts";
import { NEIGHBOR_TABLE, neighborRows } from "./neighbor-metrics.ts";
import { rejectionMetrics } from "./rejection-metrics.ts";
import { restartMetrics } from "./restart-metrics.ts";
import { rpkiMetrics } from "./rpki-metrics.ts";
import { askersTurn, PIECE_MS } from "./turns.ts";
import { ValidationMetrics } from "./validation-metrics.ts";

/** What the daemon knows beside the speaker. */
export interface DaemonFacts {
  readonly version: string;
  /** Result of the last reload of the configuration. */
  lastReload(): { readonly ok: boolean; readonly atMs: number };
  /** Log lines that could not be written. */
  lostLogLines(): number;
  /** Metrics of nonstop routing. */
  nsrMetrics?(): readonly MetricRecord[];
  /** Of those who observe. */
  feedMetrics?(): readonly MetricRecord[];
}

/** Takes what there is to know. */
export class Collector {
  private readonly served: () => Served;
  private readonly facts: DaemonFacts;
  /** What prom-client knows of the process and of the thread that routes. */
  private readonly process: Registry = new Registry();
  private readonly validation: ValidationMetrics = new ValidationMetrics();
  private heldMaxMs = 0;

  constructor(served: () => Served, facts: DaemonFacts) {
    this.served = served;
    this.facts = facts;
    collectDefaultMetrics({ register: this.process });
  }

  /** All metrics, as they are when their piece has its turn. */
  async *parts(): AsyncGenerator<MetricPart> {
    yield* this.ofProcess();
    await askersTurn();
    yield { records: await this.timed(async () => this.daemon()) };
    await askersTurn();
    yield { records: await this.timed(async () => this.facts.nsrMetrics?.() ?? []) };
    yield { records: rpkiMetrics(this.served()) };
    yield { records: restartMetrics(this.served().router) };
    yield { records: this.facts.feedMetrics?.() ?? [] };
    yield { table: NEIGHBOR_TABLE };
    for (const rows = neighborRows(this.served().router); ; ) {
      await askersTurn();
      const next = await this.timed(async () => rows.next());
      if (next.done === true) break;
      yield { rows: next.value };
    }
    yield { records: [await this.inSteps(rejectionMetrics(this.served().router))] };
    const inSteps = <T>(steps: Iterator<void, T>) => this.inSteps(steps);
    yield { records: await this.validation.of(this.served().router, inSteps) };
    const heldMaxSeconds = this.heldMaxMs / 1000;
    const help = "Longest time that collecting metrics has held up routing at once";
    yield { records: [gauge("tsbgp_collect_max_seconds", help, heldMaxSeconds)] };
  }

  /** What prom-client knows. */
  private async *ofProcess(): AsyncGenerator<MetricPart> {
    const names = this.process.getMetricsAsArray().map(({ name }) => name);
    while (names.length > 0) {
      await askersTurn();
      const records = await this.timed(async () => {
        const endMs = performance.now() + PIECE_MS;
        const taken: MetricRecord[] = [];
        do taken.push(await recordOf(this.process.getSingleMetric(names.shift()!)!));
        while (names.length > 0 && performance.now() < endMs);
        return taken;
      });
      yield { records };
    }
  }

  /** @param steps - each a piece of work that waits for nothing */
  private async inSteps<T>(steps: Iterator<void, T>): Promise<T> {
    for (;;) {
      await askersTurn();
      const next = await this.timed(async () => steps.next());
      if (next.done === true) return next.value;
    }
  }

  /** @param work - a piece of work that waits for nothing */
  private async timed<T>(work: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    const result = await work();
    this.heldMaxMs = Math.max(this.heldMaxMs, performance.now() - startMs);
    return result;
  }

  private daemon(): MetricRecord[] {
    const { version, lastReload, lostLogLines } = this.facts;
    const { router, slices, latency, turnedAway } = this.served();
    const { as, id } = router.tables.config.router;
    const reload = lastReload();
    return [
      ...tables(router),
      gauge("tsbgp_info", "1, with version, AS and identifier", [
        { value: 1, labels: { version, as, id } },
      ]),
      gauge(
        "tsbgp_config_last_reload_success",
        "1 when the last reload was applied, or, on a standby, its file was in order",
        Number(reload.ok),
      ),
      gauge(
        "tsbgp_config_last_reload_timestamp_seconds",
        "When the last reload was",
        Math.round(reload.atMs / 1000),
      ),
      gauge(
        "tsbgp_slice_max_seconds",
        "Longest slice of work of the last minute or two",
        recentMaxMs(slices) / 1000,
      ),
      counter("tsbgp_slices", "Slices of work", slices.count),
      counter("tsbgp_slice_seconds", "Time spent in slices of work", slices.totalMs / 1000),
      latencyMetric(latency),
      counter(
        "tsbgp_connections_dropped",
        "Connections turned away at once: of strangers, of a neighbor that makes too many, of too many",
        Object.entries(turnedAway.counts).map(([reason, value]) => ({ value, labels: { reason } })),
      ),
      gauge("tsbgp_log_lines_lost", "Log lines that could not be written", lostLogLines()),
    ];
  }
}

async function recordOf(metric: Metric): Promise<MetricRecord> {
  // A registry says what it takes of a metric: more than the type tells.
  const { name, help, type, values } = (await metric.get()) as unknown as MetricRecord;
  return { name, help, type, values };
}

function tables(router: Router): MetricRecord[] {
  const { attribute_sets, families } = showTables(router);
  const groups = router.tables.groups.entries.map(({ settings }) =>
    familyLabel(settings.form.family),
  );
  const perFamily = (read: (family: (typeof families)[number]) => number) =>
    families.map((shown) => ({ value: read(shown), labels: { family: shown.family } }));
  return [
    gauge(
      "tsbgp_rib_prefixes",
      "Prefixes in the Loc-RIB and the Adj-RIBs-In",
      perFamily(({ prefixes }) => prefixes),
    ),
    gauge(
      "tsbgp_rib_paths",
      "Paths received, rejected ones included",
      perFamily(({ paths }) => paths),
    ),
    gauge("tsbgp_attribute_sets", "Distinct sets of path attributes", attribute_sets.count),
    gauge(
      "tsbgp_update_groups",
      "Update groups",
      perFamily(({ family }) => groups.filter((name) => name === family).length),
    ),
  ];
}
