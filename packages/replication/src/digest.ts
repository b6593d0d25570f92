/** Checksums of a machine's state that cost next to nothing, for comparisons at a common bracket. */

import type { Digest } from "@ts-bgp/rib";
import { FAMILIES, familyLabel } from "@ts-bgp/router";
import type { DigestValue } from "./json-fields.ts";
import type { Machine } from "./machine.ts";

/** @returns the digest of a machine between two brackets; linear in its connections */
export function digestOf({ router, ledger }: Machine): DigestValue {
  const { tables, neighbors } = router;
  const { config, validation } = tables.origins;
  const { ipv4, ipv6, aspas } = validation;
  let written = 0;
  let received = 0;
  for (const connection of ledger.connections.values()) {
    written += connection.send.appended;
    received += connection.received;
  }
  let established = 0;
  for (const { session } of neighbors.values()) if (session !== null) established++;
  const digests: [string, Digest][] = [
    ...FAMILIES.map(
      (family) => [`${familyLabel(family)} routes`, tables.rib(family).digest] as const,
    ),
    ...tables.groups.entries.map(
      ({ number, group }) => [`update group ${number}`, group.adjRibOut.digest] as const,
    ),
  ].map(([name, digest]) => [name, digest]);
  const complete = digests.filter(([, { isComplete }]) => isComplete);
  return {
    ...Object.fromEntries(complete.map(([name, digest]) => [name, digest.toString()])),
    "attribute sets": tables.attrs.size,
    ...(config === null
      ? {}
      : { payloads: [ipv4, ipv6, aspas].map(({ digest }) => digest).join(" ") }),
    neighbors: neighbors.size,
    established,
    connections: ledger.connections.size,
    "octets written": written,
    "octets received": received,
  };
}

/** Digests are compared this often. */
const DIGEST_MS = 1000;

/** When a machine is to be compared next. */
export class DigestTimes {
  private askedMs = 0;

  /** @returns the digest when it is time for one, else null */
  digestIfDue(machine: Machine, nowMs: number): DigestValue | null {
    if (nowMs < this.askedMs + DIGEST_MS) return null;
    this.askedMs = nowMs;
    return digestOf(machine);
  }
}

/** What follows from calls and from what was put out, and so is the same whatever a side decides. */
const OF_LEDGER = ["connections", "octets written", "octets received"];

/** Whether what differs is not what another version may see otherwise. */
export function areOfLedger(names: readonly string[]): boolean {
  return names.some((name) => OF_LEDGER.includes(name));
}

/** Whether it is what the same program would not see otherwise, given the same. */
export function areOfTables(names: readonly string[]): boolean {
  return names.some((name) => name.endsWith(" routes") || name.startsWith("update group "));
}

/** @returns the names of what differs; a name that one side does not have is not compared */
export function differences(a: DigestValue, b: DigestValue): string[] {
  return Object.keys(a).filter((name) => b[name] !== undefined && b[name] !== a[name]);
}
