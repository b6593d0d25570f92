/** What this process may do, capabilities(7). */

import { readFileSync } from "node:fs";

/** Those that nonstop routing needs, by their numbers. */
const NUMBERS = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;

export type Capability = keyof typeof NUMBERS;

/** @returns those of these that are not effective; all of them when that cannot be found out */
export function missingCapabilities(wanted: readonly Capability[]): Capability[] {
  const effective = effectiveCapabilities();
  return wanted.filter((name) => ((effective >> BigInt(NUMBERS[name])) & 1n) === 0n);
}

function effectiveCapabilities(): bigint {
  try {
    const [, hex] =
      /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return BigInt(`0x${hex ?? "0"}`);
  } catch {
    return 0n;
  }
}
