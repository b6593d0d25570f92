/** What of another process's runs is taken. */
import { FAMILY, type Family, nextAttribute, UpdateReader } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkedRuns, RunWriter, runsOf, TABLE } from "../src/index.ts";

const reader = new UpdateReader();
const ORIGIN = [0x40, 1, 1, 0];
const AS_PATH = [0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9];
const NEXT_HOP = [0x40, 3, 4, 192, 0, 2, 1];
const NEXT_HOP_6 = [0x40, 3, 16, 0x20, 1, 0x0d, 0xb8, ...Array(12).fill(1)];
const MANDATORY = [...ORIGIN, ...AS_PATH, ...NEXT_HOP];
const UNKNOWN = [0xe0, 200, 1, 7];

/** A run of peer 7 between two of peer 1 without fault. */
function runs(attributes: readonly number[] | null, family: Family = FAMILY.IPV4_UNICAST) {
  const writer = new RunWriter();
  const run = (peer: number, of: Family, octets: readonly number[] | null) => {
    const buf = Uint8Array.from(octets ?? []);
    const set = octets === null ? null : { buf, at: 0, end: buf.length };
    writer.run(TABLE.ADJ_IN_POST, of, peer, true, set);
    writer.prefix(0x0a000000 + (peer << 16), 0, 0, 0, 16, 5);
  };
  run(1, FAMILY.IPV4_UNICAST, MANDATORY);
  run(7, family, attributes);
  run(1, FAMILY.IPV4_UNICAST, null);
  return writer.take();
}

/** @returns attributes of the runs in hexadecimal, `withdrawn` where there are none, by peer */
function read(octets: Uint8Array): string[] {
  return [...runsOf(octets)].map(({ peer, attributes: set, routes }) => {
    const hex = ({ buf, at, end }: typeof routes) =>
      Buffer.from(buf.subarray(at, end)).toString("hex");
    return `${peer} ${hex(routes)} ${set === null ? "withdrawn" : hex(set)}`;
  });
}

const { IPV6_UNICAST } = FAMILY;
const hexOf = (octets: readonly number[]) => Buffer.from(octets).toString("hex");

test.each<[string, number[], Family?]>([
  ["the mandatory ones", MANDATORY],
  ["a next hop of IPv6, of IPv6 routes", [...ORIGIN, ...AS_PATH, ...NEXT_HOP_6], IPV6_UNICAST],
  ["a next hop of IPv6, of IPv4 routes", [...ORIGIN, ...AS_PATH, ...NEXT_HOP_6]],
  [
    "LOCAL_PREF and a cluster list",
    [...MANDATORY, 0x40, 5, 4, 0, 0, 0, 9, 0x80, 10, 4, 1, 1, 1, 1],
  ],
  ["one that nobody knows", [...MANDATORY, ...UNKNOWN]],
])("is as it was with %s", (_title, attributes, family) => {
  const octets = runs(attributes, family);
  expect(checkedRuns(octets, reader)).toEqual({ octets, faulty: [] });
});

