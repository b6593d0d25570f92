/** What fits into a message, to the last octet, and that it is written so. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeMessages,
  encodeAttributes,
  FAMILY,
  formatHex,
  type UpdateContext,
  UpdateReader,
  UpdateWriter,
  type WireForm,
} from "../src/index.ts";
import { EBGP } from "./support.ts";

const FORM: WireForm = {
  family: FAMILY.IPV4_UNICAST,
  fourOctetAs: true,
  addPath: false,
  octetsMax: 4096,
  prependAs: 0,
  nextHop: null,
  internal: false,
  med: true,
  otcAs: 0,
  rpkiState: false,
};

const NEXT_HOPS = {
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  two: "2001:db8::1 fe80::1",
};

/** Canonical octets with an unknown attribute of `pad` octets behind the mandatory ones. */
function setOf(
  pad: number,
  nextHop: string,
  segments: readonly number[][] = [[65001]],
): Uint8Array {
  return encodeAttributes([
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: segments.map((as) => ({ type: "AS_SEQUENCE", as })) } },
    { type: 3, value: nextHop },
    { type: 200, value: "00".repeat(pad) },
  ]);
}

/** The message with one route, null when it does not fit. */
function messageOf(form: WireForm, set: Uint8Array, bits: number): Uint8Array | null {
  const writer = new UpdateWriter(form);
  writer.announce(set, 0, set.length);
  if (!writer.fits(bits)) {
    expect(() => writer.prefix(0, 0, 0, 0, bits, 7)).toThrow("does not fit");
    return null;
  }
  writer.prefix(0, 0, 0, 0, bits, 7);
  writer.finish();
  expect(writer.messages).toBe(1);
  return writer.out.slice(0, writer.length);
}

/** Every kind of session, family and next hop, and what a message takes beside NLRI and padding. */
const KINDS = [
  { family: 1, nextHop: "ipv4" },
  { family: 1, nextHop: "ipv6" },
  { family: 1, nextHop: "two" },
  { family: 2, nextHop: "ipv6" },
  { family: 2, nextHop: "two" },
].flatMap((kind) =>
  [false, true].flatMap((addPath) =>
    [4096, 65535].flatMap((octetsMax) =>
      [true, false].map((fourOctetAs) => ({ ...kind, addPath, octetsMax, fourOctetAs }) as const),
    ),
  ),
);

