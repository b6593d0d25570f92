/** The two sides of a pair, wherever they run. */
import type { NsrStatus } from "../test/lab/ask.ts";
import { until } from "../test/lab/until.ts";

export interface Side {
  readonly name: string;
  isRunning(): Promise<boolean>;
  start(): Promise<void>;
  /** SIGKILL; returns when it is under way. */
  kill(): Promise<void>;
  /** Nothing of it gets a processor until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** `null` when nothing answers. */
  status(): Promise<NsrStatus | null>;
  /** `tsbgp` with the side's control socket. */
  tsbgp(...args: string[]): Promise<string>;
}

export interface Pair {
  /** Addresses the peers have sessions with. */
  readonly address4: string;
  readonly address6: string;
  readonly sides: readonly Side[];
}

/** The side that is active, `null` when none is or two are. */
export async function activeOf({ sides }: Pair): Promise<Side | null> {
  const all = await Promise.all(sides.map((side) => side.status()));
  const active = sides.filter((_, i) => all[i]?.role === "active");
  return active.length === 1 ? active[0]! : null;
}

/** Start what does not run; wait until there is an active, and a standby that is ready. */
export async function makeReady(pair: Pair, withinMs: number): Promise<boolean> {
  for (const side of pair.sides) {
    if (await side.isRunning()) continue;
    await side.start();
    // Whoever starts first on a machine without an active becomes the active.
    if (!(await activeOf(pair))) await reached(() => activeOf(pair), withinMs);
  }
  if (pair.sides.length === 1) return true;
  return reached(async () => {
    const all = await Promise.all(pair.sides.map((side) => side.status()));
    const active = all.find((status) => status?.role === "active");
    const hasStandby = all.some((status) => status?.role === "standby");
    return hasStandby && active?.ready === true && active.protected === active.sessions;
  }, withinMs);
}

/** @returns whether it came true in time */
export async function reached(
  check: () => unknown | Promise<unknown>,
  withinMs: number,
): Promise<boolean> {
  try {
    await until(async () => Boolean(await check()), withinMs, "it");
    return true;
  } catch {
    return false;
  }
}
