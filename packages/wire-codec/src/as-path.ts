/**
 * AS_PATH and AS4_PATH values: checking, turning 2-octet AS numbers into 4-octet ones, and the
 * JSON and text forms.
 */

import { SEGMENT } from "./constants.ts";
import { copyOctets, readU16, readU32, writeU16, writeU32 } from "./octets.ts";

const SEGMENT_NAMES = ["", "AS_SET", "AS_SEQUENCE", "AS_CONFED_SEQUENCE", "AS_CONFED_SET"] as const;

export type SegmentName = Exclude<(typeof SEGMENT_NAMES)[number], "">;

export interface AsPathSegment {
  type: SegmentName;
  as: number[];
}

/** JSON value of AS_PATH and AS4_PATH. */
export interface AsPathValue {
  /** As routers print it: "65001 65002 {1,2}", confederations as "(1 2)" and "[1,2]". */
  text: string;
  segments: AsPathSegment[];
}

/**
 * Finds what is wrong with an AS_PATH value: RFC 7606 section 7.2 for its form, RFC 7607 for AS 0,
 * RFC 9774 for sets, RFC 5065 section 5 for confederation segments.
 *
 * Linear in the octets; allocates only for a problem.
 *
 * @param asOctets - 2 or 4
 * @returns null, or the problem in words
 */
export function asPathProblem(
  buf: Uint8Array,
  at: number,
  end: number,
  asOctets: number,
  allowAsSet: boolean,
  allowConfed: boolean,
): string | null {
  for (let i = at; i < end; ) {
    if (end - i < 2) return "has one octet too many for its segments";
    const type = buf[i]!;
    const next = i + 2 + asOctets * buf[i + 1]!;
    if (type < SEGMENT.AS_SET || type > SEGMENT.AS_CONFED_SET) return `has segment type ${type}`;
    if (next === i + 2) return "has a segment without AS numbers";
    if (next > end) return `has a segment of ${buf[i + 1]} AS numbers that overruns it`;
    if (type !== SEGMENT.AS_SEQUENCE) {
      if (type > SEGMENT.AS_SEQUENCE && !allowConfed) {
        return `has an ${SEGMENT_NAMES[type]} segment outside a confederation`;
      }
      const set = type === SEGMENT.AS_SET || type === SEGMENT.AS_CONFED_SET;
      if (set && !allowAsSet) return `has an ${SEGMENT_NAMES[type]} segment`;
    }
    for (i += 2; i < next; i += asOctets) {
      if (buf[i] === 0 && buf[i + 1] === 0 && (asOctets === 2 || readU16(buf, i + 2) === 0)) {
        return "has AS number 0";
      }
    }
  }
  return null;
}

/**
 * Length of a well-formed AS_PATH in hops: an AS_SET is one, confederation segments are none
 * (RFC 4271 section 9.1.2.2 a, RFC 5065 section 5.3).
 */
function asPathHops(buf: Uint8Array, at: number, end: number, asOctets: number): number {
  let hops = 0;
  for (let i = at; i < end; i += 2 + asOctets * buf[i + 1]!) {
    if (buf[i] === SEGMENT.AS_SEQUENCE) hops += buf[i + 1]!;
    else if (buf[i] === SEGMENT.AS_SET) hops++;
  }
  return hops;
}

/** Writes segment `[i]` with `count` of its 2-octet AS numbers as 4-octet ones. */
function widenSegment(
  buf: Uint8Array,
  i: number,
  count: number,
  out: Uint8Array,
  outAt: number,
): number {
  out[outAt] = buf[i]!;
  out[outAt + 1] = count;
  let o = outAt + 2;
  for (let k = 0; k < count; k++) o = writeU32(out, o, readU16(buf, i + 2 + 2 * k));
  return o;
}

/**
 * Writes a well-formed AS_PATH of 2-octet AS numbers with 4-octet ones.
 *
 * @returns the index after what was written at `outAt`
 */
export function widenAsPath(
  buf: Uint8Array,
  at: number,
  end: number,
  out: Uint8Array,
  outAt: number,
): number {
  let o = outAt;
  for (let i = at; i < end; i += 2 + 2 * buf[i + 1]!) {
    o = widenSegment(buf, i, buf[i + 1]!, out, o);
  }
  return o;
}

