/** What differs between two configurations, and what that means for the running sessions. */

import type { Policy } from "@ts-bgp/policy";
import { CHANGE_EFFECTS, effectOfChange } from "./options.ts";
import type { Config, NeighborConfig, NsrConfig } from "./types.ts";

const GLOBAL = ["router", "listen", "control", "http", "log", "nsr", "rpki"] as const;

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
   * restart, see `reloadRefusal`), and `listen`, `control`, `http`, `log`, `rpki` (apply at once).
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
  const before = new Map(old.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const after = new Map(next.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const policies = changedPolicies(old, next);
  const resetAll = !isEqual(old.router, next.router);
  const changed: NeighborChange[] = [];
  for (const [address, neighbor] of after) {
    const previous = before.get(address);
    if (previous === undefined) continue;
    const change = compareNeighbors(previous, neighbor, policies, resetAll);
    if (change.reset || change.import || change.export || change.options.length > 0) {
      changed.push(change);
    }
  }
  return {
    added: [...after.keys()].filter((address) => !before.has(address)),
    removed: [...before.keys()].filter((address) => !after.has(address)),
    changed,
    policies: [...policies],
    global: GLOBAL.filter((key) => !isEqual(old[key], next[key])),
  };
}

/**
 * Whether a running speaker can go from one configuration to another.
 *
 * @returns why it cannot, as a sentence without a final full stop; null when it can
 */
export function reloadRefusal(old: Config, next: Config): string | null {
  if (isEqual(old.nsr, next.nsr)) return null;
  if (old.nsr === null) return "the section nsr is new: a speaker joins a pair when it starts";
  if (next.nsr === null) return "the section nsr is gone: a speaker leaves its pair when it stops";
  const parts = Object.keys(next.nsr) as (keyof NsrConfig)[];
  const changed = parts.filter((key) => !isEqual(old.nsr?.[key], next.nsr?.[key]));
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

function compareNeighbors(
  old: NeighborConfig,
  next: NeighborConfig,
  policies: ReadonlySet<string>,
  resetAll: boolean,
): NeighborChange {
  const options = OPTIONS.filter((option) => !isEqual(old[option], next[option]));
  const effects = new Set(options.map((option) => effectOfChange(option, old, next)));
  const uses = (chain: readonly string[]) => chain.some((name) => policies.has(name));
  return {
    address: next.address,
    options,
    reset: resetAll || effects.has("reset"),
    import: effects.has("import") || effects.has("both") || uses(next.import),
    export: effects.has("export") || effects.has("both") || uses(next.export),
  };
}

function changedPolicies(old: Config, next: Config): Set<string> {
  const lists = new Set<string>();
  for (const key of ["prefixLists", "asLists", "communityLists"] as const) {
    for (const [name, entries] of Object.entries(next[key])) {
      if (!Object.hasOwn(old[key], name) || !isEqual(old[key][name], entries)) lists.add(name);
    }
  }
  const changed = new Set<string>();
  for (const [name, policy] of Object.entries(next.policies)) {
    const previous = Object.hasOwn(old.policies, name) ? old.policies[name] : undefined;
    const same = previous !== undefined && isEqual(withoutPlaces(previous), withoutPlaces(policy));
    if (!same || mentions(policy.rules, lists)) changed.add(name);
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

/** Compares plain data. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length || Array.isArray(a) !== Array.isArray(b)) return false;
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) &&
      isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}
