/**
 * What is known of neighbors in Prometheus text. There are many of them at an exchange, so the text
 * is made here and not in objects for each value, and routing goes on in between.
 */

import { setImmediate as turn } from "node:timers/promises";
import { type Router, type ShownNeighbor, showNeighbor } from "@ts-bgp/router";
import { nowMs } from "./speaker.ts";

/** Told each value, with one more label or more. */
type Add = (value: number, ...labels: readonly string[]) => void;

interface Metric {
  /** Behind `tsbgp_neighbor_`. */
  readonly name: string;
  readonly help: string;
  readonly type: "gauge" | "counter";
  /** Besides those that all have. */
  readonly labels: readonly string[];
  read(neighbor: ShownNeighbor, add: Add): void;
}

/** Neighbors between which nothing else gets its turn. */
const NEIGHBORS_AT_ONCE = 16;
const FAMILY = ["family"];

const METRICS: readonly Metric[] = [
  gauge("up", "1 while the session is established", [], ({ since_ms }, add) =>
    add(since_ms === null ? 0 : 1),
  ),
  gauge("info", "1, with the state and the description", ["state", "description"], (n, add) =>
    add(1, n.disabled ? "Disabled" : n.state, n.description),
  ),
  gauge("uptime_seconds", "Age of the session", [], ({ since_ms }, add) =>
    add(since_ms === null ? 0 : (nowMs() - since_ms) / 1000),
  ),
  ...(["received", "accepted", "rejected", "advertised"] as const).map((kind) =>
    gauge(`prefixes_${kind}`, `Prefixes ${kind}`, FAMILY, ({ families }, add) => {
      for (const family of families) add(family[kind], family.family);
    }),
  ),
  gauge(
    "stale",
    "1 while routes of an ended session are among them (RFC 4724)",
    FAMILY,
    ({ families }, add) => {
      for (const { family, stale_until_ms } of families) {
        add(stale_until_ms === null ? 0 : 1, family);
      }
    },
  ),
  gauge("max_prefixes", "Limit on prefixes", FAMILY, ({ families }, add) => {
    for (const { family, max_prefix } of families) {
      if (max_prefix !== null) add(max_prefix.limit, family);
    }
  }),
  ...(["received", "sent"] as const).map((way) =>
    counter(`messages_${way}`, `Messages ${way} by type`, ["type"], ({ messages }, add) => {
      for (const [type, count] of Object.entries(messages[way])) add(count, type);
    }),
  ),
  counter("established", "Sessions that came up", [], (n, add) => add(n.established_count)),
  counter(
    "update_faults",
    "UPDATE messages with faults (RFC 7606), by what the heaviest one asked for",
    ["action"],
    (n, add) => {
      for (const [action, count] of Object.entries(n.update_faults_by_action)) add(count, action);
    },
  ),
];

/** @returns the metrics of all neighbors that there are when it is called */
export async function neighborMetrics(router: Router): Promise<string> {
  const texts = METRICS.map(
    ({ name, help, type }) =>
      `# HELP tsbgp_neighbor_${name} ${help}\n# TYPE tsbgp_neighbor_${name} ${type}\n`,
  );
  for (const [n, neighbor] of [...router.neighbors.values()].entries()) {
    if (n % NEIGHBORS_AT_ONCE === 0) await turn();
    const shown = showNeighbor(neighbor);
    const common = `neighbor="${shown.address}",as="${shown.as}"`;
    for (const [k, { name, labels, read }] of METRICS.entries()) {
      read(shown, (value, ...values) => {
        const more = labels.map((label, i) => `,${label}="${escaped(values[i]!)}"`).join("");
        texts[k] += `tsbgp_neighbor_${name}{${common}${more}} ${value}\n`;
      });
    }
  }
  return texts.join("");
}

function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: Metric["read"],
): Metric {
  return { name, help, type: "gauge", labels, read };
}

function counter(
  name: string,
  help: string,
  labels: readonly string[],
  read: Metric["read"],
): Metric {
  return { name: `${name}_total`, help, type: "counter", labels, read };
}

function escaped(label: string): string {
  return label.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
}
