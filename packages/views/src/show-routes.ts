/**
 * Routes as JSON for `show routes`: what neighbors sent, what is used of it, and what was sent on.
 *
 * A table may be large, so a query is answered in pieces: each call goes on from a row and says
 * where the next one has to go on.
 */

import { rejectCommunities } from "@ts-bgp/policy";
import {
  type AttrId,
  type AttrStore,
  covering,
  exactMatch,
  isCovered,
  keyOf,
  type PathRow,
  type PrefixKey,
  type PrefixRow,
  type Rib,
  advertised as sentRoutes,
} from "@ts-bgp/rib";
import {
  type KeptUntil,
  type Neighbor,
  type Router,
  STATIC_SOURCE,
  sourceOf,
} from "@ts-bgp/router";
import {
  AttributeRewriter,
  type DecodedAttribute,
  decodeAttributes,
  FAMILY,
  faultText,
  formatIpv4,
  formatIpv6,
  formatNextHop,
  nextAttribute,
  writeU32,
} from "@ts-bgp/wire-codec";
import { showOrigin } from "./show-rpki.ts";

/**
 * Which routes of a neighbor; `not-advertised`: best paths of others of whose prefixes nothing was sent to it.
 */
export type RouteView = "received" | "accepted" | "rejected" | "advertised" | "not-advertised";

export interface RouteQuery {
  readonly family: 1 | 2;
  /** Null for all prefixes. */
  readonly prefix: PrefixKey | null;
  /**
   * With a prefix: that prefix alone, the one that a packet to it would take, those that contain
   * it, or those inside it.
   */
  readonly match: "exact" | "longest" | "covering" | "covered";
  /** An address, or `static` for routes of the configuration. Null for those of all: of view `accepted`, the Loc-RIB and all paths considered for it. */
  readonly neighbor: string | null;
  readonly view: RouteView;
  /** Best paths only; for queries without a neighbor. */
  readonly bestOnly: boolean;
}

/** Why a route was rejected. */
export interface ShownReason {
  code: string;
  /** One line for people, with all that is below. */
  text: string;
  policy?: string;
  rule?: string;
  source?: string;
  /** Kind of reason that the rule gives, such as `bogon-prefix`; absent when it gives none. */
  kind?: string;
  /** Of code `malformed`: what was wrong with the message. */
  detail?: string;
}

/** One path, or one advertised route. Attributes have the names of `tsbgp decode`. */
export interface ShownRoute {
  prefix: string;
  /** As received, or as sent when advertised; absent without ADD-PATH. */
  path_id?: number;
  /**
   * The neighbor it came from, `static` and the own AS for a route of the configuration; empty and 0 when an
   * advertised route is about to change.
   */
  neighbor: string;
  neighbor_as: number;
  status: "best" | "accepted" | "rejected" | "advertised";
  /** Why it was rejected. */
  reason?: ShownReason;
  /** What origin validation says of it as it came; absent without a section rpki, and when advertised. */
  rpki?: "valid" | "not-found" | "invalid";
  /** What ASPAs say of its path as it came, where the role of the neighbor is configured; likewise. */
  aspa?: "valid" | "unknown" | "invalid";
  /**
   * Its session has ended, or the neighbor came back and has not sent it again: it is kept while the
   * neighbor restarts, or longer, as a last resort (RFC 9494); absent when neither, and when advertised.
   */
  stale?: "restart" | "long-lived";
  /** Milliseconds since 1970: until then at most. */
  stale_until_ms?: number;
  /** Milliseconds since 1970 of the last change; absent when advertised. */
  since_ms?: number;
  origin?: unknown;
  as_path?: string;
  next_hop?: string;
  med?: number;
  local_pref?: number;
  communities?: string[];
  large_communities?: string[];
  extended_communities?: string[];
  /** Names of communities that have one, by the numbers that stand in the lists above. */
  community_names?: Record<string, string>;
  /** Attributes that have no field of their own. */
  other?: DecodedAttribute[];
}

/** What one call looks at, and what it gives unless a single prefix has more paths. */
const ROWS_MAX = 2000;
const PATHS_MAX = 4000;
const ROUTES_MAX = 200;

/** Where an answer goes on. */
export interface RoutePlace {
  /** 0 at the end. */
  readonly row: PrefixRow;
  /** Of the table's compaction: prefixes that are moved from behind the place to before it are not missed. */
  readonly moves: number;
}

/** What the attributes of a route are asked for, so that those of no interest are not made. */
export type AttributeTest = (attributes: Partial<ShownRoute>) => boolean;

/**
 * @param from - null for the beginning
 * @param max - routes, unless the last prefix has more paths
 * @param isWanted - null for all; not asked of what is shown with other attributes than are kept
 * @returns routes from a place on, and the place to go on from
 */
