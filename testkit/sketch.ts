/** What a scripted peer offers and announces, in few words, as the codec wants to have it. */

import { AFI, type AttributeValue, type Capability, type Route, SAFI } from "@ts-bgp/wire-codec";
import type { Peer } from "./router.ts";

export const ROUTER_AS = 64500;
export const ROUTER_ADDRESS = "192.0.2.254";
export const ROUTER_ADDRESS6 = "2001:db8::254";

/** What a scripted peer offers in OPEN; the rest follows from its address. */
export interface PeerOptions {
  readonly as: number;
  readonly id?: string;
  readonly families?: readonly ("ipv4" | "ipv6")[];
  readonly holdTime?: number;
  readonly fourOctetAs?: boolean;
  readonly addPath?: "receive" | "send" | "both";
  /** Families that are listed for it; all without. */
  readonly addPathFamilies?: readonly ("ipv4" | "ipv6")[];
  readonly extendedMessage?: boolean;
  readonly extendedNextHop?: boolean;
  readonly routeRefresh?: boolean;
  readonly enhancedRefresh?: boolean;
  readonly gracefulRestart?: {
    restarting?: boolean;
    forwarding?: boolean;
    seconds?: number;
    notification?: boolean;
    /** Families that are listed; all without. */
    families?: readonly [];
  };
  /** Long-lived stale time in seconds, of all families. */
  readonly longLived?: { seconds?: number; forwarding?: boolean };
  readonly role?: number;
}

/** Attributes of a route in few words; what is absent has a default that is good for eBGP. */
export interface Sketch {
  readonly origin?: "IGP" | "EGP" | "INCOMPLETE";
  readonly path?: readonly number[];
  readonly nextHop?: string;
  readonly med?: number;
  readonly localPref?: number;
  readonly communities?: readonly string[];
  readonly large?: readonly string[];
  readonly extended?: readonly string[];
  readonly otc?: number;
  readonly originator?: string;
  readonly clusters?: readonly string[];
  /** Further ones, or others in place of those above. */
  readonly more?: readonly AttributeValue[];
}

/** A route as text, with its path identifier if it has one. */
export function keyOf(route: Route): string {
  return typeof route === "string" ? route : `${route.prefix} ${route.path_id}`;
}

export function attributesOf(sketch: Sketch, peer: Peer): AttributeValue[] {
  const { as } = peer.options;
  const internal = as === ROUTER_AS;
  const path = sketch.path ?? (internal ? [] : [as]);
  const segments = path.length === 0 ? [] : [{ type: "AS_SEQUENCE", as: [...path] }];
  const localPref = sketch.localPref ?? (internal ? 100 : undefined);
  const list: [type: number, value: unknown][] = [
    [1, sketch.origin ?? "IGP"],
    [2, { segments }],
    [3, sketch.nextHop ?? peer.address],
    [4, sketch.med],
    [5, localPref],
    [8, sketch.communities],
    [9, sketch.originator],
    [10, sketch.clusters],
    [16, sketch.extended],
    [32, sketch.large],
    [35, sketch.otc],
  ];
  const more = sketch.more ?? [];
  const known = list.filter(([type, value]) => {
    const isThere = value !== undefined && !(Array.isArray(value) && value.length === 0);
    return isThere && !more.some((other) => other.type === type);
  });
  return [...known.map(([type, value]) => ({ type, value })), ...more];
}

export function byFamily(routes: readonly Route[]): { ipv4: Route[]; ipv6: Route[] } {
  const isIpv6 = (route: Route) => keyOf(route).includes(":");
  return { ipv4: routes.filter((route) => !isIpv6(route)), ipv6: routes.filter(isIpv6) };
}

export function mpReach(nlri: readonly Route[], nextHop: string): AttributeValue {
  const afi = keyOf(nlri[0]!).includes(":") ? AFI.IPV6 : AFI.IPV4;
  return { type: 14, value: { afi, safi: SAFI.UNICAST, next_hop: nextHop, nlri } };
}

export function mpUnreach(nlri: readonly Route[]): AttributeValue {
  return { type: 15, value: { afi: AFI.IPV6, safi: SAFI.UNICAST, nlri } };
}

export function capabilitiesOf(options: PeerOptions, isIpv6: boolean): Capability[] {
  const families = options.families ?? [isIpv6 ? "ipv6" : "ipv4"];
  const pairs = families.map((family) => ({
    afi: family === "ipv4" ? AFI.IPV4 : AFI.IPV6,
    safi: SAFI.UNICAST,
  }));
  const list: Capability[] = pairs.map((pair) => ({ code: 1, name: "multiprotocol", ...pair }));
  const { addPath, gracefulRestart, longLived, role } = options;
  if (options.routeRefresh !== false) list.push({ code: 2, name: "route-refresh" });
  if (options.enhancedRefresh !== false) list.push({ code: 70, name: "enhanced-route-refresh" });
  if (options.extendedMessage === true) list.push({ code: 6, name: "extended-message" });
  if (options.extendedNextHop === true) {
    const entry = { afi: AFI.IPV4, safi: SAFI.UNICAST, nextHopAfi: AFI.IPV6 };
    list.push({ code: 5, name: "extended-next-hop", families: [entry] });
  }
  if (addPath !== undefined) {
    const receive = addPath !== "send";
    const send = addPath !== "receive";
    const { addPathFamilies = families } = options;
    const listed = pairs.filter((_, i) => addPathFamilies.includes(families[i]!));
    const entries = listed.map((pair) => ({ ...pair, receive, send }));
    list.push({ code: 69, name: "add-path", families: entries });
  }
  if (gracefulRestart !== undefined) {
    const { restarting = false, forwarding = true, seconds = 120 } = gracefulRestart;
    const { notification = false, families: listed = pairs } = gracefulRestart;
    list.push({
      code: 64,
      name: "graceful-restart",
      restarting,
      notification,
      restartTimeSeconds: seconds,
      families: listed.map((pair) => ({ ...pair, forwarding })),
    });
  }
  if (longLived !== undefined) {
    const { seconds: staleTimeSeconds = 3600, forwarding = true } = longLived;
    const entries = pairs.map((pair) => ({ ...pair, forwarding, staleTimeSeconds }));
    list.push({ code: 71, name: "long-lived-graceful-restart", families: entries });
  }
  if (role !== undefined) list.push({ code: 9, name: "role", role });
  return list;
}
