/** Metrics by the names of bird_exporter. */
import { expect, test } from "vitest";
import { birdMetrics } from "../src/bird-names.ts";
import { gauge } from "../src/metric-parts.ts";
import { metricText } from "../src/metric-text.ts";

const [BOTH, DOWN] = [
  { neighbor: "192.0.2.11", as: 64511 },
  { neighbor: "2001:db8::12", as: 64512 },
];
const counts = (name: string, ...values: readonly number[]) =>
  gauge(
    `tsbgp_neighbor_prefixes_${name}`,
    "x",
    values.map((value, k) => ({
      value,
      labels: { ...BOTH, family: k === 0 ? "ipv4-unicast" : "ipv6-unicast" },
    })),
  );

test("a neighbor is a protocol for each of its families, one that is down for that of its address", async () => {
  const text = await metricText(
    birdMetrics([
      gauge("tsbgp_neighbor_up", "x", [
        { value: 1, labels: BOTH! },
        { value: 0, labels: DOWN! },
      ]),
      gauge("tsbgp_neighbor_state", "x", [
        { value: 0, labels: { ...BOTH, state: "Idle" } },
        { value: 1, labels: { ...BOTH, state: "Established" } },
        { value: 1, labels: { ...DOWN, state: "Active" } },
      ]),
      gauge("tsbgp_neighbor_uptime_seconds", "x", [{ value: 12, labels: BOTH! }]),
      counts("received", 5, 6),
      counts("accepted", 3, 4),
      counts("rejected", 2, 2),
      counts("advertised", 7, 8),
    ]),
  );
  const lines = text.toString().split("\n");
  const filters = 'import_filter="",export_filter=""';
  const of = (name: string, version: number) =>
    `{name="${name}",proto="BGP",ip_version="${version}",${filters}`;
  expect(lines.filter((line) => line !== "" && !line.startsWith("#"))).toEqual([
    `bird_protocol_up${of("192.0.2.11", 4)},state="Established"} 1`,
    `bird_protocol_up${of("192.0.2.11", 6)},state="Established"} 1`,
    `bird_protocol_up${of("2001:db8::12", 6)},state="Active"} 0`,
    `bird_protocol_uptime${of("192.0.2.11", 4)}} 12`,
    `bird_protocol_uptime${of("192.0.2.11", 6)}} 12`,
    `bird_protocol_prefix_import_count${of("192.0.2.11", 4)}} 3`,
    `bird_protocol_prefix_import_count${of("192.0.2.11", 6)}} 4`,
    `bird_protocol_prefix_export_count${of("192.0.2.11", 4)}} 7`,
    `bird_protocol_prefix_export_count${of("192.0.2.11", 6)}} 8`,
    `bird_protocol_prefix_filter_count${of("192.0.2.11", 4)}} 2`,
    `bird_protocol_prefix_filter_count${of("192.0.2.11", 6)}} 2`,
  ]);
});
