/** Metrics of neighbors by the names that bird_exporter has for BIRD's protocols, for dashboards that ask for these. */

import { gauge, type MetricLabels, type MetricRecord, type MetricSample } from "./metric-parts.ts";

const NEIGHBOR = "tsbgp_neighbor_";
const IPV6 = "ipv6-unicast";
/** What is counted by family, in our words and in theirs. */
const COUNTS = [
  ["prefixes_accepted", "bird_protocol_prefix_import_count", "Number of imported routes"],
  ["prefixes_advertised", "bird_protocol_prefix_export_count", "Number of exported routes"],
  ["prefixes_rejected", "bird_protocol_prefix_filter_count", "Number of filtered routes"],
] as const;

/**
 * A protocol is a neighbor in one family. Of one without a session it is the family of its address.
 *
 * @param records - all that there are
 */
export function birdMetrics(records: readonly MetricRecord[]): MetricRecord[] {
  const byName = new Map(records.map(({ name, values }) => [name, values]));
  const samples = (name: string) => byName.get(NEIGHBOR + name) ?? [];
  const families = new Map<string, string[]>();
  for (const { labels } of samples("prefixes_accepted")) {
    const { neighbor, family } = textsOf(labels);
    families.set(neighbor, [...(families.get(neighbor) ?? []), family]);
  }
  const states = new Map<string, string>();
  for (const { value, labels } of samples("state")) {
    const { neighbor, state } = textsOf(labels);
    if (value === 1) states.set(neighbor, state);
  }
  const perFamily = (name: string, more: (neighbor: string) => MetricLabels) =>
    samples(name).flatMap(({ value, labels }): MetricSample[] => {
      const { neighbor } = textsOf(labels);
      const all = families.get(neighbor) ?? [neighbor.includes(":") ? IPV6 : ""];
      return all.map((family) => {
        return { value, labels: { ...protocolOf(neighbor, family), ...more(neighbor) } };
      });
    });
  return [
    gauge(
      "bird_protocol_up",
      "Protocol is up",
      perFamily("up", (neighbor) => ({ state: states.get(neighbor) ?? "" })),
    ),
    gauge(
      "bird_protocol_uptime",
      "Uptime of the protocol in seconds",
      perFamily("uptime_seconds", () => ({})),
    ),
    ...COUNTS.map(([ours, theirs, help]) =>
      gauge(
        theirs,
        help,
        samples(ours).map(({ value, labels }) => {
          const { neighbor, family } = textsOf(labels);
          return { value, labels: protocolOf(neighbor, family) };
        }),
      ),
    ),
  ];
}

function protocolOf(neighbor: string, family: string): MetricLabels {
  const ip_version = family === IPV6 ? "6" : "4";
  return { name: neighbor, proto: "BGP", ip_version, import_filter: "", export_filter: "" };
}

function textsOf(labels: MetricLabels = {}): { neighbor: string; family: string; state: string } {
  const { neighbor = "", family = "", state = "" } = labels;
  return { neighbor: String(neighbor), family: String(family), state: String(state) };
}
