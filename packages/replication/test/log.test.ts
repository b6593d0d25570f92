/** A standby's log: whatever becomes of its octets, what is read is a state that was, or a problem with a name. */

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { ADDRESSES, KINDS, step, variant, World } from "../../../testkit/churn.ts";
import {
  FormatError,
  frameOf,
  type LogHead,
  LogReader,
  type Made,
  machineFromImage,
  machineImage,
  replay,
} from "../src/index.ts";
import { joined } from "../src/octet-writer.ts";
import { Followed } from "./followed-router.ts";

const OWNER = { cluster: "rs1", side: "b", build: "0123" };
const HEAD: LogHead = { ...OWNER, active: "a", epoch: 7, stream: 99 };
const BEFORE = 41;
const NOTHING = { records: 0, fields: 0 };
const EMPTY = new Uint8Array(0);

/** Frames of a log, and by the last bracket that is in it, the state. */
let frames: Uint8Array[] = [];
let brackets: Made[] = [];
let states: Map<number, Uint8Array> = new Map();

function bracketOf({ calls, sum }: Made, number: number, epoch = HEAD.epoch): Uint8Array {
  return frameOf("bracket", { number, epoch, calls, sum, digest: null, outputs: EMPTY });
}

/** A log of what a router did in some churn. */
function begin(): void {
  const [first, steps] = fc.sample(fc.tuple(variant, fc.array(step, { minLength: 12 })), {
    numRuns: 1,
    seed: 7,
  })[0]!;
  let followed!: Followed;
  const routerOf: NonNullable<ConstructorParameters<typeof World>[3]>["routerOf"] = (...args) => {
    followed = new Followed(...args);
    return followed.router;
  };
  const world = new World(first, Object.values(KINDS)[0]!, 1000, { routerOf });
  while (world.lab.deliver());
  const { journal } = followed;
  journal.machine.isDigested = true;
  const image = machineImage(journal.machine);
  brackets = [];
  const take = journal.take.bind(journal);
  journal.take = () => {
    const made = take();
    if (made.calls.length > 0) brackets.push(made);
    return made;
  };
  for (const i of ADDRESSES.keys()) world.raise(i);
  for (const each of steps) world.act(each);
  world.settle();
  const machine = machineFromImage(image);
  states = new Map([[BEFORE, joined(machineImage(machine))]]);
  const octets = joined(image);
  frames = [
    frameOf("logHead", HEAD),
    frameOf("image", { before: BEFORE + 1, octets }),
    frameOf("imageEnd", { before: BEFORE + 1, octets: octets.length, hasOutputs: 0 }),
  ];
  for (const [i, made] of brackets.entries()) {
    const number = BEFORE + 1 + i;
    frames.push(bracketOf(made, number));
    replay(machine, made.calls, NOTHING);
    states.set(number, joined(machineImage(machine)));
  }
}

/** @returns what is read of a log */
function read(octets: Uint8Array, owner = OWNER): LogReader {
  const reader = new LogReader(owner);
  reader.push(octets);
  while (reader.step());
  void reader.head;
  return reader;
}

/** @returns the last bracket of the state that was read; null for a problem */
function checked(octets: Uint8Array): number | null {
  let reader: LogReader;
  try {
    reader = read(octets);
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return null;
  }
  const { standby } = reader;
  const state = joined(machineImage(standby.finish()!));
  expect(Buffer.compare(state, states.get(standby.number)!)).toBe(0);
  return standby.number;
}

function fails(octets: Uint8Array, owner = OWNER): string {
  try {
    read(octets, owner);
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return (error as Error).message;
  }
  return "";
}

/** The log with one of its frames in the place of another, or none. */
function withFrame(at: number, ...others: Uint8Array[]): Uint8Array {
  return joined([...frames.slice(0, at), ...others, ...frames.slice(at + 1)]);
}

