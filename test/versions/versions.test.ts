/** Takeovers between two programs; all of them: `npm run versions`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { enterOwnNetwork } from "../../testkit/own-network.ts";
import { labAvailable } from "../lab/install.ts";
import { IS_FULL } from "../mode.ts";
import { allCases, runCases } from "./matrix.ts";
import { variantTree, writePatched } from "./tree.ts";
import { runTrial } from "./trial.ts";
import { VARIANTS } from "./variants.ts";

const REASON = enterOwnNetwork();
const SHORT = [
  "to another order of attributes, by a kill",
  "from another last step of the decision process, by a switchover",
];

const AMONG_DAEMONS = ["another order of attributes", "release"];

/** Of each program one direction by a kill, and the other by a switchover; of two of them among daemons. */
const cases = allCases().filter(({ title, other, isPresentLast, how }) => {
  if (!IS_FULL) return SHORT.includes(title);
  if (how !== null) return isPresentLast === (how === "kill");
  return AMONG_DAEMONS.some((name) => other.name.startsWith(name));
});

test.each(VARIANTS)("a variant can be made of the present program: $name", ({ patches }) => {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-variant-"));
  try {
    writePatched(folder, patches);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe.skipIf(REASON !== null)(`a pair of two programs (${REASON ?? "on one host"})`, () => {
  test.for(cases)("goes over $title", async (one, { skip }) => {
    const { problem: obstacle } = one.other;
    // A copy of the repository may have been made without its history.
    skip(obstacle !== null, obstacle ?? undefined);
    const noLab = one.how === null ? labAvailable() : null;
    skip(noLab !== null, noLab ?? undefined);
    await runCases([one], (_title, problem) => expect(problem).toBe(null));
  });

  test.runIf(IS_FULL)("goes over in the middle of messages that a peer does not read", async () => {
    const tree = variantTree(VARIANTS[0]!.patches);
    const what = { dooms: null, option: null, decides: false, isRelease: false } as const;
    try {
      await runTrial({
        from: null,
        to: tree.main,
        how: "kill",
        deviates: true,
        stalls: true,
        ...what,
      });
    } finally {
      tree.remove();
    }
  });
});
