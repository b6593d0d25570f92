/** Runs the explorer, over the machines as they are or over a copy in which something is broken. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = "test/explore/main.ts";
/** `.ci/run` has a million of the machines as they are: what is found in so many would be found there. */
const STATES = 400_000;

/** What is changed in a copy of the shipped code, where `from` has to stand once. */
export interface Sabotage {
  readonly title: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** In which it shows, 2 if there is nothing. */
  readonly sides?: number;
}

/** @returns what it printed, and its exit code */
export async function explore(
  options: readonly string[],
  root = PACKAGE,
): Promise<[string, number]> {
  const child = spawn(process.execPath, [join(root, MAIN), ...options], { stdio: "pipe" });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (more: string) => {
      text += more;
    });
  }
  const [code] = (await once(child, "close")) as [number];
  return [text, code];
}

/** Expects that a way to a violation is found. */
export async function expectFound({ file, from, to, sides = 2 }: Sabotage): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "tsbgp-explore-"));
  try {
    cpSync(PACKAGE, root, { recursive: true });
    const path = join(root, "src", file);
    const text = readFileSync(path, "utf8");
    expect(text.split(from)).toHaveLength(2);
    writeFileSync(path, text.replace(from, to));
    const [found, code] = await explore(
      ["--states", String(STATES), "--sides", String(sides)],
      root,
    );
    expect(found).toMatch(/^states \d+ · depth \d+ · .* s\nviolation: .*\n {2}/);
    expect(code).toBe(1);
  } finally {
    rmSync(root, { recursive: true });
  }
}

export const SABOTAGES: readonly Sabotage[] = [
  {
    title: "one that is being removed is not waited for",
    file: "leader-types.ts",
    from: 'return phase !== "joining";',
    to: 'return phase !== "joining" && phase !== "removing";',
  },
  {
    title: "a follower is declared before it has what peers have seen",
    file: "leader.ts",
    from: "!leader.isOwing && follower.acked >= follower.heldFrom",
    to: "!leader.isOwing",
  },
  {
    title: "what one has stored counts for stored by all",
    file: "leader.ts",
    from: "out = Math.min(out, follower.acked)",
    to: "out = Math.max(out, follower.acked)",
  },
  {
    title: "one that may have the right still is forgotten",
    file: "leader.ts",
    from: 'follower.phase !== "removing" || mayHaveRight(follower)',
    to: 'follower.phase !== "removing"',
  },
  {
    title: "one of which the arbiter is just told is taken for one without the right",
    file: "leader.ts",
    from: "hasRight(named, name) || (asked !== null && hasRight(asked, name))",
    to: "hasRight(named, name)",
  },
  {
    title: "an active is not fenced before it is taken over from",
    file: "word.ts",
    from: "isNamed && isFenced",
    to: "isNamed",
  },
  {
    title: "a standby that was never named takes over",
    file: "word.ts",
    from: "isNamed && isFenced",
    to: "isFenced",
  },
  {
    title: "a side goes on though the arbiter did not give it the role",
    file: "side.ts",
    from: "if (epoch === null) return forget(side, reason ?? side.cause, act);\n      resume(side, epoch, act);",
    to: "resume(side, epoch ?? side.epoch, act);",
  },
  {
    title: "a role is taken back that another side had meanwhile",
    file: "side.ts",
    from: "if (epoch === side.epoch + 1)",
    to: "if (epoch !== null)",
  },
  {
    title: "one that the arbiter may have been told of is taken for one without the right",
    file: "leader.ts",
    from: "    // Whether the new ones have the right is not known: it is taken back.\n    leader.named = unionOf(named, asked);",
    to: "",
  },
  {
    title: "a bracket is let out when one of two standbys has stored it",
    file: "leader.ts",
    from: "if (isBinding(follower)) out = Math.min(out, follower.acked);",
    to: "if (isBinding(follower)) out = Math.max(out === leader.number ? 0 : out, follower.acked);",
    sides: 3,
  },
  {
    title: "a side that takes over does not wait for the other standbys",
    file: "leader.ts",
    from: "if (heirs.length === 0) return leader;",
    to: "return leader;",
    sides: 3,
  },
];
