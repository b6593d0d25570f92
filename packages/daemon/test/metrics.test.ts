/** The metrics of a speaker with many neighbors. */

import { describe, expect, test } from "vitest";
import { recentMaxMs } from "../../speaker/src/recent-max.ts";
import type { Served } from "../src/commands.ts";
import type { MetricPart, MetricRows } from "../src/metric-parts.ts";
import { formatFor, metricText, recordsOf } from "../src/metric-text.ts";
import { Collector } from "../src/metrics.ts";
import { neighborRows } from "../src/neighbor-metrics.ts";
import { servedOf } from "./support/served.ts";

const NEIGHBORS = 700;

async function partsOf(served: Served): Promise<MetricPart[]> {
  const facts = { version: "1", lastReload: () => ({ ok: true, atMs: 0 }), lostLogLines: () => 0 };
  const parts: MetricPart[] = [];
  for await (const part of new Collector(() => served, facts).parts()) parts.push(part);
  return parts;
}

const linesOf = async (served: Served) =>
  (await metricText(recordsOf(await partsOf(served)))).toString().split("\n");

test("each neighbor has a line of each metric, below what the metric is", async () => {
  const lines = await linesOf(servedOf(NEIGHBORS));
  const first = lines.indexOf("# HELP tsbgp_neighbor_up 1 while the session is established");
  expect(lines.slice(first + 1, first + 4)).toEqual([
    "# TYPE tsbgp_neighbor_up gauge",
    'tsbgp_neighbor_up{neighbor="10.0.0.0",as="65001"} 0',
    'tsbgp_neighbor_up{neighbor="10.0.0.1",as="65001"} 0',
  ]);
  expect(lines.filter((line) => line.startsWith("tsbgp_neighbor_up{"))).toHaveLength(NEIGHBORS);
  const more = 'neighbor="10.0.2.187",as="65001",type="route_refresh"';
  expect(lines).toContain(`tsbgp_neighbor_messages_sent_total{${more}} 0`);
});

test("labels are quoted, whatever a description has", async () => {
  const lines = await linesOf(servedOf(1, 'a "b"\n\\c'));
  expect(lines.filter((line) => line.startsWith("tsbgp_neighbor_info{"))).toEqual([
    'tsbgp_neighbor_info{neighbor="10.0.0.0",as="65001",description="a \\"b\\"\\n\\\\c"} 1',
  ]);
});

test("all samples of a metric stand together, and no series comes twice", async () => {
  const lines = (await linesOf(servedOf(NEIGHBORS))).filter((line) => line !== "");
  let metric = "";
  const told: string[] = [];
  const misplaced: string[] = [];
  const untyped: string[] = [];
  const series: string[] = [];
  for (const [k, line] of lines.entries()) {
    const [, what, name = ""] = line.split(" ");
    if (what === "HELP") {
      metric = name;
      told.push(name);
      if (!/^# TYPE \S+ (gauge|counter|histogram)$/.test(lines[k + 1]!)) untyped.push(name);
    } else if (!line.startsWith("#")) {
      if (!line.startsWith(metric)) misplaced.push(line);
      series.push(line.slice(0, line.lastIndexOf(" ")));
    }
  }
  expect({ misplaced, untyped }).toEqual({ misplaced: [], untyped: [] });
  expect(new Set(told).size).toBe(told.length);
  expect(new Set(series).size).toBe(series.length);
  expect(series.length).toBeGreaterThan(20 * NEIGHBORS);
  expect(told.length).toBeGreaterThan(30);
});

test("a neighbor has a series for each state, 1 for its own, and a change makes no new one", async () => {
  const served = servedOf(2);
  const statesOf = async () =>
    (await linesOf(served))
      .filter((line) => line.startsWith('tsbgp_neighbor_state{neighbor="10.0.0.1"'))
      .map((line) => /state="(\w+)"} (\d)$/.exec(line)!.slice(1));
  const zeros = { Idle: "0", Connect: "0", Active: "0", OpenSent: "0", OpenConfirm: "0" };
  const rest = { Established: "0", Disabled: "0" };
  expect(Object.fromEntries(await statesOf())).toEqual({ ...zeros, ...rest, Idle: "1" });
  served.router.neighbors.get("10.0.0.1")!.disabled = true;
  expect(Object.fromEntries(await statesOf())).toEqual({ ...zeros, ...rest, Disabled: "1" });
});

