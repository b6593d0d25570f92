import { createHash } from "node:crypto";
import { type DecodedUpdate, decodeMessages } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SessionForm } from "../src/batch.ts";
import { Picker, Prng } from "../src/prng.ts";
import { type SyntheticOptions, syntheticTable } from "../src/synthetic.ts";
import { EXTERNAL, pathOf, tableOf } from "./routes-of.ts";

function octetsOf(options: SyntheticOptions, form: SessionForm = EXTERNAL): Uint8Array {
  return Buffer.concat(Array.from(syntheticTable(options, form), ({ octets }) => octets));
}

/** AS_TRANS, documentation and private use, and what is not assigned above 65535. */
function isReserved(text: string): boolean {
  const as = Number(text);
  return as === 23_456 || (as >= 64_496 && as < 131_072);
}

const IPV4 = { prefixes: 20_000, seed: 1, families: 1 };

describe("the random numbers", () => {
  test("are those of sfc32", () => {
    const prng = new Prng(0);
    const first = [prng.next(), prng.next(), prng.next()];
    const again = new Prng(0);
    expect([again.next(), again.next(), again.next()]).toEqual(first);
    expect(new Prng(1).next()).not.toBe(first[0]);
    expect(new Prng(0, 1).next()).not.toBe(first[0]);
  });

  test("stay in their range", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 32 }), (seed, limit) => {
        const prng = new Prng(seed);
        for (let i = 0; i < 20; i++) {
          const value = prng.below(limit);
          expect(value).toBeGreaterThanOrEqual(0);
          expect(value).toBeLessThan(limit);
          expect(Number.isInteger(value)).toBe(true);
        }
      }),
    );
  });

  test("are picked by weight", () => {
    const picker = new Picker([
      [3, 10],
      [7, 30],
    ]);
    const prng = new Prng(5);
    let sevens = 0;
    for (let i = 0; i < 10_000; i++) sevens += picker.pick(prng) === 7 ? 1 : 0;
    expect(sevens / 10_000).toBeCloseTo(0.75, 1);
  });
});

describe("a synthetic table", () => {
  test("has the same octets for the same seed, on every machine", () => {
    const hash = (options: SyntheticOptions) =>
      createHash("sha256").update(octetsOf(options)).digest("hex").slice(0, 16);
    expect({
      ipv4: hash(IPV4),
      ipv6: hash({ ...IPV4, families: 2 }),
      both: hash({ ...IPV4, families: 3 }),
      otherSeed: hash({ ...IPV4, seed: 2 }),
    }).toMatchInlineSnapshot(`
      {
        "both": "7bf95dd03b43c277",
        "ipv4": "2d236404e1787f5e",
        "ipv6": "ddfc0d4ab880c988",
        "otherSeed": "428c8f7f2788092c",
      }
    `);
  });

  test.each([
    ["IPv4", 1, 1000],
    ["IPv6", 2, 1000],
    ["both", 3, 1000],
    ["a single prefix", 1, 1],
    ["IPv6 alone of one", 2, 1],
  ])("of %s has as many different prefixes as asked for", async (_, families, prefixes) => {
    const table = await tableOf(syntheticTable({ prefixes, seed: 3, families }, EXTERNAL));
    expect(table.size).toBe(prefixes);
  });

  test("keeps its prefixes when only the attributes get another seed", async () => {
    const one = await tableOf(syntheticTable(IPV4, EXTERNAL));
    const other = await tableOf(syntheticTable({ ...IPV4, attributeSeed: 2 }, EXTERNAL));
    expect([...one.keys()]).toEqual([...other.keys()]);
    expect([...one.values()]).not.toEqual([...other.values()]);
  });

  test("is shaped like the default-free zone", () => {
    const options = { fourOctetAs: true, addPath: false, external: true, allowAsSet: true };
    const messages = decodeMessages(octetsOf(IPV4), options) as DecodedUpdate[];
    const prefixes = messages.flatMap(({ nlri }) => nlri as string[]);
    const share = (test: (value: DecodedUpdate) => boolean) =>
      messages.filter(test).length / messages.length;
    const has = (name: string) => (value: DecodedUpdate) =>
      value.attributes.some((attribute) => attribute.name === name);
    const paths = messages.map(({ attributes }) => {
      const path = attributes.find(({ name }) => name === "AS_PATH")!.value as { text: string };
      // Without the own AS in front.
      return path.text.slice(path.text.indexOf(" ") + 1);
    });
    const lengths = paths.map((path) => 1 + path.split(" ").length);
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(messages.every(({ error }) => error === undefined)).toBe(true);
    expect(prefixes.length / messages.length).toBeGreaterThan(3.4);
    expect(prefixes.length / messages.length).toBeLessThan(4.4);
    const slash24 = prefixes.filter((prefix) => prefix.endsWith("/24")).length;
    expect(slash24 / prefixes.length).toBeCloseTo(0.6, 1);
    expect(mean).toBeGreaterThan(4.4);
    expect(mean).toBeLessThan(5);
    expect(paths.join(" ").split(" ").some(isReserved)).toBe(false);
    expect(share(has("COMMUNITIES"))).toBeCloseTo(0.7, 1);
    expect(share(has("LARGE_COMMUNITIES"))).toBeCloseTo(0.1, 1);
    expect(share(has("EXTENDED_COMMUNITIES"))).toBeCloseTo(0.05, 1);
    expect(prefixes.some((prefix) => /^(0|10|127|22[4-9]|2[3-5]\d)\./.test(prefix))).toBe(false);
  });

  test("has messages that no session refuses, whatever the session is like", async () => {
    const forms = fc.record({
      fourOctetAs: fc.boolean(),
      octetsMax: fc.constantFrom(4096, 65535),
      internal: fc.boolean(),
      localAs: fc.constantFrom(65001, 4_200_000_000),
    });
    await fc.assert(
      fc.asyncProperty(forms, fc.integer({ min: 1, max: 3 }), async (partial, families) => {
        const form = { ...EXTERNAL, ...partial };
        const table = await tableOf(
          syntheticTable({ prefixes: 300, seed: 9, families }, form),
          form,
        );
        expect(table.size).toBe(300);
      }),
      { numRuns: 20 },
    );
  });

  test("has the own AS in front for an external peer, and nowhere for an internal one", async () => {
    for (const internal of [false, true]) {
      const form = { ...EXTERNAL, internal };
      const table = await tableOf(
        syntheticTable({ prefixes: 300, seed: 4, families: 3 }, form),
        form,
      );
      for (const route of table.keys()) {
        const own = pathOf(table, route).split(" ").lastIndexOf(String(form.localAs));
        expect(own, route).toBe(internal ? -1 : 0);
      }
    }
  });

  test("leaves out a family that the session does not carry", async () => {
    const form = { ...EXTERNAL, families: 1 };
    const options = { prefixes: 100, seed: 1, families: 3 };
    const table = await tableOf(syntheticTable(options, form), form);
    expect(table.size).toBe(80);
  });
});
