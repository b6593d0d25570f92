/** What is known of neighbors, as a table: there are many of them at an exchange. */

import { STATE_NAMES } from "@ts-bgp/fsm";
import { FAMILIES, familyLabel, isElsewhere, type Router } from "@ts-bgp/router";
import { nowMs } from "@ts-bgp/speaker";
import { type ShownFamily, type ShownNeighbor, showNeighbor } from "@ts-bgp/views";
import { ACTION_WEIGHT, type FaultAction } from "@ts-bgp/wire-codec";
import type { MetricLabels, MetricRows, MetricTable, TableMetric } from "./metric-parts.ts";
import { PIECE_MS } from "./turns.ts";

interface NeighborMetric extends TableMetric {
  /** @returns a number for each series, null where there is none */
  read(neighbor: ShownNeighbor): readonly (number | null)[];
}

const ONE: readonly MetricLabels[] = [{}];
/** Of a neighbor that may not have a session, whatever its state machine is in. */
const DISABLED = "Disabled";
const STATES = [...Object.values(STATE_NAMES), DISABLED];
const FAMILY_NAMES = FAMILIES.map(familyLabel);
const MESSAGES = ["open", "update", "notification", "keepalive", "route_refresh"] as const;
const ACTIONS = Object.keys(ACTION_WEIGHT) as FaultAction[];

const METRICS: readonly NeighborMetric[] = [
  metric("up", "gauge", "1 while the session is established", ONE, ({ since_ms }) => [
    since_ms === null ? 0 : 1,
  ]),
  {
    ...metric("info", "gauge", "1, with the description", ONE, () => [1]),
    of: ["neighbor", "as", "description"],
  },
  metric(
    "state",
    "gauge",
    "1 for the state that it is in, 0 for each other one",
    labelsOf("state", STATES),
    ({ disabled, state }) => {
      const now = disabled ? DISABLED : state;
      return STATES.map((name) => Number(name === now));
    },
  ),
  metric("uptime_seconds", "gauge", "Age of the session", ONE, ({ since_ms }) => [
    since_ms === null ? 0 : (nowMs() - since_ms) / 1000,
  ]),
  ...(["received", "accepted", "rejected", "advertised"] as const).map((kind) =>
    familyMetric(`prefixes_${kind}`, `Prefixes ${kind}`, (family) => family[kind]),
  ),
  familyMetric(
    "stale",
    "1 while routes of an ended session are among them (RFC 4724)",
    ({ stale_until_ms }) => (stale_until_ms === null ? 0 : 1),
  ),
  familyMetric("max_prefixes", "Limit on prefixes", ({ max_prefix }) => max_prefix?.limit ?? null),
  familyMetric(
    "max_prefixes_accepted",
    "Limit on accepted prefixes beside it",
    ({ max_prefix_accepted }) => max_prefix_accepted?.limit ?? null,
  ),
  familyMetric(
    "max_prefixes_out",
    "Limit on routes that it is sent",
    ({ max_prefix_out }) => max_prefix_out?.limit ?? null,
  ),
  ...(["received", "sent"] as const).map((way) =>
    metric(
      `messages_${way}_total`,
      "counter",
      `Messages ${way} by type`,
      labelsOf("type", MESSAGES),
      ({ messages }) => MESSAGES.map((type) => messages[way][type]),
    ),
  ),
  metric("established_total", "counter", "Sessions that came up", ONE, (n) => [
    n.established_count,
  ]),
  metric(
    "quarantined",
    "gauge",
    "1 while it is held down because a message of it has ended the program",
    ONE,
    ({ quarantine }) => [Number(quarantine?.held === true)],
  ),
  metric("bfd_up", "gauge", "1 while its BFD session is up", ONE, ({ bfd }) => [
    bfd === null ? null : Number(bfd.state === "up"),
  ]),
  metric("bfd_downs_total", "counter", "How often BFD went down that was up", ONE, ({ bfd }) => [
    bfd?.downs ?? null,
  ]),
  metric(
    "update_faults_total",
    "counter",
    "UPDATE messages with faults (RFC 7606), by what the heaviest one asked for",
    labelsOf("action", ACTIONS),
    (n) => ACTIONS.map((action) => n.update_faults_by_action[action]),
  ),
];

const SERIES = METRICS.reduce((all, { series }) => all + series.length, 0);

export const NEIGHBOR_TABLE: MetricTable = {
  texts: ["neighbor", "as", "description"],
  metrics: METRICS.map(({ read, ...metric }) => metric),
};

/**
 * @returns rows of all neighbors that there are when it begins and when it comes to them, but those that other
 *   members of the cluster have the sessions with; cut into pieces that take about a millisecond each
 */
export function* neighborRows(router: Router): Generator<MetricRows> {
  const neighbors = [...router.neighbors.values()].filter(({ config }) => !isElsewhere(config));
  for (let at = 0; at < neighbors.length; ) {
    const endMs = performance.now() + PIECE_MS;
    const subjects: string[][] = [];
    const numbers: number[] = [];
    do {
      const neighbor = neighbors[at++]!;
      // A reload may have removed it meanwhile.
      if (router.neighbors.get(neighbor.config.address) !== neighbor) continue;
      const shown = showNeighbor(neighbor);
      subjects.push([shown.address, String(shown.as), shown.description]);
      for (const { read } of METRICS) {
        for (const number of read(shown)) numbers.push(number ?? Number.NaN);
      }
    } while (at < neighbors.length && performance.now() < endMs);
    if (numbers.length !== subjects.length * SERIES) {
      throw new Error(`${numbers.length} numbers for ${subjects.length} rows of ${SERIES}`);
    }
    yield { subjects, numbers: new Float64Array(numbers) };
  }
}

/** @param name - behind `tsbgp_neighbor_` */
function metric(
  name: string,
  type: TableMetric["type"],
  help: string,
  series: readonly MetricLabels[],
  read: NeighborMetric["read"],
): NeighborMetric {
  return { name: `tsbgp_neighbor_${name}`, type, help, of: ["neighbor", "as"], series, read };
}

function familyMetric(
  name: string,
  help: string,
  read: (family: ShownFamily) => number | null,
): NeighborMetric {
  return metric(name, "gauge", help, labelsOf("family", FAMILY_NAMES), ({ families }) =>
    FAMILY_NAMES.map((name) => {
      const family = families.find((shown) => shown.family === name);
      return family === undefined ? null : read(family);
    }),
  );
}

function labelsOf(label: string, values: readonly string[]): MetricLabels[] {
  return values.map((value) => ({ [label]: value }));
}
