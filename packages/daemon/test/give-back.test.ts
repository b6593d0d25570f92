import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const MODULE = join(import.meta.dirname, "../src/give-back.ts");
/** Objects that take some hundred megabytes and are of no use afterwards. */
const PROGRAM = `
const { giveBack } = await import(${JSON.stringify(MODULE)});
const total = () => process.memoryUsage().heapTotal;
const before = total();
giveBack();
const idle = total();
let all = Array.from({ length: 1e6 }, (_, k) => ({ k, text: "item " + k }));
const large = total();
all = all.length;
giveBack();
console.log(JSON.stringify({ before, idle, large, after: total(), all, left: typeof gc }));
`;

test("a large heap is as small as before, and a small one is let be", () => {
  const program = ["--input-type=module", "-e", PROGRAM];
  const { before, idle, large, after, left } = JSON.parse(
    execFileSync(process.execPath, program, { encoding: "utf8" }),
  );
  expect(Math.abs(idle - before)).toBeLessThan(8 << 20);
  expect(large - before).toBeGreaterThan(64 << 20);
  expect(after - before).toBeLessThan(16 << 20);
  expect(left).toBe("undefined");
});
