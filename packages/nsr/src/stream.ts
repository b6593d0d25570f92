/** Which brackets are those of one active: epochs may begin anew, where their file was lost. */

import type { Active } from "@ts-bgp/replication";
import { type Hello, type Side, wantsOutputs } from "./hello.ts";

/** Octets of brackets that an active keeps for standbys that come again. */
export const RECENT_OCTETS: number = 1 << 26;

/** @returns a number for all brackets of one active, above 0 */
export function newStream(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high & 0x1fffff) * 2 ** 32 + low || 1;
}

/**
 * @param stream - of the active, as in the record `hello`
 * @returns the bracket from which on a standby that joins can go on with what it had; 0: it needs an image
 */
export function goesOnFrom(
  hello: Hello,
  { build, differed }: Pick<Side, "build" | "differed">,
  stream: number,
  active: Pick<Active, "differences" | "keepsFrom">,
): number {
  const { lacks, next } = hello;
  // What has differed once may be otherwise already.
  const isSame = hello.build === build && !wantsOutputs(build, hello) && !differed.once;
  const isOurs = next === 0 && lacks > 0 && stream > 0 && hello.stream === stream;
  const mayGoOn = isSame && isOurs && active.differences === 0;
  return mayGoOn && active.keepsFrom(lacks) ? lacks : 0;
}
