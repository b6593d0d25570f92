/** What differs between two configurations, and what that means for the running sessions. */

import type { Policy } from "@ts-bgp/policy";
import { importChain } from "./blackhole.ts";
import { Equality } from "./compare.ts";
import { CHANGE_EFFECTS, effectOfChange } from "./options.ts";
import type { Config, NeighborConfig, NsrConfig } from "./types.ts";

const GLOBAL = [
  "router",
  "listen",
  "control",
  "http",
  "log",
  "nsr",
  "rpki",
  "bmp",
  "mrt",
  "rejectReasons",
] as const;

export interface ConfigDiff {
  /** Addresses of neighbors that only the new configuration has, and that only the old one has. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Neighbors that both have and for which something changes. */
  readonly changed: readonly NeighborChange[];
  /** Names of policies whose own rules, or lists they use, are new or differ. */
  readonly policies: readonly string[];
  /**
   * Changed settings of the speaker as a whole: `router` (resets all sessions), `nsr` (takes a
   * restart, see `reloadRefusal`), and `listen`, `control`, `http`, `log`, `rpki`, `bmp`, `mrt`,
   * `rejectReasons` (apply at once).
   */
  readonly global: readonly (typeof GLOBAL)[number][];
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
  const equality = new Equality();
  const before = new Map(old.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const after = new Map(next.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const policies = changedPolicies(old, next, equality);
  const resetAll = !equality.isEqual(old.router, next.router);
  const changed: NeighborChange[] = [];
  for (const [address, neighbor] of after) {
    const previous = before.get(address);
    if (previous === undefined) continue;
    const options = changedOptions(previous, neighbor, equality);
    const change = changeOf(previous, neighbor, options, policies, resetAll);
    if (change.reset || change.import || change.export || change.options.length > 0) {
      changed.push(change);
    }
  }
  return {
    added: [...after.keys()].filter((address) => !before.has(address)),
    removed: [...before.keys()].filter((address) => !after.has(address)),
    changed,
    policies: [...policies],
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
  const equality = new Equality();
  const shared = <T>(before: T | undefined, after: T) =>
    before !== undefined && equality.isEqual(before, after) ? before : after;
  const each = <T>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>) => {
    const of = (name: string) => (Object.hasOwn(before, name) ? before[name] : undefined);
    return Object.fromEntries(
      Object.entries(after).map(([name, value]) => [name, shared(of(name), value)]),
    );
  };
  const neighbors = new Map(old.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  return {
    ...next,
    neighbors: next.neighbors.map((neighbor) => shared(neighbors.get(neighbor.address), neighbor)),
    policies: each(old.policies, next.policies),
    prefixLists: each(old.prefixLists, next.prefixLists),
    asLists: each(old.asLists, next.asLists),
    communityLists: each(old.communityLists, next.communityLists),
  };
}

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
  policies: ReadonlySet<string>,
  resetAll: boolean,
): NeighborChange {
  const effects = new Set(options.map((option) => effectOfChange(option, old, next)));
  const uses = (chain: readonly string[]) => chain.some((name) => policies.has(name));
  return {
    address: next.address,
    options,
    reset: resetAll || effects.has("reset"),
    import: effects.has("import") || effects.has("both") || uses(importChain(next)),
    export: effects.has("export") || effects.has("both") || uses(next.export),
  };
}

function changedPolicies(old: Config, next: Config, equality: Equality): Set<string> {
  const lists = new Set<string>();
  for (const key of ["prefixLists", "asLists", "communityLists"] as const) {
    for (const [name, entries] of Object.entries(next[key])) {
      const isThere = Object.hasOwn(old[key], name);
      if (!isThere || !equality.isEqual(old[key][name], entries)) lists.add(name);
    }
  }
  const changed = new Set<string>();
  for (const [name, policy] of Object.entries(next.policies)) {
    const previous = Object.hasOwn(old.policies, name) ? old.policies[name] : undefined;
    const isSame =
      previous === policy ||
      (previous !== undefined && equality.isEqual(withoutPlaces(previous), withoutPlaces(policy)));
    if (!isSame || (lists.size > 0 && mentions(policy.rules, lists))) changed.add(name);
  }
  return changed;
}

function withoutPlaces({ rules, default: fallback }: Policy): unknown {
  return [fallback, rules.map(({ name, if: when, set, action }) => [name, when, set, action])];
}

/** Whether one of the names stands anywhere in a value; one too many does no harm. */
function mentions(value: unknown, names: ReadonlySet<string>): boolean {
  if (typeof value === "string") return names.has(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((part) => mentions(part, names));
}
