/** Terms of policies, looked at one by one: list names, patterns, numbers, and values of neighbors. */

import {
  fieldVarOf,
  hasWildcard,
  isListName,
  parseAsRange,
  type TermKind,
  varOf,
} from "@ts-bgp/policy";
import { parseHostAddress, prefixMistake } from "./addresses.ts";
import { builtinNames } from "./builtin.ts";
import type { Checker } from "./checker.ts";
import { type CheckedLists, type CommunityKind, communityMistake } from "./lists.ts";
import { didYouMean } from "./mistakes.ts";

/** A term and where it stands. */
export interface Term {
  readonly text: string;
  readonly at: number;
}

export const COMMUNITIES = [
  { key: "community", field: "community", kind: "standard" },
  { key: "large-community", field: "largeCommunity", kind: "large" },
  { key: "extended-community", field: "extendedCommunity", kind: "extended" },
] as const;

type ListKind = "prefix-list" | "as-list" | "community-list" | "route-list" | "group";

export class TermChecker {
  /** Names in `$name`: for each kind of term that it stands for, where first. */
  readonly vars: Map<string, Map<TermKind, number>> = new Map();
  private readonly lists: CheckedLists;
  private readonly checker: Checker;

  constructor(lists: CheckedLists, checker: Checker) {
    this.lists = lists;
    this.checker = checker;
  }

  /** @returns whether the term is `$name`, which is noted */
  private isVar(kind: TermKind, text: string, at: number, name = varOf(text)): boolean {
    if (name === null) return false;
    const kinds = this.vars.get(name) ?? new Map<TermKind, number>();
    this.vars.set(name, kinds);
    if (!kinds.has(kind)) kinds.set(kind, at);
    return true;
  }

  /** Looks at a value that stands for a term of that kind. */
  value(kind: TermKind, term: Term): void {
    const { text, at } = term;
    switch (kind) {
      case "prefix":
        this.prefix(term);
        break;
      case "route":
        this.route(term);
        break;
      case "as":
      case "neighbor-as":
        this.as(term);
        break;
      case "next-hop":
        this.nextHop(term);
        break;
      case "standard":
      case "large":
      case "extended":
        this.community(kind, term, false);
        break;
      case "number":
      case "part":
        if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffffffff) {
          this.note(`"${text}" is not a number from 0 to 4294967295`, at);
        }
        break;
      default:
        break;
    }
  }

  /** A value to compare values with. */
  text({ text, at }: Term): void {
    this.isVar("text", text, at);
  }

  number({ text, at }: Term): void {
    if (!this.isVar("number", text, at)) this.note(`"${text}" is not a number or a value`, at);
  }

  route({ text, at }: Term): void {
    if (!this.isVar("route", text, at)) this.name("route-list", text, at);
  }

  prefix({ text, at }: Term): void {
    if (this.isVar("prefix", text, at)) return;
    if (isListName.prefix(text)) this.name("prefix-list", text, at);
    else this.note(prefixMistake(text), at);
  }

  as({ text, at }: Term): void {
    if (text === "$peer-as" || text === "$local-as" || this.isVar("as", text, at)) return;
    const range = parseAsRange(text);
    if (isListName.as(text)) this.name("as-list", text, at);
    else if (typeof range === "string") this.note(range, at);
  }

  community(kind: CommunityKind, { text, at }: Term, wanted: boolean): void {
    if (this.isVar(kind, text, at)) return;
    this.isVar("part", text, at, fieldVarOf(text));
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

  peer({ text, at }: Term): void {
    const address = parseHostAddress(text);
    if (!/^[0-9]|:/.test(text)) this.name("group", text, at);
    else if (typeof address === "string") this.note(address, at);
    else if (address.text !== text) this.note(`write "${text}" as "${address.text}"`, at);
  }

  nextHop({ text, at }: Term): void {
    if (text === "peer-address" || text === "same-as" || this.isVar("next-hop", text, at)) return;
    const isDefined = this.checker.names["prefix-list"].defined.has(text);
    if (isListName.nextHop(text) && (isDefined || text.startsWith("@"))) {
      this.name("prefix-list", text, at);
      return;
    }
    if (text.includes("/")) {
      this.note(/ /.test(text) ? `"${text}" is not a plain prefix` : prefixMistake(text), at);
      return;
    }
    const address = parseHostAddress(text);
    if (typeof address === "string") {
      const { defined } = this.checker.names["prefix-list"];
      const hint = didYouMean(text, ["peer-address", "same-as", ...defined]);
      this.note(`"${text}" is not an address, a prefix list, peer-address or same-as${hint}`, at);
    }
  }

  name(kind: ListKind, name: string, at: number): void {
    const { defined, used } = this.checker.names[kind];
    used.add(name);
    const builtin = builtinNames(kind);
    if (!defined.has(name) && !builtin.includes(name)) {
      this.note(
        `${kind} "${name}" is not defined${didYouMean(name, [...defined, ...builtin])}`,
        at,
      );
    }
  }

  note(message: string | null, at: number): void {
    if (message !== null) this.checker.yaml.add(at, message);
  }
}
