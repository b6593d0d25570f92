/** What Prometheus is told of nonstop routing. */
import type { Router } from "@ts-bgp/router";
import { describe, expect, test } from "vitest";
import { type ShownNsr, showNsr } from "../../nsr/src/show-nsr.ts";
import type { Switchover } from "../../nsr/src/switchover.ts";
import { metricText } from "../src/metric-text.ts";
import { nsrMetrics, SwitchoverTotals } from "../src/nsr-metrics.ts";
import { SHOWN, SWITCHOVER } from "./support/shown-nsr.ts";

const NEIGHBORS = [
  { config: { address: "192.0.2.1", as: 64501 } },
  { config: { address: "2001:db8::1", as: 64502 } },
];
const ROUTER = {
  neighbors: new Map(NEIGHBORS.map((one) => [one.config.address, one])),
} as unknown as Router;

/** @returns lines with values, without the explanations */
async function samplesOf(shown: ShownNsr, totals = new SwitchoverTotals()): Promise<string[]> {
  return (await linesOf(shown, totals)).filter((line) => !line.startsWith("#"));
}

async function linesOf(shown: ShownNsr, totals = new SwitchoverTotals()): Promise<string[]> {
  return (await metricText(nsrMetrics(shown, totals, ROUTER))).toString().trimEnd().split("\n");
}

test("a side of a pair that has not switched over", async () => {
  expect(await samplesOf(SHOWN)).toEqual([
    'tsbgp_nsr_info{cluster="rs1",side="a",mode="shared"} 1',
    'tsbgp_nsr_role{role="active"} 1',
    'tsbgp_nsr_role{role="standby"} 0',
    'tsbgp_nsr_role{role="starting"} 0',
    'tsbgp_nsr_role{role="simplex"} 0',
    'tsbgp_nsr_gate{kind="none"} 0',
    'tsbgp_nsr_gate{kind="nft"} 1',
    'tsbgp_nsr_gate{kind="iptables"} 0',
    "tsbgp_nsr_ready 1",
    "tsbgp_nsr_epoch 4",
    "tsbgp_nsr_link_up 1",
    "tsbgp_nsr_ways_down 1",
    'tsbgp_nsr_arbiter_up{kind="none"} 1',
    "tsbgp_nsr_holds_back 0",
    'tsbgp_nsr_standby_ready{standby="b"} 1',
    'tsbgp_nsr_standby_ready{standby="c"} 0',
    'tsbgp_nsr_standby_behind_octets{standby="b"} 1234',
    'tsbgp_nsr_standby_behind_octets{standby="c"} 0',
    'tsbgp_nsr_standby_ends{standby="b"} 2',
    'tsbgp_nsr_standby_ends{standby="c"} 0',
    "tsbgp_nsr_behind_brackets 3",
    "tsbgp_nsr_behind_octets 1234",
    "tsbgp_nsr_unapplied_brackets 7",
    "tsbgp_nsr_digest_timestamp_seconds 1800000000.25",
    "tsbgp_nsr_digest_differences_total 2",
    "tsbgp_nsr_deviating_brackets_total 12",
    "tsbgp_nsr_sessions_doomed 1",
    'tsbgp_nsr_gate_packets_total{result="held"} 5',
    'tsbgp_nsr_gate_packets_total{result="passed"} 900',
    'tsbgp_nsr_gate_packets_total{result="guarded"} 1',
    'tsbgp_nsr_gate_packets_total{result="overflowed"} 0',
    'tsbgp_nsr_gate_packets_total{result="overruns"} 0',
    'tsbgp_nsr_gate_packets_total{result="unparsed"} 0',
    'tsbgp_nsr_gate_packets_total{result="fenced"} 0',
    'tsbgp_nsr_link_refused_total{reason="user"} 2',
    'tsbgp_nsr_link_refused_total{reason="handshake"} 0',
    'tsbgp_nsr_link_refused_total{reason="certificate"} 0',
    'tsbgp_nsr_link_refused_total{reason="hello"} 0',
    'tsbgp_nsr_link_refused_total{reason="slow"} 7',
    'tsbgp_nsr_link_refused_total{reason="crowded"} 0',
    "tsbgp_nsr_skipped_records 0",
    "tsbgp_nsr_log_octets 4096",
    "tsbgp_nsr_log_failed 1",
    "tsbgp_nsr_sessions 2",
    "tsbgp_nsr_sessions_protected 1",
    'tsbgp_neighbor_nsr_protected{neighbor="192.0.2.1",as="64501"} 1',
    'tsbgp_neighbor_nsr_protected{neighbor="2001:db8::1",as="64502"} 0',
    'tsbgp_nsr_switchovers_total{kind="planned"} 0',
    'tsbgp_nsr_switchovers_total{kind="failure"} 0',
    "tsbgp_nsr_sessions_lost_total 0",
  ]);
});

