/**
 * The good path attributes of the message read last, and their canonical octets.
 *
 * The octets of most messages are canonical as they come and are handed on where they stand. Others
 * are written into scratch. Canonical means:
 *
 * - attributes in ascending type; each flags, type, length in one octet, or in two with
 *   EXTENDED_LENGTH exactly when the value is longer than 255 octets, and value;
 * - flags as the attribute's RFC has them, PARTIAL kept on optional transitive ones and set on
 *   unknown ones, unused bits 0;
 * - AS numbers in 4 octets everywhere, AS4_PATH and AS4_AGGREGATOR merged in (RFC 6793);
 * - no MP_REACH_NLRI or MP_UNREACH_NLRI: the next hop of 4, 16 or 32 octets is NEXT_HOP;
 * - nothing that was discarded, and nothing that must not be passed on; of an external peer no
 *   community that stays within an AS (see `extended-communities.ts`).
 */

import { mergeAsPaths, widenAsPath } from "./as-path.ts";
import { type UpdateContext, WELL_KNOWN } from "./attribute.ts";
import { ATTRIBUTE_TABLE } from "./attribute-table.ts";
import { CANONICAL } from "./attribute-values.ts";
import { COMMUNITY_OCTETS } from "./community.ts";
import { AS_TRANS, ATTR, ATTR_FLAG, EXTENDED_MESSAGE_OCTETS_MAX } from "./constants.ts";
import { copyCrossing, someStayInside } from "./extended-communities.ts";
import { copyLargeCommunities, mayRepeatLargeCommunity } from "./large-communities.ts";
import { copyOctets, readU16, writeU16, writeU32 } from "./octets.ts";

/** A set of attribute types is 256 bits. */
const SET_WORDS = 8;

/** Reused for every message; allocates nothing. */
export class AttributeSet {
  /** Whether the list of path attributes is canonical as it stands in the message. */
  inPlace = true;

  private buf: Uint8Array;
  private context: UpdateContext = CANONICAL;
  /** Types that came and types that are kept, and by type where the value of a kept one stands. */
  private readonly seen: Int32Array = new Int32Array(SET_WORDS);
  private readonly kept: Int32Array = new Int32Array(SET_WORDS);
  private readonly valueAt: Int32Array = new Int32Array(256);
  private readonly valueOctets: Int32Array = new Int32Array(256);
  /** The flags in canonical form, without EXTENDED_LENGTH. */
  private readonly valueFlags: Uint8Array = new Uint8Array(256);
  /** A path of 2-octet AS numbers nearly doubles. */
  readonly scratch: Uint8Array = new Uint8Array(3 * EXTENDED_MESSAGE_OCTETS_MAX);

  constructor() {
    this.buf = this.scratch;
  }

  /** Forgets everything; what follows is about a message in `buf`. */
  clear(buf: Uint8Array, context: UpdateContext): void {
    this.inPlace = true;
    this.buf = buf;
    this.context = context;
    for (let word = 0; word < SET_WORDS; word++) {
      this.seen[word] = 0;
      this.kept[word] = 0;
    }
  }

  /** Notes that `type` came. @returns false when it had come before */
  see(type: number): boolean {
    const bit = 1 << (type & 31);
    if ((this.seen[type >> 5]! & bit) !== 0) return false;
    this.seen[type >> 5]! |= bit;
    return true;
  }

  /** Whether `type` came and was good. */
  has(type: number): boolean {
    return (this.kept[type >> 5]! & (1 << (type & 31))) !== 0;
  }

  /** @returns the bits of `types`, each below 32, that did not come at all */
  missing(types: number): number {
    return types & ~this.seen[0]!;
  }

  /** Whether `type` is the only one that came. */
  isOnly(type: number): boolean {
    for (let word = 0; word < SET_WORDS; word++) {
      if (this.seen[word] !== (word === type >> 5 ? 1 << (type & 31) : 0)) return false;
    }
    return true;
  }

  /** @returns where the value of a kept attribute stands in the message */
  at(type: number): number {
    return this.valueAt[type]!;
  }

  /** @returns the octets of that value */
  octets(type: number): number {
    return this.valueOctets[type]!;
  }

