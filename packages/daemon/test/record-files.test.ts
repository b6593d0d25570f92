/** Files of a record: one behind the other, no more than is kept, and a clock that goes back. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordConfig } from "@ts-bgp/config";
import { type Playback, PlaybackError, playTo, Recorder, recordedIn } from "@ts-bgp/nsr";
import { type LogEvent, Speaker } from "@ts-bgp/speaker";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { freePort, WAIT_MS } from "../../../testkit/speaker.ts";
import { mirroredOf } from "../src/mirror/mirrored.ts";
import { type ReplayedFile, replayRecord } from "../src/past/past.ts";

const BACK_MS = 60_000;
const HOUR_MS = 3_600_000;
const PORT = await freePort();
const configWith = (description: string, password = "first") =>
  configOf(
    yamlOf(`
listen: [{ address: 127.0.0.1, port: ${PORT} }]
neighbors:
  - { address: 127.1.0.1, as: 65001, passive: true, description: ${description} }
  - { address: 127.1.0.2, as: 65002, passive: true, password: ${password} }`),
  );

let directory: string;
let speaker: Speaker;
let recorder: Recorder;
let said: LogEvent[];

beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), "tsbgp-test-")), "record");
  said = [];
  speaker = Speaker.fresh(configWith("first"), { log: () => {} });
  await speaker.start();
  recorder = new Recorder({ software: "0.0.0", log: (event) => said.push(event) });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await recorder.stop();
  await speaker.stop(null);
  rmSync(join(directory, ".."), { recursive: true, force: true, maxRetries: 5 });
});

function record(more: Partial<RecordConfig>): void {
  const config = { directory, keepMs: HOUR_MS, octetsMax: 1 << 30, everyMs: HOUR_MS, ...more };
  recorder.use(mirroredOf(speaker, null), config);
}

const untilThere = (files: number) =>
  until(() => (recorder.shown?.files ?? 0) >= files, WAIT_MS, `there are ${files} files`);

/** Something happens that can be seen. */
async function name(description: string, password?: string): Promise<void> {
  await speaker.configure(configWith(description, password), null, {
    ...({ by: "user 1", how: "reload", trySeconds: null } as const),
  });
}

async function nameAt(atMs: number, notes: string[] = []): Promise<string> {
  let playback: Playback | null = null;
  await until(
    async () => {
      try {
        playback = await playTo(directory, atMs, null, (text) => notes.push(text));
        return true;
      } catch (error) {
        // It comes a second later or so.
        if (!(error as Error).message.includes("is behind what is recorded")) throw error;
        return false;
      }
    },
    WAIT_MS,
    "the record has it",
  );
  const { machine } = playback!;
  return machine.router.neighbors.get("127.1.0.1")!.config.description;
}

async function replayed(): Promise<ReplayedFile[]> {
  const files: ReplayedFile[] = [];
  await replayRecord({ directory, progress() {}, note() {} }, (file) => files.push(file));
  return files;
}

