/** Dashboards and alerts ask for metrics, and for labels of theirs, that there are. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "@ts-bgp/config";
import type { Feeds } from "@ts-bgp/feeds";
import { Router } from "@ts-bgp/router";
import { beforeAll, describe, expect, test } from "vitest";
import { showNsr } from "../../nsr/src/show-nsr.ts";
import type { Switchover } from "../../nsr/src/switchover.ts";
import { Latency } from "../../speaker/src/latency.ts";
import { TurnedAway } from "../../speaker/src/turned-away.ts";
import type { Served } from "../src/commands.ts";
import { feedMetrics } from "../src/feed-metrics.ts";
import { NO_FOLLOWERS } from "../src/follower-orders.ts";
import type { MetricPart } from "../src/metric-parts.ts";
import { metricText, recordsOf } from "../src/metric-text.ts";
import { Collector } from "../src/metrics.ts";
import { nsrMetrics, SwitchoverTotals } from "../src/nsr-metrics.ts";
import { spareMetrics } from "../src/spare/spare-metrics.ts";
import { webhookMetrics } from "../src/webhook-metrics.ts";

const DOCKER = join(import.meta.dirname, "../../../docker");
const CONFIG = {
  router: { as: 64500, id: "192.0.2.1" },
  neighbors: [{ address: "192.0.2.11", as: 64511, passive: true }],
  rpki: { caches: [{ address: "192.0.2.53" }] },
};
/** Of metrics that have no series here, since nothing has happened. */
const LABELS: Readonly<Record<string, readonly string[]>> = {
  tsbgp_neighbor_rejected_routes: ["neighbor", "as", "code", "policy", "rule"],
  tsbgp_nsr_standby_behind_octets: ["standby"],
  tsbgp_nsr_standby_ready: ["standby"],
  tsbgp_nsr_standby_ends: ["standby"],
  tsbgp_spare_ready: ["cluster"],
  tsbgp_neighbor_nsr_protected: ["neighbor", "as"],
};
/** What Prometheus gives each series, by itself or as docker/prometheus says it. */
const OF_TARGETS = ["instance", "job", "side"];

/** Names of metrics with their labels. */
const exposed = new Map<string, Set<string>>();

beforeAll(async () => {
  const { config } = loadConfig("x", JSON.stringify(CONFIG), { readFile: () => "", env: () => "" });
  const router = new Router(config!, 1);
  const refuse = () => {
    throw new Error("not asked for");
  };
  const served: Served = {
    ...{ router, slices: { count: 0, totalMs: 0, maxMs: 0 }, operate: refuse },
    latency: new Latency(),
    ...{ shutDownGracefully: refuse, congestionControlOf: () => null, feeds: null },
    turnedAway: new TurnedAway(() => {}),
  };
  const last: Switchover = {
    ...{ cause: "", planned: true, at_ms: 1, resumed: 1, lost: [] },
    ms: { fence: 1, replay: 1, addresses: 1, restore: 1, total: 4, silence: 4 },
  };
  const shown = { ...showNsr(null, null), cluster: "rs1", last_switchover: last };
  const feeds = {
    stations: [
      {
        ...{ name: "x", state: "up", isComplete: true, messages: 0, missed: 0 },
        ...{ queuedOctets: 0, heldOctets: 0 },
      },
    ],
    mrt: { problem: null, files: 0, messages: 0, missed: 0 },
  } as unknown as Feeds;
  const webhook = { isTaken: true, waiting: 0, taken: 0, dropped: 0, refused: 0 };
  const collector = new Collector(() => served, {
    ...{ version: "1", lastReload: () => ({ ok: true, atMs: 0 }), lostLogLines: () => 0 },
    nsrMetrics: () => nsrMetrics(shown, new SwitchoverTotals(), router),
    feedMetrics: () => [...feedMetrics(feeds, NO_FOLLOWERS), ...webhookMetrics(webhook)],
  });
  const parts: MetricPart[] = [];
  for await (const part of collector.parts()) parts.push(part);
  const records = [...recordsOf(parts), ...spareMetrics([])];
  for (const { name, values } of records) {
    const labels = new Set(LABELS[name]);
    for (const sample of values)
      for (const label of Object.keys(sample.labels ?? {})) labels.add(label);
    exposed.set(name, labels);
    for (const { metricName } of values)
      if (metricName !== undefined) exposed.set(metricName, labels);
  }
  for (const { metrics } of parts.flatMap((part) => ("table" in part ? [part.table] : []))) {
    for (const { name, of, series } of metrics) {
      for (const label of [...of, ...series.flatMap(Object.keys)]) exposed.get(name)!.add(label);
    }
  }
  expect((await metricText(records)).length).toBeGreaterThan(0);
});

interface Target {
  readonly expr: string;
  readonly legendFormat?: string;
}
interface Panel {
  readonly title: string;
  readonly targets?: readonly Target[];
}
interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly Target[] };
}

const text = (...path: string[]) => readFileSync(join(DOCKER, ...path), "utf8");
const dashboard = JSON.parse(text("grafana", "ts-bgp.json")) as Dashboard;

const ASKED: readonly (readonly [string, string, string])[] = [
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat = "" }) => [title, expr, legendFormat] as const),
  ),
  ...dashboard.annotations.list.map(({ expr }) => ["annotation", expr, ""] as const),
];

const NAME = /\b(?:tsbgp|process|nodejs)_\w+/g;

test.each(ASKED)("%s asks for what there is: %s", (_, expr, legend) => {
  const names = expr.match(NAME) ?? [];
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) expect(exposed.has(name), name).toBe(true);
  for (const [, name = "", matchers = ""] of expr.matchAll(/\b(\w+)\{([^}]*)\}/g)) {
    const known = [...exposed.get(name)!, ...OF_TARGETS];
    for (const [label] of matchers.matchAll(/\w+(?=\s*=|\s*!)/g))
      expect(known, name).toContain(label);
  }
  const known = [...names.flatMap((name) => [...exposed.get(name)!]), ...OF_TARGETS];
  const lists = expr.matchAll(/\b(?:by|on|without) \(([^)]*)\)/g);
  const grouped = Array.from(lists, ([, list = ""]) => list.split(/,\s*/)).flat();
  const shown = Array.from(legend.matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label);
  for (const label of [...grouped, ...shown]) expect(known, expr).toContain(label);
});

test("the console of Prometheus asks for metrics that there are", () => {
  const names = new Set(text("prometheus", "consoles", "ts-bgp.html").match(NAME));
  expect(names.size).toBeGreaterThan(10);
  for (const name of names) expect(exposed.has(name), name).toBe(true);
});

describe("the dashboard", () => {
  test("has panels that do not lie over each other, each with a number of its own", () => {
    const panels = dashboard.panels as unknown as readonly {
      readonly id: number;
      readonly gridPos: {
        readonly x: number;
        readonly y: number;
        readonly w: number;
        readonly h: number;
      };
    }[];
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = new Set<string>();
    for (const { gridPos } of panels) {
      const { x, y, w, h } = gridPos;
      expect(x + w).toBeLessThanOrEqual(24);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          const cell = `${column} ${line}`;
          expect(cells.has(cell), cell).toBe(false);
          cells.add(cell);
        }
      }
    }
  });
});
