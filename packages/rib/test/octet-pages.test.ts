import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OctetPages } from "../src/octet-pages.ts";

const PAGE_OCTETS = 1 << 16;
const SPARE_OCTETS = 64 * PAGE_OCTETS;

/** Strings that are stored, each of one repeated octet, so that two that overlap show. */
class Strings {
  readonly pages: OctetPages = new OctetPages();
  readonly live: { handle: number; octets: number; fill: number }[] = [];
  private fills = 0;

  private placeOf(handle: number, octets: number): Uint8Array {
    const at = (handle & 4095) << 4;
    const place = this.pages.pages[handle >>> 12]!.subarray(at, at + octets);
    if (place.length !== octets) throw new Error(`${octets} octets in a page of ${place.length}`);
    return place;
  }

  allocate(octets: number): void {
    const handle = this.pages.allocate(octets);
    const fill = 1 + (this.fills++ % 255);
    this.placeOf(handle, octets).fill(fill);
    this.live.push({ handle, octets, fill });
  }

  free(index: number): void {
    const at = index % this.live.length;
    const string = this.live[at]!;
    this.live[at] = this.live.at(-1)!;
    this.live.pop();
    this.check(string);
    this.pages.free(string.handle);
  }

  freeAll(): void {
    while (this.live.length > 0) this.free(this.live.length >> 1);
  }

  checkAll(): void {
    for (const string of this.live) this.check(string);
    expect(new Set(this.live.map(({ handle }) => handle)).size).toBe(this.live.length);
  }

  private check({ handle, octets, fill }: { handle: number; octets: number; fill: number }): void {
    const place = this.placeOf(handle, octets);
    for (let i = 0; i < octets; i++) {
      if (place[i] !== fill) throw new Error(`octet ${i} of ${octets} is ${place[i]}, not ${fill}`);
    }
  }
}

const octets = fc.oneof(
  { weight: 8, arbitrary: fc.nat(600) },
  { weight: 4, arbitrary: fc.constantFrom(4096, 8192, 16_384) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 16, 17, 512, 513, 1024, 1025, 4096, 4097) },
  { weight: 1, arbitrary: fc.constantFrom(20_000, 32_768, 32_769, 65_535, 65_536) },
);
const event = fc.oneof(
  fc.tuple(fc.constant("allocate" as const), octets, fc.integer({ min: 1, max: 40 })),
  fc.tuple(fc.constant("free" as const), fc.nat(), fc.integer({ min: 1, max: 40 })),
);

describe("octet pages", () => {
  test("keep every string as it was written until it is freed", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const strings = new Strings();
        for (const [kind, number, times] of events) {
          for (let i = 0; i < times; i++) {
            if (kind === "allocate") strings.allocate(number);
            else if (strings.live.length > 0) strings.free(number);
          }
        }
        strings.checkAll();
        strings.freeAll();
        expect(strings.pages.octets).toBeLessThanOrEqual(SPARE_OCTETS);
      }),
      { numRuns: 100 },
    );
  });

  test("need no more pages for the same strings again, in whatever order they went", () => {
    fc.assert(
      fc.property(fc.array(octets, { maxLength: 150 }), fc.array(fc.nat()), (sizes, order) => {
        const strings = new Strings();
        for (const size of sizes) strings.allocate(size);
        const needed = strings.pages.pages.length;
        for (const index of order) if (strings.live.length > 0) strings.free(index);
        strings.freeAll();
        for (const size of sizes.toReversed()) strings.allocate(size);
        expect(strings.pages.pages.length).toBe(needed);
        strings.checkAll();
      }),
      { numRuns: 50 },
    );
  });

  test("give the pages of one size to any other", () => {
    const strings = new Strings();
    const sizes = [500, 16, 1000, 65_536, 64, 20_000, 300];
    let pagesMax = 0;
    for (let round = 0; round < 3; round++) {
      for (const size of sizes) {
        for (let total = 0; total < 5 * PAGE_OCTETS; total += size) strings.allocate(size);
        if (round === 0) pagesMax = Math.max(pagesMax, strings.pages.pages.length);
        strings.freeAll();
      }
    }
    expect(strings.pages.pages.length).toBe(pagesMax);
  });

  test("give memory back, but for some spare pages", () => {
    const strings = new Strings();
    for (let i = 0; i < 100; i++) strings.allocate(PAGE_OCTETS);
    expect(strings.pages.octets).toBe(100 * PAGE_OCTETS);
    strings.freeAll();
    expect(strings.pages.octets).toBe(SPARE_OCTETS);
    for (let i = 0; i < 100; i++) strings.allocate(PAGE_OCTETS);
    strings.checkAll();
    expect(strings.pages.octets).toBe(100 * PAGE_OCTETS);
  });

  test("go on as they were from a copy of their fields", () => {
    const strings = new Strings();
    for (let i = 0; i < 100; i++) strings.allocate(PAGE_OCTETS);
    strings.freeAll();
    const copy = new Strings();
    Object.assign(copy.pages, structuredClone({ ...strings.pages }));
    for (let i = 0; i < 100; i++) copy.allocate(PAGE_OCTETS);
    copy.checkAll();
  });

  test("throw for a string that is longer than a page", () => {
    expect(() => new OctetPages().allocate(PAGE_OCTETS + 1)).toThrow(RangeError);
  });
});
