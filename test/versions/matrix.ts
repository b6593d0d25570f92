/** All takeovers between the present program and others, and how each of them ended. */

import { runAmongDaemons } from "./among-daemons.ts";
import {
  type Release,
  releaseProblem,
  releases,
  releaseTree,
  type Tree,
  variantTree,
} from "./tree.ts";
import { HOWS, type How, runTrial } from "./trial.ts";
import { VARIANTS, type Variant } from "./variants.ts";

/** A program that is not the present one. */
interface Other {
  readonly name: string;
  readonly variant: Variant | null;
  /** Why it cannot be had here; null when it can. */
  readonly problem: string | null;
  /** Throws when it cannot be made. */
  make(): Tree;
}

export interface Case {
  readonly title: string;
  readonly other: Other;
  /** Whether the present program is the one that takes over. */
  readonly isPresentLast: boolean;
  /** Null for both, there and back, among daemons of others. */
  readonly how: How | null;
}

/** @returns all cases: each program in both directions, by a kill, by a switchover, and among daemons */
export function allCases(): Case[] {
  const others: Other[] = [
    ...VARIANTS.map((variant) => ({
      name: variant.name,
      variant,
      problem: null,
      make: () => variantTree(variant.patches),
    })),
    ...releases().map((release: Release) => ({
      name: `release ${release.version}`,
      variant: null,
      problem: releaseProblem(release),
      make: () => releaseTree(release),
    })),
  ];
  return others.flatMap((other) =>
    [false, true].flatMap((isPresentLast) =>
      [...HOWS, null].map((how) => ({
        title: `${titleOf(other, isPresentLast)}, ${wayOf(how)}`,
        other,
        isPresentLast,
        how,
      })),
    ),
  );
}

function titleOf({ name }: Other, isPresentLast: boolean): string {
  return isPresentLast ? `from ${name}` : `to ${name}`;
}

function wayOf(how: How | null): string {
  return how === null ? "by a kill and back by a switchover, among daemons" : `by a ${how}`;
}

/** Runs cases one after the other. @param ended - told of each; null when all was as it should be */
export async function runCases(
  cases: readonly Case[],
  ended: (title: string, problem: string | null) => void,
): Promise<void> {
  let tree: Tree | null = null;
  let made: Other | null = null;
  try {
    for (const one of cases) {
      const { title, other } = one;
      if (made !== other) {
        tree?.remove();
        tree = null;
        made = other;
      }
      try {
        tree ??= other.make();
      } catch (error) {
        ended(title, (error as Error).message);
        continue;
      }
      ended(title, await problemOf(one, tree));
    }
  } finally {
    tree?.remove();
  }
}

function run({ other, isPresentLast, how }: Case, tree: Tree): Promise<void> {
  const from = isPresentLast ? tree.main : null;
  const to = isPresentLast ? null : tree.main;
  if (how === null) return runAmongDaemons({ first: from, second: to });
  const { deviates = false, dooms = null, decides = false } = other.variant ?? {};
  return runTrial({
    ...{ from, to, how, deviates, decides },
    dooms: isPresentLast ? dooms : null,
    option: isPresentLast ? (other.variant?.option ?? null) : null,
    isRelease: other.variant === null,
  });
}

/** A program that died may leave a peer waiting for good. */
const TRIAL_MS = 600_000;

async function problemOf(one: Case, tree: Tree): Promise<string | null> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("it did not come to its end")), TRIAL_MS).unref();
  });
  try {
    await Promise.race([run(one, tree), late]);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
