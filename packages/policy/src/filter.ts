/**
 * A chain of policies as one list of rules, and the memory of what it decided.
 *
 * `run` is the only interpreter: it decides, and with a trace it explains. What it decided for a
 * set is remembered as a tree whose inner nodes are the prefix tests that were asked, in order,
 * with a branch for each outcome that occurred: the outcomes alone determine the verdict. A chain
 * that asks nothing of the prefix has a tree of one leaf. Trees are kept for the sets asked last.
 */

import type { Family } from "@ts-bgp/wire-codec";
import type { Compilation, Condition, Modification } from "./condition.ts";
import { compileConditions } from "./conditions.ts";
import { compileModifications } from "./modifications.ts";
import type { Policies } from "./policies.ts";
import { REASON, type ReasonTable } from "./reasons.ts";
import { originOf, type PrefixTest, type Route } from "./route.ts";
import type { Terms } from "./terms.ts";
import type {
  AttrId,
  AttributeSets,
  Explanation,
  Filter,
  LoggedRule,
  PeerFacts,
  RuleTrace,
  Verdict,
} from "./types.ts";
import type { Action, Policy, Rule } from "./values.ts";
import { areSameValues, type Vars, valuesOf } from "./vars.ts";

/** What all filters of a configuration share. */
export interface FilterContext {
  readonly sets: AttributeSets;
  readonly reasons: ReasonTable;
  terms: Terms;
  readonly route: Route;
  /** Counts slices: a reference taken in an earlier one has been given up. */
  slice: number;
  /** Result sets referenced in this slice, in the order in which they are given up. */
  held: AttrId[];
}

/** A rule, or a policy's default, which is a rule without conditions. */
interface CompiledRule {
  readonly policy: string;
  readonly rule: string;
  readonly source: Rule["source"];
  readonly conditions: readonly Condition[];
  readonly modifications: readonly Modification[];
  readonly action: Action;
  /** Number in the reason table, 0 unless it rejects. */
  readonly reason: number;
  /** Null unless it is to be logged. */
  readonly logged: LoggedRule | null;
  /** Index of the first rule of the following policy. */
  readonly next: number;
}

/** Trees kept; a power of two. */
const SLOTS = 256;
/** A tree does not grow beyond this; further turns are decided anew each time. */
const NODES_MAX = 4096;
const NO_EXCEPTIONS: readonly number[] = [];
const NO_RULES: readonly LoggedRule[] = [];

class Node {
  test: PrefixTest | null = null;
  yes: Node | null = null;
  no: Node | null = null;
  verdict: Leaf | null = null;
}

class Leaf implements Verdict {
  accept = false;
  attr: AttrId = 0;
  reason = 0;
  nextHopFixed = false;
  exceptions: Verdict["exceptions"] = NO_EXCEPTIONS;
  logged: readonly LoggedRule[] = NO_RULES;
  /** Serial of `attr` and slice of the reference to it, 0 when it is the set that was given. */
  serial = 0;
  slice = 0;
}

/** What was decided for one set; used again for another one, so that few are ever made. */
class Tree {
  readonly root: Node = new Node();
  nodes = 1;
  /** See `originOf`; 0 where nobody asks. */
  origin = 0;
  private readonly firstLeaf: Leaf = new Leaf();
  private leaves = 0;

  clear(): this {
    this.root.test = null;
    this.root.yes = null;
    this.root.no = null;
    this.root.verdict = null;
    this.nodes = 1;
    this.leaves = 0;
    return this;
  }

  newLeaf(): Leaf {
    return this.leaves++ === 0 ? this.firstLeaf : new Leaf();
  }
}

export class ChainFilter implements Filter {
  readonly names: readonly string[];
  readonly localAs: number;
  readonly constants: Vars;
  /** Whose chain it is. */
  policies: Policies;
  readonly acceptsAll = false;
  readonly rejectsAll: number;
  readonly asksPrefix: boolean;
  readonly asksOrigin: boolean;
  readonly asksPath: boolean;
  readonly setsNextHop: boolean;
  readonly setsMed: boolean;

