/** Routes of the kernel that the speaker originates. */

import { type Policy, varUses } from "@ts-bgp/policy";
import { type Checker, listOf } from "./checker.ts";
import type { FileKernel, FileShape } from "./file-shape.ts";
import { didYouMean } from "./mistakes.ts";
import { checkChain } from "./neighbors.ts";
import type { KernelConfig } from "./route-types.ts";

const MAIN_TABLE = 254;
const BGP = 186;
/** As iproute2 names them; `connected` stands for what it calls kernel. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  connected: 2,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  zebra: 11,
  bird: 12,
  dhcp: 16,
  keepalived: 18,
  babel: 42,
  openr: 99,
  bgp: BGP,
  isis: 187,
  ospf: 188,
  rip: 189,
  eigrp: 192,
};

/** They are addresses of a session. Routes of the kernel have none, and lead to this speaker anyway. */
const NEIGHBORS_HOPS: ReadonlySet<string | undefined> = new Set(["self", "peer-address"]);

export function checkKernel(
  { kernel }: FileShape,
  policies: Readonly<Record<string, Policy>>,
  checker: Checker,
): KernelConfig | null {
  if (kernel === undefined) return null;
  checkChain(kernel, "import", checker);
  const names = listOf(kernel.import);
  for (const [k, name] of names.entries()) {
    const problem = policyProblem(name, policies, checker);
    if (problem !== null) checker.yaml.add(placeOf(kernel, "import", k, checker), problem);
  }
  return {
    table: kernel.table ?? MAIN_TABLE,
    protocols: checkProtocols(kernel, checker),
    import: names,
  };
}

function checkProtocols(kernel: FileKernel, checker: Checker): number[] {
  const found = new Set<number>();
  for (const [k, given] of listOf(kernel.protocols).entries()) {
    const number = typeof given === "number" ? given : protocolOf(given);
    const at = placeOf(kernel, "protocols", k, checker);
    if (number === undefined) {
      const hint = didYouMean(String(given), Object.keys(PROTOCOLS));
      checker.yaml.add(at, `"${given}" is no protocol of kernel routes, nor its number${hint}`);
    } else if (number === BGP) {
      checker.yaml.add(at, "routes of protocol bgp come from BGP, and do not go back into it");
    } else found.add(number);
  }
  return [...found].sort((one, other) => one - other);
}

function protocolOf(name: string): number | undefined {
  return Object.hasOwn(PROTOCOLS, name) ? PROTOCOLS[name] : undefined;
}

/** @returns why routes of the kernel cannot go through a policy, null when they can */
function policyProblem(
  name: string,
  policies: Readonly<Record<string, Policy>>,
  { asksOrigin }: Checker,
): string | null {
  if (asksOrigin.has(name)) {
    return `policy "${name}" asks for rpki or aspa, which is for routes of neighbors`;
  }
  const policy = Object.hasOwn(policies, name) ? policies[name] : undefined;
  if (policy === undefined) return null;
  const nextHop = policy.rules.map(({ set }) => set.nextHop).find((to) => NEIGHBORS_HOPS.has(to));
  if (nextHop !== undefined) {
    return `policy "${name}" sets next-hop: ${nextHop}, which is for routes of neighbors`;
  }
  const [use] = varUses([policy]);
  if (use === undefined) return null;
  return `policy "${name}" asks for $${use.name}, which is for routes of neighbors`;
}

function placeOf(
  kernel: FileKernel,
  key: "protocols" | "import",
  k: number,
  { yaml }: Checker,
): number {
  const value = kernel[key];
  return Array.isArray(value) ? yaml.valueAt(value, k) : yaml.valueAt(kernel, key);
}
