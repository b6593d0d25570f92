/**
 * A new configuration for some neighbors alone: these have what it says, all others and the speaker itself stay
 * as they are. Pure, so that both sides of a pair come to the same one.
 */

import {
  ACCEPT_ALL,
  type ListKind,
  listKindOf,
  mapRule,
  type Policy,
  type Vars,
  type VarUse,
  valuesOf,
  varOf,
  varUses,
  withListNames,
} from "@ts-bgp/policy";
import { parseHostAddress } from "./addresses.ts";
import { Equality } from "./compare.ts";
import { withoutPlaces } from "./diff.ts";
import { dynamicRangeOf, takesAs } from "./dynamic.ts";
import type { Config, NeighborConfig } from "./types.ts";

/**
 * Behind the name of a policy or list that is another one in the new file; no name in a file has it. A number
 * follows where a policy is more than one.
 */
const NEW = "~new";

/**
 * The configuration in force while a new one is tried with some neighbors.
 *
 * @param old - in force for the others
 * @param next - the new file, whole
 * @param addresses - of neighbors that both have; others are passed over
 * @returns `old`, where those neighbors have all that `next` says of them. Policies and lists that are others
 *   in `next` stand beside the old ones, under a name with `~new` at its end, or `~new2` and so on where a policy
 *   is another one by the values of each neighbor
 */
export function canaryConfig(old: Config, next: Config, addresses: readonly string[]): Config {
  const wanted = new Set(addresses);
  const after = new Map(next.neighbors.map((neighbor) => [neighbor.address, neighbor]));
  const mixture = new Mixture(old, next);
  const neighbors = old.neighbors.map((neighbor) => {
    const other = wanted.has(neighbor.address) ? after.get(neighbor.address) : undefined;
    return other === undefined ? neighbor : mixture.placed(other);
  });
  return { ...old, neighbors, policies: mixture.policies, ...mixture.lists };
}

/** @returns the name in its file of a policy or list, which may have another one while the file is tried */
export function nameInFile(name: string): string {
  const at = name.indexOf(NEW);
  return at === -1 ? name : name.slice(0, at);
}

type ByName<T> = Record<string, T>;
type AnyList = Config[ListKind];

/** Policies and lists of one configuration, with what neighbors bring along of another one. */
class Mixture {
  readonly policies: ByName<Policy>;
  readonly lists: Pick<Config, ListKind>;
  private readonly old: Config;
  private readonly next: Config;
  private readonly equality: Equality = new Equality();
  /** What became of policies of the new one, by their names there. */
  private readonly names: Map<string, string> = new Map();
  /** Of each of them, by the same name, the values that it asks for. */
  private readonly uses: Map<string, readonly VarUse[]> = new Map();
  /** What became of lists, by their kinds and names. */
  private readonly listNames: Map<string, string> = new Map();
  /** How many have a new name of a policy. */
  private readonly copies: Map<string, number> = new Map();

  constructor(old: Config, next: Config) {
    this.old = old;
    this.next = next;
    this.policies = { ...old.policies };
    const { prefixLists, asLists, communityLists, routeLists = {} } = old;
    this.lists = {
      prefixLists: { ...prefixLists },
      asLists: { ...asLists },
      communityLists: { ...communityLists },
      routeLists: { ...routeLists },
    };
  }

  /** @returns a neighbor of the new configuration, with the names that its policies and lists have here */
  placed(neighbor: NeighborConfig): NeighborConfig {
    const { blackhole, vars } = neighbor;
    const chain = (names: readonly string[]) => names.map((name) => this.policy(name, vars));
    return {
      ...neighbor,
      import: chain(neighbor.import),
      export: chain(neighbor.export),
      blackhole: blackhole === null ? null : this.policy(blackhole, vars),
    };
  }

  private policy(name: string, vars: Vars): string {
    if (name === ACCEPT_ALL) return name;
    const values = this.renamed(name, vars);
    const key = JSON.stringify([name, values]);
    let placed = this.names.get(key);
    if (placed === undefined) {
      placed = this.place(name, new Map(values));
      this.names.set(key, placed);
    }
    return placed;
  }

  /**
   * Values keep the names of lists, since policies of other neighbors may ask for them.
   *
   * @returns those among which are lists that have other names here, by the use in the policy
   */
  private renamed(name: string, vars: Vars): [use: string, values: readonly string[]][] {
    let uses = this.uses.get(name);
    if (uses === undefined) {
      uses = varUses([this.next.policies[name]!]);
      this.uses.set(name, uses);
    }
    return uses.flatMap(({ name: asked, kind }) => {
      const values = valuesOf(vars, asked);
      const placed = values.map((value) => {
        const list = listKindOf(value, kind);
        return list === null ? value : this.list(list, value);
      });
      const isSame = placed.every((value, k) => value === values[k]);
      return isSame ? [] : [[`${asked} ${kind}`, placed]];
    });
  }

