/** The stream goes on over one link after the other, each cut anywhere: peers see nothing of it. */

import type { Output } from "@ts-bgp/router";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ADDRESSES,
  KINDS,
  type Step,
  step,
  type Variant,
  variant,
  World,
} from "../../../testkit/churn.ts";
import {
  Active,
  FrameReader,
  type Journal,
  type Machine,
  type Made,
  machineFromImage,
  machineImage,
  replay,
  Standby,
} from "../src/index.ts";
import { difference } from "./difference.ts";
import { Followed } from "./followed-router.ts";

/** What a router did in an undisturbed run. */
interface Past {
  /** Its state at the beginning. */
  readonly image: Uint8Array[];
  readonly brackets: readonly Made[];
}

function pastOf(first: Variant, steps: readonly Step[]): Past {
  let followed!: Followed;
  const routerOf: NonNullable<ConstructorParameters<typeof World>[3]>["routerOf"] = (...args) => {
    followed = new Followed(...args);
    return followed.router;
  };
  const world = new World(first, Object.values(KINDS)[0]!, 1000, { routerOf });
  while (world.lab.deliver());
  const { journal } = followed;
  const image = machineImage(journal.machine);
  const brackets: Made[] = [];
  const take = journal.take.bind(journal);
  journal.take = () => {
    const made = take();
    if (made.calls.length > 0) brackets.push(made);
    return made;
  };
  for (const i of ADDRESSES.keys()) world.raise(i);
  for (const each of steps) world.act(each);
  world.settle();
  return { image, brackets };
}

/** Octets under way in one direction. */
class Pipe {
  private octets: Uint8Array = new Uint8Array(0);
  private readonly reader = new FrameReader(null);

  send(frame: Uint8Array): void {
    const octets = new Uint8Array(this.octets.length + frame.length);
    octets.set(this.octets);
    octets.set(frame, this.octets.length);
    this.octets = octets;
  }

  /** @returns the records that are complete once so many octets more have come */
  *deliver(count: number) {
    this.reader.push(this.octets.slice(0, count));
    this.octets = this.octets.subarray(count);
    for (let next = this.reader.next(); next !== null; next = this.reader.next()) yield next;
  }
}

/** Everything that is done again, with a standby. */
class Pair {
  readonly machine: Machine;
  readonly released: Output[] = [];
  readonly active: Active;
  readonly standby: Standby;
  hasLink = true;
  resumes = 0;
  /** By bracket, how many outputs there were up to its end. */
  private readonly outputsTo: number[] = [];
  private outputs = 0;
  private isJoined = false;
  private readonly left: Made[];
  private toStandby = new Pipe();
  private toActive = new Pipe();

  constructor({ image, brackets }: Past) {
    this.machine = machineFromImage(image);
    this.left = [...brackets];
    const { machine } = this;
    const journal = { isOn: false, machine, take: () => this.take() } as unknown as Journal;
    this.active = new Active(
      journal,
      { epoch: 1, patienceMs: 300 },
      {
        send: (_to, frame) => this.toStandby.send(frame),
        release: (outputs) => this.released.push(...outputs),
        acknowledge() {},
        gone() {},
        closeGate: () => new Map(),
        openGate: () => expect.fail("it is not simplex"),
        declare: () => Promise.resolve(true),
        undeclare: () => expect.fail("it is declared for good"),
        drop: (reason) => expect.fail(reason),
        say() {},
      },
    );
    this.standby = new Standby({
      send: (frame) => this.toActive.send(frame),
      differs: (_number, what) => expect.fail(what),
    });
  }

  /** Bracket that is made next, if the active has room for it. @returns whether there is one */
  commit(): boolean {
    if (this.left.length > 0 && this.active.mayWork) this.active.commit(0);
    return this.left.length > 0;
  }

  hear(octets: number): void {
    if (!this.hasLink) return;
    for (const record of this.toStandby.deliver(octets)) this.standby.record(record);
    this.standby.acknowledge();
  }

