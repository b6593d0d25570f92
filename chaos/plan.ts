/** What happens in each trial: everything that is left to chance, drawn from one seed. */
import type { Prng } from "@ts-bgp/inject";
import { DIRECTIONS, type Direction } from "../test/lab/partition.ts";
import type { PairKind } from "./pair.ts";

export const MODES = [
  "process",
  "planned",
  "interrupted",
  "pause",
  "namespace",
  "link",
  "split",
  "none",
] as const;

/**
 * process: kill -9 of the active, both sides in one namespace. planned: `tsbgp switchover`.
 * interrupted: the same, and kill -9 of the old active while it hands over, or just has. pause: the
 * active is stopped until it has lost its role, then resumed. namespace: the host of the active is
 * lost, the service addresses move. link: the replication link is cut and healed; then kill -9 of
 * the active, whose kernel lives on. split: some of the ways between active, standby and etcd are
 * cut for a while, in one direction or both, and one side may be stopped meanwhile. none: nothing
 * is done to it.
 */
export type Mode = (typeof MODES)[number];

/**
 * What goes on at the instant, or follows: single updates only; a whole table is being announced;
 * the killed side is killed once more while it joins; the new active is killed as soon as its
 * standby is ready.
 */
export const MOMENTS = ["churn", "bulk", "join", "again"] as const;
export type Moment = (typeof MOMENTS)[number];

/** Ways between three. */
export const WAYS = ["link", "active-etcd", "standby-etcd"] as const;
export type Way = (typeof WAYS)[number];

/** What a trial of mode split does for `cutMs`. */
export interface Split {
  /** Those that are cut; at least one. */
  readonly ways: readonly Way[];
  /** As the active sees it; the standby for its way to etcd. */
  readonly direction: Direction;
  readonly stopped: "active" | "standby" | null;
}

/**
 * Who the peers are. daemons: BIRD, FRR, GoBGP and scripted peers with large tables. clients: many
 * scripted clients with small ones.
 */
export const SCENES = ["daemons", "clients"] as const;
export type SceneKind = (typeof SCENES)[number];

/** What a trial has to know. */
export interface TrialPlan {
  readonly trial: number;
  /** How many scripted clients there are in place of daemons; 0 with daemons. */
  readonly clients: number;
  /** What is done, in a word. */
  readonly mode: string;
  /** More of it, for people, with a separator at its end; may be empty. */
  readonly detail: string;
  readonly moment: Moment;
  /** From the beginning of the churn to the disturbance. */
  readonly delayMs: number;
  /** From the beginning of a bulk to the disturbance. */
  readonly bulkMs: number;
  /** From the start of the standby to the kill in its join. */
  readonly joinMs: number;
  /** Chooses routes. */
  readonly seed: number;
}

export interface Plan extends TrialPlan {
  readonly mode: Mode;
  readonly pauseMs: number;
  readonly cutMs: number;
  readonly split: Split;
  /** From the order of a switchover to the kill of mode interrupted. */
  readonly killMs: number;
}

/** Those that disturb. */
export const DISTURBING: readonly Mode[] = MODES.filter((mode) => mode !== "none");

/** Twice as long as a switchover takes: a random instant is before it is done, or after. */
const INTERRUPTED_MS = 60;

const PAIRS: Readonly<Record<Mode, PairKind>> = {
  process: "shared",
  planned: "shared",
  interrupted: "shared",
  pause: "shared",
  namespace: "namespace",
  link: "namespace",
  split: "namespace",
  none: "shared",
};

export function pairOf(mode: Mode): PairKind {
  return PAIRS[mode];
}

export function sceneOf({ clients }: TrialPlan): SceneKind {
  return clients > 0 ? "clients" : "daemons";
}

/** Of the trials of each mode, where there are both kinds of peers. */
const CLIENTS_ONE_IN = 3;

/** Who takes part. */
export interface Peers {
  /** At least one. */
  readonly scenes: readonly SceneKind[];
  /** In a scene with many clients. */
  readonly clients: number;
}

/**
 * The trials, those of one kind of pair and of peers together, so that they can be run in one lab.
 *
 * @param modes - at least one; each gets an equal share
 */
export function makePlans(
  trials: number,
  modes: readonly Mode[],
  prng: Prng,
  peers: Peers,
): Plan[] {
  const plans = Array.from({ length: trials }, (_, trial): Plan => {
    const mode = modes[trial % modes.length]!;
    const between = (from: number, to: number) => from + prng.below(to - from + 1);
    const drawn = MOMENTS[prng.below(MOMENTS.length)]!;
    // After a long cut the peers' own timers have to end before there is traffic to disturb again.
    const moment = mode === "split" && drawn === "again" ? "churn" : drawn;
    const split = drawSplit(prng);
    const killMs = mode === "interrupted" ? between(0, INTERRUPTED_MS) : 0;
    const clients = hasClients(Math.floor(trial / modes.length), peers) ? peers.clients : 0;
    return {
      trial: trial + 1,
      clients,
      mode,
      detail: detailOf(clients, mode, split, killMs),
      moment,
      delayMs: between(300, 1000),
      bulkMs: between(1, 300),
      pauseMs: between(300, 2500),
      cutMs: mode === "split" ? between(100, 5000) : between(100, 2500),
      split,
      killMs,
      joinMs: between(50, 1500),
      seed: prng.next(),
    };
  });
  return plans.sort((one, other) => rank(one) - rank(other) || one.trial - other.trial);
}

/** @param turn - counts the trials of a mode, from 0 */
function hasClients(turn: number, { scenes }: Peers): boolean {
  if (scenes.length > 1) return turn % CLIENTS_ONE_IN === 1;
  return scenes[0] === "clients";
}

function drawSplit(prng: Prng): Split {
  const bits = 1 + prng.below(2 ** WAYS.length - 1);
  const stopped = [null, "active", "standby"] as const;
  return {
    ways: WAYS.filter((_, i) => (bits >> i) & 1),
    direction: DIRECTIONS[prng.below(DIRECTIONS.length)]!,
    stopped: stopped[prng.below(stopped.length)]!,
  };
}

function detailOf(clients: number, mode: Mode, split: Split, killMs: number): string {
  const { ways, direction, stopped } = split;
  const who = clients > 0 ? `${clients} clients, ` : "";
  if (mode === "split") {
    return `${who}${ways.join("+")} ${direction}, stopped ${stopped ?? "none"}, `;
  }
  return mode === "interrupted" ? `${who}killed ${killMs} ms after the order, ` : who;
}

function rank(plan: Plan): number {
  return 2 * (pairOf(plan.mode) === "shared" ? 0 : 1) + (sceneOf(plan) === "daemons" ? 0 : 1);
}
