/** What differs between two configurations, and what that means for the running sessions. */

import { type Conditions, type Policy, varUses } from "@ts-bgp/policy";
import { importChain } from "./blackhole.ts";
import { Equality } from "./compare.ts";
import type { NsrConfig } from "./link-types.ts";
import { CHANGE_EFFECTS, effectOfChange } from "./options.ts";
import type { StaticRoute } from "./route-types.ts";
import type { Config, NeighborConfig } from "./types.ts";

const GLOBAL = [
  "router",
  "listen",
  "control",
  "http",
  "log",
  "nsr",
  "mirrors",
  "rpki",
  "dynamicNeighbors",
  "bmp",
  "mrt",
  "record",
  "webhook",
  "followers",
  "cluster",
  "rejectReasons",
  "staticRoutes",
] as const;

/** Parts that are compared between two pauses. */
const STEP_PARTS = 64;

export interface ConfigDiff {
  /** Addresses of neighbors that only the new configuration has, and that only the old one has. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Neighbors that both have and for which something changes. */
  readonly changed: readonly NeighborChange[];
  /** Names of policies whose own rules, lists, or values of neighbors they use, are new or differ. */
  readonly policies: readonly string[];
  /**
   * Changed settings of the speaker as a whole: `router` (resets all sessions), `nsr` (takes a
   * restart, see `reloadRefusal`), and `listen`, `control`, `http`, `log`, `mirrors`, `rpki`, `bmp`,
   * `mrt`, `record`, `webhook`, `followers`, `cluster`, `rejectReasons`, `dynamicNeighbors`, `staticRoutes` (apply
   * at once).
   */
  readonly global: readonly (typeof GLOBAL)[number][];
}

/** A comparison that was made before its time; see `diffConfig`. */
export interface Compared {
  readonly old: Config;
  /** Has of `old` what is equal, see `sharing`. */
  readonly next: Config;
  readonly diff: ConfigDiff;
}

export interface NeighborChange {
  readonly address: string;
  /** Options that differ. */
  readonly options: readonly (keyof typeof CHANGE_EFFECTS)[];
  /** The session must begin anew. */
  readonly reset: boolean;
  /** Routes from the neighbor must be decided anew. */
  readonly import: boolean;
  /** Routes to the neighbor must be decided anew. */
  readonly export: boolean;
}

/**
 * Compares two configurations. Comments, order of keys, and where things stand do not count.
 *
 * Linear in their size.
 */
export function diffConfig(old: Config, next: Config): ConfigDiff {
  return atOnce(diffInSteps(old, next));
}

