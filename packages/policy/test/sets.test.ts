import {
  AFI,
  type AsPathSegment,
  encodeAsPath,
  formatAsPath,
  formatPrefix,
  parsePrefix,
  readU32,
} from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AsSet,
  compileAsPathRegex,
  newPrefixEntry,
  PrefixListBuilder,
  PrefixSet,
  parseAsRange,
  parseCommunityPattern,
  parsePrefixEntry,
  prefixCounts,
  REASON,
  ReasonTable,
} from "../src/index.ts";
import { maskOf } from "../src/prefix-entry.ts";
import { prefixArguments, sequence } from "./model.ts";
import { entryTakes, regexMatches } from "./plain.ts";

/** Prefixes of few distinct bits, so that they often cover each other. */
const prefix = (afi: 1 | 2) =>
  fc
    .tuple(
      fc.nat(afi === 1 ? 32 : 128),
      fc.array(fc.constantFrom(0, 0x80, 0xc0, 0xff), { minLength: 16, maxLength: 16 }),
    )
    .map(([bits, octets]) => formatPrefix(afi, Uint8Array.of(bits, ...octets), 0));
const anyPrefix = fc.oneof(prefix(1), prefix(2));
const entry = anyPrefix.chain((text) => {
  const full = text.includes(":") ? 128 : 32;
  const bits = Number(text.split("/")[1]);
  const length = fc.integer({ min: bits, max: full });
  return fc.tuple(length, length, fc.nat(3)).map(([a, b, kind]) => {
    const [ge, le] = a < b ? [a, b] : [b, a];
    return [text, `${text} le ${le}`, `${text} ge ${ge}`, `${text} ge ${ge} le ${le}`][kind]!;
  });
});

test("a prefix set takes a prefix when one of its entries does", () => {
  fc.assert(
    fc.property(fc.array(entry), fc.array(anyPrefix), (entries, asked) => {
      const set = new PrefixSet(entries);
      for (const text of [...asked, ...entries.map((e) => e.split(" ")[0]!)]) {
        const want = entries.filter((e) => entryTakes(e, text));
        const [family, ...rest] = prefixArguments(text);
        expect(set.has(family, ...rest)).toBe(want.length > 0);
        const signed = rest.map((word, k) => (k < 4 ? word | 0 : word)) as typeof rest;
        expect(set.has(family, ...signed)).toBe(want.length > 0);
        const found = set.entryOf(family, ...rest);
        if (found === null) expect(want).toEqual([]);
        else expect(entryTakes(found, text)).toBe(true);
      }
    }),
  );
});

describe("an entry of a prefix list that is wrong says why", () => {
  const rows: [string, RegExp][] = [
    ["10.0.0.0", /the length is missing/],
    ["10.0.0.0/33", /not a prefix/],
    ["10.0.0/8", /not a prefix/],
    ["10.0.0.0/08", /not a prefix/],
    ["010.0.0.0/8", /not a prefix/],
    ["256.0.0.0/8", /not a prefix/],
    ["10.0.0.1/8", /host bits/],
    ["2001:db8::1/32", /host bits/],
    ["2001:db8::/129", /not a prefix/],
    ["10.0.0.0/8 le", /not "ge N"/],
    ["10.0.0.0/8 ", /not "ge N"/],
    ["10.0.0.0/8 le 24 ge 9", /not "ge N"/],
    ["10.0.0.0/8 upto 24", /not "ge N"/],
    ["10.0.0.0/8 le 33", /above 32/],
    ["10.0.0.0/8 ge 7", /below the prefix length/],
    ["10.0.0.0/8 le 7", /below the prefix length/],
    ["10.0.0.0/8 ge 24 le 23", /above le/],
    ["2001:db8::/32 ge 129", /above le|above 128/],
    ["", /not a prefix/],
  ];
  test.each(rows)("%s", (text, message) => {
    expect(parsePrefixEntry(text, newPrefixEntry())).toMatch(message);
  });
});