  /** @param values - see `renamed`: they stand in the policy itself */
  private place(name: string, values: ReadonlyMap<string, readonly string[]>): string {
    const named = withListNames(this.next.policies[name]!, (kind, list) => this.list(kind, list));
    const rules = named.rules.map((rule) =>
      mapRule(rule, (term, kind) => values.get(`${varOf(term)} ${kind}`) ?? [term]),
    );
    const policy = values.size === 0 ? named : { ...named, rules };
    const known = ownOf(this.old.policies, name);
    if (known === undefined && values.size === 0) {
      this.policies[name] = policy;
      return name;
    }
    const isKnown =
      known !== undefined && this.equality.isEqual(withoutPlaces(known), withoutPlaces(policy));
    if (isKnown) return name;
    const count = (this.copies.get(name) ?? 0) + 1;
    this.copies.set(name, count);
    const renamed = name + NEW + (count === 1 ? "" : count);
    this.policies[renamed] = { ...policy, name: renamed };
    return renamed;
  }

  private list(kind: ListKind, name: string): string {
    const key = `${kind} ${name}`;
    let placed = this.listNames.get(key);
    if (placed === undefined) {
      placed = this.placeList(kind, name);
      this.listNames.set(key, placed);
    }
    return placed;
  }

  private placeList(kind: ListKind, name: string): string {
    const list = ownOf(this.next[kind] as AnyList, name);
    const known = ownOf(this.old[kind] as AnyList, name);
    if (list === undefined || this.equality.isEqual(known, list)) return name;
    const placed = known === undefined ? name : name + NEW;
    (this.lists[kind] as ByName<unknown>)[placed] = list;
    return placed;
  }
}

function ownOf<T>(values: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return values !== undefined && Object.hasOwn(values, name) ? values[name] : undefined;
}

/**
 * Finds the neighbors that a new configuration is for.
 *
 * @param names - AS numbers (`AS64501` or `64501`), addresses, or descriptions
 * @returns addresses of neighbors that both configurations have, in the order of the one in force, and a
 *   sentence for each name that stands for none
 */
export function canaryAddresses(
  old: Config,
  next: Config,
  names: readonly string[],
): { readonly addresses: readonly string[]; readonly mistakes: readonly string[] } {
  const inNext = new Set(next.neighbors.map(({ address }) => address));
  const found = new Set<string>();
  const mistakes: string[] = [];
  for (const name of names) {
    const isMeant = meantBy(name);
    const known = old.neighbors.filter(isMeant).map(({ address }) => address);
    const both = known.filter((address) => inNext.has(address));
    for (const address of both) found.add(address);
    if (both.length > 0) continue;
    if (known.length > 0) mistakes.push(`the file has no neighbor ${name} any more`);
    else if (next.neighbors.some(isMeant)) {
      mistakes.push(`the neighbor ${name} is new in the file: it comes when all are to have it`);
    } else if (isDynamic(name, old)) {
      mistakes.push(
        `${name} is of dynamic neighbors: they get what is new when all are to have it`,
      );
    } else mistakes.push(`no neighbor has the AS number, address or description ${name}`);
  }
  const addresses = old.neighbors.map(({ address }) => address).filter((one) => found.has(one));
  return { addresses, mistakes };
}

/** @returns the AS number that somebody has written; undefined for another name */
function asNumberIn(name: string): number | undefined {
  const [, number] = /^(?:AS)?(\d{1,10})$/i.exec(name) ?? [];
  return number === undefined ? undefined : Number(number);
}

function isDynamic(name: string, { dynamicNeighbors }: Config): boolean {
  const number = asNumberIn(name);
  if (number !== undefined) return dynamicNeighbors.some((range) => takesAs(range, number));
  const address = parseHostAddress(name);
  if (typeof address !== "string") {
    return dynamicRangeOf(dynamicNeighbors, address.text) !== null;
  }
  return dynamicNeighbors.some(({ prefix, options }) =>
    [prefix, options.description].includes(name),
  );
}

function meantBy(name: string): (neighbor: NeighborConfig) => boolean {
  const number = asNumberIn(name);
  if (number !== undefined) return ({ as }) => as === number;
  const address = parseHostAddress(name);
  const text = typeof address === "string" ? null : address.text;
  return (neighbor) => neighbor.address === text || neighbor.description === name;
}
