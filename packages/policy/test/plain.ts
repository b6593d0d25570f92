/**
 * Policies interpreted without any cleverness, on routes as values: what the compiled filters must
 * agree with.
 */

import { formatAsPath, LOCAL_PREF_DEFAULT, parseAddress, parsePrefix } from "@ts-bgp/wire-codec";
import type {
  CommunityChange,
  CommunityTest,
  Conditions,
  Lists,
  Modifications,
  PeerFacts,
  Policy,
  Range,
} from "../src/index.ts";
import type { RouteValue } from "./model.ts";

export interface PlainContext {
  lists: Lists;
  localAs: number;
  source: PeerFacts;
  peer: PeerFacts;
  prefix: string;
}

export interface PlainVerdict {
  accept: boolean;
  route: RouteValue | null;
  rule: string;
  /** Of a rejected route: as the rules left it. */
  left?: RouteValue;
}

export function interpret(
  chain: readonly Policy[],
  input: RouteValue,
  context: PlainContext,
): PlainVerdict {
  const route = structuredClone(input);
  for (const policy of chain) {
    let returned = false;
    for (const rule of policy.rules) {
      if (!satisfies(rule.if, route, context)) continue;
      const isAvailable = modify(rule.set, route, context);
      if (rule.action === "reject")
        return { accept: false, route: null, rule: rule.name, left: route };
      if (!isAvailable) return { accept: false, route: null, rule: "unavailable" };
      if (rule.action === "accept") return { accept: true, route, rule: "" };
      returned = rule.action === "return";
      if (returned) break;
    }
    if (returned) continue;
    if (policy.default === "accept") return { accept: true, route, rule: "" };
    if (policy.default === "reject") return { accept: false, route: null, rule: "", left: route };
  }
  return { accept: false, route: null, rule: "", left: route };
}

function satisfies(conditions: Conditions, route: RouteValue, context: PlainContext): boolean {
  const { peer, source, prefix } = context;
  const bits = Number(prefix.split("/")[1]);
  const path = route.asPath.flatMap(({ as }) => as);
  const first = route.asPath[0]?.type === "AS_SEQUENCE" ? path[0]! : 0;
  const last = route.asPath.at(-1)?.type === "AS_SEQUENCE" ? path.at(-1)! : 0;
  const length = route.asPath.reduce((n, s) => n + (s.type === "AS_SET" ? 1 : s.as.length), 0);
  const as = (terms: readonly string[] | undefined, values: number[]) =>
    terms === undefined || values.some((v) => v !== 0 && terms.some((t) => isAs(t, v, context)));
  const c = conditions;
  const all = [...route.communities, ...route.large, ...route.extended];
  return (
    (c.prefix === undefined || c.prefix.some((term) => inPrefixTerm(term, context))) &&
    inRange(c.prefixLength, bits) &&
    (c.family === undefined || (c.family === "ipv6-unicast") === prefix.includes(":")) &&
    as(c.asPath?.first, [first]) &&
    as(c.asPath?.origin, [last]) &&
    as(c.asPath?.contains, path) &&
    inRange(c.asPath?.length, length) &&
    (c.asPath?.regex === undefined || regexMatches(c.asPath.regex, formatAsPath(route.asPath))) &&
    as(c.neighborAs, [peer.as]) &&
    (c.peer === undefined || c.peer.includes(peer.address) || c.peer.includes(peer.group)) &&
    inCommunities(c.community, route.communities, context) &&
    inCommunities(c.largeCommunity, route.large, context) &&
    inCommunities(c.extendedCommunity, route.extended, context) &&
    inRange(c.communityCount, all.length) &&
    (c.nextHop === undefined || c.nextHop.some((term) => isNextHop(term, route.nextHop, peer))) &&
    inRange(c.localPref, route.localPref ?? LOCAL_PREF_DEFAULT) &&
    (c.med === undefined ||
      (c.med === "none" ? route.med === null : route.med !== null && inRange(c.med, route.med))) &&
    (c.origin === undefined ||
      c.origin.includes((["igp", "egp", "incomplete"] as const)[route.origin]!)) &&
    (c.routeType === undefined || c.routeType.includes(source.routeType)) &&
    (c.all === undefined || c.all.every((one) => satisfies(one, route, context))) &&
    (c.any === undefined || c.any.some((one) => satisfies(one, route, context))) &&
    (c.not === undefined || !satisfies(c.not, route, context))
  );
}

function inRange(range: Range | undefined, value: number): boolean {
  return range === undefined || (value >= (range.min ?? 0) && value <= (range.max ?? Infinity));
}

/** The text is matched by the language's own engine, with `_` written out. */
export function regexMatches(regex: string, text: string): boolean {
  const own = regex
    .replaceAll(/\[([^\]]*)\]/g, (all) => all.replaceAll("_", " ,{}()"))
    .replaceAll(/(?<!\[[^\]]*)_/g, "(?:^|$|[ ,{}()])")
    .replaceAll(/(?<!\\)\{/g, "\\{")
    .replaceAll(/(?<!\\)\}/g, "\\}");
  return new RegExp(own).test(text);
}

function isAs(term: string, as: number, { lists, localAs, peer }: PlainContext): boolean {
  if (term === "$peer-as") return as === peer.as;
  if (term === "$local-as") return as === localAs;
  if (/^[A-Za-z]/.test(term)) {
    return (lists.asLists[term] as readonly string[]).some((entry) => {
      const [from = 0, to = from] = entry.split("-").map(Number);
      return as >= from && as <= to;
    });
  }
  const [from = 0, to = from] = term.split("-").map(Number);
  return as >= from && as <= to;
}

