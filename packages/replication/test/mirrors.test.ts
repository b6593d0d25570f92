/** Mirrors have what is out, and nothing else; and nobody waits for them. */

import { describe, expect, test } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import {
  Active,
  type ActiveOptions,
  type AnyRecord,
  CaptureRoom,
  configOctets,
  FrameReader,
  frameOf,
  Journal,
  Machine,
  MIRROR_OCTETS_MAX,
  Standby,
} from "../src/index.ts";
import { difference } from "./difference.ts";

const SECRET = "hush-hush-hush-0";
const NEIGHBORS = `neighbors:
  - { address: 192.0.2.1, as: 65001, passive: true, password: "${SECRET}1" }
  - { address: 192.0.2.2, as: 65002, passive: true, bfd: { auth: { type: simple, key-id: 1, secret: "${SECRET}" } } }`;
const SECTIONS = `
http: { port: 9790, tokens: [ { name: noc, role: operator, secret: "${SECRET}" } ] }
rpki: { caches: [ { address: 192.0.2.9, password: "${SECRET}" } ] }
`;
const CONFIG = configOf(yamlOf(NEIGHBORS + SECTIONS));

const NOTHING = { stream: 0, lacks: 0 };

/** An active with a standby that acknowledges when it is told to, and a mirror. */
class Bench {
  readonly journal: Journal;
  readonly active: Active;
  readonly dropped: string[] = [];
  /** What is under way to the mirror, and of it what has not left the server. */
  frames: Uint8Array[] = [];
  backlog = 0;
  private readonly toStandby: Uint8Array[] = [];
  private nowMs = 0;

