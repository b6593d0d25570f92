import { expect, test } from "vitest";
import { labAvailable } from "../test/lab/install.ts";
import { parseArguments } from "./arguments.ts";
import { soak } from "./run.ts";

const REASON = labAvailable();

test.skipIf(REASON !== null)(`a minute of a soak${REASON ? ` (${REASON})` : ""}`, async () => {
  const argv = ["--hours", "0.01", "--every", "12", "--clients", "10", "--routes", "20"];
  const acts: string[] = [];
  const findings = await soak(parseArguments(argv, 1)!, ({ act }) => acts.push(act));
  expect(findings).toMatchObject({
    ...{ sessionsLost: 0, routeDifferences: 0, digestDifferences: 0, messageFaults: 0 },
    ...{ notReady: 0, stopped: null },
  });
  expect(acts.slice(0, 2)).toEqual(["kill", "switchover"]);
  expect(findings.gapsMs.length).toBeGreaterThanOrEqual(30);
  expect(findings.memory.length).toBeGreaterThan(1);
});
