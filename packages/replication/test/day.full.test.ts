/** A record of a whole day, replayed as a test of a version: of this one, and of one that decides otherwise. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReplayedFile } from "@ts-bgp/daemon";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Tree, variantTree } from "../../../test/versions/tree.ts";
import { VARIANTS } from "../../../test/versions/variants.ts";
import { MAIN } from "../../../testkit/speaker.ts";
import { programDigest } from "../../nsr/src/build.ts";
import { type Day, recordDay, START_MS } from "./recorded-day.ts";

const HOUR_MS = 3_600_000;
/** Between two updates. A day of 200 a second takes minutes: `TSBGP_DAY_EVERY_MS=5`. */
const EVERY_MS = Number(process.env["TSBGP_DAY_EVERY_MS"] ?? 20_000);
const LONG = { atMs: START_MS + 17.5 * HOUR_MS, prefix: "10.3.7.0/24" };

let directory: string;
let day: Day;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "tsbgp-day-"));
  day = recordDay(directory, programDigest(), EVERY_MS, LONG);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(main: string, ...words: string[]): Promise<Said> {
  return new Promise((resolve) => {
    const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
    const all = [main, ...words, "--dir", directory];
    execFile(process.execPath, all, options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

describe("the record of a day", () => {
  test("is replayed, and comes to the same", async () => {
    const { code, stdout } = await run(MAIN, "replay");
    const lines = stdout.trimEnd().split("\n");
    console.log(`${day.updates} updates, ${day.octets} octets: ${lines.at(-1)}`);
    expect(code).toBe(0);
    expect(lines.filter((line) => line.endsWith(" the same"))).toHaveLength(24);
    expect(lines.at(-1)).toMatch(
      /^2[34]\.\d hours in [\d.]+ s, with \d+(\.\d+)? MB of memory at most$/,
    );
  });

  test("has the history of a prefix", async () => {
    const { code, stdout } = await run(MAIN, "history", "10.7.0.0/24", "--json");
    expect(code).toBe(0);
    const changes: { at_ms: number }[] = JSON.parse(stdout);
    // It was there, and has another path whenever it is its turn.
    const turns = Math.floor(day.updates / 2000);
    expect(changes.length).toBeGreaterThanOrEqual(turns);
    expect(changes.at(-1)!.at_ms).toBeLessThan(START_MS + 24 * HOUR_MS);
  });

  test("says where another version comes to something else", async () => {
    const { patches } = VARIANTS.find(
      ({ name }) => name === "a policy condition that decides otherwise",
    )!;
    const tree: Tree = variantTree(patches);
    try {
      const { code, stdout } = await run(tree.main, "replay", "--json");
      expect(code).toBe(1);
      const files: ReplayedFile[] = JSON.parse(stdout);
      expect(files).toHaveLength(24);
      // Each file begins with the state of then, so that others are the same.
      const differing = files.filter(({ problem }) => problem !== null);
      expect(differing).toHaveLength(1);
      expect(differing[0]).toMatchObject({
        same_program: false,
        differs: {
          at_ms: LONG.atMs,
          what: "outputs",
          route: { prefix: LONG.prefix, more: 0 },
        },
      });
      const words = await run(tree.main, "replay");
      expect(words.stdout.trimEnd().split("\n").at(-1)).toMatch(
        /^first difference: 2026-11-28T17:30:00\.000Z, bracket \d+: other outputs, 10\.3\.7\.0\/24 (sent to|received of) 192\.0\.2\.\d$/,
      );
    } finally {
      tree.remove();
    }
  });
});
