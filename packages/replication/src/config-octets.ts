/** A configuration as octets, for the record `configure`. */

import {
  type Compared,
  type Config,
  complete,
  completing,
  diffInSteps,
  sharingInSteps,
} from "@ts-bgp/config";
import { type AsEntries, asTexts, type PrefixEntries, prefixTexts } from "@ts-bgp/policy";
import { fromImage, imageInSteps, imageOf, octetsInSteps } from "./image.ts";
import { Classes } from "./image-classes.ts";
import { joined } from "./octet-writer.ts";

const NO_CLASSES = Classes.of([], [], "");
type Of<T> = Readonly<Record<string, T>>;

/** Lists of a configuration as the first releases know them. */
export const FIRST_LISTS = {
  prefixLists: (lists: unknown) => each(lists as Of<PrefixEntries>, prefixTexts),
  asLists: (lists: unknown) => each(lists as Of<AsEntries>, asTexts),
};
const FIRST_CONFIG = NO_CLASSES.withNames([], FIRST_LISTS);

function each<T>(lists: Of<T>, textsOf: (list: T) => readonly string[]): Of<readonly string[]> {
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, textsOf(list)]));
}

/** Those that were read in steps, and with what they were compared. */
const read: WeakMap<Uint8Array, { config: Config; compared: Compared | null }> = new WeakMap();

/**
 * What both sides of a pair have alike; the keys of a side, of its mirrors and followers are its own. Whether there are
 * followers, or other members of a cluster, decides what is noted of routes.
 */
export function replicated(config: Config): Config {
  const followers = config.followers === null ? null : { ...config.followers, tls: null };
  const cluster = config.cluster === null ? null : { ...config.cluster, etcd: null, tls: null };
  return { ...config, nsr: null, mirrors: null, record: null, followers, cluster };
}

/**
 * @param isForAny - false where somebody reads it who knows the configurations of the first releases alone
 * @param made - what this has given before for the same configuration, null for nothing
 */
export function configOctets(
  config: Config,
  isForAny = true,
  made: Uint8Array | null = null,
): Uint8Array {
  if (isForAny && made !== null) return made;
  return joined(imageOf(config, isForAny ? NO_CLASSES : FIRST_CONFIG));
}

/**
 * @returns what `configOctets` was given, by whatever version, see `complete`; throws a FormatError when it
 *   is not that
 */
export function configFrom(octets: Uint8Array): Config {
  const known = read.get(octets);
  if (known !== undefined) return known.config;
  const config = fromImage([octets], NO_CLASSES) as Config;
  complete(config);
  return config;
}

/** @returns what reading these octets in steps has found different; null where they were not read so */
export function comparedIn(octets: Uint8Array): Compared | null {
  return read.get(octets)?.compared ?? null;
}

/**
 * Does the same as `configFrom`, in steps of less than a millisecond; afterwards that gives it for these octets at
 * once, and `comparedIn` what a reload needs to know of it.
 *
 * @param inForce - that it shares with what is equal, see `sharing`, and is compared with
 */
export function* configInSteps(
  octets: Uint8Array,
  inForce: Config | null,
): Generator<void, Config> {
  const config = (yield* imageInSteps(octets, NO_CLASSES)) as Config;
  yield* completing(config);
  if (inForce === null) {
    read.set(octets, { config, compared: null });
    return config;
  }
  const next = yield* sharingInSteps(inForce, config);
  const diff = yield* diffInSteps(inForce, next);
  read.set(octets, { config: next, compared: { old: inForce, next, diff } });
  return next;
}

/**
 * Makes octets of a configuration that is at hand, and reads them, in such steps.
 *
 * @param inForce - as in `configInSteps`
 * @returns what `configOctets` returns
 */
export function* configOctetsInSteps(config: Config, inForce: Config): Generator<void, Uint8Array> {
  const octets = yield* octetsInSteps(config, NO_CLASSES);
  yield* configInSteps(octets, inForce);
  return octets;
}
