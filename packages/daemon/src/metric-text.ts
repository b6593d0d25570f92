/** Prometheus text, made of what the main thread has taken. */

import { setImmediate as turn } from "node:timers/promises";
import { type Metric, Registry, type RegistryContentType } from "prom-client";
import type {
  MetricLabels,
  MetricPart,
  MetricRecord,
  MetricRows,
  MetricSample,
  MetricTable,
} from "./metric-parts.ts";

/** Formats that scrapers may ask for. */
export type MetricFormat = "prometheus" | "openmetrics";
export const CONTENT_TYPES: Readonly<Record<MetricFormat, RegistryContentType>> = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};
const OPENMETRICS = "application/openmetrics-text";

/** @param accept - a header of that name (RFC 9110 section 12.5.1). @returns what is preferred there */
export function formatFor(accept: string | undefined): MetricFormat {
  let [open, plain] = [0, 0];
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const weight = Number(parameters.find((one) => one.startsWith("q="))?.slice(2) ?? 1);
    if (type === OPENMETRICS && !parameters.includes("version=0.0.1"))
      open = Math.max(open, weight);
    if (["text/plain", "text/*", "*/*"].includes(type)) plain = Math.max(plain, weight);
  }
  return open > plain ? "openmetrics" : "prometheus";
}

/** @returns metrics in the order of the parts, those of the same name together */
export function recordsOf(parts: Iterable<MetricPart>): MetricRecord[] {
  const found = new Map<string, MetricRecord & { values: MetricSample[] }>();
  const valuesOf = ({ name, help, type }: Omit<MetricRecord, "values">): MetricSample[] => {
    const known = found.get(name) ?? { name, help, type, values: [] };
    found.set(name, known);
    return known.values;
  };
  let table: MetricTable = { texts: [], metrics: [] };
  for (const part of parts) {
    if ("rows" in part) addRows(table, part.rows, valuesOf);
    else if ("table" in part) {
      table = part.table;
      for (const metric of table.metrics) valuesOf(metric);
    } else for (const record of part.records) valuesOf(record).push(...record.values);
  }
  return [...found.values()];
}

/** Other work of the thread gets its turn between two metrics. */
export async function metricText(
  records: readonly MetricRecord[],
  format: MetricFormat = "prometheus",
): Promise<Buffer> {
  const isOpen = format === "openmetrics";
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(CONTENT_TYPES[format]);
  const texts: Buffer[] = [];
  for (const record of records) {
    // There the end of a counter's name is no part of the name that is declared.
    const isCut = isOpen && record.type === "counter";
    const name = isCut ? record.name.replace(/_total$/, "") : record.name;
    // All that a registry wants of a metric to write it.
    const metric = { name, get: async () => ({ ...record, name, aggregator: "sum" }) };
    registry.registerMetric(metric as unknown as Metric);
    texts.push(Buffer.from(`${await registry.getSingleMetricAsString(name)}\n`));
    await turn();
  }
  if (isOpen) texts.push(Buffer.from("# EOF\n"));
  return Buffer.concat(texts);
}

function addRows(
  { texts, metrics }: MetricTable,
  { subjects, numbers }: MetricRows,
  valuesOf: (metric: Omit<MetricRecord, "values">) => MetricSample[],
): void {
  const columns = metrics.map((metric) => ({
    ...metric,
    values: valuesOf(metric),
    at: metric.of.map((name) => texts.indexOf(name)),
  }));
  let next = 0;
  for (const subject of subjects) {
    for (const { of, at, series, values } of columns) {
      for (const more of series) {
        const value = numbers[next++]!;
        if (Number.isNaN(value)) continue;
        const labels: Record<string, string | number> = {};
        for (const [k, name] of of.entries()) labels[name] = subject[at[k]!]!;
        values.push({ value, labels: Object.assign(labels, more) satisfies MetricLabels });
      }
    }
  }
}
