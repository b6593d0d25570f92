import type { Output } from "@ts-bgp/router";
import fc from "fast-check";
import { expect, test } from "vitest";
import { outputsSum } from "../src/outputs-sum.ts";

const written = (connection: number, octets: Uint8Array): Output => ({
  do: "write",
  connection,
  octets,
});

/** The same octets in buffers of their own. */
const apart = (outputs: readonly Output[]): Output[] =>
  outputs.map((output) =>
    output.do === "write" ? { ...output, octets: output.octets.slice() } : output,
  );

const pieces = fc
  .record({
    buffer: fc.uint8Array({ minLength: 1, maxLength: 2000 }),
    cuts: fc.array(fc.tuple(fc.nat(2000), fc.nat(2000), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
      maxLength: 12,
    }),
  })
  .map(({ buffer, cuts }) =>
    cuts.map(([one, other, connection]) =>
      written(connection, buffer.subarray(Math.min(one, other), Math.max(one, other))),
    ),
  );

test("pieces of one buffer count as the same octets in buffers of their own do", () => {
  fc.assert(
    fc.property(pieces, (outputs) => {
      expect(outputsSum(outputs)).toBe(outputsSum(apart(outputs)));
    }),
  );
});

test("one octet that differs anywhere, or goes to another connection, is another sum", () => {
  fc.assert(
    fc.property(pieces, fc.nat(), fc.nat(), (outputs, which, where) => {
      const sum = outputsSum(outputs);
      const changed = apart(outputs);
      const output = changed[which % changed.length]!;
      if (output.do !== "write" || output.octets.length === 0) return;
      output.octets[where % output.octets.length]! ^= 1 << (where % 8);
      expect(outputsSum(changed)).not.toBe(sum);
    }),
  );
  const octets = Uint8Array.of(1, 2, 3);
  expect(outputsSum([written(1, octets)])).not.toBe(outputsSum([written(2, octets)]));
  const both = [written(1, octets), written(2, octets)];
  expect(outputsSum(both)).not.toBe(outputsSum([...both].reverse()));
});

test("where one message ends and the next begins counts", () => {
  const octets = Uint8Array.of(0, 0, 7);
  const cut = [written(1, octets.subarray(0, 2)), written(1, octets.subarray(2))];
  expect(outputsSum(cut)).not.toBe(outputsSum([written(1, octets)]));
});
