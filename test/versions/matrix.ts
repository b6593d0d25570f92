/** All takeovers between the present program and others, and how each of them ended. */

import {
  type Release,
  releaseProblem,
  releases,
  releaseTree,
  type Tree,
  variantTree,
} from "./tree.ts";
import { HOWS, type How, runTrial, type Trial } from "./trial.ts";
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
  readonly how: How;
}

/** @returns all cases: each program in both directions, by a kill and by a switchover */
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
      HOWS.map((how) => ({
        title: `${titleOf(other, isPresentLast)}, by a ${how}`,
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

/** Runs cases one after the other. @param ended - told of each; null when all was as it should be */
export async function runCases(
  cases: readonly Case[],
  ended: (title: string, problem: string | null) => void,
): Promise<void> {
  let tree: Tree | null = null;
  let made: Other | null = null;
  try {
    for (const { title, other, isPresentLast, how } of cases) {
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
      const { deviates = false, dooms = null, decides = false } = other.variant ?? {};
      const trial: Trial = {
        from: isPresentLast ? tree.main : null,
        to: isPresentLast ? null : tree.main,
        how,
        deviates,
        dooms: isPresentLast ? dooms : null,
        option: isPresentLast ? (other.variant?.option ?? null) : null,
        decides,
        isRelease: other.variant === null,
      };
      ended(title, await problemOf(trial));
    }
  } finally {
    tree?.remove();
  }
}

/** A program that died may leave a peer waiting for good. */
const TRIAL_MS = 180_000;

async function problemOf(trial: Trial): Promise<string | null> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("it did not come to its end")), TRIAL_MS).unref();
  });
  try {
    await Promise.race([runTrial(trial), late]);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