/** Does the same, with a pause after every few parts. */
export function* diffInSteps(old: Config, next: Config): Generator<void, ConfigDiff> {
  const equality = new Equality();
  const before = new Map(old.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const after = new Map(next.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const lists = changedLists(old, next, equality);
  const policies = yield* changedPolicies(old, next, lists, equality);
  const asks = varsOfPolicies(next);
  const isOther = (neighbor: NeighborConfig) => {
    const previous = before.get(neighbor.address);
    if (previous === undefined || previous === neighbor) return false;
    const { group, vars } = neighbor;
    return previous.group !== group || !equality.isEqual(previous.vars, vars);
  };
  if (next.neighbors.some(isOther)) {
    // Routes of a neighbor may have to be decided anew for all others.
    for (const name of policiesOfSources(next)) policies.add(name);
  }
  const resetAll = !equality.isEqual(old.router, next.router);
  const changed: NeighborChange[] = [];
  // A policy that asks for values which some neighbors have changed is another one for these alone.
  const byVars = new Set<string>();
  let parts = 0;
  for (const [address, neighbor] of after) {
    if (++parts % STEP_PARTS === 0) yield;
    const previous = before.get(address);
    if (previous === undefined) continue;
    const vars = changedVars(previous, neighbor, lists, equality);
    for (const name of [...importChain(neighbor), ...neighbor.export]) {
      if (asks(name, vars)) byVars.add(name);
    }
    const uses = (chain: readonly string[]) =>
      chain.some((name) => policies.has(name) || asks(name, vars));
    const options = changedOptions(previous, neighbor, equality);
    const change = changeOf(previous, neighbor, options, uses, resetAll);
    if (change.reset || change.import || change.export || change.options.length > 0) {
      changed.push(change);
    }
  }
  return {
    added: [...after.keys()].filter((address) => !before.has(address)),
    removed: [...before.keys()].filter((address) => !after.has(address)),
    changed,
    policies: [...new Set([...policies, ...byVars])],
    global: changedSections(old, next),
  };
}

/** @returns as in `ConfigDiff` */
export function changedSections(old: Config, next: Config): ConfigDiff["global"] {
  const equality = new Equality();
  return GLOBAL.filter((key) => !equality.isEqual(old[key], next[key]));
}

/**
 * Takes from another configuration what is equal: those parts take no memory of their own, and whoever
 * compares them sees at once that they are equal.
 *
 * @returns the same configuration as `next`
 */
export function sharing(old: Config, next: Config): Config {
  return atOnce(sharingInSteps(old, next));
}

export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Does the same, with a pause after every few parts. */
export function* sharingInSteps(old: Config, next: Config): Generator<void, Config> {
  const equality = new Equality();
  const shared = <T>(before: T | undefined, after: T) =>
    before !== undefined && equality.isEqual(before, after) ? before : after;
  function* each<T>(before: Named<T>, after: Named<T>): Generator<void, Named<T>> {
    const parts: [string, T][] = [];
    for (const [name, value] of Object.entries(after)) {
      parts.push([name, shared(Object.hasOwn(before, name) ? before[name] : undefined, value)]);
      if (parts.length % STEP_PARTS === 0) yield;
    }
    return Object.fromEntries(parts);
  }
  const known = new Map(old.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const neighbors: NeighborConfig[] = [];
  for (const neighbor of next.neighbors) {
    neighbors.push(shared(known.get(neighbor.address), neighbor));
    if (neighbors.length % STEP_PARTS === 0) yield;
  }
  const routes = new Map(old.staticRoutes.map((route) => [route.prefix, route]));
  const staticRoutes: StaticRoute[] = [];
  for (const route of next.staticRoutes) {
    staticRoutes.push(shared(routes.get(route.prefix), route));
    if (staticRoutes.length % STEP_PARTS === 0) yield;
  }
  return {
    ...next,
    neighbors,
    staticRoutes,
    policies: yield* each(old.policies, next.policies),
    prefixLists: yield* each(old.prefixLists, next.prefixLists),
    asLists: yield* each(old.asLists, next.asLists),
    communityLists: yield* each(old.communityLists, next.communityLists),
    routeLists: yield* each(old.routeLists ?? {}, next.routeLists ?? {}),
  };
}

type Named<T> = Readonly<Record<string, T>>;

/**
 * Whether a running speaker can go from one configuration to another.
 *
 * @returns why it cannot, as a sentence without a final full stop; null when it can
 */
export function reloadRefusal(old: Config, next: Config): string | null {
  const equality = new Equality();
  if (equality.isEqual(old.nsr, next.nsr)) return null;
  if (old.nsr === null) return "the section nsr is new: a speaker joins a pair when it starts";
  if (next.nsr === null) return "the section nsr is gone: a speaker leaves its pair when it stops";
  const parts = Object.keys(next.nsr) as (keyof NsrConfig)[];
  const changed = parts.filter((key) => !equality.isEqual(old.nsr?.[key], next.nsr?.[key]));
  const names = changed.map((key) => NSR_KEYS[key] ?? key).join(", ");
  return `the section nsr has another ${names}: that takes a restart, of the standby first`;
}

/** Names of keys in a file, where they differ. */
const NSR_KEYS: Partial<Record<keyof NsrConfig, string>> = {
  peers: "peer",
  serviceAddresses: "service-addresses",
  heartbeatMs: "heartbeat-ms",
  heartbeatMisses: "heartbeat-misses",
  patienceMs: "patience-ms",
  log: "log",
};

const OPTIONS = Object.keys(CHANGE_EFFECTS) as (keyof typeof CHANGE_EFFECTS)[];

type Option = (typeof OPTIONS)[number];

function changedOptions(old: NeighborConfig, next: NeighborConfig, equality: Equality): Option[] {
  if (old === next) return [];
  return OPTIONS.filter((option) => !equality.isEqual(old[option], next[option]));
}

function changeOf(
  old: NeighborConfig,
  next: NeighborConfig,
  options: readonly Option[],
  uses: (chain: readonly string[]) => boolean,
  resetAll: boolean,
): NeighborChange {
  const effects = new Set(options.map((option) => effectOfChange(option, old, next)));
  return {
    address: next.address,
    options,
    reset: resetAll || effects.has("reset"),
    import: effects.has("import") || effects.has("both") || uses(importChain(next)),
    export: effects.has("export") || effects.has("both") || uses(next.export),
  };
}

function changedLists(old: Config, next: Config, equality: Equality): Set<string> {
  const lists = new Set<string>();
  for (const key of ["prefixLists", "asLists", "communityLists", "routeLists"] as const) {
    const before = old[key] ?? {};
    for (const [name, entries] of Object.entries(next[key] ?? {})) {
      const isThere = Object.hasOwn(before, name);
      if (!isThere || !equality.isEqual(before[name], entries)) lists.add(name);
    }
  }
  return lists;
}

const NO_NAMES: Set<string> = new Set();

/** @returns names of values that a neighbor has otherwise, or that name lists which are others */
function changedVars(
  old: NeighborConfig,
  next: NeighborConfig,
  lists: ReadonlySet<string>,
  equality: Equality,
): Set<string> {
  if (old.vars === next.vars && lists.size === 0) return NO_NAMES;
  const names = new Set([...Object.keys(old.vars), ...Object.keys(next.vars)]);
  const isOther = (name: string) =>
    !equality.isEqual(old.vars[name], next.vars[name]) || mentions(next.vars[name], lists);
  return new Set([...names].filter(isOther));
}

/** @returns whether a policy asks for one of some values */
function varsOfPolicies({ policies }: Config) {
  const known = new Map<string, readonly string[]>();
  return (policy: string, vars: ReadonlySet<string>): boolean => {
    if (vars.size === 0 || !Object.hasOwn(policies, policy)) return false;
    let names = known.get(policy);
    if (names === undefined) {
      names = varUses([policies[policy]!]).map(({ name }) => name);
      known.set(policy, names);
    }
    return names.some((name) => vars.has(name));
  };
}

/** @returns names of policies that ask for the neighbor that a route was learned from */
function policiesOfSources({ policies }: Config): string[] {
  const asks = ({ source, all = [], any = [], not }: Conditions): boolean =>
    source !== undefined || [...all, ...any, ...(not === undefined ? [] : [not])].some(asks);
  const found = Object.values(policies).filter(({ rules }) => rules.some((rule) => asks(rule.if)));
  return found.map(({ name }) => name);
}

function* changedPolicies(
  old: Config,
  next: Config,
  lists: ReadonlySet<string>,
  equality: Equality,
): Generator<void, Set<string>> {
  const changed = new Set<string>();
  let parts = 0;
  for (const [name, policy] of Object.entries(next.policies)) {
    if (++parts % STEP_PARTS === 0) yield;
    const previous = Object.hasOwn(old.policies, name) ? old.policies[name] : undefined;
    const isSame =
      previous === policy ||
      (previous !== undefined && equality.isEqual(withoutPlaces(previous), withoutPlaces(policy)));
    if (!isSame || (lists.size > 0 && mentions(policy.rules, lists))) changed.add(name);
  }
  return changed;
}

/** @returns what a policy says, wherever it stands and whatever its name is */
export function withoutPlaces({ rules, default: fallback }: Policy): unknown {
  return [fallback, rules.map(({ source: _, ...rule }) => rule)];
}

/** Whether one of the names stands anywhere in a value; one too many does no harm. */
function mentions(value: unknown, names: ReadonlySet<string>): boolean {
  if (names.size === 0) return false;
  if (typeof value === "string") {
    const inside = value.match(/<[^>]+>/g) ?? [];
    return names.has(value) || inside.some((name) => names.has(name.slice(1, -1)));
  }
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((part) => mentions(part, names));
}
