/** What a reload is for when it is for some neighbors first. */

import { atOnce, type Config, canaryAddresses, canaryConfig, diffInSteps } from "@ts-bgp/config";
import { type AbortCondition, type ConfigAbout, parseAbortIf } from "@ts-bgp/replication";
import { ControlError, type ControlRequest } from "./control.ts";
import { named } from "./inherited.ts";

/** Names in a request, at most: of as many neighbors as a file has. */
const NAMES_MAX = 10_000;

/** What a request says of a trial beside its time. */
export type TrialOptions = Pick<ConfigAbout, "canary" | "abortIf">;

/**
 * Reads `canary` (names with commas between) and `abort_if`. Throws a ControlError.
 *
 * @param trySeconds - what it says of the time; null for none
 */
export function trialOptionsIn(request: ControlRequest, trySeconds: number | null): TrialOptions {
  const canary = canaryIn(request);
  const abortIf = conditionsIn(request["abort_if"]);
  for (const [key, value] of Object.entries({ canary, abort_if: abortIf })) {
    if (value === undefined || trySeconds !== null || request["dry_run"] === true) continue;
    throw new ControlError(`"${key}" needs "confirm": after how many seconds it goes back`, "bad");
  }
  return {
    ...(canary === undefined ? {} : { canary }),
    ...(abortIf === undefined ? {} : { abortIf }),
  };
}

/** Reads names with commas between. Throws a ControlError. */
export function canaryIn(request: ControlRequest): readonly string[] | undefined {
  const value = request["canary"];
  if (value === undefined) return undefined;
  const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : [];
  if (names.length > 0 && names.length <= NAMES_MAX && !names.includes("")) return names;
  throw new ControlError(
    '"canary" must be AS numbers, addresses or descriptions of neighbors, with commas between',
    "bad",
  );
}

function conditionsIn(value: unknown): readonly AbortCondition[] | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw new ControlError('"abort_if" must be text', "bad");
  const found = parseAbortIf(value);
  if (!("message" in found)) return found;
  throw new ControlError(`abort-if, column ${found.column}: ${found.message}`, "bad");
}

/** A configuration that comes into force for some neighbors, or for all. */
export interface Wanted {
  readonly config: Config;
  /** With addresses of neighbors in the place of names. */
  readonly about: ConfigAbout;
}

/**
 * @param next - what the file says
 * @param about - with names of neighbors as somebody has written them
 * @returns what comes into force; throws where a name stands for no neighbor, where nothing would change, and where
 *   a condition is about routes that are not kept
 */
export function wantedOf(inForce: Config, next: Config, about: ConfigAbout): Wanted {
  return atOnce(wantedInSteps(inForce, next, about));
}

/** Finds the same; the comparison with what is in force, which takes the longest, is made in steps. */
export function* wantedInSteps(
  inForce: Config,
  next: Config,
  about: ConfigAbout,
): Generator<void, Wanted> {
  const wanted = yield* ofNames(inForce, next, about);
  if (about.abortIf?.some(({ count }) => count === "rejected")) {
    const { canary } = wanted.about;
    const unkept = [...new Set([inForce, next].flatMap((config) => notKeeping(config, canary)))];
    if (unkept.length > 0) {
      throw new Error(
        `abort-if: rejected routes of ${named(unkept)} are not kept (keep-rejected: false), so that nobody can count them`,
      );
    }
  }
  return wanted;
}

/** @returns neighbors among those that count (addresses, or all) whose rejected routes are not there */
function notKeeping(
  { neighbors, dynamicNeighbors }: Config,
  canary: readonly string[] | undefined,
): string[] {
  const dynamic = dynamicNeighbors.map(({ options }) => options);
  const counted = canary === undefined ? null : new Set(canary);
  const all = counted === null ? [...neighbors, ...dynamic] : neighbors;
  return all
    .filter(({ address, keepRejected }) => !keepRejected && (counted?.has(address) ?? true))
    .map(({ address }) => address);
}

function* ofNames(inForce: Config, next: Config, about: ConfigAbout): Generator<void, Wanted> {
  if (about.canary === undefined) return { config: next, about };
  const { addresses, mistakes } = canaryAddresses(inForce, next, about.canary);
  if (mistakes.length > 0) throw new Error(mistakes.join("\n"));
  yield;
  const config = canaryConfig(inForce, next, addresses);
  yield;
  const { changed, policies } = yield* diffInSteps(inForce, config);
  if (changed.length + policies.length === 0) {
    throw new Error(`the file changes nothing for ${about.canary.join(", ")}`);
  }
  return { config, about: { ...about, canary: addresses } };
}
