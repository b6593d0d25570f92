/** Policies of a file: their rules checked and put into the form that @ts-bgp/policy compiles. */

import {
  ACCEPT_ALL,
  type AsPathTest,
  AsSet,
  type CommunityChange,
  type CommunityTest,
  type Conditions,
  compileAsPathRegex,
  type Modifications,
  type Policy,
  type Range,
  type Rule,
  type SourceTest,
} from "@ts-bgp/policy";
import { parseHostAddress } from "./addresses.ts";
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
import type { CommunityKind } from "./lists.ts";
import { COMMUNITIES, type Term, type TermChecker } from "./terms.ts";
import { isSection, type Section } from "./yaml-file.ts";

const NO_LIST = new AsSet([]);
/** Mandatory attributes, those that keep reflected routes from looping, and those of other families. */
const KEPT_ATTRIBUTES = [1, 2, 3, 9, 10, 14, 15, 17];

export function checkPolicies(
  shape: FileShape,
  terms: TermChecker,
  checker: Checker,
): Record<string, Policy> {
  const policies = shape.policies ?? {};
  const rules = new RuleChecker(terms, checker);
  for (const name of Object.keys(policies)) {
    if (name !== ACCEPT_ALL) continue;
    checker.yaml.add(checker.yaml.keyAt(policies, name), `"${name}" is built in`);
  }
  return Object.fromEntries(
    Object.entries(policies).map(([name, policy]) => [name, rules.policy(policies, name, policy)]),
  );
}

class RuleChecker {
  private readonly terms: TermChecker;
  private readonly checker: Checker;

  constructor(terms: TermChecker, checker: Checker) {
    this.terms = terms;
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
      ...(rule.log === true ? { log: true } : {}),
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
      prefix: this.each(section, "prefix", (term) => this.terms.prefix(term)),
      prefixLength: this.range(section, "prefix-length", section["prefix-length"]),
      family,
      asPath: section["as-path"] && this.asPath(section["as-path"]),
      neighborAs: this.each(section, "neighbor-as", (term) => {
        if (term.text !== "$peer-as") this.terms.as(term);
        else this.checker.yaml.add(term.at, "the neighbor's AS is always $peer-as");
      }),
      peer: this.each(section, "peer", (term) => this.terms.peer(term)),
      ...this.communityTests(section),
      source: section.source && this.source(section.source),
      route: this.each(section, "route", (term) => this.terms.route(term)),
      communityCount: this.range(section, "community-count", section["community-count"]),
      nextHop: this.each(section, "next-hop", (term) => this.terms.nextHop(term)),
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
      const at = this.checker.yaml.valueAt(section, "regex");
      const compiled = compileAsPathRegex(regex, (name) => {
        this.terms.name("as-list", name, at);
        return NO_LIST;
      });
      if ("message" in compiled) {
        const place = `character ${compiled.at + 1}`;
        this.checker.yaml.add(at, `regular expression "${regex}", ${place}: ${compiled.message}`);
      }
    }
    return compact<AsPathTest>({
      first: this.each(section, "first", (term) => this.terms.as(term)),
      origin: this.each(section, "origin", (term) => this.terms.as(term)),
      contains: this.each(section, "contains", (term) => this.terms.as(term)),
      behindFirst: this.each(section, "behind-first", (term) => this.terms.as(term)),
      beforeOrigin: this.each(section, "before-origin", (term) => this.terms.as(term)),
      length: this.range(section, "length", section.length),
      regex,
    });
  }

  private source(section: NonNullable<FileConditions["source"]>): SourceTest {
    const { vars } = section;
    const values = (name: string) => [
      name,
      this.each(vars!, name, (term) => this.terms.text(term))!,
    ];
    return compact<SourceTest>({
      as: this.each(section, "as", (term) => this.terms.as(term)),
      peer: this.each(section, "peer", (term) => this.terms.peer(term)),
      vars: vars && Object.fromEntries(Object.keys(vars).map(values)),
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
    const check = (term: Term) => this.terms.community(kind, term, false);
    if (test === undefined) return undefined;
    if (!isSection(test)) return compact<CommunityTest>({ anyOf: this.each(section, key, check) });
    return compact<CommunityTest>({
      anyOf: this.each(test, "any-of", check),
      allOf: this.each(test, "all-of", check),
      count: this.range(test, "count", test.count),
    });
  }

  private modifications(section: FileModifications): Modifications {
    const { med, origin, prepend } = section;
    const localPref = section["local-pref"];
    const asPath = section["as-path"];
    this.each(section, "remove-attributes", (term) => this.removed(term));
    for (const key of ["local-pref", "med"] as const) {
      const value = section[key];
      if (typeof value !== "string" || value === "none") continue;
      this.terms.number({ text: value, at: this.checker.yaml.valueAt(section, key) });
    }
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
      localPref: typeof localPref === "object" ? localPref : setTo(localPref),
      med,
      origin,
      nextHop,
      ...Object.fromEntries(changes),
      prepend:
        typeof prepend === "number"
          ? { as: "$local-as", count: prepend }
          : prepend && { as: String(prepend.as), count: prepend.count ?? 1 },
      asPath: asPath && {
        ...(asPath["remove-private"] === true ? { removePrivate: true } : {}),
        ...compact({ replace: this.each(asPath, "replace", (term) => this.terms.as(term)) }),
      },
      removeAttributes: section["remove-attributes"] && listOf(section["remove-attributes"]),
    } as Modifications);
  }

  private removed({ text, at }: Term): void {
    if (!KEPT_ATTRIBUTES.includes(Number(text))) return;
    this.checker.yaml.add(at, `attribute ${text} is one that no rule can take out`);
  }

  private communityChange(kind: CommunityKind, change: FileCommunityChange): CommunityChange {
    const named = (term: Term) => this.terms.community(kind, term, true);
    return compact<CommunityChange>({
      set: this.each(change, "set", named),
      remove: this.each(change, "remove", (term) => this.terms.community(kind, term, false)),
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
}

function setTo<T>(set: T | undefined): { set: T } | undefined {
  return set === undefined ? undefined : { set };
}

/** Leaves out what is undefined. */
function compact<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
