/** What a side is, in a line. */

import type { ShownNsr } from "@ts-bgp/nsr";

/** For the service manager. */
export function statusText(shown: ShownNsr): string {
  const { cluster, side, role, ready, reason, protected: safe, sessions } = shown;
  if (cluster === "") return `${sessions} sessions established`;
  if (role === "standby") return `${side} is the standby, ${ready ? "ready" : reason}`;
  const standby = ready ? `${safe} of ${sessions} sessions protected` : `alone: ${reason}`;
  return `${side} is ${role === "starting" ? `starting: ${reason}` : `active, ${standby}`}`;
}

/** For stations, which are told by the side that acts. */
export function sideText({ cluster, side, epoch }: ShownNsr): string {
  return cluster === "" ? "started" : `side ${side} of ${cluster} is active, epoch ${epoch}`;
}