  /**
   * Keeps a good attribute.
   *
   * @param at - index of its flags in the message
   * @param flags - canonical, without EXTENDED_LENGTH
   */
  keep(at: number, type: number, flags: number, octets: number): void {
    const wireFlags = this.buf[at]!;
    const valueAt = at + ((wireFlags & ATTR_FLAG.EXTENDED_LENGTH) === 0 ? 3 : 4);
    const extended = octets > 255 ? ATTR_FLAG.EXTENDED_LENGTH : 0;
    if (wireFlags !== (flags | extended) || this.isRewritten(type, valueAt, octets)) {
      this.inPlace = false;
    }
    this.kept[type >> 5]! |= 1 << (type & 31);
    this.valueAt[type] = valueAt;
    this.valueOctets[type] = octets;
    this.valueFlags[type] = flags;
  }

  /** Whether the canonical value is another one, or none. */
  private isRewritten(type: number, valueAt: number, octets: number): boolean {
    switch (type) {
      case ATTR.AS_PATH:
      case ATTR.AGGREGATOR:
        return !this.context.fourOctetAs;
      case ATTR.LARGE_COMMUNITIES:
        return mayRepeatLargeCommunity(this.buf, valueAt, valueAt + octets);
      case ATTR.EXTENDED_COMMUNITIES:
        return this.someStayInside(valueAt, octets, COMMUNITY_OCTETS.extended);
      case ATTR.IPV6_EXTENDED_COMMUNITIES:
        return this.someStayInside(valueAt, octets, COMMUNITY_OCTETS["ipv6-extended"]);
      case ATTR.AS4_PATH:
      case ATTR.AS4_AGGREGATOR:
        return true;
      default:
        return ATTRIBUTE_TABLE[type]?.kept === "never";
    }
  }

  /** What is not transitive is not taken from another AS, before anybody looks at it. */
  private someStayInside(valueAt: number, octets: number, octetsEach: number): boolean {
    const { external, rpkiState } = this.context;
    return external && someStayInside(this.buf, valueAt, valueAt + octets, octetsEach, rpkiState);
  }

  /**
   * Writes the canonical octets to `scratch`.
   *
   * @param nextHopAt - index of a next hop that takes the place of NEXT_HOP
   * @param nextHopOctets - 4, 16 or 32; 0 to leave NEXT_HOP as it is
   * @param outAt - where they begin
   * @returns the index after them
   */
  writeCanonical(nextHopAt: number, nextHopOctets: number, outAt: number = 0): number {
    let out = outAt;
    let nextHopDue = nextHopOctets !== 0;
    for (let word = 0; word < SET_WORDS; word++) {
      for (let bits = this.kept[word]!; bits !== 0; bits &= bits - 1) {
        const type = word * 32 + 31 - Math.clz32(bits & -bits);
        if (nextHopDue && type >= ATTR.NEXT_HOP) {
          out = this.writeNextHop(nextHopAt, nextHopOctets, out);
          nextHopDue = false;
        }
        if (type !== ATTR.NEXT_HOP || nextHopOctets === 0) out = this.write(type, out);
      }
    }
    return nextHopDue ? this.writeNextHop(nextHopAt, nextHopOctets, out) : out;
  }

  /**
   * Writes why the message could not be used to the start of `scratch`, in the form that `faultText`
   * reads, and the good attributes after it. Parameters and result as above.
   */
  writeRemains(text: string, nextHopAt: number, nextHopOctets: number): number {
    // No attribute of type 0 is assigned; one that came makes room for the text.
    this.kept[0]! &= ~1;
    this.valueFlags[0] = 0;
    const o = this.writeHead(0, text.length, 0);
    for (let i = 0; i < text.length; i++) this.scratch[o + i] = text.charCodeAt(i);
    return this.writeCanonical(nextHopAt, nextHopOctets, o + text.length);
  }

  private writeNextHop(at: number, octets: number, out: number): number {
    this.valueFlags[ATTR.NEXT_HOP] = WELL_KNOWN;
    const o = this.writeHead(ATTR.NEXT_HOP, octets, out);
    copyOctets(this.buf, at, at + octets, this.scratch, o);
    return o + octets;
  }

