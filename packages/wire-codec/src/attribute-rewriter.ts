/**
 * One attribute set in the form that a kind of session wants: RFC 4271 section 5.1 for what changes
 * between external and internal peers, RFC 4360 section 6 for extended communities, RFC 6793 for
 * 2-octet AS numbers, RFC 9234 for OTC.
 */

import {
  attributeValueAt,
  attributeValueOctets,
  findAttribute,
  nextAttribute,
} from "./canonical.ts";
import { COMMUNITY_OCTETS, formatCommunity } from "./community.ts";
import {
  AS_TRANS,
  ATTR,
  ATTR_FLAG,
  EXTENDED_MESSAGE_OCTETS_MAX,
  type Family,
  SEGMENT,
} from "./constants.ts";
import { copyCrossing, someStayInside } from "./extended-communities.ts";
import { copyOctets, readU32, writeU16, writeU32 } from "./octets.ts";

/** How a kind of session wants its UPDATEs; equal for all members of an update group. */
export interface WireForm {
  readonly family: Family;
  readonly fourOctetAs: boolean;
  readonly addPath: boolean;
  /** Longest message: 4096, or 65535 with extended messages. */
  readonly octetsMax: number;
  /** AS number to put in front of AS_PATH, 0 to leave the path alone. */
  readonly prependAs: number;
  /** Next hop to send in place of the stored one: 4, 16 or 32 octets; null to keep it. */
  readonly nextHop: Uint8Array | null;
  /** Internal session: LOCAL_PREF is sent, 100 when the set has none. */
  readonly internal: boolean;
  /** MULTI_EXIT_DISC is sent when the set has one. */
  readonly med: boolean;
  /** OTC to add when the set has none (RFC 9234 section 5), 0 for none. */
  readonly otcAs: number;
  /**
   * External sessions are sent the origin validation state as well (RFC 8097 section 2); other
   * extended communities that are not transitive are sent to internal ones alone.
   */
  readonly rpkiState: boolean;
}

/** LOCAL_PREF of a route that came without one. */
export const LOCAL_PREF_DEFAULT = 100;

const WELL_KNOWN = ATTR_FLAG.TRANSITIVE;
const OPTIONAL_TRANSITIVE = ATTR_FLAG.OPTIONAL | ATTR_FLAG.TRANSITIVE;

const EXTENDED_KINDS = [
  [ATTR.EXTENDED_COMMUNITIES, "extended"],
  [ATTR.IPV6_EXTENDED_COMMUNITIES, "ipv6-extended"],
] as const;

/** Types that a form may add to a set that lacks them, ascending. */
const ADDABLE: readonly number[] = [ATTR.LOCAL_PREF, ATTR.AS4_PATH, ATTR.AS4_AGGREGATOR, ATTR.OTC];

/**
 * @param buf - canonical octets `[at, end)`
 * @returns the communities that a session of the form is not sent since they end at the border of
 *   the AS, as people write them
 */
export function communitiesLeftOut(
  { internal, rpkiState }: WireForm,
  buf: Uint8Array,
  at: number,
  end: number,
): string[] {
  const found: string[] = [];
  for (const [type, kind] of EXTENDED_KINDS) {
    const header = internal ? -1 : findAttribute(buf, at, end, type);
    if (header < 0) continue;
    const octets = COMMUNITY_OCTETS[kind];
    const next = nextAttribute(buf, header);
    for (let i = attributeValueAt(buf, header); i < next; i += octets) {
      if (!someStayInside(buf, i, i + octets, octets, rpkiState)) continue;
      found.push(formatCommunity(kind, buf, i));
    }
  }
  return found;
}

/**
 * Rewrites attribute sets into reused scratch; allocates nothing per set.
 */
export class AttributeRewriter {
  /** The attributes, ascending by type, without NLRI attributes: `[0, octets)`. */
  readonly out: Uint8Array = new Uint8Array(2 * EXTENDED_MESSAGE_OCTETS_MAX);
  octets = 0;
  /** The next hop, `[0, nextHopOctets)`; one of 4 octets stands in `out` as well. */
  readonly nextHop: Uint8Array = new Uint8Array(32);
  nextHopOctets = 0;

  private form!: WireForm;
  private buf!: Uint8Array;

