/** What a process leaves in its box, by the way that it ends. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { BlackBox, readLastEnd, readNotes } from "../src/black-box.ts";

const DIRECTORY = mkdtempSync(join(tmpdir(), "tsbgp-box-"));
const FILE = join(DIRECTORY, "notes");
const NOTES = 100;
const MODULE = new URL("../src/black-box.ts", import.meta.url).href;
const WITHOUT_SIGNALS = process.arch === "x64" ? null : "signals are noted on x64 only";

afterAll(() => rmSync(DIRECTORY, { recursive: true }));

/** A process with a box, which then does something. @returns how it ended, and when */
function ended(body: string, lingerMs = 0): { status: number | null; signal: string | null } {
  const script = `
    import { BlackBox } from ${JSON.stringify(MODULE)};
    const box = BlackBox.open(${JSON.stringify(FILE)}, ${NOTES}, ${lingerMs});
    box.notes[0] = 77;
    ${body}`;
  const { status, signal } = spawnSync(
    process.execPath,
    ["--input-type=module", "--experimental-transform-types", "--no-warnings", "-e", script],
    { stdio: "ignore" },
  );
  return { status, signal };
}

const toItself = (signal: string) => `process.kill(process.pid, "${signal}");`;
/** A signal from outside comes at another thread, and a moment later. */
const andWaits = "await new Promise((resolve) => setTimeout(resolve, 60_000));";

test.skipIf(WITHOUT_SIGNALS !== null).each([
  { what: "an abort", body: "process.abort();", signal: "SIGABRT" },
  { what: "a bad access", body: toItself("SIGSEGV") + andWaits, signal: "SIGSEGV" },
  { what: "a bad instruction", body: toItself("SIGILL") + andWaits, signal: "SIGILL" },
])("$what is noted, and ends the process as ever", ({ body, signal }) => {
  for (const lingerMs of [0, 20]) {
    expect(ended(body, lingerMs).signal).toBe(signal);
    expect(readLastEnd(FILE)).toMatchObject({ cause: signal });
    expect(readLastEnd(FILE)!.notes[0]).toBe(77);
  }
});

test("an exception is noted", () => {
  expect(ended("box.noteException(); process.exit(70);").status).toBe(70);
  expect(readLastEnd(FILE)).toMatchObject({ cause: "an exception" });
});

test.each([
  ["a kill", toItself("SIGKILL") + andWaits],
  ["an exit", "process.exit(3);"],
])("%s is nobody's fault, and what was noted can be read", (_, body) => {
  ended(body);
  expect(readLastEnd(FILE)).toBeNull();
  expect(readNotes(FILE)!.notes[0]).toBe(77);
});

test("the next process finds what the one before left, once, and disturbs none that runs", () => {
  ended("box.noteException(); process.exit(70);");
  const box = BlackBox.open(FILE, NOTES, 0);
  expect(box.before).toMatchObject({ cause: "an exception" });
  expect(BlackBox.open(FILE, NOTES, 0).before).toBeNull();
  box.notes[1] = 1;
  expect(readNotes(FILE)!.notes[1]).toBe(0);
  expect(BlackBox.at(box.address, NOTES).notes[1]).toBe(1);
});

test("ends in a row are counted until one begins its work, or lives for long", () => {
  rmSync(FILE, { force: true });
  const dies = "box.noteException(); process.exit(70);";
  for (const row of [1, 2, 3]) {
    ended(dies);
    expect(readLastEnd(FILE)).toMatchObject({ row, name: 0 });
  }
  const octets = readFileSync(FILE);
  octets.writeDoubleLE(Date.now() - 3_600_000, 24);
  writeFileSync(FILE, octets);
  expect(readLastEnd(FILE)).toMatchObject({ row: 1 });
  ended(`box.goBy(7); ${dies}`);
  expect(readLastEnd(FILE)).toMatchObject({ row: 0, name: 7 });
  ended(toItself("SIGKILL") + andWaits);
  ended(dies);
  expect(readLastEnd(FILE)).toMatchObject({ row: 1 });
});

test("an end as it should be leaves nothing, but what a start that failed has found", () => {
  ended("box.noteException(); process.exit(70);");
  BlackBox.open(FILE, NOTES, 0).remove(true);
  expect(readLastEnd(FILE)).toMatchObject({ cause: "an exception" });
  BlackBox.open(FILE, NOTES, 0).remove(false);
  expect(readNotes(FILE)).toBeNull();
});

test.each([
  ["nothing", ""],
  ["something else", "x".repeat(1000)],
])("%s in its place tells nothing", (_, text) => {
  writeFileSync(FILE, text);
  expect(readLastEnd(FILE)).toBeNull();
  expect(readNotes(FILE)).toBeNull();
});
