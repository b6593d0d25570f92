/**
 * Configurations that go back unless they are confirmed, and going back by hand. What there is to go back to, and
 * when, is in the state that a standby has as well; who is active goes back.
 */

import type { Config } from "@ts-bgp/config";
import {
  abortIfText,
  abortReason,
  type ConfigAbout,
  type ConfigHistory,
  type ConfigTrial,
  type PastConfig,
} from "@ts-bgp/replication";
import { configOctetsInSteps, replicated } from "@ts-bgp/replication/config-octets";
import { checkTrial, type Speaker } from "@ts-bgp/speaker";
import type { Changes } from "./changes.ts";
import { ConfigFileError, readConfigFileApart, UnusableFileError } from "./config-file.ts";
import { ControlError } from "./control.ts";
import { differences, named } from "./inherited.ts";
import type { Log } from "./logging.ts";
import { type OwnSections, ownSections } from "./own-sections.ts";
import { inTurns } from "./turns.ts";

export interface TrialSources {
  /** The file of this side; null where what is in force is somebody else's. */
  readonly file: string | null;
  readonly log: Log;
  /** The speaker that is active here; null when none is. */
  speaker(): Speaker | null;
  /** What this side has of the state; null for nothing. */
  history(): ConfigHistory | null;
  /** In force on this side. */
  config(): Config;
  own(): OwnSections;
  /**
   * Puts a configuration into force; rejects with nothing changed.
   *
   * @param octets - see `Speaker.configure`
   */
  apply(next: Config, octets: Uint8Array, about: ConfigAbout): Promise<Changes>;
  /** Does something once reloads are done that are under way. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** A configuration that was in force, or is. */
export interface ShownPastConfig {
  number: number;
  /** Milliseconds since 1970, by the router's clock. */
  since_ms: number;
  in_force: boolean;
  how: PastConfig["how"];
  /** Empty at the start. */
  by: string;
  confirmed_by: string | null;
  /** How many it had otherwise than the one before. */
  counts: PastConfig["counts"];
  /** Of the one that is on trial: when it goes back to which one; null for one that stays. */
  until_ms: number | null;
  back: number | null;
  /** Addresses of the neighbors that it was for alone; null for all. */
  canary: readonly string[] | null;
  /** Of the one that is on trial: when it goes back before; null for never. */
  abort_if: string | null;
  /** Of one that came back since the one before was aborted: what held; else null. */
  reason: string | null;
}

export interface ShownReloads {
  /** The newest one is the first. */
  configurations: readonly ShownPastConfig[];
  /** Of this side; null on a mirror. */
  file: string | null;
  /**
   * How it is not what is in force, or what comes once that is confirmed: sections, policies, neighbors and options;
   * null when it cannot be used, and where there is none.
   */
  differs_in: readonly string[] | null;
}

/** A configuration that goes back unless it is confirmed. */
export interface ShownConfigTrial {
  /** Milliseconds since 1970, by the router's clock. */
  until_ms: number;
  /** Number of the one that comes back. */
  back: number;
  by: string;
  /** As in `ShownPastConfig`. */
  canary: readonly string[] | null;
  abort_if: string | null;
}

/** Longest time for a trial: a day. */
export const TRY_SECONDS_MAX = 86_400;
/** What could not go back is tried again after so long. */
const AGAIN_MS = 10_000;

export class ConfigTrials {
  private readonly sources: TrialSources;
  /** By number of a configuration: what this side had of its own with it. */
  private readonly own: Map<number, OwnSections> = new Map();
  /** Of a configuration for some neighbors, by its number: what comes with it for all. */
  private ownOfWhole: { readonly number: number; readonly own: OwnSections } | null = null;
  private isGoingBack = false;
  private againMs = 0;

  constructor(sources: TrialSources) {
    this.sources = sources;
  }

  /**
   * Notes what this side has of its own with the configuration in force, which another one is about to follow.
   *
   * Throws when that one is to go back unless it is confirmed, and a standby would not go back.
   *
   * @param next - that one, as it is for all
   */
  note(about: ConfigAbout, next: Config): void {
    const { sources, own } = this;
    const speaker = sources.speaker();
    if (speaker !== null) checkTrial(about, speaker.active);
    const past = sources.history()?.past ?? [];
    const last = past.at(-1);
    if (last !== undefined) own.set(last.number, sources.own());
    const number = (last?.number ?? 0) + 1;
    if (about.canary !== undefined) this.ownOfWhole = { number, own: ownSections(next) };
    for (const number of own.keys()) if (number < past[0]!.number) own.delete(number);
  }

