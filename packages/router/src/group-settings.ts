/** Which update group a session belongs to: what its members must have in common. */

import type { Config, NeighborConfig } from "@ts-bgp/config";
import type { Negotiated } from "@ts-bgp/fsm";
import type { Filter } from "@ts-bgp/policy";
import {
  type Capability,
  EXTENDED_MESSAGE_OCTETS_MAX,
  FAMILY,
  type Family,
  MESSAGE_OCTETS_MAX,
  parseIpv4,
} from "@ts-bgp/wire-codec";
import type { GroupSettings } from "./exporter.ts";

/** Own addresses of a session, as next hops; null when there is none of the family. */
export interface OwnAddresses {
  readonly ipv4: Uint8Array | null;
  readonly ipv6: Uint8Array | null;
}

/**
 * @param isLongLived - some neighbor is configured for long-lived graceful restart
 * @returns what the session wants of its update group in one family
 */
export function groupSettings(
  family: Family,
  { router, kernel }: Pick<Config, "router" | "kernel">,
  config: NeighborConfig,
  negotiated: Negotiated,
  own: OwnAddresses,
  filter: Filter,
  isLongLived: boolean,
): GroupSettings {
  const internal = negotiated.peerAs === config.localAs;
  const transparent = config.routeServerClient;
  const addPath = (negotiated.addPathSend & family) !== 0;
  const send = config.addPath.send;
  const nextHop = nextHopOf(family, config, negotiated, own, filter);
  return {
    form: {
      family,
      fourOctetAs: negotiated.fourOctetAs,
      addPath,
      octetsMax: negotiated.extendedMessage ? EXTENDED_MESSAGE_OCTETS_MAX : MESSAGE_OCTETS_MAX,
      prependAs: internal || transparent ? 0 : config.localAs,
      nextHop: nextHop.how === "form" ? nextHop.address : null,
      internal,
      med: internal || transparent || filter.setsMed,
      otcAs: otcAs(config, negotiated),
      rpkiState: config.sendRpkiState,
    },
    internal,
    reflectorClient: config.routeReflectorClient,
    clusterId: internal ? parseIpv4(router.clusterId)! : 0,
    honorsWellKnown: config.honorWellKnownCommunities,
    mitigatesPathHiding:
      (transparent ? config.pathHiding === "mitigate" : config.nextBest) && !addPath,
    pathsMax: send === "all" ? Number.MAX_SAFE_INTEGER : send,
    classByAs: transparent && !config.sendSameAs,
    otcStops: ["customer", "peer", "rs-client"].includes(negotiated.localRole ?? ""),
    ipv6NextHop: family === FAMILY.IPV6_UNICAST || (negotiated.extendedNextHop & family) !== 0,
    nextHop: nextHop.how,
    ownNextHop: nextHop.how === "route" ? nextHop.address : null,
    ...(kernel != null && nextHop.own !== null ? { kernelNextHop: nextHop.own } : {}),
    stripsMed: filter.setsMed && !internal && !transparent,
    ...(transparent && config.localAs !== router.as ? { originAs: config.localAs } : {}),
    ...(isLongLived ? staleRoutes(config, negotiated) : {}),
  };
}

/** RFC 9494 sections 4.3 and 4.6. */
function staleRoutes(
  config: NeighborConfig,
  { peerAs, peerCapabilities }: Negotiated,
): Pick<GroupSettings, "staleRoutes"> {
  const has = (name: Capability["name"]) => peerCapabilities.some((each) => each.name === name);
  if (has("long-lived-graceful-restart") && has("graceful-restart")) return {};
  const isPartial = config.longLivedGracefulRestart.partial && peerAs === config.localAs;
  return { staleRoutes: isPartial ? "no-export" : "withhold" };
}

function nextHopOf(
  family: Family,
  config: NeighborConfig,
  negotiated: Negotiated,
  own: OwnAddresses,
  filter: Filter,
): { how: GroupSettings["nextHop"]; address: Uint8Array | null; own: Uint8Array | null } {
  // Reflected routes keep theirs (RFC 4456 section 10), so that internal ones are told apart.
  const internal = negotiated.peerAs === config.localAs;
  const ipv4 = family === FAMILY.IPV4_UNICAST ? own.ipv4 : null;
  const mayBeIpv6 = family === FAMILY.IPV6_UNICAST || (negotiated.extendedNextHop & family) !== 0;
  const address = ipv4 ?? (mayBeIpv6 ? own.ipv6 : null);
  if (config.nextHop === "unchanged") {
    return { how: filter.setsNextHop ? "route" : "form", address: null, own: address };
  }
  if (address === null) return { how: "policy", address, own: address };
  return { how: internal || filter.setsNextHop ? "route" : "form", address, own: address };
}

/** RFC 9234 section 5: towards customers, peers and route server clients OTC is added. */
function otcAs(config: NeighborConfig, negotiated: Negotiated): number {
  return ["provider", "peer", "rs"].includes(negotiated.localRole ?? "") ? config.localAs : 0;
}