/**
 * Puts AS_PATH (2-octet AS numbers) and AS4_PATH together (RFC 6793 section 4.2.3): as many
 * leading ASes of AS_PATH as it is longer, then AS4_PATH without confederation segments, which do
 * not belong there (section 6). AS_PATH alone when it is the shorter one.
 *
 * Where an AS_SEQUENCE meets another at the seam they become one, as the path was before an old
 * speaker cut it.
 *
 * @param at - AS_PATH is `[at, end)`, AS4_PATH `[as4At, as4End)`, both well-formed
 * @returns the index after what was written at `outAt`
 */
export function mergeAsPaths(
  buf: Uint8Array,
  at: number,
  end: number,
  as4At: number,
  as4End: number,
  out: Uint8Array,
  outAt: number,
): number {
  let take = asPathHops(buf, at, end, 2) - asPathHops(buf, as4At, as4End, 4);
  if (take < 0) return widenAsPath(buf, at, end, out, outAt);
  let o = outAt;
  let lastAt = -1;
  for (let i = at; i < end; i += 2 + 2 * buf[i + 1]!) {
    let count = buf[i + 1]!;
    if (buf[i]! <= SEGMENT.AS_SEQUENCE) {
      if (take === 0) break;
      if (buf[i] === SEGMENT.AS_SEQUENCE) count = Math.min(count, take);
      take -= buf[i] === SEGMENT.AS_SEQUENCE ? count : 1;
    }
    lastAt = o;
    o = widenSegment(buf, i, count, out, o);
  }
  for (let i = as4At; i < as4End; ) {
    const next = i + 2 + 4 * buf[i + 1]!;
    if (buf[i]! <= SEGMENT.AS_SEQUENCE) {
      if (joins(out, lastAt, buf, i)) {
        out[lastAt + 1]! += buf[i + 1]!;
        copyOctets(buf, i + 2, next, out, o);
        o += next - i - 2;
      } else {
        copyOctets(buf, i, next, out, o);
        o += next - i;
      }
      lastAt = -1;
    }
    i = next;
  }
  return o;
}

/** Whether the segment written last and the one to follow are one AS_SEQUENCE together. */
function joins(out: Uint8Array, lastAt: number, buf: Uint8Array, i: number): boolean {
  return (
    lastAt >= 0 &&
    out[lastAt] === SEGMENT.AS_SEQUENCE &&
    buf[i] === SEGMENT.AS_SEQUENCE &&
    out[lastAt + 1]! + buf[i + 1]! <= 255
  );
}

/** @returns the JSON value of a well-formed path of `asOctets`-octet AS numbers */
export function decodeAsPath(
  buf: Uint8Array,
  at: number,
  end: number,
  asOctets: number,
): AsPathValue {
  const segments: AsPathSegment[] = [];
  for (let i = at; i < end; ) {
    const type = SEGMENT_NAMES[buf[i]!] as SegmentName;
    const next = i + 2 + asOctets * buf[i + 1]!;
    const as: number[] = [];
    for (i += 2; i < next; i += asOctets) {
      as.push(asOctets === 2 ? readU16(buf, i) : readU32(buf, i));
    }
    segments.push({ type, as });
  }
  return { text: formatAsPath(segments), segments };
}

/** @returns the value octets; throws when a segment has not 1 to 255 AS numbers */
export function encodeAsPath(segments: readonly AsPathSegment[], asOctets: number): Uint8Array {
  const octets = segments.reduce((sum, { as }) => sum + 2 + asOctets * as.length, 0);
  const out = new Uint8Array(octets);
  let o = 0;
  for (const { type, as } of segments) {
    if (as.length < 1 || as.length > 255) throw new RangeError("a segment has 1 to 255 ASes");
    out[o++] = SEGMENT[type];
    out[o++] = as.length;
    for (const number of as) {
      o = asOctets === 2 ? writeU16(out, o, number) : writeU32(out, o, number);
    }
  }
  return out;
}

/** @returns the path as routers print it; see `AsPathValue` */
export function formatAsPath(segments: readonly AsPathSegment[]): string {
  return segments
    .map(({ type, as }) => {
      if (type === "AS_SET") return `{${as.join(",")}}`;
      if (type === "AS_CONFED_SEQUENCE") return `(${as.join(" ")})`;
      if (type === "AS_CONFED_SET") return `[${as.join(",")}]`;
      return as.join(" ");
    })
    .join(" ");
}
