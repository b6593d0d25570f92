/** Origin validation as metrics; none without a section rpki. */

import { showRpki } from "@ts-bgp/views";
import type { Served } from "./commands.ts";
import { counter, gauge, type MetricRecord } from "./metric-parts.ts";

export function rpkiMetrics({ router, feeds }: Served): MetricRecord[] {
  const shown = showRpki(router);
  if (shown === null) return [];
  const { sources, ipv4, ipv6, aspas, start_gate, judged, changed } = shown;
  const states = feeds?.show() ?? [];
  const perSource = (read: (source: (typeof sources)[number]) => number) =>
    sources.map((source) => ({ value: read(source), labels: { source: source.name } }));
  const isUp = (name: string) =>
    states.some(({ source, state }) => source === name && (state === "synced" || state === "read"));
  return [
    gauge("tsbgp_rpki_payloads", "Validated ROA payloads that count", [
      { value: ipv4, labels: { family: "ipv4-unicast" } },
      { value: ipv6, labels: { family: "ipv6-unicast" } },
    ]),
    gauge("tsbgp_rpki_aspas", "Customers whose ASPAs count", aspas),
    gauge(
      "tsbgp_rpki_source_payloads",
      "Validated payloads of a cache or file, of ROAs and ASPAs",
      perSource((source) => source.ipv4 + source.ipv6 + source.aspas),
    ),
    gauge(
      "tsbgp_rpki_source_up",
      "1 when the cache is connected and in step, or the file was read; 0 on a standby",
      perSource(({ name }) => Number(isUp(name))),
    ),
    gauge(
      "tsbgp_rpki_source_updated_timestamp_seconds",
      "When a cache or file was last heard to have said everything, 0 when its data is not there",
      perSource(({ updated_ms }) => (updated_ms ?? 0) / 1000),
    ),
    gauge(
      "tsbgp_rpki_start_gate_closed",
      "1 while routes of external neighbors wait for payloads after a start",
      Number(start_gate.state === "closed"),
    ),
    counter("tsbgp_rpki_judged_paths", "Paths judged again since payloads changed", judged),
    counter("tsbgp_rpki_changed_paths", "Of these, paths that came out otherwise", changed),
  ];
}
