/**
 * Blackholing (RFC 7999): a neighbor asks for traffic to prefixes of its own to be thrown away.
 *
 * It becomes a policy that stands before the neighbor's import policies, so all that holds of policies
 * holds of it: reasons, explanations, reloads.
 */

import {
  ACCEPT_ALL,
  forEachPrefix,
  isListName,
  type Lists,
  type Policy,
  type PrefixEntries,
  PrefixListBuilder,
  type Rule,
} from "@ts-bgp/policy";
import { parseHostAddress } from "./addresses.ts";
import { type Checker, listOf } from "./checker.ts";
import type { FileBlackhole } from "./file-shape.ts";
import { communityMistake } from "./lists.ts";
import { didYouMean } from "./mistakes.ts";
import type { NeighborOptions } from "./types.ts";

/** @returns the policies that routes of a neighbor go through; see `NeighborOptions.blackhole` */
export function importChain({
  import: chain,
  blackhole,
}: Pick<NeighborOptions, "import" | "blackhole">): readonly string[] {
  if (blackhole === null) return chain;
  // This one accepts what is no blackhole route itself.
  return chain[0] === ACCEPT_ALL ? [blackhole] : [blackhole, ...chain];
}

/** Notes what is wrong with a section, wherever it applies. */
export function checkBlackhole(section: FileBlackhole, checker: Checker): void {
  const { yaml, names } = checker;
  const each = (key: keyof FileBlackhole, check: (text: string, at: number) => void) => {
    const value = section[key] as string | readonly string[] | undefined;
    if (value === undefined) return;
    for (const [k, text] of listOf(value).entries()) {
      check(text, Array.isArray(value) ? yaml.valueAt(value, k) : yaml.valueAt(section, key));
    }
  };
  each("prefixes", (name, at) => {
    const lists = names["prefix-list"];
    lists.used.add(name);
    if (lists.defined.has(name)) return;
    yaml.add(at, `prefix-list "${name}" is not defined${didYouMean(name, lists.defined)}`);
  });
  const families = new Set<number>();
  each("next-hop", (text, at) => {
    const address = parseHostAddress(text);
    if (typeof address === "string") yaml.add(at, address);
    else if (address.linkLocal || address.multicast || address.unspecified) {
      yaml.add(at, `${text} is not the address of one host`);
    } else if (families.has(address.version)) {
      yaml.add(at, `there is another next hop for IPv${address.version}`);
    } else families.add(address.version);
  });
  each("communities", (text, at) => {
    const isName = isListName.community(text);
    const mistake = isName
      ? `"${text}" is not a community`
      : communityMistake(kindOf(text), text, checker.localAs);
    if (mistake !== null) yaml.add(at, mistake);
  });
}

const kindOf = (text: string) => (text.split(":").length === 3 ? "large" : "standard");

/** Policies and lists that neighbors' sections come to, each once. */
export class Blackholes {
  readonly policies: Record<string, Policy> = {};
  /** Lists of what lies within the prefixes of other ones. */
  readonly prefixLists: Record<string, PrefixEntries> = {};
  private readonly lists: Lists;

  constructor(lists: Lists) {
    this.lists = lists;
  }

  /**
   * @param section - of a neighbor, merged; checked, with mistakes perhaps
   * @param chain - its import policies
   * @returns the name of the policy; null when the neighbor has no prefixes for that
   */
  policyFor(
    section: FileBlackhole,
    chain: readonly string[],
    source: Policy["source"],
  ): string | null {
    const prefixes = listOf(section.prefixes ?? []).filter((list) =>
      Object.hasOwn(this.lists.prefixLists, list),
    );
    if (prefixes.length === 0) return null;
    const isOpen = chain[0] === ACCEPT_ALL;
    const nextHops = listOf(section["next-hop"] ?? []).map(canonical);
    const communities = listOf(section.communities ?? []);
    const noExport = section["no-export"] ?? true;
    // By what it says, so that a reload finds the same one again.
    const parts = [
      prefixes,
      nextHops,
      communities,
      noExport ? [] : ["export"],
      isOpen ? ["*"] : [],
    ];
    const name = `blackhole(${parts.map((part) => part.join(",")).join(";")})`;
    this.policies[name] ??= {
      name,
      source,
      rules: rulesOf(
        { ...section, prefixes: prefixes.map((list) => this.within(list)), "next-hop": nextHops },
        source,
      ),
      default: isOpen ? "accept" : "next",
    };
    return name;
  }

  /** @returns the name of a list of all prefixes within those of another list */
  private within(list: string): string {
    const name = `within:${list}`;
    if (this.prefixLists[name] !== undefined) return name;
    const known = new Set<string>();
    const builder = new PrefixListBuilder();
    forEachPrefix(this.lists.prefixLists[list]!, (entry) => {
      const { bitsMax, bits, w0, w1, w2, w3 } = entry;
      const key = [bitsMax, bits, w0, w1, w2, w3].join();
      if (known.has(key)) return;
      known.add(key);
      builder.add({ ...entry, ge: bits, le: bitsMax });
    });
    this.prefixLists[name] = builder.list();
    return name;
  }
}

/** @returns the canonical form; of what is no address, the text, which is noted elsewhere */
function canonical(text: string): string {
  const address = parseHostAddress(text);
  return typeof address === "string" ? text : address.text;
}

function rulesOf(section: FileBlackhole, source: Rule["source"]): Rule[] {
  const prefix = listOf(section.prefixes ?? []);
  const others = listOf(section.communities ?? []);
  const standard = ["blackhole", ...others.filter((text) => kindOf(text) === "standard")];
  const large = others.filter((text) => kindOf(text) === "large");
  const asks =
    large.length === 0
      ? { community: { anyOf: standard } }
      : { any: [{ community: { anyOf: standard } }, { largeCommunity: { anyOf: large } }] };
  const marks = (section["no-export"] ?? true) ? ["blackhole", "no-export"] : ["blackhole"];
  const community = { add: marks };
  const accept = { source, action: "accept" } as const;
  return [
    {
      name: "not within the neighbor's prefixes",
      source,
      if: { ...asks, not: { prefix } },
      set: {},
      action: "reject",
    },
    ...listOf(section["next-hop"] ?? []).map((nextHop): Rule => {
      const family = nextHop.includes(":") ? "ipv6-unicast" : "ipv4-unicast";
      const set = { nextHop, community };
      return { ...accept, name: `blackhole by ${nextHop}`, if: { ...asks, family }, set };
    }),
    { ...accept, name: "blackhole", if: asks, set: { community } },
  ];
}
