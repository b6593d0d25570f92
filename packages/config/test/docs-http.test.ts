/** Examples of docs/http.md. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";

const TEXT = readFileSync(join(import.meta.dirname, "../../../docs/http.md"), "utf8");
const EXAMPLES = [...TEXT.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, example = ""]) => example);

test.each(EXAMPLES)("%s", (example) => {
  const { mistakes } = loadConfig("x.yaml", `router: { as: 64500, id: 192.0.2.1 }\n${example}`, {
    readFile: (path) => `${path}-0123456789abcdef\n`,
    env: () => undefined,
  });
  expect(formatMistakes(mistakes)).toEqual([]);
});

test("there are two", () => {
  expect(EXAMPLES).toHaveLength(2);
});
