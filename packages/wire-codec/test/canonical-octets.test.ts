import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AttributeValue,
  decodeAttributes,
  encodeUpdate,
  formatHex,
  type UpdateContext,
  UpdateReader,
} from "../src/index.ts";
import { AS2, EBGP, hex, IBGP, LOCAL_PREF, ROUTE, updateOf } from "./support.ts";

const reader = new UpdateReader();

/** Canonical octets of a message that has routes, or null for one that is not accepted. */
function canonical(
  message: Uint8Array,
  context: UpdateContext,
  which: "field" | "mp" = "field",
): Uint8Array | null {
  reader.read(message, 0, message.length, context);
  if (reader.action > 1) return null;
  reader.canonical(which);
  return reader.attrs.slice(reader.attrsAt, reader.attrsEnd);
}

const digits = (text: string) => text.replaceAll(" ", "");

const ORIGIN = "40010100";
const PATH = "4002060201 0000fde9";
const NEXT_HOP = "400304 c0000201";
const MANDATORY = `${ORIGIN} ${PATH} ${NEXT_HOP}`;
const MP_HEAD = "0002 01 10 20010db8000000000000000000000001 00 20 20010db8";
const LINK_LOCAL = `fe80${"00".repeat(13)}01`;
const GLOBAL = "20010db8000000000000000000000001";
const RT = "0002fde900000001";
const RO = "0003fde900000001";
const LARGE = "0000fde9 00000001 00000002";

/** What is done, session, path attributes on the wire, canonical octets. */
const FIELD: readonly [string, UpdateContext, string, string][] = [
  ["order", EBGP, `${NEXT_HOP} ${PATH} ${ORIGIN}`, MANDATORY],
  ["unneeded extended length", EBGP, `50010001 00 ${PATH} ${NEXT_HOP}`, MANDATORY],
  ["unused flag bits", EBGP, `4f010100 ${PATH} ${NEXT_HOP}`, MANDATORY],
  ["a repeated attribute", EBGP, `${MANDATORY} 40010102`, MANDATORY],
  ["LOCAL_PREF of an external peer", EBGP, `${MANDATORY} ${LOCAL_PREF}`, MANDATORY],
  [
    "LOCAL_PREF of an internal peer",
    IBGP,
    `${LOCAL_PREF} ${MANDATORY}`,
    `${MANDATORY} ${LOCAL_PREF}`,
  ],
  ["a discarded attribute", EBGP, `${MANDATORY} 400601 00`, MANDATORY],
  ["Partial", EBGP, `${MANDATORY} e00804 fde90001`, `${MANDATORY} e00804 fde90001`],
  ["an unknown transitive attribute", EBGP, `${MANDATORY} c06301 ab`, `${MANDATORY} e06301 ab`],
  [
    "one that cannot be partial and says so",
    EBGP,
    `${MANDATORY} a00404 00000007`,
    `${MANDATORY} 800404 00000007`,
  ],
  ["one that is partial already", EBGP, `${MANDATORY} e06301 ab`, `${MANDATORY} e06301 ab`],
  ["an unknown non-transitive attribute", EBGP, `${MANDATORY} 806301 ab`, MANDATORY],
  ["BGP-LS, which goes no further", EBGP, `${MANDATORY} 801d00`, MANDATORY],
  [
    "AIGP on a session with it",
    EBGP,
    `${MANDATORY} 801a0b01000b0000000000000001`,
    `${MANDATORY} 801a0b01000b0000000000000001`,
  ],
  [
    "AIGP on one without it",
    { ...EBGP, aigp: false },
    `${MANDATORY} 801a0b01000b0000000000000001`,
    MANDATORY,
  ],
  ["AS4_PATH on a 4-octet session", EBGP, `${MANDATORY} c01106 0201 00010000`, MANDATORY],
  ["AS4_AGGREGATOR on a 4-octet session", EBGP, `${MANDATORY} c01208 00010000 0a000001`, MANDATORY],
  ["MP_UNREACH_NLRI", EBGP, `800f03 000201 ${MANDATORY}`, MANDATORY],
  [
    "large communities that repeat",
    EBGP,
    `${MANDATORY} c02018 ${LARGE} ${LARGE}`,
    `${MANDATORY} c0200c ${LARGE}`,
  ],
  [
    "extended communities of another AS, some of which end there",
    EBGP,
    `${MANDATORY} c01020 4300000000000000 ${RT} 4004fde94ef42400 ${RO}`,
    `${MANDATORY} c01010 ${RT} ${RO}`,
  ],
  [
    "extended communities of another AS, all of which end there",
    EBGP,
    `${MANDATORY} c01010 4300000000000000 4004fde94ef42400`,
    MANDATORY,
  ],
  [
    "the origin validation state where it is taken (RFC 8097)",
    { ...EBGP, rpkiState: true },
    `${MANDATORY} c01018 4300000000000000 4004fde94ef42400 ${RT}`,
    `${MANDATORY} c01010 4300000000000000 ${RT}`,
  ],
  [
    "extended communities of the own AS",
    IBGP,
    `${MANDATORY} ${LOCAL_PREF} c01018 4300000000000000 4004fde94ef42400 ${RT}`,
    `${MANDATORY} ${LOCAL_PREF} c01018 4300000000000000 4004fde94ef42400 ${RT}`,
  ],
  [
    "so many of another AS that the length needs two octets, and then one",
    EBGP,
    `${MANDATORY} d0100108 ${"4300000000000000".repeat(2)} ${RT.repeat(31)}`,
    `${MANDATORY} c010f8 ${RT.repeat(31)}`,
  ],
  [
    "IPv6 extended communities of another AS",
    EBGP,
    `${MANDATORY} c01928 4002${"00".repeat(18)} 0002${"00".repeat(18)}`,
    `${MANDATORY} c01914 0002${"00".repeat(18)}`,
  ],
  [
    "IPv6 extended communities of the own AS",
    IBGP,
    `${MANDATORY} ${LOCAL_PREF} c01914 4002${"00".repeat(18)}`,
    `${MANDATORY} ${LOCAL_PREF} c01914 4002${"00".repeat(18)}`,
  ],
  [
    "two AS_SEQUENCEs",
    EBGP,
    `${ORIGIN} 40020c 0201 00000001 0201 00000002 ${NEXT_HOP}`,
    `${ORIGIN} 40020c 0201 00000001 0201 00000002 ${NEXT_HOP}`,
  ],
];

