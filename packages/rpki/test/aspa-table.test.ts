/**
 * What ASPAs say of paths: the cases of draft-ietf-sidrops-aspa-verification, and every path against the
 * definition, tried out for all places where it could turn.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../test/mode.ts";
import { AspaTable, NO_SLURM, PATH_STATE_NAMES, PayloadWriter, Validation } from "../src/index.ts";

type Aspas = Readonly<Record<number, readonly number[]>>;

function tableOf(aspas: Aspas): AspaTable {
  const table = new AspaTable();
  for (const [customer, providers] of Object.entries(aspas)) {
    table.put(Number(customer), 1, Uint32Array.from(providers));
    table.settle(Number(customer), 1);
  }
  table.show();
  return table;
}

/** The value of AS_PATH. @param path - the neighbor first; a list in it is a set */
function pathOctets(path: readonly (number | readonly number[])[]): Uint8Array {
  const segments = path.map((part) =>
    typeof part === "number" ? [2, 1, part] : [1, part.length, ...part],
  );
  return Uint8Array.from(
    segments.flatMap(([type, count, ...ases]) => [
      ...[type!, count!],
      ...ases.flatMap((as) => [as >>> 24, (as >>> 16) & 255, (as >>> 8) & 255, as & 255]),
    ]),
  );
}

function stateOf(
  table: AspaTable,
  path: readonly (number | readonly number[])[],
  way: "up" | "down",
  neighborAs = path[0] as number,
): string {
  const octets = pathOctets(path);
  return PATH_STATE_NAMES[table.stateOf(octets, 0, octets.length, way === "down", neighborAs)]!;
}

/**
 * By the definition: a path is valid when it goes up hop by hop, and down again behind the top when it came
 * from a provider, with one hop between peers at the top; unknown when ASPAs that are not there could make it so.
 */
function stateBy(aspas: Aspas, path: readonly number[], way: "up" | "down"): string {
  const hops = path.filter((as, i) => as !== path[i - 1]).reverse();
  const isValid = (isOptimistic: boolean) => {
    const isUp = (customer: number, provider: number) =>
      aspas[customer]?.includes(provider) ?? isOptimistic;
    const goesUp = (list: readonly number[]) =>
      list.every((as, i) => i === 0 || isUp(list[i - 1]!, as));
    if (way === "up") return goesUp(hops);
    return hops.some((_, top) => {
      const down = hops.slice(top).reverse();
      const downOfPeer = hops.slice(top + 1).reverse();
      return goesUp(hops.slice(0, top + 1)) && (goesUp(down) || goesUp(downOfPeer));
    });
  };
  return isValid(false) ? "valid" : isValid(true) ? "unknown" : "invalid";
}

test("what counts has a digest that tells other ASPAs from it, whatever came before", () => {
  const digestOf = (aspas: Aspas) => tableOf(aspas).digest.toString();
  const digest = digestOf({ 1: [2, 3], 4: [5] });
  const table = tableOf({ 4: [7], 1: [3, 2] });
  table.put(4, 1, Uint32Array.of(5));
  table.settle(4, 1);
  expect(table.digest.toString()).toBe(digest);
  const others: Aspas[] = [
    { 1: [2], 4: [5] },
    { 1: [2, 3], 4: [6] },
    { 1: [2, 3], 5: [5] },
  ];
  for (const other of others) expect(digestOf(other)).not.toBe(digest);
  for (const customer of [1, 4]) {
    table.put(customer, 1, null);
    table.settle(customer, 1);
  }
  expect(table.digest.toString()).toBe(digestOf({}));
});

test("every path is what the definition makes it", () => {
  const as = fc.integer({ min: 1, max: 6 });
  const aspas = fc.dictionary(
    fc.constantFrom("1", "2", "3", "4", "5", "6"),
    fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 4 }),
  );
  fc.assert(
    fc.property(
      aspas,
      fc.array(as, { minLength: 1, maxLength: 7 }),
      fc.constantFrom("up" as const, "down" as const),
      (known, path, way) => {
        expect(stateOf(tableOf(known), path, way)).toBe(stateBy(known, path, way));
      },
    ),
    { numRuns: runs(20_000) },
  );
});

/** 10, 20 and 30 say that they have no provider; 1 is a customer of 10, 2 one of 20 and 21. */
const ASPAS: Aspas = { 1: [10], 2: [20, 21], 10: [0], 20: [0], 30: [0] };

