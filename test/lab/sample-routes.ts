import type { Ability, DaemonKind, Route } from "./daemon.ts";

/** Number of routes per family in `sampleRoutes`. */
export const SAMPLE_ROUTES_PER_FAMILY = 2;

/**
 * Routes for a daemon to originate: in each family one with every attribute that the daemon can
 * set, communities of all three kinds among them, and one with few.
 *
 * @param as - of the daemon, for its communities
 * @param net - 1..9, keeps the prefixes of several daemons apart
 */
export function sampleRoutes(as: number, net: number, kind: DaemonKind): Route[] {
  const can = (ability: Ability) => kind.cannot[ability] === undefined;
  const rich = {
    origin: "egp",
    med: 7,
    ...(can("as-path") ? { asPath: [64999, 4200000001] } : {}),
    communities: [`${as}:1`, `${as}:65535`, "65535:65284"],
    largeCommunities: [`${as}:2:3`, "4200000001:4294967295:0"],
    extCommunities: [`rt:${as}:4`, ...(can("soo") ? [`soo:${as}:5`] : [])],
  } as const;
  const poor = can("med-absent") ? {} : { med: 0 };
  return [
    { ...rich, prefix: `10.${net}.0.0/24` },
    { ...poor, prefix: `10.${net}.128.0/17`, origin: "incomplete" },
    { ...rich, prefix: `fd${net}0::/48` },
    { ...poor, prefix: `fd${net}0:1::/48`, communities: [`${as}:6`] },
  ];
}
