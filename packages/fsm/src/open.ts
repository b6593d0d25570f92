/** The OPEN message that we send, and the judgement on the one that comes. */

import { AS_TRANS, type Capability, encodeCapability, type OpenMessage } from "@ts-bgp/wire-codec";
import { asOf, familiesOf, pairsOf } from "./negotiate.ts";
import { ROLES, rolesCorrespond } from "./role.ts";
import type { FsmConfig } from "./types.ts";

/** What is wrong with an OPEN message: the OPEN Message Error (code 2) to answer with. */
export interface OpenFault {
  readonly subcode: number;
  readonly data: Uint8Array;
}

const BAD_PEER_AS = 2;
const BAD_BGP_IDENTIFIER = 3;
const UNACCEPTABLE_HOLD_TIME = 6;
const UNSUPPORTED_CAPABILITY = 7;
const ROLE_MISMATCH = 11;

/** The OPEN message that a configuration makes. */
export function buildOpen(config: FsmConfig): OpenMessage {
  const capabilities: Capability[] = [];
  for (const pair of pairsOf(config.families)) {
    capabilities.push({ code: 1, name: "multiprotocol", ...pair });
  }
  capabilities.push(...config.capabilities);
  // RFC 9234 section 4.1: roles are for external sessions.
  if (config.role !== null && config.peerAs !== "internal" && config.peerAs !== config.localAs) {
    capabilities.push({ code: 9, name: "role", role: ROLES.indexOf(config.role) });
  }
  capabilities.push({ code: 65, name: "four-octet-as", as: config.localAs });
  return {
    version: 4,
    as: config.localAs > 0xffff ? AS_TRANS : config.localAs,
    holdTimeSeconds: config.holdTimeSeconds,
    bgpIdentifier: config.localIdentifier,
    capabilities,
  };
}

/**
 * What the configuration has against a well-formed OPEN message (RFC 4271 section 6.2). The codec
 * has seen to what nobody may send: a hold time of 1 or 2 seconds, an identifier of 0.
 *
 * The data are the octets at fault, as BIRD sends them too; where an RFC asks for data it is that.
 *
 * @param local - the OPEN message that we sent on the connection
 * @returns null when the OPEN is acceptable
 */
export function openFault(
  config: FsmConfig,
  local: OpenMessage,
  peer: OpenMessage,
): OpenFault | null {
  const peerAs = asOf(peer);
  const internal = peerAs === config.localAs;
  // RFC 6286 section 2.2: only an internal peer must differ from us.
  if (internal && peer.bgpIdentifier === config.localIdentifier) {
    return { subcode: BAD_BGP_IDENTIFIER, data: octets(peer.bgpIdentifier, 4) };
  }
  if (!asIsGood(config, peer, peerAs)) {
    const wide = peer.capabilities.some((capability) => capability.name === "four-octet-as");
    return { subcode: BAD_PEER_AS, data: octets(peerAs, wide ? 4 : 2) };
  }
  // RFC 4271 section 6.2: any hold time may be refused.
  if (peer.holdTimeSeconds > 0 && peer.holdTimeSeconds < config.holdTimeMinSeconds) {
    return { subcode: UNACCEPTABLE_HOLD_TIME, data: new Uint8Array(0) };
  }
  const wanted = familiesOf(local);
  if ((wanted & familiesOf(peer)) === 0) {
    // A session that can carry nothing would only look healthy. BIRD, FRR and OpenBGPD refuse it
    // the same way; RFC 5492 section 5 wants the capabilities that were missed listed.
    return { subcode: UNSUPPORTED_CAPABILITY, data: multiprotocolOctets(wanted) };
  }
  const lacking = lackingOctets(config, local, peer);
  if (lacking.length > 0) return { subcode: UNSUPPORTED_CAPABILITY, data: lacking };
  if (!internal && config.role !== null && !rolesCorrespond(config.role, config.strictRole, peer)) {
    return { subcode: ROLE_MISMATCH, data: new Uint8Array(0) };
  }
  return null;
}

/**
 * Whether the peer wins a collision: its connection stays, ours goes (RFC 4271 section 6.8). Equal
 * identifiers leave it to the AS numbers (RFC 6286 section 2.3).
 */
export function peerDominates(config: FsmConfig, peer: OpenMessage): boolean {
  if (peer.bgpIdentifier !== config.localIdentifier) {
    return peer.bgpIdentifier > config.localIdentifier;
  }
  return asOf(peer) > config.localAs;
}

function asIsGood(config: FsmConfig, peer: OpenMessage, peerAs: number): boolean {
  // RFC 7607: nobody is AS 0. RFC 6793 section 9: nor AS_TRANS.
  if (peerAs === 0 || peerAs === AS_TRANS) return false;
  // RFC 6793 section 4.2.1: the 2-octet field repeats the number or holds AS_TRANS.
  if (peer.as !== peerAs && peer.as !== AS_TRANS) return false;
  if (typeof config.peerAs === "object") {
    return config.peerAs.some(([first, last]) => first <= peerAs && peerAs <= last);
  }
  switch (config.peerAs) {
    case "any":
      return true;
    case "internal":
      return peerAs === config.localAs;
    case "external":
      return peerAs !== config.localAs;
    default:
      return peerAs === config.peerAs;
  }
}

/** @returns what is required and the peer does not offer, as our OPEN has it (RFC 5492 section 5) */
function lackingOctets({ required }: FsmConfig, local: OpenMessage, peer: OpenMessage): Uint8Array {
  if (required === undefined) return new Uint8Array(0);
  const families = required.families & ~(familiesOf(local) & familiesOf(peer));
  const offered = new Set(peer.capabilities.map(({ name }) => name));
  const names = required.names.filter((name) => !offered.has(name));
  const own = local.capabilities.filter(({ name }) => names.includes(name)).map(encodeCapability);
  return Uint8Array.from([...multiprotocolOctets(families), ...own.flatMap((each) => [...each])]);
}

function multiprotocolOctets(families: number): Uint8Array {
  return Uint8Array.from(pairsOf(families).flatMap(({ afi, safi }) => [1, 4, 0, afi, 0, safi]));
}

function octets(value: number, length: 2 | 4): Uint8Array {
  const all = [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
  return Uint8Array.from(all.slice(4 - length));
}