test("an IPv6 prefix is read as any address is, in whatever form", () => {
  const group = fc.constantFrom("0", "00", "1", "db8", "ABCD", "12345", "g", "", "1.2.3.4");
  const side = fc.array(group, { maxLength: 8 }).map((groups) => groups.join(":"));
  const address = fc.oneof(
    fc.tuple(side, side).map(([head, tail]) => `${head}::${tail}`),
    fc
      .array(fc.constantFrom("0", "1", "fe80"), { minLength: 8, maxLength: 8 })
      .map((g) => g.join(":")),
    side,
  );
  const bits = fc.oneof(
    fc.integer({ min: 0, max: 130 }).map(String),
    fc.constantFrom("", "064", "x"),
  );
  let right = 0;
  fc.assert(
    fc.property(address, bits, (text, length) => {
      const entry = newPrefixEntry();
      const mistake = parsePrefixEntry(`${text}/${length}`, entry);
      const want = parsePrefix(`${text}/${length}`);
      if (want === null) expect(mistake).not.toBe(null);
      if (want?.afi !== AFI.IPV6) return;
      const words = [0, 4, 8, 12].map((at) => readU32(want.address, at) | 0);
      const hasHostBits = words.some((word, k) => (word & ~maskOf(want.bits - 32 * k)) !== 0);
      expect(mistake === null).toBe(!hasHostBits);
      if (mistake !== null) return;
      right++;
      const { w0, w1, w2, w3, bitsMax } = entry;
      expect([w0, w1, w2, w3, entry.bits, bitsMax]).toEqual([...words, want.bits, 128]);
    }),
    { numRuns: 2000 },
  );
  expect(right).toBeGreaterThan(20);
});

test("a packed list is the same set as its texts", () => {
  fc.assert(
    fc.property(fc.array(entry), fc.array(anyPrefix), (entries, asked) => {
      const builder = new PrefixListBuilder();
      const scratch = newPrefixEntry();
      for (const text of entries) {
        expect(parsePrefixEntry(text, scratch)).toBe(null);
        builder.add(scratch);
      }
      const list = builder.list();
      const [ipv4, ipv6] = prefixCounts(list);
      expect(ipv4 + ipv6).toBe(entries.length);
      const [packed, plain] = [new PrefixSet(list), new PrefixSet(entries)];
      for (const text of [...asked, ...entries.map((e) => e.split(" ")[0]!)]) {
        const [family, ...rest] = prefixArguments(text);
        expect(packed.entryOf(family, ...rest)).toBe(plain.entryOf(family, ...rest));
      }
    }),
  );
});

test("an AS set has the numbers of its ranges", () => {
  const as = fc.oneof(fc.nat(20), fc.constantFrom(4294967294, 4294967295));
  const range = fc.tuple(as, as).map(([a, b]) => (a <= b ? `${a}-${b}` : `${a}`));
  fc.assert(
    fc.property(fc.array(range), (entries) => {
      const set = new AsSet(entries);
      for (const n of [...Array(22).keys(), 2 ** 31, 4294967293, 4294967294, 4294967295]) {
        const want = entries.some((text) => {
          const [first = 0, last = first] = text.split("-").map(Number);
          return n >= first && n <= last;
        });
        expect(set.has(n)).toBe(want);
      }
    }),
  );
});

test.each(["", "x", "1-", "-1", "5-4", "4294967296", "1-4294967296", "1 2"])(
  "%j is no AS range",
  (text) => {
    expect(parseAsRange(text)).toBeTypeOf("string");
  },
);

