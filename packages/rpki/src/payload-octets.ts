/**
 * Validated payloads on their way: octets that say which ones come and which ones go, one after the other,
 * as they are in journals.
 *
 *     octet 0: 1 for one that comes, 0 for one that goes, and 2 more for IPv6, 4 more for an ASPA
 *     of a ROA (VRP):  octets 1, 2: prefix length, longest length of a route that it is for; octet 3: 0;
 *                      then the AS number (4 octets) and the prefix (4 octets, or 16)
 *     of an ASPA:      octet 1: 0; octets 2, 3: count of providers; then the customer and the providers
 */

import { readU16, readU32, writeU16, writeU32 } from "@ts-bgp/wire-codec";

const COMES = 1;
const WIDE = 2;
const ASPA = 4;
const ASPA_HEAD_OCTETS = 8;
export const PROVIDERS_MAX = 0x3fff;
export const VRP_OCTETS_IPV4 = 12;
export const VRP_OCTETS_IPV6 = 24;

/** One payload of a ROA (RFC 6811 section 2), and whether it comes or goes. */
export interface Vrp {
  isAnnounced: boolean;
  isWide: boolean;
  /** Prefix in 32-bit words; those beyond the family's are 0. */
  w0: number;
  w1: number;
  w2: number;
  w3: number;
  bits: number;
  maxLength: number;
  as: number;
}

/** @returns one to be read into, and used again */
export function newVrp(): Vrp {
  return {
    isAnnounced: true,
    isWide: false,
    w0: 0,
    w1: 0,
    w2: 0,
    w3: 0,
    bits: 0,
    maxLength: 0,
    as: 0,
  };
}

/** @returns where the next one stands; there must be one at `at` */
export function readVrp(buf: Uint8Array, at: number, vrp: Vrp): number {
  const kind = buf[at]!;
  vrp.isAnnounced = (kind & COMES) !== 0;
  vrp.isWide = (kind & WIDE) !== 0;
  vrp.bits = buf[at + 1]!;
  vrp.maxLength = buf[at + 2]!;
  vrp.as = readU32(buf, at + 4);
  vrp.w0 = readU32(buf, at + 8);
  vrp.w1 = vrp.isWide ? readU32(buf, at + 12) : 0;
  vrp.w2 = vrp.isWide ? readU32(buf, at + 16) : 0;
  vrp.w3 = vrp.isWide ? readU32(buf, at + 20) : 0;
  return at + (vrp.isWide ? VRP_OCTETS_IPV6 : VRP_OCTETS_IPV4);
}

/**
 * Providers of a customer AS that come in place of those before, or go: without providers, those that there
 * are, else nothing unless they are these.
 */
export interface Aspa {
  readonly isAnnounced: boolean;
  readonly customer: number;
  readonly providers: Uint32Array;
}

export function isAspa(buf: Uint8Array, at: number): boolean {
  return (buf[at]! & ASPA) !== 0;
}

/** @returns the ASPA at an index, and where the next payload stands */
export function readAspa(buf: Uint8Array, at: number): [Aspa, number] {
  const count = readU16(buf, at + 2);
  const providers = new Uint32Array(count);
  for (let k = 0; k < count; k++) providers[k] = readU32(buf, at + ASPA_HEAD_OCTETS + 4 * k);
  const customer = readU32(buf, at + 4);
  const isAnnounced = (buf[at]! & COMES) !== 0;
  return [{ isAnnounced, customer, providers }, at + ASPA_HEAD_OCTETS + 4 * count];
}

/** Whether octets are whole payloads, whose lengths are those of prefixes. */
export function arePayloads(buf: Uint8Array): boolean {
  let at = 0;
  while (at < buf.length) {
    if (isAspa(buf, at)) {
      if (at + ASPA_HEAD_OCTETS > buf.length || buf[at]! > (ASPA | COMES)) return false;
      at += ASPA_HEAD_OCTETS + 4 * readU16(buf, at + 2);
      if (at > buf.length) return false;
      continue;
    }
    const isWide = (buf[at]! & WIDE) !== 0;
    const next = at + (isWide ? VRP_OCTETS_IPV6 : VRP_OCTETS_IPV4);
    if (next > buf.length || buf[at]! > (COMES | WIDE)) return false;
    if (buf[at + 1]! > buf[at + 2]! || buf[at + 2]! > (isWide ? 128 : 32)) return false;
    at = next;
  }
  return true;
}

/** Octets of payloads that grow. */
export class PayloadWriter {
  private buf: Uint8Array;
  private length = 0;

  /** @param octets - that there is room for at first */
  constructor(octets = 1 << 12) {
    this.buf = new Uint8Array(octets);
  }

  get octets(): number {
    return this.length;
  }

  /** @param providers - `PROVIDERS_MAX` at most */
  writeAspa({ isAnnounced, customer, providers }: Aspa): void {
    const octets = ASPA_HEAD_OCTETS + 4 * providers.length;
    this.reserve(octets);
    const { buf, length: at } = this;
    buf[at] = ASPA | (isAnnounced ? COMES : 0);
    buf[at + 1] = 0;
    writeU16(buf, at + 2, providers.length);
    writeU32(buf, at + 4, customer);
    for (const [k, as] of providers.entries()) writeU32(buf, at + ASPA_HEAD_OCTETS + 4 * k, as);
    this.length += octets;
  }

  write(vrp: Readonly<Vrp>): void {
    this.reserve(VRP_OCTETS_IPV6);
    const { buf, length: at } = this;
    buf[at] = (vrp.isAnnounced ? COMES : 0) | (vrp.isWide ? WIDE : 0);
    buf[at + 1] = vrp.bits;
    buf[at + 2] = vrp.maxLength;
    buf[at + 3] = 0;
    writeU32(buf, at + 4, vrp.as);
    writeU32(buf, at + 8, vrp.w0);
    this.length += VRP_OCTETS_IPV4;
    if (!vrp.isWide) return;
    writeU32(buf, at + 12, vrp.w1);
    writeU32(buf, at + 16, vrp.w2);
    writeU32(buf, at + 20, vrp.w3);
    this.length += VRP_OCTETS_IPV6 - VRP_OCTETS_IPV4;
  }

  private reserve(octets: number): void {
    if (this.length + octets <= this.buf.length) return;
    const longer = new Uint8Array(2 * this.buf.length + octets);
    longer.set(this.buf);
    this.buf = longer;
  }

  /** @returns what was written since the last time, to be kept */
  take(): Uint8Array {
    const octets = this.buf.slice(0, this.length);
    this.length = 0;
    return octets;
  }
}
