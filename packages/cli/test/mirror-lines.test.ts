/** What `show mirrors` says to people. */
import type { ShownFollowing } from "@ts-bgp/nsr";
import { expect, test } from "vitest";
import { mirrorLines } from "../src/mirror.ts";

const FOLLOWING: ShownFollowing = {
  ...{
    cluster: "m",
    side: "a",
    path: ["a", "m1"],
    over: "192.0.2.1 port 1793",
    state: "following",
    since_ms: 0,
  },
  ...{ age_ms: 400, reason: "", behind: { brackets: 1, octets: 2000 }, states: 1 },
};
const SERVING = { cluster: "m", listen: "192.0.2.1 port 1793", problem: "" };
const MIRROR = {
  ...{ name: "m1", from: "192.0.2.9", since_ms: 0, joining: false },
  ...{ behind_brackets: 0, behind_octets: 0 },
};

test("a mirror says what it follows, and what of it is not applied", () => {
  const lines = mirrorLines({ serving: null, following: FOLLOWING }, 60_000);
  expect(lines[0]).toBe("this mirror of m follows a");
  const text = lines.join("\n");
  expect(text).toMatch(/^Waiting to be applied:? +1 bracket, /m);
  expect(text).toMatch(/^Way:? +a > m1$/m);
  expect(text).toMatch(/^Full copies received:? +1$/m);
  const behind = { brackets: 2, octets: 0 };
  const more = mirrorLines({ serving: null, following: { ...FOLLOWING, behind } }, 60_000);
  expect(more.join("\n")).toMatch(/^Waiting to be applied:? +2 brackets, /m);
});

test("a mirror that others follow says so as well, and one that follows it what is wrong there", () => {
  const serving = { ...SERVING, mirrors: [MIRROR] };
  const lines = mirrorLines({ serving, following: FOLLOWING }, 60_000);
  expect(lines[0]).toBe("this mirror of m follows a");
  expect(lines).toContain("1 mirror of m follows, over 192.0.2.1 port 1793");
  const path = ["a", "m1", "m2"];
  const below = { ...FOLLOWING, side: "m1", path, reason: "no way to a server" };
  expect(mirrorLines({ serving: null, following: below }, 60_000)[0]).toBe(
    "this mirror of m follows m1, WHICH FOLLOWS NOBODY: no way to a server",
  );
});

test.each([
  [0, "0 mirrors of m follow, over 192.0.2.1 port 1793"],
  [1, "1 mirror of m follows, over 192.0.2.1 port 1793"],
  [2, "2 mirrors of m follow, over 192.0.2.1 port 1793"],
])("a server of %i says who follows", (count, line) => {
  const mirrors = Array.from({ length: count }, () => MIRROR);
  expect(mirrorLines({ serving: { ...SERVING, mirrors }, following: null }, 0)[0]).toBe(line);
});

test("a speaker that nobody can follow says why", () => {
  expect(mirrorLines({ serving: null, following: null }, 0)).toEqual([
    "nobody can follow this speaker: it has no section mirrors, or is not the active side",
  ]);
});

test("a mirror of an older version that does not say its way is shown as well", () => {
  const { path: _, ...older } = FOLLOWING;
  const following = older as ShownFollowing;
  expect(mirrorLines({ serving: null, following }, 60_000)).toContainEqual(
    expect.stringMatching(/^Way:? +none$/),
  );
});
