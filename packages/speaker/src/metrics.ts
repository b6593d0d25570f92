/** The speaker in Prometheus text. Everything is read when it is asked for. */

import { showTables } from "@ts-bgp/router";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Served } from "./commands.ts";
import type { Metrics } from "./http.ts";
import { neighborMetrics } from "./neighbor-metrics.ts";
import { recentMaxMs } from "./recent-max.ts";
import type { SliceTimes } from "./speaker.ts";

/** What the daemon knows beside the speaker. */
export interface DaemonFacts {
  readonly version: string;
  /** Result of the last reload of the configuration. */
  lastReload(): { readonly ok: boolean; readonly atMs: number };
  /** Log lines that could not be written. */
  lostLogLines(): number;
  /** Metrics of nonstop routing, as text. */
  nsrMetrics?(): string;
}

/** @returns what gives all metrics as text */
export function createRegistry(served: () => Served, facts: DaemonFacts): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addTables(registry, served);
  addDaemon(registry, served, facts);
  return {
    contentType: registry.contentType,
    metrics: async () =>
      (await registry.metrics()) +
      (await neighborMetrics(served().router)) +
      (facts.nsrMetrics?.() ?? ""),
  };
}

function addTables(registry: Registry, served: () => Served): void {
  const gauge = (
    name: string,
    help: string,
    collect: (gauge: Gauge) => void,
    labels = ["family"],
  ) =>
    new Gauge({
      name: `tsbgp_${name}`,
      help,
      labelNames: labels,
      registers: [registry],
      collect() {
        collect(this);
      },
    });
  gauge("rib_prefixes", "Prefixes in the Loc-RIB and the Adj-RIBs-In", (gauge) => {
    for (const f of showTables(served().router).families) gauge.labels(f.family).set(f.prefixes);
  });
  gauge("rib_paths", "Paths received, rejected ones included", (gauge) => {
    for (const f of showTables(served().router).families) gauge.labels(f.family).set(f.paths);
  });
  gauge(
    "attribute_sets",
    "Distinct sets of path attributes",
    (gauge) => gauge.set(showTables(served().router).attribute_sets.count),
    [],
  );
  gauge("update_groups", "Update groups", (gauge) => {
    gauge.reset();
    for (const { settings } of served().router.tables.groups.entries) {
      gauge.labels(settings.form.family === 1 ? "ipv4-unicast" : "ipv6-unicast").inc();
    }
  });
}

function addDaemon(registry: Registry, served: () => Served, facts: DaemonFacts): void {
  const registers = [registry];
  const one = (name: string, help: string, value: () => number) =>
    new Gauge({
      name: `tsbgp_${name}`,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });
  const counter = (name: string, help: string, value: (slices: SliceTimes) => number) =>
    new Counter({
      name: `tsbgp_${name}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value(served().slices));
      },
    });
  new Gauge({
    name: "tsbgp_info",
    help: "1, with version, AS and identifier",
    labelNames: ["version", "as", "id"],
    registers,
    collect() {
      const { as, id } = served().router.tables.config.router;
      this.reset();
      this.labels(facts.version, String(as), id).set(1);
    },
  });
  one(
    "config_last_reload_success",
    "1 when the last reload was applied, or, on a standby, its file was in order",
    () => (facts.lastReload().ok ? 1 : 0),
  );
  one("config_last_reload_timestamp_seconds", "When the last reload was", () =>
    Math.round(facts.lastReload().atMs / 1000),
  );
  one(
    "slice_max_seconds",
    "Longest slice of work of the last minute or two",
    () => recentMaxMs(served().slices) / 1000,
  );
  counter("slices", "Slices of work", ({ count }) => count);
  counter("slice_seconds", "Time spent in slices of work", ({ totalMs }) => totalMs / 1000);
  new Counter({
    name: "tsbgp_connections_dropped_total",
    help: "Connections turned away at once: of strangers, of a neighbor that makes too many, of too many",
    labelNames: ["reason"],
    registers,
    collect() {
      this.reset();
      const { counts } = served().turnedAway;
      for (const [reason, count] of Object.entries(counts)) this.labels(reason).inc(count);
    },
  });
  one("log_lines_lost", "Log lines that could not be written", () => facts.lostLogLines());
}
