/** TCP of namespaces in which speed is measured. */

import { readFileSync } from "node:fs";

const ALLOWED = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

/**
 * A load that reads slowly on purpose drops segments, for which BBR, the default of some hosts, paces a
 * connection to kilobits a second for minutes: daemons are compared, and not that.
 *
 * @returns CUBIC, or RENO where the kernel lets no namespace have it
 */
export function measuringCongestionControl(): string {
  return readFileSync(ALLOWED, "utf8").trim().split(" ").includes("cubic") ? "cubic" : "reno";
}
