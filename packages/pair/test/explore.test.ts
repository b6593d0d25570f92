/** The explorer finds nothing in the machines as they are, and a guard that is broken. */
import { expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { expectFound, explore, SABOTAGES } from "./explore/run.ts";

test("nothing is found in the machines as they are", async () => {
  const [text, code] = await explore(["--states", String(runs(100_000))]);
  expect(text).toMatch(/^states \d+.* · depth \d+ · .* s\nno violation\n$/);
  expect(code).toBe(0);
});

const { title, ...sabotage } = SABOTAGES[1]!;
test(`it is found that ${title}`, () => expectFound({ title, ...sabotage }));

test.each([
  [["--states", "many"], "--states many: not a number"],
  [["--depth", "3"], "Unknown option '--depth'"],
])("%s is no order", async (options, why) => {
  const [text, code] = await explore(options);
  expect(text).toContain(why);
  expect(text).toContain("Usage: npm run explore");
  expect(code).toBe(2);
});
