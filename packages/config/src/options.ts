/**
 * What a change of each option means for a running session.
 *
 * - `reset`: the session must begin anew, since the option is part of what was negotiated, of the
 *   connection, or of whether there is one;
 * - `import`, `export`, `both`: routes of the neighbor are decided anew, the session stays;
 * - `none`: the new value just holds from now on.
 */

import type { LongLivedOptions, NeighborConfig } from "./types.ts";

export type ChangeEffect = "reset" | "import" | "export" | "both" | "none";

/** Every option of a neighbor. Its address is its name: another one is another neighbor. */
export const CHANGE_EFFECTS: Readonly<
  Record<Exclude<keyof NeighborConfig, "address" | "source" | "dynamic">, ChangeEffect>
> = {
  // The group matters only by its options, and to policies that ask for it.
  group: "both",
  as: "reset",
  description: "none",
  enabled: "reset",
  passive: "none",
  port: "none",
  localAddress: "reset",
  localAs: "reset",
  // Another one has the session.
  speaker: "reset",
  holdTime: "reset",
  // Of the next session.
  holdTimeMin: "none",
  requireCapabilities: "none",
  connectRetry: "none",
  delayOpen: "none",
  families: "reset",
  // Transparency, reflection and next hop are fixed for an update group that is being sent to.
  routeServerClient: "reset",
  routeReflectorClient: "reset",
  nextHop: "reset",
  import: "import",
  export: "export",
  blackhole: "import",
  // Acts through import and export, which are filled in from it.
  ebgpRequiresPolicy: "none",
  enforceFirstAs: "import",
  allowOwnAs: "import",
  // Decided while the UPDATE is read: the routes are not there to be decided anew.
  asSet: "reset",
  // The neighbor is asked for all routes again: what was left out of them is not there.
  pathAttribute: "none",
  addPath: "reset",
  extendedNextHop: "reset",
  extendedMessage: "reset",
  gracefulRestart: "reset",
  ownRestart: "reset",
  longLivedGracefulRestart: "reset",
  role: "reset",
  strictRole: "reset",
  password: "reset",
  ttlSecurity: "reset",
  multihop: "reset",
  // A running connection is given another one.
  congestionControl: "none",
  // The BFD session is another one then, and the session of BGP stays.
  bfd: "none",
  maxPrefix: "import",
  maxPrefixAccepted: "import",
  // Looked at at once, with what was sent.
  maxPrefixOut: "none",
  maxAsPath: "import",
  maxCommunities: "import",
  honorWellKnownCommunities: "export",
  honorGracefulShutdown: "import",
  pathHiding: "export",
  nextBest: "export",
  sendSameAs: "export",
  sendRpkiState: "export",
  // As with AS_SET: what was left out when the UPDATE was read is not there.
  acceptRpkiState: "reset",
  keepRejected: "import",
  nsr: "none",
  // Acts through policies that ask for it; see `diffConfig`.
  vars: "none",
};

/**
 * What a change of an option means: less than the table says when only a part of it changed that is
 * not negotiated.
 */
export function effectOfChange(
  option: keyof typeof CHANGE_EFFECTS,
  old: NeighborConfig,
  next: NeighborConfig,
): ChangeEffect {
  switch (option) {
    case "addPath": {
      const negotiated = ({ addPath: { receive, send } }: NeighborConfig) =>
        `${receive} ${send !== 0}`;
      return negotiated(old) === negotiated(next) ? "export" : "reset";
    }
    case "gracefulRestart":
      // How long routes are kept is told to nobody.
      return old.gracefulRestart.mode === next.gracefulRestart.mode ? "none" : "reset";
    case "ownRestart": {
      // What OPENs say of it in the mode; another mode counts by itself.
      const told = ({ gracefulRestart: { mode }, ownRestart: own }: NeighborConfig) =>
        mode === "off" ? "" : `${own.notification} ${mode === "full" ? own.time : 0}`;
      return told(old) === told(next) ? "none" : "reset";
    }
    case "longLivedGracefulRestart":
      return effectOfLongLived(old.longLivedGracefulRestart, next.longLivedGracefulRestart);
    default:
      return CHANGE_EFFECTS[option];
  }
}

function effectOfLongLived(old: LongLivedOptions, next: LongLivedOptions): ChangeEffect {
  const negotiated = ({ mode, staleTime: { ipv4Unicast, ipv6Unicast } }: LongLivedOptions) =>
    mode === "full" ? `${ipv4Unicast} ${ipv6Unicast}` : mode;
  if (negotiated(old) !== negotiated(next)) return "reset";
  return old.partial === next.partial ? "none" : "export";
}
