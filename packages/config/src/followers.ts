/** The section of those who follow the routes that are used, and what both ends of their links have in common. */

import type { Checker } from "./checker.ts";
import type { FileShape, FileTls } from "./file-shape.ts";
import type { FollowersConfig, NsrConfig, NsrTls } from "./link-types.ts";
import { checkLink, checkTls, type PlacedLink } from "./nsr.ts";
import type { NeighborConfig } from "./types.ts";

/** What followers and certificates call a speaker that says nothing of it. */
export const FOLLOWED_NAME = "followers";
const FOLLOWERS_MAX = 8;

export function checkFollowers(
  { followers }: FileShape,
  nsr: NsrConfig | null,
  checker: Checker,
): FollowersConfig | null {
  if (followers === undefined) return null;
  const { yaml } = checker;
  const name = followers.name ?? FOLLOWED_NAME;
  if (name === nsr?.cluster) {
    const message = `"${name}" is the pair's own name: certificates of followers would open its link`;
    yaml.add(
      yaml.wrote(followers, "name") ? yaml.valueAt(followers, "name") : yaml.at(followers),
      message,
    );
  }
  const at = yaml.valueAt(followers, "listen");
  const listen = checkLink(followers.listen, at, checker);
  const tls = checkLinkTls(followers, name, [[listen, at]], checker);
  return { name, listen, tls, max: followers.max ?? FOLLOWERS_MAX, paths: followers.paths ?? 1 };
}

/**
 * Warns where followers lose all routes at a restart: a speaker alone that waits for no neighbor has told all at
 * once, which is nothing.
 *
 * @param at - where the section stands
 */
export function warnOfLostRoutes(
  neighbors: readonly NeighborConfig[],
  nsr: NsrConfig | null,
  at: number,
  checker: Checker,
): void {
  const waits = ({ enabled, gracefulRestart }: NeighborConfig) =>
    enabled && gracefulRestart.mode === "full";
  if (nsr !== null || neighbors.some(waits)) return;
  const remedy = 'a pair ("nsr") or neighbors with "graceful-restart: full" keep them';
  checker.warn(at, `followers lose all routes when this speaker restarts: ${remedy}`);
}

/**
 * Whoever is let in at the end of a link is told all routes, or has the word on a kernel's: TCP needs TLS, on
 * loopback as well, where every user of the host can connect.
 */
export function checkLinkTls(
  section: { readonly tls?: FileTls },
  name: string,
  links: readonly PlacedLink[],
  checker: Checker,
): NsrTls | null {
  const { yaml } = checker;
  const open = links.find(([link]) => !("path" in link) && link.address !== "");
  if (open !== undefined && !yaml.wrote(section, "tls")) {
    const command = `tsbgp keys DIR --cluster ${name}`;
    yaml.add(open[1], `TCP needs "tls", also on one host (${command} makes certificates)`);
  }
  return checkTls({ ...section, cluster: name }, checker);
}
