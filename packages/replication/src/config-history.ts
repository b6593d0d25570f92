/**
 * Configurations that have been in force, and whether the last one is on trial: then it goes back to the one
 * before at a time, unless somebody confirms it. A part of the state, so that a standby knows it.
 */

import type { Config, ConfigDiff } from "@ts-bgp/config";
import { type AbortCondition, isAbortCondition, type TrialWatch } from "./abort-if.ts";
import { isObject } from "./json-fields.ts";
import { FormatError } from "./octet-reader.ts";

/** Who has put a configuration into force, and why. */
export interface ConfigAbout {
  /** For people. */
  readonly by: string;
  readonly how: "reload" | "rollback" | "expired" | "aborted" | "confirmed";
  /** It goes back after so long unless it is confirmed; null for never. */
  readonly trySeconds: number | null;
  /** With a time: addresses of neighbors, for which alone it is until it is confirmed; absent for all. */
  readonly canary?: readonly string[];
  /** With a time: it goes back when one of these holds; absent for none. */
  readonly abortIf?: readonly AbortCondition[];
  /** Of one that was aborted, for people: the condition that held; else absent. */
  readonly reason?: string;
}

export interface PastConfig {
  /** Counts up from 1, the one of the start. */
  readonly number: number;
  /** When it came into force, by the router's clock; 0 before the start. */
  readonly sinceMs: number;
  readonly by: string;
  readonly how: ConfigAbout["how"] | "start";
  /** Who has confirmed it; null for nobody. */
  readonly confirmedBy: string | null;
  /** How many neighbors and policies it had otherwise than the one before. */
  readonly counts: Readonly<Record<"added" | "removed" | "reset" | "changed" | "policies", number>>;
  /** See `ConfigAbout`. */
  readonly canary?: readonly string[];
  readonly reason?: string;
  readonly config: Config;
}

export interface ConfigTrial {
  /** When it ends, by the router's clock. */
  readonly untilMs: number;
  /** Number of the configuration that comes back then. */
  readonly back: number;
  readonly by: string;
  /** What may end it before; absent for nothing. */
  readonly watch?: TrialWatch;
  /** Of one for some neighbors: the configuration that comes once it is confirmed; else absent. */
  readonly whole?: Config;
}

/** Plain, since earlier versions read it as well, and leave it as it is. */
export interface ConfigHistory {
  /** The one in force is the last. */
  past: readonly PastConfig[];
  trial: ConfigTrial | null;
}

/** So many are kept: what they have in common takes memory once. */
const PAST_MAX = 10;
const WAYS_BACK: readonly ConfigAbout["how"][] = ["rollback", "expired", "aborted"];
const UNKNOWN: ConfigAbout = { by: "", how: "reload", trySeconds: null };
const NO_COUNTS = { added: 0, removed: 0, reset: 0, changed: 0, policies: 0 };

/** @returns the history of a router that has had no other configuration */
export function newHistory(config: Config): ConfigHistory {
  const nobody = { by: "", how: "start", confirmedBy: null } as const;
  return {
    past: [{ number: 1, sinceMs: 0, ...nobody, counts: NO_COUNTS, config }],
    trial: null,
  };
}

export function noteStart(history: ConfigHistory, nowMs: number): void {
  history.past = history.past.map((one) => (one.sinceMs === 0 ? { ...one, sinceMs: nowMs } : one));
}

/**
 * A configuration has come into force. One that is the same begins nothing, and ends a trial; one that a trial goes
 * back to is noted in any case.
 *
 * @param about - null where nobody has said
 * @param more - of the trial that it begins, if it does
 */
export function noteConfig(
  history: ConfigHistory,
  about: ConfigAbout | null,
  config: Config,
  { added, removed, changed, policies, global }: ConfigDiff,
  nowMs: number,
  more: Pick<ConfigTrial, "watch" | "whole"> = {},
): void {
  const { by, how, trySeconds, canary, reason } = about ?? UNKNOWN;
  const last = history.past.at(-1)!;
  const { number: back } = last;
  // Of a policy that nobody uses any more it is not told that it is gone.
  const isBack = history.trial !== null && WAYS_BACK.includes(how);
  history.trial = null;
  const isSame = [added, removed, changed, policies, global].every(({ length }) => length === 0);
  if (isSame && !isBack) {
    // Of what nobody uses something may be otherwise.
    const confirmedBy = how === "confirmed" ? by : last.confirmedBy;
    const { canary: _, ...same } = last;
    history.past = [...history.past.slice(0, -1), { ...same, confirmedBy, config }];
    return;
  }
  const reset = changed.filter((one) => one.reset).length;
  const counts = {
    added: added.length,
    removed: removed.length,
    reset,
    changed: changed.length - reset,
    policies: policies.length,
  };
  const next = {
    ...{ number: back + 1, sinceMs: nowMs, by, how, confirmedBy: null, counts, config },
    ...(canary === undefined ? {} : { canary }),
    ...(reason === undefined ? {} : { reason }),
  };
  history.past = [...history.past, next].slice(-PAST_MAX);
  if (trySeconds !== null)
    history.trial = { untilMs: nowMs + 1000 * trySeconds, back, by, ...more };
}

/** The one that is on trial stays. */
export function noteConfirmed(history: ConfigHistory, by: string): void {
  if (history.trial === null) return;
  history.trial = null;
  const last = history.past.at(-1)!;
  history.past = [...history.past.slice(0, -1), { ...last, confirmedBy: by }];
}

/**
 * A way that a later version has is one of reloading.
 *
 * @throws FormatError for what says nothing of a configuration
 */
export function configAboutIn(json: unknown): ConfigAbout | null {
  if (json === null) return null;
  const { by, how, trySeconds, canary, abortIf, reason } = isObject(json) ? json : {};
  const isTime = Number.isFinite(trySeconds) && (trySeconds as number) > 0;
  const areNames = canary === undefined || areTexts(canary);
  const areConditions =
    abortIf === undefined || (Array.isArray(abortIf) && abortIf.every(isAbortCondition));
  const isReason = reason === undefined || typeof reason === "string";
  if (
    typeof by !== "string" ||
    typeof how !== "string" ||
    !(trySeconds === null || isTime) ||
    !(areNames && areConditions && isReason)
  ) {
    throw new FormatError("who has put a configuration into force is not known");
  }
  return {
    by,
    how: WAYS.find((known) => known === how) ?? "reload",
    trySeconds: trySeconds as number | null,
    ...(canary === undefined ? {} : { canary }),
    ...(abortIf === undefined ? {} : { abortIf: abortIf as readonly AbortCondition[] }),
    ...(reason === undefined ? {} : { reason: reason as string }),
  };
}

const WAYS: readonly ConfigAbout["how"][] = ["rollback", "expired", "aborted", "confirmed"];

function areTexts(json: unknown): json is readonly string[] {
  return Array.isArray(json) && json.every((text) => typeof text === "string");
}
