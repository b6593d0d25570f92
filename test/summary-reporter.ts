/**
 * The last lines of a test run: what passed at a second attempt alone, what was skipped and why, then
 * `N passed, N failed`.
 *
 * With TSBGP_NO_SKIP set, a skipped test under one of its folders (separated by spaces) fails the
 * run: where everything is installed, nothing may be left out.
 */
import type { Reporter, TestCase, TestModule } from "vitest/node";

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: string) => tests.filter((test) => test.result().state === state);
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const skipped = inState("skipped");
    for (const test of tests.filter((test) => test.diagnostic()?.flaky === true)) {
      console.log(`passed at a second attempt: ${test.module.relativeModuleId}: ${test.fullName}`);
    }
    for (const [suite, count] of countBySuite(skipped)) {
      console.log(`skipped: ${suite} (${count} test${count === 1 ? "" : "s"})`);
    }
    const folders = (process.env["TSBGP_NO_SKIP"] ?? "").split(" ").filter((name) => name !== "");
    const forbidden = skipped.filter(({ module }) =>
      folders.some((folder) => module.relativeModuleId.startsWith(folder)),
    );
    if (forbidden.length > 0) {
      console.log(`${forbidden.length} tests were skipped that must run here`);
      process.exitCode = 1;
    }
    console.log(`${inState("passed").length} passed, ${inState("failed").length + broken} failed`);
  }
}

/** Skipped tests by the suite whose title has the reason, or by themselves. */
function countBySuite(tests: readonly TestCase[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const test of tests) {
    const suite = test.parent.type === "suite" ? test.parent.fullName : test.fullName;
    const key = `${test.module.relativeModuleId}: ${suite}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