export function showRoutes(
  router: Router,
  query: RouteQuery,
  from: RoutePlace | null,
  max: number = ROUTES_MAX,
  isWanted: AttributeTest | null = null,
): { routes: ShownRoute[]; next: RoutePlace } {
  return router.tables.looking(() => lookUp(router, query, from, max, isWanted));
}

function lookUp(
  router: Router,
  query: RouteQuery,
  from: RoutePlace | null,
  max: number,
  isWanted: AttributeTest | null,
): ReturnType<typeof showRoutes> {
  const rib = router.tables.rib(query.family);
  const { moves } = rib.compaction;
  // The longest match is that of all routes.
  const fits = setTest(rib, query.match === "longest" ? null : isWanted);
  const routes: ShownRoute[] = [];
  if (query.prefix !== null && query.match !== "covered") {
    for (const row of namedRows(rib, query.prefix, query.match)) {
      routes.push(...routesOfRow(router, rib, query, row, fits));
      if (query.match === "longest" && routes.length > 0) break;
    }
    return { routes, next: { row: 0, moves } };
  }
  const isAsked = (row: PrefixRow) =>
    query.prefix === null || isCovered(rib.prefixes, row, query.prefix);
  let row = from?.row ?? 1;
  const missed = from === null ? [] : rib.compaction.movedBehind(from.moves, row);
  for (const moved of missed.filter(isAsked)) {
    routes.push(...routesOfRow(router, rib, query, moved, fits));
  }
  const limit = Math.min(row + ROWS_MAX, rib.prefixes.limit);
  const wanted = Math.min(max, ROUTES_MAX);
  let paths = 0;
  for (; row < limit && routes.length < wanted && paths < PATHS_MAX; row++) {
    if (!isAsked(row)) continue;
    routes.push(...routesOfRow(router, rib, query, row, fits));
    for (let path = rib.prefixes.head[row]!; path !== 0; path = rib.paths.next[path]!) paths++;
  }
  return { routes, next: { row: row < rib.prefixes.limit ? row : 0, moves } };
}

type SetTest = (attr: AttrId) => boolean;

/** @returns the test of a set, which is read once for all its routes in this piece */
function setTest({ attrs }: Rib, isWanted: AttributeTest | null): SetTest {
  if (isWanted === null) return () => true;
  const known = new Map<AttrId, boolean>();
  return (attr) => {
    const before = known.get(attr);
    if (before !== undefined) return before;
    const fits = isWanted(shownAttributes(attributesOf(attrs, attr)));
    known.set(attr, fits);
    return fits;
  };
}

/** @returns the prefix of a row as text */
export function prefixText(rib: Rib, row: PrefixRow): string {
  const { words, bits } = keyOf(rib.prefixes, row);
  if (rib.family === FAMILY.IPV4_UNICAST) return `${formatIpv4(words[0])}/${bits}`;
  const octets = new Uint8Array(16);
  for (let i = 0; i < 4; i++) writeU32(octets, 4 * i, words[i]!);
  return `${formatIpv6(octets, 0)}/${bits}`;
}

function namedRows(rib: Rib, key: PrefixKey, match: RouteQuery["match"]): PrefixRow[] {
  if (match !== "exact") return covering(rib.prefixes, key);
  const row = exactMatch(rib.prefixes, key);
  return row === 0 ? [] : [row];
}

function routesOfRow(
  router: Router,
  rib: Rib,
  query: RouteQuery,
  row: PrefixRow,
  fits: SetTest,
): ShownRoute[] {
  const { neighbor: address, view } = query;
  if (address === null && (view === "accepted" || view === "advertised")) {
    return locRib(router, rib, row, query.bestOnly, fits);
  }
  const neighbor = address === null ? undefined : router.neighbors.get(address);
  if (view === "advertised" || view === "not-advertised") {
    if (neighbor === undefined) return [];
    const show = view === "advertised" ? advertised : notAdvertised;
    return show(router, rib, neighbor, row);
  }
  const peer = address === STATIC_SOURCE ? router.tables.staticPeer?.row : neighbor?.row;
  if (address !== null && peer === undefined) return [];
  const routes: ShownRoute[] = [];
  const { paths } = rib;
  for (let path = rib.prefixes.head[row]!; path !== 0; path = paths.next[path]!) {
    if (peer !== undefined && paths.peer[path] !== peer) continue;
    const accepted = paths.attr[path] !== 0;
    if (view === "accepted" && !accepted) continue;
    if (view === "rejected" && accepted) continue;
    const attr = view === "accepted" ? paths.attr[path]! : paths.attrIn[path]!;
    // A rejected one is shown with marks that stand in no set.
    if (view === "rejected") routes.push(shownRejected(router, rib, row, path));
    else if (fits(attr)) routes.push(shownPathOf(router, rib, row, path, attr));
  }
  return routes;
}

