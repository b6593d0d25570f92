/** Policies of a file: their rules checked and put into the form that @ts-bgp/policy compiles. */

import {
  ACCEPT_ALL,
  type AsPathTest,
  type CommunityChange,
  type CommunityTest,
  type Conditions,
  compileAsPathRegex,
  hasWildcard,
  isListName,
  type Modifications,
  type Policy,
  parseAsRange,
  type Range,
  type Rule,
} from "@ts-bgp/policy";
import { parseHostAddress, prefixMistake } from "./addresses.ts";
import { type Checker, listOf } from "./checker.ts";
import type {
  FileCommunityChange,
  FileCommunityTest,
  FileConditions,
  FileModifications,
  FilePolicy,
  FileRange,
  FileRule,
  FileShape,
  OneOrMore,
} from "./file-shape.ts";
import { type CheckedLists, type CommunityKind, communityMistake } from "./lists.ts";
import { didYouMean } from "./mistakes.ts";
import { isSection, type Section } from "./yaml-file.ts";

/** A term and where it stands. */
interface Term {
  readonly text: string;
  readonly at: number;
}

const COMMUNITIES = [
  { key: "community", field: "community", kind: "standard" },
  { key: "large-community", field: "largeCommunity", kind: "large" },
  { key: "extended-community", field: "extendedCommunity", kind: "extended" },
] as const;

export function checkPolicies(
  shape: FileShape,
  lists: CheckedLists,
  checker: Checker,
): Record<string, Policy> {
  const policies = shape.policies ?? {};
  const rules = new RuleChecker(lists, checker);
  for (const name of Object.keys(policies)) {
    if (name !== ACCEPT_ALL) continue;
    checker.yaml.add(checker.yaml.keyAt(policies, name), `"${name}" is built in`);
  }
  return Object.fromEntries(
    Object.entries(policies).map(([name, policy]) => [name, rules.policy(policies, name, policy)]),
  );
}

class RuleChecker {
  private readonly lists: CheckedLists;
  private readonly checker: Checker;

  constructor(lists: CheckedLists, checker: Checker) {
    this.lists = lists;
    this.checker = checker;
  }

  policy(policies: object, name: string, policy: FilePolicy): Policy {
    const { yaml } = this.checker;
    const isList = (value: FilePolicy): value is readonly FileRule[] => Array.isArray(value);
    const rules = isList(policy) ? policy : policy.rules;
    this.checkOrder(rules);
    return {
      name,
      source: yaml.sourceOf(yaml.keyAt(policies, name)),
      rules: rules.map((rule, k) => this.rule(rule, k)),
      default: isList(policy) ? "next" : (policy.default ?? "next"),
    };
  }

  /** Names are unique, and no rule stands behind one that always decides. */
  private checkOrder(rules: readonly FileRule[]): void {
    const { yaml } = this.checker;
    const lines = new Map<string, number>();
    let decided = false;
    for (const [k, rule] of rules.entries()) {
      const at = yaml.valueAt(rules, k);
      if (decided) this.checker.warn(at, "no route comes to this rule: the one before takes all");
      decided = (rule.then ?? "next") !== "next" && Object.keys(rule.if ?? {}).length === 0;
      if (rule.name === undefined) continue;
      const first = lines.get(rule.name);
      if (first === undefined) lines.set(rule.name, yaml.sourceOf(at).line);
      else {
        const message = `rule "${rule.name}" appears twice, first at line ${first}`;
        yaml.add(yaml.valueAt(rule, "name"), message);
      }
    }
  }

  private rule(rule: FileRule, index: number): Rule {
    const { yaml } = this.checker;
    const action = rule.then ?? "next";
    if (action !== "reject" && rule.reason !== undefined) {
      yaml.add(yaml.keyAt(rule, "reason"), "only a rule that rejects has a reason");
    }
    const { reason } = rule;
    return {
      name: rule.name ?? `rule ${index + 1}`,
      source: yaml.sourceOf(yaml.at(rule)),
      if: rule.if === undefined ? {} : this.conditions(rule.if),
      set: rule.set === undefined ? {} : this.modifications(rule.set),
      action,
      ...(reason === undefined ? {} : { why: reason }),
    };
  }

