/** Configurations that another version has made of its file: it may not know options of this one, or know more. */

import { loadConfig } from "./load.ts";
import type { Config, NeighborConfig } from "./types.ts";

type Fields = Record<string, unknown>;

/** Between two pauses. */
const STEP_NEIGHBORS = 64;
const NO_SOURCES = { readFile: () => "", env: () => "" };

/**
 * Gives options that this version knows, and the configuration does not have, the values that they have in a
 * file that says nothing of them. Others stay, known or not: the version that they came of may want them back.
 *
 * @param config - nobody else has; changed in place
 */
export function complete(config: Config): void {
  const steps = completing(config);
  while (steps.next().done !== true);
}

/** Does the same, with a pause after every few neighbors. */
export function* completing(config: Config): Generator<void> {
  const plain = plainFor(config.neighbors[0]);
  if (plain === null) return;
  fill(config, plain);
  for (const cache of config.rpki?.caches ?? []) {
    fill(cache, { password: null });
    if (cache.tls !== null) fill(cache.tls, { cert: null, key: null });
  }
  if (config.mrt != null) fill(config.mrt, { advertised: [] });
  const known = new Set<object>();
  const sample = plain.neighbors[0]!;
  for (const [k, each] of config.neighbors.entries()) {
    completeNeighbor(each, sample, known);
    if (k % STEP_NEIGHBORS === 0) yield;
  }
  for (const { options } of config.dynamicNeighbors) completeNeighbor(options, sample, known);
}

/**
 * The same for one neighbor.
 *
 * @param sample - any neighbor of this version
 * @param known - parts that lack nothing
 */
export function completeNeighbor(
  config: NeighborConfig,
  sample: NeighborConfig = plainFor(undefined)!.neighbors[0]!,
  known: Set<object> = new Set(),
): void {
  if (lacks(config, sample, known)) fill(config, plainFor(config)?.neighbors[0] ?? {});
}

/** By configuration, which does not change: it is asked for with each scrape, and takes a look at all neighbors. */
const unknown: WeakMap<Config, readonly string[]> = new WeakMap();

/** @returns names of options that this version does not know, as the configuration has them */
export function unknownOptions(config: Config): readonly string[] {
  const known = unknown.get(config);
  if (known !== undefined) return known;
  const found = unknownIn(config);
  unknown.set(config, found);
  return found;
}

function unknownIn(config: Config): string[] {
  const plain = plainFor(config.neighbors[0]);
  if (plain === null) return [];
  const found = new Set<string>();
  noteUnknown(config, plain, "", found);
  for (const each of config.neighbors) noteUnknown(each, plain.neighbors[0]!, "", found);
  return [...found].sort();
}

/** @param under - where the options stand, with a dot at its end unless it is empty */
function noteUnknown(value: object, plain: object, under: string, found: Set<string>): void {
  for (const [name, option] of Object.entries(value)) {
    const known = (plain as Fields)[name];
    if (!Object.hasOwn(plain, name)) found.add(`${under}${name}`);
    else if (isGroup(known) && isObject(option)) {
      noteUnknown(option, known, `${under}${name}.`, found);
    }
  }
}

/** @returns what a file says that has nothing but a neighbor like this one; null when there is none */
function plainFor(neighbor: NeighborConfig | undefined): Config | null {
  const { address, as, localAs, routeServerClient } = neighbor ?? {
    ...{ address: "192.0.2.1", as: 1, localAs: 2, routeServerClient: false },
  };
  // Of dynamic neighbors the address may be a prefix, and the AS number not known.
  const one = {
    address: address.split("/")[0],
    as: as || (localAs === 1 ? 2 : 1),
    "route-server-client": routeServerClient,
  };
  const file = { router: { as: localAs, id: "192.0.2.2" }, neighbors: [one] };
  return loadConfig("", JSON.stringify(file), NO_SOURCES).config;
}

/**
 * Whether there is an option that `plain` has and `value` has not.
 *
 * @param known - sections that have all, which neighbors may share
 */
function lacks(value: object, plain: object, known: Set<object>): boolean {
  if (known.has(value)) return false;
  for (const name in plain) {
    const option = (plain as Fields)[name];
    const given = (value as Fields)[name];
    if (given === undefined && !Object.hasOwn(value, name)) return true;
    if (isGroup(option) && isObject(given) && lacks(given, option, known)) return true;
  }
  known.add(value);
  return false;
}

function fill(value: object, plain: object): void {
  for (const [name, option] of Object.entries(plain)) {
    const given = (value as Fields)[name];
    if (!Object.hasOwn(value, name)) (value as Fields)[name] = option;
    else if (isGroup(option) && isObject(given)) fill(given, option);
  }
}

/** Whether it is options by their names. What has names of the operator's choice is empty in a plain file. */
function isGroup(option: unknown): option is object {
  return isObject(option) && Object.keys(option).length > 0;
}

function isObject(option: unknown): option is object {
  return typeof option === "object" && option !== null && !Array.isArray(option);
}
