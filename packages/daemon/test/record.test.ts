/** The time machine: a speaker that records, and what is asked of its record. */

import { execFile } from "node:child_process";
import { cpSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, zstdDecompressSync } from "node:zlib";
import { recordedIn, type ShownRecord } from "@ts-bgp/nsr";
import type { ShownRoute } from "@ts-bgp/views";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { MAIN, neighborAddress, SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals } from "../../../testkit/updates.ts";

const [A, B] = [1, 2].map(neighborAddress) as [string, string];
const ROUTES = 2000;
const POLICIES = JSON.parse(`{ "none": [], "checked": [
  { "if": { "prefix": "16.0.1.0/24" }, "then": "reject" }, { "then": "accept" }
] }`);
const SECRET = "not to be written down";

let speaker: SpeakerProcess;
let directory: string;
let a: Peer;
let b: Peer;

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command. */
function tsbgp(...words: string[]): Promise<Said> {
  return new Promise((resolve) => {
    const options = { encoding: "utf8", maxBuffer: 1 << 26 } as const;
    execFile(process.execPath, [MAIN, ...words], options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

async function recordOf(): Promise<ShownRecord> {
  const { items } = await speaker.ask({ command: "show-record" });
  return items[0] as ShownRecord;
}

interface Moment {
  readonly time: string;
  readonly shown: string[];
}

const ask = (...[word = "", ...words]: string[]) => tsbgp(word, "--dir", directory, ...words);

/** @returns when a file begins, by its name */
function isoOf(file: string): string {
  const [, y, m, d, h, min, s] = /-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(.{6})Z/.exec(file)!;
  return `${y}-${m}-${d}T${h}:${min}:${s}Z`;
}

/** @returns where the blocks of a zstd stream of one frame begin and end, without their heads (RFC 8878 section 3.1.1) */
function blocksIn(octets: Buffer): [number, number][] {
  const descriptor = octets[4]!;
  expect(descriptor & 0xe3).toBe(0);
  const found: [number, number][] = [];
  for (let at = 6; at + 3 <= octets.length; ) {
    const head = octets.readUIntLE(at, 3);
    const isRun = ((head >> 1) & 3) === 1;
    const end = at + 3 + (isRun ? 1 : head >> 3);
    if (end > octets.length) break;
    found.push([at + 3, end]);
    at = end;
  }
  return found;
}

/** @returns the state of now, and when it was, once the record has it */
async function moment(): Promise<Moment> {
  const { items } = await speaker.ask({ command: "show-routes", view: "accepted" });
  const shown = items.map((item) => JSON.stringify(item));
  await new Promise((resolve) => setTimeout(resolve, 50));
  const time = new Date().toISOString();
  await until(
    async () => (await tsbgp("at", time, "--dir", directory, "show", "groups")).code === 0,
    WAIT_MS,
    "the record has it",
  );
  return { time, shown };
}

/** Until so many routes of a neighbor are accepted. */
async function accepted(neighbor: string, count: number): Promise<void> {
  const found = async () => {
    const { items } = await speaker.ask({ command: "show-routes", view: "accepted", neighbor });
    return items.length;
  };
  await until(async () => (await found()) === count, WAIT_MS, `${count} routes of ${neighbor}`);
}

/** @returns routes at a time, as JSON */
async function routesAt(time: string, ...more: string[]): Promise<ShownRoute[]> {
  const words = ["show", "routes", "--json", ...more];
  const { code, stdout, stderr } = await tsbgp("at", time, "--dir", directory, ...words);
  expect([code, stderr]).toEqual([0, expect.stringContaining(`as of ${time}\n`)]);
  return JSON.parse(stdout);
}

beforeAll(async () => {
  speaker = await SpeakerProcess.create({});
  directory = join(speaker.directory, "record");
  speaker.configure({
    defaults: { passive: true, export: "accept-all" },
    neighbors: [
      { address: A, as: 65001, import: "checked" },
      { address: B, as: 65002, import: "accept-all" },
      { address: neighborAddress(3), as: 65003, import: "none", password: SECRET },
    ],
    policies: POLICIES,
    record: { dir: directory },
  });
  await speaker.start();
  await until(async () => (await recordOf()).state === "going", WAIT_MS, "it records");
  const { port } = speaker;
  a = await Peer.establish({ port, localAddress: A, as: 65001 });
  b = await Peer.establish({ port, localAddress: B, as: 65002 });
});

afterAll(() => {
  a?.end();
  b?.end();
  speaker?.remove();
});

const newest = () => recordedIn(directory).at(-1)!.file;

describe("a record", () => {
  let empty: Moment;
  let full: Moment;
  let last: Moment;

  test("has what there was, at each time", async () => {
    empty = await moment();
    await b.sendAll(manyRoutes({ as: 65002, count: ROUTES }));
    await accepted(B, ROUTES);
    full = await moment();
    await a.sendAll(manyRoutes({ as: 65001, count: 10, perMessage: 1 }));
    // Two connections are read in any order: what A announces is there before B withdraws.
    await accepted(A, 9);
    await b.sendAll(manyWithdrawals(200));
    await accepted(B, ROUTES - 200);
    last = await moment();
    for (const { time, shown } of [empty, full, last]) {
      expect((await routesAt(time)).map((route) => JSON.stringify(route))).toEqual(shown);
    }
    expect([empty, full].map(({ shown }) => shown.length)).toEqual([0, ROUTES]);
  });

  test("is asked as a speaker is, and its clock is that time", async () => {
    const explained = await ask("at", last.time, "explain", "import", "16.0.1.0/24", A);
    expect(explained).toMatchObject({ code: 0 });
    expect(explained.stdout).toContain("checked / rule 1");
    const rejected = await ask("at", last.time, "sh", "ro", "-n", A, "--rejected");
    expect(rejected.stdout).toContain("16.0.1.0/24");
    const [date = "", time = ""] = full.time.split("T");
    const words = ["at", "--dir", directory, date, time, "show", "neighbors"];
    const { stdout } = await tsbgp(...words);
    expect(stdout).toMatch(/127\.1\.0\.2 .* 00:00:\d\d/);
    const unknown = await ask("at", last.time, "show", "neighbor", "192.0.2.77");
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("no neighbor")]);
  });

  test("says what is otherwise between two times", async () => {
    const { code, stdout } = await ask("diff", full.time, last.time);
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    expect(
      lines.filter((line) => /^- 16\.0\.\d+\.0\/24 from 127\.1\.0\.2: /.test(line)),
    ).toHaveLength(200);
    expect(lines).toContainEqual(
      expect.stringMatching(/^\+ 16\.0\.1\.0\/24 from 127\.1\.0\.1: rejected/),
    );
    expect(stdout).toMatch(/Neighbor +Added +Removed +Changed\n(127.*\n)*127\.1\.0\.1 +10 +0 +0\n/);
    const back = await ask("diff", last.time, full.time, "16.0.1.0/24", "--json");
    expect(JSON.parse(back.stdout)).toEqual([
      expect.objectContaining({ what: "added", after: expect.objectContaining({ neighbor: B }) }),
      expect.objectContaining({
        what: "removed",
        before: expect.objectContaining({ neighbor: A }),
      }),
    ]);
    const none = await ask("diff", full.time, full.time);
    expect(none).toMatchObject({ code: 0, stdout: "no route is otherwise\n" });
  });

  test("says what became of a prefix, and when", async () => {
    const { code, stdout } = await ask("history", "16.0.5.0/24");
    expect(code).toBe(0);
    const lines = stdout.split("\n\n")[0]!.split("\n");
    expect(lines).toEqual([
      expect.stringMatching(
        /^\S+Z \+ 16\.0\.5\.0\/24 from 127\.1\.0\.2: best, path 65002 100000 i/,
      ),
      expect.stringMatching(/^\S+Z \+ 16\.0\.5\.0\/24 from 127\.1\.0\.1: (accepted|best)/),
      ...lines.slice(2),
    ]);
    const marks = lines.map((line) => line.slice(25, 26)).join("");
    expect(marks).toMatch(/^\+\+~?-$|^\+\+-~?$/);
    const times = lines.map((line) => line.slice(0, 24));
    expect(times[0]! > empty.time && times[0]! <= full.time).toBe(true);
    expect(times.slice(1).every((time) => time > full.time && time <= last.time)).toBe(true);
    const later = await ask("history", "16.0.5.0/24", "--from", last.time, "--json");
    expect(JSON.parse(later.stdout)).toEqual([
      expect.objectContaining({ seen: "there", after: expect.objectContaining({ neighbor: A }) }),
    ]);
    expect((await ask("history", "198.51.100.0/24")).stdout).toBe("it had no route\n");
  });

  test("is replayed, and comes to the same", async () => {
    const { code, stdout } = await ask("replay", "--json");
    expect(code).toBe(0);
    const [file] = JSON.parse(stdout);
    expect(file).toMatchObject({ problem: null, joins: null, same_program: true });
    expect(file.brackets).toBeGreaterThan(10);
    expect(file.digests).toBeGreaterThan(2);
    expect((await ask("replay")).stdout).toMatch(
      /^From .*\n.* the same\n0\.0 hours in [\d.]+ s, with .* of memory at most\n$/,
    );
  });

  test("is for its owner alone, and has no secret", async () => {
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(newest()).mode & 0o777).toBe(0o600);
    const octets = zstdDecompressSync(readFileSync(newest()), {
      finishFlush: constants.ZSTD_e_flush,
    });
    expect(octets.includes("127.1.0.3")).toBe(true);
    expect(octets.includes(SECRET)).toBe(false);
  });

  test("says what it cannot say, and why", async () => {
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const cases: [string[], number, RegExp][] = [
      [
        ["at", "2020-01-02T03:04:05Z", "show", "groups"],
        2,
        /is before what is kept, which begins at \d/,
      ],
      [["at", soon, "show", "groups"], 2, /is behind what is recorded, which ends at \d/],
      [["at", "yesterday", "show", "groups"], 2, /"yesterday" is no time: write "2026-/],
      [["at", soon, "show", "memory"], 2, /what is to be shown at that time is one of these/],
      [["at", soon, "reset", A], 2, /what is to be shown at that time is one of these/],
    ];
    for (const [words, code, why] of cases) {
      expect(await ask(...words), words.join(" ")).toMatchObject({
        ...{ code, stdout: "", stderr: expect.stringMatching(why) },
      });
    }
    const nowhere = await tsbgp("replay", "--dir", "/nowhere");
    expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringContaining("ENOENT") });
  });

  test("of a process that was killed is good up to its last second, and goes on behind a gap", async () => {
    speaker.signal("SIGKILL");
    await speaker.exited();
    const before = newest();
    await speaker.start();
    await until(async () => (await recordOf()).files === 2, WAIT_MS, "it records");
    expect(newest()).not.toBe(before);
    const after = await moment();
    expect(await routesAt(last.time)).toHaveLength(last.shown.length);
    expect(await routesAt(after.time)).toEqual([]);
    const gone = await ask("history", "16.0.5.0/24", "--from", last.time);
    expect(gone.stdout).toMatch(/ -\? 16\.0\.5\.0\/24 from 127\.1\.0\.1/);
    const startMs = Date.parse(isoOf(newest()));
    const gap = await ask("at", new Date(startMs - 1).toISOString(), "show", "groups");
    expect([gap.code, gap.stderr]).toEqual([
      2,
      expect.stringMatching(/nothing was recorded at .*: from .* to /),
    ]);
    expect((await ask("replay")).code).toBe(0);
  });

  test("that is damaged shows what was before the damage, and nothing behind it", async () => {
    const copy = join(speaker.directory, "copy");
    cpSync(directory, copy, { recursive: true });
    const file = recordedIn(copy)[0]!.file;
    const octets = readFileSync(file);
    // Of the last block a record may be left that was cut off: that is how a process that is killed ends, and no damage.
    const [at, end] = blocksIn(octets).at(-2)!;
    octets[(at + end) >> 1]! ^= 0x55;
    writeFileSync(file, octets);
    const asked = (time: string) => tsbgp("at", time, "--dir", copy, "show", "routes", "-j");
    const there = await asked(full.time);
    expect([there.code, there.stderr]).toEqual([0, expect.stringContaining("as of")]);
    expect(JSON.parse(there.stdout)).toHaveLength(ROUTES);
    const replayed = await tsbgp("replay", "--dir", copy);
    expect([replayed.code, replayed.stdout]).toEqual([
      1,
      expect.stringMatching(/ is damaged behind \d/),
    ]);
    writeFileSync(file, octets.subarray(0, 100));
    const broken = await asked(full.time);
    expect([broken.code, broken.stdout]).toEqual([2, ""]);
    expect(broken.stderr).toContain("its state is not complete");
  });
});
