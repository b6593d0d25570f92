/** Questions to a router, with prefixes as text. */

import { parsePrefix, readU32 } from "@ts-bgp/wire-codec";
import { type Explained, explainRoute } from "../packages/views/src/index.ts";
import type { Lab } from "./router.ts";

export function keyOf(text: string) {
  const { address, bits, afi } = parsePrefix(text)!;
  const octets = new Uint8Array(16);
  octets.set(address);
  const words = [0, 4, 8, 12].map((at) => readU32(octets, at)) as [number, number, number, number];
  return { family: afi as 1 | 2, key: { words, bits } };
}

export function explain(
  lab: Lab,
  direction: "import" | "export",
  prefix: string,
  address: string,
): Explained {
  const { family, key } = keyOf(prefix);
  return explainRoute(lab.router, { direction, family, key, text: prefix, neighbor: address });
}
