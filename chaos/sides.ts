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
export async function activeOf(pair: Pair): Promise<Side | null> {
  return (await activeAndStatus(pair))?.side ?? null;
}

/** The same, with what it said. */
export async function activeAndStatus({
  sides,
}: Pair): Promise<{ side: Side; status: NsrStatus } | null> {
  const all = await Promise.all(sides.map(async (side) => ({ side, status: await side.status() })));
  const active = all.filter(({ status }) => status?.role === "active");
  const [one] = active;
  if (active.length !== 1 || one === undefined || one.status === null) return null;
  return { side: one.side, status: one.status };
}

/**
 * Why sessions would be lost if the active ended now, in words; `null` where they would not be, or it has
 * no partner.
 */
export function notReady({ sides }: Pair, { ready, reason }: NsrStatus): string | null {
  return sides.length < 2 || ready ? null : `the pair was not ready: ${reason}`;
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
    const standbys = all.filter((status) => status?.role === "standby");
    const { standbys: shown = [] } = active ?? {};
    const areAll = standbys.length === pair.sides.length - 1 && shown.every((one) => one.ready);
    return areAll && active?.ready === true && active.protected === active.sessions;
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
