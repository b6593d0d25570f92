/** Files of ROAs and of local exceptions. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import {
  isAspa,
  newVrp,
  type RoaFile,
  RoaReader,
  readAspa,
  readVrp,
  SlurmFilters,
  slurmOf,
  type Vrp,
} from "../src/index.ts";

function read(text: string, cuts: readonly number[] = []): RoaFile | string {
  const reader = new RoaReader();
  let at = 0;
  for (const cut of cuts) {
    reader.push(text.slice(at, at + cut));
    at += cut;
  }
  reader.push(text.slice(at));
  return reader.end();
}

function vrpsOf(file: RoaFile | string): Vrp[] {
  if (typeof file === "string") throw new Error(file);
  return file.pieces.flatMap((piece) => {
    const vrps: Vrp[] = [];
    for (let at = 0; at < piece.length; ) {
      if (isAspa(piece, at)) {
        at = readAspa(piece, at)[1];
        continue;
      }
      const vrp = newVrp();
      at = readVrp(piece, at, vrp);
      vrps.push(vrp);
    }
    return vrps;
  });
}

/** As rpki-client writes it. */
const RPKI_CLIENT = `{
	"metadata": { "buildmachine": "x", "roas": 3, "note": "[{\\"roas\\": [" },
	"roas": [
		{ "asn": 64496, "prefix": "192.0.2.0/24", "maxLength": 25, "ta": "ri{p]e", "expires": 1700000000 },
		{ "asn": 0, "prefix": "2001:db8::/32", "maxLength": 48, "ta": "arin", "expires": 1700000000 }
	],
	"aspas": [ { "customer_asid": 64496, "providers": [ 64497 ] } ]
}
`;
/** As Routinator writes it. */
const ROUTINATOR =
  '{"metadata":{"generated":1700000000},"roas":[{"asn":"AS64496","prefix":"192.0.2.0/24",' +
  '"maxLength":25,"ta":"ripe"},{"asn":"AS0","prefix":"2001:db8::/32","maxLength":48,"ta":"arin"}]}';

const EXPECTED = [
  { ...newVrp(), w0: 0xc0000200, bits: 24, maxLength: 25, as: 64496 },
  { ...newVrp(), isWide: true, w0: 0x20010db8, bits: 32, maxLength: 48, as: 0 },
];

test.each([
  ["rpki-client", RPKI_CLIENT],
  ["Routinator", ROUTINATOR],
])("a file of %s says the same, however it is cut", (_, text) => {
  expect(vrpsOf(read(text))).toEqual(EXPECTED);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 30 }), (cuts) => {
      expect(vrpsOf(read(text, cuts))).toEqual(EXPECTED);
    }),
    { numRuns: 200 },
  );
});

test.each([
  ["rpki-client", '{ "customer_asid": 64496, "expires": 1, "providers": [ 64497, 0 ] }'],
  ["Routinator", '{ "customer": "AS64496", "providers": [ "AS64497", "AS0" ], "ta": "ripe" }'],
])("an ASPA of %s", (_, aspa) => {
  const file = read(`{ "roas": [], "aspas": [ ${aspa} ] }`) as RoaFile;
  expect([file.count, file.aspas]).toEqual([0, 1]);
  const [read1] = readAspa(file.pieces[0]!, 0);
  expect(read1).toEqual({
    isAnnounced: true,
    customer: 64496,
    providers: Uint32Array.of(64497, 0),
  });
});

test("a longest length that is not there is the prefix's, and many ROAs are many pieces", () => {
  const roa = '{ "asn": 1, "prefix": "10.0.0.0/8" }';
  const file = read(`{ "roas": [ ${Array(5000).fill(roa).join(",")} ] }`) as RoaFile;
  expect(file.count).toBe(5000);
  expect(file.pieces.length).toBeGreaterThan(1);
  expect(vrpsOf(file).every(({ maxLength }) => maxLength === 8)).toBe(true);
});