test.each<[string, number[], number[] | null, RegExp | null, Family?]>([
  ["without any", [], null, /ORIGIN is missing; AS_PATH is missing; NEXT_HOP is missing/],
  ["without ORIGIN", [...AS_PATH, ...NEXT_HOP], null, /^ORIGIN is missing$/],
  ["without AS_PATH", [...ORIGIN, ...NEXT_HOP], null, /^AS_PATH is missing$/],
  ["without NEXT_HOP", [...ORIGIN, ...AS_PATH], null, /^NEXT_HOP is missing$/],
  ["with an empty ORIGIN", [0x40, 1, 0, ...AS_PATH, ...NEXT_HOP], null, /ORIGIN length 0/],
  ["with flags of another kind", [0xc0, 1, 1, 0, ...AS_PATH, ...NEXT_HOP], null, /ORIGIN flags/],
  [
    "with segments of no kind",
    [...ORIGIN, 0x40, 2, 6, 9, 1, 0, 0, 0, 1, ...NEXT_HOP],
    null,
    /AS_PATH/,
  ],
  ["with half a community", [...MANDATORY, 0xc0, 8, 3, 1, 2, 3], null, /COMMUNITIES length 3/],
  [
    "with a next hop of no host",
    [...ORIGIN, ...AS_PATH, 0x40, 3, 4, 127, 0, 0, 1],
    null,
    /127\.0\.0\.1/,
  ],
  ["with a next hop of IPv4, of IPv6 routes", MANDATORY, null, /one of IPv4/, IPV6_UNICAST],
  [
    "with a well-known one that nobody knows",
    [...MANDATORY, 0x40, 200, 0],
    null,
    /200 is not known/,
  ],
  ["with what says of a fault", [0, 0, 1, 65, ...MANDATORY], null, /attribute 0 is not known/],
  ["with routes among them", [...MANDATORY, 0x80, 15, 3, 0, 1, 1], null, /routes stand among/],
  ["that are cut", [...MANDATORY, 0xc0, 8, 9, 1], null, /octets left/],
  [
    "of too many octets",
    [...MANDATORY, 0xd0, 200, 0xff, 0xff, ...Array(0xffff).fill(0)],
    null,
    /have/,
  ],
  [
    "with a fault that costs the attribute",
    [...MANDATORY, 0x40, 6, 1, 0],
    MANDATORY,
    /ATOMIC_AGGREGATE/,
  ],
  ["with one twice", [...MANDATORY, ...NEXT_HOP], MANDATORY, /more than once/],
  ["in another order", [...AS_PATH, ...ORIGIN, ...NEXT_HOP], MANDATORY, null],
  ["with one that is for a neighbor alone", [...MANDATORY, 0x80, 200, 0], MANDATORY, null],
])("%s becomes what it may be", (_title, attributes, remains, reason, family) => {
  const checked = checkedRuns(runs(attributes, family), reader)!;
  const now = remains === null ? "withdrawn" : hexOf(remains);
  expect(read(checked.octets)).toEqual([
    `1 00000005100a01 ${hexOf(MANDATORY)}`,
    `7 00000005100a07 ${now}`,
    "1 00000005100a01 withdrawn",
  ]);
  expect(checked.faulty).toEqual(
    reason === null ? [] : [{ peer: 7, reason: expect.stringMatching(reason) }],
  );
});

test.each<[string, number, number, RegExp]>([
  ["a prefix that is too long", 4, 33, /a prefix has 33 bits/],
  ["a prefix that is cut", 4, 24, /a prefix is cut/],
])("without routes for %s", (_title, offset, value, reason) => {
  const octets = runs(MANDATORY);
  octets[[...runsOf(octets)][1]!.routes.at + offset] = value;
  const checked = checkedRuns(octets, reader)!;
  expect(read(checked.octets).map((run) => run[0])).toEqual(["1", "1"]);
  expect(checked.faulty).toEqual([{ peer: 7, reason: expect.stringMatching(reason) }]);
});

test("octets of anybody are runs, and read as such, or none", () => {
  const sound = runs([...MANDATORY, ...UNKNOWN]);
  const ends = [...runsOf(sound)].map(({ routes }) => routes.end);
  for (let end = 1; end < sound.length; end++) {
    const isWhole = checkedRuns(sound.subarray(0, end), reader) !== null;
    expect(isWhole, `${end} octets`).toBe(ends.includes(end));
  }
  const octet = fc.record({ at: fc.nat(sound.length - 1), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(octet, { maxLength: 4 }), (changes) => {
      const octets = sound.slice();
      for (const { at, value } of changes) octets[at] = value;
      const checked = checkedRuns(octets, reader);
      if (checked === null) return;
      for (const { routes, attributes } of runsOf(checked.octets)) {
        expect(routes.end).toBeLessThanOrEqual(checked.octets.length);
        if (attributes === null) continue;
        let at = attributes.at;
        while (at < attributes.end) at = nextAttribute(attributes.buf, at);
        expect(at).toBe(attributes.end);
      }
      // What is taken is without fault.
      expect(checkedRuns(checked.octets, reader)).toEqual({ octets: checked.octets, faulty: [] });
    }),
  );
});