describe("a log", () => {
  beforeAll(begin);

  test("is read to its end", () => {
    expect(brackets.length).toBeGreaterThan(20);
    const reader = read(joined(frames));
    expect(reader.standby.number).toBe(BEFORE + brackets.length);
    expect(reader.head).toMatchObject(HEAD);
    expect(reader.octets).toBe(joined(frames).length);
    expect(checked(joined(frames))).toBe(BEFORE + brackets.length);
  });

  test("that ends anywhere has the state after its last whole bracket, or none", () => {
    const all = joined(frames);
    let ends = 0;
    for (const [i, frame] of frames.entries()) {
      const places = [0, 1, 11, 12, 13, Math.floor(frame.length / 2), frame.length - 1];
      for (const place of new Set(places.filter((at) => at < frame.length))) {
        expect(checked(all.subarray(0, ends + place))).toBe(i < 3 ? null : BEFORE + i - 3);
      }
      ends += frame.length;
    }
  });

  test("with an octet that has changed is of no use, and what was read before it is a state", () => {
    const all = joined(frames);
    const length = all.length - 1;
    fc.assert(
      fc.property(fc.nat(length), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const other = all.slice();
        other[at]! ^= change;
        expect(fails(other)).not.toBe("");
        // A reader that stops there has not run anything of it.
        const reader = new LogReader(OWNER);
        reader.push(other);
        try {
          while (reader.step());
        } catch {
          // As above.
        }
        const { standby } = reader;
        if (!standby.isUsable) return;
        const state = joined(machineImage(standby.finish()!));
        expect(Buffer.compare(state, states.get(standby.number)!)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test("with zeros at its end, as after a loss of power, is of no use", () => {
    expect(fails(joined([...frames, new Uint8Array(4096)]))).toMatch(/checksum/);
  });

  test.each([
    ["a bracket that is missing", () => withFrame(5), /bracket \d+ behind bracket \d+/],
    ["one that is there twice", () => withFrame(5, frames[5]!, frames[5]!), /behind bracket/],
    ["two in another order", () => withFrame(5, frames[6]!, frames[5]!), /behind bracket/],
    ["no head", () => withFrame(0), /begin with a head/],
    ["no image", () => joined([frames[0]!, ...frames.slice(3)]), /before the image/],
    ["a second image", () => withFrame(5, frames[1]!), /second image/],
    ["a part of an image", () => withFrame(1), /part of the image is missing/],
    ["nothing", () => EMPTY, /no head/],
    ["brackets of another epoch", () => withFrame(4, bracketOf(brackets[1]!, 43, 8)), /epoch/],
    [
      "a bracket that does something else",
      () => withFrame(4, bracketOf({ ...brackets[1]!, sum: 1 + brackets[1]!.sum }, 43)),
      /other outputs than it gave/,
    ],
    [
      "brackets with outputs",
      () => withFrame(2, frameOf("imageEnd", { before: 42, octets: 1, hasOutputs: 1 })),
      /need outputs/,
    ],
    [
      "what is none of a log",
      () => withFrame(5, frameOf("declared", { ready: 1, reason: "" })),
      /no record of a standby's log/,
    ],
  ])("with %s is of no use", (_, octetsOf, problem) => {
    expect(fails(octetsOf())).toMatch(problem);
  });

  test.each([
    [{ ...OWNER, cluster: "rs2" }, "another cluster"],
    [{ ...OWNER, side: "c" }, "another side"],
    [{ ...OWNER, build: "4567" }, "another version of the program"],
  ])("of %j is of no use", (owner, problem) => {
    expect(fails(joined(frames), owner)).toContain(problem);
  });

  test("goes on with another active behind another head", () => {
    const head = frameOf("logHead", { ...HEAD, active: "c", epoch: 8, stream: 100 });
    const later = brackets.slice(4).map((made, i) => bracketOf(made, BEFORE + 5 + i, 8));
    const octets = joined([...frames.slice(0, 7), head, ...later]);
    expect(read(octets).head).toMatchObject({ active: "c", epoch: 8, stream: 100 });
    expect(checked(octets)).toBe(BEFORE + brackets.length);
  });
});