describe("the last octet of a message is used, and no more", () => {
  test.each(KINDS)(
    "family $family, next hop $nextHop, addPath $addPath, $octetsMax octets, 4-octet AS $fourOctetAs",
    ({ family, nextHop, addPath, octetsMax, fourOctetAs }) => {
      const form = { ...FORM, family: family as 1 | 2, addPath, octetsMax, fourOctetAs };
      const address = NEXT_HOPS[nextHop as keyof typeof NEXT_HOPS];
      const context: UpdateContext = {
        ...EBGP,
        fourOctetAs,
        addPath: addPath ? 3 : 0,
      };
      for (const bits of family === 1 ? [0, 1, 8, 9, 24, 32] : [0, 8, 48, 64, 121, 128]) {
        // A first guess leaves room; the rest of it is what the padding may have more.
        const guess = octetsMax - 400;
        const room = octetsMax - messageOf(form, setOf(guess, address), bits)!.length;
        const lengths: number[] = [];
        let message: Uint8Array | null = null;
        // The head of MP_REACH_NLRI is an octet shorter where there is little room.
        for (let pad = guess + room - 2; pad <= guess + room + 3; pad++) {
          const next = messageOf(form, setOf(pad, address), bits);
          lengths.push(next?.length ?? 0);
          message = next ?? message;
        }
        expect(Math.max(...lengths)).toBe(octetsMax);
        // Once it does not fit, it does not with more.
        expect(lengths.slice(lengths.indexOf(octetsMax) + 1).every((n) => n === 0)).toBe(true);
        const reader = new UpdateReader();
        reader.read(message!, 0, message!.length, context);
        expect(reader.faults).toEqual([]);
        const section = reader.announced.at < reader.announced.end ? "announced" : "reachable";
        const octets = ((bits + 7) >> 3) + (addPath ? 5 : 1);
        expect(reader[section].end - reader[section].at).toBe(octets);
      }
    },
  );

  test("a route that came in a full message goes out in one, IPv6 as well", () => {
    for (const [family, nextHop] of [
      [1, "192.0.2.1"],
      [2, "2001:db8::1"],
      [2, "2001:db8::1 fe80::1"],
    ] as const) {
      const writer = new UpdateWriter({ ...FORM, family });
      for (let pad = 3700; ; pad++) {
        const set = setOf(pad, nextHop);
        const full = messageOf({ ...FORM, family }, set, 24);
        if (full === null) break;
        const reader = new UpdateReader();
        reader.read(full, 0, full.length, EBGP);
        reader.canonical(family === 1 ? "field" : "mp");
        writer.reset();
        writer.announce(reader.attrs, reader.attrsAt, reader.attrsEnd);
        expect(writer.fits(24)).toBe(true);
        writer.prefix(0, 0, 0, 0, 24, 0);
        writer.finish();
        expect(formatHex(writer.out, 0, writer.length)).toBe(formatHex(full));
      }
    }
  });

  test("withdrawals need no attributes, and fill messages as well", () => {
    for (const { family, addPath, octetsMax } of KINDS) {
      const writer = new UpdateWriter({ ...FORM, family: family as 1 | 2, addPath, octetsMax });
      const set = setOf(3900, NEXT_HOPS.ipv6);
      writer.announce(set, 0, set.length);
      writer.withdraw();
      for (let i = 0; i < 40_000; i++) writer.prefix(i, 0, 0, 0, 32, 1);
      writer.finish();
      const messages = decodeMessages(writer.out.slice(0, writer.length), {
        fourOctetAs: true,
        addPath,
        external: true,
      });
      for (const { length, error } of messages) {
        expect(error).toBeUndefined();
        expect(length).toBeLessThanOrEqual(octetsMax);
      }
      expect(Math.max(...messages.map(({ length }) => length))).toBeGreaterThan(octetsMax - 12);
    }
  });
});

test("what the writer says to fit it writes, for any path, session and prefix", () => {
  const path = fc.array(
    fc.array(fc.constantFrom(65001, 4_200_000_001), { minLength: 1, maxLength: 255 }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(
      path,
      fc.boolean(),
      fc.boolean(),
      fc.constantFrom(0, 65500, 4_200_000_000),
      fc.nat(1200),
      fc.nat(32),
      (segments, fourOctetAs, addPath, prependAs, pad, bits) => {
        const form = { ...FORM, fourOctetAs, addPath, prependAs };
        const set = setOf(pad, NEXT_HOPS.ipv4, segments);
        const message = messageOf(form, set, bits);
        // In a form without a limit, its length is what it is.
        const long = messageOf({ ...form, octetsMax: 65535 }, set, bits);
        if (message === null) expect(long === null || long.length > 4096).toBe(true);
        else expect(message).toEqual(long);
      },
    ),
    { numRuns: 200 },
  );
});

describe("extended communities that are not transitive", () => {
  const set = encodeAttributes([
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: [] } },
    { type: 3, value: "192.0.2.1" },
    { type: 16, value: ["ov:valid", "rt:65001:1", "lb:65001:125000"] },
    { type: 25, value: [`0x4002${"00".repeat(18)}`] },
  ]);
  test.each([
    ["stay here on an external session", {}, ["rt:65001:1"], false],
    [
      "but for the origin validation state where it is wanted",
      { rpkiState: true },
      ["0x4300000000000000", "rt:65001:1"],
      false,
    ],
    [
      "go to the own AS",
      { internal: true },
      ["0x4300000000000000", "rt:65001:1", "lb:65001:125000"],
      true,
    ],
  ])("%s", (_title, form, extended, ipv6) => {
    const message = messageOf({ ...FORM, ...form }, set, 24)!;
    const [decoded] = decodeMessages(message, {
      fourOctetAs: true,
      addPath: false,
      external: null,
    });
    const attributes = decoded!["attributes"] as { type: number; value: unknown }[];
    expect(attributes.find(({ type }) => type === 16)?.value).toEqual(extended);
    expect(attributes.some(({ type }) => type === 25)).toBe(ipv6);
  });
});
