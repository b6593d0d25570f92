/** The small parts by themselves: timers, jobs, the log of a neighbor, the directory. */

import { AttrStore } from "@ts-bgp/rib";
import { decodeAttributes, encodeUpdate, readU16 } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { reflected, withNextHop, withOtc, withoutMed } from "../src/attribute-edit.ts";
import { type Job, type JobState, Jobs } from "../src/jobs.ts";
import { NeighborDirectory } from "../src/neighbor-directory.ts";
import { NeighborLog } from "../src/neighbor-log.ts";
import { Outputs } from "../src/outputs.ts";
import { Timers } from "../src/timers.ts";

describe("timers", () => {
  test("come up in the order of their time, once each", () => {
    const timers = new Timers<string>();
    timers.arm("late", 30);
    timers.arm("early", 10);
    timers.arm("moved", 5);
    timers.arm("moved", 20);
    timers.arm("gone", 1);
    timers.cancel("gone");
    expect(timers.get("moved")).toBe(20);
    expect(timers.get("gone")).toBeNull();
    expect(timers.take(9)).toBeNull();
    expect([timers.take(20), timers.take(20), timers.take(20)]).toEqual(["early", "moved", null]);
    expect(timers.take(30)).toBe("late");
  });
});

describe("jobs", () => {
  function jobOf(log: string[], name: string, ...states: JobState[]): Job {
    return {
      step() {
        const state = states.shift()!;
        log.push(`${name} ${state}`);
        return state;
      },
    };
  }

  test("have a piece done in turn, and those that wait are passed over", () => {
    const jobs = new Jobs();
    const log: string[] = [];
    jobs.add(jobOf(log, "a", "more", "waiting", "done"));
    jobs.add(jobOf(log, "b", "waiting", "more", "done"));
    expect([jobs.step(), jobs.step()]).toEqual([true, false]);
    expect(log.splice(0)).toEqual(["a more", "b waiting", "a waiting"]);
    while (jobs.step());
    expect(log).toEqual(["b more", "a done", "b done"]);
    expect(jobs.size).toBe(0);
  });

  test("that all wait are left alone until the next step", () => {
    const jobs = new Jobs();
    const log: string[] = [];
    jobs.add(jobOf(log, "a", "waiting", "waiting", "done"));
    expect([jobs.step(), jobs.step(), jobs.step(), jobs.step()]).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  test("may bring forth others", () => {
    const jobs = new Jobs();
    const log: string[] = [];
    jobs.add({
      step() {
        jobs.add(jobOf(log, "child", "done"));
        return "done";
      },
    });
    while (jobs.step());
    expect(log).toEqual(["child done"]);
  });
});

describe("the log of a neighbor", () => {
  test("lets ten events of a kind through in a minute, and then tells how many it did not", () => {
    const outputs = new Outputs();
    const log = new NeighborLog("192.0.2.1", outputs);
    for (let n = 0; n < 15; n++) log.add("update-fault", "info", 1000 * n, `fault ${n}`);
    log.add("session-up", "info", 15_000, "up");
    log.tick(59_999);
    expect(outputs.take()).toHaveLength(11);
    log.tick(60_000);
    expect(outputs.take()).toMatchObject([
      { event: { id: "update-fault", level: "warn", fields: { suppressed: 5, seconds: 60 } } },
    ]);
    log.add("update-fault", "info", 60_001, "fault");
    log.tick(1_000_000);
    expect(outputs.take()).toHaveLength(1);
  });

  test("tells of the earlier ones first when nobody asked in between", () => {
    const outputs = new Outputs();
    const log = new NeighborLog("192.0.2.1", outputs);
    for (let n = 0; n < 11; n++) log.admits("update-fault", 0);
    expect(log.admits("update-fault", 70_000)).toBe(true);
    expect(outputs.take()).toMatchObject([{ event: { fields: { suppressed: 1, seconds: 70 } } }]);
  });
});

describe("the directory of neighbors", () => {
  const listed = (row: number, as: number) => ({
    row,
    as,
    facts: {} as never,
    isReflectorClient: false,
    session: null,
  });

  test("gives neighbors of one AS one class where ASes are told apart", () => {
    const directory = new NeighborDirectory();
    const [a, b, c] = [listed(1, 65001), listed(2, 65002), listed(3, 65001)];
    for (const one of [a!, b!, c!]) directory.add(one);
    const classes = [1, 2, 3].map((row) => directory.classOf(row, true));
    expect(classes).toEqual([1, 2, 1]);
    expect([1, 2, 3].map((row) => directory.classOf(row, false))).toEqual([1, 2, 3]);
    const out = new Uint16Array(4);
    expect(directory.classesOfAs(65001, false, out, 1)).toBe(3);
    expect([...out]).toEqual([0, 1, 3, 0]);
    expect(directory.classesOfAs(65009, false, out, 0)).toBe(0);
    expect([directory.asOfClass(2, true), directory.asOfClass(3, false)]).toEqual([65002, 65001]);
  });

  test("uses a class again once its last neighbor has gone", () => {
    const directory = new NeighborDirectory();
    const [a, b] = [listed(1, 65001), listed(2, 65001)];
    directory.add(a!);
    directory.add(b!);
    directory.remove(a!);
    directory.add(listed(3, 65003));
    expect(directory.classOf(3, true)).toBe(2);
    directory.remove(b!);
    expect(directory.asOfClass(1, true)).toBe(0);
    directory.add(listed(4, 65004));
    expect(directory.classOf(4, true)).toBe(1);
  });
});

describe("edits of attribute sets", () => {
  const attrs = new AttrStore(1);
  function setOf(...attributes: [type: number, value: unknown][]): number {
    const list = attributes.map(([type, value]) => ({ type, value }));
    const message = encodeUpdate({ attributes: list });
    return attrs.intern(message, 23, 23 + readU16(message, 21));
  }
  const BASE: [number, unknown][] = [
    [1, "IGP"],
    [2, { segments: [{ type: "AS_SEQUENCE", as: [65001] }] }],
    [3, "192.0.2.1"],
  ];
  function valuesOf(id: number): Record<string, unknown> {
    const at = attrs.offsetOf(id);
    const list = decodeAttributes(attrs.bytesOf(id), at, at + attrs.lengthOf(id));
    expect(list.map(({ type }) => type)).toEqual(
      list.map(({ type }) => type).sort((a, b) => a - b),
    );
    return Object.fromEntries(list.map(({ name, value }) => [name, value]));
  }

  test("put one attribute in, in its place or in that of the one that is there", () => {
    const plain = setOf(...BASE, [8, ["65001:1"]]);
    expect(valuesOf(withOtc(attrs, plain, 65001))).toMatchObject({
      OTC: 65001,
      COMMUNITIES: ["65001:1"],
    });
    const hop = Uint8Array.of(192, 0, 2, 9);
    expect(valuesOf(withNextHop(attrs, plain, hop))).toMatchObject({ NEXT_HOP: "192.0.2.9" });
    const ipv6 = new Uint8Array(16).fill(1, 15);
    ipv6[0] = 0x20;
    expect(valuesOf(withNextHop(attrs, plain, ipv6))).toMatchObject({ NEXT_HOP: "2000::1" });
    const med = setOf(...BASE, [4, 7], [8, ["65001:1"]]);
    expect(withoutMed(attrs, med)).toBe(plain);
    expect(withoutMed(attrs, plain)).toBe(plain);
  });

  test("put in what a reflector adds", () => {
    const id = (text: number[]) =>
      ((text[0]! << 24) | (text[1]! << 16) | (text[2]! << 8) | text[3]!) >>> 0;
    const originator = id([10, 0, 0, 1]);
    const cluster = id([10, 0, 0, 9]);
    const first = reflected(attrs, setOf(...BASE, [8, ["65001:1"]]), originator, cluster);
    expect(valuesOf(first)).toMatchObject({
      ORIGINATOR_ID: "10.0.0.1",
      CLUSTER_LIST: ["10.0.0.9"],
      COMMUNITIES: ["65001:1"],
    });
    const again = reflected(attrs, first, id([10, 0, 0, 2]), id([10, 0, 0, 8]));
    expect(valuesOf(again)).toMatchObject({
      ORIGINATOR_ID: "10.0.0.1",
      CLUSTER_LIST: ["10.0.0.8", "10.0.0.9"],
      COMMUNITIES: ["65001:1"],
    });
    const long = setOf(...BASE, [10, Array.from({ length: 70 }, (_, i) => `10.1.0.${i}`)]);
    expect(valuesOf(reflected(attrs, long, originator, cluster))["CLUSTER_LIST"]).toHaveLength(71);
  });

  test("give nothing that is longer than any message", () => {
    const full = new Uint8Array(65_535 - 7);
    full.set([0xf0, 200, 0xff, 0xf4]);
    const id = attrs.intern(full, 0, full.length);
    expect(withOtc(attrs, id, 1)).not.toBe(0);
    const fuller = new Uint8Array(65_535 - 6);
    fuller.set([0xf0, 200, 0xff, 0xf5]);
    const other = attrs.intern(fuller, 0, fuller.length);
    expect(withOtc(attrs, other, 1)).toBe(0);
    expect(reflected(attrs, other, 1, 1)).toBe(0);
    expect(withNextHop(attrs, other, new Uint8Array(32))).toBe(0);
  });
});