/** AS numbers of 2 octets: attributes but ORIGIN and NEXT_HOP, and what becomes of them. */
const TWO_OCTET: readonly [string, string, string][] = [
  ["AS_PATH alone", "400206 0202 fde9 fdea", "40020a 0202 0000fde9 0000fdea"],
  ["an empty AS_PATH", "400200", "400200"],
  [
    "AGGREGATOR alone",
    "400204 0201 fde9 c00706 fde9 0a000001",
    "400206 0201 0000fde9 c00708 0000fde9 0a000001",
  ],
  [
    "AS4_PATH of the same length",
    "400206 0202 5ba0 5ba0 c0110a 0202 00010000 00020000",
    "40020a 0202 00010000 00020000",
  ],
  [
    "a shorter AS4_PATH",
    "400208 0203 fde9 5ba0 5ba0 c0110a 0202 00010000 00020000",
    "40020e 0203 0000fde9 00010000 00020000",
  ],
  [
    "a longer AS4_PATH, which is not trusted",
    "400204 0201 fde9 c0110a 0202 00010000 00020000",
    "400206 0201 0000fde9",
  ],
  [
    "an AS4_PATH that begins inside a segment",
    "40020a 0204 0001 0002 5ba0 0004 c0110a 0202 00010000 00000004",
    "400212 0204 00000001 00000002 00010000 00000004",
  ],
  [
    "a set in front",
    "40020a 0102 0001 0002 0201 5ba0 c01106 0201 00010000",
    "400210 0102 00000001 00000002 0201 00010000",
  ],
  [
    "a set as the last one taken",
    "40020e 0201 0001 0102 0002 0003 0201 5ba0 c01106 0201 00010000",
    "400216 0201 00000001 0102 00000002 00000003 0201 00010000",
  ],
  [
    "leading confederations, which are taken along",
    "400208 0301 0001 0201 5ba0 c01106 0201 00010000",
    "40020c 0301 00000001 0201 00010000",
  ],
  [
    "confederations in AS4_PATH, which do not belong there",
    "400204 0201 5ba0 c0110c 0301 00000001 0201 00010000",
    "400206 0201 00010000",
  ],
  [
    "AS4_AGGREGATOR",
    "400204 0201 fde9 c00706 5ba0 0a000001 c01208 00010000 0a000002",
    "400206 0201 0000fde9 c00708 00010000 0a000002",
  ],
  [
    "AS4_AGGREGATOR beside a real AS, which shows AS4_PATH to be stale too",
    "400204 0201 5ba0 c00706 fde9 0a000001 c01106 0201 00010000 c01208 00010000 0a000002",
    "400206 0201 00005ba0 c00708 0000fde9 0a000001",
  ],
  [
    "a malformed AS4_PATH, which is discarded",
    "400206 0202 fde9 5ba0 c01106 0202 00010000",
    "40020a 0202 0000fde9 00005ba0",
  ],
  [
    "a malformed AS4_AGGREGATOR, which is discarded",
    "400204 0201 fde9 c00706 5ba0 0a000001 c01207 00010000 0a0000",
    "400206 0201 0000fde9 c00708 00005ba0 0a000001",
  ],
  [
    "AS4_AGGREGATOR without AGGREGATOR",
    "400204 0201 5ba0 c01106 0201 00010000 c01208 00010000 0a000002",
    "400206 0201 00010000",
  ],
];

