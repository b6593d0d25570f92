/**
 * Walking the canonical octets of an attribute set.
 *
 * The octets were made by this codec, so the walks here check nothing: attributes in ascending
 * type order, each as flags, type, length (two octets with EXTENDED_LENGTH) and value.
 */

import { ATTR_FLAG, SEGMENT } from "./constants.ts";
import { readU16, readU32 } from "./octets.ts";

/** @returns the index of the first value octet of the attribute whose header is at `at` */
export function attributeValueAt(buf: Uint8Array, at: number): number {
  return at + ((buf[at]! & ATTR_FLAG.EXTENDED_LENGTH) !== 0 ? 4 : 3);
}

/** @returns the value length in octets of the attribute whose header is at `at` */
export function attributeValueOctets(buf: Uint8Array, at: number): number {
  return (buf[at]! & ATTR_FLAG.EXTENDED_LENGTH) !== 0 ? readU16(buf, at + 2) : buf[at + 2]!;
}

/** @returns the index of the attribute that follows the one at `at` */
export function nextAttribute(buf: Uint8Array, at: number): number {
  return attributeValueAt(buf, at) + attributeValueOctets(buf, at);
}

/** @returns the index of the header of attribute `type` in `[at, end)`, or -1 */
export function findAttribute(buf: Uint8Array, at: number, end: number, type: number): number {
  for (let i = at; i < end; i = nextAttribute(buf, i)) {
    if (buf[i + 1] === type) return i;
    if (buf[i + 1]! > type) return -1;
  }
  return -1;
}

/**
 * Octets that `UpdateReader.remains` made begin with an attribute of type 0, which is not optional
 * as unknown ones that came are: its value says in ASCII what was wrong with the message.
 *
 * @returns that text, null for the octets of a good message
 */
export function faultText(buf: Uint8Array, at: number, end: number): string | null {
  if (at === end || buf[at + 1] !== 0 || (buf[at]! & ATTR_FLAG.OPTIONAL) !== 0) return null;
  let text = "";
  const next = nextAttribute(buf, at);
  for (let i = attributeValueAt(buf, at); i < next; i++) text += String.fromCharCode(buf[i]!);
  return text;
}

/** What the decision process and the loop checks want to know about an AS_PATH. */
export interface AsPathFacts {
  /** Length as RFC 4271 section 9.1.2.2 a counts it: an AS_SET is one, confederations are none. */
  length: number;
  /** First AS of the leading AS_SEQUENCE, 0 when there is none: the neighbouring AS. */
  firstAs: number;
  /** Last AS of a trailing AS_SEQUENCE, 0 when the path is empty or ends with a set. */
  originAs: number;
}

/**
 * Reads an AS_PATH value with 4-octet AS numbers into `facts`, which the caller reuses.
 *
 * Linear in the segments, not in the AS numbers.
 */
export function readAsPathFacts(
  buf: Uint8Array,
  at: number,
  end: number,
  facts: AsPathFacts,
): void {
  let length = 0;
  facts.firstAs = 0;
  facts.originAs = 0;
  for (let i = at; i < end; ) {
    const type = buf[i]!;
    const count = buf[i + 1]!;
    const next = i + 2 + 4 * count;
    facts.originAs = 0;
    if (type === SEGMENT.AS_SEQUENCE) {
      if (i === at) facts.firstAs = readU32(buf, i + 2);
      facts.originAs = readU32(buf, next - 4);
      length += count;
    } else if (type === SEGMENT.AS_SET) {
      length += 1;
    }
    i = next;
  }
  facts.length = length;
}

/** @returns how many times `as` stands in the AS_PATH value `[at, end)` (4-octet AS numbers) */
export function countAs(buf: Uint8Array, at: number, end: number, as: number): number {
  let found = 0;
  for (let i = at; i < end; ) {
    const next = i + 2 + 4 * buf[i + 1]!;
    for (let k = i + 2; k < next; k += 4) if (readU32(buf, k) === as) found++;
    i = next;
  }
  return found;
}
