/** The active and its journal, step by step. */

import { describe, expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import {
  Active,
  type ActiveHooks,
  type AnyRecord,
  CaptureRoom,
  FormatError,
  FrameReader,
  frameOf,
  Journal,
  Machine,
  prepareCapture,
  Standby,
} from "../src/index.ts";
import { KeptBrackets } from "../src/kept-brackets.ts";

const CONFIG = configOf(
  yamlOf(`
defaults: { passive: true, import: accept-all, export: accept-all }
neighbors: [{ address: 192.0.2.1, as: 65001 }]
`),
);

/** Promises that the hooks gave and that nobody has kept yet. */
type Kept = (is: boolean) => void;

class Bench {
  readonly journal = new Journal(new Machine(CONFIG, 1));
  readonly frames: Uint8Array[] = [];
  readonly did: string[] = [];
  readonly asked: { what: "declare" | "undeclare"; keep: Kept; refuse: (why: Error) => void }[] =
    [];
  /** What the kernel has acknowledged, by connection. */
  kernel = new Map<number, number>();
  hasRoom = true;
  readonly active: Active;
  private readonly reader = new FrameReader(null);

  constructor() {
    const ask = (what: "declare" | "undeclare") =>
      new Promise<boolean>((keep, refuse) => this.asked.push({ what, keep, refuse }));
    const hooks: ActiveHooks = {
      send: (_to, frame) => this.frames.push(frame),
      hasRoom: () => this.hasRoom,
      release: (outputs) => {
        for (const output of outputs) if (output.do !== "log") this.did.push(output.do);
      },
      acknowledge: (id, octets) => this.did.push(`acknowledge ${id} ${octets}`),
      gone: (id) => this.did.push(`gone ${id}`),
      closeGate: () => {
        this.did.push("close gate");
        return this.kernel;
      },
      openGate: () => this.did.push("open gate"),
      declare: () => ask("declare"),
      undeclare: () => ask("undeclare"),
      drop: () => this.did.push("drop"),
      say: () => {},
    };
    this.active = new Active(this.journal, { epoch: 1, patienceMs: 1000 }, hooks);
    this.journal.run({ record: "start", nowMs: 0 });
    this.active.commit(0);
  }

  accept(): number {
    const id = this.journal.run({
      record: "accepted",
      remoteAddress: "192.0.2.1",
      remotePort: 40_000,
      localAddress: "192.0.2.254",
      otherAddress: "",
      connection: 0,
      nowMs: 1,
    })!;
    this.journal.run({ record: "tcp", connection: id, state: { port: 40_000 } });
    return id;
  }

  receive(connection: number, count: number): void {
    this.journal.run({ record: "received", connection, octets: new Uint8Array(count).fill(0xff) });
  }

  /** A standby joins, while the kernel has more of a connection than was read. @returns its number */
  joinOwing(): number {
    const id = this.accept();
    this.bracket();
    this.active.join("b", 2);
    this.receive(id, 5);
    this.kernel = new Map([[id, 12]]);
    this.ack(this.active.number);
    return id;
  }

  bracket(nowMs = 2): void {
    this.journal.slice(nowMs, () => true);
    this.active.commit(nowMs);
  }

  ack(number: number, { applied = number, window = 1 << 20, nowMs = 3 } = {}): void {
    this.active.record("b", { record: "ack", number, applied, window }, nowMs);
  }

  /** Has a standby that joins acknowledge everything, and be declared. */
  async declare(): Promise<void> {
    this.ack(this.active.number);
    this.ack(this.active.number);
    await this.keep(true);
  }

  async keep(is: boolean): Promise<void> {
    this.asked.shift()!.keep(is);
    await Promise.resolve();
    await Promise.resolve();
  }

  async refuse(why: string): Promise<void> {
    this.asked.shift()!.refuse(new Error(why));
    await Promise.resolve();
    await Promise.resolve();
  }

  /** What was sent since the last time. */
  sent(): AnyRecord[] {
    for (const frame of this.frames.splice(0)) this.reader.push(frame);
    const records: AnyRecord[] = [];
    for (let next = this.reader.next(); next !== null; next = this.reader.next())
      records.push(next);
    return records;
  }
}

describe("an active", () => {
  test("is not declared before the standby has what peers were told to have arrived", () => {
    const bench = new Bench();
    const id = bench.joinOwing();
    // Five octets stand in the bracket that ends when the gate is closed.
    expect(bench.active.state).toBe("holding");
    bench.ack(bench.active.number);
    expect(bench.asked).toEqual([]);
    bench.receive(id, 7);
    bench.bracket();
    expect(bench.asked).toEqual([]);
    bench.ack(bench.active.number);
    expect(bench.asked).toMatchObject([{ what: "declare" }]);
  });

  test("is not declared before the standby knows of the end of a connection that it owes", () => {
    const bench = new Bench();
    const id = bench.joinOwing();
    bench.journal.run({ record: "closed", connection: id, nowMs: 3 });
    bench.ack(bench.active.number);
    expect(bench.asked).toEqual([]);
    bench.bracket();
    expect(bench.asked).toEqual([]);
    bench.ack(bench.active.number);
    expect(bench.asked).toMatchObject([{ what: "declare" }]);
  });

  test("tells what waits for the standby of what is to be written to a connection", async () => {
    const bench = new Bench();
    bench.joinOwing();
    const id = bench.accept();
    const nothing = { octets: 0, isClosing: false };
    expect(bench.active.heldBackOf(id)).toEqual(nothing);
    bench.bracket();
    expect(bench.active.heldBackOf(id)).toMatchObject({ isClosing: false });
    expect(bench.active.heldBackOf(id).octets).toBe(
      bench.journal.machine.ledger.connections.get(id)!.send.appended,
    );
    expect(bench.active.heldBackOf(id).octets).toBeGreaterThan(0);
    bench.ack(bench.active.number);
    expect(bench.active.heldBackOf(id)).toEqual(nothing);
  });

  test("keeps nothing of a half bracket for the standby after the next one", () => {
    const bench = new Bench();
    bench.active.join("b", 2);
    const id = bench.accept();
    bench.receive(id, 5);
    bench.active.lose("b", "the link is gone");
    bench.bracket();
    bench.sent();
    bench.active.join("b", 3);
    bench.bracket();
    const standby = new Standby({ send() {}, differs: (_number, what) => expect.fail(what) });
    for (const record of bench.sent()) standby.record(record);
    expect(standby.finish()!.ledger.connections.get(id)!.received).toBe(5);
  });

  test("lets nothing out of a declared pair until the standby has lost its right", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    bench.ack(bench.active.number);
    bench.ack(bench.active.number);
    await bench.keep(true);
    expect(bench.active.state).toBe("declared");
    bench.receive(id, 5);
    bench.bracket();
    bench.active.lose("b", "the link is gone");
    bench.receive(id, 5);
    bench.bracket();
    bench.did.length = 0;
    expect(bench.asked).toMatchObject([{ what: "undeclare" }]);
    await bench.keep(true);
    expect(bench.did).toEqual(["open gate", `acknowledge ${id} 5`, `acknowledge ${id} 10`]);
  });

  test("does nothing more when the standby has used its right", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    bench.ack(bench.active.number);
    bench.ack(bench.active.number);
    await bench.keep(true);
    bench.receive(id, 5);
    bench.bracket();
    bench.did.length = 0;
    bench.active.lose("b", "the link is gone");
    await bench.keep(false);
    bench.bracket();
    expect(bench.active.state).toBe("fenced");
    expect(bench.did).toEqual(["drop"]);
  });

  test.each(["joining", "holding"])("gives up a standby that is %s and says nothing", (state) => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.kernel = new Map([[id, 99]]);
    bench.active.join("b", 2);
    if (state === "holding") bench.ack(bench.active.number);
    bench.receive(id, 5);
    bench.bracket(10);
    bench.active.tick(900);
    expect(bench.active.state).toBe(state);
    bench.active.tick(100_000);
    expect(bench.active.state).toBe("alone");
  });

  test("is patient with a standby that is behind and gets further, but not without end", async () => {
    const bench = new Bench();
    bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    await bench.declare();
    const { number } = bench.active;
    let nowMs = 1000;
    // A bracket every 200 ms, an acknowledgement of one of them every 900.
    while (bench.active.state === "declared" && nowMs < 100_000) {
      nowMs += 100;
      if (nowMs % 200 === 0) bench.bracket(nowMs);
      if (nowMs % 900 === 0) bench.ack(number + nowMs / 900, { nowMs });
      bench.active.tick(nowMs);
    }
    expect(bench.active.state).toBe("undeclaring");
    expect(nowMs).toBeGreaterThan(10_000);
    expect(nowMs).toBeLessThan(20_000);
  });

  test("does nothing more when it has given its role away, whatever becomes of the standby", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    await bench.declare();
    bench.receive(id, 40);
    bench.active.retire();
    bench.did.length = 0;
    bench.ack(bench.active.number);
    bench.active.lose("b", "the link was closed");
    bench.active.tick(60_000);
    bench.bracket(60_000);
    expect(bench.did).toEqual([]);
    expect(bench.asked).toEqual([]);
    expect(bench.active).toMatchObject({ state: "fenced", reason: "this side does nothing more" });
  });

  test("counts its patience with a standby from when that had the state", () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.kernel = new Map([[id, 99]]);
    const before = bench.active.number;
    bench.active.join("b", 2);
    bench.receive(id, 5);
    bench.bracket(10);
    const number = Math.max(before, bench.active.number - 1);
    bench.active.record("b", { record: "ack", number, applied: number, window: 1 << 20 }, 5000);
    expect(bench.active.state).toBe("holding");
    bench.active.tick(5900);
    expect(bench.active.state).toBe("holding");
    bench.active.tick(6100);
    expect(bench.active.state).toBe("alone");
  });

  test("does no more than its standby has room for, and gives up one that makes none", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    await bench.declare();
    const applied = bench.active.number;
    bench.receive(id, 5);
    bench.bracket(10);
    const { number } = bench.active;
    bench.ack(number, { applied, window: 0, nowMs: 11 });
    expect(bench.active.behind.brackets).toBe(0);
    expect(bench.active.mayWork).toBe(false);
    // It runs what it has: that takes as long as it takes.
    bench.ack(number, { applied: number, window: 0, nowMs: 900 });
    bench.active.tick(1800);
    expect(bench.active.state).toBe("declared");
    bench.active.tick(1901);
    await bench.keep(true);
    expect(bench.active.state).toBe("alone");
    expect(bench.active.reason).toBe("the standby has had no room for 1000 ms");
    expect(bench.active.mayWork).toBe(true);
  });

  test("keeps one that makes room, although it judges all anew and says that it has run nothing", () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    for (let nowMs = 100; nowMs < 4000; nowMs += 100) {
      bench.receive(id, 5);
      bench.bracket(nowMs);
      const window = nowMs % 500 === 0 ? 1000 : 0;
      bench.ack(bench.active.number, { applied: 0, window, nowMs });
      bench.active.tick(nowMs);
      expect(bench.active.state).toBe("joining");
    }
    bench.active.tick(5100);
    expect(bench.active.state).toBe("alone");
  });

  test("shows of several standbys that differ the one with which sessions would end", () => {
    const bench = new Bench();
    const doomed = [{ address: "192.0.2.1", cause: "a family" }];
    const differs = { record: "differs", number: 1, follows: 1, brackets: 1 } as const;
    const say = (side: string, what: string, ends: readonly object[]) =>
      bench.active.record(side, { ...differs, what, doomed: ends } as never, 3);
    for (const side of ["b", "c", "d"]) bench.active.join(side, 2, { wantsOutputs: true });
    expect(bench.active.deviation).toBe(null);
    say("b", "", []);
    expect(bench.active.deviation).toMatchObject({ what: "", doomed: [] });
    say("c", "outputs", []);
    expect(bench.active.deviation).toMatchObject({ what: "outputs" });
    say("d", "", doomed);
    expect(bench.active.deviation).toMatchObject({ doomed });
  });

  test("says why the arbiter does not let a standby be one", async () => {
    const bench = new Bench();
    bench.active.join("b", 2);
    bench.ack(bench.active.number);
    bench.ack(bench.active.number);
    await bench.refuse("nobody has heard of it");
    expect(bench.active.state).toBe("undeclaring");
    expect(bench.active.reason).toBe("it cannot be the standby: nobody has heard of it");
  });

  test("is followed by a standby that takes one image, and no other behind it", () => {
    const bench = new Bench();
    bench.active.join("b", 2);
    const records = bench.sent();
    const standby = new Standby({ send() {}, differs: (_number, what) => expect.fail(what) });
    for (const record of records) standby.record(record);
    expect(() => standby.record(records[0]!)).toThrow(FormatError);
  });

  test("sends a large state in turns, and what happens meanwhile behind it", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    const { history } = bench.journal.machine;
    // More than a turn's worth.
    Object.assign(history, { ballast: new Uint8Array(3_000_000).fill(1) });
    const room = new CaptureRoom();
    for (const _ of prepareCapture(bench.journal.machine, room)) bench.receive(id, 1);
    bench.bracket();
    bench.active.join("b", 2, { room });
    const first = bench.sent().map(({ record }) => record);
    expect(first).not.toContain("imageEnd");

    bench.receive(id, 1);
    bench.bracket();
    let turns = 1;
    while (bench.active.pump("b")) turns++;
    expect(turns).toBeGreaterThan(1);
    const names = bench.sent().map(({ record }) => record);
    expect(names.lastIndexOf("image")).toBeLessThan(names.indexOf("imageEnd"));
    expect(names.indexOf("imageEnd")).toBeLessThan(names.indexOf("bracket"));
    await bench.declare();
    expect(bench.active.state).toBe("declared");
  });

  test.each([
    ["nobody follows", "alone", 1],
    ["the image is on its way", "joining", 1],
    ["it is old", "declared", -1],
    ["it has not been sent yet", "declared", 2],
  ])("sends no bracket again when %s", async (_, state, ahead) => {
    const bench = new Bench();
    if (state === "joining") bench.hasRoom = false;
    if (state !== "alone") bench.active.join("b", 2);
    if (state === "declared") await bench.declare();
    const { active } = bench;
    expect(active.state).toBe(state);
    expect(active.resume("b", active.number + ahead, 3)).toBe(null);
    expect(active.state).toBe(state);
  });

  test("sends again what the standby has not, and that it is declared", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    await bench.declare();
    const before = bench.active.number;
    expect(bench.active.cut("b", "the link is gone", true)).toBe(true);
    for (let n = 0; n < 3; n++) {
      bench.receive(id, 5);
      bench.bracket();
    }
    bench.sent();
    bench.did.length = 0;
    bench.frames.push(...bench.active.resume("b", before + 2, 3)!);
    expect(bench.sent()).toMatchObject([
      { record: "bracket", number: before + 2 },
      { record: "bracket", number: before + 3 },
      { record: "declared", ready: 1 },
    ]);
    // The standby had stored the first of them.
    expect(bench.did).toEqual([`acknowledge ${id} 5`]);
    expect(bench.asked).toEqual([]);
  });

  test.each([
    ["has no other way", "declared", false],
    ["has not all of the state", "joining", true],
  ])("does not wait for a standby that %s", async (_, state, hasWays) => {
    const bench = new Bench();
    bench.active.join("b", 2);
    if (state === "declared") await bench.declare();
    expect(bench.active.cut("b", "the link is gone", hasWays)).toBe(false);
    expect(bench.did).toContain("drop");
  });

  test("waits for a standby with other ways as long as for one that says nothing", async () => {
    const bench = new Bench();
    const id = bench.accept();
    bench.bracket();
    bench.active.join("b", 2);
    await bench.declare();
    bench.did.length = 0;
    bench.active.cut("b", "the link is gone", true);
    bench.receive(id, 5);
    bench.bracket(10);
    bench.active.tick(1000);
    expect(bench.did).toEqual([]);
    bench.active.tick(1011);
    expect(bench.did).toEqual(["drop"]);
    expect(bench.asked).toMatchObject([{ what: "undeclare" }]);
    expect(bench.active.resume("b", bench.active.number + 1, 1012)).toBe(null);
    await bench.keep(true);
    expect(bench.did).toEqual(["drop", "open gate", `acknowledge ${id} 5`]);
  });

  test("takes a frame of the wrong kind for nothing", () => {
    const bench = new Bench();
    bench.active.join("b", 0);
    const reader = new FrameReader(null);
    reader.push(frameOf("heartbeat", { progress: 1, epoch: 1, sentMs: 0 }));
    bench.active.record("b", reader.next()!, 0);
    expect(bench.active.state).toBe("joining");
  });
});

