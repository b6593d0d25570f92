import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ATTRIBUTE_TABLE,
  type AttributeValue,
  attributeName,
  decodeAttributes,
  encodeAttributes,
  formatHex,
  type UpdateContext,
} from "../src/index.ts";
import { AS2, hex, IBGP } from "./support.ts";

/** Value octets and JSON value of attributes, read and written; `AS2` for 2-octet AS numbers. */
const ROWS: readonly [type: number, octets: string, value: unknown, context?: UpdateContext][] = [
  [1, "00", "IGP"],
  [1, "01", "EGP"],
  [1, "02", "INCOMPLETE"],
  [2, "", { text: "", segments: [] }],
  [
    2,
    "0202 0000fde9 0001fde9",
    { text: "65001 130537", segments: [{ type: "AS_SEQUENCE", as: [65001, 130537] }] },
  ],
  [2, "0201 fde9", { text: "65001", segments: [{ type: "AS_SEQUENCE", as: [65001] }] }, AS2],
  [
    2,
    "0201 00000001 0102 00000002 00000003 0301 00000004 0401 00000005",
    {
      text: "1 {2,3} (4) [5]",
      segments: [
        { type: "AS_SEQUENCE", as: [1] },
        { type: "AS_SET", as: [2, 3] },
        { type: "AS_CONFED_SEQUENCE", as: [4] },
        { type: "AS_CONFED_SET", as: [5] },
      ],
    },
  ],
  [3, "c0000201", "192.0.2.1"],
  [4, "000000ff", 255],
  [5, "ffffffff", 4294967295],
  [6, "", true],
  [7, "0001fde9 c0000201", { as: 130537, address: "192.0.2.1" }],
  [7, "fde9 c0000201", { as: 65001, address: "192.0.2.1" }, AS2],
  [8, "fde90001 ffffff01 ffff029a", ["65001:1", "65535:65281", "65535:666"]],
  [9, "0a000001", "10.0.0.1"],
  [10, "0a000001 0a000002", ["10.0.0.1", "10.0.0.2"]],
  [
    14,
    "0002 01 10 20010db8000000000000000000000001 00 20 20010db8",
    {
      afi: 2,
      safi: 1,
      family: "ipv6-unicast",
      next_hop: "2001:db8::1",
      nlri: ["2001:db8::/32"],
    },
  ],
  [
    14,
    `0002 01 20 20010db8000000000000000000000001 fe80${"00".repeat(13)}01 00`,
    { afi: 2, safi: 1, family: "ipv6-unicast", next_hop: "2001:db8::1 fe80::1", nlri: [] },
  ],
  [
    14,
    "0019 46 04 c0000201 00 abcd",
    { afi: 25, safi: 70, family: "l2vpn-evpn", next_hop: "192.0.2.1", nlri: "abcd" },
  ],
  [
    14,
    "0001 80 0c 0000000000000000 c0000201 00",
    { afi: 1, safi: 128, family: "ipv4-vpn", next_hop: "0x0000000000000000c0000201", nlri: "" },
  ],
  [
    15,
    "0002 01 00 30 20010db80001",
    { afi: 2, safi: 1, family: "ipv6-unicast", nlri: ["::/0", "2001:db8:1::/48"] },
  ],
  [15, "0001 02 18 e00000", { afi: 1, safi: 2, family: "ipv4-multicast", nlri: ["224.0.0.0/24"] }],
  [
    16,
    "0002fde900000001 0003fde900000002 0102c00002010003 02020001fde90004 02020000fde90005",
    ["rt:65001:1", "ro:65001:2", "rt:192.0.2.1:3", "rt:130537:4", "rt:65001L:5"],
  ],
  [
    16,
    "4004fde94ef42400 4300000000000002 8006000000000000",
    ["lb:65001:2048000000", "0x4300000000000002", "0x8006000000000000"],
  ],
  [17, "0201 0001fde9", { text: "130537", segments: [{ type: "AS_SEQUENCE", as: [130537] }] }],
  [18, "0001fde9 c0000201", { as: 130537, address: "192.0.2.1" }],
  [22, "0000000000", "0000000000"],
  [
    25,
    "0002 20010db8000000000000000000000001 0064 400b 20010db8000000000000000000000001 0064",
    ["rt:[2001:db8::1]:100", "0x400b20010db80000000000000000000000010064"],
  ],
  [
    26,
    "01 000b ffffffffffffffff 09 0004 ff",
    [
      { type: 1, metric: "18446744073709551615" },
      { type: 9, value: "ff" },
    ],
  ],
  [32, "0000fde9 00000001 00000002", ["65001:1:2"]],
  [35, "0000fde9", 65001],
  [40, "010007 00000000000064", "01000700000000000064"],
];