describe("canonical octets", () => {
  for (const [name, context, attributes, expected] of FIELD) {
    test(`of IPv4 routes: ${name}`, () => {
      const found = canonical(updateOf({ attributes, nlri: ROUTE }), context);
      expect(found && formatHex(found)).toBe(digits(expected));
    });
  }

  const allowing = { ...AS2, allowAsSet: true, allowConfed: true };
  for (const [name, attributes, expected] of TWO_OCTET) {
    test(`of a 2-octet session: ${name}`, () => {
      const message = updateOf({ attributes: `${ORIGIN} ${NEXT_HOP} ${attributes}`, nlri: ROUTE });
      const [path, aggregator = ""] = digits(expected).split("c007");
      const rest = aggregator && `c007${aggregator}`;
      const found = canonical(message, allowing);
      expect(found && formatHex(found)).toBe(digits(`${ORIGIN} ${path} ${NEXT_HOP} ${rest}`));
    });
  }

  test("of a long 2-octet path need an extended length", () => {
    const path = "fde9".repeat(100);
    const message = updateOf({
      attributes: `${ORIGIN} 4002ca 0264 ${path} ${NEXT_HOP}`,
      nlri: ROUTE,
    });
    const long = `50020192 0264 ${"0000fde9".repeat(100)}`;
    expect(formatHex(canonical(message, AS2)!)).toBe(digits(`${ORIGIN} ${long} ${NEXT_HOP}`));
  });

  test.each([
    ["the global address", MP_HEAD, `400310 ${GLOBAL}`],
    [
      "both addresses",
      `0002 01 20 ${GLOBAL} ${LINK_LOCAL} 00 20 20010db8`,
      `400320 ${GLOBAL} ${LINK_LOCAL}`,
    ],
    [
      "a second address that is not link-local",
      `0002 01 20 ${GLOBAL} ${GLOBAL} 00 20 20010db8`,
      `400310 ${GLOBAL}`,
    ],
    [
      "the link-local address where the global one is ::",
      `0002 01 20 ${"00".repeat(16)} ${LINK_LOCAL} 00 20 20010db8`,
      `400310 ${LINK_LOCAL}`,
    ],
    ["an IPv4 address", "0001 01 04 c0000201 00 080a", "400304 c0000201"],
    ["an IPv6 address for IPv4", `0001 01 10 ${GLOBAL} 00 080a`, `400310 ${GLOBAL}`],
  ])("of MP_REACH_NLRI have %s as next hop", (_name, value, nextHop) => {
    const reach = `800e${hex(value).length.toString(16).padStart(2, "0")} ${value}`;
    for (const attributes of [`${reach} ${ORIGIN} ${PATH}`, `${ORIGIN} ${PATH} ${reach}`]) {
      const found = canonical(updateOf({ attributes }), EBGP, "mp");
      expect(found && formatHex(found)).toBe(digits(`${ORIGIN} ${PATH} ${nextHop}`));
    }
  });

  test("of a message with both kinds of routes differ in the next hop", () => {
    const attributes = `800e1a ${MP_HEAD} ${MANDATORY} 800404 00000001`;
    const message = updateOf({ attributes, nlri: ROUTE });
    expect(formatHex(canonical(message, EBGP)!)).toBe(digits(`${MANDATORY} 80040400000001`));
    expect(formatHex(canonical(message, EBGP, "mp")!)).toBe(
      digits(`${ORIGIN} ${PATH} 400310 ${GLOBAL} 800404 00000001`),
    );
  });

  test("are handed on where they stand when they are canonical", () => {
    const message = updateOf({ attributes: `${MANDATORY} c00804 fde90001`, nlri: ROUTE });
    canonical(message, EBGP);
    expect(reader.attrs).toBe(message);
    expect([reader.attrsAt, reader.attrsEnd]).toEqual([23, message.length - 4]);
  });

  test("of many large communities have each once", () => {
    const values = Array.from({ length: 400 }, (_, k) => `65001:1:${k % 150}`);
    const message = encodeUpdate({
      attributes: [...BASE, { type: 32, value: values }],
      nlri: ["10.0.0.0/8"],
    });
    const found = canonical(message, EBGP)!;
    const large = decodeAttributes(found, 0, found.length).find(({ type }) => type === 32);
    expect(large?.value).toEqual(values.slice(0, 150));
  });
});

