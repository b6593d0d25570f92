/** All policies of a configuration, compiled as neighbors need them. */

import { ChainFilter, type FilterContext } from "./filter.ts";
import type { ReasonTable } from "./reasons.ts";
import { Route } from "./route.ts";
import { Terms } from "./terms.ts";
import type { AttrId, AttributeSets, Explanation, Filter, Origins, Verdict } from "./types.ts";
import { ACCEPT_ALL, type Lists, type Policy } from "./values.ts";
import {
  constantsOf,
  NO_VARS,
  type Vars,
  type VarUse,
  valuesOf,
  varUses,
  withConstants,
} from "./vars.ts";

/** What policies are compiled from. */
export type PolicyValues = Lists & { readonly policies: Readonly<Record<string, Policy>> };

export class Policies {
  readonly values: PolicyValues;
  readonly sets: AttributeSets;
  readonly reasons: ReasonTable;
  /** Null where no policy asks for origins. */
  readonly origins: Origins | null;
  private readonly context: FilterContext;
  private readonly filters: Map<string, OwnFilter> = new Map();
  private readonly uses: Map<string, readonly VarUse[]> = new Map();

  /**
   * @param values - checked policies and lists; not copied, must not change
   * @param sets - where attribute sets are stored
   * @param reasons - has the reasons of all rules that reject, see `addReasons`; outlives this object
   * @param origins - asked whenever a verdict depends on it: what it says may change
   */
  constructor(
    values: PolicyValues,
    sets: AttributeSets,
    reasons: ReasonTable,
    origins: Origins | null = null,
    context: FilterContext | null = null,
  ) {
    this.origins = origins;
    this.values = values;
    this.sets = sets;
    this.reasons = reasons;
    this.context = context ?? {
      sets,
      reasons,
      terms: new Terms(values),
      route: new Route(origins, sets),
      slice: 1,
      held: [],
    };
  }

  /**
   * Policies for other values, which take over what has not changed, with what it remembers: lists that are
   * the same objects, and filters of policies that are. Of these here only the other filters are of use then.
   *
   * @param changed - names of policies that are not the same, or have lists that are not
   */
  with(values: PolicyValues, changed: ReadonlySet<string>): Policies {
    const { sets, reasons, origins, context } = this;
    context.terms = new Terms(values, context.terms);
    const next = new Policies(values, sets, reasons, origins, context);
    const isSame = (name: string) =>
      !changed.has(name) &&
      (name === ACCEPT_ALL || this.values.policies[name] === values.policies[name]);
    const hasSameLists = ({ constants }: OwnFilter) =>
      Object.keys(constants).every((name) =>
        valuesOf(constants, name).every((value) => namesSameList(value, this.values, values)),
      );
    for (const [key, filter] of this.filters) {
      if (!filter.names.every(isSame) || !hasSameLists(filter)) continue;
      this.filters.delete(key);
      next.filters.set(key, filter);
      filter.policies = next;
    }
    return next;
  }

  /**
   * The filter of a chain of policies; the same one for the same chain and own AS number.
   *
   * A route goes through the rules of all policies in order until one accepts or rejects it; past
   * the last rule it is rejected. An empty chain rejects with `no-policy` (RFC 8212).
   *
   * @param names - `accept-all`, alone, accepts every route unchanged
   * @param localAs - what `$local-as` stands for
   * @param vars - values of the peer, for those that have to stand in the rules
   */
  filter(names: readonly string[], localAs: number, vars: Vars = NO_VARS): Filter {
    const constants = constantsOf(this.usesOf(names), vars);
    const written = Object.keys(constants).length === 0 ? "" : JSON.stringify(constants);
    const key = `${localAs} ${names.join(" ")} ${written}`;
    let filter = this.filters.get(key);
    if (filter === undefined) {
      const chain = () => names.map((name) => withConstants(this.policy(name), constants));
      filter =
        names[0] === ACCEPT_ALL
          ? new AcceptAll(this, localAs)
          : new ChainFilter(this, chain(), localAs, constants, this.context);
      this.filters.set(key, filter);
    }
    return filter;
  }