test("the last switchover, by phase and with what became of the sessions", async () => {
  expect((await samplesOf({ ...SHOWN, last_switchover: SWITCHOVER })).slice(47)).toEqual([
    'tsbgp_nsr_switchovers_total{kind="planned"} 0',
    'tsbgp_nsr_switchovers_total{kind="failure"} 1',
    "tsbgp_nsr_sessions_lost_total 1",
    "tsbgp_nsr_last_switchover_timestamp_seconds 1800000000.5",
    'tsbgp_nsr_last_switchover_seconds{phase="fence"} 0.0005',
    'tsbgp_nsr_last_switchover_seconds{phase="replay"} 0.001',
    'tsbgp_nsr_last_switchover_seconds{phase="addresses"} 0',
    'tsbgp_nsr_last_switchover_seconds{phase="restore"} 0.007',
    'tsbgp_nsr_last_switchover_seconds{phase="total"} 0.0085',
    "tsbgp_nsr_last_switchover_silence_seconds 0.0095",
    'tsbgp_nsr_last_switchover_sessions{result="resumed"} 2',
    'tsbgp_nsr_last_switchover_sessions{result="lost"} 1',
  ]);
});

test("each switchover is counted once, however often it is looked at", () => {
  const totals = new SwitchoverTotals();
  const planned: Switchover = { ...SWITCHOVER, planned: true, lost: [] };
  for (const last of [null, SWITCHOVER, SWITCHOVER, planned, planned, { ...SWITCHOVER }]) {
    totals.note(last);
  }
  const { planned: handed, failure, lostSessions } = totals;
  expect({ handed, failure, lostSessions }).toEqual({ handed: 1, failure: 2, lostSessions: 2 });
});

test("every metric says first what it is, once", async () => {
  const lines = await linesOf({ ...SHOWN, last_switchover: SWITCHOVER });
  const told = new Set<string>();
  for (const [k, line] of lines.entries()) {
    const [, what, name = ""] = line.split(" ");
    if (!line.startsWith("#")) expect(told, line).toContain(line.split(/[{ ]/)[0]);
    else if (what === "TYPE") told.add(name);
    else expect(lines[k + 1]).toMatch(new RegExp(`^# TYPE ${name} (gauge|counter)$`));
  }
  expect(told.size).toBe(33);
});

describe("odd states", () => {
  test("without a section nsr there is nothing", () => {
    expect(nsrMetrics(showNsr(null, null), new SwitchoverTotals(), ROUTER)).toEqual([]);
  });

  test("a name with a quote, a backslash and a line end is escaped", async () => {
    expect(await samplesOf({ ...SHOWN, side: 'b"\\\n' })).toContain(
      'tsbgp_nsr_info{cluster="rs1",side="b\\"\\\\\\n",mode="shared"} 1',
    );
  });

  test("series stay the same, whatever the role, the gate and the link are", async () => {
    const other: ShownNsr = {
      ...SHOWN,
      role: "standby",
      gate: { ...SHOWN.gate, kind: "none" },
      peer: { ...SHOWN.peer, side: "", link: "down" },
    };
    const seriesOf = async (shown: ShownNsr) =>
      (await samplesOf(shown)).map((line) => line.slice(0, line.lastIndexOf(" ")));
    expect(await seriesOf(other)).toEqual(await seriesOf(SHOWN));
    expect(await samplesOf(other)).toContain("tsbgp_nsr_link_up 0");
  });
});
