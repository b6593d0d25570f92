/** The scenario `takeover`: what the clients of a pair notice when it loses a side, and gets it back. */

import type { Act, Episode, Silence, SwitchoverAccount } from "../exchange/episode.ts";
import { runEpisode } from "../exchange/episode.ts";
import type { Exchange, Faults } from "../exchange/exchange.ts";
import { fillExchange, openExchange } from "../exchange/exchange.ts";
import { measuringCongestionControl } from "../test/lab/congestion.ts";
import type { TakeoverOptions } from "./arguments.ts";

const WINDOW_SECONDS = 6;
const UNDISTURBED_SECONDS = 3;
/** Of the choice of routes that change. */
const SEED = 7;

/** What is measured; `join` comes after each of the others that ends a side. */
export type TakeoverPhase = Act | "join";

export interface TakeoverRow {
  readonly scenario: "takeover";
  readonly phase: TakeoverPhase;
  readonly daemon: "ours+standby";
  readonly clients: number;
  /** Of each client. */
  readonly routes: number;
  /** Routes that changed in a second. */
  readonly churn: number;
  readonly silenceMedianMs: number;
  readonly silenceMaxMs: number;
  readonly undisturbedMedianMs: number;
  readonly undisturbedMaxMs: number;
  /** Longest turn of the load itself: silences below it say nothing. */
  readonly loadTurnMs: number;
  /** What clients noticed. */
  readonly faults: Faults;
  /** Routes that clients held in another way than they should, once all was quiet again. */
  readonly routeDifferences: number;
  /** Null when no standby became ready. */
  readonly readyAgainSeconds: number | null;
  /** Of the bulk: how much of it clients had been told when the kill came. */
  readonly toldShare?: number;
  /** Processors that were busy with something else. */
  readonly otherCores: number;
  /** In words. */
  readonly problems: readonly string[];
  /** The pair's own account. */
  readonly lastSwitchover: SwitchoverAccount | null;
}

/** The exchange could not be set, or nothing could be measured any more. */
export interface TakeoverFailure {
  readonly scenario: "takeover";
  readonly phase: null;
  readonly daemon: "ours+standby";
  readonly error: string;
}

/** What ends with the process, however it ends. */
type Cleanups = Set<() => void>;

/**
 * Measures one number of clients: one pair in a namespace, and one on two hosts for `host`.
 *
 * @param take - is given what was measured, row by row
 */
export async function measureTakeover(
  options: TakeoverOptions,
  clients: number,
  cleanups: Cleanups,
  take: (outcome: TakeoverRow | TakeoverFailure) => void,
): Promise<void> {
  const { routes, acts, other } = options;
  for (const kind of ["shared", "namespace"] as const) {
    const own = acts.filter((act) => (act === "host") === (kind === "namespace"));
    if (own.length === 0) continue;
    let remove = () => {};
    try {
      const congestionControl = measuringCongestionControl();
      const about = { kind, clients, routes, seed: SEED, congestionControl, other };
      const exchange = await openExchange(about);
      remove = () => exchange.lab.remove();
      cleanups.add(remove);
      await fillExchange(exchange);
      for (const act of own) {
        for (const row of await measureAct(exchange, act, options)) take(row);
      }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const where = { scenario: "takeover", phase: null, daemon: "ours+standby" } as const;
      take({ ...where, error: `${clients} clients: ${text}` });
    } finally {
      remove();
      cleanups.delete(remove);
    }
  }
}

async function measureAct(
  exchange: Exchange,
  act: Act,
  { churn, bulkPercent }: TakeoverOptions,
): Promise<TakeoverRow[]> {
  const times = { windowSeconds: WINDOW_SECONDS, undisturbedSeconds: UNDISTURBED_SECONDS };
  const episode = await runEpisode(exchange, {
    act,
    churn,
    bulkShare: bulkPercent / 100,
    ...times,
  });
  const { clients, routes } = exchange.options;
  return rowsOf({ clients, routes, churn }, episode);
}

/** @returns one row, and one more where a standby was started */
export function rowsOf(
  about: { readonly clients: number; readonly routes: number; readonly churn: number },
  episode: Episode,
): TakeoverRow[] {
  const { act, undisturbed, join, joinFaults, toldShare } = episode;
  const row = (phase: TakeoverPhase, silence: Silence, faults: Faults): TakeoverRow => ({
    ...{ scenario: "takeover", phase, daemon: "ours+standby", ...about },
    ...{ silenceMedianMs: silence.medianMs, silenceMaxMs: silence.maxMs },
    ...{ undisturbedMedianMs: undisturbed.medianMs, undisturbedMaxMs: undisturbed.maxMs },
    ...{ loadTurnMs: silence.turnMs, faults, routeDifferences: episode.differences },
    readyAgainSeconds: rounded(episode.readyAgainSeconds),
    ...(phase === "bulk" ? { toldShare: rounded(toldShare) ?? 0 } : {}),
    otherCores: rounded(episode.otherCores) ?? 0,
    ...{ problems: phase === "join" ? [] : episode.problems },
    lastSwitchover: episode.lastSwitchover,
  });
  const first = row(act, episode.silence, episode.faults);
  return join === null || joinFaults === null ? [first] : [first, row("join", join, joinFaults)];
}

function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toFixed(2));
}
