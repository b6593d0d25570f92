/** Checksum of the outputs of a bracket, by which a standby knows that it did the same. */

import { hashOctets } from "@ts-bgp/rib";
import type { Output } from "@ts-bgp/router";

/**
 * @returns a number below 2^32 that is the same for the same connections begun, written to and closed
 *   in the same order; linear in the distinct buffers that were written. Logs do not count.
 */
export function outputsSum(outputs: readonly Output[]): number {
  const sums: Map<Uint8Array, number> = new Map();
  let sum = 0;
  for (const output of outputs) {
    if (output.do === "log") continue;
    let part = output.do.length;
    if (output.do === "write") {
      const { octets } = output;
      const known = sums.get(octets);
      part = known ?? hashOctets(0, octets, 0, octets.length);
      if (known === undefined) sums.set(octets, part);
    }
    sum = (Math.imul(sum, 31) + part + Math.imul(output.connection, 0x9e3779b1)) >>> 0;
  }
  return sum;
}
