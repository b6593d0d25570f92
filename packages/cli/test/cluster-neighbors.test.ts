/** Which neighbors `show neighbors --cluster` shows, of what members say. */
import type { OfMember, SilentMember } from "@ts-bgp/daemon";
import type { ShownNeighbor } from "@ts-bgp/views";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { neighborsOfAll } from "../src/cluster-wide.ts";
import { askInstead } from "../src/control-client.ts";

/** @param speaker - null: its session is with that member */
function said(member: string, address: string, speaker: string | null): OfMember<unknown> {
  return { member, item: { address, speaker } };
}

const LOST: SilentMember = { member: "b", problem: "the link to it is cut", away_since_ms: null };
const ALL_OF_A = [said("a", ".1", null), said("a", ".2", "b"), said("a", ".3", "b")];
const COLUMNS = [{ title: "Neighbor", text: ({ address }: ShownNeighbor) => address }];

let lines: string[];
beforeEach(() => {
  lines = [];
  const write = (text: unknown) => {
    lines.push(String(text).trim().replace(/ +/g, " "));
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(write);
  vi.spyOn(process.stderr, "write").mockImplementation(write);
});
afterEach(() => vi.restoreAllMocks());

test.each([
  ["as their members have them", [said("b", ".2", null), said("b", ".3", null)], 0],
  ["as this one knows it, where another has not been reloaded", [said("b", ".2", null)], 0],
  ["once each, where one is lost between two pages", [said("b", ".2", null), LOST], 1],
  ["as this one knows them, where one does not answer", [LOST], 1],
])("neighbors are shown %s", async (_, others, code) => {
  askInstead(async (_request, item) => {
    for (const each of [...ALL_OF_A, said("b", ".1", "a"), ...others]) item(each);
    return {};
  });
  expect(await neighborsOfAll({ options: {}, words: [] }, COLUMNS)).toBe(code);
  const shown = lines
    .join("\n")
    .split("\n")
    .filter((line) => /^[ab] \./.test(line.trim()));
  const places = shown.map((line) => line.trim().replace(/ +/g, " "));
  expect(places.sort()).toEqual(["a .1", "b .2", "b .3"]);
});
