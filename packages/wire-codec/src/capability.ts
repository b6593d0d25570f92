/**
 * Capabilities (RFC 5492): what an OPEN says the speaker can do.
 *
 * One row per code. A code without a row, and a row whose `decode` cannot make sense of a value
 * that only informs people, is kept as it came under the name "unknown".
 */

import { readU16, readU32, writeU32 } from "./octets.ts";

export interface AfiSafi {
  afi: number;
  safi: number;
}

export type Capability =
  /** RFC 4760 section 8. */
  | { code: 1; name: "multiprotocol"; afi: number; safi: number }
  /** RFC 2918. */
  | { code: 2; name: "route-refresh" }
  /** RFC 8950 section 4: NLRI of (afi, safi) may have a next hop of `nextHopAfi`. */
  | { code: 5; name: "extended-next-hop"; families: (AfiSafi & { nextHopAfi: number })[] }
  /** RFC 8654. */
  | { code: 6; name: "extended-message" }
  /** RFC 9234 section 4: 0 provider, 1 route server, 2 its client, 3 customer, 4 peer. */
  | { code: 9; name: "role"; role: number }
  /** RFC 4724 section 3; `notification` is the N bit of RFC 8538. */
  | {
      code: 64;
      name: "graceful-restart";
      restarting: boolean;
      notification: boolean;
      restartTimeSeconds: number;
      families: (AfiSafi & { forwarding: boolean })[];
    }
  /** RFC 6793 section 3. */
  | { code: 65; name: "four-octet-as"; as: number }
  /** RFC 7911 section 4, as seen from the sender of the OPEN. */
  | { code: 69; name: "add-path"; families: (AfiSafi & { receive: boolean; send: boolean })[] }
  /** RFC 7313. */
  | { code: 70; name: "enhanced-route-refresh" }
  /** RFC 9494 section 3.1. */
  | {
      code: 71;
      name: "long-lived-graceful-restart";
      families: (AfiSafi & { forwarding: boolean; staleTimeSeconds: number })[];
    }
  /** draft-walton-bgp-hostname-capability; shown to people. */
  | { code: 73; name: "fqdn"; host: string; domain: string }
  /** draft-abraitis-bgp-version-capability; shown to people. */
  | { code: 75; name: "software-version"; version: string }
  | { code: number; name: "unknown"; value: Uint8Array };

type Known<N extends Capability["name"]> = Extract<Capability, { name: N }>;

interface Row<N extends Capability["name"]> {
  /** @returns the capability, or null when the value is malformed */
  decode(buf: Uint8Array, at: number, octets: number): Known<N> | null;
  /** @returns the value octets */
  encode(capability: Known<N>): number[] | Uint8Array;
  /** A malformed value is only shown, since nothing depends on it. */
  readonly informs?: true;
}

const FORWARDING = 0x80;
const RESTARTING = 0x8000;
const NOTIFICATION_BIT = 0x4000;
const RESTART_TIME = 0x0fff;
const ADD_PATH_RECEIVE = 1;
const ADD_PATH_SEND = 2;
const STALE_TIME_SECONDS_MAX = 0xffffff;

const TEXT = new TextDecoder("utf-8");

const MULTIPROTOCOL: Row<"multiprotocol"> = {
  decode: (buf, at, octets) =>
    octets === 4
      ? { code: 1, name: "multiprotocol", afi: readU16(buf, at), safi: buf[at + 3]! }
      : null,
  encode: ({ afi, safi }) => [afi >> 8, afi & 255, 0, safi],
};

/** Octets behind a capability that has none are ignored, as FRR does. */
const ROUTE_REFRESH: Row<"route-refresh"> = {
  decode: () => ({ code: 2, name: "route-refresh" }),
  encode: () => [],
};

const EXTENDED_NEXT_HOP: Row<"extended-next-hop"> = {
  decode(buf, at, octets) {
    if (octets % 6 !== 0) return null;
    const families = each(at, octets, 6, (i) => ({
      afi: readU16(buf, i),
      safi: readU16(buf, i + 2),
      nextHopAfi: readU16(buf, i + 4),
    }));
    return { code: 5, name: "extended-next-hop", families };
  },
  encode: ({ families }) =>
    families.flatMap(({ afi, safi, nextHopAfi }) => [
      ...u16(afi),
      ...u16(safi),
      ...u16(nextHopAfi),
    ]),
};

