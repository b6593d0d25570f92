import {
  AFI,
  type Capability,
  FAMILY,
  familyBit,
  type OpenMessage,
  SAFI,
} from "@ts-bgp/wire-codec";
import { ROLES, type Role } from "./role.ts";

/** What both OPEN messages of a session agree on. FAMILY bits throughout. */
export interface Negotiated {
  /** The AS number of the peer, 4 octets wide. */
  readonly peerAs: number;
  readonly peerIdentifier: number;
  /** The smaller of both; 0 for no KEEPALIVE and no hold timer. */
  readonly holdTimeSeconds: number;
  /** A third of the hold time, in whole seconds; 0 when that is 0. */
  readonly keepaliveSeconds: number;
  /** AS numbers take 4 octets in UPDATE messages (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** Families that both sides carry. Without the multiprotocol capability: IPv4 unicast. */
  readonly families: number;
  readonly routeRefresh: boolean;
  readonly enhancedRouteRefresh: boolean;
  /** Messages of up to 65535 octets are sent (RFC 8654): both sides can take them. */
  readonly extendedMessage: boolean;
  /** They are taken: we said so, whatever the peer said (RFC 8654 sections 4 and 5). */
  readonly extendedMessageReceive: boolean;
  /** Families in which the peer sends path identifiers to us (RFC 7911). */
  readonly addPathReceive: number;
  /** Families in which we send path identifiers to the peer. */
  readonly addPathSend: number;
  /** Families whose next hop may be an IPv6 address (RFC 8950); IPv4 unicast or none. */
  readonly extendedNextHop: number;
  readonly gracefulRestart: GracefulRestart | null;
  readonly longLivedGracefulRestart: readonly LongLivedStaleTime[] | null;
  /** The role that we stated (RFC 9234), null for none and on an internal session. */
  readonly localRole: Role | null;
  /** The role that the peer stated; also null when it is one that is not assigned. */
  readonly peerRole: Role | null;
  /** Everything that we offered. */
  readonly localCapabilities: readonly Capability[];
  /** Everything that the peer offered, as it came. */
  readonly peerCapabilities: readonly Capability[];
}

/** The peer's graceful restart capability (RFC 4724), when we sent one too. */
export interface GracefulRestart {
  /** The peer says that it has restarted. */
  readonly restarting: boolean;
  /** Both sides apply graceful restart to NOTIFICATION and hold timer as well (RFC 8538). */
  readonly notification: boolean;
  readonly restartTimeSeconds: number;
  /** Negotiated families in which the peer can restart gracefully. */
  readonly families: number;
  /** Those of them in which the peer kept forwarding. */
  readonly forwarding: number;
}

/** One family of the peer's long-lived graceful restart capability (RFC 9494). */
export interface LongLivedStaleTime {
  readonly family: number;
  readonly forwarding: boolean;
  readonly staleTimeSeconds: number;
}

/**
 * What a session follows, from the OPEN message that we sent and the one that came.
 *
 * Total: judges nothing (that is `openFault`) and takes any OPEN. A capability with a list is the
 * union of its instances; of the others the last instance counts (RFC 4724 section 3 asks for that,
 * RFC 5492 section 4 leaves it open).
 */
export function negotiate(local: OpenMessage, peer: OpenMessage): Negotiated {
  const families = familiesOf(local) & familiesOf(peer);
  const holdTimeSeconds = Math.min(local.holdTimeSeconds, peer.holdTimeSeconds);
  const gracefulRestart = gracefulRestartOf(local, peer, families);
  const external = asOf(local) !== asOf(peer);
  return {
    peerAs: asOf(peer),
    peerIdentifier: peer.bgpIdentifier,
    holdTimeSeconds,
    keepaliveSeconds: Math.floor(holdTimeSeconds / 3),
    fourOctetAs: both(local, peer, "four-octet-as"),
    families,
    routeRefresh: both(local, peer, "route-refresh"),
    enhancedRouteRefresh: both(local, peer, "enhanced-route-refresh"),
    extendedMessage: both(local, peer, "extended-message"),
    extendedMessageReceive: find(local, "extended-message") !== undefined,
    addPathReceive: addPathOf(local, "receive") & addPathOf(peer, "send") & families,
    addPathSend: addPathOf(local, "send") & addPathOf(peer, "receive") & families,
    extendedNextHop: extendedNextHopOf(local) & extendedNextHopOf(peer) & families,
    gracefulRestart,
    // RFC 9494 section 3.1: without graceful restart the long-lived one means nothing.
    longLivedGracefulRestart: gracefulRestart === null ? null : longLivedOf(local, peer, families),
    localRole: external ? roleOf(local) : null,
    peerRole: external ? roleOf(peer) : null,
    localCapabilities: local.capabilities,
    peerCapabilities: peer.capabilities,
  };
}

