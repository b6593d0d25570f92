/**
 * Modifications compiled: each changes the route at hand, by rewriting its canonical octets.
 */

import {
  ATTR,
  ATTR_FLAG,
  COMMUNITY_OCTETS,
  copyOctets,
  parseAddress,
  readU32,
  SEGMENT,
  writeU32,
} from "@ts-bgp/wire-codec";
import { asPathChanges } from "./as-path-change.ts";
import { COMMUNITY_KINDS } from "./community-conditions.ts";
import {
  type CommunityPattern,
  communityOctets,
  mentionsPeer,
  type PatternKind,
} from "./community-pattern.ts";
import type { Compilation, Modification } from "./condition.ts";
import type { Route } from "./route.ts";
import { matchesCommunity, notePatterns } from "./terms.ts";
import type { PeerFacts } from "./types.ts";
import type { CommunityChange, Modifications, Prepend } from "./values.ts";
import { fieldVarOf, valuesOf } from "./vars.ts";

const WELL_KNOWN = ATTR_FLAG.TRANSITIVE;
const OPTIONAL_TRANSITIVE = ATTR_FLAG.OPTIONAL | ATTR_FLAG.TRANSITIVE;
const U32_MAX = 0xffffffff;
const ORIGIN_NUMBERS = { igp: 0, egp: 1, incomplete: 2 } as const;

/** @returns the changes in the order in which they are made */
export function compileModifications(set: Modifications, to: Compilation): Modification[] {
  const found: Modification[] = [];
  const { localPref, med, origin, nextHop, asPath, prepend, removeAttributes } = set;
  if (removeAttributes !== undefined) found.push(attributesChange(removeAttributes));
  if (localPref !== undefined) found.push(localPrefChange(localPref));
  if (med !== undefined) found.push(medChange(med));
  if (origin !== undefined) {
    const number = ORIGIN_NUMBERS[origin];
    found.push({
      text: `origin: ${origin}`,
      apply: (route) => {
        route.value[0] = number;
        route.put(WELL_KNOWN, ATTR.ORIGIN, route.value, 1);
      },
    });
  }
  if (nextHop !== undefined) found.push(nextHopChange(nextHop, to));
  for (const { kind, key, field, type } of COMMUNITY_KINDS) {
    const change = set[field];
    if (change !== undefined) found.push(...communityChanges(kind, key, type, change, to));
  }
  if (asPath !== undefined) found.push(...asPathChanges(asPath, to));
  if (prepend !== undefined) found.push(prependChange(prepend, to));
  return found;
}

function attributesChange(types: readonly number[]): Modification {
  return {
    text: `remove-attributes: ${types.join(", ")}`,
    apply: (route) => {
      for (const type of types) route.remove(type);
    },
  };
}

function localPrefChange(change: NonNullable<Modifications["localPref"]>): Modification {
  if ("set" in change) {
    const set = Number(change.set);
    const apply = (route: Route) => putU32(route, WELL_KNOWN, ATTR.LOCAL_PREF, set);
    return { text: `local-pref: ${set}`, apply };
  }
  const difference = "add" in change ? change.add : -change.subtract;
  const word = "add" in change ? "add" : "subtract";
  return {
    text: `local-pref: ${word} ${Math.abs(difference)}`,
    apply: (route) => {
      const value = Math.min(U32_MAX, Math.max(0, route.localPref + difference));
      putU32(route, WELL_KNOWN, ATTR.LOCAL_PREF, value);
    },
  };
}

function medChange(med: NonNullable<Modifications["med"]>): Modification {
  const put = (route: Route, value: number) =>
    putU32(route, ATTR_FLAG.OPTIONAL, ATTR.MULTI_EXIT_DISC, value);
  if (med === "none") {
    return { text: "med: none", apply: (route) => route.remove(ATTR.MULTI_EXIT_DISC) };
  }
  if (typeof med !== "object") {
    return { text: `med: ${med}`, apply: (route) => put(route, Number(med)) };
  }
  const difference = "add" in med ? med.add : -med.subtract;
  return {
    text: `med: ${"add" in med ? "add" : "subtract"} ${Math.abs(difference)}`,
    apply: (route) => {
      const at = route.valueAt(ATTR.MULTI_EXIT_DISC);
      const before = at < 0 ? 0 : readU32(route.buf, at);
      put(route, Math.min(U32_MAX, Math.max(0, before + difference)));
    },
  };
}