  /** @returns whether all policies of a chain are there, and the lists that values name */
  has(names: readonly string[], vars: Vars = NO_VARS): boolean {
    const { policies } = this.values;
    if (!names.every((name) => name === ACCEPT_ALL || Object.hasOwn(policies, name))) return false;
    const { terms } = this.context;
    const lacks = ({ name, kind }: VarUse) =>
      valuesOf(vars, name).some((value) => terms.lacks(value, kind));
    return !this.usesOf(names).some(lacks);
  }

  /** @returns what a chain, whose policies are all there, takes from peers */
  private usesOf(names: readonly string[]): readonly VarUse[] {
    if (names[0] === ACCEPT_ALL) return [];
    const key = names.join(" ");
    let uses = this.uses.get(key);
    if (uses === undefined) {
      uses = varUses(names.map((name) => this.policy(name)));
      this.uses.set(key, uses);
    }
    return uses;
  }

  /**
   * From now on result sets are given up in one order with those of others, as they are of policies that were
   * made of them: which rows of the store come free first depends on that.
   */
  giveUpWith({ context }: Policies): void {
    this.context.held = context.held;
  }

  /** Has all policies do so that a filter is of: one may be in use for longer than what it was compiled with. */
  takeIn(filter: Filter): void {
    (filter as OwnFilter).policies.giveUpWith(this);
  }

  /** Gives up the references to result sets of verdicts since the last call. */
  endSlice(): void {
    const { held, sets } = this.context;
    for (const attr of held) sets.release(attr);
    held.length = 0;
    this.context.slice++;
  }

  private policy(name: string): Policy {
    const { policies } = this.values;
    if (!Object.hasOwn(policies, name)) throw new Error(`no policy has the name ${name}`);
    return policies[name]!;
  }
}

const LIST_KINDS = ["prefixLists", "asLists", "communityLists", "routeLists"] as const;

/** Whether a value of a neighbor that may name a list names the same one before and now. */
function namesSameList(value: string, before: PolicyValues, now: PolicyValues): boolean {
  return LIST_KINDS.every((kind) => {
    const listOf = ({ [kind]: lists = {} }: PolicyValues) =>
      Object.hasOwn(lists, value) ? lists[value] : undefined;
    return listOf(before) === listOf(now);
  });
}

/**
 * Numbers the reasons that policies may reject with, for `Policies`.
 *
 * @param known - policies whose reasons are numbered already
 */
export function addReasons(
  { policies }: Pick<PolicyValues, "policies">,
  reasons: ReasonTable,
  known: PolicyValues["policies"] = {},
): void {
  for (const policy of Object.values(policies)) {
    const { name, rules, source } = policy;
    if (known[name] === policy) continue;
    for (const rule of rules) {
      if (rule.action !== "reject") continue;
      reasons.add("policy-rule", name, rule.name, rule.source, rule.why);
    }
    reasons.add("policy-default", name, "", source);
  }
}

type OwnFilter = AcceptAll | ChainFilter;

export class AcceptAll implements Filter {
  /** Whose it is. */
  policies: Policies;
  readonly localAs: number;
  readonly names: readonly string[] = [ACCEPT_ALL];
  readonly acceptsAll = true;
  readonly rejectsAll = 0;
  readonly asksPrefix = false;
  readonly asksOrigin = false;
  readonly asksPath = false;
  readonly setsNextHop = false;
  readonly setsMed = false;
  readonly constants: Vars = NO_VARS;
  private readonly verdict = {
    accept: true,
    attr: 0,
    reason: 0,
    nextHopFixed: false,
    exceptions: [],
    logged: [],
  };

  constructor(policies: Policies, localAs: number) {
    this.policies = policies;
    this.localAs = localAs;
  }

  groupKey(): string {
    return "";
  }

  varsAreFixed(): boolean {
    return false;
  }

  decide(attr: AttrId): Verdict {
    this.verdict.attr = attr;
    return this.verdict;
  }

  explain(attr: AttrId): Explanation {
    return { rules: [], verdict: this.decide(attr) };
  }

  rejected(): null {
    return null;
  }
}
