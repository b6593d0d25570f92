/** The calls of a bracket, run on a standby. */

import type { Output } from "@ts-bgp/router";
import type { Call, Machine } from "./machine.ts";
import { FormatError, OctetReader } from "./octet-reader.ts";
import type { Skipped } from "./record-kinds.ts";
import { type AnyRecord, KINDS, RECORDS } from "./records.ts";

/** Records with these numbers are calls, and those of bracket records that must be understood. */
const CALLS = [RECORDS.start.type, RECORDS.chunk.type - 1] as const;
const VITAL_CALLS_FROM = 128;

/** Runs the calls of a bracket as `replayCalls` does. @returns what they want done, which counts as done */
export function replay(machine: Machine, calls: Uint8Array, skipped: Skipped): Output[] {
  replayCalls(machine, calls, skipped);
  return machine.takeOutputs();
}

/**
 * Runs the calls of a bracket, and takes no outputs.
 *
 * @param calls - must not change any more: what was received stays where it lies. Throws a FormatError, with
 *   some of them run, for octets that are none
 * @param before - is told of each call that is about to be run
 */
export function replayCalls(
  machine: Machine,
  calls: Uint8Array,
  skipped: Skipped,
  before: ((call: Call) => void) | null = null,
): void {
  const octets = new OctetReader(calls);
  for (let call = KINDS.read(octets, skipped); call !== null; call = KINDS.read(octets, skipped)) {
    if (call.record === "slice") {
      let left = call.goneOn;
      machine.slice(call.nowMs, () => left-- > 0);
    } else if (isCall(call)) {
      before?.(call);
      machine.run(call);
    } else throw new FormatError(`${call.record} is no call`);
  }
}

function isCall(record: AnyRecord): record is Call {
  const { type } = RECORDS[record.record];
  return (type >= CALLS[0] && type <= CALLS[1]) || type >= VITAL_CALLS_FROM;
}