  constructor(
    machine: Machine = new Machine(CONFIG, 1),
    options: Partial<ActiveOptions> = { stream: 7 },
  ) {
    this.journal = new Journal(machine);
    const nothing = () => {};
    this.active = new Active(
      this.journal,
      { epoch: 1, patienceMs: 1000, ...options },
      {
        send: (_to, frame) => void this.toStandby.push(frame),
        ...{ release: nothing, acknowledge: nothing, gone: nothing, openGate: nothing },
        closeGate: () => new Map(),
        declare: async () => true,
        undeclare: async () => true,
        ...{ drop: nothing, say: nothing },
      },
    );
    this.active.mirrors.serve({
      send: (_to, frame) => {
        this.frames.push(frame);
        this.backlog += frame.length;
      },
      backlogOf: () => this.backlog,
      wake: () => this.pump(),
      drop: (_to, reason) => void this.dropped.push(reason),
    });
    if (options.estate === undefined) this.journal.run({ record: "start", nowMs: 0 });
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

  join(from = NOTHING): void {
    this.active.mirrors.join("m", from, this.active.number, new CaptureRoom());
    this.pump();
  }

  pump(): void {
    while (this.active.mirrors.pump("m"));
  }

  /** @returns what has come to the mirror, which has run all of it */
  hear(mirror: Standby): string[] {
    const names: string[] = [];
    for (const record of recordsOf(this.frames.splice(0))) {
      names.push(record.record);
      mirror.record(record);
    }
    while (mirror.work(() => true));
    this.backlog = 0;
    return names;
  }

  /** A standby has joined, and has all so far. */
  async declare(standby: Standby): Promise<void> {
    this.active.join("b", this.nowMs);
    while (this.active.pump("b"));
    this.acknowledge(standby);
    for (let i = 0; i < 8; i++) await Promise.resolve();
    expect(this.active.state).toBe("declared");
  }

  /** The standby stores and runs what it was sent, and says so. */
  acknowledge(standby: Standby): void {
    for (const record of recordsOf(this.toStandby.splice(0))) standby.record(record);
    while (standby.work(() => true));
    const { number, applied } = standby;
    const ack = { record: "ack", number, applied, window: 1 << 20 } as const;
    this.active.record("b", ack, this.nowMs);
  }
}

function recordsOf(frames: readonly Uint8Array[]): AnyRecord[] {
  const reader = new FrameReader(null);
  for (const frame of frames) reader.push(frame);
  const records: AnyRecord[] = [];
  for (let next = reader.next(); next !== null; next = reader.next()) records.push(next);
  return records;
}

function newStandby(hasOthers = false): Standby {
  return new Standby({ send() {}, differs: (_, what) => expect.fail(what) }, hasOthers);
}

/** What a mirror is not told is left out of the comparison. */
function isSame(machine: Machine, mirror: Machine): void {
  const { ledger: _, ...server } = routed(machine);
  const { ledger: __, ...copy } = routed(mirror);
  expect(difference(server, copy)).toBe(null);
}

function routed({ router, ledger }: Machine) {
  const { tables } = router;
  const { attrs, nowMs, jobs, peers } = tables;
  return { attrs, nowMs, jobs, peers, ribs: [tables.rib(1), tables.rib(2)], ledger };
}

describe("a mirror of one that runs alone", () => {
  test("is sent the state and all brackets, and is the same", () => {
    const bench = new Bench();
    const mirror = newStandby();
    bench.brackets(2);
    expect(bench.journal.isOn).toBe(false);
    bench.join();
    expect(bench.hear(mirror)).toContain("imageEnd");
    bench.brackets(3);
    expect(bench.hear(mirror)).toEqual(["bracket", "bracket", "bracket"]);
    isSame(bench.journal.machine, mirror.follows!);
    expect([mirror.number, bench.active.state]).toEqual([bench.active.number, "alone"]);
  });

  test("goes on where it was, without the state", () => {
    const bench = new Bench();
    const mirror = newStandby();
    bench.join();
    bench.brackets(2);
    bench.hear(mirror);
    bench.active.mirrors.leave("m");
    bench.brackets(3);
    const from = { stream: 7, lacks: mirror.number + 1 };
    expect(bench.active.mirrors.goesOnFrom(from.stream, from.lacks)).toBe(from.lacks);
    expect(bench.active.mirrors.goesOnFrom(8, from.lacks)).toBe(0);
    expect(bench.active.mirrors.goesOnFrom(7, bench.active.number + 2)).toBe(0);
    bench.join(from);
    expect(bench.hear(mirror)).toEqual(["bracket", "bracket", "bracket"]);
    isSame(bench.journal.machine, mirror.follows!);
  });

  test("is dropped when it does not take what it is sent, and nothing more is kept for it", () => {
    const bench = new Bench();
    bench.join();
    bench.hear(newStandby());
    bench.backlog = MIRROR_OCTETS_MAX - 10;
    expect(bench.dropped).toEqual([]);
    bench.brackets(2);
    expect(bench.dropped).toEqual(["it is more than 64 MB behind"]);
    bench.frames = [];
    bench.brackets(1);
    expect(bench.frames).toEqual([]);
  });

  test("costs nothing any more once nobody serves mirrors", () => {
    const bench = new Bench();
    bench.join();
    bench.brackets(1);
    bench.active.mirrors.serve(null);
    bench.brackets(1);
    expect(bench.journal.isOn).toBe(false);
  });

  test("that somebody else serves stays when nobody serves the others", () => {
    const bench = new Bench();
    const frames: Uint8Array[] = [];
    const dropped: string[] = [];
    const { mirrors, number } = bench.active;
    mirrors.join("r", NOTHING, number, new CaptureRoom(), {
      send: (_to, frame) => void frames.push(frame),
      backlogOf: () => MIRROR_OCTETS_MAX + 1,
      wake() {},
      drop: (to) => void dropped.push(to),
    });
    bench.join();
    mirrors.serve(null);
    while (mirrors.pump("r"));
    expect(recordsOf(frames).map(({ record }) => record)).toEqual(["image", "imageEnd"]);
    expect(bench.journal.isOn).toBe(true);
    bench.frames = [];
    bench.brackets(1);
    // Its own backlog counts, and it is told itself.
    expect([dropped, bench.dropped, bench.frames]).toEqual([["r"], [], []]);
    expect(recordsOf(frames).at(-1)?.record).toBe("bracket");
  });

  test("is answered behind all that it was sent before", () => {
    const bench = new Bench();
    bench.active.mirrors.join("m", NOTHING, bench.active.number, new CaptureRoom());
    bench.brackets(1);
    bench.active.mirrors.tell(
      "m",
      frameOf("look", { number: 5, applied: 0, ageMs: 0, problem: "" }),
    );
    bench.pump();
    expect(bench.hear(newStandby()).slice(-3)).toEqual(["imageEnd", "bracket", "look"]);
  });
});

describe("a mirror of a pair", () => {
  test("is never sent what the standby has not stored", async () => {
    const bench = new Bench();
    const [standby, mirror] = [newStandby(), newStandby()];
    await bench.declare(standby);
    bench.join();
    bench.hear(mirror);
    const had = mirror.number;
    bench.brackets(3);
    expect(bench.hear(mirror)).toEqual([]);
    bench.acknowledge(standby);
    expect(bench.hear(mirror)).toEqual(["bracket", "bracket", "bracket"]);
    expect(mirror.number).toBe(had + 3);
    isSame(standby.follows!, mirror.follows!);
  });

  test("that joins meanwhile shows nothing before that is so", async () => {
    const bench = new Bench();
    const [standby, mirror] = [newStandby(), newStandby()];
    await bench.declare(standby);
    bench.brackets(2);
    bench.join();
    bench.brackets(1);
    expect(new Set(bench.hear(mirror))).toEqual(new Set(["image"]));
    expect(bench.active.mirrors.isSendingStateTo("m")).toBe(true);
    bench.acknowledge(standby);
    expect(bench.hear(mirror)).toEqual(["imageEnd", "bracket"]);
    expect(bench.active.mirrors.isSendingStateTo("m")).toBe(false);
    isSame(standby.follows!, mirror.follows!);
  });

  test("goes on with the side that takes over, behind what it has", async () => {
    const bench = new Bench();
    const [standby, mirror] = [newStandby(true), newStandby()];
    await bench.declare(standby);
    bench.join();
    bench.hear(mirror);
    bench.brackets(4);
    bench.acknowledge(standby);
    // The active dies with these under way, and the standby has one of what nobody has acknowledged.
    bench.frames.splice(2);
    bench.hear(mirror);
    const { handOn: brackets, number } = standby;
    expect(number).toBe(mirror.number + 2);
    const estate = { heirs: [], brackets, number, stream: 7, nowMs: 0 };
    const next = new Bench(standby.finish()!, { epoch: 2, stream: 8, estate });
    next.brackets(2);
    const from = { stream: 7, lacks: mirror.number + 1 };
    expect(next.active.mirrors.goesOnFrom(7, number + 4)).toBe(0);
    expect(next.active.mirrors.goesOnFrom(from.stream, from.lacks)).toBe(from.lacks);
    next.join(from);
    mirror.follow({ send() {}, differs: (_, what) => expect.fail(what) });
    expect(next.hear(mirror)).toEqual(["bracket", "bracket", "bracket", "bracket"]);
    isSame(next.journal.machine, mirror.follows!);
    expect(mirror.number).toBe(next.active.number);
  });

  test("takes no time of a side that has taken over, once all have had the time to come", async () => {
    const estate = { heirs: [], brackets: [], number: 9, stream: 7, nowMs: 0 };
    const next = new Bench(new Machine(CONFIG, 1), { epoch: 2, stream: 8, estate });
    expect(next.active.mirrors.goesOnFrom(7, 10)).toBe(10);
    next.active.tick(60_001);
    expect(next.active.mirrors.goesOnFrom(7, 10)).toBe(0);
  });
});

describe("what a mirror is not told", () => {
  const seen = (octets: readonly Uint8Array[]) => Buffer.concat(octets).includes(SECRET);

  test("stands neither in the state nor in brackets", () => {
    const bench = new Bench();
    bench.join();
    bench.journal.run({ record: "tcp", connection: 1, state: { note: SECRET } });
    const config = configOctets(configOf(yamlOf(NEIGHBORS.replace("65002", "65003") + SECTIONS)));
    expect(seen([config])).toBe(true);
    bench.journal.run({ record: "configure", config, nowMs: 1, about: null });
    bench.brackets(2);
    expect(seen(bench.frames)).toBe(false);
    const mirror = newStandby();
    bench.hear(mirror);
    const { neighbors, http, rpki } = mirror.follows!.router.tables.config;
    expect(neighbors.map(({ as, password }) => [as, password])).toEqual([
      [65001, "hidden"],
      [65003, null],
    ]);
    expect([http, rpki?.caches[0]?.password]).toEqual([null, "hidden"]);
    expect(mirror.follows!.ledger.connections.get(1)?.tcp).toBe(null);
  });

  test("is not followed when it is another one: the mirror takes the state", () => {
    const bench = new Bench();
    bench.join();
    const mirror = newStandby();
    bench.hear(mirror);
    const configure = (text: string) => {
      const config = configOctets(configOf(yamlOf(text)));
      bench.journal.run({ record: "configure", config, nowMs: 1, about: null });
      bench.brackets(1);
    };
    configure(NEIGHBORS.replace("65002", "65003") + SECTIONS);
    expect(bench.dropped).toEqual([]);
    expect(bench.hear(mirror)).toEqual(["bracket"]);
    isSame(bench.journal.machine, mirror.follows!);
    const reason = "a secret is another one, which mirrors are not told";
    configure(NEIGHBORS.replace(`${SECRET}1`, `${SECRET}2`) + SECTIONS);
    expect(bench.dropped).toEqual([reason]);
    expect(bench.active.mirrors.goesOnFrom(7, mirror.number + 1)).toBe(0);
    bench.join();
    const again = newStandby();
    bench.hear(again);
    configure(NEIGHBORS.replace(`${SECRET}1`, `${SECRET}2`) + SECTIONS.replace("noc", "wall"));
    expect(bench.dropped).toEqual([reason, reason]);
  });

  test("an operator's own names are none of it", () => {
    const text = `neighbors: [{ address: 192.0.2.1, as: 65001, passive: true, import: http, vars: { secret: a, password: b } }]
policies: { http: [ { then: accept } ], tls: [ { then: accept } ] }`;
    const config = configOf(yamlOf(text));
    const bench = new Bench(new Machine(config, 1));
    bench.join();
    const mirror = newStandby();
    bench.hear(mirror);
    const { neighbors, policies } = mirror.follows!.router.tables.config;
    expect(neighbors[0]?.vars).toEqual({ secret: ["a"], password: ["b"] });
    expect(Object.keys(policies)).toContain("http");
    expect(policies["http"]?.rules).toHaveLength(1);
  });
});