function putU32(route: Route, flags: number, type: number, value: number): void {
  writeU32(route.value, 0, value);
  route.put(flags, type, route.value, 4);
}

function nextHopChange(nextHop: string, to: Compilation): Modification {
  const text = `next-hop: ${nextHop}`;
  if (nextHop === "unchanged") {
    const apply = (route: Route) => {
      route.nextHopFixed = true;
    };
    return { text, apply };
  }
  if (nextHop === "self") {
    to.dependsOnPeer = true;
    to.groupKeys.push((peer) => `${peer.localAddress4} ${peer.localAddress6}`);
    return { text, apply: (route) => putOwnNextHop(route) };
  }
  if (nextHop === "peer-address") {
    to.dependsOnPeer = true;
    to.groupKeys.push((peer) => peer.address);
    return { text, apply: (route) => putNextHop(route, route.peer.addressOctets) };
  }
  const address = parseAddress(nextHop);
  if (address === null) throw new Error(`${nextHop} is not an address`);
  return { text, apply: (route) => putNextHop(route, address) };
}

/** The own address of the family of the next hop that was there. */
function putOwnNextHop(route: Route): void {
  const { localAddress4, localAddress6 } = route.peer;
  const ipv4 = route.valueOctets(ATTR.NEXT_HOP) === 4;
  putNextHop(route, ipv4 ? (localAddress4 ?? localAddress6) : localAddress6);
}

/**
 * An IPv4 route may have an IPv6 next hop (RFC 8950); the other way round there is none that fits.
 */
function putNextHop(route: Route, address: Uint8Array | null): void {
  if (address === null || (address.length === 4 && route.valueOctets(ATTR.NEXT_HOP) > 4)) {
    route.nextHopUnavailable = true;
    return;
  }
  route.put(WELL_KNOWN, ATTR.NEXT_HOP, address, address.length);
  route.nextHopFixed = true;
}

function communityChanges(
  kind: PatternKind,
  key: string,
  type: number,
  change: CommunityChange,
  to: Compilation,
): Modification[] {
  const { set, remove, add } = change;
  const octets = COMMUNITY_OCTETS[kind];
  const found: Modification[] = [];
  if (set !== undefined) {
    const addAll = additions(kind, type, octets, set, to);
    found.push({
      text: `${key}: set ${set.join(", ") || "none"}`,
      apply: (route) => {
        route.remove(type);
        addAll(route);
      },
    });
  }
  if (remove !== undefined) {
    const patterns = remove.flatMap((term) => to.terms.patternsOf(kind, term, to.localAs));
    notePatterns(patterns, to);
    found.push({
      text: `${key}: remove ${remove.join(", ")}`,
      apply: (route) => removeCommunities(route, type, octets, patterns),
    });
  }
  if (add !== undefined) {
    const apply = additions(kind, type, octets, add, to);
    found.push({ text: `${key}: add ${add.join(", ")}`, apply });
  }
  return found;
}

/** Communities to add, each unless it is there; one whose number does not fit is left out. */
function additions(
  kind: PatternKind,
  type: number,
  octets: number,
  terms: readonly string[],
  to: Compilation,
): (route: Route) => void {
  const texts = terms.flatMap((term) => to.terms.communityTexts(term));
  const valuesFor = (peer: Pick<PeerFacts, "as" | "vars">) =>
    texts.flatMap((text) => communityOctets(kind, text, to.localAs, peer));
  if (!texts.some(mentionsPeer)) {
    const values = valuesFor({ as: 0 });
    return (route) => addCommunities(route, type, octets, values);
  }
  to.dependsOnPeer = true;
  const names = [...new Set(texts.flatMap((text) => fieldVarOf(text) ?? []))];
  const hasAs = texts.some((text) => text.includes("$peer-as"));
  const keyOf = ({ as, vars }: PeerFacts) =>
    `${hasAs ? as : ""} ${names.map((name) => valuesOf(vars, name)).join(" ")}`;
  to.groupKeys.push(keyOf);
  const byPeer = new Map<string, Uint8Array[]>();
  let last: PeerFacts | null = null;
  let values: readonly Uint8Array[] = [];
  return (route) => {
    if (route.peer !== last) {
      last = route.peer;
      const key = keyOf(last);
      const known = byPeer.get(key) ?? valuesFor(last);
      byPeer.set(key, known);
      values = known;
    }
    addCommunities(route, type, octets, values);
  };
}

