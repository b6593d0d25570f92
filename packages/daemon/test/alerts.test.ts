/** The alerts that come with it ask for metrics and labels that there are. */
import { readFileSync } from "node:fs";
import type { ShownRecord } from "@ts-bgp/nsr";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { MetricPart } from "../src/metric-parts.ts";
import { metricText, recordsOf } from "../src/metric-text.ts";
import { Collector } from "../src/metrics.ts";
import { nsrMetrics, SwitchoverTotals } from "../src/nsr-metrics.ts";
import { recordMetrics } from "../src/past/record-metrics.ts";
import { spareMetrics } from "../src/spare/spare-metrics.ts";
import type { ShownSpared } from "../src/spare/spared-side.ts";
import { servedOf } from "./support/served.ts";
import { SHOWN, SWITCHOVER } from "./support/shown-nsr.ts";

const RECORD: ShownRecord = {
  ...{ directory: "/x", state: "going", problem: "", from_ms: 1, files: 1, octets: 1 },
  ...{ taken_octets: 1, behind_octets: 0, begun: 1, missed: 0 },
};

interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly annotations: Readonly<Record<string, string>>;
    }[];
  }[];
}

const folder = new URL("../../../docker/prometheus/", import.meta.url);
const read = (name: string) => parse(readFileSync(new URL(name, folder), "utf8"));
const RULES = (read("alerts.yml") as Alerts).groups.flatMap(({ rules }) => rules);
/** Of all series of a target. */
const OWN_LABELS: readonly string[] = read("prometheus.yml").scrape_configs.flatMap(
  ({ static_configs: targets }: { static_configs: readonly { labels: object }[] }) =>
    targets.flatMap(({ labels }) => Object.keys(labels)),
);

/** @returns the labels of each metric of a side and of a spare, by its name */
async function labelsByName(): Promise<Map<string, Set<string>>> {
  const served = servedOf(1);
  const facts = {
    ...{ version: "1", lastReload: () => ({ ok: true, atMs: 0 }), lostLogLines: () => 0 },
    nsrMetrics: () =>
      nsrMetrics({ ...SHOWN, last_switchover: SWITCHOVER }, new SwitchoverTotals(), served.router),
  };
  const spared = { cluster: "rs1", role: "standby" } as ShownSpared;
  const parts: MetricPart[] = [{ records: [...spareMetrics([spared]), ...recordMetrics(RECORD)] }];
  for await (const part of new Collector(() => served, facts).parts()) parts.push(part);
  const found = new Map<string, Set<string>>();
  for (const line of (await metricText(recordsOf(parts))).toString().split("\n")) {
    const [, name, labels = ""] = /^(tsbgp_\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const known = found.get(name) ?? new Set(OWN_LABELS);
    found.set(name, known);
    for (const [, label] of labels.matchAll(/(\w+)="/g)) known.add(label!);
  }
  return found;
}

test.each(RULES)("$alert", async ({ expr, annotations }) => {
  const known = await labelsByName();
  const asked = [...expr.matchAll(/(tsbgp_\w+)(?:\{([^}]*)\})?/g)];
  expect(asked).not.toEqual([]);
  for (const [, name, matchers = ""] of asked) {
    expect([...known.keys()]).toContain(name);
    for (const [, label] of matchers.matchAll(/(\w+)\s*[=!]/g))
      expect([...known.get(name!)!]).toContain(label);
  }
  // What is told of is of the metric that comes first.
  const texts = Object.values(annotations).join(" ");
  const first = asked[0]![1]!;
  for (const [, label] of texts.matchAll(/\$labels\.(\w+)/g)) {
    expect([...known.get(first)!]).toContain(label);
  }
});

test("a log on disk that has failed is alerted of", () => {
  const failed = RULES.filter(({ expr }) => expr === "tsbgp_nsr_log_failed == 1");
  expect(failed.map(({ alert }) => alert)).toEqual(["LogFailed"]);
});
