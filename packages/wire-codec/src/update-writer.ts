/**
 * Writing UPDATE messages for an update group: many prefixes that share one attribute set.
 *
 * The attribute set comes as canonical octets; what differs per kind of session (own AS in front,
 * own next hop, 2-octet AS numbers) is put in while writing, so that a set is stored
 * once however many forms it is sent in. IPv4 routes with a 4-octet next hop go into the fields of
 * RFC 4271, all others into MP_REACH_NLRI as the first attribute (RFC 7606 section 5.1).
 */

import { AttributeRewriter, type WireForm } from "./attribute-rewriter.ts";
import { AFI, ATTR, ATTR_FLAG, FAMILY, HEADER_OCTETS, MESSAGE, SAFI } from "./constants.ts";
import { copyOctets, writeU16, writeU32 } from "./octets.ts";

/** Octets of an UPDATE without routes and path attributes. */
const FRAME_OCTETS = HEADER_OCTETS + 4;
/** AFI, SAFI, length of the next hop and the reserved octet of MP_REACH_NLRI. */
const MP_REACH_FIXED_OCTETS = 5;
/** Octets of the largest prefix on the wire: path identifier, length, IPv6 address. */
const PREFIX_OCTETS_MAX = 4 + 1 + 16;

/**
 * Appends UPDATE messages to one growing buffer.
 *
 * Use: `announce` or `withdraw`, then `prefix` for each route, then `finish`; messages of at most
 * `form.octetsMax` octets are cut as needed. A route to announce must fit into a message with its
 * attributes, which `fits` tells. Allocates only when the buffer grows.
 */
export class UpdateWriter {
  /** Written octets are `[0, length)`; the buffer is replaced when it grows. */
  out: Uint8Array = new Uint8Array(1 << 17);
  length = 0;
  /** Messages in there. */
  messages = 0;

  form: WireForm;
  /** Attributes of the open announcement as they go on the wire, without MP_REACH_NLRI. */
  private readonly attrs: AttributeRewriter = new AttributeRewriter();
  private withdrawing = false;
  /** Start of the open message, -1 when there is none. */
  private start = -1;
  /** Where the open message must end at the latest for its tail to fit. */
  private limit = 0;
  /** Octets that a message has for routes beside the attributes of the open announcement. */
  private room = 0;
  /** Octets of the head of MP_REACH_NLRI or MP_UNREACH_NLRI: flags, type and length. */
  private mpHeadOctets = 4;

  constructor(form: WireForm) {
    this.form = form;
  }

  /** Forgets what was written and, when given, writes in another form from now on. */
  reset(form: WireForm = this.form): void {
    this.form = form;
    this.length = 0;
    this.messages = 0;
    this.start = -1;
  }

  /**
   * Routes from now on are announced with this attribute set.
   *
   * @param buf - canonical octets `[at, end)`; read only, not kept
   */
  announce(buf: Uint8Array, at: number, end: number): void {
    this.finish();
    this.withdrawing = false;
    const { attrs, form } = this;
    attrs.rewrite(form, buf, at, end);
    this.room = form.octetsMax - FRAME_OCTETS - attrs.octets;
    if (!this.usesMpReach()) return;
    // Where there is no room for more than 255 octets of MP_REACH_NLRI, its length takes one octet:
    // a route may come in a message that is full to the last one, and go out in one.
    this.mpHeadOctets = this.room - 3 > 255 ? 4 : 3;
    this.room -= this.mpHeadOctets + MP_REACH_FIXED_OCTETS + attrs.nextHopOctets;
  }

  /**
   * Whether a route fits into a message with the attributes of the open announcement. One that does
   * not cannot be sent (RFC 8654 section 4).
   *
   * @param bits - prefix length
   */
  fits(bits: number): boolean {
    return this.routeOctets(bits) <= this.room;
  }

  /** Routes from now on are withdrawn. */
  withdraw(): void {
    this.finish();
    this.withdrawing = true;
    this.mpHeadOctets = 4;
  }

  /**
   * Adds one route; throws when it is one to announce that does not fit into any message.
   *
   * @param w0 - first 32 bits of the prefix; `w1`..`w3` follow for IPv6 and are 0 for IPv4
   * @param bits - prefix length; bits beyond it must be 0
   * @param pathId - path identifier, written only when the form has ADD-PATH
   */
  prefix(w0: number, w1: number, w2: number, w3: number, bits: number, pathId: number): void {
    const octets = (bits + 7) >> 3;
    if (this.start < 0) this.open(bits);
    else if (this.length + this.routeOctets(bits) > this.limit) {
      this.finish();
      this.open(bits);
    }
    const out = this.out;
    let i = this.length;
    if (this.form.addPath) i = writeU32(out, i, pathId);
    out[i++] = bits;
    // Writing whole words is cheaper than a loop over octets; the surplus is overwritten.
    writeU32(out, i, w0);
    if (octets > 4) {
      writeU32(out, i + 4, w1);
      if (octets > 8) {
        writeU32(out, i + 8, w2);
        if (octets > 12) writeU32(out, i + 12, w3);
      }
    }
    this.length = i + octets;
  }

