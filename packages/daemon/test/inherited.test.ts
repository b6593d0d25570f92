/** What a file would undo of the configuration that a side has from the other one. */
import { type Config, loadConfig } from "@ts-bgp/config";
import { describe, expect, test } from "vitest";
import { differences, named, undoneBy } from "../src/inherited.ts";

type Section = Readonly<Record<string, unknown>>;

const one = { address: "127.1.0.1", as: 65001, import: "clients" };
const two = { address: "127.1.0.2", as: 65002 };
const nine = { address: "127.1.0.9", as: 65009 };

function config(neighbors: readonly Section[], more: Section = {}): Config {
  const router = { as: 64500, id: "192.0.2.1" };
  const policies = { clients: { default: "accept", rules: [] } };
  const text = JSON.stringify({ router, policies, neighbors, ...more });
  return loadConfig("test.yaml", text, { readFile: () => "", env: () => undefined }).config!;
}

/** In force has another hold time, another policy, no second neighbor, and a ninth. */
const FILE = config([one, two]);
const IN_FORCE_NEIGHBORS = [{ ...one, "hold-time": 30 }, nine];
const POLICIES = { clients: { default: "reject", rules: [] } };
const IN_FORCE = config(IN_FORCE_NEIGHBORS, { policies: POLICIES });
const ALL = [
  "policy clients",
  "neighbor 127.1.0.9",
  "neighbor 127.1.0.2",
  "hold-time of neighbor 127.1.0.1",
];

test("differences are named, without the sections that each side has of its own", () => {
  expect(differences(FILE, IN_FORCE)).toEqual(ALL);
  expect(differences(FILE, FILE)).toEqual([]);
  const router = { as: 64500, id: "192.0.2.2" };
  expect(differences(FILE, config([one, two], { router, listen: [] }))).toEqual([
    "section router",
    "section listen",
  ]);
  const own = { control: { socket: "/tmp/a.sock" }, http: { port: 1 }, log: { level: "debug" } };
  const nsr = { cluster: "rs1", listen: "/tmp/nsr.sock", peer: "/tmp/nsr.sock" };
  expect(differences(FILE, config([one, two], { ...own, nsr }))).toEqual([]);
});

describe("a file undoes, as long as it says what it said at the takeover,", () => {
  test.each<[string, Config, readonly string[]]>([
    ["everything: it is the same", FILE, ALL],
    ["everything: its own sections differ", config([one, two], { log: { level: "debug" } }), ALL],
    ["everything: a neighbor is new", config([one, two, { ...nine, address: "127.1.0.8" }]), ALL],
    ["nothing: it says what is in force", IN_FORCE, []],
    [
      "nothing: it is up to date, and a neighbor is new",
      config([...IN_FORCE_NEIGHBORS, { ...nine, address: "127.1.0.8" }], { policies: POLICIES }),
      [],
    ],
    [
      "what is left: the others are up to date",
      config([{ ...one, "hold-time": 30 }, nine, two]),
      ["policy clients", "neighbor 127.1.0.2"],
    ],
    [
      "nothing: the hold time is another one by now",
      config([{ ...one, "hold-time": 60 }, nine], { policies: POLICIES }),
      [],
    ],
    [
      "what is left: another option of the neighbor is new",
      config([{ ...one, "connect-retry": 5 }, nine], { policies: POLICIES }),
      ["hold-time of neighbor 127.1.0.1"],
    ],
  ])("%s", (_, next, undone) => {
    expect(undoneBy(next, IN_FORCE, { from: "a", file: FILE })).toEqual(undone);
  });
});

test("a message names the first differences, and how many others there are", () => {
  const names = (count: number) => Array.from({ length: count }, (_, k) => `n${k + 1}`);
  expect(named(names(2))).toBe("n1, n2");
  expect(named(names(10))).toBe("n1, n2, n3, n4, n5, n6, n7, n8, n9, n10");
  expect(named(names(12))).toBe("n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, and 2 more");
});
