/** What a mirror passes on, bracket by bracket, while the active side that it follows becomes another one. */

import {
  Active,
  type ActiveOptions,
  type AnyRecord,
  CaptureRoom,
  digestOf,
  FrameReader,
  Journal,
  Machine,
  type RecordOf,
  Standby,
} from "@ts-bgp/replication";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { MirrorRelay } from "../src/mirror-relay.ts";
import type { Mirrored } from "../src/mirror-server.ts";

const CONFIG = configOf(yamlOf("neighbors: [ { address: 192.0.2.1, as: 65001, passive: true } ]"));

const THROUGH = {
  path: () => ["a", "m1"],
  ageMs: () => 0,
  problem: () => "",
  isJoining: () => false,
};

function recordsOf(frames: readonly Uint8Array[]): AnyRecord[] {
  const reader = new FrameReader(null);
  for (const frame of frames) reader.push(frame);
  const records: AnyRecord[] = [];
  for (let next = reader.next(); next !== null; next = reader.next()) records.push(next);
  return records;
}

/** An active side that runs alone, and one mirror of it. */
class Side {
  readonly active: Active;
  readonly journal: Journal;
  private frames: Uint8Array[] = [];
  private nowMs: number;

  constructor(machine: Machine, options: Partial<ActiveOptions>, nowMs = 0) {
    this.journal = new Journal(machine);
    this.nowMs = nowMs;
    const nothing = () => {};
    this.active = new Active(
      this.journal,
      { epoch: 1, patienceMs: 1000, ...options },
      {
        ...{ send: nothing, release: nothing, acknowledge: nothing, gone: nothing },
        ...{ openGate: nothing, drop: nothing, say: nothing },
        ...{ closeGate: () => new Map(), declare: async () => true, undeclare: async () => true },
      },
    );
    this.active.mirrors.serve({
      send: (_to, frame) => void this.frames.push(frame),
      ...{ backlogOf: () => 0, wake: nothing, drop: nothing },
    });
  }

  join(from = { stream: 0, lacks: 0 }): void {
    this.active.mirrors.join("m", from, this.active.number, new CaptureRoom());
    while (this.active.mirrors.pump("m"));
  }

  brackets(count: number): void {
    for (let i = 0; i < count; i++) {
      this.nowMs += 2000;
      this.journal.run({ record: "tick", nowMs: this.nowMs });
      this.journal.slice(this.nowMs, () => true);
      this.active.commit(this.nowMs);
    }
  }

  /** @returns what has come to the mirror since */
  taken(): AnyRecord[] {
    return recordsOf(this.frames.splice(0));
  }
}

/** A mirror that follows the relay: as far away as a test has it, and it comes again when it is sent away. */
class Child {
  standby: Standby | null = null;
  states = 0;
  private stream = 0;
  private epoch = 0;
  private followed: Mirrored | null = null;
  private frames: Uint8Array[] = [];

  /** It is sent away by whoever has served it, and comes a while later. */
  sentAway(): void {
    this.followed = null;
    this.frames = [];
  }

  follow(mirrored: Mirrored): void {
    if (this.followed === mirrored) return;
    const { mirrors, epoch } = mirrored;
    this.followed = mirrored;
    this.epoch = epoch;
    mirrors.serve({
      send: (_to, frame) => void this.frames.push(frame),
      ...{ backlogOf: () => 0, wake: () => this.pump(), drop: (_to, why) => expect.fail(why) },
    });
    const lacks = this.standby === null ? 0 : this.standby.number + 1;
    const goesOn = mirrors.goesOnFrom(this.stream, lacks);
    if (goesOn === 0) {
      this.states++;
      this.standby = new Standby({ send() {}, differs: (_, what) => expect.fail(what) });
    }
    const from = goesOn > 0 ? { stream: this.stream, lacks } : { stream: 0, lacks: 0 };
    mirrors.join("c", from, mirrored.commit(), new CaptureRoom());
    this.stream = mirrors.stream;
    this.pump();
  }

  private pump(): void {
    while (this.followed?.mirrors.pump("c") === true);
  }

