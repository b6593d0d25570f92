/** Configurations that another version has made of its file: it may not know options of this one, or know more. */

import { loadConfig } from "./load.ts";
import type { Config, NeighborConfig } from "./types.ts";

type Fields = Record<string, unknown>;

const NO_SOURCES = { readFile: () => "", env: () => "" };

/**
 * Gives options that this version knows, and the configuration does not have, the values that they have in a
 * file that says nothing of them. Others stay, known or not: the version that they came of may want them back.
 *
 * @param config - nobody else has; changed in place
 */
export function complete(config: Config): void {
  const [neighbor] = config.neighbors;
  const plain = plainFor(neighbor);
  if (plain === null) return;
  fill(config, plain);
  fill(config.router, plain.router);
  for (const cache of config.rpki?.caches ?? []) {
    fill(cache, { password: null });
    if (cache.tls !== null) fill(cache.tls, { cert: null, key: null });
  }
  const names = Object.keys(plain.neighbors[0]!);
  for (const each of config.neighbors) {
    if (names.every((name) => Object.hasOwn(each, name))) continue;
    fill(each, plainFor(each)?.neighbors[0] ?? {});
  }
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
  const note = (value: object, known: object) => {
    for (const name of Object.keys(value)) if (!Object.hasOwn(known, name)) found.add(name);
  };
  note(config, plain);
  note(config.router, plain.router);
  for (const each of config.neighbors) note(each, plain.neighbors[0]!);
  return [...found].sort();
}

/** @returns what a file says that has nothing but a neighbor like this one; null when there is none */
function plainFor(neighbor: NeighborConfig | undefined): Config | null {
  const { address, as, localAs, routeServerClient } = neighbor ?? {
    ...{ address: "192.0.2.1", as: 1, localAs: 2, routeServerClient: false },
  };
  const one = { address, as, "route-server-client": routeServerClient };
  const file = { router: { as: localAs, id: "192.0.2.2" }, neighbors: [one] };
  return loadConfig("", JSON.stringify(file), NO_SOURCES).config;
}

function fill(value: object, plain: object): void {
  for (const [name, option] of Object.entries(plain)) {
    if (!Object.hasOwn(value, name)) (value as Fields)[name] = option;
  }
}
