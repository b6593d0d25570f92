/** Outputs as records: they come back as they were, and shared octets stand there once. */
import { isEffect, type Output } from "@ts-bgp/router";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, outputsFrom, outputsOctets, outputsSum } from "../src/index.ts";
import { OctetWriter } from "../src/octet-writer.ts";
import { KINDS } from "../src/records.ts";

const BUFFERS = [40, 3000].map((octets) => new Uint8Array(octets).map((_, i) => i));
const TARGET = { neighbor: "192.0.2.1", port: 179 };
const OBSERVED = { kind: "routes", atMs: 1, octets: new Uint8Array(3) } as const;
const LOG = { id: "operator", level: "info", neighbor: null, message: "x", fields: {} } as const;

const connection = fc.integer({ min: 1, max: 2 ** 40 });
const written = fc
  .record({ buffer: fc.constantFrom(...BUFFERS), from: fc.nat(39), length: fc.nat(2000) })
  .map(({ buffer, from, length }) => buffer.subarray(from, Math.min(from + length, buffer.length)));
const output: fc.Arbitrary<Output> = fc.oneof(
  fc.record({ do: fc.constant("write" as const), connection, octets: written }),
  fc.record({ do: fc.constant("close" as const), connection }),
  fc.record({
    do: fc.constant("connect" as const),
    connection,
    target: fc.constantFrom(
      { ...TARGET, localAddress: null },
      { ...TARGET, localAddress: "192.0.2.254" },
    ),
  }),
  fc.constant({ do: "log" as const, event: LOG }),
  fc.constant({ do: "observe" as const, event: OBSERVED }),
);

const skipped = () => ({ records: 0, fields: 0 });

test("outputs come back as they were, but for what no peer sees", () => {
  fc.assert(
    fc.property(fc.array(output), (outputs) => {
      const back = outputsFrom(outputsOctets(outputs), skipped());
      const plain = (list: readonly Output[]) =>
        list.map((one) => (one.do === "write" ? { ...one, octets: [...one.octets] } : one));
      expect(plain(back)).toEqual(plain(outputs.filter(isEffect)));
      expect(outputsSum(back)).toBe(outputsSum(outputs));
    }),
  );
});

test("what a thousand connections are sent parts of stands there once", () => {
  const shared = new Uint8Array(100_000);
  const outputs = Array.from({ length: 1000 }, (_, k) => {
    return { do: "write", connection: k + 1, octets: shared.subarray(k) } as const;
  });
  expect(outputsOctets(outputs).length).toBeLessThan(shared.length + 20 * outputs.length);
});

describe("records that are no outputs", () => {
  const octetsOf = (...args: Parameters<typeof KINDS.write>) => {
    const out = new OctetWriter();
    KINDS.write(...([out, ...args.slice(1)] as Parameters<typeof KINDS.write>));
    return Buffer.concat(out.take());
  };
  const out = new OctetWriter();
  test.each([
    ["a part of a chunk that is not there", "wrote", { connection: 1, chunk: 0, at: 0, octets: 1 }],
    ["a call", "tick", { nowMs: 1 }],
  ] as const)("%s", (_title, name, value) => {
    expect(() => outputsFrom(octetsOf(out, name, value as never), skipped())).toThrow(FormatError);
  });
});
