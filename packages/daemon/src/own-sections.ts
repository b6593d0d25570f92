/** What of a configuration each side of a pair has of its own, whatever the other one has. */

import type { Config } from "@ts-bgp/config";

export type OwnSections = Pick<
  Config,
  "cluster" | "control" | "followers" | "http" | "log" | "mirrors" | "nsr" | "record"
>;

/** @returns these sections alone */
export function ownSections(config: Config): OwnSections {
  const { cluster, control, followers, http, log, mirrors, nsr, record } = config;
  return { cluster, control, followers, http, log, mirrors, nsr, record };
}
