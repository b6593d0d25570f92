/** What happens in each trial: everything that is left to chance, drawn from one seed. */
import type { Prng } from "@ts-bgp/inject";
import type { PairKind } from "./pair.ts";

export const MODES = ["process", "planned", "pause", "namespace", "link", "none"] as const;

/**
 * process: kill -9 of the active, both sides in one namespace. planned: `tsbgp switchover`. pause:
 * the active is stopped until it has lost its role, then resumed. namespace: kill -9, the service
 * addresses move. link: the replication link is cut and healed; then as namespace. none:
 * nothing is done to it.
 */
export type Mode = (typeof MODES)[number];

/**
 * What goes on at the instant, or follows: single updates only; a whole table is being announced;
 * the killed side is killed once more while it joins; the new active is killed as soon as its
 * standby is ready.
 */
export const MOMENTS = ["churn", "bulk", "join", "again"] as const;
export type Moment = (typeof MOMENTS)[number];

export interface Plan {
  readonly trial: number;
  readonly mode: Mode;
  readonly moment: Moment;
  /** From the beginning of the churn to the disturbance. */
  readonly delayMs: number;
  /** From the beginning of a bulk to the disturbance. */
  readonly bulkMs: number;
  readonly pauseMs: number;
  readonly cutMs: number;
  /** From the start of the standby to the kill in its join. */
  readonly joinMs: number;
  /** Chooses routes. */
  readonly seed: number;
}

/** Those that disturb. */
export const DISTURBING: readonly Mode[] = MODES.filter((mode) => mode !== "none");

const PAIRS: Readonly<Record<Mode, PairKind>> = {
  process: "namespace",
  planned: "namespace",
  pause: "namespace",
  namespace: "namespace",
  link: "namespace",
  none: "shared",
};

export function pairOf(mode: Mode): PairKind {
  return PAIRS[mode];
}

/**
 * The trials, those of one kind of pair together, so that they can be run in one lab.
 *
 * @param modes - at least one; each gets an equal share
 */
export function makePlans(trials: number, modes: readonly Mode[], prng: Prng): Plan[] {
  const plans = Array.from({ length: trials }, (_, trial): Plan => {
    const mode = modes[trial % modes.length]!;
    const between = (from: number, to: number) => from + prng.below(to - from + 1);
    const moment = MOMENTS[prng.below(MOMENTS.length)]!;
    return {
      trial: trial + 1,
      mode,
      moment,
      delayMs: between(300, 1000),
      bulkMs: between(1, 300),
      pauseMs: between(300, 2500),
      cutMs: between(100, 2500),
      joinMs: between(50, 1500),
      seed: prng.next(),
    };
  });
  return plans.sort((one, other) => rank(one) - rank(other) || one.trial - other.trial);
}

function rank({ mode }: Plan): number {
  return pairOf(mode) === "shared" ? 0 : 1;
}