  /** @returns why no other configuration is put into force now; null when one may be */
  refusal(): string | null {
    const trial = this.sources.speaker()?.journal.machine.history.trial ?? null;
    if (trial === null) return null;
    return "the configuration in force waits to be confirmed: tsbgp confirm or tsbgp rollback first";
  }

  /**
   * The configuration that is on trial stays, and comes for all if it was for some neighbors. In turn: one that is
   * going back just now does not stay.
   *
   * @returns the number of the one in force; rejects with a ControlError
   */
  async confirm(by: string): Promise<{ number: number }> {
    const wanted = this.waiting(this.active()).number;
    return this.sources.inTurn(async () => {
      const speaker = this.active();
      const { number } = this.waiting(speaker);
      if (number !== wanted) {
        throw new ControlError(`configuration ${wanted} is not in force any more: ${number} is`);
      }
      const { whole } = speaker.journal.machine.history.trial!;
      if (whole === undefined) speaker.run({ record: "confirm", by });
      else await this.comeForAll(number, whole, by);
      const { number: now } = this.active().journal.machine.history.past.at(-1)!;
      const what = whole === undefined ? "stays" : `is there for all neighbors, as ${now}`;
      const text = `configuration ${number} is confirmed by ${by} and ${what}`;
      this.sources.log.say("info", "config-confirmed", text, { number: now, by });
      return { number: now };
    });
  }

  /** @param number - of the configuration that was for some */
  private async comeForAll(number: number, whole: Config, by: string): Promise<void> {
    const { sources, ownOfWhole } = this;
    // A side that has taken over keeps its own.
    const own = ownOfWhole?.number === number ? ownOfWhole.own : sources.own();
    try {
      await this.apply(whole, own, { by, how: "confirmed", trySeconds: null });
      // It takes a while for a large file.
      if (sources.file !== null) void this.tellFile(sources.file);
    } catch (error) {
      if (error instanceof ControlError) throw error;
      throw new ControlError(`${(error as Error).message}\nit is still for some neighbors alone`);
    }
  }

  /** @returns the configuration that is on trial; throws when none is */
  private waiting(speaker: Speaker): PastConfig {
    const { trial, past } = speaker.journal.machine.history;
    if (trial === null) throw new ControlError("no configuration waits to be confirmed");
    return past.at(-1)!;
  }

  /**
   * Goes back.
   *
   * @param to - number of a configuration; null for the one before the one in force
   * @returns what that changed; rejects with a ControlError
   */
  rollback(by: string, to: number | null): Promise<Changes & { to: readonly string[] }> {
    return this.sources.inTurn(async () => {
      const { past, trial } = this.active().journal.machine.history;
      const before = past.slice(0, -1).findLast(({ canary }) => canary === undefined);
      const number = to ?? trial?.back ?? before?.number ?? null;
      if (number === null) throw new ControlError("there was no other configuration before");
      if (number === past.at(-1)!.number) {
        throw new ControlError(`configuration ${number} is in force`);
      }
      try {
        const changes = await this.goTo(number, { by, how: "rollback", trySeconds: null });
        return { ...changes, to: [String(number)] };
      } catch (error) {
        if (error instanceof ControlError) throw error;
        throw new ControlError(`${(error as Error).message}\nnothing was changed`);
      }
    });
  }

  /** Has a trial end whose time is over; to be called about twice a second. */
  look(): void {
    const speaker = this.sources.speaker();
    const trial = speaker?.journal.machine.history.trial ?? null;
    if (speaker === null || trial === null || this.isGoingBack) return;
    if (speaker.now() < this.againMs || whyBack(speaker, trial) === null) return;
    this.isGoingBack = true;
    void this.sources
      .inTurn(() => this.end())
      .finally(() => {
        this.isGoingBack = false;
      });
  }

  private async end(): Promise<void> {
    const speaker = this.sources.speaker();
    const trial = speaker?.journal.machine.history.trial ?? null;
    // It may have been confirmed meanwhile, or be another one's.
    if (speaker === null || trial === null) return;
    const why = whyBack(speaker, trial);
    if (why === null) return;
    try {
      await this.goTo(trial.back, { by: trial.by, trySeconds: null, ...why });
    } catch (error) {
      this.againMs = speaker.now() + AGAIN_MS;
      const text = `cannot go back to configuration ${trial.back}: ${(error as Error).message}`;
      this.sources.log.say("error", "config-stuck", `${text}; it is tried again`);
    }
  }

