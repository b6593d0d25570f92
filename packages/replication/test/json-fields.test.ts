/** JSON in records that is not what this version writes. */
import { newRecord } from "@ts-bgp/bfd";
import { expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { configAboutIn } from "../src/config-history.ts";
import { FormatError, Machine } from "../src/index.ts";
import {
  bfdNewsIn,
  digestIn,
  memberNewsIn,
  orderIn,
  questionIn,
  sourceEndIn,
} from "../src/json-fields.ts";

const KEY = { words: [0xc0000200, 0, 0, 0], bits: 24 };
const QUESTION = {
  ...{ direction: "import", family: 1, key: KEY, text: "192.0.2.0/24", neighbor: "192.0.2.1" },
};

const END = {
  ...{ version: 1, session: null, serial: 5, isWhole: true },
  ...{ refreshSeconds: 1, retrySeconds: 1, expireSeconds: 600 },
};

const RECORD = newRecord({ intervalMs: 50, multiplier: 3, isPassive: false }, 7, 1, 0);
const CHANGE = { from: "up", to: "down", reason: "no packet", isAdmin: false };
const NEWS = { record: RECORD, change: CHANGE };

const ABOUT = { by: "user 0", how: "reload", trySeconds: 60 };

const CONDITION = { count: "rejected", above: 5, isShare: false };

test("what this version writes is read", () => {
  const watched = { canary: ["192.0.2.1"], abortIf: [CONDITION] };
  const aborted = { ...ABOUT, how: "aborted", trySeconds: null, reason: "rejected > 5: 6 more" };
  for (const about of [ABOUT, { ...ABOUT, ...watched }, aborted, null]) {
    expect(configAboutIn(about)).toEqual(about);
  }
  for (const news of [NEWS, { record: null, change: null }]) expect(bfdNewsIn(news)).toBe(news);
  expect(sourceEndIn(END)).toBe(END);
  const digest = { neighbors: 2, "IPv4 routes": "1f" };
  expect(digestIn(digest)).toBe(digest);
  expect(questionIn(QUESTION)).toBe(QUESTION);
  for (const order of [
    { do: "refresh", direction: "in" },
    { do: "reset", text: null },
    { do: "disable", text: "for a while" },
    { do: "enable" },
  ]) {
    expect(orderIn(order)).toBe(order);
  }
});

test.each<[string, (json: unknown) => unknown, unknown]>([
  ["digest", digestIn, ["1f"]],
  ["digest", digestIn, { neighbors: null }],
  ["order", orderIn, null],
  ["order", orderIn, { do: "explode" }],
  ["order", orderIn, { do: "refresh", direction: "up" }],
  ["order", orderIn, { do: "reset", text: 1 }],
  ["question", questionIn, "why"],
  ["question", questionIn, { ...QUESTION, family: 3 }],
  ["question", questionIn, { ...QUESTION, key: { ...KEY, bits: 129 } }],
  ["question", questionIn, { ...QUESTION, key: { ...KEY, words: [1, 2] } }],
  ["end of payloads", sourceEndIn, null],
  ["end of payloads", sourceEndIn, { ...END, serial: -1 }],
  ["end of payloads", sourceEndIn, { ...END, session: "7" }],
  ["end of payloads", sourceEndIn, { ...END, isWhole: 1 }],
  ["reload", configAboutIn, "user 0"],
  ["reload", configAboutIn, { ...ABOUT, by: 0 }],
  ["reload", configAboutIn, { ...ABOUT, how: 0 }],
  ["reload", configAboutIn, { ...ABOUT, trySeconds: 0 }],
  ["reload", configAboutIn, { ...ABOUT, canary: "192.0.2.1" }],
  ["reload", configAboutIn, { ...ABOUT, canary: [1] }],
  ["reload", configAboutIn, { ...ABOUT, abortIf: "rejected > 5" }],
  ["reload", configAboutIn, { ...ABOUT, abortIf: [{ ...CONDITION, count: "luck" }] }],
  ["reload", configAboutIn, { ...ABOUT, reason: 5 }],
  ["news of a member", memberNewsIn, { what: "peers" }],
  ["news of a member", memberNewsIn, { what: "peer", peer: 1, address: 2, identifier: 3 }],
  ["news of a member", memberNewsIn, { what: "peer", peer: "1", address: "", identifier: 3 }],
  ["news of BFD", bfdNewsIn, null],
  ["news of BFD", bfdNewsIn, { record: null }],
  ["news of BFD", bfdNewsIn, { ...NEWS, change: { ...CHANGE, to: "sideways" } }],
  ["news of BFD", bfdNewsIn, { ...NEWS, record: { ...RECORD, state: "admin-down" } }],
  ["news of BFD", bfdNewsIn, { ...NEWS, record: { ...RECORD, ups: "7" } }],
  ["news of BFD", bfdNewsIn, { ...NEWS, record: { ...RECORD, remote: null } }],
])("a %s that is none is told as such: %#", (_, read, json) => {
  expect(() => read(json)).toThrow(FormatError);
});

test("a machine does nothing for an order that it does not know", () => {
  const machine = new Machine(
    configOf(yamlOf("neighbors: [{ address: 192.0.2.1, as: 65001, passive: true }]")),
    0,
  );
  const call = {
    record: "operate",
    address: "192.0.2.1",
    nowMs: 0,
    order: { do: "explode" },
  } as const;
  expect(() => machine.run(call)).toThrow("an operator's order that is not known");
  expect(machine.takeOutputs()).toEqual([]);
});
