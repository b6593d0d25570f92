/**
 * The rules that send outgoing TCP packets of the protected ports to the gate's queue: in a table
 * of their own where the kernel's nftables has `queue`, else in a chain of their own of iptables.
 * Without a bypass: when nobody answers the queue, the kernel drops what it is sent. So gates of
 * several pairs in one network namespace have rules for the addresses of their own pair.
 */

import { isIPv6 } from "node:net";
import { CODE_UNKNOWN, type ToolShell } from "./tool-shell.ts";

/** In the order in which they are tried. */
const KINDS = ["nft", "iptables"] as const;

export type RuleKind = (typeof KINDS)[number];

export interface GateRules {
  readonly kind: RuleKind;
  readonly queue: number;
  readonly ports: readonly number[];
  /** Local addresses, in their canonical form; none for all. */
  readonly addresses: readonly string[];
}

/** A tool that could not do what it was told. */
export class GateRulesError extends Error {}

const IPTABLES = ["iptables", "ip6tables"] as const;
/** Before the host's own filter, which then still sees every packet. */
const IPTABLES_TABLE = "mangle";
const NFT_PRIORITY = -150;

/**
 * Puts the rules in place, whatever is left of them from before: in one step per address family,
 * with no moment without rules. Those that are there already do as well.
 *
 * @param before - of the same queue, in use: they stay when this fails, and go when others take their place
 * @returns the rules, and whether they were there before
 * @throws GateRulesError when no tool can do it
 */
export async function installRules(
  { queue, ports, addresses }: Omit<GateRules, "kind">,
  before: GateRules | null,
  shell: ToolShell,
): Promise<{ readonly rules: GateRules; readonly hadLeftovers: boolean }> {
  const failures: string[] = [];
  for (const kind of KINDS) {
    const rules = { kind, queue, ports, addresses };
    const hadLeftovers = (await rulesInPlace(rules, shell)) === true;
    const install = kind === "nft" ? installNft : installIptables;
    const failure = await install(rules, shell);
    if (failure === null || hadLeftovers) {
      if (before !== null && before.kind !== kind) await removeRules(before, shell);
      return { rules, hadLeftovers };
    }
    // Those of one address family may be there, and would stop its packets.
    if (kind !== before?.kind) await removeRules(rules, shell);
    failures.push(`${kind}: ${failure}`);
  }
  throw new GateRulesError(`no rule for the gate: ${failures.join("; ")}`);
}

/** Of iptables that did not get its lock, or memory. */
const CODE_RESOURCE = 4;

/** @returns false when it is known that rules are missing, null when that cannot be found out */
export async function rulesInPlace(
  { kind, queue, ports, addresses }: GateRules,
  shell: ToolShell,
): Promise<boolean | null> {
  if (kind === "nft") {
    const { code, output } = await shell.run(["nft", "list", "table", "inet", nameOf(queue)]);
    if (code === CODE_UNKNOWN) return null;
    const expected = nftMatches(ports, addresses).map((match) => `${match} queue`);
    return code === 0 && expected.every((rule) => output.includes(rule));
  }
  let isKnown = true;
  for (const tool of IPTABLES) {
    const { code, output } = await shell.run([tool, "-w", "5", "-t", IPTABLES_TABLE, "-S"]);
    if (code === CODE_UNKNOWN || code === CODE_RESOURCE) {
      isKnown = false;
      continue;
    }
    const expected = [
      `-A OUTPUT ${jumpTo(queue)}`,
      ...iptablesRules(tool, { queue, ports, addresses }),
    ];
    if (code !== 0 || !expected.every((rule) => output.includes(rule))) return false;
  }
  return isKnown ? true : null;
}

/** Removes the rules of a queue, of whatever kind. */
export async function removeAllRules(queue: number, shell: ToolShell): Promise<void> {
  for (const kind of KINDS) await removeRules({ kind, queue }, shell);
}

