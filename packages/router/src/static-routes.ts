/**
 * Routes of the configuration. In the tables they are those of a peer that has no session, no address and no
 * AS that could be anybody else's, so all that holds of routes of neighbors holds of them behind import.
 */

import type { StaticRoute } from "@ts-bgp/config";
import type { AttrId, Importer, PeerLimits, Rib } from "@ts-bgp/rib";
import {
  ATTR,
  type AttributeValue,
  encodeAttributes,
  encodeRoutes,
  FAMILY,
  type Family,
  familyAfi,
} from "@ts-bgp/wire-codec";
import { ownFacts } from "./facts.ts";
import type { StaticPeer } from "./neighbor-directory.ts";
import { FAMILIES, type Tables } from "./tables.ts";

/** In place of the address of a neighbor. */
export const STATIC_SOURCE = "static";
/** As in the text that `show` gives of attributes. */
const ORIGINS = { igp: "IGP", egp: "EGP", incomplete: "INCOMPLETE" } as const;
export const UNLIMITED: PeerLimits = {
  received: Number.POSITIVE_INFINITY,
  accepted: Number.POSITIVE_INFINITY,
  reason: 0,
};

/** Has the tables hold the routes of the configuration in force, and no others; what is there already stays. */
export function applyStaticRoutes(tables: Tables): void {
  const { staticRoutes, router } = tables.config;
  if (staticRoutes.length === 0 && tables.staticPeer === null) return;
  tables.staticPeer ??= newPeer(tables);
  const peer = tables.staticPeer;
  if (peer.facts.as !== router.as) peer.facts = ownFacts(tables, "static", STATIC_SOURCE);
  peer.round = (peer.round + 1) & 0xff;
  for (const route of staticRoutes) announce(tables, peer, route);
  for (const family of FAMILIES) removeOthers(tables, peer, family);
}

/**
 * Does the same where the tables hold the routes of the configuration before.
 *
 * @param before - those routes; such as are the same objects in both cost nothing
 */
export function changeStaticRoutes(tables: Tables, before: readonly StaticRoute[]): void {
  const { staticPeer: peer, config } = tables;
  if (peer === null) {
    applyStaticRoutes(tables);
    return;
  }
  if (peer.facts.as !== config.router.as) peer.facts = ownFacts(tables, "static", STATIC_SOURCE);
  const held = new Map(before.map((route) => [route.prefix, route]));
  for (const route of config.staticRoutes) {
    if (held.get(route.prefix) !== route) announce(tables, peer, route);
    held.delete(route.prefix);
  }
  for (const prefix of held.keys()) {
    const { rib, nlri } = placeOf(tables, prefix);
    rib.withdraw(peer.row, nlri, 0, nlri.length, false);
  }
}

function newPeer(tables: Tables): StaticPeer {
  const { peers, directory } = tables;
  const row = peers.add({ as: 0, external: true, address: [0, 0, 0, 0] });
  peers.local = row;
  for (const family of FAMILIES) tables.rib(family).paths.addPeer(row);
  const facts = ownFacts(tables, "static", STATIC_SOURCE);
  const peer = { row, as: 0, facts, isReflectorClient: false, session: null, round: 0 };
  directory.add(peer);
  return peer;
}

function announce(tables: Tables, { row, round }: StaticPeer, route: StaticRoute): void {
  const { attrs } = tables;
  const octets = encodeAttributes(attributesOf(route));
  const attr = attrs.intern(octets, 0, octets.length);
  const { rib, nlri } = placeOf(tables, route.prefix);
  const { nowSeconds } = tables;
  const rest = [attr, new AsItIs(attr), UNLIMITED, round, nowSeconds] as const;
  rib.announce(row, nlri, 0, nlri.length, false, ...rest);
  attrs.release(attr);
}

function placeOf(tables: Tables, prefix: string): { rib: Rib; nlri: Uint8Array } {
  const family = prefix.includes(":") ? FAMILY.IPV6_UNICAST : FAMILY.IPV4_UNICAST;
  return { rib: tables.rib(family), nlri: encodeRoutes(familyAfi(family), [prefix]) };
}

function removeOthers(tables: Tables, { row, round }: StaticPeer, family: Family): void {
  const rib = tables.rib(family);
  const { paths } = rib;
  for (let path = paths.peerHead[row]!; path !== 0; ) {
    const next = paths.peerNext[path]!;
    if (paths.round[path] !== round) rib.removePath(path);
    path = next;
  }
}

function attributesOf(route: StaticRoute): AttributeValue[] {
  const { asPath, med, communities, largeCommunities, extendedCommunities } = route;
  const segments = asPath.length === 0 ? [] : [{ type: "AS_SEQUENCE", as: asPath }];
  const lists = [
    { type: ATTR.COMMUNITIES, value: communities },
    { type: ATTR.EXTENDED_COMMUNITIES, value: extendedCommunities },
    { type: ATTR.LARGE_COMMUNITIES, value: largeCommunities },
  ];
  return [
    { type: ATTR.ORIGIN, value: ORIGINS[route.origin] },
    { type: ATTR.AS_PATH, value: { segments } },
    { type: ATTR.NEXT_HOP, value: route.nextHop },
    ...(med === null ? [] : [{ type: ATTR.MULTI_EXIT_DISC, value: med }]),
    { type: ATTR.LOCAL_PREF, value: route.localPref },
    ...lists.filter(({ value }) => value.length > 0),
  ];
}

/** Somebody has said already what is wanted. */
export class AsItIs implements Importer {
  readonly attr: AttrId;
  readonly reason = 0;
  readonly perPrefix = false;
  readonly keepsRejected = true;

  constructor(attr: AttrId) {
    this.attr = attr;
  }

  judge(): void {}
}
