/**
 * Routes of tables as octets: what changed, or what there is. Routes of one table and peer that have the
 * same attributes are a *run*, with their attributes once:
 *
 *     table (1) | family (1) | flags (1) | peer (2) | octets of attributes (4) | of routes (4) |
 *     attributes | routes
 *
 * Attributes are canonical octets of wire-codec; a run that withdraws has none. Routes are NLRI (RFC 4271
 * section 4.3), with path identifiers (RFC 7911 section 3) where a flag says so.
 */

import { type Family, readU16, readU32, writeU16, writeU32 } from "@ts-bgp/wire-codec";
import { OctetSink } from "./octet-sink.ts";

/**
 * Tables that can be observed; as in RFC 7854, RFC 8671 and RFC 9069. The last one is the Loc-RIB with all equal
 * paths, of which the next hops alone are told: NEXT_HOP once for each.
 */
export const TABLE = {
  ADJ_IN_PRE: 1,
  ADJ_IN_POST: 2,
  LOC_RIB: 3,
  ADJ_OUT_PRE: 4,
  ADJ_OUT_POST: 5,
  NEXT_HOPS: 6,
} as const;
export type Table = (typeof TABLE)[keyof typeof TABLE];

/** Of a run, before its attributes. */
export const HEAD_OCTETS = 13;
export const FLAG = { WITHDRAW: 1, ADD_PATH: 2 } as const;

/** A part of a buffer. */
export interface Octets {
  readonly buf: Uint8Array;
  readonly at: number;
  readonly end: number;
}

export interface RouteRun {
  readonly table: Table;
  readonly family: Family;
  /** Row of the neighbor whose routes these are; of the Loc-RIB, of the one that they come from. */
  readonly peer: number;
  /** Each route has a path identifier in front. */
  readonly addPath: boolean;
  /** Null for routes that are there no more. */
  readonly attributes: Octets | null;
  readonly routes: Octets;
}

/** Writes runs: `run`, then `prefix` for each route. A run without routes is left out. */
export class RunWriter {
  private readonly sink: OctetSink = new OctetSink();
  private start = -1;
  private routesAt = 0;
  private addPath = false;

  /** Octets written. */
  get length(): number {
    return this.sink.length;
  }

  run(
    table: Table,
    family: Family,
    peer: number,
    addPath: boolean,
    attributes: Octets | null,
  ): void {
    this.finish();
    const { sink } = this;
    this.start = sink.length;
    this.addPath = addPath;
    const withdraws = attributes === null ? FLAG.WITHDRAW : 0;
    sink.u8(table);
    sink.u8(family);
    sink.u8(withdraws | (addPath ? FLAG.ADD_PATH : 0));
    sink.u16(peer);
    sink.u32(attributes === null ? 0 : attributes.end - attributes.at);
    sink.u32(0);
    if (attributes !== null) sink.octets(attributes.buf, attributes.at, attributes.end);
    this.routesAt = sink.length;
  }

  /** @param w0 - first 32 bits of the prefix, `w1`..`w3` for IPv6; bits beyond `bits` are 0 */
  prefix(w0: number, w1: number, w2: number, w3: number, bits: number, pathId: number): void {
    const { sink } = this;
    sink.reserve(21);
    const { out } = sink;
    let i = sink.length;
    if (this.addPath) i = writeU32(out, i, pathId);
    out[i++] = bits;
    // Whole words are cheaper than octets; the surplus is overwritten.
    writeU32(out, i, w0);
    if (bits > 32) {
      writeU32(out, i + 4, w1);
      writeU32(out, i + 8, w2);
      writeU32(out, i + 12, w3);
    }
    sink.length = i + ((bits + 7) >> 3);
  }

  take(): Uint8Array<ArrayBuffer> {
    this.finish();
    return this.sink.take();
  }

  private finish(): void {
    const { sink, start } = this;
    if (start < 0) return;
    this.start = -1;
    const octets = sink.length - this.routesAt;
    if (octets === 0) sink.length = start;
    else writeU32(sink.out, start + 9, octets);
  }
}

/** Reads what a `RunWriter` wrote. */
export function* runsOf(octets: Uint8Array): Generator<RouteRun> {
  for (let at = 0; at < octets.length; ) {
    const flags = octets[at + 2]!;
    const attributesAt = at + HEAD_OCTETS;
    const routesAt = attributesAt + readU32(octets, at + 5);
    const end = routesAt + readU32(octets, at + 9);
    const withdraws = (flags & FLAG.WITHDRAW) !== 0;
    yield {
      table: octets[at]! as Table,
      family: octets[at + 1]! as Family,
      peer: readU16(octets, at + 3),
      addPath: (flags & FLAG.ADD_PATH) !== 0,
      attributes: withdraws ? null : { buf: octets, at: attributesAt, end: routesAt },
      routes: { buf: octets, at: routesAt, end },
    };
    at = end;
  }
}

/** @returns the number of octets of the route at `at` */
export function routeOctets(buf: Uint8Array, at: number, addPath: boolean): number {
  const pathIdOctets = addPath ? 4 : 0;
  return pathIdOctets + 1 + ((buf[at + pathIdOctets]! + 7) >> 3);
}

/** Writes a 16-bit number over one that was written. */
export function overwriteU16(sink: OctetSink, at: number, value: number): void {
  writeU16(sink.out, at, value);
}
