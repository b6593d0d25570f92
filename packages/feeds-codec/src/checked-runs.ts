/**
 * Runs that another process says: what of them may be taken. Attributes are read as those of a peer's UPDATE are, and a
 * fault of them costs what it costs there (RFC 7606 section 2): the attribute, or the routes, which count as withdrawn.
 */

import { FAMILY, type Family, readU32, type UpdateReader, writeU32 } from "@ts-bgp/wire-codec";
import { OctetSink } from "./octet-sink.ts";
import { FLAG, HEAD_OCTETS, type RouteRun, routeOctets, runsOf } from "./table-routes.ts";

/** More have no room in a message. */
const ATTRIBUTES_OCTETS_MAX = 0xffff;

export interface CheckedRuns {
  /** Runs without fault, see `RunWriter`: the same octets where there was none. */
  readonly octets: Uint8Array;
  readonly faulty: readonly FaultyRun[];
}

/** A run of which less is taken than was said. */
export interface FaultyRun {
  /** See `RouteRun`. */
  readonly peer: number;
  readonly reason: string;
}

/**
 * @param octets - of another process
 * @param reader - any
 * @returns null where nobody can tell where runs begin and end
 */
export function checkedRuns(octets: Uint8Array, reader: UpdateReader): CheckedRuns | null {
  if (!areFramed(octets)) return null;
  const faulty: FaultyRun[] = [];
  const sink = new OctetSink();
  /** What is taken as it is, since the sink was written to. */
  let from = 0;
  let start = 0;
  for (const run of runsOf(octets)) {
    const { end } = run.routes;
    const fault = routesFault(run) ?? attributesFault(run, reader);
    if (fault !== null) {
      sink.octets(octets, from, start);
      if (fault.action !== "drop") writeRun(sink, octets, start, run, fault.action, reader);
      if (fault.reason !== null) faulty.push({ peer: run.peer, reason: fault.reason });
      from = end;
    }
    start = end;
  }
  if (from === 0) return { octets, faulty };
  sink.octets(octets, from, octets.length);
  return { octets: sink.take(), faulty };
}

/** What becomes of a run; `rewrite`: it has the attributes that the reader gives. */
interface RunFault {
  readonly action: "rewrite" | "withdraw" | "drop";
  /** Null where nothing is lost. */
  readonly reason: string | null;
}

function areFramed(octets: Uint8Array): boolean {
  let at = 0;
  while (at < octets.length) {
    if (at + HEAD_OCTETS > octets.length) return false;
    at += HEAD_OCTETS + readU32(octets, at + 5) + readU32(octets, at + 9);
  }
  return at === octets.length;
}

/** Routes that cannot be read cannot be withdrawn either. */
function routesFault({ family, addPath, routes: { buf, at, end } }: RouteRun): RunFault | null {
  if (family !== FAMILY.IPV4_UNICAST && family !== FAMILY.IPV6_UNICAST) {
    return { action: "drop", reason: `family ${family} is not known` };
  }
  const bitsMax = family === FAMILY.IPV4_UNICAST ? 32 : 128;
  let i = at;
  while (i < end) {
    const lengthAt = i + (addPath ? 4 : 0);
    const bits = lengthAt < end ? buf[lengthAt]! : 0;
    if (bits > bitsMax) return { action: "drop", reason: `a prefix has ${bits} bits` };
    i += routeOctets(buf, i, addPath);
  }
  return i === end ? null : { action: "drop", reason: "a prefix is cut" };
}

function attributesFault({ family, attributes }: RouteRun, reader: UpdateReader): RunFault | null {
  if (attributes === null) return null;
  const { buf, at, end } = attributes;
  if (end - at > ATTRIBUTES_OCTETS_MAX) {
    return { action: "withdraw", reason: `attributes have ${end - at} octets` };
  }
  reader.readStored(buf, at, end, family as Family);
  const { action, faults } = reader;
  const reason = faults.length === 0 ? null : faults.map((fault) => fault.reason).join("; ");
  if (action >= 2) return { action: "withdraw", reason };
  reader.canonical("field");
  // They are where they stood.
  if (reader.attrs === buf) return null;
  return { action: "rewrite", reason };
}

function writeRun(
  sink: OctetSink,
  octets: Uint8Array,
  start: number,
  { routes }: RouteRun,
  action: "rewrite" | "withdraw",
  { attrs, attrsAt, attrsEnd }: UpdateReader,
): void {
  const at = sink.length;
  const isWithdrawn = action === "withdraw";
  sink.octets(octets, start, start + HEAD_OCTETS);
  if (isWithdrawn) sink.out[at + 2]! |= FLAG.WITHDRAW;
  writeU32(sink.out, at + 5, isWithdrawn ? 0 : attrsEnd - attrsAt);
  if (!isWithdrawn) sink.octets(attrs, attrsAt, attrsEnd);
  sink.octets(octets, routes.at, routes.end);
}