describe("regular expressions over AS paths", () => {
  const piece = fc.constantFrom(
    ..."0123456789",
    "_",
    ".",
    " ",
    "^",
    "$",
    "{",
    "}",
    ",",
    "65",
    "[1-6]",
    "[^0-4]",
    "(6|1 )",
    "((65_)*)",
  );
  const repeat = fc.constantFrom("", "", "", "*", "+", "?");
  const part = fc.tuple(piece, repeat).map(([p, r]) => (/^[\^$_]$/.test(p) ? p : p + r));
  const regex = fc
    .array(
      fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("")),
      {
        minLength: 1,
        maxLength: 2,
      },
    )
    .map((alternatives) => alternatives.join("|"));
  const segment = fc.record({
    type: fc.constantFrom("AS_SEQUENCE" as const, "AS_SET" as const),
    as: fc.array(fc.constantFrom(1, 6, 65, 650, 65001, 4200000000), { minLength: 1, maxLength: 4 }),
  });

  test("match what the language's own engine matches on the text of the path", () => {
    fc.assert(
      fc.property(
        regex,
        fc.array(fc.array(segment, { maxLength: 3 }), { minLength: 1, maxLength: 5 }),
        (text, paths) => {
          const compiled = compileAsPathRegex(text);
          if ("message" in compiled) {
            expect(compiled.message).toMatch(/counted repeat/);
            return;
          }
          for (const path of paths) {
            const value = encodeAsPath(path, 4);
            expect(compiled.test(value, 0, value.length)).toBe(
              regexMatches(text, formatAsPath(path)),
            );
          }
        },
      ),
      { numRuns: 3000 },
    );
  });

  const rows: [string, AsPathSegment[], boolean][] = [
    ["^$", [], true],
    ["^$", sequence(1), false],
    ["_", [], true],
    ["^65001_", sequence(65001), true],
    ["^65001_", sequence(650011), false],
    ["_65002$", sequence(1, 65002), true],
    ["_1_2_", [{ type: "AS_SET", as: [1, 2] }], true],
    ["\\{1,2\\}", [{ type: "AS_SET", as: [1, 2] }], true],
    ["^(65001_)+$", sequence(65001, 65001), true],
    ["^65[0-9]+( 65[0-9]+)*$", sequence(65001, 659), true],
    ["^4294967295$", sequence(4294967295), true],
  ];
  test.each(rows)("%s on %j: %s", (text, path, matches) => {
    const compiled = compileAsPathRegex(text);
    const value = encodeAsPath(path, 4);
    expect("test" in compiled && compiled.test(value, 0, value.length)).toBe(matches);
  });

  test("take a path of 255 ASes in linear time, whatever the expression", () => {
    const value = encodeAsPath(sequence(...new Array<number>(255).fill(1111111111)), 4);
    for (const text of ["(1*)*2", "(1|1)*(1|1)*(1|1)*3", "(.*.*)*x?2", "^(1?)*$"]) {
      const compiled = compileAsPathRegex(text.replace("x?", ""));
      expect("test" in compiled && compiled.test(value, 0, value.length)).toBe(false);
    }
  });

  const mistakes: [string, number, RegExp][] = [
    ["", 0, /empty/],
    ["(1", 0, /not closed/],
    ["1)", 1, /not opened/],
    ["1|*", 2, /nothing to repeat/],
    ["65001{2}", 5, /counted repeat/],
    ["[1-", 0, /not closed/],
    ["[3-1]", 1, /not a range/],
    ["^abc", 1, /never stands/],
    ["1\\", 1, /backslash/],
    ["1".repeat(1001), 1000, /too long/],
  ];
  test.each(mistakes)("%s is wrong at %i", (text, at, message) => {
    expect(compileAsPathRegex(text)).toEqual({ at, message: expect.stringMatching(message) });
  });
});

describe("a community pattern that is wrong says why", () => {
  const rows: ["standard" | "large" | "extended", string][] = [
    ["standard", "1"],
    ["standard", "1:2:3"],
    ["standard", "65536:1"],
    ["standard", "1:-1"],
    ["standard", "$peer-as:$peer-as"],
    ["standard", "$peeras:1"],
    ["large", "1:2"],
    ["large", "1:2:4294967296"],
    ["extended", "rt:1"],
    ["extended", "xx:1:1"],
    ["extended", "rt:70000:70000"],
    ["extended", "ov:*:1"],
  ];
  test.each(rows)("%s %s", (kind, text) => {
    expect(parseCommunityPattern(kind, text, 65000)).toContain(text);
  });

  test("and so does an own AS number that does not fit", () => {
    expect(parseCommunityPattern("standard", "$local-as:1", 4200000000)).toContain("4200000000:1");
    expect(parseCommunityPattern("large", "$local-as:1:*", 4200000000)).toHaveLength(1);
  });
});

test("reasons keep their numbers when lines move; a full table has only codes left", () => {
  const table = new ReasonTable();
  const add = (rule: string, line: number) => {
    table.add("policy-rule", "p", rule, { file: "f", line });
    return table.numberOf("policy-rule", "p", rule);
  };
  const first = add("r", 1);
  expect(add("r", 2)).toBe(first);
  expect(table.text(first)).toBe('rejected by policy: rule "r" of policy "p" (f:2)');
  for (let k = 0; k < 70_000; k++) {
    expect(add(`r${k}`, k)).toBeLessThan(65_536);
  }
  expect(add("new", 1)).toBe(REASON["policy-rule"]);
  expect(table.get(first).source?.line).toBe(2);
});