describe("attribute values", () => {
  for (const [type, text, value, context = IBGP] of ROWS) {
    const row = ATTRIBUTE_TABLE[type]!;
    const octets = hex(text);

    test(`${row.name} ${text || "without octets"} is read and written`, () => {
      // Behind octets that are none of its business.
      const buf = Uint8Array.of(1, 2, 3, ...octets, 9);
      const lenient = { ...context, allowAsSet: true, allowConfed: true };
      expect(row.check(buf, 3, octets.length, lenient)).toBeNull();
      expect(row.decode(buf, 3, octets.length, context)).toEqual(value);
      expect(formatHex(row.encode(value, context))).toBe(formatHex(octets));
    });
  }

  test("every row is tried", () => {
    const tried = new Set([...ROWS.map(([type]) => type), ...PASSED]);
    expect(ATTRIBUTE_TABLE.filter((row) => row !== null && !tried.has(row.type))).toEqual([]);
  });

  test("an encoder refuses a value that is not of its shape", () => {
    for (const attribute of WRONG) expect(() => encodeAttributes([attribute])).toThrow(RangeError);
  });

  test("attributes are written in order, with the flags and the length that they must have", () => {
    const communities = Array.from({ length: 64 }, (_, k) => `65001:${k}`);
    const octets = encodeAttributes([
      { type: 99, value: "ff" },
      { type: 8, value: communities, flags: { partial: true } },
      { type: 15, value: { afi: 2, safi: 1, nlri: [] } },
      { type: 1, value: "IGP" },
    ]);
    expect(formatHex(octets, 0, 10)).toBe(formatHex(hex("800f03000201 40010100")));
    expect(formatHex(octets, 10, 14)).toBe("f0080100");
    expect(formatHex(octets, octets.length - 4)).toBe("e06301ff");
    const decoded = decodeAttributes(octets, 0, octets.length);
    expect(decoded.map(({ name }) => name)).toEqual([
      "MP_UNREACH_NLRI",
      "ORIGIN",
      "COMMUNITIES",
      "UNKNOWN",
    ]);
    expect(decoded[2]).toMatchObject({
      flags: { optional: true, transitive: true, partial: true, extended_length: true },
      value: communities,
    });
  });

  test("communities are numbers, and have their names beside them, if any has one", () => {
    const octets = encodeAttributes([
      { type: 8, value: ["no-export", "65001:1", "65535:666"] },
      { type: 16, value: ["ov:valid", "rt:65001:1", "lb:65001:125000"] },
      { type: 25, value: ["rt:[2001:db8::1]:1"] },
      { type: 32, value: ["65001:1:2"] },
    ]);
    const decoded = decodeAttributes(octets, 0, octets.length);
    expect(decoded.map(({ value, names }) => ({ value, names }))).toEqual([
      {
        value: ["65535:65281", "65001:1", "65535:666"],
        names: { "65535:65281": "no-export", "65535:666": "blackhole" },
      },
      {
        value: ["0x4300000000000000", "rt:65001:1", "lb:65001:125000"],
        names: { "0x4300000000000000": "ov:valid" },
      },
      { value: ["rt:[2001:db8::1]:1"], names: undefined },
      { value: ["65001:1:2"], names: undefined },
    ]);
  });

  test("a type without a row has no name of its own", () => {
    expect([attributeName(2), attributeName(99)]).toEqual(["AS_PATH", "UNKNOWN"]);
  });
});

/** Rows that show their octets as they are, like PMSI_TUNNEL above. */
const PASSED = [23, 29, 39];

const WRONG: readonly AttributeValue[] = [
  { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [] }] } },
  { type: 3, value: "192.0.2" },
  { type: 7, value: { as: 1, address: "::1" } },
  { type: 8, value: ["65536:1"] },
  { type: 10, value: ["1.2.3"] },
  { type: 14, value: { afi: 2, safi: 1, next_hop: "::1", nlri: ["10.0.0.0/8"] } },
  { type: 15, value: { afi: 25, safi: 70, nlri: "xy" } },
  { type: 22, value: "0" },
  { type: 26, value: [{ type: 9, value: "0" }] },
  { type: 99, value: "no" },
];

test("octets that a row accepts are written as they were", () => {
  const rows = ATTRIBUTE_TABLE.filter((row) => row !== null);
  const context = { ...IBGP, allowAsSet: true, allowConfed: true };
  fc.assert(
    fc.property(fc.constantFrom(...rows), fc.uint8Array({ maxLength: 48 }), (row, octets) => {
      if (row.check(octets, 0, octets.length, context) !== null) return;
      const encoded = row.encode(row.decode(octets, 0, octets.length, context), context);
      // Bits beyond a prefix length and the reserved octet of MP_REACH_NLRI may differ.
      if (row.type === 14 || row.type === 15) {
        expect(encoded.length).toBe(octets.length);
        const again = row.encode(row.decode(encoded, 0, encoded.length, context), context);
        expect(again).toEqual(encoded);
      } else expect(encoded).toEqual(octets);
    }),
    { numRuns: 20_000 },
  );
});