function locRib(
  router: Router,
  rib: Rib,
  row: PrefixRow,
  bestOnly: boolean,
  fits: SetTest,
): ShownRoute[] {
  const best = rib.prefixes.best[row]!;
  const count = rib.decision.collect(rib.prefixes.head[row]!);
  const routes: ShownRoute[] = [];
  for (let rank = 0; rank < count; rank++) {
    const path = rib.decision.preferred(rank);
    if (bestOnly && path !== best) continue;
    const attr = rib.paths.attr[path]!;
    if (fits(attr)) routes.push(shownPathOf(router, rib, row, path, attr));
  }
  return routes;
}

/** It has much room, and what it has written is read at once. */
const rewriter: AttributeRewriter = new AttributeRewriter();

function advertised(router: Router, rib: Rib, neighbor: Neighbor, row: PrefixRow): ShownRoute[] {
  const member = neighbor.session?.family(rib.family)?.member;
  // Its group goes on without one that is sent nothing yet.
  if (member === undefined || router.tables.groups.held.includes(member)) return [];
  const { form } = member.entry.settings;
  return sentRoutes(member.group, row, member).map(([pathId, attr]) => {
    const path = sourceOf(rib, row, member, pathId, attr);
    const from = path === 0 ? null : router.tables.directory.factsOf(rib.paths.peer[path]!);
    const { attrs } = rib;
    const at = attrs.offsetOf(attr);
    rewriter.rewrite(form, attrs.bytesOf(attr), at, at + attrs.lengthOf(attr));
    const shown: ShownRoute = {
      prefix: prefixText(rib, row),
      ...(form.addPath ? { path_id: pathId } : {}),
      neighbor: from?.address ?? "",
      neighbor_as: from?.as ?? 0,
      status: "advertised",
      ...shownAttributes(decodeAttributes(rewriter.out, 0, rewriter.octets)),
    };
    if (rewriter.nextHopOctets !== 4) {
      shown.next_hop = formatNextHop(rewriter.nextHop, 0, rewriter.nextHopOctets);
    }
    return shown;
  });
}

function notAdvertised(router: Router, rib: Rib, neighbor: Neighbor, row: PrefixRow): ShownRoute[] {
  const { paths, prefixes, decision } = rib;
  const best = prefixes.best[row]!;
  const member = neighbor.session?.family(rib.family)?.member;
  if (best === 0 || member === undefined) return [];
  const { group, entry } = member;
  // Where it has the best path itself, only some groups have another one for it.
  if (paths.peer[best] === neighbor.row && !entry.settings.mitigatesPathHiding) return [];
  const isHeld = router.tables.groups.held.includes(member);
  if (!isHeld && sentRoutes(group, row, member).length > 0) return [];
  const count = decision.collect(prefixes.head[row]!);
  for (let rank = 0; rank < count; rank++) {
    const path = decision.preferred(rank);
    if (paths.peer[path] === neighbor.row) continue;
    return [shownPathOf(router, rib, row, path, paths.attr[path]!)];
  }
  return [];
}

/** @returns a rejected path as JSON, with the marks that policy and `reject-reasons` put on it */
function shownRejected(router: Router, rib: Rib, row: PrefixRow, path: PathRow): ShownRoute {
  const { attrIn, reason } = rib.paths;
  const { reasons, config, emptySet } = router.tables;
  const facts = router.tables.directory.factsOf(rib.paths.peer[path]!);
  const neighbor = router.neighbors.get(facts.address)!;
  const came = attrIn[path]!;
  const why = reasons.get(reason[path]!);
  const isByPolicy = why.code === "policy-rule" || why.code === "policy-default";
  const importer = isByPolicy && came !== emptySet ? neighbor.import?.importer : undefined;
  const left = importer?.rejected(came, rib.family, keyOf(rib.prefixes, row)) ?? null;
  const attributes =
    left === null ? attributesOf(rib.attrs, came) : decodeAttributes(left, 0, left.length);
  const shown = shownPathWith(router, rib, row, path, attributes);
  if (config.rejectReasons === null) return shown;
  const { as, localAs } = neighbor.facts;
  const added = rejectCommunities(config.rejectReasons, why, localAs, as);
  const large = [...new Set([...(shown.large_communities ?? []), ...added])];
  return large.length === 0 ? shown : { ...shown, large_communities: large };
}

/** @returns a path as JSON, with the attributes of `attr` */
export function shownPathOf(
  router: Router,
  rib: Rib,
  row: PrefixRow,
  path: PathRow,
  attr: AttrId,
): ShownRoute {
  return shownPathWith(router, rib, row, path, attributesOf(rib.attrs, attr));
}

