import { describe, expect, test } from "vitest";
import type { Episode } from "../exchange/episode.ts";
import type { Faults } from "../exchange/exchange.ts";
import { HELP, parseArguments } from "./arguments.ts";
import { failureLines, tableOf } from "./report.ts";
import type { Measurement } from "./run.ts";
import { makeScenario, SCENARIO_NAMES } from "./scenarios.ts";
import { rowsOf } from "./takeover.ts";
import { takeoverProblems, takeoverSummary, takeoverTable } from "./takeover-report.ts";

describe("the command line of the benchmark", () => {
  test("has its defaults", () => {
    expect(parseArguments([])).toEqual({
      scenarios: ["s1", "s2", "s3", "s4", "s5"],
      takeover: null,
      swapClients: [100],
      daemons: null,
      runs: 3,
      timeoutSeconds: 180,
      nice: -15,
      json: false,
      nsr: false,
      bmp: false,
    });
  });

  test("compares without and with a station when asked", () => {
    const argv = ["--bmp", "--daemon", "ours+bmp"];
    expect(parseArguments(argv)).toMatchObject({ scenarios: ["s4"], daemons: ["ours+bmp"] });
    expect(() => parseArguments(["--bmp", "--nsr"])).toThrow("--bmp does not go with --nsr");
  });

  test("compares without and with a standby when asked", () => {
    expect(parseArguments(["--nsr"])).toMatchObject({
      scenarios: ["s1", "s2", "s3", "s4", "s5", "join"],
      nsr: true,
    });
    expect(parseArguments(["--nsr", "--daemon", "ours+standby"])).toMatchObject({
      daemons: ["ours+standby"],
    });
    expect(() => parseArguments(["--nsr", "--daemon", "bird2"])).toThrow("there are ours");
  });

  test("takes lists, in one piece or in several", () => {
    const argv = [
      "--scenario",
      "s1,s6",
      "--daemon",
      "ours",
      "--daemon",
      "bird2,frr",
      "--runs",
      "1",
    ];
    expect(parseArguments([...argv, "--nice=-1", "--json"])).toMatchObject({
      scenarios: ["s1", "s6"],
      daemons: ["ours", "bird2", "frr"],
      runs: 1,
      nice: -1,
      json: true,
    });
  });

  test.each([
    [["--scenario", "s7"], /--scenario s7: there are s1/],
    [["--daemon", "quagga"], /--daemon quagga: there are ours/],
    [["--runs", "0"], /--runs 0/],
    [["--timeout", "x"], /--timeout x/],
    [["--nonsense"], /nonsense/],
    [["s1"], /s1/],
    [["--clients", "10"], /--clients goes with --scenario takeover alone/],
    [["--scenario", "takeover", "--clients", "1"], /--clients 1: say a whole number from 2/],
    [["--scenario", "takeover", "--act", "sulk"], /--act sulk: there are kill/],
    [["--scenario", "takeover", "--clients", "2000", "--routes", "9000"], /18000000 routes/],
    [["--scenario", "takeover", "--other", "/nowhere"], /--other \/nowhere: there is no tree/],
    [["--other", "/nowhere"], /--other goes with --scenario takeover alone/],
  ])("is refused: %j", (argv, message) => {
    expect(() => parseArguments(argv)).toThrow(message);
  });

  test("measures takeovers with several numbers of clients", () => {
    expect(parseArguments(["--scenario", "takeover"])).toMatchObject({
      scenarios: [],
      takeover: { clients: [10, 100], routes: 572, acts: ["kill", "switchover", "bulk", "host"] },
    });
    const argv = [
      "--scenario",
      "s1,takeover",
      "--clients",
      "5,7",
      "--routes",
      "3",
      "--act",
      "bulk",
    ];
    expect(parseArguments([...argv, "--churn", "9"])).toMatchObject({
      scenarios: ["s1"],
      takeover: { clients: [5, 7], routes: 3, churn: 9, acts: ["bulk"] },
    });
  });

  test("measures a policy swap with several numbers of clients", () => {
    const argv = ["--scenario", "policy-swap", "--clients"];
    expect(parseArguments([...argv, "100,700"])).toMatchObject({
      scenarios: ["policy-swap"],
      takeover: null,
      swapClients: [100, 700],
    });
    expect(() => parseArguments([...argv, "701"])).toThrow(/--clients 701/);
    expect(() => parseArguments([...argv, "9", "--routes", "3"])).toThrow(/--routes goes with/);
  });

  test("asks for help", () => {
    expect(parseArguments(["--help"])).toBeNull();
    expect(HELP.split("\n").every((line) => line.length <= 100)).toBe(true);
  });
});

test.each(SCENARIO_NAMES)("the peers of %s have addresses and names of their own", (name) => {
  const { peers, phases } = makeScenario(name, "/data");
  expect(new Set(peers.map(({ address }) => address)).size).toBe(peers.length);
  expect(new Set(peers.map((peer) => peer.name)).size).toBe(peers.length);
  expect(new Set(peers.map(({ as }) => as)).size).toBe(peers.length);
  expect(peers.some(({ receives }) => receives)).toBe(true);
  expect(new Set(phases.map((phase) => phase.name)).size).toBe(phases.length);
});

test("a policy swap tells each client what others have, and the probe", () => {
  const { peers, phases } = makeScenario("policy-swap", "/data", 7);
  const clients = peers.filter(({ receives }) => receives);
  const wants = phases.map((phase) => clients.map((peer) => phase.wantOf?.(peer) ?? phase.want));
  // Those of the first, fourth and seventh are a third.
  const third = [2, 3, 3, 2, 3, 3, 2].map((count) => 572 * count + 1);
  const all = clients.map(() => 572 * 6 + 1);
  expect(wants).toEqual([clients.map(() => 572 * 6), third, all, all]);
});

