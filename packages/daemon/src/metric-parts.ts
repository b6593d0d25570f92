/** Metrics as plain values: the main thread takes them piece by piece, and another one writes the text. */

export type MetricType = "gauge" | "counter" | "summary" | "histogram";

export type MetricLabels = Readonly<Record<string, string | number>>;

export interface MetricSample {
  readonly value: number;
  readonly labels?: MetricLabels;
  /** Where it is not that of the metric: `..._sum` and the like. */
  readonly metricName?: string;
}

/** A metric with all its samples. */
export interface MetricRecord {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly values: readonly MetricSample[];
}

/** A metric that many subjects have alike. */
export interface TableMetric {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  /** Those texts of a subject that are its labels. */
  readonly of: readonly string[];
  /** Each subject has one series for each of these; a series without further labels is `{}`. */
  readonly series: readonly MetricLabels[];
}

/** Metrics of many subjects, such as neighbors: what is the same for all of them. */
export interface MetricTable {
  /** Names of the texts that each subject has. */
  readonly texts: readonly string[];
  readonly metrics: readonly TableMetric[];
}

/** Some subjects of a table. */
export interface MetricRows {
  /** Their texts, in the order of the table. */
  readonly subjects: readonly (readonly string[])[];
  /** A number for each series of each metric, subject after subject; NaN where it has no such series. */
  readonly numbers: Float64Array<ArrayBuffer>;
}

/** Rows belong to the table that came before them. */
export type MetricPart =
  | { readonly records: readonly MetricRecord[] }
  | { readonly table: MetricTable }
  | { readonly rows: MetricRows };

export function gauge(
  name: string,
  help: string,
  values: number | readonly MetricSample[],
): MetricRecord {
  return { name, help, type: "gauge", values: samplesOf(values) };
}

/** @param name - without `_total` */
export function counter(
  name: string,
  help: string,
  values: number | readonly MetricSample[],
): MetricRecord {
  return { name: `${name}_total`, help, type: "counter", values: samplesOf(values) };
}

/** One series for each state that there is, with 1 for the one of now: a change makes no new series. */
export function stateSamples(
  label: string,
  states: readonly string[],
  now: string,
): MetricSample[] {
  return states.map((state) => ({ value: Number(state === now), labels: { [label]: state } }));
}

function samplesOf(values: number | readonly MetricSample[]): readonly MetricSample[] {
  return typeof values === "number" ? [{ value: values }] : values;
}
