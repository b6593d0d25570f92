import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AFI,
  COMMUNITY_OCTETS,
  type CommunityKind,
  familyName,
  formatCommunity,
  formatHex,
  formatIpv4,
  formatIpv6,
  formatNextHop,
  formatPrefix,
  parseAddress,
  parseCommunityOf,
  parseHex,
  parseIpv4,
  parseIpv6,
  parseNextHop,
  parsePrefix,
  WELL_KNOWN_COMMUNITIES,
} from "../src/index.ts";
import { hex } from "./support.ts";

describe("addresses", () => {
  test.each([
    ["20010db8000000000000000000000001", "2001:db8::1"],
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000000000001", "::1"],
    ["00010000000000000000000000000000", "1::"],
    ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
    ["20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
    ["00010000000000000001000000000000", "1::1:0:0:0"],
    ["00000000000000000000ffffc0000201", "::ffff:192.0.2.1"],
    ["000000000000000000000001c0000201", "::1:c000:201"],
  ])("%s is %s by RFC 5952", (octets, text) => {
    expect(formatIpv6(hex(octets), 0)).toBe(text);
    expect(parseIpv6(text)).toEqual(hex(octets));
  });

  test.each([
    "",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "1:2:3:4:5:6:7::8",
    "12345::",
    "::g",
    "::1%eth0",
    "::1.2.3",
    "1.2.3.4::",
    ":1",
    "1:",
  ])("%j is no IPv6 address", (text) => expect(parseIpv6(text)).toBeNull());

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.0",
    "01.2.3.4",
    "1.2.3.-4",
    " 1.2.3.4",
    "1.2.3.4 ",
  ])("%j is no IPv4 address", (text) => expect(parseIpv4(text)).toBeNull());

  test("any IPv4 address is written and read", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (address) => {
        expect(isIPv4(formatIpv4(address))).toBe(true);
        expect(parseIpv4(formatIpv4(address))).toBe(address);
      }),
    );
  });

  test("any IPv6 address is written and read", () => {
    // Zero groups are made likely: they are what the short forms are about.
    const group = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const octets = Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 255]));
        const text = formatIpv6(octets, 0);
        expect(isIPv6(text)).toBe(true);
        expect(parseIpv6(text)).toEqual(octets);
      }),
    );
  });

  test("what node takes for an IPv6 address without a zone is one, and nothing else", () => {
    const part = fc.constantFrom(":", "::", "0", "1", "ffff", "12345", ".", "1.2.3.4", "g");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        expect([text, parseIpv6(text) !== null]).toEqual([text, isIPv6(text)]);
      }),
      { numRuns: 20_000 },
    );
  });

  test("a next hop is one address or two", () => {
    for (const text of ["192.0.2.1", "2001:db8::1", "2001:db8::1 fe80::1", "0xabcd"]) {
      const octets = parseNextHop(text);
      expect(formatNextHop(octets, 0, octets.length)).toBe(text);
    }
    expect(() => parseNextHop("2001:db8::1 x")).toThrow(RangeError);
    expect(parseAddress("x")).toBeNull();
  });
});

describe("prefixes", () => {
  test.each([
    [AFI.IPV4, "18 0a0101", "10.1.1.0/24"],
    [AFI.IPV4, "00", "0.0.0.0/0"],
    [AFI.IPV4, "20 0a010101", "10.1.1.1/32"],
    [AFI.IPV4, "09 0aff", "10.128.0.0/9"],
    [AFI.IPV6, "21 20010db8ff", "2001:db8:8000::/33"],
    [AFI.IPV6, "00", "::/0"],
  ])("family %i, %s is %s", (afi, octets, text) => {
    expect(formatPrefix(afi, hex(octets), 0)).toBe(text);
    expect(parsePrefix(text)).toMatchObject({ afi, bits: hex(octets)[0] });
  });

  test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0/8", "::/129", "::/", "/8", "::/-1"])(
    "%j is no prefix",
    (text) => expect(parsePrefix(text)).toBeNull(),
  );
});

describe("communities", () => {
  const kinds = Object.keys(COMMUNITY_OCTETS) as CommunityKind[];
  const kindsOf = (text: string) => kinds.filter((kind) => parseCommunityOf(kind, text) !== null);

  test("any octets are written and read, in their own kind", () => {
    const types = fc.constantFrom([0, 2], [1, 2], [2, 3], [0x40, 4], [0x43, 0], [0x80, 6]);
    fc.assert(
      fc.property(
        fc.constantFrom(...kinds),
        types,
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        (kind, type, random) => {
          const octets = random.slice(0, COMMUNITY_OCTETS[kind]);
          if (kind === "extended" || kind === "ipv6-extended") octets.set(type);
          const text = formatCommunity(kind, octets, 0);
          expect([text, kindsOf(text)]).toEqual([text, [kind]]);
          expect(formatHex(parseCommunityOf(kind, text)!)).toBe(formatHex(octets));
        },
      ),
      { numRuns: 5000 },
    );
  });

  test("names stand for the well-known ones", () => {
    for (const name of WELL_KNOWN_COMMUNITIES.keys()) {
      expect(formatCommunity("standard", parseCommunityOf("standard", name)!, 0)).toBe(name);
    }
    const [number, name] = ["65535:65281", "no-export"];
    expect(parseCommunityOf("standard", number)).toEqual(parseCommunityOf("standard", name));
  });

  test.each([
    "",
    "1",
    "65536:1",
    "1:65536",
    "01:1",
    "1:2:3:4",
    "4294967296:1:1",
    "-1:1",
    "rt:1",
    "rt:65536:65536",
    "rt:1L:65536",
    "rt:192.0.2.1:65536",
    "rt:192.0.2:1",
    "rt:4294967296:1",
    "xx:1:1",
    "lb:65536:1",
    "lb:1:",
    "lb:1:1e99",
    "lb:1:x",
    "ov:maybe",
    "ov:valid:1",
    "0x00",
    "0x00000000000000zz",
    "rt:[::1]:65536",
    "rt:[::g]:1",
    "rt:::1:1",
  ])("%j is no community", (text) => expect(kindsOf(text)).toEqual([]));
});

test("families have names", () => {
  expect([familyName(1, 1), familyName(2, 1), familyName(25, 70), familyName(9, 9)]).toEqual([
    "ipv4-unicast",
    "ipv6-unicast",
    "l2vpn-evpn",
    "afi9-safi9",
  ]);
});

test("hexadecimal digits come in pairs", () => {
  expect(parseHex("00fF")).toEqual(Uint8Array.of(0, 255));
  expect([parseHex("0"), parseHex("0g"), parseHex("0x")]).toEqual([null, null, null]);
});
