import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ChangeLog, type Cursor } from "../src/index.ts";

const ROWS = 3000;

/** A lane of the log as a list that only ever grows, and readers as places in it. */
class ModelLane {
  readonly entries: number[] = [];
  readonly readers: number[] = [];
  trimmed = 0;
}

/** The log as two lists. */
class Model {
  private readonly lanes = { urgent: new ModelLane(), bulk: new ModelLane() };
  private readonly last: Map<number, { lane: ModelLane; at: number }> = new Map();

  append(row: number, isUrgent: boolean): void {
    const { urgent, bulk } = this.lanes;
    const stands = this.has(row) && this.last.get(row)!.lane === urgent;
    const lane = isUrgent || stands ? urgent : bulk;
    this.last.set(row, { lane, at: lane.entries.length });
    lane.entries.push(row);
  }

  open(): void {
    for (const { readers, entries } of Object.values(this.lanes)) readers.push(entries.length);
  }

  close(reader: number): void {
    for (const { readers } of Object.values(this.lanes)) readers.splice(reader, 1);
  }

  next(reader: number): number {
    return this.nextUrgent(reader) || this.nextOf(this.lanes.bulk, reader);
  }

  nextUrgent(reader: number): number {
    return this.nextOf(this.lanes.urgent, reader);
  }

  /** Prefixes that a reader has not read, and entries of them that it has not passed. */
  unread(reader: number): { rows: number; entries: number } {
    const rest = Object.values(this.lanes).flatMap((lane) =>
      lane.entries.slice(lane.readers[reader]).map((row, k) => ({
        row,
        isNewest: this.isLast(row, lane, lane.readers[reader]! + k),
      })),
    );
    return { rows: rest.filter(({ isNewest }) => isNewest).length, entries: rest.length };
  }

  /** @returns the prefixes that have no entry any more */
  trim(): number[] {
    return Object.values(this.lanes).flatMap((lane) => {
      const to = Math.min(lane.entries.length, ...lane.readers);
      const rows: number[] = [];
      for (; lane.trimmed < to; lane.trimmed++) {
        const row = lane.entries[lane.trimmed]!;
        if (this.isLast(row, lane, lane.trimmed)) rows.push(row);
      }
      return rows;
    });
  }

  has(row: number): boolean {
    const last = this.last.get(row);
    return last !== undefined && last.at >= last.lane.trimmed;
  }

  private isLast(row: number, lane: ModelLane, at: number): boolean {
    const last = this.last.get(row)!;
    return last.lane === lane && last.at === at;
  }

  private nextOf(lane: ModelLane, reader: number): number {
    for (let at = lane.readers[reader]!; at < lane.entries.length; at++) {
      const row = lane.entries[at]!;
      if (!this.isLast(row, lane, at)) continue;
      lane.readers[reader] = at + 1;
      return row;
    }
    lane.readers[reader] = lane.entries.length;
    return 0;
  }
}

/** What happens to a log, and to the model of it; checked at each step. */
class Scene {
  readonly log: ChangeLog;
  readonly model: Model = new Model();
  readonly cursors: Cursor[] = [];

  constructor(positionMax: number) {
    this.log = new ChangeLog(positionMax);
  }

  append(from: number, count: number, stride: number, isUrgent: boolean): void {
    for (let i = 0; i < count; i++) {
      const row = 1 + ((from + i * stride) % ROWS);
      this.log.append(row, ROWS + 1, isUrgent);
      this.model.append(row, isUrgent);
    }
  }

  open(): void {
    this.cursors.push(this.log.open());
    this.model.open();
  }

  close(reader: number): void {
    const at = reader % this.cursors.length;
    this.log.close(this.cursors[at]!);
    this.cursors.splice(at, 1);
    this.model.close(at);
  }

  read(reader: number, max: number, next: "next" | "nextUrgent" = "next"): void {
    const at = reader % this.cursors.length;
    const rows: number[] = [];
    const expected: number[] = [];
    for (let i = 0; i < max && (expected.at(-1) ?? 1) !== 0; i++) {
      rows.push(this.log[next](this.cursors[at]!));
      expected.push(this.model[next](at));
    }
    expect(rows).toEqual(expected);
  }

  trim(): void {
    const dropped: number[] = [];
    this.log.trim((row) => {
      expect(this.log.has(row)).toBe(false);
      dropped.push(row);
    });
    expect(dropped).toEqual(this.model.trim());
  }

  check(): void {
    for (const [at, cursor] of this.cursors.entries()) {
      const { rows, entries } = this.model.unread(at);
      expect(this.log.lag(cursor)).toBeGreaterThanOrEqual(rows);
      expect(this.log.lag(cursor)).toBeLessThanOrEqual(entries);
    }
    for (let row = 1; row <= ROWS; row += 17) {
      expect(this.log.has(row)).toBe(this.model.has(row));
    }
  }
}