function addCommunities(
  route: Route,
  type: number,
  octets: number,
  values: readonly Uint8Array[],
): void {
  const at = route.valueAt(type);
  const { value } = route;
  let length = route.valueOctets(type);
  const before = length;
  copyOctets(route.buf, at, at + length, value, 0);
  for (const community of values) {
    if (contains(value, length, community)) continue;
    value.set(community, length);
    length += octets;
  }
  if (length > before) route.put(flagsOf(route, type), type, value, length);
}

function contains(value: Uint8Array, length: number, community: Uint8Array): boolean {
  for (let i = 0; i < length; i += community.length) {
    let k = 0;
    while (k < community.length && value[i + k] === community[k]) k++;
    if (k === community.length) return true;
  }
  return false;
}

function removeCommunities(
  route: Route,
  type: number,
  octets: number,
  patterns: readonly CommunityPattern[],
): void {
  const at = route.valueAt(type);
  const before = route.valueOctets(type);
  let length = 0;
  for (let i = at; i < at + before; i += octets) {
    if (matchesCommunity(patterns, route, i, i + octets, octets)) continue;
    copyOctets(route.buf, i, i + octets, route.value, length);
    length += octets;
  }
  if (length === before) return;
  if (length === 0) route.remove(type);
  else route.put(flagsOf(route, type), type, route.value, length);
}

/** The partial bit stays as it came (RFC 4271 section 5). */
function flagsOf(route: Route, type: number): number {
  return OPTIONAL_TRANSITIVE | (route.flagsOf(type) & ATTR_FLAG.PARTIAL);
}

function prependChange({ as, count }: Prepend, to: Compilation): Modification {
  const text = `prepend: ${as} ${count} ${count === 1 ? "time" : "times"}`;
  if (as === "first") {
    const apply = (route: Route) => prepend(route, route.readPath().firstAs, count);
    return { text, apply, idle: lacksFirstAs };
  }
  if (as === "$peer-as") {
    to.dependsOnPeer = true;
    to.groupKeys.push((peer) => String(peer.as));
    return { text, apply: (route) => prepend(route, route.peer.as, count) };
  }
  const number = as === "$local-as" ? to.localAs : Number(as);
  return { text, apply: (route) => prepend(route, number, count) };
}

/** Nobody's number is at the left of an AS_SET: its ASes have no order (RFC 4271 section 5.1.2). */
function lacksFirstAs(route: Route): string | null {
  if (route.readPath().firstAs !== 0) return null;
  const empty = route.valueOctets(ATTR.AS_PATH) === 0;
  return empty ? "the AS path is empty" : "the AS path begins with an AS_SET";
}

/** Into the first segment when it is a sequence with room, else into one of its own. */
function prepend(route: Route, as: number, count: number): void {
  if (as === 0) return;
  const at = route.valueAt(ATTR.AS_PATH);
  const before = route.valueOctets(ATTR.AS_PATH);
  const { buf, value } = route;
  const first = before === 0 ? 0 : buf[at + 1]!;
  const extend = before > 0 && buf[at] === SEGMENT.AS_SEQUENCE && first + count <= 255;
  value[0] = SEGMENT.AS_SEQUENCE;
  value[1] = extend ? first + count : count;
  let o = 2;
  for (let k = 0; k < count; k++) o = writeU32(value, o, as);
  const rest = extend ? at + 2 : at;
  copyOctets(buf, rest, at + before, value, o);
  route.put(WELL_KNOWN, ATTR.AS_PATH, value, o + at + before - rest);
}