  /** Closes the open message, if any. */
  finish(): void {
    if (this.start < 0) return;
    const { out, start } = this;
    const mp = this.usesMpReach();
    if (this.withdrawing) {
      if (mp) this.closeMp();
      else {
        writeU16(out, start + HEADER_OCTETS, this.length - start - HEADER_OCTETS - 2);
        this.length = writeU16(out, this.length, 0);
      }
    } else if (mp) {
      this.closeMp();
    }
    writeU16(out, start + 16, this.length - start);
    this.start = -1;
  }

  /** Appends an End-of-RIB marker (RFC 4724 section 2). */
  endOfRib(): void {
    this.finish();
    const start = this.header();
    let i = writeU16(this.out, start + HEADER_OCTETS, 0);
    if (this.form.family === FAMILY.IPV4_UNICAST) i = writeU16(this.out, i, 0);
    else {
      i = writeU16(this.out, i, 6);
      this.out.set([ATTR_FLAG.OPTIONAL, ATTR.MP_UNREACH_NLRI, 3, 0, AFI.IPV6, SAFI.UNICAST], i);
      i += 6;
    }
    this.length = i;
    writeU16(this.out, start + 16, i - start);
  }

  private routeOctets(bits: number): number {
    return ((bits + 7) >> 3) + (this.form.addPath ? 5 : 1);
  }

  private usesMpReach(): boolean {
    if (this.form.family !== FAMILY.IPV4_UNICAST) return true;
    return !this.withdrawing && this.attrs.nextHopOctets !== 4;
  }

  private header(): number {
    const start = this.length;
    const room = start + this.form.octetsMax + PREFIX_OCTETS_MAX;
    if (this.out.length < room) {
      const grown = new Uint8Array(Math.max(room, 2 * this.out.length));
      grown.set(this.out.subarray(0, start));
      this.out = grown;
    }
    this.messages++;
    this.out.fill(0xff, start, start + 16);
    this.out[start + 18] = MESSAGE.UPDATE;
    return start;
  }

  /** @param bits - length of the first prefix */
  private open(bits: number): void {
    if (!this.withdrawing && !this.fits(bits)) {
      throw new RangeError("a route that does not fit into a message was not filtered");
    }
    const start = this.header();
    const { out } = this;
    this.start = start;
    this.limit = start + this.form.octetsMax;
    let i = writeU16(out, start + HEADER_OCTETS, 0);
    if (this.usesMpReach()) {
      i = this.openMp(i);
      if (!this.withdrawing) this.limit -= this.attrs.octets;
    } else if (this.withdrawing) {
      this.limit -= 2;
    } else {
      i = writeU16(out, i, this.attrs.octets);
      copyOctets(this.attrs.out, 0, this.attrs.octets, out, i);
      i += this.attrs.octets;
    }
    this.length = i;
  }

  private openMp(at: number): number {
    const { out } = this;
    const { mpHeadOctets } = this;
    let i = at + 2;
    out[i] = ATTR_FLAG.OPTIONAL | (mpHeadOctets === 4 ? ATTR_FLAG.EXTENDED_LENGTH : 0);
    out[i + 1] = this.withdrawing ? ATTR.MP_UNREACH_NLRI : ATTR.MP_REACH_NLRI;
    i += mpHeadOctets;
    i = writeU16(out, i, this.form.family === FAMILY.IPV4_UNICAST ? AFI.IPV4 : AFI.IPV6);
    out[i++] = SAFI.UNICAST;
    if (!this.withdrawing) {
      out[i++] = this.attrs.nextHopOctets;
      copyOctets(this.attrs.nextHop, 0, this.attrs.nextHopOctets, out, i);
      i += this.attrs.nextHopOctets;
      out[i++] = 0;
    }
    return i;
  }

  private closeMp(): void {
    const { out, start } = this;
    const attrs = start + FRAME_OCTETS;
    const octets = this.length - attrs - this.mpHeadOctets;
    if (this.mpHeadOctets === 4) writeU16(out, attrs + 2, octets);
    else out[attrs + 2] = octets;
    if (!this.withdrawing) {
      copyOctets(this.attrs.out, 0, this.attrs.octets, out, this.length);
      this.length += this.attrs.octets;
    }
    writeU16(out, attrs - 2, this.length - attrs);
  }
}