  /** Writes one kept attribute in canonical form; returns the index after it. */
  private write(type: number, out: number): number {
    const valueAt = this.valueAt[type]!;
    const valueEnd = valueAt + this.valueOctets[type]!;
    if (this.isRewritten(type, valueAt, valueEnd - valueAt)) {
      if (type === ATTR.AS_PATH) return this.writeAsPath(out);
      if (type === ATTR.AGGREGATOR) return this.writeAggregator(out);
      const end = this.writeCommunities(type, valueAt, valueEnd, out + 4);
      return end === out + 4 ? out : this.writeHeadBefore(type, out, end);
    }
    const o = this.writeHead(type, valueEnd - valueAt, out);
    copyOctets(this.buf, valueAt, valueEnd, this.scratch, o);
    return o + valueEnd - valueAt;
  }

  /** @returns the index after the communities that stay; `out` for any other attribute */
  private writeCommunities(type: number, at: number, end: number, out: number): number {
    const { buf, scratch } = this;
    const { rpkiState } = this.context;
    switch (type) {
      case ATTR.LARGE_COMMUNITIES:
        return copyLargeCommunities(buf, at, end, scratch, out);
      case ATTR.EXTENDED_COMMUNITIES:
        return copyCrossing(buf, at, end, COMMUNITY_OCTETS.extended, rpkiState, scratch, out);
      case ATTR.IPV6_EXTENDED_COMMUNITIES: {
        const octetsEach = COMMUNITY_OCTETS["ipv6-extended"];
        return copyCrossing(buf, at, end, octetsEach, rpkiState, scratch, out);
      }
      default:
        return out;
    }
  }

  private writeHead(type: number, octets: number, out: number): number {
    const { scratch } = this;
    scratch[out + 1] = type;
    if (octets > 255) {
      scratch[out] = this.valueFlags[type]! | ATTR_FLAG.EXTENDED_LENGTH;
      return writeU16(scratch, out + 2, octets);
    }
    scratch[out] = this.valueFlags[type]!;
    scratch[out + 2] = octets;
    return out + 3;
  }

  /** Puts the head at `out` in front of a value written at `out + 4`; closes up a gap. */
  private writeHeadBefore(type: number, out: number, valueEnd: number): number {
    const valueAt = out + 4;
    const o = this.writeHead(type, valueEnd - valueAt, out);
    if (o !== valueAt) this.scratch.copyWithin(o, valueAt, valueEnd);
    return o + valueEnd - valueAt;
  }

  /** AS_PATH of a 2-octet session (RFC 6793 section 4.2.3). */
  private writeAsPath(out: number): number {
    const { buf, scratch } = this;
    const at = this.valueAt[ATTR.AS_PATH]!;
    const end = at + this.valueOctets[ATTR.AS_PATH]!;
    // An AGGREGATOR that was not translated proves that AS4_* are older than AS_PATH.
    const stale = this.has(ATTR.AS4_AGGREGATOR) && this.aggregatorIsNotTrans();
    if (!this.has(ATTR.AS4_PATH) || stale) {
      return this.writeHeadBefore(ATTR.AS_PATH, out, widenAsPath(buf, at, end, scratch, out + 4));
    }
    const as4At = this.valueAt[ATTR.AS4_PATH]!;
    const as4End = as4At + this.valueOctets[ATTR.AS4_PATH]!;
    const valueEnd = mergeAsPaths(buf, at, end, as4At, as4End, scratch, out + 4);
    return this.writeHeadBefore(ATTR.AS_PATH, out, valueEnd);
  }

  private aggregatorIsNotTrans(): boolean {
    const at = this.valueAt[ATTR.AGGREGATOR]!;
    return this.has(ATTR.AGGREGATOR) && readU16(this.buf, at) !== AS_TRANS;
  }

  /** AGGREGATOR of a 2-octet session (RFC 6793 section 4.2.3). */
  private writeAggregator(out: number): number {
    const { buf, scratch } = this;
    const o = this.writeHead(ATTR.AGGREGATOR, 8, out);
    if (this.has(ATTR.AS4_AGGREGATOR) && !this.aggregatorIsNotTrans()) {
      const at = this.valueAt[ATTR.AS4_AGGREGATOR]!;
      copyOctets(buf, at, at + 8, scratch, o);
    } else {
      const at = this.valueAt[ATTR.AGGREGATOR]!;
      writeU32(scratch, o, readU16(buf, at));
      copyOctets(buf, at + 2, at + 6, scratch, o + 4);
    }
    return o + 8;
  }
}
