/** The configuration of a large exchange, as a generator writes it: a policy and two lists for each member. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How lists are written: files of lines, files of `bgpq4 -j`, or in the configuration itself. */
export type ListForm = "files" | "json" | "inline";

export interface LargeConfig {
  /** Each has a session for IPv4 and one for IPv6. */
  readonly members: number;
  /** Entries of all prefix lists together. */
  readonly prefixes: number;
  readonly lists: ListForm;
  /** For `listen`, and for `control: socket`. */
  readonly port: number;
  readonly socket: string;
}

const AS_FIRST = 200_000;
/** Of eight entries so many are IPv6. */
const IPV6_OF_EIGHT = 2;
/** Prefixes for each AS number that a member's list of origins has. */
const PREFIXES_PER_ORIGIN = 8;

/** @returns the file of a member's prefixes, relative to the folder */
export function prefixFile(member: number, lists: ListForm): string {
  return `lists/as${AS_FIRST + member}.${lists === "json" ? "json" : "txt"}`;
}

/** Writes the configuration into a folder. @returns the path of its main file */
export function writeLargeConfig(folder: string, config: LargeConfig): string {
  mkdirSync(join(folder, "lists"), { recursive: true });
  const { members, lists } = config;
  const weights = Array.from({ length: members }, (_, k) => 1 / (k + 20));
  const unit = config.prefixes / weights.reduce((sum, weight) => sum + weight, 0);
  const prefixLists: string[] = ["prefix-lists:"];
  const asLists: string[] = ["as-lists:"];
  const policies: string[] = ["policies:", ...HYGIENE];
  const neighbors: string[] = ["neighbors:"];
  let number = 0;
  for (let k = 0; k < members; k++) {
    const as = AS_FIRST + k;
    const count = Math.max(1, Math.round(weights[k]! * unit));
    const prefixes = Array.from({ length: count }, (_, i) => prefixText(number + i));
    number += count;
    const origins = Array.from(
      { length: Math.ceil(count / PREFIXES_PER_ORIGIN) },
      (_, i) => (as * 7 + i * 13) % 400_000,
    ).map((origin) => String(origin + 1));
    prefixLists.push(...listLines(`as${as}`, prefixes, prefixFile(k, lists), folder, lists));
    asLists.push(...listLines(`as${as}-origins`, [String(as), ...origins], null, folder, lists));
    policies.push(...policyLines(as));
    neighbors.push(...neighborLines(as, k));
  }
  const file = join(folder, "ts-bgp.yaml");
  const parts = [...headLines(config), ...neighbors, ...policies, ...asLists, ...prefixLists];
  writeFileSync(file, `${parts.join("\n")}\n`);
  return file;
}

function headLines({ port, socket }: LargeConfig): string[] {
  return [
    "router: { as: 64500, id: 192.0.2.1 }",
    `listen: [{ address: 127.0.0.1, port: ${port} }]`,
    `control: { socket: ${socket} }`,
    "log: { level: warn }",
    "groups:",
    "  clients:",
    "    route-server-client: true",
    "    passive: true",
    "    export: to-clients",
    "    max-prefix: { action: restart, restart-after: 900, warn-percent: 80 }",
  ];
}

const HYGIENE: readonly string[] = [
  "  hygiene:",
  "    - { name: too long, if: { family: ipv4-unicast, prefix-length: { min: 25 } }, then: reject }",
  "    - { name: too long for IPv6, if: { family: ipv6-unicast, prefix-length: { min: 49 } }, then: reject }",
  "    - { name: long path, if: { as-path: { length: { min: 33 } } }, then: reject }",
  "  to-clients:",
  '    - { name: not to this AS, if: { community: "0:$peer-as" }, then: reject }',
  "    - then: accept",
];

function policyLines(as: number): string[] {
  return [
    `  as${as}-in:`,
    "    - name: origin is not in the AS-SET",
    `      if: { not: { as-path: { origin: as${as}-origins } } }`,
    "      then: reject",
    "    - name: prefix is not in the AS-SET",
    `      if: { not: { prefix: as${as} } }`,
    "      then: reject",
    "    - then: accept",
  ];
}

function neighborLines(as: number, k: number): string[] {
  const options = `as: ${as}, group: clients, import: [hygiene, as${as}-in], max-prefix: 10000`;
  const description = `description: "Member ${k}"`;
  const low = `${(k >> 8) + 1}.${k & 255}`;
  return [
    `  - { address: 10.200.${low}, ${options}, ${description} }`,
    `  - { address: "2001:db8:200::${(k + 1).toString(16)}", ${options}, ${description} }`,
  ];
}

function listLines(
  name: string,
  entries: readonly string[],
  file: string | null,
  folder: string,
  lists: ListForm,
): string[] {
  if (lists === "inline") return [`  ${name}:`, ...entries.map((entry) => `    - ${entry}`)];
  const path = file ?? `lists/${name}.txt`;
  const text = path.endsWith(".json") ? jsonText(entries) : `${entries.join("\n")}\n`;
  writeFileSync(join(folder, path), text);
  return [`  ${name}: { file: ${path} }`];
}

/** As `bgpq4 -j` writes it. */
function jsonText(entries: readonly string[]): string {
  const items = entries.map((entry) => {
    const [prefix, , le] = entry.split(" ");
    const bounds = le === undefined ? '"exact": true' : `"exact": false, "less-equal": ${le}`;
    return `\n    { "prefix": "${prefix!.replace("/", "\\/")}", ${bounds} }`;
  });
  return `{ "NN": [${items.join(",")}\n] }\n`;
}

/** @returns another entry for each number below two million */
export function prefixText(number: number): string {
  if (number % 8 < IPV6_OF_EIGHT) {
    const block = (number >> 3) * IPV6_OF_EIGHT + (number % 8);
    const [high, low] = [0x2a00 + (block >> 16), block & 0xffff].map((part) => part.toString(16));
    return `${high}:${low}:100::/${40 + 8 * (number & 1)} le 48`;
  }
  const block = (number + 0x10000) << 8;
  const octets = [(block >>> 24) + 1, (block >>> 16) & 255, (block >>> 8) & 255];
  return `${octets.join(".")}.0/24`;
}
