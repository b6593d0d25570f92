/** The capabilities by which sides agree on graceful restart (RFC 4724, 8538, 9494). */

import type { FamilySeconds, NeighborConfig } from "@ts-bgp/config";
import { type Capability, FAMILY, type Family, familyAfi, SAFI } from "@ts-bgp/wire-codec";

/**
 * @param bits - FAMILY bits that are offered
 * @param isRestarting - see `OwnRestart`
 * @returns what OPENs say of graceful restart, the long-lived one as well
 */
export function restartCapabilities(
  { gracefulRestart, ownRestart, longLivedGracefulRestart: longLived }: NeighborConfig,
  bits: number,
  isRestarting: boolean,
): Capability[] {
  if (gracefulRestart.mode === "off") return [];
  const isFull = gracefulRestart.mode === "full";
  const all = [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST] as const;
  const families = all.filter((family) => (bits & family) !== 0);
  const entryOf = (family: Family) => ({
    afi: familyAfi(family),
    safi: SAFI.UNICAST,
    forwarding: true,
  });
  const list: Capability[] = [
    {
      code: 64,
      name: "graceful-restart",
      restarting: isFull && isRestarting,
      notification: ownRestart.notification,
      restartTimeSeconds: isFull ? ownRestart.time : 0,
      // No families: this side does not restart gracefully, but helps (RFC 4724 section 3).
      families: isFull ? families.map(entryOf) : [],
    },
  ];
  if (longLived.mode === "off") return list;
  const kept = families.filter((family) => secondsOf(longLived.staleTime, family) > 0);
  list.push({
    code: 71,
    name: "long-lived-graceful-restart",
    families: (longLived.mode === "full" ? kept : []).map((family) => ({
      ...entryOf(family),
      staleTimeSeconds: secondsOf(longLived.staleTime, family),
    })),
  });
  return list;
}

/** @returns the number of a family */
export function secondsOf({ ipv4Unicast, ipv6Unicast }: FamilySeconds, family: Family): number {
  return family === FAMILY.IPV4_UNICAST ? ipv4Unicast : ipv6Unicast;
}
