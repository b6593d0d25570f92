/** Work that is put off where there was much of it. */
import { expect, test } from "vitest";
import { WorkShare } from "../src/work-share.ts";

test("follows at once after a pause, and takes a tenth of the time in the long run", () => {
  let nowMs = 0;
  let usedMs = 0;
  const share = new WorkShare(
    () => nowMs,
    () => usedMs,
  );
  /** Each takes 200 ms of the processor, and 400 of time, as the kernel has other work. */
  const workMs: number[] = [];
  for (; nowMs < 1_000_000; nowMs += 100) {
    if (!share.mayWork) continue;
    workMs.push(nowMs);
    share.do(() => {
      usedMs += 200;
      nowMs += 400;
    });
  }
  expect(workMs.slice(0, 3)).toEqual([0, 500, 1000]);
  expect(usedMs / nowMs).toBeGreaterThan(0.09);
  expect(usedMs / nowMs).toBeLessThan(0.105);
});