describe("an active ends rather than", () => {
  test("let out a bracket that is not kept", () => {
    const kept = new KeptBrackets(0);
    const effects = { outputs: [], received: new Map(), gone: [] };
    kept.add(1, effects, null);
    const out: unknown[] = [];
    const letOut = (due: unknown) => out.push(due);
    expect(() => kept.release(2, 1, letOut)).toThrow("does not hold: a bracket goes out once 2");
    expect(out).toEqual([effects]);
  });

  test("go on with half of a bracket of the active before", () => {
    const nothing = () => {};
    const hooks: ActiveHooks = {
      ...{ send: nothing, release: nothing, acknowledge: nothing, gone: nothing, drop: nothing },
      ...{ closeGate: () => new Map(), openGate: nothing, say: nothing },
      ...{ declare: async () => true, undeclare: async () => true },
    };
    const estate = { heirs: ["c"], brackets: [], number: 7, stream: 0, nowMs: 0 };
    const journal = new Journal(new Machine(CONFIG, 1));
    const active = new Active(journal, { epoch: 2, patienceMs: 300, estate }, hooks);
    expect(active.resume("c", 9, 1)).toEqual([]);
    const calls = new Uint8Array([1]);
    const bracket = {
      record: "bracket",
      number: 8,
      epoch: 1,
      calls,
      sum: 0,
      digest: null,
      outputs: new Uint8Array(0),
    } as const;
    expect(() => active.record("c", bracket, 2)).toThrow("a bracket does what it did 8");
  });

  test("leave out what a follower lacks", () => {
    const lacking = () => new KeptBrackets(0).frames(1, 1);
    expect(lacking).toThrow("does not hold: what a follower lacks is kept 1");
  });
});