const BASE: readonly AttributeValue[] = [
  { type: 1, value: "IGP" },
  { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [65001] }] } },
  { type: 3, value: "192.0.2.1" },
];

/** Sets of attributes as values, in no order. */
const attributeSets = fc
  .record({
    med: fc.option(fc.nat(0xffffffff)),
    path: fc.array(fc.integer({ min: 1, max: 0xffffffff }), { minLength: 1, maxLength: 255 }),
    aggregator: fc.option(fc.integer({ min: 1, max: 0xffffffff })),
    communities: fc.array(fc.nat(65535), { maxLength: 100 }),
    large: fc.array(fc.nat(3), { maxLength: 40 }),
    unknown: fc.option(fc.uint8Array({ maxLength: 300 })),
    partial: fc.boolean(),
    order: fc.array(fc.nat(100), { minLength: 8, maxLength: 8 }),
  })
  .map(({ med, path, aggregator, communities, large, unknown, partial, order }) => {
    const list: AttributeValue[] = [
      { type: 1, value: "IGP" },
      { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: path }] } },
      { type: 3, value: "192.0.2.1" },
    ];
    if (med !== null) list.push({ type: 4, value: med });
    if (aggregator !== null) {
      list.push({ type: 7, value: { as: aggregator, address: "192.0.2.1" }, flags: { partial } });
    }
    if (communities.length > 0) {
      list.push({ type: 8, value: communities.map((low) => `65001:${low}`), flags: { partial } });
    }
    if (large.length > 0) list.push({ type: 32, value: large.map((low) => `65001:1:${low}`) });
    if (unknown !== null) list.push({ type: 99, value: formatHex(unknown) });
    return { list, order };
  });

test("canonical octets of canonical octets are the same, and so are their values", () => {
  fc.assert(
    fc.property(attributeSets, ({ list, order }) => {
      // The encoder writes in order; each attribute by itself, then shuffled, is another order.
      const parts = list
        .map((attribute, k) => ({ attribute, place: order[k % order.length]! }))
        .sort((a, b) => a.place - b.place)
        .map(({ attribute }) => {
          const one = encodeUpdate({ attributes: [attribute] });
          return formatHex(one, 23);
        });
      const first = canonical(updateOf({ attributes: parts.join(""), nlri: ROUTE }), EBGP)!;
      const again = canonical(updateOf({ attributes: formatHex(first), nlri: ROUTE }), EBGP)!;
      expect(formatHex(again)).toBe(formatHex(first));
      // Unless it has repetitions, what was encoded in order is what comes out.
      const values = decodeAttributes(first, 0, first.length);
      expect(values.map(({ type }) => type)).toEqual(list.map(({ type }) => type));
      for (const [k, { type, value }] of list.entries()) {
        const wanted = type === 32 ? [...new Set(value as string[])] : value;
        if (type !== 2) expect(values[k]!.value).toEqual(wanted);
        else expect(values[k]!.value).toMatchObject(value as object);
      }
    }),
    { numRuns: 500 },
  );
});

test("a 2-octet session gives the same canonical octets as a 4-octet one", () => {
  fc.assert(
    fc.property(attributeSets, ({ list }) => {
      const wide = encodeUpdate({ attributes: list, nlri: ["10.0.0.0/8"] });
      const narrow = list.flatMap((attribute): AttributeValue[] => {
        if (attribute.type !== 2 && attribute.type !== 7) return [attribute];
        return attribute.type === 2 ? narrowPath(attribute) : narrowAggregator(attribute);
      });
      const message = encodeUpdate({ attributes: narrow, nlri: ["10.0.0.0/8"] }, AS2);
      expect(formatHex(canonical(message, AS2)!)).toBe(formatHex(canonical(wide, EBGP)!));
    }),
    { numRuns: 500 },
  );
});

const twoOctets = (as: number) => (as > 65535 ? 23456 : as);

function narrowPath({ value }: AttributeValue): AttributeValue[] {
  const { segments } = value as { segments: { type: string; as: number[] }[] };
  const as = segments[0]!.as;
  return [
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: as.map(twoOctets) }] } },
    { type: 17, value: { segments } },
  ];
}

function narrowAggregator({ value, flags = {} }: AttributeValue): AttributeValue[] {
  const { as, address } = value as { as: number; address: string };
  const narrow = { type: 7, value: { as: twoOctets(as), address }, flags };
  return as > 65535 || as === 23456 ? [narrow, { type: 18, value }] : [narrow];
}