describe("a path", () => {
  const table = tableOf(ASPAS);

  test.each<[string, Parameters<typeof stateOf>[1], "up" | "down", string]>([
    ["of the neighbor alone", [1], "up", "valid"],
    ["from a customer of a customer", [10, 1], "up", "valid"],
    ["with prepends", [10, 10, 1, 1, 1], "up", "valid"],
    ["from who is none of the customer's providers: a leak", [20, 1], "up", "invalid"],
    ["of which nothing is known", [7, 8], "up", "unknown"],
    ["up, over a peering, and down", [2, 20, 10, 1], "down", "valid"],
    ["down, and up again: a leak", [20, 2, 10, 1], "down", "invalid"],
    ["the same from a peer", [2, 20, 10, 1], "up", "invalid"],
    ["behind one that has no provider", [9, 30], "up", "invalid"],
    ["with a set", [10, [1, 2]], "up", "invalid"],
  ])("%s", (_, path, way, state) => {
    expect(stateOf(table, path, way)).toBe(state);
  });

  test("begins with the neighbor, unless that is a route server", () => {
    expect(stateOf(table, [10, 1], "up", 11)).toBe("invalid");
    expect(stateOf(table, [10, 1], "up", 0)).toBe("valid");
    expect(stateOf(table, [], "up", 0)).toBe("invalid");
  });
});

test("what makes a path invalid is told from both ends", () => {
  const table = tableOf(ASPAS);
  const denied = (path: readonly number[], isDownstream: boolean) => {
    const octets = pathOctets(path);
    return table.denied(octets, 0, octets.length, isDownstream);
  };
  expect(denied([20, 1], false)).toEqual([[1, 20]]);
  expect(denied([20, 2, 10, 1], false)).toEqual([[10, 2]]);
  expect(denied([20, 2, 10, 1], true)).toEqual([
    [10, 2],
    [20, 2],
  ]);
  expect(denied([10, 1], false)).toEqual([]);
  expect(denied([], true)).toEqual([]);
});

test("sources together have more providers, one by itself takes them back, and changes are told", () => {
  const validation = new Validation();
  const sources = ["a", "b"].map((name) => ({ name, kind: "cache" as const, preference: 1 }));
  validation.configure(sources, NO_SLURM);
  const end = {
    ...{ version: 2, session: 1, serial: 1, isWhole: true },
    ...{ refreshSeconds: 1, retrySeconds: 1, expireSeconds: 600 },
  };
  const say = (name: string, list: [number, number[]][], gone: number[] = [], isWhole = true) => {
    const writer = new PayloadWriter();
    for (const [customer, providers] of list) {
      writer.writeAspa({ isAnnounced: true, customer, providers: Uint32Array.from(providers) });
    }
    for (const customer of gone) {
      writer.writeAspa({ isAnnounced: false, customer, providers: new Uint32Array(0) });
    }
    validation.begin(name);
    validation.stage(name, writer.take());
    validation.complete(name, { ...end, isWhole }, 0);
    while (validation.step());
  };
  const changed = (...path: number[]) => {
    const octets = pathOctets(path);
    return validation.aspas.isChanged(octets, 0, octets.length);
  };
  const providers = (customer: number) => {
    const found = validation.aspas.providersOf(customer);
    return found && [...found];
  };
  say("a", [[1, [10]]]);
  say("b", [
    [1, [11]],
    [2, [10]],
  ]);
  expect([providers(1), providers(2), validation.aspas.used]).toEqual([[10, 11], [10], 2]);
  validation.aspas.takeChanges();
  expect([changed(10, 1), changed(10, 2), changed(10)]).toEqual([true, true, false]);
  validation.aspas.endChanges();
  // The same again, in another order, is no change; another one of the same customer replaces it.
  say("b", [
    [2, [10]],
    [1, [11]],
  ]);
  expect(validation.aspas.hasChanges).toBe(false);
  say("a", [[1, [12]]], [], false);
  expect(providers(1)).toEqual([11, 12]);
  // One that is named goes only while it is the one.
  const named = (as: number) => {
    const writer = new PayloadWriter();
    writer.writeAspa({ isAnnounced: false, customer: 1, providers: Uint32Array.of(as) });
    validation.begin("a");
    validation.stage("a", writer.take());
    validation.complete("a", { ...end, isWhole: false }, 0);
    while (validation.step());
  };
  named(10);
  expect(providers(1)).toEqual([11, 12]);
  named(12);
  expect(providers(1)).toEqual([11]);
  say("a", [[1, [12]]], [], false);
  say("b", [], [1], false);
  expect(providers(1)).toEqual([12]);
  expect(validation.sources.get("b")!.aspas).toBe(1);
  say("b", [], [1], false);
  expect(validation.sources.get("b")).toMatchObject({
    misfit: expect.any(Uint8Array),
    end: { session: null },
  });
  validation.configure(sources.slice(1), NO_SLURM);
  while (validation.step());
  expect([providers(1), providers(2), validation.aspas.size]).toEqual([null, [10], 1]);
});
