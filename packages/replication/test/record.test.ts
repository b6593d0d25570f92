/** What was, read from frames: until a time, and no further than what was written so. */

import { describe, expect, test, vi } from "vitest";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import {
  FormatError,
  frameOf,
  ImageQueue,
  Journal,
  Machine,
  machineCapture,
  RecordedByNewer,
  RecordReader,
  ReplayDiffers,
  Standby,
} from "../src/index.ts";
import { sealed } from "./sealed.ts";

const CONFIG = configOf(
  yamlOf("neighbors: [ { address: 192.0.2.1, as: 65001 }, { address: 192.0.2.2, as: 65002 } ]"),
);
const HEAD = { side: "a", software: "", build: "", stream: 7, epoch: 1, atMs: 1000, backMs: 0 };

/** @returns a head, a state, and brackets at 2000, 3000 and 4000, each of which begins to connect or ends that */
function recorded(sumOf: (sum: number) => number = (sum) => sum): Uint8Array[] {
  const journal = new Journal(new Machine(CONFIG, 1));
  const image = new ImageQueue(machineCapture(journal.machine), 1, false);
  const frames = [frameOf("recordHead", HEAD)];
  for (let next = image.next(); next !== null; next = image.next()) frames.push(next);
  journal.isOn = true;
  for (let number = 1; number <= 3; number++) {
    const nowMs = 1000 + 1000 * number;
    if (number === 1) journal.run({ record: "start", nowMs });
    journal.run({ record: "tick", nowMs });
    const { calls, sum } = journal.take();
    frames.push(frameOf("recordTime", { atMs: nowMs }));
    const about = { number, epoch: 1, calls, digest: null, outputs: new Uint8Array(0) };
    frames.push(frameOf("bracket", { ...about, sum: number === 2 ? sumOf(sum) : sum }));
  }
  return frames;
}

function readerOf(frames: readonly Uint8Array[]): RecordReader {
  const reader = new RecordReader();
  for (const frame of frames) reader.push(frame);
  return reader;
}

function readTo(reader: RecordReader, untilMs: number): string {
  for (;;) {
    const step = reader.step(untilMs);
    if (step === "later" || step === "lacks") return step;
  }
}

describe("a record", () => {
  test.each([
    [999, "later", 0, 1000],
    [1999, "later", 0, 1000],
    [2000, "later", 1, 2000],
    [3999.9, "later", 2, 3000],
    [4000, "lacks", 3, 4000],
  ])("is read until %d", (untilMs, end, number, atMs) => {
    const reader = readerOf(recorded());
    expect(readTo(reader, untilMs)).toBe(end);
    expect([reader.number, reader.atMs, reader.brackets]).toEqual([number, atMs, number]);
    // It goes on from there as if it had not stopped.
    expect(readTo(reader, Number.POSITIVE_INFINITY)).toBe("lacks");
    expect([reader.number, reader.atMs]).toEqual([3, 4000]);
    expect(reader.machine?.router.neighbors.size).toBe(2);
  });

  test("that comes to other outputs is not shown", () => {
    const reader = readerOf(recorded((sum) => sum + 1));
    expect(readTo(reader, 2999)).toBe("later");
    expect(() => readTo(reader, 4000)).toThrow(ReplayDiffers);
  });

  test.each([
    ["a record", [31, 2, 9, 9]],
    ["a record that must be understood", [0xad, 2, 1, 7]],
  ])("with %s that is not known is one of a newer version", (_, octets) => {
    const reader = readerOf([...recorded(), sealed(octets)]);
    expect(() => readTo(reader, Number.POSITIVE_INFINITY)).toThrow(RecordedByNewer);
  });

  test("in whose state something was left out is one of a newer version, whatever comes of that", () => {
    const fails = vi.spyOn(Standby.prototype, "record").mockImplementation(function (
      this: Standby,
    ) {
      this.skipped.records++;
      throw new TypeError("what was left out is missing");
    });
    const reader = readerOf(recorded());
    expect(() => readTo(reader, Number.POSITIVE_INFINITY)).toThrow(RecordedByNewer);
    fails.mockRestore();
  });

  test.each<[string, (frames: Uint8Array[]) => Uint8Array[]]>([
    ["without its head", (frames) => frames.slice(1)],
    ["with two heads", (frames) => [frames[0]!, ...frames]],
    ["whose time goes back", (frames) => [...frames, frameOf("recordTime", { atMs: 3999 })]],
    ["with a bracket twice", (frames) => [...frames, frames.at(-1)!]],
    ["that lacks a bracket", (frames) => [...frames.slice(0, -4), ...frames.slice(-2)]],
    [
      "with a bracket of another active",
      (frames) => [
        ...frames,
        frameOf("bracket", {
          ...{ number: 4, epoch: 2, sum: 0, digest: null },
          ...{ calls: new Uint8Array(0), outputs: new Uint8Array(0) },
        }),
      ],
    ],
  ])("%s is refused", (_, change) => {
    const reader = readerOf(change(recorded()));
    expect(() => readTo(reader, Number.POSITIVE_INFINITY)).toThrow(FormatError);
  });
});
