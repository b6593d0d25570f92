/** Conditions under which a configuration goes back: how they are written, and when they hold. */
import { describe, expect, test } from "vitest";
import { abortIfText, parseAbortIf } from "../src/abort-if.ts";

test.each([
  ["routes-lost > 1%", [{ count: "routes-lost", above: 1, isShare: true }]],
  [
    " rejected>10 ,sessions-lost > 0 ",
    [
      { count: "rejected", above: 10, isShare: false },
      { count: "sessions-lost", above: 0, isShare: false },
    ],
  ],
  ["routes-lost > 0.25 %", [{ count: "routes-lost", above: 0.25, isShare: true }]],
])("%j is read, and written the same", (text, conditions) => {
  expect(parseAbortIf(text)).toEqual(conditions);
  expect(parseAbortIf(abortIfText(parseAbortIf(text) as never))).toEqual(conditions);
});

const COUNTS = "routes-lost or rejected or sessions-lost is to be there";
describe("a mistake is told with its column", () => {
  test.each([
    ["", 1, `${COUNTS}, not the end`],
    ["routes > 1", 1, `${COUNTS}, not "routes"`],
    ["rejected", 9, '">" behind rejected is to be there, not the end'],
    ["rejected < 5", 10, '">" behind rejected is to be there, not "< 5"'],
    ["rejected > ", 12, "a number such as 10 or 0.5% is to be there, not the end"],
    ["rejected > -5", 12, 'a number such as 10 or 0.5% is to be there, not "-5"'],
    ["rejected > 1.5", 12, "1.5 is no whole number"],
    ["rejected > 100%", 12, "more than 100% there never is"],
    [
      "rejected > 5 or sessions-lost > 0",
      14,
      'a comma or the end is to be there, not "or sessions-lost > 0"',
    ],
    ["rejected > 5,", 14, `${COUNTS}, not the end`],
  ])("%j", (text, column, message) => {
    expect(parseAbortIf(text)).toEqual({ column, message });
  });
});
