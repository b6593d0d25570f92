/** What the state machine and the peer are told of us. */

import { FSM_DEFAULTS, type FsmConfig } from "@ts-bgp/fsm";
import {
  type Capability,
  FAMILY,
  type Family,
  familyAfi,
  familyName,
  parseAddress,
  parseIpv4,
  readU32,
  SAFI,
} from "@ts-bgp/wire-codec";

export interface SessionOptions {
  /** Address or name of the peer. */
  readonly host: string;
  readonly port: number;
  /** Address to connect from, null for the one that the system chooses. */
  readonly localAddress: string | null;
  readonly localAs: number;
  /** BGP Identifier, dotted; null makes one of the address that the connection comes from. */
  readonly identifier: string | null;
  /** 0 or 3 to 65535. */
  readonly holdTimeSeconds: number;
  /** FAMILY bits, at least one. */
  readonly families: number;
  /** Offer to send path identifiers. */
  readonly addPath: boolean;
  /** Try again when an attempt fails or the session ends. */
  readonly reconnect: boolean;
}

/** An attempt to connect lasts so long; when it fails the next one follows after as long. */
export const CONNECT_SECONDS = 10;

/** For addresses of which no identifier can be made. */
const SOME_IDENTIFIER = 0x0a000001;

export function fsmConfig(options: SessionOptions, localAddress: string): FsmConfig {
  const { identifier } = options;
  return {
    ...FSM_DEFAULTS,
    localAs: options.localAs,
    peerAs: "any",
    localIdentifier:
      identifier === null ? identifierOf(localAddress) : (parseIpv4(identifier) ?? 0),
    holdTimeSeconds: options.holdTimeSeconds,
    connectRetrySeconds: CONNECT_SECONDS,
    passive: false,
    role: null,
    strictRole: false,
    families: options.families,
    capabilities: capabilities(options),
  };
}

/** The FAMILY bits as names, such as "ipv4-unicast". */
export function familyNames(families: number): string[] {
  return familiesIn(families).map((family) => familyName(familyAfi(family), SAFI.UNICAST));
}

export function familiesIn(families: number): Family[] {
  return [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST].filter((family) => (families & family) !== 0);
}

function capabilities({ families, addPath }: SessionOptions): Capability[] {
  const list: Capability[] = [
    { code: 2, name: "route-refresh" },
    { code: 6, name: "extended-message" },
  ];
  if (!addPath) return list;
  const entry = (family: Family) => ({
    afi: familyAfi(family),
    safi: SAFI.UNICAST,
    receive: false,
    send: true,
  });
  list.push({ code: 69, name: "add-path", families: familiesIn(families).map(entry) });
  return list;
}

/** An IPv4 address is an identifier; of an IPv6 address the last four octets are taken. */
function identifierOf(address: string): number {
  const octets = parseAddress(address);
  if (octets === null) return SOME_IDENTIFIER;
  return readU32(octets, octets.length - 4) || SOME_IDENTIFIER;
}
