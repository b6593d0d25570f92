/** The speaker in Prometheus text. Everything is read when it is asked for. */

import { type ShownNeighbor, showNeighbors, showTables } from "@ts-bgp/router";
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Served } from "./commands.ts";
import { nowMs } from "./speaker.ts";

/** What the daemon knows beside the speaker. */
export interface DaemonFacts {
  readonly version: string;
  /** Result of the last reload of the configuration. */
  lastReload(): { readonly ok: boolean; readonly atMs: number };
  /** Log lines that could not be written. */
  lostLogLines(): number;
}

/** Sets the values of one metric from the neighbors. */
type Reader = (neighbor: ShownNeighbor, set: (value: number, ...labels: string[]) => void) => void;

const PREFIX_COUNTS = ["received", "accepted", "rejected", "advertised"] as const;

/**
 * @returns a registry whose `metrics()` gives the text
 */
export function createRegistry(served: () => Served, facts: DaemonFacts): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addNeighbors(registry, served);
  addTables(registry, served);
  addDaemon(registry, served, facts);
  return registry;
}

function addNeighbors(registry: Registry, served: () => Served): void {
  const gauge = (name: string, help: string, labels: string[], read: Reader) =>
    new Gauge({
      name: `tsbgp_neighbor_${name}`,
      help,
      labelNames: ["neighbor", "as", ...labels],
      registers: [registry],
      collect() {
        this.reset();
        for (const neighbor of showNeighbors(served().router)) {
          const { address, as } = neighbor;
          read(neighbor, (value, ...values) =>
            this.labels(address, String(as), ...values).set(value),
          );
        }
      },
    });
  gauge("up", "1 while the session is established", [], ({ since_ms }, set) =>
    set(since_ms === null ? 0 : 1),
  );
  gauge("info", "1, with the state and the description", ["state", "description"], (n, set) =>
    set(1, n.disabled ? "Disabled" : n.state, n.description),
  );
  gauge("uptime_seconds", "Age of the session", [], ({ since_ms }, set) =>
    set(since_ms === null ? 0 : (nowMs() - since_ms) / 1000),
  );
  for (const kind of PREFIX_COUNTS) {
    gauge(`prefixes_${kind}`, `Prefixes ${kind}`, ["family"], ({ families }, set) => {
      for (const family of families) set(family[kind], family.family);
    });
  }
  gauge("max_prefixes", "Limit on prefixes", ["family"], ({ families }, set) => {
    for (const { family, max_prefix } of families) {
      if (max_prefix !== null) set(max_prefix.limit, family);
    }
  });
  addNeighborCounters(registry, served);
}

function addNeighborCounters(registry: Registry, served: () => Served): void {
  const counter = (name: string, help: string, labels: string[], read: Reader) =>
    new Counter({
      name: `tsbgp_neighbor_${name}_total`,
      help,
      labelNames: ["neighbor", "as", ...labels],
      registers: [registry],
      collect() {
        this.reset();
        for (const neighbor of showNeighbors(served().router)) {
          const { address, as } = neighbor;
          read(neighbor, (value, ...values) =>
            this.labels(address, String(as), ...values).inc(value),
          );
        }
      },
    });
  for (const way of ["received", "sent"] as const) {
    counter(`messages_${way}`, `Messages ${way} by type`, ["type"], ({ messages }, set) => {
      for (const [type, count] of Object.entries(messages[way])) set(count, type);
    });
  }
  counter("established", "Sessions that came up", [], (n, set) => set(n.established_count));
  const faults = "UPDATE messages with faults (RFC 7606), by what the heaviest one asked for";
  counter("update_faults", faults, ["action"], (n, set) => {
    for (const [action, count] of Object.entries(n.update_faults_by_action)) set(count, action);
  });
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
  one("config_last_reload_success", "1 when the last reload was applied", () =>
    facts.lastReload().ok ? 1 : 0,
  );
  one("config_last_reload_timestamp_seconds", "When the last reload was", () =>
    Math.round(facts.lastReload().atMs / 1000),
  );
  one("slice_max_seconds", "Longest slice of work since the last scrape", () => {
    const { slices } = served();
    const { maxMs } = slices;
    slices.maxMs = 0;
    return maxMs / 1000;
  });
  one("log_lines_lost", "Log lines that could not be written", () => facts.lostLogLines());
}
