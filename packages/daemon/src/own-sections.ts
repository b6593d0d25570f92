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

/** What a standby is followed by: it takes this of its file by itself, at once. */
export function standbySections({
  cluster,
  followers,
}: Config): Pick<Config, "cluster" | "followers"> {
  return { cluster, followers };
}

/**
 * What comes of a reload of a side that is not active, whose file is right.
 *
 * @param own - sections that it has taken
 */
export function standbyTexts(
  file: string,
  role: string,
  own: readonly string[],
): { readonly logged: string; readonly answer: string } {
  const side = `this side is ${role === "starting" ? "starting" : "the standby"}`;
  const sections = own.join(" and ");
  const done = own.length === 0 ? "nothing was changed" : `only section ${sections} was taken`;
  const taken = own.length === 0 ? "" : `; of it, section ${sections} counts from now on`;
  return {
    logged: `${file} has no mistakes; ${side}, ${done}`,
    answer: `${side}: reload the active side (${file} has no mistakes${taken})`,
  };
}