  heed(octets: number): void {
    if (!this.hasLink) return;
    for (const record of this.toActive.deliver(octets)) this.active.record("b", record, 0);
  }

  /** What is under way is lost. */
  cut(): void {
    this.hasLink = false;
    expect(this.active.cut("b", "the link is cut", true)).toBe(true);
  }

  /** Another link, whether the one before is cut or not. */
  resume(): void {
    this.toStandby = new Pipe();
    this.toActive = new Pipe();
    const frames = this.active.resume("b", this.standby.resume(), 0);
    for (const frame of frames!) this.toStandby.send(frame);
    this.hasLink = true;
    this.resumes++;
  }

  /** I2: nothing is with a peer that the standby has not stored. */
  check(): void {
    expect(this.released.length).toBeLessThanOrEqual(this.outputsTo[this.standby.number]!);
  }

  private take(): Made {
    const made = this.isJoined ? this.left.shift() : undefined;
    if (made !== undefined) replay(this.machine, made.calls, { records: 0, fields: 0 });
    this.outputs += made?.outputs.length ?? 0;
    this.outputsTo[this.active.number + 1] = this.outputs;
    const nothing = {
      outputs: [],
      received: new Map(),
      gone: [],
      calls: new Uint8Array(0),
      sum: 0,
    };
    return made ?? { ...nothing, hasSecrets: false };
  }

  async join(): Promise<void> {
    this.active.join("b", 0);
    while (this.active.pump("b"));
    this.outputsTo[0] = 0;
    this.hear(Number.POSITIVE_INFINITY);
    this.heed(Number.POSITIVE_INFINITY);
    await Promise.resolve();
    expect(this.active.state).toBe("declared");
    this.isJoined = true;
  }
}

const octets = fc.oneof(fc.nat(40), fc.nat(2000), fc.constant(Number.POSITIVE_INFINITY));
const move = fc.oneof(
  { weight: 4, arbitrary: fc.constant((pair: Pair) => void pair.commit()) },
  { weight: 4, arbitrary: octets.map((count) => (pair: Pair) => pair.hear(count)) },
  { weight: 3, arbitrary: octets.map((count) => (pair: Pair) => pair.heed(count)) },
  { weight: 1, arbitrary: fc.constant((pair: Pair) => void pair.standby.work(() => false)) },
  { weight: 1, arbitrary: fc.constant((pair: Pair) => pair.cut()) },
  { weight: 1, arbitrary: fc.constant((pair: Pair) => pair.resume()) },
);

describe("a stream whose link is lost at any octet, and left for another one,", () => {
  test("has peers sent exactly what they are in an undisturbed run", async () => {
    let resumes = 0;
    await fc.assert(
      fc.asyncProperty(
        variant,
        fc.array(step, { minLength: 5, maxLength: 20 }),
        fc.array(move, { minLength: 10, maxLength: 60 }),
        async (first, steps, moves) => {
          const past = pastOf(first, steps);
          const pair = new Pair(past);
          await pair.join();
          for (let more = true, n = 0; more && n < 20; n++) {
            for (const each of moves) {
              each(pair);
              pair.check();
            }
            more = pair.commit();
          }
          pair.resume();
          do {
            pair.hear(Number.POSITIVE_INFINITY);
            pair.heed(Number.POSITIVE_INFINITY);
          } while (pair.commit());
          pair.hear(Number.POSITIVE_INFINITY);
          pair.heed(Number.POSITIVE_INFINITY);
          resumes += pair.resumes;
          expect(pair.active.state).toBe("declared");
          expect(pair.released).toEqual(past.brackets.flatMap(({ outputs }) => outputs));
          expect(difference(pair.machine, pair.standby.finish())).toBe(null);
        },
      ),
      { numRuns: 100 },
    );
    expect(resumes).toBeGreaterThan(1000);
  });
});