describe("what is wrong with a file of ROAs", () => {
  const roas = (roa: string) => `{\n"roas": [\n${roa}\n] }`;
  test.each([
    ["", 'line 1: there is no list "roas"'],
    ["[]", "line 1: this is a list and no JSON object"],
    ["prefix,asn\n", "line 1: this is no JSON object"],
    ['{ "roas": 1 }', 'line 1: there is no list "roas"'],
    ['{\n"roas": [', "line 2: the file is cut off"],
    ['{ "roas": [] } x', "line 1: something stands behind the end of the object"],
    ['{ "roas": [] }\n{ "roas": [] }', "line 2: something stands behind the end of the object"],
    ['"x" { "roas": [] }', "line 1: this is no JSON object"],
    ['{ "roas": [] } }', "line 1: a bracket too many"],
    ['{ "roas": [ } ]', "line 1: a bracket of another kind"],
    [`{ "x": ${"[".repeat(64)}`, "line 1: more than 64 brackets inside of each other"],
    [roas('"x"'), 'line 3: "roas" must be a list of objects'],
    [roas("5"), 'line 3: "roas" must be a list of objects'],
    [roas("null"), 'line 3: "roas" must be a list of objects'],
    [roas("[]"), 'line 3: "roas" must be a list of objects'],
    [roas('{ "asn": 1, "prefix": "10.0.0.0" }'), 'line 3: "10.0.0.0" is not a prefix'],
    [
      roas('{ "asn": 1, "prefix": "10.0.0.0/33" }'),
      'line 3: "10.0.0.0/33" is longer than an address',
    ],
    [
      roas('{ "asn": 1, "prefix": "10.0.0.1/8" }'),
      'line 3: "10.0.0.1/8" has bits behind its length',
    ],
    [roas('{ "asn": "x", "prefix": "10.0.0.0/8" }'), 'line 3: "asn" must be an AS number'],
    [roas('{ "asn": 4294967296, "prefix": "10.0.0.0/8" }'), 'line 3: "asn" must be an AS number'],
    [
      roas('{ "asn": 1, "prefix": "10.0.0.0/8", "maxLength": 7 }'),
      'line 3: "maxLength" must be a number not below the length of the prefix',
    ],
    [
      '{ "roas": [], "aspas": [ { "customer": 1, "providers": [ "x" ] } ] }',
      'line 1: "providers" must be a list of AS numbers',
    ],
    ['{ "roas": [], "aspas": [ { "providers": [] } ] }', 'line 1: "customer" must be an AS number'],
    [
      roas('{ "asn": 1, "prefix": "10.0.0.0/8", "maxLength": 33 }'),
      'line 3: "maxLength" is too long',
    ],
  ])("%j", (text, problem) => {
    expect(read(text)).toBe(problem);
  });

  test("JSON that is none, with its line", () => {
    expect(read(roas('{ "asn": 1,, }'))).toMatch(/^line 3: /);
  });

  test("more than there is room for", () => {
    const text = roas(Array(10).fill('{ "asn": 1, "prefix": "10.0.0.0/8" }').join());
    const sizes = [119, 120].map((octetsMax) => {
      const reader = new RoaReader(octetsMax);
      reader.push(text);
      return reader.end();
    });
    expect(sizes).toEqual([
      "line 4: more than 119 octets of payloads",
      expect.objectContaining({ count: 10 }),
    ]);
  });

  test("a ROA that does not end takes no room", () => {
    const reader = new RoaReader();
    reader.push('{ "roas": [ { "prefix": "');
    for (let n = 0; n < 100; n++) reader.push("x".repeat(10_000));
    expect(reader.end()).toBe("line 1: a ROA that does not end");
  });
});