describe("files of a record", () => {
  test("follow each other, and nothing is missed between them", async () => {
    record({ everyMs: 1000 });
    const times: number[] = [];
    for (let files = 1; files <= 3; files++) {
      await untilThere(files);
      await name(`file ${files}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      times.push(Date.now());
    }
    const names = [];
    for (const time of times) names.push(await nameAt(time));
    expect(names).toEqual(["file 1", "file 2", "file 3"]);
    await recorder.stop();
    const files = await replayed();
    expect(files.map(({ problem }) => problem)).toEqual(files.map(() => null));
    expect(files.map(({ joins }) => joins)).toEqual(files.map((_, k) => (k === 0 ? null : true)));
    expect(recordedIn(directory).map(({ sequence }) => sequence)).toEqual(
      files.map((_, k) => k + 1),
    );
  });

  test("that are too old go, and it is said where the record begins", async () => {
    record({ everyMs: 500, keepMs: 1000 });
    await until(() => recordedFrom() > 1, WAIT_MS, "the first file is gone");
    await expect(playTo(directory, Date.now() - HOUR_MS)).rejects.toThrow(
      /is before what is kept, which begins at \d/,
    );
    expect(recordedIn(directory).length).toBeLessThan(8);
  });

  test("are no more than so many octets", async () => {
    record({ everyMs: 300 });
    await untilThere(1);
    const { size } = statSync(recordedIn(directory)[0]!.file);
    await recorder.stop();
    record({ everyMs: 300, octetsMax: 5 * size });
    await until(() => recordedFrom() > 2, WAIT_MS, "the first files are gone");
    const { octets, files } = recorder.shown!;
    expect(octets).toBeLessThan(6 * size);
    expect(files).toBeGreaterThan(1);
  });

  test("begin anew when the clock is set back, and it is said that a time was twice", async () => {
    record({});
    await untilThere(1);
    const real = Date.now;
    vi.spyOn(Date, "now").mockImplementation(() => real() + BACK_MS);
    await name("before");
    const laterMs = Date.now() + 50;
    await until(() => Date.now() > laterMs, WAIT_MS, "some time has passed");
    expect(await nameAt(laterMs)).toBe("before");
    vi.restoreAllMocks();
    await untilThere(2);
    await name("behind");
    await new Promise((resolve) => setTimeout(resolve, 50));
    const twiceMs = Date.now();
    const notes: string[] = [];
    // As long as the second file does not reach it, it is the first time.
    await until(
      async () => (await nameAt(twiceMs, notes)) === "behind",
      WAIT_MS,
      "the second file has it",
    );
    expect(notes.at(-1)).toMatch(
      /^the clock was set back by \d+ s at .*: this is the second time that it was then$/,
    );
    for (const note of notes.slice(0, -1)) expect(note).toContain("this is the first time");
    const [first] = recordedIn(directory);
    expect(await nameAt(first!.startMs)).toBe("first");
    const longAgo = Date.now() + BACK_MS / 2;
    expect(await nameAt(longAgo, notes)).toBe("first");
    expect(notes.at(-1)).toContain("this is the first time that it was then");
  });

  test("begin anew when a secret is another one, and what was before is there", async () => {
    record({});
    await untilThere(1);
    await name("before");
    await name("behind", "second");
    await untilThere(2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await nameAt(Date.now())).toBe("behind");
    expect(recorder.shown).toMatchObject({ state: "going", problem: "", missed: 0 });
    expect(said.map(({ level }) => level)).not.toContain("warn");
    expect(said.at(-1)!.message).toContain("a secret is another one");
    const [first, second] = recordedIn(directory);
    await recorder.stop();
    const [{ to_ms, problem } = { to_ms: 0, problem: "" }] = await replayed();
    expect([first!.sequence, problem]).toEqual([1, null]);
    expect(second!.startMs - to_ms).toBeLessThan(1000);
  });

  test("that somebody removes are missed, and it is gone on with another one", async () => {
    record({});
    await untilThere(1);
    rmSync(directory, { recursive: true });
    await until(() => recorder.shown?.problem !== "", WAIT_MS, "there is a problem");
    expect(recorder.shown).toMatchObject({ state: "waiting", missed: 1 });
    expect(recorder.shown!.problem).toMatch(/00000001-.* is gone$/);
    await until(() => recorder.shown?.state === "going", WAIT_MS, "it records");
    await untilThere(1);
  });

  test("are not those of two speakers among each other", async () => {
    record({});
    await untilThere(1);
    const other = new Recorder({ software: "0.0.0", log: () => {} });
    const config = { directory, keepMs: HOUR_MS, octetsMax: 1 << 30, everyMs: HOUR_MS };
    other.use(mirroredOf(speaker, null), config);
    await until(() => other.shown?.problem !== "", WAIT_MS, "there is a problem");
    expect(other.shown!.problem).toBe(`another speaker records in ${directory}`);
    // What is waited for when one ends is whatever was before as well.
    recorder.use(null, null);
    await recorder.stop();
    await until(() => other.shown?.state === "going", WAIT_MS, "the other one records");
    await other.stop();
    expect(recordedIn(directory)).toHaveLength(2);
  });

  test("are not written where others could put something in their place, and are once they could not", async () => {
    mkdirSync(directory, { mode: 0o777 });
    chmodSync(directory, 0o777);
    record({});
    await until(() => recorder.shown?.problem !== "", WAIT_MS, "there is a problem");
    expect(recorder.shown).toMatchObject({ state: "waiting", files: 0, missed: 1 });
    expect(recorder.shown!.problem).toContain("other users could replace it");
    expect(said.at(-1)).toMatchObject({ id: "record", level: "warn" });
    chmodSync(directory, 0o700);
    await untilThere(1);
    expect(recorder.shown).toMatchObject({ state: "going", problem: "" });
  });
});

/** @returns the number of the oldest file; 0 without one */
function recordedFrom(): number {
  try {
    return recordedIn(directory)[0]!.sequence;
  } catch (error) {
    if (error instanceof PlaybackError) return 0;
    throw error;
  }
}