  private async goTo(number: number, about: ConfigAbout): Promise<Changes> {
    const { sources } = this;
    const { past } = this.active().journal.machine.history;
    const wanted = past.find((one) => one.number === number);
    if (wanted === undefined) {
      const numbers = past.map((one) => one.number).join(", ");
      throw new ControlError(
        `there is no configuration ${number}: there are ${numbers}`,
        "unknown",
      );
    }
    if (wanted.canary !== undefined) {
      throw new ControlError(`configuration ${number} was for ${wanted.canary.join(", ")} alone`);
    }
    const changes = await this.apply(wanted.config, this.own.get(number) ?? sources.own(), about);
    const { by, how, reason = null } = about;
    const why = how === "expired" ? "nobody has confirmed the other one" : (reason ?? by);
    const text = `back to configuration ${number}: ${why}`;
    sources.log.say("warn", "config-rolled-back", text, { number, by, how, reason });
    // It takes a while for a large file.
    if (sources.file !== null) void this.tellFile(sources.file);
    return changes;
  }

  private async apply(config: Config, own: OwnSections, about: ConfigAbout): Promise<Changes> {
    const { nsr } = this.sources.own();
    const next = { ...config, ...own, nsr };
    const { config: inForce } = this.active().router.tables;
    const octets = await inTurns(configOctetsInSteps(replicated(next), inForce));
    // It takes a while for a large one, in which this side may have given the role away.
    this.active();
    return this.sources.apply(next, octets, about);
  }

  /** Says how the file is unlike what is in force: it comes into force at the next reload or start. */
  private async tellFile(file: string): Promise<void> {
    const found = await this.fileDifference();
    if (found?.length === 0) return;
    const what = found === null ? "cannot be used" : `differs in ${named(found)}`;
    const text = `${file} ${what}: it is not what is in force, and comes into force at the next reload or start`;
    this.sources.log.say("warn", "config-differs", text);
  }

  /** @returns whether what is in force goes back unless it is confirmed */
  trial(): ShownConfigTrial | null {
    const trial = this.sources.history()?.trial ?? null;
    if (trial === null) return null;
    const { untilMs, back, by } = trial;
    return { until_ms: Math.round(untilMs), back, by, ...this.shownOptions(trial) };
  }

  private shownOptions({ watch }: ConfigTrial): Pick<ShownConfigTrial, "canary" | "abort_if"> {
    return {
      canary: this.sources.history()?.past.at(-1)?.canary ?? null,
      abort_if: watch === undefined ? null : abortIfText(watch.conditions),
    };
  }

  /** @returns what was in force, and how the file is unlike what is */
  async show(): Promise<ShownReloads> {
    const found = await this.fileDifference();
    const { past, trial } = this.sources.history() ?? { past: [], trial: null };
    const last = past.at(-1);
    const configurations = past.toReversed().map((one) => ({
      number: one.number,
      since_ms: Math.round(one.sinceMs),
      in_force: one === last,
      how: one.how,
      by: one.by,
      confirmed_by: one.confirmedBy,
      counts: one.counts,
      until_ms: one === last && trial !== null ? Math.round(trial.untilMs) : null,
      back: one === last ? (trial?.back ?? null) : null,
      canary: one.canary ?? null,
      abort_if: one === last && trial !== null ? this.shownOptions(trial).abort_if : null,
      reason: one.reason ?? null,
    }));
    return { configurations, file: this.sources.file, differs_in: found };
  }

  /** @returns null for a file that cannot be used, and for none */
  private async fileDifference(): Promise<readonly string[] | null> {
    const { file } = this.sources;
    if (file === null) return null;
    try {
      // A standby has not what the active one has read.
      const { past, trial } = this.sources.history() ?? { past: [], trial: null };
      const inForce = trial?.whole ?? past.at(-1)?.config ?? this.sources.config();
      const { config } = await readConfigFileApart(file, { inForce });
      return differences(inForce, config);
    } catch (error) {
      if (error instanceof ConfigFileError || error instanceof UnusableFileError) return null;
      throw error;
    }
  }

  private active(): Speaker {
    const speaker = this.sources.speaker();
    if (speaker !== null) return speaker;
    throw new ControlError("this side is not active: ask the one that is", "standby");
  }
}

/** @returns why a configuration on trial goes back now; null when it does not */
function whyBack(speaker: Speaker, trial: ConfigTrial): Pick<ConfigAbout, "how" | "reason"> | null {
  const now = speaker.now();
  if (now >= trial.untilMs) return { how: "expired" };
  const reason = trial.watch === undefined ? null : abortReason(trial.watch, speaker.router, now);
  return reason === null ? null : { how: "aborted", reason };
}
