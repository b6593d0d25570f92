/** Routes of the kernel as the router is told them, and told to one. */

import { RunWriter, TABLE } from "@ts-bgp/feeds-codec";
import type { Router } from "@ts-bgp/router";
import { ATTR, encodeAttributes, parseAddress, readU32 } from "@ts-bgp/wire-codec";

/** @returns runs of routes that are there, or with `areGone` are no more */
export function kernelRuns(prefixes: readonly string[], areGone = false): Uint8Array {
  const writer = new RunWriter();
  for (const prefix of prefixes) {
    const [address = "", bits] = prefix.split("/");
    const isIpv6 = address.includes(":");
    const attributes = encodeAttributes([
      { type: ATTR.ORIGIN, value: "INCOMPLETE" },
      { type: ATTR.AS_PATH, value: { segments: [] } },
      { type: ATTR.NEXT_HOP, value: isIpv6 ? "::" : "0.0.0.0" },
      { type: ATTR.LOCAL_PREF, value: 100 },
    ]);
    const set = { buf: attributes, at: 0, end: attributes.length };
    writer.run(TABLE.ADJ_IN_POST, isIpv6 ? 2 : 1, 0, false, areGone ? null : set);
    const octets = parseAddress(address)!;
    const word = (i: number) => (4 * i < octets.length ? readU32(octets, 4 * i) : 0);
    writer.prefix(word(0), word(1), word(2), word(3), Number(bits), 0);
  }
  return writer.take();
}

/** A copy of all that a kernel has. */
export function tellKernel(router: Router, prefixes: readonly string[], nowMs: number): void {
  router.kernel("begin", new Uint8Array(0), nowMs);
  router.kernel("routes", kernelRuns(prefixes), nowMs);
  router.kernel("complete", new Uint8Array(0), nowMs);
}
