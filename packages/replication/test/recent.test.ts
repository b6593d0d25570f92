/** Brackets that an active keeps for a standby that comes again with what it had. */

import { describe, expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { Active, FrameReader, frameOf, Journal, Machine, Standby } from "../src/index.ts";
import { RecentBrackets } from "../src/recent-brackets.ts";
import { difference } from "./difference.ts";

const FRAME = new Uint8Array(10);

describe("recent brackets", () => {
  test("are those from any that is kept to the last", () => {
    const recent = new RecentBrackets(30);
    expect(recent.from(1, 0)).toBe(null);
    for (const number of [5, 6, 7]) recent.add(number, FRAME, true);
    expect([5, 6, 7, 8].map((from) => recent.from(from, 7)?.length)).toEqual([3, 2, 1, 0]);
    expect([4, 9].map((from) => recent.from(from, 7))).toEqual([null, null]);
    // There is one more than was noted.
    expect(recent.from(6, 8)).toBe(null);
  });

  test("are the last ones while somebody follows, however many there were", () => {
    const recent = new RecentBrackets(30);
    for (let number = 1; number <= 1000; number++) recent.add(number, FRAME, true);
    expect(recent.from(997, 1000)).toBe(null);
    expect(recent.from(998, 1000)?.length).toBe(3);
  });

  test("are none when nobody follows and the first have no room", () => {
    const recent = new RecentBrackets(30);
    for (const number of [1, 2, 3]) recent.add(number, FRAME, false);
    expect(recent.from(1, 3)?.length).toBe(3);
    recent.add(4, FRAME, false);
    expect(recent.isGoing).toBe(false);
    expect(recent.from(4, 4)).toBe(null);
  });

  test("end where a bracket was not written down", () => {
    const recent = new RecentBrackets(30);
    recent.add(1, FRAME, true);
    recent.add(2, null, false);
    expect([1, 2, 3].map((from) => recent.from(from, 2))).toEqual([null, null, null]);
  });

  test("are not kept without room", () => {
    const recent = new RecentBrackets(0);
    recent.add(1, FRAME, true);
    expect(recent.isGoing).toBe(false);
  });
});

const CONFIG = configOf(yamlOf("neighbors: [{ address: 192.0.2.1, as: 65001, passive: true }]"));

class Bench {
  readonly journal = new Journal(new Machine(CONFIG, 1));
  readonly said: string[] = [];
  readonly active: Active;
  frames: Uint8Array[] = [];
  private nowMs = 0;

  constructor(recentOctets: number) {
    this.active = new Active(
      this.journal,
      { epoch: 1, patienceMs: 1000, recentOctets },
      {
        send: (_to, frame) => void this.frames.push(frame),
        release() {},
        acknowledge() {},
        gone() {},
        closeGate: () => new Map(),
        openGate() {},
        declare: async () => true,
        undeclare: async () => true,
        drop() {},
        say: (id, message) => void (id === "standby-joining" && this.said.push(message)),
      },
    );
    this.journal.run({ record: "start", nowMs: 0 });
    this.active.commit(0);
  }

  brackets(count: number): void {
    for (let i = 0; i < count; i++) {
      this.nowMs += 2000;
      this.journal.run({ record: "tick", nowMs: this.nowMs });
      this.journal.slice(this.nowMs, () => true);
      this.active.commit(this.nowMs);
    }
  }

  /** The standby is gone, and the arbiter knows. */
  async leave(): Promise<void> {
    this.active.lose("b", "it is killed");
    for (let i = 0; i < 8; i++) await Promise.resolve();
    expect(this.active.state).toBe("alone");
  }

  join(lacks = 0): void {
    this.active.join("b", this.nowMs, { lacks });
    while (this.active.pump("b"));
  }

  /** The standby has all that it was sent, and says so. */
  hear(standby: Standby): string[] {
    const reader = new FrameReader("active");
    for (const frame of this.frames.splice(0)) reader.push(frame);
    const records: string[] = [];
    for (let next = reader.next(); next !== null; next = reader.next()) {
      records.push(next.record);
      standby.record(next);
    }
    while (standby.work(() => true));
    const { number, applied } = standby;
    // It says that it has little room: it has not run all yet.
    const ack = { record: "ack", number, applied, window: 1 } as const;
    this.active.record("b", ack, this.nowMs);
    return records;
  }
}

function newStandby(): Standby {
  return new Standby({ send() {}, differs: (_, what) => expect.fail(what) });
}

describe("an active with recent brackets", () => {
  test("sends a standby that comes again what it lacks, and no image", async () => {
    const bench = new Bench(1 << 20);
    const standby = newStandby();
    bench.join();
    expect(bench.hear(standby)).toContain("image");
    bench.brackets(3);
    bench.hear(standby);
    const had = standby.number;
    await bench.leave();
    bench.brackets(4);
    expect(bench.active.keepsFrom(had + 1)).toBe(true);
    bench.join(had + 1);
    expect(bench.said.at(-1)).toBe(`b is being sent 4 brackets behind ${had}, which it has`);
    const records = bench.hear(standby);
    expect(records.filter((record) => record === "bracket").length).toBeGreaterThanOrEqual(4);
    expect(new Set(records)).toEqual(new Set(["bracket"]));
    expect(difference(bench.journal.machine, standby.finish())).toBe(null);
  });

  test("has nothing wait for it before it has run what it lacked", async () => {
    const bench = new Bench(1 << 20);
    const standby = newStandby();
    bench.join();
    bench.brackets(2);
    bench.hear(standby);
    const had = standby.number;
    await bench.leave();
    bench.brackets(4);
    bench.join(had + 1);
    const ack = { record: "ack", number: had + 2, applied: had, window: 0 } as const;
    bench.active.record("b", ack, 0);
    expect(bench.active.mayWork).toBe(true);
    expect(bench.active.stateOf("b")).toBe("joining");
    bench.hear(standby);
    expect(bench.active.stateOf("b")).not.toBe("joining");
  });

  test("writes nothing down any more once a standby was away for too long", async () => {
    const bench = new Bench(4000);
    const standby = newStandby();
    bench.join();
    bench.brackets(1);
    bench.hear(standby);
    await bench.leave();
    bench.brackets(1);
    expect(bench.journal.isOn).toBe(true);
    bench.brackets(60);
    expect(bench.journal.isOn).toBe(false);
    expect(bench.active.keepsFrom(standby.number + 1)).toBe(false);
    bench.join(standby.number + 1);
    expect(bench.said.at(-1)).toBe("b is being sent the state");
    expect(bench.hear(newStandby())).toContain("image");
  });

  test("writes nothing down when nobody follows and none are kept", async () => {
    const bench = new Bench(0);
    bench.join();
    bench.brackets(1);
    await bench.leave();
    expect(bench.journal.isOn).toBe(false);
  });

  test("tells nobody of a log", () => {
    const reader = new FrameReader("active");
    const head = { cluster: "", side: "", active: "", epoch: 1, build: "", stream: 1 };
    reader.push(frameOf("logHead", head));
    expect(() => reader.next()).toThrow("no record of an active side");
  });
});
