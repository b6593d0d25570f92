/** The section of the record: what is filled in, and what is said of mistakes. */
import { expect, test } from "vitest";
import { formatMistakes, loadConfig } from "../src/index.ts";

function load(record: string) {
  const text = `router: { as: 64500, id: 192.0.2.1 }\nrecord: ${record}\n`;
  const { config, mistakes } = loadConfig("x.yaml", text, {
    readFile: () => "",
    env: () => undefined,
    folderProblem: (path) => (path.startsWith("/tmp/") ? "others can write there" : ""),
  });
  return { record: config?.record, mistakes: formatMistakes(mistakes) };
}

test.each([
  ["{ dir: /var/r }", 86_400_000, 10 * 2 ** 30, 3_600_000],
  ["{ dir: /var/r/, keep: 90m, size: 16MiB, every: 60s }", 5_400_000, 2 ** 24, 60_000],
  ["{ dir: /var/r, keep: 30d, size: 2TiB, every: 1d }", 2_592_000_000, 2 * 2 ** 40, 86_400_000],
])("%s", (text, keepMs, octetsMax, everyMs) => {
  expect(load(text)).toEqual({
    record: { directory: "/var/r", keepMs, octetsMax, everyMs },
    mistakes: [],
  });
});

test.each([
  ["{ dir: record }", '2:16: "dir" must be a path from the root, not "record"'],
  ["{ dir: /tmp/record }", "2:16: others can write there"],
  ["{ keep: 1h }", '2:9: "dir" is missing'],
  ["{ dir: /r, keep: 24 }", '2:26: "keep" must be a time such as 24h (m, h or d), not 24'],
  ["{ dir: /r, keep: 0h }", '2:26: "keep" must be a time such as 24h'],
  ["{ dir: /r, size: 10GB }", '2:26: "size" must be a size such as 10GiB'],
  ["{ dir: /r, size: 15MiB }", '2:26: "size" must be a size such as 10GiB'],
  [
    "{ dir: /r, every: 59s }",
    '2:27: "every" must be a time such as 1h (s, m, h or d), 60s at least',
  ],
  ["{ dir: /r, every: 2d }", '2:27: what is kept is whole files: "every" (2d) is at most "keep"'],
  [
    "{ dir: /r, keep: 5m }",
    '2:26: what is kept is whole files: "every" (1h) is at most "keep" (5m)',
  ],
])("%s: %s", (text, why) => {
  expect(load(text).mistakes).toEqual([expect.stringContaining(why)]);
});