  private conditions(section: FileConditions): Conditions {
    const { family, med, origin, rpki, aspa, all, any, not } = section;
    const routeType = section["route-type"];
    this.checkLength(section);
    for (const key of ["rpki", "aspa"] as const) {
      if (section[key] === undefined || this.checker.hasRpki) continue;
      const at = this.checker.yaml.keyAt(section, key);
      this.checker.yaml.add(at, `"${key}" needs a section "rpki" with caches or files`);
    }
    return compact<Conditions>({
      prefix: this.each(section, "prefix", (term) => this.prefix(term)),
      prefixLength: this.range(section, "prefix-length", section["prefix-length"]),
      family,
      asPath: section["as-path"] && this.asPath(section["as-path"]),
      neighborAs: this.each(section, "neighbor-as", (term) => {
        if (term.text !== "$peer-as") this.as(term);
        else this.checker.yaml.add(term.at, "the neighbor's AS is always $peer-as");
      }),
      peer: this.each(section, "peer", (term) => this.peer(term)),
      ...this.communityTests(section),
      communityCount: this.range(section, "community-count", section["community-count"]),
      nextHop: this.each(section, "next-hop", (term) => this.nextHop(term)),
      localPref: this.range(section, "local-pref", section["local-pref"]),
      med: med === "none" ? med : this.range(section, "med", med),
      origin: origin === undefined ? undefined : listOf(origin),
      routeType: routeType === undefined ? undefined : listOf(routeType),
      rpki: rpki === undefined ? undefined : listOf(rpki),
      aspa: aspa === undefined ? undefined : listOf(aspa),
      all: all?.map((one) => this.conditions(one)),
      any: any?.map((one) => this.conditions(one)),
      not: not === undefined ? undefined : this.conditions(not),
    });
  }

  /** Prefix lengths stay within what the family has. */
  private checkLength(section: FileConditions): void {
    const range = section["prefix-length"];
    if (range === undefined) return;
    const longest = section.family === "ipv4-unicast" ? 32 : 128;
    const { min = 0, max = 0 } = typeof range === "number" ? { min: range } : range;
    if (Math.max(min, max) <= longest) return;
    const { yaml } = this.checker;
    const at = yaml.valueAt(section, "prefix-length");
    yaml.add(at, `no prefix is longer than ${longest}`);
  }

  private asPath(section: NonNullable<FileConditions["as-path"]>): AsPathTest {
    const { regex } = section;
    if (regex !== undefined) {
      const compiled = compileAsPathRegex(regex);
      if ("message" in compiled) {
        const at = this.checker.yaml.valueAt(section, "regex");
        const place = `character ${compiled.at + 1}`;
        this.checker.yaml.add(at, `regular expression "${regex}", ${place}: ${compiled.message}`);
      }
    }
    return compact<AsPathTest>({
      first: this.each(section, "first", (term) => this.as(term)),
      origin: this.each(section, "origin", (term) => this.as(term)),
      contains: this.each(section, "contains", (term) => this.as(term)),
      length: this.range(section, "length", section.length),
      regex,
    });
  }

  private communityTests(section: FileConditions): Partial<Conditions> {
    const tests = COMMUNITIES.map(({ key, field, kind }) => [
      field,
      this.communityTest(kind, section, key),
    ]);
    return Object.fromEntries(tests);
  }

  private communityTest(
    kind: CommunityKind,
    section: FileConditions,
    key: "community" | "large-community" | "extended-community",
  ): CommunityTest | undefined {
    const test: FileCommunityTest | undefined = section[key];
    const check = (term: Term) => this.community(kind, term, false);
    if (test === undefined) return undefined;
    if (!isSection(test)) return compact<CommunityTest>({ anyOf: this.each(section, key, check) });
    return compact<CommunityTest>({
      anyOf: this.each(test, "any-of", check),
      allOf: this.each(test, "all-of", check),
    });
  }

  private modifications(section: FileModifications): Modifications {
    const { med, origin, prepend } = section;
    const localPref = section["local-pref"];
    const nextHop = section["next-hop"];
    if (nextHop !== undefined && !["self", "peer-address", "unchanged"].includes(nextHop)) {
      const address = parseHostAddress(nextHop);
      if (typeof address === "string" || address.linkLocal || address.multicast) {
        const expected = "must be self, peer-address, unchanged or an address";
        const at = this.checker.yaml.valueAt(section, "next-hop");
        this.checker.yaml.add(at, `"next-hop" ${expected}, not "${nextHop}"`);
      }
    }
    const changes = COMMUNITIES.map(({ key, field, kind }) => [
      field,
      section[key] && this.communityChange(kind, section[key]),
    ]);
    return compact<Modifications>({
      localPref: typeof localPref === "number" ? { set: localPref } : localPref,
      med,
      origin,
      nextHop,
      ...Object.fromEntries(changes),
      prepend:
        typeof prepend === "number"
          ? { as: "$local-as", count: prepend }
          : prepend && { as: String(prepend.as), count: prepend.count ?? 1 },
    } as Modifications);
  }