describe("a change log", () => {
  test("tells each reader, at its own pace, what changed since it read last", () => {
    const count = fc.oneof(fc.nat(20), fc.nat(2500));
    const event = fc.oneof(
      { weight: 6, arbitrary: fc.tuple(fc.constant("append" as const), fc.nat(ROWS), count) },
      { weight: 3, arbitrary: fc.tuple(fc.constant("urgent" as const), fc.nat(ROWS), count) },
      { weight: 4, arbitrary: fc.tuple(fc.constant("read" as const), fc.nat(5), count) },
      { weight: 2, arbitrary: fc.tuple(fc.constant("readUrgent" as const), fc.nat(5), count) },
      { weight: 3, arbitrary: fc.tuple(fc.constant("trim" as const), fc.nat(), fc.nat()) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("open" as const), fc.nat(), fc.nat()) },
      { weight: 1, arbitrary: fc.tuple(fc.constant("close" as const), fc.nat(), fc.nat()) },
    );
    const positionMax = fc.constantFrom(100, 5000, 2 ** 31);
    fc.assert(
      fc.property(positionMax, fc.array(event, { maxLength: 40 }), (max, events) => {
        const scene = new Scene(max);
        scene.open();
        for (const [kind, a, b] of events) {
          if (kind === "append" || kind === "urgent") {
            scene.append(a, b, 1 + (a % 7), kind === "urgent");
          } else if (kind === "trim") scene.trim();
          else if (kind === "open") scene.open();
          else if (scene.cursors.length === 0) continue;
          else if (kind === "close") scene.close(a);
          else scene.read(a, b, kind === "read" ? "next" : "nextUrgent");
          scene.check();
        }
        for (const at of scene.cursors.keys()) scene.read(at, Infinity);
      }),
      { numRuns: 150 },
    );
  });

  test("does not grow with the changes that nobody reads, only with the prefixes", () => {
    const log = new ChangeLog();
    const cursor = log.open();
    for (let i = 0; i < 100_000; i++) {
      log.append(1 + (i % 2000), 2001);
      if (i % 1000 === 0) log.trim(() => {});
    }
    expect(log.octets).toBe(4 * (2 * 4096 + 2001));
    expect(log.lag(cursor)).toBeLessThanOrEqual(4096);
    const rows = Array.from({ length: 2000 }, () => log.next(cursor));
    expect(rows).toEqual(Array.from({ length: 2000 }, (_, i) => 1 + i));
    expect(log.next(cursor)).toBe(0);
  });

  test("does not grow with prefixes that are no more in it", () => {
    const log = new ChangeLog();
    const cursor = log.open();
    const rows = 50 * 1000;
    for (let from = 1; from < rows; from += 1000) {
      for (let i = 0; i < 5000; i++) log.append(from + (i % 1000), rows + 1);
      while (log.next(cursor) !== 0);
      log.trim(() => {});
    }
    expect(log.octets).toBe(4 * (2 * 4096 + rows + 1));
  });

  test("keeps positions small however many changes come", () => {
    const log = new ChangeLog(1000);
    const cursor = log.open();
    for (let i = 0; i < 50_000; i++) {
      log.append(1 + (i % 3), 4);
      if (i % 10 === 0) log.next(cursor);
      log.trim(() => {});
      expect(Reflect.get(log, "bulk").end).toBeLessThanOrEqual(1000);
    }
  });

  test("tells of what is urgent first, once, and knows what stands behind a mark", () => {
    const log = new ChangeLog(1000);
    const cursor = log.open();
    for (let row = 1; row <= 100; row++) log.append(row, 2000);
    const mark = log.mark();
    for (let row = 101; row <= 200; row++) log.append(row, 2000);
    log.append(50, 2000, true);
    log.append(50, 2000);
    expect(log.next(cursor)).toBe(50);
    for (let row = 1; row < 100; row++) {
      log.trim(() => {});
      expect(log.isBehind(mark)).toBe(false);
      expect(log.next(cursor)).toBe(row < 50 ? row : row + 1);
      // Others that change all the time, so that entries are squeezed out and positions start over.
      for (let i = 0; i < 300; i++) log.append(1001 + (i % 5), 2000);
    }
    while (log.next(cursor) !== 0);
    log.trim(() => {});
    expect(log.isBehind(mark)).toBe(true);
  });

  test("knows when all have read what stands in both lanes", () => {
    const log = new ChangeLog(1000);
    const cursors = [log.open(), log.open()] as const;
    expect(log.isRead(log.ends())).toBe(true);
    log.append(1, 2000, true);
    log.append(2, 2000);
    const ends = log.ends();
    log.append(3, 2000);
    for (const cursor of cursors) {
      expect([log.next(cursor), log.isRead(ends)]).toEqual([1, false]);
      expect(log.next(cursor)).toBe(2);
    }
    expect(log.isRead(ends)).toBe(true);
    const later = log.ends();
    // Entries are squeezed out, and positions start over.
    for (let i = 0; i < 5000; i++) {
      log.append(4 + (i % 3), 2000);
      log.trim(() => {});
    }
    expect(log.isRead(later)).toBe(false);
    for (const cursor of cursors) while (log.next(cursor) !== 0);
    expect(log.isRead(later)).toBe(true);
  });

  test("gives a ring back that was long", () => {
    const log = new ChangeLog();
    const cursor = log.open();
    for (let row = 1; row <= 300_000; row++) log.append(row, 300_001);
    while (log.next(cursor) !== 0);
    while (log.length > 0) log.trim(() => {});
    expect(log.octets).toBe(4 * (2 * 4096 + 300_001));
    log.append(7, 300_001);
    expect(log.next(cursor)).toBe(7);
  });

  test("drops a bounded number of entries at a time", () => {
    const log = new ChangeLog();
    for (let row = 1; row <= 100_000; row++) log.append(row, 100_001);
    const trim = () => {
      let dropped = 0;
      log.trim(() => dropped++);
      return dropped;
    };
    expect(Array.from({ length: 8 }, trim)).toEqual([
      16_384, 16_384, 16_384, 16_384, 16_384, 16_384, 1_696, 0,
    ]);
  });

  test("may have a prefix noted again while it is being dropped", () => {
    const log = new ChangeLog();
    for (const row of [1, 2, 3]) log.append(row, 4);
    const late = log.open();
    log.trim((row) => {
      if (row === 2) log.append(2, 4);
    });
    expect([1, 2, 3].map((row) => log.has(row))).toEqual([false, true, false]);
    expect([log.next(late), log.next(late)]).toEqual([2, 0]);
  });
});
