/**
 * Routes with their next hops as octets:
 *
 *     run = family varint, octets of the next hop varint, next hop, routes varint, (length in bits, prefix)...
 *
 * Routes of a run have one next hop, with 4 octets or 16; one with none withdraws them. Prefixes are as in NLRI
 * (RFC 4271 section 4.3). Of several next hops, or one of more octets, see `hops.ts`:
 *
 *     run = family + 4 varint, next hops varint, (octets varint, next hop)..., routes varint, ...
 */

import { FormatError, OctetReader, type OctetWriter } from "@ts-bgp/replication/canonical";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { isHopLength, type NextHops } from "./hops.ts";

/** Of a run with several next hops, beside the family. */
const SEVERAL = 4;
const HOPS_MAX = 64;

/** A prefix as words, high first, with 0 in bits beyond its length; IPv4 has the first word alone. */
export type TakeRoute = (
  family: Family,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  bits: number,
) => void;

/** Begins a run of `count` routes. @param hops - none: they are withdrawn */
export function writeRun(out: OctetWriter, family: Family, hops: NextHops, count: number): void {
  const [hop = new Uint8Array(0)] = hops;
  if (hops.length > 1 || hop.length > 16) {
    out.varint(family | SEVERAL);
    out.varint(hops.length);
    for (const each of hops) writeHop(out, each);
  } else {
    out.varint(family);
    writeHop(out, hop);
  }
  out.varint(count);
}

function writeHop(out: OctetWriter, hop: Uint8Array): void {
  out.varint(hop.length);
  out.octets(hop);
}

const scratch = new Uint8Array(17);

export function writePrefix(
  out: OctetWriter,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  bits: number,
): void {
  scratch[0] = bits;
  const octets = (bits + 7) >> 3;
  for (let i = 0; i < octets; i++) {
    const word = i < 4 ? w0 : i < 8 ? w1 : i < 12 ? w2 : w3;
    scratch[i + 1] = word >>> (24 - 8 * (i & 3));
  }
  out.octets(scratch.subarray(0, octets + 1));
}

/**
 * Reads runs; the octets are those of somebody else.
 *
 * @param begin - told the next hops of each run; none: its routes are withdrawn
 * @param take - told its routes
 * @returns how many routes there were; throws a FormatError for octets that are none
 */
export function readRuns(
  octets: Uint8Array,
  begin: (family: Family, hops: NextHops) => void,
  take: TakeRoute,
): number {
  const reader = new OctetReader(octets);
  let routes = 0;
  while (reader.left > 0) {
    const kind = reader.varint();
    const family = kind & ~SEVERAL;
    if (family !== FAMILY.IPV4_UNICAST && family !== FAMILY.IPV6_UNICAST) {
      throw new FormatError(`routes of a family ${kind}`);
    }
    const hops = kind === family ? readHop(reader) : readHops(reader);
    const count = reader.varint();
    if (count === 0 || count > reader.left)
      throw new FormatError(`${count} routes in ${reader.left} octets`);
    begin(family, hops);
    for (let i = 0; i < count; i++) readPrefix(reader, family, take);
    routes += count;
  }
  return routes;
}

function readHop(reader: OctetReader): NextHops {
  const hop = reader.octets(reader.varint());
  if (hop.length === 0) return [];
  if (hop.length !== 4 && hop.length !== 16) {
    throw new FormatError(`a next hop of ${hop.length} octets`);
  }
  return [hop];
}

function readHops(reader: OctetReader): NextHops {
  const count = reader.varint();
  if (count === 0 || count > HOPS_MAX) throw new FormatError(`${count} next hops`);
  return Array.from({ length: count }, () => {
    const hop = reader.octets(reader.varint());
    if (!isHopLength(hop.length)) {
      throw new FormatError(`a next hop of ${hop.length} octets`);
    }
    return hop;
  });
}

const words = new Uint32Array(4);

function readPrefix(reader: OctetReader, family: Family, take: TakeRoute): void {
  const bits = reader.octets(1)[0]!;
  if (bits > (family === FAMILY.IPV4_UNICAST ? 32 : 128)) {
    throw new FormatError(`a prefix of ${bits} bits`);
  }
  const octets = reader.octets((bits + 7) >> 3);
  words.fill(0);
  for (let i = 0; i < octets.length; i++) words[i >> 2]! |= octets[i]! << (24 - 8 * (i & 3));
  const last = (bits - 1) >> 5;
  const beyond = 32 * (last + 1) - bits;
  if (bits > 0 && beyond > 0 && (words[last]! & (2 ** beyond - 1)) !== 0) {
    throw new FormatError("a prefix with bits beyond its length");
  }
  take(family, words[0]!, words[1]!, words[2]!, words[3]!, bits);
}
