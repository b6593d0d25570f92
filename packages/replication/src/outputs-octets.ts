/**
 * What a bracket puts out, as records, for a standby that may come to something else. Octets that many
 * connections are sent parts of stand there once.
 */

import { isEffect, type Output } from "@ts-bgp/router";
import { FormatError, OctetReader } from "./octet-reader.ts";
import { joined, OctetWriter } from "./octet-writer.ts";
import { SHARED_OCTETS_MAX } from "./outputs-sum.ts";
import type { Skipped } from "./record-kinds.ts";
import { KINDS } from "./records.ts";

/** A part of a buffer that has all that outputs write of it. */
interface Range {
  readonly number: number;
  at: number;
  end: number;
}

type Write = Extract<Output, { do: "write" }>;

/** @returns the records of outputs, without logs; linear in the distinct octets and in the outputs */
export function outputsOctets(outputs: readonly Output[]): Uint8Array {
  const out = new OctetWriter();
  const ranges = rangesOf(outputs);
  for (const [key, { at, end }] of ranges) {
    const octets = key instanceof Uint8Array ? key : new Uint8Array(key, at, end - at);
    KINDS.write(out, "chunk", { octets });
  }
  for (const output of outputs) {
    if (!isEffect(output)) continue;
    const { connection } = output;
    if (output.do === "close") KINDS.write(out, "ended", { connection });
    else if (output.do === "connect") {
      const { neighbor, port, localAddress } = output.target;
      KINDS.write(out, "began", { connection, neighbor, port, localAddress: localAddress ?? "" });
    } else {
      const { byteOffset, length } = output.octets;
      const range = ranges.get(keyOf(output))!;
      const at = byteOffset - range.at;
      KINDS.write(out, "wrote", { connection, chunk: range.number, at, octets: length });
    }
  }
  return joined(out.take());
}

/** @returns what `outputsOctets` was given, without logs; throws a FormatError for octets that are none */
export function outputsFrom(octets: Uint8Array, skipped: Skipped): Output[] {
  const reader = new OctetReader(octets);
  const outputs: Output[] = [];
  const chunks: Uint8Array[] = [];
  for (let next = KINDS.read(reader, skipped); next !== null; next = KINDS.read(reader, skipped)) {
    switch (next.record) {
      case "chunk":
        chunks.push(next.octets);
        break;
      case "wrote": {
        const { connection, at } = next;
        const chunk = chunks[next.chunk];
        const end = at + next.octets;
        if (chunk === undefined || end > chunk.length) throw new FormatError("no such chunk");
        outputs.push({ do: "write", connection, octets: chunk.subarray(at, end) });
        break;
      }
      case "began": {
        const { connection, neighbor, port, localAddress } = next;
        const target = { neighbor, port, localAddress: localAddress || null };
        outputs.push({ do: "connect", connection, target });
        break;
      }
      case "ended":
        outputs.push({ do: "close", connection: next.connection });
        break;
      default:
        throw new FormatError(`${next.record} is no output`);
    }
  }
  return outputs;
}

function rangesOf(outputs: readonly Output[]): Map<Uint8Array | ArrayBufferLike, Range> {
  const ranges = new Map<Uint8Array | ArrayBufferLike, Range>();
  for (const output of outputs) {
    if (output.do !== "write") continue;
    const { byteOffset: at, length } = output.octets;
    const key = keyOf(output);
    const range = ranges.get(key);
    if (range === undefined) ranges.set(key, { number: ranges.size, at, end: at + length });
    else {
      range.at = Math.min(range.at, at);
      range.end = Math.max(range.end, at + length);
    }
  }
  return ranges;
}

/** A large buffer holds more than what one bracket wrote: each piece of it stands by itself. */
function keyOf({ octets }: Write): Uint8Array | ArrayBufferLike {
  return octets.buffer.byteLength > SHARED_OCTETS_MAX ? octets : octets.buffer;
}