function shownPathWith(
  router: Router,
  rib: Rib,
  row: PrefixRow,
  path: PathRow,
  attributes: readonly DecodedAttribute[],
): ShownRoute {
  const { paths } = rib;
  const facts = router.tables.directory.factsOf(paths.peer[path]!);
  const pathId = paths.pathId[path]!;
  const accepted = paths.attr[path] !== 0;
  const isBest = accepted && rib.prefixes.best[row] === path;
  const origin = showOrigin(router, rib, row, paths.attrIn[path]!, facts);
  return {
    prefix: prefixText(rib, row),
    ...(pathId === 0 ? {} : { path_id: pathId }),
    neighbor: facts.address,
    neighbor_as: facts.as,
    status: isBest ? "best" : accepted ? "accepted" : "rejected",
    ...(accepted ? {} : { reason: rejectionOf(router, rib, path) }),
    ...(origin === null ? {} : { rpki: origin.state }),
    ...(origin === null || facts.role === null ? {} : { aspa: origin.path }),
    ...staleFields(router, rib, path, facts.address),
    since_ms: 1000 * paths.sinceSeconds[path]!,
    ...shownAttributes(attributes),
  };
}

/** @returns how a path is kept that no session stands behind; null when one does */
export function stalenessOf(
  router: Router,
  { family, paths }: Rib,
  path: PathRow,
  address: string,
): KeptUntil | null {
  const neighbor = router.neighbors.get(address);
  // Routes of one that was removed are on their way out, also when another one has its address.
  if (neighbor === undefined || neighbor.row !== paths.peer[path]) return null;
  return neighbor.stale.staleness(family, paths.round[path]!);
}

function staleFields(
  router: Router,
  rib: Rib,
  path: PathRow,
  address: string,
): Pick<ShownRoute, "stale" | "stale_until_ms"> {
  const kept = stalenessOf(router, rib, path, address);
  if (kept === null) return {};
  const stale = kept.isLongLived ? "long-lived" : "restart";
  return { stale, stale_until_ms: Math.round(kept.untilMs) };
}

/** @returns why a path is rejected, with what was wrong with a malformed message */
function rejectionOf(router: Router, { attrs, paths }: Rib, path: PathRow): ShownReason {
  const reason = shownReason(router.tables.reasons, paths.reason[path]!);
  const attr = paths.attrIn[path]!;
  const at = attrs.offsetOf(attr);
  const detail = faultText(attrs.bytesOf(attr), at, at + attrs.lengthOf(attr));
  return detail === null ? reason : { ...reason, text: `${reason.text}: ${detail}`, detail };
}

/** @returns the attributes of a set as JSON */
export function attributesOf(attrs: AttrStore, attr: AttrId): DecodedAttribute[] {
  const buf = attrs.bytesOf(attr);
  const at = attrs.offsetOf(attr);
  const end = at + attrs.lengthOf(attr);
  // What is wrong with a message stands in front of what could be read of it.
  return decodeAttributes(buf, faultText(buf, at, end) === null ? at : nextAttribute(buf, at), end);
}

/** @returns a reason as JSON */
export function shownReason(reasons: Router["tables"]["reasons"], number: number): ShownReason {
  const { code, policy, rule, source, why } = reasons.get(number);
  return {
    code,
    text: reasons.text(number),
    ...(policy === "" ? {} : { policy }),
    ...(rule === "" ? {} : { rule }),
    ...(source === null ? {} : { source: `${source.file}:${source.line}` }),
    ...(why === undefined ? {} : { kind: why }),
  };
}

/** Fields of their own for the attributes that people look at. */
const FIELDS: Readonly<Record<string, keyof ShownRoute>> = {
  ORIGIN: "origin",
  NEXT_HOP: "next_hop",
  MULTI_EXIT_DISC: "med",
  LOCAL_PREF: "local_pref",
  COMMUNITIES: "communities",
  LARGE_COMMUNITIES: "large_communities",
  EXTENDED_COMMUNITIES: "extended_communities",
};

function shownAttributes(attributes: readonly DecodedAttribute[]): Partial<ShownRoute> {
  const shown: Record<string, unknown> = {};
  const other: DecodedAttribute[] = [];
  const names: Record<string, string> = {};
  for (const attribute of attributes) {
    const field = FIELDS[attribute.name];
    if (field !== undefined) shown[field] = attribute.value;
    else if (attribute.name === "AS_PATH") {
      shown["as_path"] = (attribute.value as { text: string }).text;
    } else other.push(attribute);
    if (field !== undefined) Object.assign(names, attribute.names);
  }
  if (Object.keys(names).length > 0) shown["community_names"] = names;
  if (other.length > 0) shown["other"] = other;
  return shown as Partial<ShownRoute>;
}