/** Removes the rules; those that are not there are no error. */
export async function removeRules(
  { kind, queue }: Pick<GateRules, "kind" | "queue">,
  shell: ToolShell,
): Promise<void> {
  const name = nameOf(queue);
  if (kind === "nft") {
    await shell.run(["nft", "delete", "table", "inet", name]);
    return;
  }
  const lines = [`*${IPTABLES_TABLE}`, `-D OUTPUT ${jumpTo(queue)}`, `-F ${name}`, `-X ${name}`];
  for (const tool of IPTABLES) await restore(tool, lines, shell);
}

/** @returns what is wrong, or null */
async function installNft(
  { queue, ports, addresses }: GateRules,
  shell: ToolShell,
): Promise<string | null> {
  const name = nameOf(queue);
  const rules = nftMatches(ports, addresses).map((match) => `    ${match} queue num ${queue}`);
  const script = [
    `table inet ${name}`,
    `delete table inet ${name}`,
    `table inet ${name} {`,
    "  chain output {",
    `    type filter hook output priority ${NFT_PRIORITY};`,
    ...rules,
    "  }",
    "}",
  ];
  const { code, output } = await shell.run(["nft", "-f", "-"], `${script.join("\n")}\n`);
  return code === 0 ? null : firstLine(output);
}

/** @returns what is wrong, or null */
async function installIptables(rules: GateRules, shell: ToolShell): Promise<string | null> {
  const { queue } = rules;
  for (const tool of IPTABLES) {
    const { output } = await shell.run([tool, "-w", "5", "-t", IPTABLES_TABLE, "-S", "OUTPUT"]);
    // Naming a chain empties it.
    const lines = [`*${IPTABLES_TABLE}`, `:${nameOf(queue)} - [0:0]`];
    lines.push(...iptablesRules(tool, rules));
    if (!output.includes(jumpTo(queue))) lines.push(`-I OUTPUT 1 ${jumpTo(queue)}`);
    const failure = await restore(tool, lines, shell);
    if (failure !== null) return failure;
  }
  return null;
}

async function restore(
  tool: string,
  lines: readonly string[],
  shell: ToolShell,
): Promise<string | null> {
  const input = `${[...lines, "COMMIT"].join("\n")}\n`;
  const { code, output } = await shell.run([`${tool}-restore`, "--noflush", "-w", "5"], input);
  return code === 0 ? null : `${tool}: ${firstLine(output)}`;
}

function nameOf(queue: number): string {
  return `tsbgp-gate-${queue}`;
}

function jumpTo(queue: number): string {
  return `-p tcp -j ${nameOf(queue)}`;
}

/** @returns what packets have to be, as nft itself writes it */
function nftMatches(ports: readonly number[], addresses: readonly string[]): string[] {
  const sources = addresses.map((address) => `${isIPv6(address) ? "ip6" : "ip"} saddr ${address} `);
  return ends(ports).flatMap((end) =>
    (sources.length === 0 ? [""] : sources).map((source) => `${source}tcp ${end}`),
  );
}

/** @returns the rules of one address family, as iptables itself writes them */
function iptablesRules(
  tool: (typeof IPTABLES)[number],
  { queue, ports, addresses }: Omit<GateRules, "kind">,
): string[] {
  const isOfTool = (address: string) => isIPv6(address) === (tool === "ip6tables");
  const host = tool === "ip6tables" ? 128 : 32;
  const sources = addresses.filter(isOfTool).map((address) => `-s ${address}/${host} `);
  return ends(ports).flatMap((end) =>
    (addresses.length === 0 ? [""] : sources).map(
      (source) =>
        `-A ${nameOf(queue)} ${source}-p tcp -m tcp --${end} -j NFQUEUE --queue-num ${queue}`,
    ),
  );
}

function ends(ports: readonly number[]): string[] {
  return ports.flatMap((port) => [`sport ${port}`, `dport ${port}`]);
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
