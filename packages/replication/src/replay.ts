/** The calls of a bracket, run on a standby. */

import type { Output } from "@ts-bgp/router";
import type { Call, Machine } from "./machine.ts";
import { FormatError, OctetReader } from "./octet-reader.ts";
import { type AnyRecord, RECORDS, read, type Skipped } from "./records.ts";

/** Records from this number on are calls. */
const FIRST_CALL = RECORDS.start.type;

/**
 * Runs the calls of a bracket.
 *
 * @param calls - must not change any more: what was received stays where it lies
 * @returns what they want done; throws a FormatError, with some of them run, for octets that are none
 */
export function replay(machine: Machine, calls: Uint8Array, skipped: Skipped): Output[] {
  const octets = new OctetReader(calls);
  for (let call = read(octets, skipped); call !== null; call = read(octets, skipped)) {
    if (call.record === "slice") {
      let left = call.goneOn;
      machine.slice(call.nowMs, () => left-- > 0);
    } else if (isCall(call)) machine.run(call);
    else throw new FormatError(`${call.record} is no call`);
  }
  return machine.takeOutputs();
}

function isCall(record: AnyRecord): record is Call {
  return RECORDS[record.record].type >= FIRST_CALL;
}