  private readonly context: FilterContext;
  private readonly rules: readonly CompiledRule[];
  /** Reason for a route that came past all rules. */
  private readonly lastReason: number;
  private readonly testCount: number;
  /** Some rule changes routes. */
  private readonly changes: boolean;
  private readonly groupKeys: readonly ((peer: PeerFacts) => string)[];
  /** Names of values that peers are asked for. */
  private readonly vars: readonly string[];
  private readonly asksOriginAs: boolean;
  private readonly dependsOnPeer: boolean;
  private readonly dependsOnSource: boolean;

  private readonly trees: (Tree | null)[] = new Array<Tree | null>(SLOTS).fill(null);
  private readonly slotAttr: Uint32Array = new Uint32Array(SLOTS);
  private readonly slotSerial: Uint32Array = new Uint32Array(SLOTS);
  private readonly slotPeer: Uint32Array = new Uint32Array(SLOTS);
  private readonly slotSource: Uint32Array = new Uint32Array(SLOTS);

  /**
   * @param policies - whose chain it is
   * @param chain - policies in order; none rejects every route
   * @param constants - values of peers that stand in them
   */
  constructor(
    policies: Policies,
    chain: readonly Policy[],
    localAs: number,
    constants: Vars,
    context: FilterContext,
  ) {
    const to: Compilation = {
      terms: context.terms,
      localAs,
      tests: new Map(),
      groupKeys: [],
      dependsOnPeer: false,
      dependsOnSource: false,
      vars: new Set(),
      asksOrigin: false,
      asksPath: false,
      asksOriginAs: false,
    };
    const written = Object.keys(constants).length === 0 ? "" : JSON.stringify(constants);
    if (written !== "") to.groupKeys.push(() => written);
    this.constants = constants;
    this.context = context;
    this.policies = policies;
    this.localAs = localAs;
    this.names = chain.map(({ name }) => name);
    this.rules = compileChain(chain, to, context.reasons);
    this.lastReason = lastReason(chain, context.reasons);
    this.rejectsAll = chain.length === 0 ? REASON["no-policy"] : 0;
    const all = chain.flatMap(({ rules }) => rules);
    this.changes = all.some(({ set }) => Object.keys(set).length > 0);
    const changes = all.filter(({ action }) => action !== "reject").map(({ set }) => set);
    this.setsNextHop = changes.some(({ nextHop }) => nextHop !== undefined);
    this.setsMed = changes.some(({ med }) => med !== undefined);
    this.testCount = to.tests.size;
    this.asksPrefix = this.testCount > 0;
    this.asksOrigin = to.asksOrigin;
    this.asksPath = to.asksPath;
    this.groupKeys = to.groupKeys;
    this.vars = [...to.vars].sort();
    this.asksOriginAs = to.asksOriginAs;
    this.dependsOnPeer = to.dependsOnPeer;
    this.dependsOnSource = to.dependsOnSource;
  }

  groupKey(peer: PeerFacts): string {
    const key = this.groupKeys.map((keyOf) => keyOf(peer)).join("/");
    if (!this.varsAreFixed(peer)) return key;
    return `${key}/${JSON.stringify(this.vars.map((name) => valuesOf(peer.vars, name)))}`;
  }

  varsAreFixed({ vars, sameAsVars = [] }: PeerFacts): boolean {
    for (const other of sameAsVars) {
      if (!this.vars.every((name) => areSameValues(other, vars, name))) return true;
    }
    return false;
  }

  decide(
    attr: AttrId,
    source: PeerFacts,
    peer: PeerFacts,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
  ): Verdict {
    const { route } = this.context;
    route.setPrefix(family, w0, w1, w2, w3, bits);
    const tree = this.treeOf(attr, source, peer);
    if (this.asksOrigin || this.asksOriginAs) route.cameAs(attr, peer, tree.origin);
    let node: Node | null = tree.root;
    while (node !== null && node.test !== null) {
      node = node.test.matches(route) ? node.yes : node.no;
    }
    const known = node?.verdict ?? null;
    if (known !== null && this.isCurrent(known)) return known;
    const leaf = known ?? tree.newLeaf();
    this.run(attr, source, peer, leaf, null);
    if (known === null) remember(tree, route.asked, route.outcomes, leaf);
    return leaf;
  }

  explain(...question: Parameters<Filter["decide"]>): Explanation {
    const [attr, source, peer] = question;
    this.look(question);
    const rules: RuleTrace[] = [];
    const verdict = new Leaf();
    this.run(attr, source, peer, verdict, rules);
    return { rules, verdict };
  }

