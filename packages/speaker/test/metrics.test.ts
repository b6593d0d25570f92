/** The metrics of a speaker with many neighbors. */

import { loadConfig } from "@ts-bgp/config";
import { Router } from "@ts-bgp/router";
import { describe, expect, test } from "vitest";
import type { Served } from "../src/commands.ts";
import { createRegistry } from "../src/metrics.ts";
import { recentMaxMs } from "../src/recent-max.ts";
import { TurnedAway } from "../src/turned-away.ts";

const NEIGHBORS = 700;

function registryOf(count: number, description = "") {
  const neighbors = Array.from({ length: count }, (_, n) => ({
    address: `10.0.${n >> 8}.${n & 255}`,
    as: 65001,
    passive: true,
    description,
  }));
  const text = JSON.stringify({ router: { as: 64500, id: "192.0.2.1" }, neighbors });
  const { config } = loadConfig("x", text, { readFile: () => "", env: () => "" });
  const refuse = () => {
    throw new Error("not asked for");
  };
  const served: Served = {
    router: new Router(config!, 1),
    slices: { count: 3, totalMs: 1500, maxMs: 4 },
    operate: refuse,
    explain: refuse,
    congestionControlOf: () => null,
    turnedAway: new TurnedAway(() => {}),
  };
  const facts = { version: "1", lastReload: () => ({ ok: true, atMs: 0 }), lostLogLines: () => 0 };
  return createRegistry(() => served, facts);
}

const linesOf = async (registry: ReturnType<typeof registryOf>) =>
  (await registry.metrics()).split("\n");

test("each neighbor has a line of each metric, below what the metric is", async () => {
  const lines = await linesOf(registryOf(NEIGHBORS));
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
  const lines = await linesOf(registryOf(1, 'a "b"\n\\c'));
  expect(lines.filter((line) => line.startsWith("tsbgp_neighbor_info{"))).toEqual([
    'tsbgp_neighbor_info{neighbor="10.0.0.0",as="65001",state="Idle",description="a \\"b\\"\\n\\\\c"} 1',
  ]);
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
    const lines = await linesOf(registryOf(0));
    expect(lines).toContain("tsbgp_slice_max_seconds 0.004");
    expect(lines).toContain("tsbgp_slices_total 3");
    expect(lines).toContain("tsbgp_slice_seconds_total 1.5");
    expect(await linesOf(registryOf(0))).toContain("tsbgp_slice_max_seconds 0.004");
  });
});