  /**
   * @param form - what the session wants
   * @param buf - canonical octets `[at, end)`; read only, not kept
   */
  rewrite(form: WireForm, buf: Uint8Array, at: number, end: number): void {
    this.form = form;
    this.buf = buf;
    this.octets = 0;
    this.nextHopOctets = 0;
    let addable = 0;
    for (let i = at; i < end; ) {
      const type = buf[i + 1]!;
      const valueAt = attributeValueAt(buf, i);
      const next = valueAt + attributeValueOctets(buf, i);
      for (; addable < ADDABLE.length && ADDABLE[addable]! <= type; addable++) {
        if (ADDABLE[addable] !== type) this.add(ADDABLE[addable]!, at, end);
      }
      if (!this.special(type, i, valueAt, next)) this.copy(i, next);
      i = next;
    }
    for (; addable < ADDABLE.length; addable++) this.add(ADDABLE[addable]!, at, end);
  }

  /** @returns whether the form wanted something else than the attribute as it stands */
  private special(type: number, at: number, valueAt: number, next: number): boolean {
    const form = this.form;
    switch (type) {
      case ATTR.AS_PATH:
        if (form.prependAs === 0 && form.fourOctetAs) return false;
        this.head(WELL_KNOWN, type, this.asPathOctets(form.fourOctetAs, valueAt, next));
        this.asPath(form.fourOctetAs, valueAt, next);
        return true;
      case ATTR.NEXT_HOP:
        this.writeNextHop(valueAt, next);
        return true;
      case ATTR.MULTI_EXIT_DISC:
        return !form.med;
      case ATTR.LOCAL_PREF:
      case ATTR.ORIGINATOR_ID:
      case ATTR.CLUSTER_LIST:
        return !form.internal;
      case ATTR.AGGREGATOR:
        if (form.fourOctetAs) return false;
        this.aggregator2(at, valueAt);
        return true;
      case ATTR.EXTENDED_COMMUNITIES:
        return this.crossingOnly(at, valueAt, next, COMMUNITY_OCTETS.extended);
      case ATTR.IPV6_EXTENDED_COMMUNITIES:
        return this.crossingOnly(at, valueAt, next, COMMUNITY_OCTETS["ipv6-extended"]);
      default:
        return false;
    }
  }

  /** Leaves out communities that stay within the AS. @returns whether there are any */
  private crossingOnly(at: number, valueAt: number, next: number, octetsEach: number): boolean {
    const { buf, out, form } = this;
    const { internal, rpkiState } = form;
    if (internal || !someStayInside(buf, valueAt, next, octetsEach, rpkiState)) return false;
    let octets = 0;
    for (let i = valueAt; i < next; i += octetsEach) {
      if (!someStayInside(buf, i, i + octetsEach, octetsEach, rpkiState)) octets += octetsEach;
    }
    if (octets === 0) return true;
    this.head(buf[at]! & ~ATTR_FLAG.EXTENDED_LENGTH, buf[at + 1]!, octets);
    this.octets = copyCrossing(buf, valueAt, next, octetsEach, rpkiState, out, this.octets);
    return true;
  }

  /** Adds attribute `type`, which the set lacks, when the form wants it. */
  private add(type: number, at: number, end: number): void {
    const form = this.form;
    switch (type) {
      case ATTR.LOCAL_PREF:
        if (form.internal) this.headAndU32(WELL_KNOWN, type, LOCAL_PREF_DEFAULT);
        return;
      case ATTR.AS4_PATH:
        if (!form.fourOctetAs) this.as4Path(at, end);
        return;
      case ATTR.AS4_AGGREGATOR:
        if (!form.fourOctetAs) this.as4Aggregator(at, end);
        return;
      case ATTR.OTC:
        if (form.otcAs !== 0) this.headAndU32(OPTIONAL_TRANSITIVE, type, form.otcAs);
        return;
    }
  }

  private writeNextHop(valueAt: number, next: number): void {
    const own = this.form.nextHop;
    if (own !== null) this.nextHop.set(own);
    else copyOctets(this.buf, valueAt, next, this.nextHop, 0);
    this.nextHopOctets = own !== null ? own.length : next - valueAt;
    if (this.nextHopOctets !== 4) return;
    this.headAndU32(WELL_KNOWN, ATTR.NEXT_HOP, readU32(this.nextHop, 0));
  }

  private aggregator2(at: number, valueAt: number): void {
    this.head(this.buf[at]!, ATTR.AGGREGATOR, 6);
    this.as(readU32(this.buf, valueAt), false);
    this.copy(valueAt + 4, valueAt + 8);
  }