  private communityChange(kind: CommunityKind, change: FileCommunityChange): CommunityChange {
    const named = (term: Term) => this.community(kind, term, true);
    return compact<CommunityChange>({
      set: this.each(change, "set", named),
      remove: this.each(change, "remove", (term) => this.community(kind, term, false)),
      add: this.each(change, "add", named),
    });
  }

  /** @returns the terms of a key as text, each looked at; undefined when the key is not there */
  private each(
    section: object,
    key: string,
    check: (term: Term) => void,
  ): readonly string[] | undefined {
    const value = (section as Section)[key] as OneOrMore<string | number> | undefined;
    if (value === undefined) return undefined;
    const { yaml } = this.checker;
    const terms = Array.isArray(value)
      ? value.map((item, k) => ({ text: String(item), at: yaml.valueAt(value, k) }))
      : [{ text: String(value), at: yaml.valueAt(section, key) }];
    for (const term of terms) check(term);
    return terms.map(({ text }) => text);
  }

  private range(section: object, key: string, range: FileRange | undefined): Range | undefined {
    if (range === undefined) return undefined;
    if (typeof range === "number") return { min: range, max: range };
    const { min = 0, max = Number.POSITIVE_INFINITY } = range;
    if (min > max) {
      this.checker.yaml.add(
        this.checker.yaml.valueAt(section, key),
        `min ${min} is above max ${max}`,
      );
    }
    return { ...range };
  }

  private prefix({ text, at }: Term): void {
    if (isListName.prefix(text)) this.name("prefix-list", text, at);
    else this.note(prefixMistake(text), at);
  }

  private as({ text, at }: Term): void {
    if (text === "$peer-as" || text === "$local-as") return;
    const range = parseAsRange(text);
    if (isListName.as(text)) this.name("as-list", text, at);
    else if (typeof range === "string") this.note(range, at);
  }

  private community(kind: CommunityKind, { text, at }: Term, wanted: boolean): void {
    const isName = isListName.community(text);
    if (isName) this.name("community-list", text, at);
    const entries = isName ? (this.lists.communityLists[text] ?? []) : [text];
    const listKind = isName ? this.lists.communityKinds.get(text) : kind;
    if (listKind !== undefined && listKind !== kind) {
      const key = COMMUNITIES.find((row) => row.kind === listKind)!.key;
      this.note(`community-list "${text}" is for ${key}`, at);
    } else if (!isName) {
      this.note(communityMistake(kind, text, this.checker.localAs), at);
    }
    const wild = wanted ? entries.find(hasWildcard) : undefined;
    if (wild !== undefined) this.note(`"${wild}" stands for many; only remove takes patterns`, at);
  }

  private peer({ text, at }: Term): void {
    const address = parseHostAddress(text);
    if (!/^[0-9]|:/.test(text)) this.name("group", text, at);
    else if (typeof address === "string") this.note(address, at);
    else if (address.text !== text) this.note(`write "${text}" as "${address.text}"`, at);
  }

  private nextHop({ text, at }: Term): void {
    if (text === "peer-address" || text === "same-as") return;
    if (text.includes("/")) {
      this.note(/ /.test(text) ? `"${text}" is not a plain prefix` : prefixMistake(text), at);
      return;
    }
    const address = parseHostAddress(text);
    if (typeof address === "string") {
      const hint = didYouMean(text, ["peer-address", "same-as"]);
      this.note(`"${text}" is not an address, peer-address or same-as${hint}`, at);
    }
  }

  private name(
    kind: "prefix-list" | "as-list" | "community-list" | "group",
    name: string,
    at: number,
  ): void {
    const { defined, used } = this.checker.names[kind];
    used.add(name);
    if (!defined.has(name)) {
      this.note(`${kind} "${name}" is not defined${didYouMean(name, defined)}`, at);
    }
  }

  private note(message: string | null, at: number): void {
    if (message !== null) this.checker.yaml.add(at, message);
  }
}

/** Leaves out what is undefined. */
function compact<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