  hear(): void {
    for (const record of recordsOf(this.frames.splice(0))) {
      if (record.record === "bracket") expect(record.epoch).toBe(this.epoch);
      this.standby!.record(record);
    }
    while (this.standby!.work(() => true));
  }
}

test("a takeover in the middle of what is still to be run is passed on as it was, without a state", () => {
  const few = fc.nat({ max: 6 });
  const shape = { before: few, waiting: few, after: few, late: few };
  fc.assert(
    fc.property(fc.record(shape), ({ before, waiting, after, late }) => {
      const first = new Side(new Machine(CONFIG, 1), { stream: 7 });
      first.journal.run({ record: "start", nowMs: 0 });
      first.active.commit(0);
      first.brackets(before + 1);
      const ran: { relay: MirrorRelay | null } = { relay: null };
      const hooks = {
        send() {},
        differs: (_: number, what: string) => expect.fail(what),
        ran: (bracket: RecordOf<"bracket">) => ran.relay?.ran(bracket),
      };
      const standby = new Standby(hooks, true);
      const heir = new Standby({ send() {}, differs: (_, what) => expect.fail(what) }, true);
      const hear = (records: readonly AnyRecord[]) => {
        for (const record of records) for (const each of [standby, heir]) each.record(record);
      };
      first.join();
      hear(first.taken());

      const child = new Child();
      let served: Mirrored | null = null;
      let isAway = 0;
      ran.relay = new MirrorRelay("m1", THROUGH, (mirrored) => {
        served = mirrored;
        child.sentAway();
        isAway = late;
      });
      ran.relay.begin(standby, { epoch: 1, stream: 7 });
      child.follow(served!);
      child.hear();

      first.brackets(waiting);
      hear(first.taken());
      const machine = heir.finish()!;
      const { number, handOn: brackets } = heir;
      const estate = { heirs: [], brackets, number, stream: 7, nowMs: 0 };
      const second = new Side(machine, { epoch: 2, stream: 8, estate }, 100_000);
      second.join({ stream: 7, lacks: standby.number + 1 });
      standby.follow(hooks);
      ran.relay.expect({ epoch: 2, stream: 8 });
      second.brackets(after + 1);
      for (const record of second.taken()) standby.record(record);

      for (let more = true; more; ) {
        more = standby.work(() => false);
        if (isAway > 0) isAway--;
        else {
          child.follow(served!);
          child.hear();
        }
      }
      child.follow(served!);
      child.hear();
      expect(standby.applied).toBe(second.active.number);
      expect(child.standby!.applied).toBe(standby.applied);
      const own = digestOf(standby.follows!);
      expect(digestOf(child.standby!.follows!)).toEqual(own);
      expect(child.states).toBe(1);
    }),
  );
});

/** A mirror of the same active side that hears what the relay does, or is told something else. */
function mirror(ran: (bracket: RecordOf<"bracket">) => void = () => {}): Standby {
  const differs = (_: number, what: string) => expect.fail(what);
  return new Standby({ send() {}, differs, ran }, true);
}

function run(standby: Standby, records: readonly AnyRecord[]): void {
  for (const record of records) standby.record(record);
  while (standby.work(() => true));
}