test("a metric without a series of a neighbor is told all the same, and has a line of no other", async () => {
  const lines = await linesOf(servedOf(1));
  expect(lines).toContain("# TYPE tsbgp_neighbor_prefixes_received gauge");
  expect(lines.filter((line) => line.startsWith("tsbgp_neighbor_prefixes_received"))).toEqual([]);
});

describe("a snapshot of thousands of neighbors", () => {
  test("is taken in pieces, with a turn of everybody else between any two", async () => {
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const parts = await partsOf(servedOf(2000));
    isOver = true;
    const pieces = parts.filter((part) => "rows" in part).length;
    expect(pieces).toBeGreaterThan(1);
    expect(turns).toBeGreaterThanOrEqual(pieces);
  });

  test("leaves out those that are removed meanwhile, and has all others once", () => {
    const { router } = servedOf(2000);
    const rows = neighborRows(router);
    const { value } = rows.next();
    const first = (value as MetricRows).subjects.map(([address]) => address);
    expect(first.length).toBeLessThan(1999);
    router.neighbors.delete("10.0.7.207");
    const rest = [...rows].flatMap(({ subjects }) => subjects.map(([address]) => address));
    expect(new Set([...first, ...rest]).size).toBe(1999);
    expect(first.length + rest.length).toBe(1999);
    expect(rest).not.toContain("10.0.7.207");
  });
});

describe("the longest slice", () => {
  test("is the same for two who ask in turn, and those of old times are forgotten", () => {
    const slices = { count: 0, totalMs: 0, maxMs: 7 };
    expect([recentMaxMs(slices, 0), recentMaxMs(slices, 15_000)]).toEqual([7, 7]);
    expect([recentMaxMs(slices, 60_000), recentMaxMs(slices, 75_000)]).toEqual([7, 7]);
    slices.maxMs = 3;
    expect([recentMaxMs(slices, 119_000), recentMaxMs(slices, 120_000)]).toEqual([7, 3]);
    slices.maxMs = 9;
    expect(recentMaxMs(slices, 130_000)).toBe(9);
  });

  test("stands beside how many there were and what they took", async () => {
    const lines = await linesOf(servedOf(0));
    expect(lines).toContain("tsbgp_slice_max_seconds 0.004");
    expect(lines).toContain("tsbgp_slices_total 3");
    expect(lines).toContain("tsbgp_slice_seconds_total 1.5");
    expect(await linesOf(servedOf(0))).toContain("tsbgp_slice_max_seconds 0.004");
  });
});

describe("OpenMetrics", () => {
  test.each([
    [undefined, "prometheus"],
    ["*/*", "prometheus"],
    ["text/plain;version=0.0.4", "prometheus"],
    ["application/openmetrics-text", "openmetrics"],
    ["application/openmetrics-text; version=1.0.0; q=0.5, text/plain;q=0.3", "openmetrics"],
    ["application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.3", "prometheus"],
    ["application/openmetrics-text;version=0.0.1", "prometheus"],
    ["application/openmetrics-text;q=0", "prometheus"],
    [
      "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.2",
      "openmetrics",
    ],
  ] as const)("who accepts %s gets %s", (accept, format) => {
    expect(formatFor(accept)).toBe(format);
  });

  test("has the same samples, counters that are declared without their end, and an end of its own", async () => {
    const records = recordsOf(await partsOf(servedOf(2)));
    const plain = (await metricText(records)).toString();
    const open = (await metricText(records, "openmetrics")).toString();
    const samplesOf = (text: string) =>
      text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(samplesOf(open)).toEqual(samplesOf(plain));
    expect(open).toContain("# TYPE tsbgp_slices counter\ntsbgp_slices_total 3\n");
    expect(open.endsWith("\n# EOF\n")).toBe(true);
    expect(open).not.toContain("\n\n");
  });
});
