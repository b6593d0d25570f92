import { describe, expect, test } from "vitest";
import { HELP, parseArguments, UsageError } from "./arguments.ts";
import { type Findings, finalLine, gateLines, judge, LIMITS, slopeOf } from "./gates.ts";

describe("the command line of the soak", () => {
  test("has its defaults", () => {
    expect(parseArguments([], 123)).toEqual({
      ...{ hours: 1, everySeconds: 180, clients: 50, routes: 200, churn: 200 },
      ...{ limits: LIMITS, seed: 123, nice: -10, json: false },
    });
  });

  test.each([
    [["--hours", "0.1"], { hours: 0.1, everySeconds: 60 }],
    [["--hours", "72", "--every", "600"], { hours: 72, everySeconds: 600 }],
    [["--silence-p99", "300"], { limits: { ...LIMITS, silenceP99Ms: 300 } }],
    [["--memory-slope", "2.5"], { limits: { ...LIMITS, memoryMbPerHour: 2.5 } }],
  ])("%j is understood", (argv, expected) => {
    expect(parseArguments(argv, 1)).toMatchObject(expected);
  });

  test.each([
    [["--hours", "0"], /--hours 0: say a number from 0.01/],
    [["--hours", "long"], /--hours long/],
    [["--clients", "1.5"], /--clients 1.5/],
    [["--every", "2.5"], /--every 2.5: say a whole number/],
    [["more"], /more/],
  ])("%j is refused", (argv, message) => {
    expect(() => parseArguments(argv, 1)).toThrow(UsageError);
    expect(() => parseArguments(argv, 1)).toThrow(message);
  });

  test("says the gates in its help", () => {
    expect(parseArguments(["--help"], 1)).toBeNull();
    for (const line of gateLines(LIMITS)) expect(HELP).toContain(line);
    expect(HELP.split("\n").every((line) => line.length <= 100)).toBe(true);
  });
});

describe("the gates", () => {
  const memory = (mbPerHour: number, hours: number) =>
    Array.from({ length: 101 }, (_, i) => {
      const atHours = (hours * i) / 100;
      return { atHours, mb: 100 + mbPerHour * atHours };
    });
  const good: Findings = {
    ...{ hours: 10, kills: 3, switchovers: 2, sessionsLost: 0, messageFaults: 0 },
    ...{ routeDifferences: 0, digestDifferences: 0, notCompared: 0, notReady: 0 },
    ...{ gapsMs: [90, 100, 110], memory: memory(1.5, 10), stopped: null },
  };
  const failedOf = (findings: Findings) =>
    judge(findings, LIMITS)
      .filter(({ isPassed }) => !isPassed)
      .map(({ name }) => name);

  test("are passed where nothing happened, in one line with the figures", () => {
    expect(failedOf(good)).toEqual([]);
    expect(finalLine(good, LIMITS)).toBe(
      "10.00 h, 3 kills, 2 switchovers · sessions lost 0 · routes that differ 0 · " +
        "digests that differ 0 · digests not compared 0 · messages that are wrong 0 · not ready 0 · " +
        "silence median 100 p99 110 max 110 ms · memory +1.5 MB/h, 115 MB at the end · passed",
    );
  });

  test.each<[Partial<Findings>, string]>([
    [{ sessionsLost: 1 }, "sessions lost"],
    [{ routeDifferences: 1 }, "routes that differ"],
    [{ digestDifferences: 1 }, "digests that differ"],
    [{ notCompared: 1 }, "digests not compared"],
    [{ messageFaults: 1 }, "messages that are wrong"],
    [{ notReady: 1 }, "not ready"],
    [{ gapsMs: [90, 1001] }, "silence"],
    [{ gapsMs: [] }, "silence"],
    [{ memory: memory(21, 10) }, "memory"],
    [{ memory: [] }, "memory"],
    [{ stopped: "no side is active" }, "end"],
  ])("fail for %j", (found, name) => {
    expect(failedOf({ ...good, ...found })).toEqual([name]);
    expect(finalLine({ ...good, ...found }, LIMITS)).toMatch(new RegExp(`FAILED: ${name}$`));
  });

  test("take little memory for noise, however steep, and leave out the beginning", () => {
    expect(failedOf({ ...good, hours: 0.1, memory: memory(500, 0.1) })).toEqual([]);
    expect(failedOf({ ...good, hours: 1, memory: memory(500, 1) })).toEqual(["memory"]);
    const warmed = memory(0, 10).map((one) => (one.atHours < 2 ? { ...one, mb: 1 } : one));
    expect(failedOf({ ...good, memory: warmed })).toEqual([]);
  });

  test("know a slope", () => {
    expect(slopeOf(memory(-3, 2))).toBeCloseTo(-3);
  });
});
