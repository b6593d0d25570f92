/** Prometheus text, made of what the main thread has taken. */

import { setImmediate as turn } from "node:timers/promises";
import { type Metric, Registry } from "prom-client";
import type {
  MetricLabels,
  MetricPart,
  MetricRecord,
  MetricRows,
  MetricSample,
  MetricTable,
} from "./metric-parts.ts";

export const CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

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
export async function metricText(records: readonly MetricRecord[]): Promise<Buffer> {
  const registry = new Registry();
  for (const record of records) {
    // All that a registry wants of a metric to write it.
    const metric = { name: record.name, get: async () => ({ ...record, aggregator: "sum" }) };
    registry.registerMetric(metric as unknown as Metric);
  }
  const texts: Buffer[] = [];
  for (const { name } of records) {
    texts.push(Buffer.from(`${await registry.getSingleMetricAsString(name)}\n`));
    await turn();
  }
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