  /** AS4_AGGREGATOR when the AS was lost in 2 octets (RFC 6793 section 4.2.2). */
  private as4Aggregator(at: number, end: number): void {
    const i = findAttribute(this.buf, at, end, ATTR.AGGREGATOR);
    if (i < 0) return;
    const valueAt = attributeValueAt(this.buf, i);
    if (readU32(this.buf, valueAt) <= 0xffff) return;
    this.head(OPTIONAL_TRANSITIVE | (this.buf[i]! & ATTR_FLAG.PARTIAL), ATTR.AS4_AGGREGATOR, 8);
    this.copy(valueAt, valueAt + 8);
  }

  /** AS4_PATH when an AS was lost in 2 octets (RFC 6793 section 4.2.2). */
  private as4Path(at: number, end: number): void {
    const i = findAttribute(this.buf, at, end, ATTR.AS_PATH);
    if (i < 0) return;
    const valueAt = attributeValueAt(this.buf, i);
    const next = valueAt + attributeValueOctets(this.buf, i);
    if (!this.needsFourOctets(valueAt, next)) return;
    this.head(OPTIONAL_TRANSITIVE, ATTR.AS4_PATH, this.asPathOctets(true, valueAt, next));
    this.asPath(true, valueAt, next);
  }

  private needsFourOctets(valueAt: number, next: number): boolean {
    if (this.form.prependAs > 0xffff) return true;
    for (let i = valueAt; i < next; ) {
      const segmentEnd = i + 2 + 4 * this.buf[i + 1]!;
      for (i += 2; i < segmentEnd; i += 4) if (readU32(this.buf, i) > 0xffff) return true;
    }
    return false;
  }

  /** Whether one more AS fits into the first segment (RFC 4271 section 5.1.2 b). */
  private extendsFirst(valueAt: number, next: number): boolean {
    const { buf } = this;
    return valueAt < next && buf[valueAt] === SEGMENT.AS_SEQUENCE && buf[valueAt + 1]! < 255;
  }

  private asPathOctets(fourOctetAs: boolean, valueAt: number, next: number): number {
    const asOctets = fourOctetAs ? 4 : 2;
    let octets = 0;
    for (let i = valueAt; i < next; i += 2 + 4 * this.buf[i + 1]!) {
      octets += 2 + asOctets * this.buf[i + 1]!;
    }
    if (this.form.prependAs === 0) return octets;
    return octets + asOctets + (this.extendsFirst(valueAt, next) ? 0 : 2);
  }

  private asPath(fourOctetAs: boolean, valueAt: number, next: number): void {
    const { buf, out, form } = this;
    let prepend = form.prependAs !== 0;
    if (prepend && !this.extendsFirst(valueAt, next)) {
      this.octets = writeU16(out, this.octets, (SEGMENT.AS_SEQUENCE << 8) | 1);
      this.as(form.prependAs, fourOctetAs);
      prepend = false;
    }
    for (let i = valueAt; i < next; ) {
      const segmentEnd = i + 2 + 4 * buf[i + 1]!;
      out[this.octets++] = buf[i]!;
      out[this.octets++] = buf[i + 1]! + (prepend ? 1 : 0);
      if (prepend) this.as(form.prependAs, fourOctetAs);
      prepend = false;
      for (i += 2; i < segmentEnd; i += 4) this.as(readU32(buf, i), fourOctetAs);
    }
  }

  private as(as: number, fourOctetAs: boolean): void {
    if (fourOctetAs) this.octets = writeU32(this.out, this.octets, as);
    else this.octets = writeU16(this.out, this.octets, as > 0xffff ? AS_TRANS : as);
  }

  private head(flags: number, type: number, octets: number): void {
    const { out } = this;
    const o = this.octets;
    out[o + 1] = type;
    if (octets > 255) {
      out[o] = flags | ATTR_FLAG.EXTENDED_LENGTH;
      this.octets = writeU16(out, o + 2, octets);
    } else {
      out[o] = flags;
      out[o + 2] = octets;
      this.octets = o + 3;
    }
  }

  private headAndU32(flags: number, type: number, value: number): void {
    this.head(flags, type, 4);
    this.octets = writeU32(this.out, this.octets, value);
  }

  private copy(at: number, end: number): void {
    copyOctets(this.buf, at, end, this.out, this.octets);
    this.octets += end - at;
  }
}