describe("the table of takeovers", () => {
  const silence = { gapsMs: [90, 120], medianMs: 90, p99Ms: 110, maxMs: 120, turnMs: 3 };
  const faults: Faults = {
    ...{ closed: 0, fins: 0, resets: 0, opens: 0, notifications: 0 },
    ...{ expired: 0, malformed: 0, duplicates: 0 },
  };
  const episode: Episode = {
    ...{ act: "bulk", undisturbed: { ...silence, medianMs: 20, maxMs: 30 }, otherCores: 0.5 },
    ...{ silence, join: { ...silence, maxMs: 300 }, readyAgainSeconds: 3.07 },
    ...{ faults, joinFaults: faults, differences: 0, toldShare: 1 / 3 },
    ...{ problems: [], lastSwitchover: null, wasReady: true },
  };
  const about = { clients: 10, routes: 50, churn: 200 };
  const lost: Episode = {
    ...{ ...episode, faults: { ...faults, closed: 2, resets: 2, opens: 2 } },
    ...{ silence: { ...silence, maxMs: 5000 }, readyAgainSeconds: null },
    problems: ["2 sessions were closed"],
  };

  test("has a line for what was done, and one for the standby that joined", () => {
    const rows = rowsOf(about, episode);
    expect(`\n${takeoverTable(rows).join("\n")}\n`).toMatchInlineSnapshot(`
      "
      phase  clients x routes  silence ms  max  undisturbed ms  max  lost  FIN  RST  OPEN  NOTIF  differ  ready s  other cores

      bulk   10 x 50                   90  120              20   30     0    0    0     0      0       0      3.1         0.50
      join   10 x 50                   90  300              20   30     0    0    0     0      0       0      3.1         0.50
      "
    `);
    expect(takeoverProblems(rows)).toEqual([]);
    expect(takeoverSummary(rows[0]!)).toBe(
      "takeover bulk at 33 %, 10 x 50: silence 90 / 120 ms (undisturbed 20 / 30), " +
        "0 sessions lost, 0 routes differ",
    );
    expect(rowsOf(about, { ...episode, join: null })).toHaveLength(1);
  });

  test("hides no loss behind another run", () => {
    const rows = [episode, lost, episode].flatMap((one) => rowsOf(about, one));
    const [bulk = ""] = takeoverTable(rows).filter((line) => line.startsWith("bulk"));
    const cells = bulk.split(/ {2,}/);
    expect(cells.slice(2)).toEqual([
      "90",
      "5000",
      "20",
      "30",
      "2",
      "0",
      "2",
      "2",
      "0",
      "0",
      "never",
      "0.50",
    ]);
    expect(takeoverProblems(rows)).toEqual([
      "ours+standby takeover bulk, 10 clients: 2 sessions were closed",
    ]);
  });
});

describe("the table", () => {
  const one = (daemon: string, phase: string, seconds: number): Measurement => ({
    scenario: "s5",
    phase,
    daemon,
    seconds,
    cpuSeconds: 1,
    peakRssMb: 100,
    injectedSeconds: 0.1,
    pssMb: 90,
    messagesOut: 1,
    routesOut: 1,
    echoes: 0,
    foreignCpuSeconds: -0.01,
    ...(phase === "paced" ? { p50Ms: 0.1, p99Ms: 0.5, maxMs: 3 } : {}),
  });

  test("has medians, and ratios to BIRD 2", () => {
    const measurements = [
      one("ours", "load", 1),
      one("bird2", "load", 2),
      one("ours", "paced", 10),
      one("ours", "load", 5),
      one("ours", "load", 3),
      one("bird2", "load", 4),
    ];
    expect(`\n${tableOf(measurements).join("\n")}\n`).toMatchInlineSnapshot(`
      "
      phase     daemon  seconds        range  ratio  CPU s  peak MB  other s  p50 ms  p99 ms  max ms

      s5 load   ours       3.00    1.00-5.00   1.00   1.00      100     0.00
      s5 load   bird2      3.00    2.00-4.00   1.00   1.00      100     0.00

      s5 paced  ours      10.00  10.00-10.00          1.00      100     0.00    0.10    0.50    3.00
      "
    `);
  });

  test("has the standby's share where there is one, and ratios to the speaker alone", () => {
    const standby = { standbyCpuSeconds: 0.5, standbyPeakRssMb: 80, joinSeconds: 1.25 };
    const measurements = [
      one("ours", "join", 2),
      { ...one("ours+standby", "join", 2.2), cpuSeconds: 1.5, ...standby },
    ];
    const rows = tableOf(measurements, "ours").map((line) => line.trim().split(/ {2,}/));
    expect(rows[0]?.slice(-4)).toEqual(["CPU ratio", "standby CPU s", "standby MB", "join s"]);
    const [, , alone, both] = rows;
    expect(alone?.at(-1)).toBe("1.00");
    expect(both?.[4]).toBe("1.10");
    expect(both?.slice(-4)).toEqual(["1.50", "0.50", "80", "1.25"]);
  });

  test("names equal failures once", () => {
    const failure = { scenario: "s3", phase: "announce", daemon: "gobgp", error: "too slow" };
    const other = { ...failure, phase: null, error: "the daemon has ended" };
    expect(failureLines([failure, other, failure])).toEqual([
      "gobgp s3 announce: too slow (2 runs)",
      "gobgp s3: the daemon has ended",
    ]);
  });
});
