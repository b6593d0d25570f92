/** A configuration as octets, for the record `configure`. */

import { type Config, complete, completing, sharingInSteps } from "@ts-bgp/config";
import { type AsEntries, asTexts, type PrefixEntries, prefixTexts } from "@ts-bgp/policy";
import { fromImage, imageInSteps, imageOf, octetsInSteps } from "./image.ts";
import { Classes } from "./image-format.ts";
import { joined } from "./octet-writer.ts";

const NO_CLASSES = new Classes([], []);
type Of<T> = Readonly<Record<string, T>>;

/** Lists of a configuration as the first releases know them. */
export const FIRST_LISTS = {
  prefixLists: (lists: unknown) => each(lists as Of<PrefixEntries>, prefixTexts),
  asLists: (lists: unknown) => each(lists as Of<AsEntries>, asTexts),
};
const FIRST_CONFIG = NO_CLASSES.without([], FIRST_LISTS);

function each<T>(lists: Of<T>, textsOf: (list: T) => readonly string[]): Of<readonly string[]> {
  return Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, textsOf(list)]));
}

/** Those that were read in steps. */
const read: WeakMap<Uint8Array, Config> = new WeakMap();

/**
 * What both sides of a pair have alike; the keys of a side, of its mirrors and followers are its own. Whether there are
 * followers, or other members of a cluster, decides what is noted of routes.
 */
export function replicated(config: Config): Config {
  const followers = config.followers === null ? null : { ...config.followers, tls: null };
  const cluster = config.cluster === null ? null : { ...config.cluster, tls: null };
  return { ...config, nsr: null, mirrors: null, followers, cluster };
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
  if (known !== undefined) return known;
  const config = fromImage([octets], NO_CLASSES) as Config;
  complete(config);
  return config;
}

/**
 * Does the same, in steps of less than a millisecond; afterwards `configFrom` gives it for these octets at once.
 *
 * @param inForce - that it shares with what is equal, see `sharing`
 */
export function* configInSteps(
  octets: Uint8Array,
  inForce: Config | null,
): Generator<void, Config> {
  const config = (yield* imageInSteps(octets, NO_CLASSES)) as Config;
  yield* completing(config);
  const shared = inForce === null ? config : yield* sharingInSteps(inForce, config);
  read.set(octets, shared);
  return shared;
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
