/** Packed lists as texts again. */

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  asTexts,
  newPrefixEntry,
  PrefixListBuilder,
  packedRanges,
  parseAsRange,
  parsePrefixEntry,
  prefixTexts,
} from "../src/index.ts";

test.each(["10.0.0.0/8", "10.0.0.0/8 le 24", "0.0.0.0/0 ge 8 le 24", "2001:db8::/32 ge 40 le 48"])(
  "%s is what it was",
  (text) => {
    const builder = new PrefixListBuilder();
    const entry = newPrefixEntry();
    expect(parsePrefixEntry(text, entry)).toBe(null);
    builder.add(entry);
    expect(prefixTexts(builder.list())).toEqual([text]);
    expect(prefixTexts([text])).toEqual([text]);
  },
);

test("ranges of AS numbers are what they were", () => {
  const range = fc.tuple(fc.nat(1000), fc.nat(5));
  fc.assert(
    fc.property(fc.array(range), (ranges) => {
      const packed = packedRanges(ranges.flatMap(([first, more]) => [first, first + more]));
      const read = asTexts(packed).flatMap((text) => {
        const found = parseAsRange(text);
        if (typeof found === "string") throw new Error(found);
        return found;
      });
      expect(read).toEqual([...packed]);
    }),
  );
  expect(asTexts(Uint32Array.of(174, 174, 64512, 65534))).toEqual(["174", "64512-65534"]);
});
