/** What becomes of a list of members in etcd, whatever stands there. */
import { describe, expect, test } from "vitest";
import {
  entryKey,
  linkChanges,
  MEMBERS_MAX,
  membersIn,
  PLACES_MAX,
  whomToFollow,
} from "../src/cluster/member-list.ts";

const PREFIX = "/ts-bgp/cluster/rs1";
const A = { address: "10.9.0.1", port: 1795 };
const B = { address: "2001:db8::2", port: 1 };
const keysOf = (...keys: string[]) => keys.map((key) => new TextEncoder().encode(key));
const placesOf = (names: readonly string[]) => new Map(names.map((name) => [name, [A]]));
const manyNames = (count: number) => Array.from({ length: count }, (_, k) => `m${k}`);

describe("a list", () => {
  test("has where each member is, whose keys it was made of", () => {
    const keys = [entryKey(PREFIX, "a", A), entryKey(PREFIX, "b", B), entryKey(PREFIX, "a", B)];
    expect(keys[1]).toBe(`${PREFIX}/b/[2001:db8::2]:1`);
    const { places, bad } = membersIn(PREFIX, keysOf(...keys, keys[0]!));
    expect([...places]).toEqual([
      ["a", [A, B]],
      ["b", [B]],
    ]);
    expect(bad).toBe(null);
  });

  test.each<[string, string, RegExp]>([
    ["without an address", `${PREFIX}/a`, /is not MEMBER\/ADDRESS:PORT/],
    ["without a member", `${PREFIX}//10.0.0.1:1`, /is not MEMBER/],
    ["with more parts", `${PREFIX}/a/b/10.0.0.1:1`, /is a prefix/],
    ["of another prefix", "/ts-bgp/cluster/rs2/a/10.0.0.1:1", /is not MEMBER/],
    ["with a name for an address", `${PREFIX}/a/localhost:1`, /localhost/],
    ["with a name that is none", `${PREFIX}/__proto__/10.0.0.1:1`, /is not MEMBER/],
    ["with an address of nobody", `${PREFIX}/a/0.0.0.0:1`, /nobody's address/],
    ["with an address of many", `${PREFIX}/a/224.0.0.1:1`, /nobody's address/],
    ["with port 0", `${PREFIX}/a/10.0.0.1:0`, /is not MEMBER/],
    ["with a port that is none", `${PREFIX}/a/10.0.0.1:65536`, /65536 is no port/],
    ["with an address written otherwise", `${PREFIX}/a/[2001:DB8::2]:1`, /is not MEMBER/],
    ["that is long", `${PREFIX}/a/${"1".repeat(100_000)}:1`, /longer than 400 octets/],
    ["of a long name", `${PREFIX}/${"a".repeat(64)}/10.0.0.1:1`, /is not MEMBER/],
    ["with an address of no letters", `${PREFIX}/a/\u00e9:1`, /"\?\?"/],
    ["with line feeds", `${PREFIX}/a\n/10.0.0.1:1`, /\/a\?\//],
  ])("leaves out a key %s, and has all others", (_what, key, problem) => {
    const { places, bad } = membersIn(PREFIX, keysOf(key, entryKey(PREFIX, "b", B)));
    expect([...places]).toEqual([["b", [B]]]);
    expect(bad).toMatchObject({ count: 1, first: expect.stringMatching(problem) });
    expect(bad!.first.length).toBeLessThan(300);
    expect(bad!.first).toMatch(/^[\x20-\x7e]*$/);
  });

  test("counts keys that are no text, each by itself", () => {
    const junk = [0x80, 0xff].map((octet) => Uint8Array.of(...keysOf(`${PREFIX}/`)[0]!, octet));
    const { places, bad } = membersIn(PREFIX, [...junk, ...keysOf(entryKey(PREFIX, "b", B))]);
    expect([[...places.keys()], bad!.count]).toEqual([["b"], 2]);
  });

  test("has no more addresses of a member than there is room for", () => {
    const keys = Array.from({ length: 100 }, (_, k) =>
      entryKey(PREFIX, "a", { ...A, port: 1 + k }),
    );
    const { places, bad } = membersIn(PREFIX, keysOf(...keys));
    expect(places.get("a")!.map(({ port }) => port)).toEqual([1, 2, 3, 4]);
    expect(bad).toMatchObject({ count: 96, first: expect.stringContaining("addresses already") });
    // Of what is too much anyway the address is not looked at.
    const more = membersIn(PREFIX, keysOf(...keys.slice(0, 4), `${PREFIX}/a/nowhere:1`));
    expect(more.bad!.first).toMatch(/a has 4 addresses already$/);
  });
});

describe("whom to follow", () => {
  const needed = (name: string) => ({ name, isNeeded: true });
  const idle = (name: string) => ({ name, isNeeded: false });

  test.each<[string, string[], string[] | null, ReturnType<typeof idle>[], string[]]>([
    ["those of the file, though nobody lists them", ["a", "b"], [], [], ["b"]],
    ["those that are listed", ["a"], ["a", "c"], [], ["c"]],
    ["those that are needed, though they are listed no more", [], [], [needed("c")], ["c"]],
    ["not those that are neither", [], [], [idle("c")], []],
    ["all as before while there is no list", ["b"], null, [idle("c")], ["b", "c"]],
    ["not oneself", ["a"], ["a"], [needed("a")], []],
  ])("%s", (_what, named, listed, followed, expected) => {
    const places = listed === null ? null : placesOf(listed);
    const { members, leftOut } = whomToFollow("a", new Set(named), places, followed);
    expect([...members.keys()]).toEqual(expected);
    for (const [name, where] of members) {
      expect(where).toEqual(listed?.includes(name) ? [A] : []);
    }
    expect(leftOut).toBe(0);
  });

  test("of many, the file's, those that are needed, and the oldest ones", () => {
    const places = placesOf(manyNames(2000));
    const followed = [needed("m1999"), idle("m1998")];
    const { members, leftOut } = whomToFollow("a", new Set(["m1000"]), places, followed);
    const names = [...members.keys()];
    expect(names.length).toBe(MEMBERS_MAX);
    expect(names.slice(0, 4)).toEqual(["m1000", "m1999", "m0", "m1"]);
    expect(leftOut).toBe(2000 - MEMBERS_MAX);
  });
});

describe("links", () => {
  const [one, two] = ["/run/1.sock", "/run/2.sock"] as const;
  const up = (text: string) => ({ text, isUp: true });
  const down = (text: string) => ({ text, isUp: false });
  const at = (...paths: string[]) => paths.map((path) => ({ path }));

  test.each<[string, ReturnType<typeof up>[], string[] | null, boolean, string[], string[]]>([
    ["begin where there are none", [], [one, two], false, [one, two], []],
    ["stay as they are", [up(one), down(two)], [one, two], false, [], []],
    ["that work stay while another one is added", [up(one)], [one, two], false, [two], []],
    ["that work stay though nobody lists them", [up(one)], [], false, [], []],
    ["that do not work go when nobody lists them", [down(one)], [], false, [], [one]],
    ["go singly", [up(one), down(two)], [one], false, [], [two]],
    ["stay in a list even when others work", [up(one), up(two)], [two], false, [], []],
    ["of a file stay until another one works", [up(one), down(two)], [two], true, [], []],
    ["of a file go then", [up(one), up(two)], [two], true, [], [one]],
    ["are as before while nothing is known", [up(one), down(two)], null, false, [], []],
  ])("%s", (_what, links, places, isOfFile, open, close) => {
    const found = linkChanges(links, places === null ? null : at(...places), isOfFile);
    expect(found).toEqual({ open: at(...open), close });
  });

  test("that work and are listed no more are few, however often that is", () => {
    const many = Array.from({ length: 100 }, (_, k) => up(`/run/${k}.sock`));
    const { close } = linkChanges(many, [], false);
    expect(close.length).toBe(100 - PLACES_MAX);
  });
});
