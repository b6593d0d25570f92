/** MRT files made here, octet by octet as RFC 6396 has them. */

import { encodeAttributes, encodeUpdate, parseAddress, parsePrefix } from "@ts-bgp/wire-codec";

export function u16(value: number): number[] {
  return [value >>> 8, value & 255];
}

export function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

export function record(type: number, subtype: number, body: readonly number[]): number[] {
  return [...u32(1_700_000_000), ...u16(type), ...u16(subtype), ...u32(body.length), ...body];
}

export interface Peer {
  address: string;
  as: number;
}

export function peerIndexTable(peers: readonly Peer[]): number[] {
  const entries = peers.flatMap(({ address, as }) => {
    const octets = [...parseAddress(address)!];
    return [octets.length === 16 ? 3 : 2, ...u32(0x0a000001), ...octets, ...u32(as)];
  });
  const view = [...new TextEncoder().encode("view")];
  const head = [...u32(0xc0000201), ...u16(view.length), ...view];
  return record(13, 1, [...head, ...u16(peers.length), ...entries]);
}

export interface Entry {
  peer: number;
  attributes: readonly number[];
  pathId?: number;
}

/** A RIB record; the path identifiers of the entries decide whether it has such. */
export function rib(prefix: string, entries: readonly Entry[]): number[] {
  const { afi, address, bits } = parsePrefix(prefix)!;
  const addPath = entries[0]?.pathId !== undefined;
  const nlri = [bits, ...address.subarray(0, (bits + 7) >> 3)];
  const octets = entries.flatMap(({ peer, attributes, pathId }) => [
    ...u16(peer),
    ...u32(1_700_000_000),
    ...(pathId === undefined ? [] : u32(pathId)),
    ...u16(attributes.length),
    ...attributes,
  ]);
  const subtype = (afi === 1 ? 2 : 4) + (addPath ? 6 : 0);
  return record(13, subtype, [...u32(0), ...nlri, ...u16(entries.length), ...octets]);
}

/** A TABLE_DUMP record of one route; AS numbers of 2 octets. */
export function tableDump(prefix: string, peer: Peer, attributes: readonly number[]): number[] {
  const { afi, address, bits } = parsePrefix(prefix)!;
  const body = [...u16(0), ...u16(0), ...address, bits, 1, ...u32(0)];
  body.push(...parseAddress(peer.address)!, ...u16(peer.as));
  return record(12, afi, [...body, ...u16(attributes.length), ...attributes]);
}

export interface MessageOptions {
  fourOctetAs: boolean;
  addPath: boolean;
  extendedTime?: boolean;
}

/** A BGP4MP record that holds a message. */
export function message(peer: Peer, octets: Uint8Array, options: MessageOptions): number[] {
  const address = [...parseAddress(peer.address)!];
  const as = options.fourOctetAs ? u32 : u16;
  const body = [...as(peer.as), ...as(64999), ...u16(0), ...u16(address.length === 4 ? 1 : 2)];
  body.push(...address, ...address, ...octets);
  const subtype = options.addPath ? (options.fourOctetAs ? 9 : 8) : options.fourOctetAs ? 4 : 1;
  if (!options.extendedTime) return record(16, subtype, body);
  return record(17, subtype, [...u32(123_456), ...body]);
}

/** Path attributes of an IPv4 route as a dump has them. */
export function attributes(path: readonly number[], nextHop: string): number[] {
  return [
    ...encodeAttributes(
      [
        { type: 1, value: "IGP" },
        { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [...path] }] } },
        { type: 3, value: nextHop },
      ],
      FOUR_OCTETS,
    ),
  ];
}

/** The same for IPv6: MP_REACH_NLRI holds the next hop alone, or all of it with a prefix. */
export function attributes6(
  path: readonly number[],
  nextHop: string,
  whole: string | null = null,
): number[] {
  const octets = [...parseAddress(nextHop)!];
  let value = [octets.length, ...octets];
  if (whole !== null) {
    const { address, bits } = parsePrefix(whole)!;
    value = [0, 2, 1, ...value, 0, bits, ...address.subarray(0, (bits + 7) >> 3)];
  }
  const rest = encodeAttributes(
    [
      { type: 1, value: "IGP" },
      { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [...path] }] } },
    ],
    FOUR_OCTETS,
  );
  return [...rest, 0x80, 14, value.length, ...value];
}

export const FOUR_OCTETS = {
  fourOctetAs: true,
  external: true,
  addPath: 0,
  families: 3,
  allowAsSet: true,
  allowConfed: true,
  aigp: true,
  extendedNextHop: 3,
  rpkiState: false,
};

export function update(path: readonly number[], prefixes: readonly string[]): Uint8Array {
  return encodeUpdate(
    {
      attributes: [
        { type: 1, value: "IGP" },
        { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [...path] }] } },
        { type: 3, value: "192.0.2.9" },
      ],
      nlri: prefixes,
    },
    FOUR_OCTETS,
  );
}