test("who has come further elsewhere, or less far, goes on behind a mirror that nobody has followed before", () => {
  const first = new Side(new Machine(CONFIG, 1), { stream: 7 });
  first.journal.run({ record: "start", nowMs: 0 });
  first.active.commit(0);
  first.join();
  const sent: Record<string, Uint8Array[]> = { ahead: [], equal: [], behind: [] };
  const served: { mirrored: Mirrored | null } = { mirrored: null };
  const relay = new MirrorRelay("m1", THROUGH, (mirrored) => {
    served.mirrored = mirrored;
    mirrored?.mirrors.serve({
      send: (to, frame) => void sent[to]!.push(frame),
      ...{ backlogOf: () => 0, wake() {}, drop: (_to, why) => expect.fail(why) },
    });
  });
  const between = mirror((bracket) => relay.ran(bracket));
  const below = { ahead: mirror(), equal: mirror(), behind: mirror() };
  const state = first.taken();
  for (const standby of [between, ...Object.values(below)]) run(standby, state);
  relay.begin(between, { epoch: 1, stream: 7 });

  const more = (count: number, ...heard: readonly Standby[]): AnyRecord[] => {
    first.brackets(count);
    const records = first.taken();
    for (const standby of heard) run(standby, records);
    return records;
  };
  more(2, between, ...Object.values(below));
  more(2, between, below.ahead, below.equal);
  const late = more(3, below.ahead);
  const { mirrors, commit } = served.mirrored!;
  for (const [name, standby] of Object.entries(below)) {
    const from = { stream: 7, lacks: standby.number + 1 };
    expect(mirrors.goesOnFrom(7, from.lacks)).toBe(from.lacks);
    // Of another active side it would have to be told what that has done.
    expect(mirrors.goesOnFrom(8, from.lacks)).toBe(0);
    mirrors.join(name, from, commit(), new CaptureRoom());
    while (mirrors.pump(name));
  }
  run(between, late);
  more(2, between);
  const own = digestOf(between.follows!);
  const numbers = Object.entries(below).map(([name, standby]) => {
    const records = recordsOf(sent[name]!);
    run(standby, records);
    expect(digestOf(standby.follows!)).toEqual(own);
    return records.map((record) => (record.record === "bracket" ? record.number : record.record));
  });
  const last = first.active.number;
  expect(numbers).toEqual([
    [last - 1, last],
    [last - 4, last - 3, last - 2, last - 1, last],
    [last - 6, last - 5, last - 4, last - 3, last - 2, last - 1, last],
  ]);
});

/** A takeover that a mirror between hears late: it has 3 brackets more than its state, the others 8 of the side before. */
function lateRelay() {
  const first = new Side(new Machine(CONFIG, 1), { stream: 7 });
  first.journal.run({ record: "start", nowMs: 0 });
  first.active.commit(0);
  first.join();
  const served: { mirrored: Mirrored | null } = { mirrored: null };
  const relay = new MirrorRelay("m1", THROUGH, (mirrored) => {
    served.mirrored = mirrored;
    const drop = (_to: string, why: string) => expect.fail(why);
    mirrored?.mirrors.serve({ send() {}, backlogOf: () => 0, wake() {}, drop });
  });
  const between = mirror((bracket) => relay.ran(bracket));
  const [child, heir] = [mirror(), mirror()];
  const state = first.taken();
  for (const each of [between, child, heir]) run(each, state);
  relay.begin(between, { epoch: 1, stream: 7 });
  first.brackets(3);
  const early = first.taken();
  for (const each of [between, child, heir]) run(each, early);
  first.brackets(5);
  const late = first.taken();
  for (const each of [child, heir]) run(each, late);
  const machine = heir.finish()!;
  const { number, handOn: brackets } = heir;
  const estate = { heirs: [], brackets, number, stream: 7, nowMs: 0 };
  const second = new Side(machine, { epoch: 2, stream: 8, estate }, 100_000);
  return { second, relay, between, child, served, number };
}

test("who has more of the side before than the mirror between goes on there once that is behind the takeover", () => {
  const { second, relay, between, child, served } = lateRelay();
  second.join({ stream: 7, lacks: between.number + 1 });
  relay.expect({ epoch: 2, stream: 8 });
  second.brackets(4);
  const lacks = child.number + 1;
  for (const record of second.taken()) {
    run(between, [record]);
    expect(served.mirrored!.mirrors.goesOnFrom(7, lacks)).toBe(lacks);
  }
});

test("who was told of the new side, and has nothing of it yet, goes on with what it has of the one before", () => {
  const { second, between, number } = lateRelay();
  const from = (stream: number, lacks: number) => second.active.mirrors.goesOnFrom(stream, lacks);
  for (const lacks of [between.number + 1, number + 1]) {
    expect([from(7, lacks), from(8, lacks)]).toEqual([lacks, lacks]);
  }
  second.brackets(2);
  for (const lacks of [between.number + 1, number + 1]) {
    expect([from(7, lacks), from(8, lacks)]).toEqual([lacks, lacks]);
  }
  expect(from(8, number + 9)).toBe(0);
});