/** The AS number that an OPEN message claims: the capability's if there (RFC 6793 section 4.1). */
export function asOf(open: OpenMessage): number {
  return find(open, "four-octet-as")?.as ?? open.as;
}

/** FAMILY bits that an OPEN message offers (RFC 4760 section 8). */
export function familiesOf(open: OpenMessage): number {
  let families = 0;
  let multiprotocol = false;
  for (const capability of open.capabilities) {
    if (!is(capability, "multiprotocol")) continue;
    multiprotocol = true;
    families |= familyBit(capability.afi, capability.safi);
  }
  return multiprotocol ? families : FAMILY.IPV4_UNICAST;
}

/** Whether a side's capabilities ask the other one to keep its routes while it restarts (RFC 4724). */
export function offersRestart(capabilities: readonly Capability[]): boolean {
  const own = capabilities.findLast((capability) => is(capability, "graceful-restart"));
  return own !== undefined && own.families.length > 0;
}

/** The (AFI, SAFI) pairs of FAMILY bits, in ascending order. */
export function pairsOf(families: number): { afi: number; safi: number }[] {
  const pairs = [];
  if (families & FAMILY.IPV4_UNICAST) pairs.push({ afi: AFI.IPV4, safi: SAFI.UNICAST });
  if (families & FAMILY.IPV6_UNICAST) pairs.push({ afi: AFI.IPV6, safi: SAFI.UNICAST });
  return pairs;
}

function addPathOf(open: OpenMessage, direction: "receive" | "send"): number {
  let families = 0;
  for (const capability of open.capabilities) {
    if (!is(capability, "add-path")) continue;
    for (const entry of capability.families) {
      if (entry[direction]) families |= familyBit(entry.afi, entry.safi);
    }
  }
  return families;
}

function extendedNextHopOf(open: OpenMessage): number {
  let families = 0;
  for (const capability of open.capabilities) {
    if (!is(capability, "extended-next-hop")) continue;
    for (const { afi, safi, nextHopAfi } of capability.families) {
      if (afi === AFI.IPV4 && nextHopAfi === AFI.IPV6) families |= familyBit(afi, safi);
    }
  }
  return families;
}

function gracefulRestartOf(
  local: OpenMessage,
  peer: OpenMessage,
  negotiated: number,
): GracefulRestart | null {
  const ours = find(local, "graceful-restart");
  const theirs = find(peer, "graceful-restart");
  if (ours === undefined || theirs === undefined) return null;
  let families = 0;
  let forwarding = 0;
  for (const entry of theirs.families) {
    const bit = familyBit(entry.afi, entry.safi) & negotiated;
    families |= bit;
    if (entry.forwarding) forwarding |= bit;
  }
  return {
    restarting: theirs.restarting,
    notification: ours.notification && theirs.notification,
    restartTimeSeconds: theirs.restartTimeSeconds,
    families,
    forwarding,
  };
}

function longLivedOf(
  local: OpenMessage,
  peer: OpenMessage,
  negotiated: number,
): LongLivedStaleTime[] | null {
  const theirs = find(peer, "long-lived-graceful-restart");
  if (theirs === undefined || find(local, "long-lived-graceful-restart") === undefined) return null;
  const times: LongLivedStaleTime[] = [];
  for (const { afi, safi, forwarding, staleTimeSeconds } of theirs.families) {
    const family = familyBit(afi, safi) & negotiated;
    if (family !== 0) times.push({ family, forwarding, staleTimeSeconds });
  }
  return times;
}

function roleOf(open: OpenMessage): Role | null {
  const capability = find(open, "role");
  return capability === undefined ? null : (ROLES[capability.role] ?? null);
}

function both(local: OpenMessage, peer: OpenMessage, name: Capability["name"]): boolean {
  return find(local, name) !== undefined && find(peer, name) !== undefined;
}

type Named<N extends Capability["name"]> = Extract<Capability, { name: N }>;

function is<N extends Capability["name"]>(capability: Capability, name: N): capability is Named<N> {
  return capability.name === name;
}

function find<N extends Capability["name"]>(open: OpenMessage, name: N): Named<N> | undefined {
  return open.capabilities.findLast((capability) => is(capability, name));
}
