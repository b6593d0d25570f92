import { describe, expect, test } from "vitest";
import { HELP, parseArguments } from "./arguments.ts";
import { failureLines, tableOf } from "./report.ts";
import type { Measurement } from "./run.ts";
import { makeScenario, SCENARIO_NAMES } from "./scenarios.ts";

describe("the command line of the benchmark", () => {
  test("has its defaults", () => {
    expect(parseArguments([])).toEqual({
      scenarios: ["s1", "s2", "s3", "s4", "s5"],
      daemons: null,
      runs: 3,
      timeoutSeconds: 180,
      nice: -15,
      json: false,
      nsr: false,
    });
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
  ])("is refused: %j", (argv, message) => {
    expect(() => parseArguments(argv)).toThrow(message);
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