describe("local exceptions", () => {
  /** The example of RFC 8416 section 3.5. */
  const EXAMPLE = {
    slurmVersion: 1,
    validationOutputFilters: {
      prefixFilters: [
        { prefix: "192.0.2.0/24", comment: "All VRPs encompassed by prefix" },
        { asn: 64496, comment: "All VRPs matching ASN" },
        { prefix: "198.51.100.0/24", asn: 64497, comment: "All VRPs encompassed, matching ASN" },
      ],
      bgpsecFilters: [{ asn: 64496, comment: "All keys for ASN" }],
    },
    locallyAddedAssertions: {
      prefixAssertions: [
        { asn: 64496, prefix: "198.51.100.0/24", comment: "My other important route" },
        { asn: 64496, prefix: "2001:db8::/32", maxPrefixLength: 48, comment: "de-aggregated" },
      ],
      bgpsecAssertions: [],
    },
  };

  test("of the RFC's example", () => {
    const { slurm, mistakes } = slurmOf(EXAMPLE);
    expect(mistakes).toEqual([]);
    expect(slurm.filters.map(({ prefix, as }) => [prefix?.bits, as])).toEqual([
      [24, null],
      [undefined, 64496],
      [24, 64497],
    ]);
    expect(slurm.assertions).toEqual([
      { ...newVrp(), w0: 0xc6336400, bits: 24, maxLength: 24, as: 64496 },
      { ...newVrp(), isWide: true, w0: 0x20010db8, bits: 32, maxLength: 48, as: 64496 },
    ]);
  });

  const with1 = (filters: unknown, assertions: unknown) =>
    slurmOf({
      slurmVersion: 1,
      validationOutputFilters: { prefixFilters: filters },
      locallyAddedAssertions: { prefixAssertions: assertions },
    }).mistakes.map(({ path, message }) => `${path.join(".")}: ${message}`);

  test("filter what satisfies one of them, by all that it has", () => {
    const word = fc.constantFrom(0, 0x0a000000, 0x0a010000, 0x80000000);
    const prefixOf = fc
      .record({ isWide: fc.boolean(), word, bits: fc.integer({ min: 0, max: 32 }) })
      .map(({ isWide, word, bits }) => {
        const w0 = bits === 0 ? 0 : (word & (-1 << (32 - bits))) >>> 0;
        return { isWide, words: [w0, 0, 0, 0] as [number, number, number, number], bits };
      });
    const as = fc.constantFrom(0, 1, 2);
    const filter = fc
      .record({ prefix: fc.option(prefixOf), as: fc.option(as) })
      .filter(({ prefix, as }) => prefix !== null || as !== null);
    fc.assert(
      fc.property(fc.array(filter, { maxLength: 6 }), prefixOf, as, (list, prefix, as) => {
        const { isWide, words, bits } = prefix;
        const isIn = (other: typeof prefix) =>
          other.isWide === isWide &&
          other.bits <= bits &&
          (other.bits === 0 || (other.words[0] ^ words[0]) >>> (32 - other.bits) === 0);
        const expected = list.some(
          (one) => (one.as ?? as) === as && (one.prefix === null || isIn(one.prefix)),
        );
        expect(new SlurmFilters(list).has(isWide, ...words, bits, as)).toBe(expected);
      }),
      { numRuns: runs(2000) },
    );
  });

  test("with members that are not defined, or not for what is there", () => {
    const { mistakes } = slurmOf({
      slurmVersion: 2,
      validationOutputFilters: {
        prefixFilters: [{ asn: 1, customerAsid: 2 }],
        bgpsecFilters: [],
        aspaFilters: [{ customerAsid: 3 }],
      },
      locallyAddedAssertions: {
        prefixAssertions: [{ asn: 1, prefix: "10.0.0.0/8", maxLength: 16, comment: "typo" }],
        aspaAssertions: [],
        more: [],
      },
      metadata: {},
    });
    expect(mistakes.map(({ path, message }) => `${path.join(".")}: ${message}`)).toEqual([
      'metadata: "metadata" is no member of file',
      'validationOutputFilters.aspaFilters: "aspaFilters" must be empty: there are no local exceptions for ASPAs',
      'validationOutputFilters.prefixFilters.0.customerAsid: "customerAsid" is no member of prefixFilters',
      'locallyAddedAssertions.more: "more" is no member of locallyAddedAssertions',
      'locallyAddedAssertions.prefixAssertions.0.maxLength: "maxLength" is no member of prefixAssertions',
    ]);
  });

  test("with mistakes", () => {
    expect(slurmOf([]).mistakes).toHaveLength(1);
    expect(slurmOf({}).mistakes.map(({ message }) => message)).toEqual([
      "slurmVersion must be 1 or 2",
      "validationOutputFilters must have a list prefixFilters",
      "locallyAddedAssertions must have a list prefixAssertions",
    ]);
    const filters = [{}, { prefix: "10.0.0.1/8" }, { asn: -1 }, 7];
    const assertions = [{ asn: 1 }, { prefix: "10.0.0.0/8" }];
    const long = { asn: 1, prefix: "10.0.0.0/8", maxPrefixLength: 33 };
    const at = (list: string) =>
      list === "f"
        ? "validationOutputFilters.prefixFilters"
        : "locallyAddedAssertions.prefixAssertions";
    expect(with1(filters, [...assertions, long])).toEqual([
      `${at("f")}.3: must be an object`,
      `${at("f")}.0: must have a prefix or an asn`,
      `${at("f")}.1.prefix: "10.0.0.1/8" has bits behind its length`,
      `${at("f")}.2.asn: asn must be an AS number`,
      `${at("a")}.0.prefix: prefix must be text`,
      `${at("a")}.1.asn: asn must be an AS number`,
      `${at("a")}.2.maxPrefixLength: maxPrefixLength must be a length of such prefixes`,
    ]);
  });
});