const EXTENDED_MESSAGE: Row<"extended-message"> = {
  decode: () => ({ code: 6, name: "extended-message" }),
  encode: () => [],
};

const ROLE: Row<"role"> = {
  decode: (buf, at, octets) => (octets === 1 ? { code: 9, name: "role", role: buf[at]! } : null),
  encode: ({ role }) => [role],
};

const GRACEFUL_RESTART: Row<"graceful-restart"> = {
  decode(buf, at, octets) {
    if (octets % 4 !== 2) return null;
    const head = readU16(buf, at);
    return {
      code: 64,
      name: "graceful-restart",
      restarting: (head & RESTARTING) !== 0,
      notification: (head & NOTIFICATION_BIT) !== 0,
      restartTimeSeconds: head & RESTART_TIME,
      families: each(at + 2, octets - 2, 4, (i) => ({
        afi: readU16(buf, i),
        safi: buf[i + 2]!,
        forwarding: (buf[i + 3]! & FORWARDING) !== 0,
      })),
    };
  },
  encode: ({ restarting, notification, restartTimeSeconds, families }) => [
    ...u16(
      (restarting ? RESTARTING : 0) |
        (notification ? NOTIFICATION_BIT : 0) |
        Math.min(restartTimeSeconds, RESTART_TIME),
    ),
    ...families.flatMap(({ afi, safi, forwarding }) => [
      ...u16(afi),
      safi,
      forwarding ? FORWARDING : 0,
    ]),
  ],
};

const FOUR_OCTET_AS: Row<"four-octet-as"> = {
  decode: (buf, at, octets) =>
    octets === 4 ? { code: 65, name: "four-octet-as", as: readU32(buf, at) } : null,
  encode({ as }) {
    const value = new Uint8Array(4);
    writeU32(value, 0, as);
    return value;
  },
};

const ADD_PATH: Row<"add-path"> = {
  decode(buf, at, octets) {
    if (octets % 4 !== 0) return null;
    const families = each(at, octets, 4, (i) => ({
      afi: readU16(buf, i),
      safi: buf[i + 2]!,
      direction: buf[i + 3]!,
    }));
    return {
      code: 69,
      name: "add-path",
      // An entry with a value other than 1, 2 or 3 is ignored (RFC 7911 section 4).
      families: families
        .filter(({ direction }) => direction >= 1 && direction <= 3)
        .map(({ afi, safi, direction }) => ({
          afi,
          safi,
          receive: (direction & ADD_PATH_RECEIVE) !== 0,
          send: (direction & ADD_PATH_SEND) !== 0,
        })),
    };
  },
  encode: ({ families }) =>
    families.flatMap(({ afi, safi, receive, send }) => [
      ...u16(afi),
      safi,
      (receive ? ADD_PATH_RECEIVE : 0) | (send ? ADD_PATH_SEND : 0),
    ]),
};

const ENHANCED_ROUTE_REFRESH: Row<"enhanced-route-refresh"> = {
  decode: () => ({ code: 70, name: "enhanced-route-refresh" }),
  encode: () => [],
};

const LONG_LIVED_GRACEFUL_RESTART: Row<"long-lived-graceful-restart"> = {
  decode(buf, at, octets) {
    if (octets % 7 !== 0) return null;
    const families = each(at, octets, 7, (i) => ({
      afi: readU16(buf, i),
      safi: buf[i + 2]!,
      forwarding: (buf[i + 3]! & FORWARDING) !== 0,
      staleTimeSeconds: (buf[i + 4]! << 16) | readU16(buf, i + 5),
    }));
    return { code: 71, name: "long-lived-graceful-restart", families };
  },
  encode: ({ families }) =>
    families.flatMap(({ afi, safi, forwarding, staleTimeSeconds }) => {
      const seconds = Math.min(staleTimeSeconds, STALE_TIME_SECONDS_MAX);
      return [...u16(afi), safi, forwarding ? FORWARDING : 0, seconds >> 16, ...u16(seconds)];
    }),
};

