/** Several sources, whole sets, differences, preferences and local exceptions, against plain sets. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { END } from "../../../testkit/payloads.ts";
import {
  NO_SLURM,
  newVrp,
  PayloadWriter,
  type SourceEnd,
  Validation,
  type Vrp,
} from "../src/index.ts";

/** Prefix number `k`: 10.k.0.0/16, or 2001:db8:k::/48. */
const vrp = (k: number, isAnnounced = true): Vrp => {
  const isWide = k % 2 === 1;
  const prefix = isWide
    ? { w0: 0x20010db8, w1: (k << 16) >>> 0, bits: 48, maxLength: 48 }
    : { w0: 0x0a000000 | (k << 16), bits: 16, maxLength: 24 };
  return { ...newVrp(), isAnnounced, isWide, ...prefix, as: 64496 };
};

function octetsOf(list: readonly Vrp[]): Uint8Array {
  const writer = new PayloadWriter();
  for (const one of list) writer.write(one);
  return writer.take();
}

const isValid = (validation: Validation, k: number) => {
  const { isWide, w0, w1, w2, w3, bits, as } = vrp(k);
  return validation.stateOf(isWide, w0, w1, w2, w3, bits, as) === 0;
};

function settle(validation: Validation): void {
  while (validation.step());
  for (const table of [validation.ipv4, validation.ipv6]) {
    table.takeChanges();
    while (table.endChanges(7));
  }
}

const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 15 });

test("what counts is what sources have said, whatever they said before, in any order", () => {
  const names = ["a", "b", "c"];
  const event = fc.record({
    name: fc.constantFrom(...names),
    kind: fc.constantFrom("whole", "difference", "expire", "cut", "settle", "step"),
    /** Whether it expires while it says that. */
    isLate: fc.boolean(),
    numbers,
  });
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 3, maxLength: 3 }),
      fc.array(event, { maxLength: 30 }),
      (preferences, events) => {
        const validation = new Validation();
        const sources = names.map((name, k) => ({
          name,
          kind: "cache" as const,
          preference: preferences[k]!,
        }));
        validation.configure(sources, NO_SLURM);
        const model = new Map<string, Set<number>>();
        for (const { name, kind, numbers, isLate } of events) {
          const had = model.get(name);
          if (kind === "expire") {
            validation.expire(validation.sources.get(name)!);
            model.delete(name);
          } else if (kind === "settle") settle(validation);
          else if (kind === "step") validation.step();
          else if (kind === "cut") {
            validation.begin(name);
            validation.stage(name, octetsOf(numbers.map((k) => vrp(k))));
          } else {
            const isWhole = kind === "whole";
            validation.begin(name);
            const list = numbers.map((k) => vrp(k, isWhole || had?.has(k) !== true));
            const half = octetsOf(list.slice(0, 3));
            validation.stage(name, half);
            if (isLate) {
              validation.expire(validation.sources.get(name)!);
              model.delete(name);
            }
            validation.stage(name, octetsOf(list.slice(3)));
            const counts = validation.complete(name, { ...END, isWhole }, 0);
            expect(counts).toBe(isWhole || model.has(name));
            if (isWhole) model.set(name, new Set(numbers));
            else if (counts)
              for (const k of numbers) had?.has(k) === true ? had.delete(k) : had?.add(k);
          }
        }
        settle(validation);
        const preferred = Math.min(
          ...[...model.keys()].map((name) => preferences[names.indexOf(name)]!),
        );
        const all = new Set<number>();
        for (const [name, has] of model) {
          const source = validation.sources.get(name)!;
          expect(source.ipv4 + source.ipv6).toBe(has.size);
          expect(source.misfit).toBeNull();
          if (preferences[names.indexOf(name)] === preferred) for (const k of has) all.add(k);
        }
        for (let k = 0; k <= 30; k++) expect(isValid(validation, k)).toBe(all.has(k));
        expect(validation.ipv4.used + validation.ipv6.used).toBe(all.size);
        // Nothing stays of what has gone.
        validation.configure([], NO_SLURM);
        settle(validation);
        expect(validation.ipv4.size + validation.ipv6.size).toBe(0);
        expect([validation.ipv4.tree.root, validation.ipv6.tree.root]).toEqual([0, 0]);
      },
    ),
    { numRuns: runs(2000) },
  );
});

