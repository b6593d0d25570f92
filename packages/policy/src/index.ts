/**
 * Import and export policies.
 *
 * `Policies` takes the policies and lists of a configuration and compiles a `Filter` for each chain
 * that neighbors use. A filter decides routes one by one: attribute set, prefix, whom the route
 * came from and on whose session the filter is. It answers with a verdict: accept, with the set as
 * the rules changed it, or reject, with a reason that names the rule.
 *
 *     values  ->  compile  ->  [ conditions | modifications | action ] ...
 *                                              |
 *     (set, peer, prefix)  ->  tree of the set: prefix tests  ->  verdict     remembered
 *                                              |  new turn
 *                                              v
 *                               run through the rules            ->  verdict + trace (explain)
 *
 * Most conditions depend on the attribute set and the peer alone, so the outcome of a run is kept
 * in a tree that asks only the conditions on the prefix. `Filter.explain` is the same run, written
 * down. Conditions on `$peer-as` are answered for a whole update group at once, with a list of the
 * ASes that must be asked for by themselves, so that action communities do not cost a run for each
 * of hundreds of clients.
 *
 * Pure: no clock, no I/O. Attribute sets are canonical octets in the store that is handed in.
 *
 * RFCs: 4271 (9.1.1, 9.2.1), 1997, 4360, 5668, 8092 (communities), 7947 and 7948 (route servers),
 * 8212 (a chain without policies rejects).
 */

export { type AsPathRegex, compileAsPathRegex } from "./as-path-regex.ts";
export type { RegexMistake } from "./as-path-regex-syntax.ts";
export { AsSet, parseAsRange } from "./as-set.ts";
export {
  communityText,
  hasWildcard,
  mentionsPeer,
  type PatternKind,
  parseCommunityPattern,
} from "./community-pattern.ts";
export { ChainFilter } from "./filter.ts";
export { type ListKind, type ListNaming, listKindOf, withListNames } from "./list-names.ts";
export { asTexts, prefixTexts } from "./list-texts.ts";
export {
  type AsEntries,
  forEachPrefix,
  type PrefixEntries,
  PrefixListBuilder,
  packedRanges,
  prefixCounts,
} from "./packed-lists.ts";
export { AcceptAll, addReasons, Policies, type PolicyValues } from "./policies.ts";
export { newPrefixEntry, type PrefixEntry, parsePrefixEntry } from "./prefix-entry.ts";
export { PrefixSet } from "./prefix-set.ts";
export { REASON, type Reason, type ReasonCode, ReasonTable, reasonText } from "./reasons.ts";
export { type RejectPreset, rejectCommunities } from "./reject-communities.ts";
export type { RejectReason } from "./reject-reasons.ts";
export { originOf, pathStateOf } from "./route.ts";
export { parseRouteEntry, RouteSet } from "./route-set.ts";
export { isListName } from "./terms.ts";
export type {
  AttrId,
  AttributeSets,
  ConditionTrace,
  Explanation,
  Filter,
  LoggedRule,
  Origins,
  PeerFacts,
  RuleTrace,
  Verdict,
} from "./types.ts";
export {
  ACCEPT_ALL,
  type Action,
  type AsPathChange,
  type AsPathTest,
  type AsTerm,
  type CommunityChange,
  type CommunityTerm,
  type CommunityTest,
  type Conditions,
  type FamilyName,
  type Lists,
  type Modifications,
  type OriginName,
  type OriginStateName,
  type PathStateName,
  type Policy,
  type PrefixTerm,
  type Prepend,
  type Range,
  type RouteType,
  type Rule,
  type Source,
  type SourceTest,
} from "./values.ts";
export {
  fieldVarOf,
  mapRule,
  type TermKind,
  type Vars,
  type VarUse,
  valueKeys,
  valuesOf,
  varOf,
  varUses,
  withConstants,
} from "./vars.ts";