const FQDN: Row<"fqdn"> = {
  informs: true,
  decode(buf, at, octets) {
    const hostOctets = octets > 0 ? buf[at]! : 0;
    const domainAt = at + 1 + hostOctets;
    if (1 + hostOctets >= octets || 2 + hostOctets + buf[domainAt]! !== octets) return null;
    return {
      code: 73,
      name: "fqdn",
      host: text(buf, at + 1, hostOctets),
      domain: text(buf, domainAt + 1, buf[domainAt]!),
    };
  },
  encode: ({ host, domain }) => [...shortText(host), ...shortText(domain)],
};

const SOFTWARE_VERSION: Row<"software-version"> = {
  informs: true,
  decode: (buf, at, octets) =>
    octets > 0 && 1 + buf[at]! === octets
      ? { code: 75, name: "software-version", version: text(buf, at + 1, buf[at]!) }
      : null,
  encode: ({ version }) => shortText(version),
};

/** A row whose name is not known at compile time; it encodes capabilities of its own code only. */
interface AnyRow {
  decode(buf: Uint8Array, at: number, octets: number): Capability | null;
  encode(capability: never): number[] | Uint8Array;
  readonly informs?: true;
}

const ROWS: Readonly<Record<number, AnyRow>> = {
  1: MULTIPROTOCOL,
  2: ROUTE_REFRESH,
  5: EXTENDED_NEXT_HOP,
  6: EXTENDED_MESSAGE,
  9: ROLE,
  64: GRACEFUL_RESTART,
  65: FOUR_OCTET_AS,
  69: ADD_PATH,
  70: ENHANCED_ROUTE_REFRESH,
  71: LONG_LIVED_GRACEFUL_RESTART,
  73: FQDN,
  75: SOFTWARE_VERSION,
};

/** Whether this version knows a capability of that code. */
export function isCapability(code: number): boolean {
  return Object.hasOwn(ROWS, code);
}

/**
 * Reads one capability value.
 *
 * A value of the wrong length makes the optional parameter malformed, which refuses the session
 * (RFC 4271 section 6.2; BIRD and FRR do the same), unless the capability only informs people.
 *
 * @param at - index of the first value octet; `[at, at + octets)` lies in `buf`
 * @returns the capability, or null when its value is malformed
 */
export function decodeCapability(
  code: number,
  buf: Uint8Array,
  at: number,
  octets: number,
): Capability | null {
  const row = ROWS[code];
  const known = row?.decode(buf, at, octets) ?? null;
  if (known !== null || (row !== undefined && row.informs !== true)) return known;
  return { code, name: "unknown", value: buf.slice(at, at + octets) };
}

/** @returns the code, length and value octets; throws when the value has more than 255 octets */
export function encodeCapability(capability: Capability): Uint8Array {
  const value =
    capability.name === "unknown"
      ? capability.value
      : ROWS[capability.code]!.encode(capability as never);
  if (value.length > 255) throw new RangeError(`capability ${capability.name} is too long`);
  const out = new Uint8Array(2 + value.length);
  out[0] = capability.code;
  out[1] = value.length;
  out.set(value, 2);
  return out;
}

function each<T>(at: number, octets: number, step: number, read: (at: number) => T): T[] {
  return Array.from({ length: octets / step }, (_, k) => read(at + k * step));
}

function u16(value: number): [number, number] {
  return [(value >> 8) & 255, value & 255];
}

function text(buf: Uint8Array, at: number, octets: number): string {
  return TEXT.decode(buf.subarray(at, at + octets));
}

/** A length octet and UTF-8, cut after a whole character at 64 octets: what the drafts allow. */
function shortText(value: string): Uint8Array {
  const out = new Uint8Array(1 + 64);
  const { written } = new TextEncoder().encodeInto(value, out.subarray(1));
  out[0] = written;
  return out.subarray(0, 1 + written);
}