function bitsOf(prefix: string): { family: number; bits: string } {
  const { afi, address, bits } = parsePrefix(prefix)!;
  const text = [...address].map((octet) => octet.toString(2).padStart(8, "0")).join("");
  return { family: afi, bits: text.slice(0, bits) };
}

/** Whether an entry such as "10.0.0.0/8 ge 16" takes a prefix. */
export function entryTakes(entry: string, prefix: string): boolean {
  const [text = "", ...words] = entry.split(" ");
  const own = bitsOf(text);
  const other = bitsOf(prefix);
  const ge = words.indexOf("ge") < 0 ? own.bits.length : Number(words[words.indexOf("ge") + 1]);
  const full = own.family === 1 ? 32 : 128;
  const open = words.includes("ge") ? full : own.bits.length;
  const le = words.indexOf("le") < 0 ? open : Number(words[words.indexOf("le") + 1]);
  const { length } = other.bits;
  return (
    own.family === other.family && other.bits.startsWith(own.bits) && length >= ge && length <= le
  );
}

function inPrefixTerm(term: string, { lists, prefix }: PlainContext): boolean {
  const entries = term.includes("/") ? [term] : (lists.prefixLists[term] as readonly string[]);
  return entries.some((entry) => entryTakes(entry, prefix));
}

function communityTerms(term: string, { lists }: PlainContext): readonly string[] {
  return term.includes(":") ? [term] : (lists.communityLists[term] ?? [term]);
}

function matchesPattern(pattern: string, community: string, context: PlainContext): boolean {
  const own = withNumbers(pattern, context).split(":");
  const fields = community.replaceAll("L", "").split(":");
  return (
    own.length === fields.length && own.every((field, k) => field === "*" || field === fields[k])
  );
}

function withNumbers(text: string, { localAs, peer }: PlainContext): string {
  return text.replaceAll("$local-as", `${localAs}`).replaceAll("$peer-as", `${peer.as}`);
}

function inCommunities(
  test: CommunityTest | undefined,
  communities: readonly string[],
  context: PlainContext,
): boolean {
  if (test === undefined) return true;
  const has = (term: string) =>
    communityTerms(term, context).some((pattern) =>
      communities.some((community) => matchesPattern(pattern, community, context)),
    );
  return (
    (test.anyOf === undefined || test.anyOf.some(has)) &&
    (test.allOf === undefined || test.allOf.every(has))
  );
}

function isNextHop(term: string, nextHop: string, peer: PeerFacts): boolean {
  const same = (octets: Uint8Array) => octets.join() === parseAddress(nextHop)!.join();
  if (term === "peer-address") return same(peer.addressOctets);
  if (term === "same-as") return peer.sameAsAddresses.some(same);
  if (!term.includes("/")) return same(parseAddress(term)!);
  const full = nextHop.includes(":") ? 128 : 32;
  const bits = bitsOf(term);
  const own = bitsOf(`${nextHop}/${full}`);
  return bits.family === own.family && own.bits.startsWith(bits.bits);
}

/** @returns false when there is no next hop that fits */
function modify(set: Modifications, route: RouteValue, context: PlainContext): boolean {
  const { localPref, med, origin, prepend } = set;
  if (localPref !== undefined) {
    const now = route.localPref ?? LOCAL_PREF_DEFAULT;
    if ("set" in localPref) route.localPref = localPref.set;
    else if ("add" in localPref) route.localPref = Math.min(0xffffffff, now + localPref.add);
    else route.localPref = Math.max(0, now - localPref.subtract);
  }
  if (med !== undefined) route.med = med === "none" ? null : med;
  if (origin !== undefined) route.origin = ["igp", "egp", "incomplete"].indexOf(origin);
  change(set.community, route.communities, 0xffff, context);
  change(set.largeCommunity, route.large, 0xffffffff, context);
  change(set.extendedCommunity, route.extended, 0xffffffff, context);
  if (prepend !== undefined) {
    const path = route.asPath;
    const sequence = path[0]?.type === "AS_SEQUENCE" ? path[0] : null;
    const as =
      prepend.as === "first" ? (sequence?.as[0] ?? 0) : Number(withNumbers(prepend.as, context));
    const added = new Array<number>(prepend.count).fill(as);
    if (as !== 0 && sequence !== null) sequence.as.unshift(...added);
    else if (as !== 0) path.unshift({ type: "AS_SEQUENCE", as: added });
  }
  return set.nextHop === undefined || changeNextHop(set.nextHop, route, context.peer);
}

function changeNextHop(nextHop: string, route: RouteValue, peer: PeerFacts): boolean {
  if (nextHop === "unchanged") return true;
  const ipv6 = route.nextHop.includes(":");
  const address = nextHop === "self" ? (ipv6 ? "2001:db8::254" : "192.0.2.254") : nextHop;
  const text = nextHop === "peer-address" ? peer.address : address;
  if (ipv6 && !text.includes(":")) return false;
  route.nextHop = text;
  return true;
}

function change(
  wanted: CommunityChange | undefined,
  communities: string[],
  fieldMax: number,
  context: PlainContext,
): void {
  const add = (terms: readonly string[]) => {
    for (const text of terms.flatMap((term) => communityTerms(term, context))) {
      const own = withNumbers(text, context);
      const fits = own
        .split(":")
        .every((field) => !/^\d+$/.test(field) || Number(field) <= fieldMax);
      if (fits && !communities.includes(own)) communities.push(own);
    }
  };
  if (wanted?.set !== undefined) {
    communities.length = 0;
    add(wanted.set);
  }
  const remove = wanted?.remove?.flatMap((term) => communityTerms(term, context)) ?? [];
  const kept = communities.filter((c) => !remove.some((r) => matchesPattern(r, c, context)));
  communities.splice(0, communities.length, ...kept);
  add(wanted?.add ?? []);
}