  rejected(...question: Parameters<Filter["decide"]>): Uint8Array | null {
    if (!this.changes) return null;
    const [attr, source, peer] = question;
    this.look(question);
    this.begin(attr, source, peer);
    if (this.firstDecision(null, true)?.action === "accept") return null;
    return this.context.route.changedOctets();
  }

  /** Gets ready for a question of somebody who wants to see, for whom nothing is remembered. */
  private look([attr, , peer, ...prefix]: Parameters<Filter["decide"]>): void {
    const { route, sets } = this.context;
    route.setPrefix(...prefix);
    route.cameAs(attr, peer, originOf(sets, attr, this.localAs));
  }

  private treeOf(attr: AttrId, source: PeerFacts, peer: PeerFacts): Tree {
    const serial = this.context.sets.serialOf(attr);
    const peerNumber = this.dependsOnPeer ? peer.number : 0;
    const sourceNumber = this.dependsOnSource ? source.number : 0;
    const slot = (attr + 31 * peerNumber + 17 * sourceNumber) & (SLOTS - 1);
    const tree = this.trees[slot]!;
    if (
      tree !== null &&
      this.slotAttr[slot] === attr &&
      this.slotSerial[slot] === serial &&
      this.slotPeer[slot] === peerNumber &&
      this.slotSource[slot] === sourceNumber
    ) {
      return tree;
    }
    this.slotAttr[slot] = attr;
    this.slotSerial[slot] = serial;
    this.slotPeer[slot] = peerNumber;
    this.slotSource[slot] = sourceNumber;
    const made = tree?.clear() ?? new Tree();
    if (this.asksOrigin || this.asksOriginAs)
      made.origin = originOf(this.context.sets, attr, this.localAs);
    this.trees[slot] = made;
    return made;
  }

  /**
   * @returns whether the result set of a remembered verdict still exists; it is then referenced
   *   until the end of the slice
   */
  private isCurrent(leaf: Leaf): boolean {
    const { sets, slice, held } = this.context;
    if (leaf.serial === 0 || leaf.slice === slice) return true;
    if (sets.serialOf(leaf.attr) !== leaf.serial) return false;
    sets.hold(leaf.attr);
    held.push(leaf.attr);
    leaf.slice = slice;
    return true;
  }

  private begin(attr: AttrId, source: PeerFacts, peer: PeerFacts): void {
    const { route, sets } = this.context;
    route.begin(sets, attr, source, peer, this.testCount);
    route.varsAreFixed = peer.anyPeer && this.vars.length > 0 && this.varsAreFixed(peer);
  }

  /** Takes the route at hand through the rules and puts the verdict into `leaf`. */
  private run(
    attr: AttrId,
    source: PeerFacts,
    peer: PeerFacts,
    leaf: Leaf,
    trace: RuleTrace[] | null,
  ): void {
    const { route } = this.context;
    this.begin(attr, source, peer);
    const decided = this.firstDecision(trace, trace !== null);
    leaf.accept = decided !== null && decided.action === "accept";
    leaf.reason = leaf.accept ? 0 : (decided?.reason ?? this.lastReason);
    if (leaf.accept && route.tooLong) leaf.reason = REASON["attributes-too-long"];
    if (leaf.accept && route.nextHopUnavailable) leaf.reason = REASON["next-hop-unavailable"];
    leaf.accept = leaf.reason === 0;
    leaf.attr = leaf.accept ? attr : 0;
    leaf.serial = 0;
    leaf.nextHopFixed = route.nextHopFixed;
    leaf.logged = route.logged.length === 0 ? NO_RULES : [...route.logged];
    leaf.exceptions = route.exceptions.length === 0 ? NO_EXCEPTIONS : [...route.exceptions];
    if (leaf.accept && route.changed) this.internResult(attr, leaf);
  }

