/**
 * Routes of a table, prefix by prefix, for dumps:
 *
 *     family (1) | bits (1) | prefix (0 to 16) | paths (2) | paths
 *
 * A path: row of its neighbor (2), path identifier (4), seconds since 1970 of its last change (4), octets of
 * its attributes (2), attributes, which are canonical octets of wire-codec.
 */

import { type Family, readU16, readU32, writeU16 } from "@ts-bgp/wire-codec";
import { OctetSink } from "./octet-sink.ts";
import type { Octets } from "./table-routes.ts";

export interface RibPath {
  readonly peer: number;
  readonly pathId: number;
  readonly sinceSeconds: number;
  readonly attributes: Octets;
}

export interface RibPrefix {
  readonly family: Family;
  readonly bits: number;
  /** As many octets as the bits take. */
  readonly prefix: Octets;
  /** At least one. */
  readonly paths: readonly RibPath[];
}

/** Writes prefixes: `prefix`, then `path` for each of its paths. A prefix without paths is left out. */
export class RibWriter {
  private readonly sink: OctetSink = new OctetSink();
  private start = 0;
  private countAt = 0;
  private count = 0;

  get length(): number {
    return this.sink.length;
  }

  /** @param words - of the prefix, high first; IPv4 uses the first alone */
  prefix(family: Family, words: readonly number[], bits: number): void {
    this.finish();
    const { sink } = this;
    this.start = sink.length;
    sink.u8(family);
    sink.u8(bits);
    const at = sink.length;
    const octets = (bits + 7) >> 3;
    for (let i = 0; 4 * i < octets; i++) sink.u32(words[i]!);
    sink.length = at + octets;
    this.countAt = sink.length;
    this.count = 0;
    sink.u16(0);
  }

  path(peer: number, pathId: number, sinceSeconds: number, { buf, at, end }: Octets): void {
    const { sink } = this;
    this.count++;
    sink.u16(peer);
    sink.u32(pathId);
    sink.u32(sinceSeconds);
    sink.u16(end - at);
    sink.octets(buf, at, end);
  }

  take(): Uint8Array<ArrayBuffer> {
    this.finish();
    return this.sink.take();
  }

  private finish(): void {
    const { sink, count, countAt } = this;
    if (sink.length === 0) return;
    if (count === 0) sink.length = this.start;
    else writeU16(sink.out, countAt, count);
  }
}

/** Reads what a `RibWriter` wrote. */
export function* prefixesOf(buf: Uint8Array): Generator<RibPrefix> {
  for (let at = 0; at < buf.length; ) {
    const bits = buf[at + 1]!;
    const prefix = { buf, at: at + 2, end: at + 2 + ((bits + 7) >> 3) };
    const paths: RibPath[] = [];
    let i = prefix.end + 2;
    for (let left = readU16(buf, prefix.end); left > 0; left--) {
      const attributesAt = i + 12;
      const end = attributesAt + readU16(buf, i + 10);
      paths.push({
        peer: readU16(buf, i),
        pathId: readU32(buf, i + 2),
        sinceSeconds: readU32(buf, i + 6),
        attributes: { buf, at: attributesAt, end },
      });
      i = end;
    }
    yield { family: buf[at]! as Family, bits, prefix, paths };
    at = i;
  }
}