test("what counts has a digest that tells other payloads from it, whatever came before", () => {
  const digestsOf = (...sets: Vrp[][]) => {
    const validation = new Validation();
    validation.configure([{ name: "a", kind: "cache", preference: 1 }], NO_SLURM);
    for (const list of sets) {
      validation.stage("a", octetsOf(list));
      validation.complete("a", END, 0);
      settle(validation);
    }
    return [validation.ipv4.digest, validation.ipv6.digest].join();
  };
  const [a, b, c] = [vrp(0), vrp(1), vrp(2)];
  const digest = digestsOf([a, b, c]);
  expect(digestsOf([vrp(3), c], [c, b, a])).toBe(digest);
  for (const [key, value] of Object.entries({ as: 1, bits: 15, maxLength: 25, w0: 0x0b000000 })) {
    expect(digestsOf([{ ...a, [key]: value }, b, c])).not.toBe(digest);
  }
  expect(digestsOf([a, { ...b, w1: 7 << 16 }, c])).not.toBe(digest);
  expect(digestsOf([a], [])).toBe(digestsOf());
});

describe("a source", () => {
  const fresh = () => {
    const validation = new Validation();
    validation.configure([{ name: "a", kind: "cache", preference: 1 }], NO_SLURM);
    return validation;
  };
  const say = (validation: Validation, list: readonly Vrp[], end: Partial<SourceEnd> = {}) => {
    validation.begin("a");
    validation.stage("a", octetsOf(list));
    const counts = validation.complete("a", { ...END, ...end }, 1000);
    settle(validation);
    return counts;
  };

  test("that sends the same again changes nothing", () => {
    const validation = fresh();
    say(validation, [vrp(0), vrp(1), vrp(2)]);
    validation.stage("a", octetsOf([vrp(0), vrp(1), vrp(3)]));
    validation.complete("a", END, 1000);
    while (validation.step());
    const { ipv4, ipv6 } = validation;
    expect([ipv4.hasChanges, ipv6.hasChanges]).toEqual([true, true]);
    ipv4.takeChanges();
    ipv6.takeChanges();
    const changed = [0, 1, 2, 3].filter((k) => {
      const { isWide, w0, w1, bits } = vrp(k);
      return (isWide ? ipv6 : ipv4).isChanged(w0, w1, 0, 0, bits);
    });
    expect(changed).toEqual([2, 3]);
  });

  test("nothing counts before its end, and nothing of a difference to nothing", () => {
    const validation = fresh();
    validation.stage("a", octetsOf([vrp(0)]));
    settle(validation);
    expect(isValid(validation, 0)).toBe(false);
    expect(say(validation, [vrp(0)], { isWhole: false })).toBe(false);
    expect(isValid(validation, 0)).toBe(false);
    expect(say(validation, [vrp(0)])).toBe(true);
    expect(isValid(validation, 0)).toBe(true);
  });

  test("whose difference does not fit has to say everything again", () => {
    const validation = fresh();
    say(validation, [vrp(0)]);
    say(validation, [vrp(0), vrp(2, false)], { isWhole: false });
    const { misfit, end } = validation.sources.get("a")!;
    expect([misfit, end?.session]).toEqual([octetsOf([vrp(0)]), null]);
    // All of it makes up for that.
    say(validation, [vrp(0)]);
    expect(validation.sources.get("a")).toMatchObject({ misfit: null, end: { session: 7 } });
    say(validation, [vrp(2, false)], { isWhole: false });
    expect(validation.sources.get("a")!.misfit).toEqual(octetsOf([vrp(2, false)]));
  });

  test.each([
    ["cache", null],
    ["file", 7],
  ] as const)(
    "that says a thing twice in a whole set, a %s, is taken at its word",
    (kind, session) => {
      const validation = new Validation();
      validation.configure([{ name: "a", kind, preference: 1 }], NO_SLURM);
      say(validation, [vrp(0), vrp(1), vrp(0)]);
      expect([0, 1, 2].map((k) => isValid(validation, k))).toEqual([true, true, false]);
      const { misfit, end, ipv4 } = validation.sources.get("a")!;
      expect([misfit, end?.session, ipv4]).toEqual([octetsOf([vrp(0)]), session, 1]);
    },
  );

  test("that expires while it says everything anew has all of it, and not what came after that", () => {
    const validation = fresh();
    say(
      validation,
      [0, 1, 2, 3].map((k) => vrp(k)),
    );
    validation.begin("a");
    validation.stage("a", octetsOf([vrp(0), vrp(1)]));
    validation.expire(validation.sources.get("a")!);
    validation.stage("a", octetsOf([vrp(2), vrp(3)]));
    expect(validation.complete("a", END, 1000)).toBe(true);
    settle(validation);
    expect([0, 1, 2, 3].map((k) => isValid(validation, k))).toEqual([true, true, true, true]);
  });

  test("whose news come faster than they are put into the tables has no more of them wait", () => {
    const validation = fresh();
    for (let k = 0; k <= 30; k += 2) {
      validation.stage("a", octetsOf([vrp(k)]));
      expect(validation.complete("a", END, 1000)).toBe(true);
    }
    let steps = 1;
    while (validation.step()) steps++;
    expect(steps).toBeLessThan(10);
    const valid = Array.from({ length: 31 }, (_, k) => k).filter((k) => isValid(validation, k));
    expect(valid).toEqual([30]);
  });

  describe("that replaces a payload by another one has its routes valid all the time", () => {
    const of = (w0: number, bits: number, maxLength: number, as: number): Vrp => {
      return { ...newVrp(), w0, bits, maxLength, as };
    };
    // More than one step looks at, so that steps end between what goes and what comes.
    const others = Array.from({ length: 5000 }, (_, k) => of(0xc0000000 + (k << 8), 24, 24, 1));
    const covering = of(0x0a000000, 8, 8, 9);
    const old = of(0x0a010000, 16, 16, 1);
    const other = of(0x0a010000, 16, 24, 1);
    const gone = { ...old, isAnnounced: false };

    test.each<[string, Vrp[], Vrp[], boolean]>([
      ["a whole set, old one first", [old, covering, ...others], [other, covering], true],
      ["a whole set, old one last", [covering, ...others, old], [covering, other], true],
      ["a difference", [covering, old], [gone, ...others, other], false],
    ])("by %s", (_, before, after, isWhole) => {
      const validation = fresh();
      say(validation, before);
      validation.stage("a", octetsOf(isWhole ? [...others, ...after] : after));
      validation.complete("a", { ...END, isWhole }, 1000);
      for (let isMore = true; isMore; ) {
        isMore = validation.step();
        expect(validation.stateOf(false, 0x0a010000, 0, 0, 0, 16, 1)).toBe(0);
      }
      expect(validation.stateOf(false, 0x0a010000, 0, 0, 0, 24, 1)).toBe(0);
      expect(validation.sources.get("a")!.misfit).toBeNull();
    });
  });

  describe("is not seen to say half of what is new", () => {
    const many = (as: number, isAnnounced = true) =>
      [false, true].flatMap((isWide) =>
        Array.from({ length: 3000 }, (_, k): Vrp => {
          const words = isWide ? { w0: 0x20010db8, w1: (k << 16) >>> 0 } : { w0: (k + 256) << 16 };
          const bits = isWide ? 48 : 16;
          return { ...newVrp(), isAnnounced, isWide, ...words, bits, maxLength: bits, as };
        }),
      );
    const aspas = (provider: number) => {
      const writer = new PayloadWriter();
      const providers = Uint32Array.of(provider);
      for (let k = 0; k < 3000; k++) {
        writer.writeAspa({ isAnnounced: true, customer: 70_000 + k, providers });
      }
      return writer.take();
    };
    /** All that is said of the two ASes, as one word. */
    const seen = ({ ipv4, ipv6, aspas }: Validation) => {
      const states = new Set<string>();
      for (let k = 0; k < 3000; k += 59) {
        for (const as of [1, 2]) {
          states.add(`${as} ${ipv4.stateOf(((k + 256) << 16) >>> 0, 0, 0, 0, 16, as)}`);
          states.add(`${as} ${ipv6.stateOf(0x20010db8, (k << 16) >>> 0, 0, 0, 48, as)}`);
        }
        states.add(`provider ${aspas.providersOf(70_000 + k)?.join()}`);
      }
      return [...states].sort().join(", ");
    };
    const OLD = "1 0, 2 2, provider 8";
    const NEW = "1 2, 2 0, provider 9";

    test("and goes on from the middle of it in an image of a program that hides nothing", () => {
      const validation = fresh();
      say(validation, many(1));
      validation.stage("a", octetsOf(many(2)));
      validation.complete("a", END, 1000);
      const source = validation.sources.get("a")!;
      const { bit } = source;
      while (source.bit === bit) validation.step();
      validation.step();
      const { ipv4, ipv6, aspas } = validation;
      for (const table of [ipv4, ipv6]) {
        for (const name of ["ahead", "hides"]) Reflect.deleteProperty(table, name);
      }
      Reflect.deleteProperty(aspas, "before");
      Reflect.deleteProperty(validation, "follows");
      Reflect.deleteProperty(source, "misfit");
      validation.completeState();
      settle(validation);
      expect([seen(validation), source.misfit]).toEqual(["1 2, 2 0, provider undefined", null]);
      expect([ipv4.size, ipv6.size]).toEqual([3000, 3000]);
    });

    test.each<[string, Uint8Array[], boolean, "a" | "b"]>([
      ["a whole set", [octetsOf(many(2)), aspas(9)], true, "a"],
      ["a difference", [octetsOf([...many(1, false), ...many(2)]), aspas(9)], false, "a"],
      ["a source that stood back", [], false, "b"],
    ])("by %s", (_, pieces, isWhole, counts) => {
      const validation = new Validation();
      const sources = ["a", "b"].map((name, k) => ({
        name,
        kind: "cache" as const,
        preference: k,
      }));
      validation.configure(sources, NO_SLURM);
      const complete = (name: string, all: Uint8Array[], isWhole: boolean) => {
        validation.begin(name);
        for (const piece of all) validation.stage(name, piece);
        expect(validation.complete(name, { ...END, isWhole }, 0)).toBe(true);
      };
      complete("b", [octetsOf(many(2)), aspas(9)], true);
      complete("a", [octetsOf(many(1)), aspas(8)], true);
      settle(validation);
      expect(seen(validation)).toBe(OLD);
      if (counts === "a") complete("a", pieces, isWhole);
      else validation.expire(validation.sources.get("a")!);
      const views = [seen(validation)];
      let steps = 0;
      while (validation.isBusy) {
        validation.step();
        steps++;
        const now = seen(validation);
        if (now !== views.at(-1)) views.push(now);
      }
      expect(steps).toBeGreaterThan(5);
      expect(views).toEqual([OLD, NEW]);
      settle(validation);
      expect(seen(validation)).toBe(NEW);
    });
  });

  test("octets that are no payloads are not taken", () => {
    const validation = fresh();
    const bad = octetsOf([vrp(0)]);
    bad[2] = 33;
    validation.stage("a", bad);
    validation.stage("a", octetsOf([vrp(2)]).subarray(0, 11));
    validation.complete("a", END, 0);
    settle(validation);
    expect(validation.ipv4.size).toBe(0);
  });

  test("local exceptions take away and add, whatever sources say, and may change", () => {
    const validation = fresh();
    say(validation, [vrp(0), vrp(2), vrp(4)]);
    const sources = [{ name: "a", kind: "cache" as const, preference: 1 }];
    const words = [vrp(2).w0, 0, 0, 0] as const;
    const filter = { prefix: { isWide: false, words, bits: 16 }, as: null };
    validation.configure(sources, { filters: [filter], assertions: [vrp(6)] });
    settle(validation);
    expect([0, 2, 4, 6].map((k) => isValid(validation, k))).toEqual([true, false, true, true]);
    validation.configure(sources, { filters: [{ prefix: null, as: 64496 }], assertions: [] });
    settle(validation);
    expect([0, 2, 4, 6].map((k) => isValid(validation, k))).toEqual([false, false, false, false]);
    validation.configure(sources, NO_SLURM);
    settle(validation);
    expect([0, 2, 4, 6].map((k) => isValid(validation, k))).toEqual([true, true, true, false]);
  });
});