  /**
   * @param showsRejected - what a rule that rejects changes is of interest
   * @returns the rule that accepts or rejects the route, null when none does
   */
  private firstDecision(trace: RuleTrace[] | null, showsRejected: boolean): CompiledRule | null {
    const { rules } = this;
    const { route } = this.context;
    for (let i = 0; i < rules.length; ) {
      const rule = rules[i++]!;
      if (trace !== null) {
        if (!traced(rule, route, trace)) continue;
      } else {
        if (!holdAll(rule.conditions, route)) continue;
        if (rule.action !== "reject" || showsRejected) {
          for (const modification of rule.modifications) modification.apply(route);
        }
      }
      if (rule.logged !== null) route.logged.push(rule.logged);
      if (rule.action === "return") i = rule.next;
      else if (rule.action !== "next") return rule;
    }
    return null;
  }

  private internResult(attr: AttrId, leaf: Leaf): void {
    const { route, sets, held, slice } = this.context;
    leaf.attr = sets.intern(route.buf, route.at, route.end);
    held.push(leaf.attr);
    if (leaf.attr === attr) return;
    leaf.serial = sets.serialOf(leaf.attr);
    leaf.slice = slice;
  }
}

function holdAll(conditions: readonly Condition[], route: Route): boolean {
  for (const condition of conditions) if (!condition.holds(route)) return false;
  return true;
}

/**
 * Asks every condition, also those behind one that fails, applies the rule if all hold, and writes
 * down what came of it. @returns whether all held
 */
function traced(rule: CompiledRule, route: Route, trace: RuleTrace[]): boolean {
  const conditions = rule.conditions.map((condition) => ({
    condition: condition.text,
    holds: condition.holds(route),
    found: condition.found(route),
  }));
  const matches = conditions.every(({ holds }) => holds);
  const { policy, source, action } = rule;
  const modifications: string[] = [];
  for (const modification of matches ? rule.modifications : []) {
    const idle = modification.idle?.(route) ?? null;
    modifications.push(`${modification.text}${idle === null ? "" : `: nothing, ${idle}`}`);
    modification.apply(route);
  }
  trace.push({ policy, rule: rule.rule, source, matches, conditions, modifications, action });
  return matches;
}

function compileChain(
  chain: readonly Policy[],
  to: Compilation,
  reasons: ReasonTable,
): CompiledRule[] {
  const compiled: CompiledRule[] = [];
  for (const policy of chain) compiled.push(...compilePolicy(policy, compiled.length, to, reasons));
  return compiled;
}

/** @param at - index of the policy's first rule in the chain */
function compilePolicy(
  policy: Policy,
  at: number,
  to: Compilation,
  reasons: ReasonTable,
): CompiledRule[] {
  const next = at + policy.rules.length + (policy.default === "next" ? 0 : 1);
  const rules = policy.rules.map((rule): CompiledRule => {
    const reason = () => reasons.numberOf("policy-rule", policy.name, rule.name);
    return {
      policy: policy.name,
      rule: rule.name,
      source: rule.source,
      conditions: compileConditions(rule.if, to),
      modifications: compileModifications(rule.set, to),
      action: rule.action,
      reason: rule.action === "reject" ? reason() : 0,
      logged:
        rule.log === true ? { policy: policy.name, rule: rule.name, action: rule.action } : null,
      next,
    };
  });
  if (policy.default === "next") return rules;
  const last: CompiledRule = {
    policy: policy.name,
    rule: "",
    source: policy.source,
    conditions: [],
    modifications: [],
    action: policy.default,
    reason: policy.default === "reject" ? reasons.numberOf("policy-default", policy.name, "") : 0,
    logged: null,
    next,
  };
  return [...rules, last];
}

/** Past all rules a route is rejected by the last policy, or because there is none. */
function lastReason(chain: readonly Policy[], reasons: ReasonTable): number {
  const last = chain.at(-1);
  if (last === undefined) return REASON["no-policy"];
  return reasons.numberOf("policy-default", last.name, "");
}

/** Adds the verdict behind the outcomes of the tests that led to it. */
function remember(
  tree: Tree,
  asked: readonly PrefixTest[],
  outcomes: Uint8Array,
  leaf: Leaf,
): void {
  if (tree.nodes + asked.length > NODES_MAX) return;
  let node = tree.root;
  for (const test of asked) {
    node.test = test;
    const yes = outcomes[test.index] === 1;
    let next = yes ? node.yes : node.no;
    if (next === null) {
      next = new Node();
      tree.nodes++;
      if (yes) node.yes = next;
      else node.no = next;
    }
    node = next;
  }
  node.verdict = leaf;
}
