/** A neighbor of the configuration as the values that the other packages take. */

import type { Config, NeighborConfig, RequiredCapability } from "@ts-bgp/config";
import type { FsmConfig, Negotiated } from "@ts-bgp/fsm";
import { FSM_DEFAULTS } from "@ts-bgp/fsm";
import type { FamilyName, PeerFacts, Vars } from "@ts-bgp/policy";
import {
  AFI,
  type Capability,
  FAMILY,
  type Family,
  familyAfi,
  parseAddress,
  parseIpv4,
  readU32,
  SAFI,
} from "@ts-bgp/wire-codec";
import type { Ends } from "./connection.ts";
import type { OwnAddresses } from "./group-settings.ts";
import { restartCapabilities } from "./restart-capabilities.ts";

/** @returns 4 or 16 octets of an address in text, a zone left out */
export function addressOctets(text: string): Uint8Array {
  const octets = parseAddress(text.split("%")[0]!);
  if (octets === null) throw new Error(`not an address: ${text}`);
  return octets;
}

/** @returns an address as four 32-bit words, an IPv4 address mapped into IPv6 */
export function addressWords(octets: Uint8Array): [number, number, number, number] {
  if (octets.length === 4) return [0, 0, 0xffff, readU32(octets, 0)];
  return [readU32(octets, 0), readU32(octets, 4), readU32(octets, 8), readU32(octets, 12)];
}

/** Of a neighbor without a session. */
export const NO_ADDRESSES: OwnAddresses = { ipv4: null, ipv6: null };

/**
 * Own addresses as next hops of a session: that of the connection, and for routes of the other
 * family the one that its interface has of that. IPv4 routes get the IPv6 address of a connection
 * where the peer takes that (RFC 8950).
 */
export function ownAddresses(
  { localAddress, otherAddress }: Omit<Ends, "remotePort">,
  { extendedNextHop }: Negotiated,
): OwnAddresses {
  const local = addressOctets(localAddress);
  const other = otherAddress === null ? null : addressOctets(otherAddress);
  if (local.length === 4) return { ipv4: local, ipv6: other };
  return { ipv4: extendedNextHop === 0 ? other : null, ipv6: local };
}

/** `ipv4-unicast` or `ipv6-unicast`. */
export function familyLabel(family: Family): "ipv4-unicast" | "ipv6-unicast" {
  return family === FAMILY.IPV4_UNICAST ? "ipv4-unicast" : "ipv6-unicast";
}

/** FAMILY bits of a neighbor. */
export function familiesOf(config: Pick<NeighborConfig, "families">): number {
  let families = 0;
  for (const name of config.families) {
    families |= name === "ipv4-unicast" ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
  }
  return families;
}

/** What there is of all neighbors of an AS. */
export interface Siblings {
  addressesOf(as: number): readonly Uint8Array[];
  /** @returns null when all have the same values */
  varsOf(as: number): readonly Vars[] | null;
}

/** What policies may ask about a neighbor. */
export function peerFacts(
  config: NeighborConfig,
  number: number,
  siblings: Siblings,
  own: OwnAddresses,
): PeerFacts {
  const sameAsVars = siblings.varsOf(config.as);
  const octets = addressOctets(config.address);
  const sameAsAddresses = siblings.addressesOf(config.as);
  return {
    number,
    as: config.as,
    localAs: config.localAs,
    routeType: config.as === config.localAs ? "ibgp" : "ebgp",
    role: config.role === "none" ? null : config.role,
    group: config.group,
    address: config.address,
    addressOctets: octets,
    // The configuration does not have the address of a dynamic neighbor.
    sameAsAddresses: config.dynamic === null ? sameAsAddresses : [...sameAsAddresses, octets],
    localAddress4: own.ipv4,
    localAddress6: own.ipv6,
    vars: config.vars,
    ...(sameAsVars === null ? {} : { sameAsVars }),
    anyPeer: false,
  };
}

/**
 * What policies may ask about the peer of routes of this speaker's own, which no session has.
 *
 * @param source - in place of an address
 */
export function ownFacts(
  { config, factNumbers }: { readonly config: Config; readonly factNumbers: { next(): number } },
  routeType: "static" | "kernel",
  source: string,
): PeerFacts {
  const { as } = config.router;
  return {
    number: factNumbers.next(),
    as,
    localAs: as,
    routeType,
    role: null,
    group: "",
    address: source,
    addressOctets: NO_ADDRESS,
    sameAsAddresses: [],
    localAddress4: null,
    localAddress6: null,
    vars: {},
    anyPeer: false,
  };
}

const NO_ADDRESS = new Uint8Array(16);

/**
 * What the state machine must know of a neighbor.
 *
 * @param isRestarting - this speaker has restarted, and has not sent all that it had
 */
export function fsmConfig(
  config: Config,
  neighbor: NeighborConfig,
  isRestarting: boolean,
): FsmConfig {
  return {
    ...FSM_DEFAULTS,
    localAs: neighbor.localAs,
    peerAs: neighbor.as || neighbor.dynamic!.asRanges,
    localIdentifier: parseIpv4(config.router.id)!,
    holdTimeSeconds: neighbor.holdTime,
    holdTimeMinSeconds: neighbor.holdTimeMin,
    connectRetrySeconds: neighbor.connectRetry,
    delayOpenSeconds: neighbor.delayOpen,
    passive: neighbor.passive,
    role: neighbor.role === "none" ? null : neighbor.role,
    strictRole: neighbor.strictRole,
    families: familiesOf(neighbor),
    capabilities: capabilities(neighbor, isRestarting),
    ...required(neighbor),
  };
}

function required({ requireCapabilities }: NeighborConfig): Pick<FsmConfig, "required"> {
  if (requireCapabilities.length === 0) return {};
  const isFamily = (name: RequiredCapability) => name === "ipv4-unicast" || name === "ipv6-unicast";
  const families = requireCapabilities.filter(isFamily) as FamilyName[];
  const names = requireCapabilities.filter((name) => !isFamily(name)) as Capability["name"][];
  return { required: { names, families: familiesOf({ families }) } };
}

/** Capabilities that options of the neighbor ask for. */
function capabilities(neighbor: NeighborConfig, isRestarting: boolean): Capability[] {
  const list: Capability[] = [
    { code: 2, name: "route-refresh" },
    { code: 70, name: "enhanced-route-refresh" },
  ];
  if (neighbor.extendedMessage) list.push({ code: 6, name: "extended-message" });
  const families = familiesOf(neighbor);
  list.push(...restartCapabilities(neighbor, families, isRestarting));
  const { receive, send } = neighbor.addPath;
  if (receive || send !== 0) {
    const both = [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST].filter((family) => families & family);
    list.push({
      code: 69,
      name: "add-path",
      families: both.map((family) => ({
        afi: familyAfi(family),
        safi: SAFI.UNICAST,
        receive,
        send: send !== 0,
      })),
    });
  }
  if (neighbor.extendedNextHop && families & FAMILY.IPV4_UNICAST) {
    const entry = { afi: AFI.IPV4, safi: SAFI.UNICAST, nextHopAfi: AFI.IPV6 };
    list.push({ code: 5, name: "extended-next-hop", families: [entry] });
  }
  return list;
}
