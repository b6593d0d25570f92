/** Ways between nodes that are cut, and healed again. */
import { control } from "./daemon.ts";
import type { LabNode } from "./netns.ts";

export const DIRECTIONS = ["in", "out", "both"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Cuts a node off until `heal`: what comes from IPv4 addresses, what goes to them, or both. */
export async function cut(
  node: LabNode,
  addresses: readonly string[],
  direction: Direction,
): Promise<void> {
  const chain = (hook: string, field: string) =>
    `chain ${hook} { type filter hook ${hook} priority 0; ip ${field} { ${addresses.join(", ")} } drop; }\n`;
  const input = direction === "out" ? "" : chain("input", "saddr");
  const output = direction === "in" ? "" : chain("output", "daddr");
  await nft(node, `table ip cut {\n${input}${output}}\n`);
}

export function heal(node: LabNode): Promise<void> {
  return nft(node, "add table ip cut\ndelete table ip cut\n");
}

async function nft(node: LabNode, input: string): Promise<void> {
  await control(node, ["nft", "-f", "-"], input);
}
