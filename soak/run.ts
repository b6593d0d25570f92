/** The soak itself: churn, a disturbance every few minutes, memory sampled meanwhile. */
import { setTimeout as delay } from "node:timers/promises";
import { anonymousMb } from "../bench/usage.ts";
import { activeAndStatus } from "../chaos/sides.ts";
import { type Episode, runEpisode } from "../exchange/episode.ts";
import { type Exchange, fillExchange, openExchange } from "../exchange/exchange.ts";
import { measuringCongestionControl } from "../test/lab/congestion.ts";
import type { SoakOptions } from "./arguments.ts";
import type { Findings, MemorySample } from "./gates.ts";

/** Of an hour at least; a short soak is sampled more often. */
const SAMPLES = 360;
const SAMPLE_SECONDS_MAX = 30;
const SECONDS_PER_HOUR = 3600;
const WINDOW_SECONDS = 5;
const UNDISTURBED_SECONDS = 1;

/** One disturbance, and what was found in it. */
export interface Disturbed extends Episode {
  readonly atHours: number;
}

/**
 * @param take - is given each disturbance
 * @returns what was found; also when the harness could not go on
 */
export async function soak(
  options: SoakOptions,
  take: (disturbed: Disturbed) => void,
): Promise<Findings> {
  const { clients, routes, seed } = options;
  const congestionControl = measuringCongestionControl();
  const about = { clients, routes, seed, congestionControl };
  const exchange = await openExchange({ kind: "shared", ...about });
  const running = new Soak(exchange, options, take);
  try {
    await fillExchange(exchange);
    await running.run();
    return running.findings(null);
  } catch (error) {
    return running.findings(error instanceof Error ? error.message : String(error));
  } finally {
    exchange.lab.remove();
  }
}

class Soak {
  private readonly exchange: Exchange;
  private readonly options: SoakOptions;
  private readonly take: (disturbed: Disturbed) => void;
  private readonly startMs = performance.now();
  private readonly episodes: Episode[] = [];
  private readonly memory: MemorySample[] = [];
  private digestDifferences = 0;
  private notCompared = 0;

  constructor(exchange: Exchange, options: SoakOptions, take: (disturbed: Disturbed) => void) {
    this.exchange = exchange;
    this.options = options;
    this.take = take;
  }

  async run(): Promise<void> {
    const { everySeconds, hours } = this.options;
    const everyHours = everySeconds / SECONDS_PER_HOUR;
    for (let nextHours = everyHours; nextHours <= hours; ) {
      await this.churnUntil(nextHours);
      await this.disturb();
      nextHours = Math.max(nextHours + everyHours, this.hours());
    }
    await this.churnUntil(hours);
  }

  findings(stopped: string | null): Findings {
    const { episodes, memory, digestDifferences, notCompared } = this;
    const sum = (value: (one: Episode) => number) =>
      episodes.reduce((total, one) => total + value(one), 0);
    const kills = episodes.filter(({ act }) => act === "kill").length;
    return {
      ...{ hours: this.hours(), kills, switchovers: episodes.length - kills },
      sessionsLost: sum(({ faults, joinFaults }) => faults.closed + (joinFaults?.closed ?? 0)),
      messageFaults: sum(({ faults, joinFaults }) => {
        const all = [faults, ...(joinFaults === null ? [] : [joinFaults])];
        return all.reduce((count, one) => count + one.malformed + one.duplicates, 0);
      }),
      routeDifferences: sum(({ differences }) => differences),
      ...{ digestDifferences, notCompared },
      notReady: sum(({ readyAgainSeconds, wasReady }) =>
        readyAgainSeconds === null || !wasReady ? 1 : 0,
      ),
      gapsMs: episodes.flatMap(({ silence, join }) => [...silence.gapsMs, ...(join?.gapsMs ?? [])]),
      ...{ memory, stopped },
    };
  }

  private hours(): number {
    return (performance.now() - this.startMs) / 1000 / SECONDS_PER_HOUR;
  }

  private async churnUntil(atHours: number): Promise<void> {
    const { hours, churn } = this.options;
    const betweenSeconds = Math.min(SAMPLE_SECONDS_MAX, (SECONDS_PER_HOUR * hours) / SAMPLES);
    this.exchange.clients.churn(churn);
    while (this.hours() < atHours) {
      this.sample();
      const leftSeconds = SECONDS_PER_HOUR * (atHours - this.hours());
      await delay(1000 * Math.max(0, Math.min(betweenSeconds, leftSeconds)));
    }
  }

  /** Of the second side, which no kill is for. */
  private sample(): void {
    const { pair } = this.exchange;
    const pid = pair.pidOf(pair.sides[1]!);
    const mb = pid === null ? null : anonymousMb(pid);
    if (mb !== null) this.memory.push({ atHours: this.hours(), mb });
  }

  private async disturb(): Promise<void> {
    const { exchange, options } = this;
    const active = await activeAndStatus(exchange.pair);
    if (active === null) throw new Error("no side, or more than one, is active");
    const { side, status } = active;
    this.digestDifferences += status.digest.differences;
    if (status.digest.at_ms === 0) this.notCompared++;
    const episode = await runEpisode(exchange, {
      act: side === exchange.pair.sides[0] ? "kill" : "switchover",
      churn: options.churn,
      ...{ windowSeconds: WINDOW_SECONDS, undisturbedSeconds: UNDISTURBED_SECONDS, bulkShare: 0 },
    });
    this.episodes.push(episode);
    this.take({ ...episode, atHours: this.hours() });
  }
}
