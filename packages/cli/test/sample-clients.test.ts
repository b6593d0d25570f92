/** What counts as a disturbance of the sample clients. */
import { describe, expect, test } from "vitest";
import { withoutOwnSections } from "../src/demo-files.ts";
import { disturbance, type View, viewLines } from "../src/sample-clients.ts";

const VIEW: View = {
  address: "127.0.0.11",
  as: 64501,
  sinceMs: 1_800_000_000_000,
  messages: 6,
  opens: 1,
  notifications: 0,
  routes: new Map([
    ["22.1.0.0/16", "[]"],
    ["33.1.0.0/16", "[1]"],
  ]),
};

describe("a client that looks twice", () => {
  test.each<[string, Partial<View>, string[]]>([
    ["is undisturbed by messages", { messages: 200 }, []],
    ["misses a session", { sinceMs: null }, ["127.0.0.11 has no session any more"]],
    ["notes another session", { sinceMs: 1 }, ["127.0.0.11 has another session"]],
    ["notes an OPEN", { opens: 2 }, ["127.0.0.11 saw an OPEN"]],
    ["notes a NOTIFICATION", { notifications: 1 }, ["127.0.0.11 saw a NOTIFICATION"]],
    [
      "notes a route lost, and one that is not what it was",
      { routes: new Map([["22.1.0.0/16", "[2]"]]) },
      ["127.0.0.11 has another route to 22.1.0.0/16", "127.0.0.11 lost 33.1.0.0/16"],
    ],
    [
      "notes a route that it had not",
      { routes: new Map([...VIEW.routes, ["44.1.0.0/16", "[]"]]) },
      ["127.0.0.11 has 44.1.0.0/16, which it had not"],
    ],
  ])("%s", (_title, change, found) => {
    expect(disturbance(VIEW, { ...VIEW, ...change })).toEqual(found);
  });
});

test("views of a client stand together, a session that is down is said", () => {
  const looks = [
    { when: "before", atMs: VIEW.sinceMs! + 61_000, views: [VIEW] },
    { when: "after", atMs: VIEW.sinceMs! + 62_000, views: [{ ...VIEW, sinceMs: null }] },
  ];
  const [title, before, after] = viewLines(looks).map((line) => line.split(/ {2,}/));
  expect(title!.slice(0, 2)).toEqual(["Client", "AS"]);
  expect(before).toEqual(expect.arrayContaining(["before", "00:01:01", "2"]));
  expect(after).toEqual(expect.arrayContaining(["after", "DOWN"]));
});

test("sections that each side has of its own are taken out, and lines stay where they are", () => {
  const text = [
    "router: { as: 1 }",
    "control: { socket: /x }  # here",
    "nsr:",
    "  cluster: c",
    "",
    "  # why",
    "  mode: shared",
    "neighbors:",
    "  - { address: 192.0.2.1 }",
    "http : { port: 1 }",
    "httpd: kept",
  ];
  const kept = new Set([0, 7, 8, 10]);
  const expected = text.map((line, k) => (kept.has(k) ? line : ""));
  expect(withoutOwnSections(text.join("\n"))).toBe(expected.join("\n"));
});
