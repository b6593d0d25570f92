/**
 * Local exceptions (SLURM, RFC 8416): VRPs that do not count, and VRPs of one's own. What a file says of
 * BGPsec is read over.
 */

import { AFI, formatAddress, writeU32 } from "@ts-bgp/wire-codec";
import type { Vrp } from "./payload-octets.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { isAs, parsedRoaPrefix, type RoaPrefix } from "./roa-prefix.ts";

/** A VRP satisfies a filter when it satisfies all that it has: a prefix that covers it, an AS. */
export interface SlurmFilter {
  /** Null for all. */
  readonly prefix: {
    readonly isWide: boolean;
    readonly words: readonly [number, number, number, number];
    readonly bits: number;
  } | null;
  /** Null for all. */
  readonly as: number | null;
}

/** What is local. */
export interface Slurm {
  readonly filters: readonly SlurmFilter[];
  readonly assertions: readonly Readonly<Vrp>[];
}

export const NO_SLURM: Slurm = { filters: [], assertions: [] };

/** What is wrong with a file, and where: names and indices from the outside in. */
export interface SlurmMistake {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Filters by prefix and AS, so that many of them are asked in the time of a few. */
export class SlurmFilters {
  private readonly ipv4: PrefixTree = new PrefixTree(32);
  private readonly ipv6: PrefixTree = new PrefixTree(128);
  /** AS numbers by `head` of a node, null for all of them; those at 0 are filtered whatever the prefix. */
  private readonly ases: Set<number | null>[] = [new Set()];

  constructor(filters: readonly SlurmFilter[]) {
    for (const { prefix, as } of filters) {
      let at = 0;
      if (prefix !== null) {
        const tree = prefix.isWide ? this.ipv6 : this.ipv4;
        const node = tree.intern(...prefix.words, prefix.bits);
        at = tree.head[node] ||= this.ases.push(new Set()) - 1;
      }
      this.ases[at]!.add(as);
    }
  }

  /** Whether a VRP of one's caches is not to count. */
  has(
    isWide: boolean,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    bits: number,
    as: number,
  ): boolean {
    if (this.names(0, as)) return true;
    const tree = isWide ? this.ipv6 : this.ipv4;
    let node = tree.first(w0, w1, w2, w3, bits);
    for (; node !== 0; node = tree.next(node, w0, w1, w2, w3, bits)) {
      if (tree.head[node] !== 0 && this.names(tree.head[node]!, as)) return true;
    }
    return false;
  }

  private names(at: number, as: number): boolean {
    const ases = this.ases[at]!;
    return ases.has(as) || ases.has(null);
  }
}

/** Members by what has them; any other is a mistake (RFC 8416 section 3.1). */
const MEMBERS = {
  file: ["slurmVersion", "validationOutputFilters", "locallyAddedAssertions"],
  validationOutputFilters: ["prefixFilters", "bgpsecFilters", "aspaFilters"],
  locallyAddedAssertions: ["prefixAssertions", "bgpsecAssertions", "aspaAssertions"],
  prefixFilters: ["prefix", "asn", "comment"],
  prefixAssertions: ["prefix", "asn", "maxPrefixLength", "comment"],
} as const;

/**
 * Reads what the JSON of a file says (RFC 8416 section 3).
 *
 * @returns what it says as far as it can be read, and all mistakes
 */
export function slurmOf(json: unknown): { slurm: Slurm; mistakes: SlurmMistake[] } {
  const mistakes: SlurmMistake[] = [];
  const note = (path: SlurmMistake["path"], message: string) => {
    mistakes.push({ path, message });
    return null;
  };
  const file = objectOf(json);
  if (file === null) {
    note([], "a SLURM file is an object");
    return { slurm: NO_SLURM, mistakes };
  }
  if (file["slurmVersion"] !== 1 && file["slurmVersion"] !== 2) {
    note(["slurmVersion"], "slurmVersion must be 1 or 2");
  }
  noteOthers(file, "file", [], note);
  const filters = entriesOf(file, "validationOutputFilters", "prefixFilters", note).map(
    ([entry, path]) => filterOf(entry, path, note),
  );
  const assertions = entriesOf(file, "locallyAddedAssertions", "prefixAssertions", note).map(
    ([entry, path]) => assertionOf(entry, path, note),
  );
  const there = <T>(values: (T | null)[]) => values.filter((value) => value !== null);
  return { slurm: { filters: there(filters), assertions: there(assertions) }, mistakes };
}

/** A prefix that one file speaks of, and one inside of it, or the same one, that another file speaks of. */
export interface SlurmOverlap {
  /** Which files, and the prefixes as text. */
  readonly files: readonly [number, number];
  readonly prefixes: readonly [string, string];
}

/**
 * Several files are for scopes that have nothing in common, or else none of them counts (RFC 8416 section
 * 4.2).
 *
 * @returns the first overlap of prefixes in filters and assertions of two files, null when there is none
 */
export function slurmOverlap(files: readonly Slurm[]): SlurmOverlap | null {
  const spoken = files.flatMap(({ filters, assertions }, file) => [
    ...filters.flatMap(({ prefix }) => (prefix === null ? [] : [{ ...prefix, file }])),
    ...assertions.map(({ isWide, w0, w1, w2, w3, bits }) => {
      return { isWide, words: [w0, w1, w2, w3] as const, bits, file };
    }),
  ]);
  for (const isWide of [false, true]) {
    const all = spoken.filter((prefix) => prefix.isWide === isWide).sort(byPlace);
    // As long as there is no overlap, a prefix can only be inside of the last one that others are not in.
    let outer = all[0];
    for (const inner of all) {
      if (outer === undefined || !covers(outer, inner)) outer = inner;
      else if (outer.file !== inner.file) {
        return { files: [outer.file, inner.file], prefixes: [textOf(outer), textOf(inner)] };
      }
    }
  }
  return null;
}

function byPlace(a: RoaPrefix, b: RoaPrefix): number {
  const word = a.words.findIndex((value, k) => value !== b.words[k]);
  return word < 0 ? a.bits - b.bits : a.words[word]! - b.words[word]!;
}

function covers({ words, bits }: RoaPrefix, inner: RoaPrefix): boolean {
  return words.every((word, k) => {
    const own = Math.min(32, Math.max(0, bits - 32 * k));
    return own === 0 || (word ^ inner.words[k]!) >>> (32 - own) === 0;
  });
}

function textOf({ isWide, words, bits }: RoaPrefix): string {
  const octets = new Uint8Array(16);
  for (const [k, word] of words.entries()) writeU32(octets, 4 * k, word);
  return `${formatAddress(isWide ? AFI.IPV6 : AFI.IPV4, octets, 0)}/${bits}`;
}

type Note = (path: SlurmMistake["path"], message: string) => null;
type Entry = [entry: Record<string, unknown>, path: SlurmMistake["path"]];

function objectOf(json: unknown): Record<string, unknown> | null {
  const isObject = typeof json === "object" && json !== null && !Array.isArray(json);
  return isObject ? (json as Record<string, unknown>) : null;
}

function entriesOf(
  file: Record<string, unknown>,
  section: "validationOutputFilters" | "locallyAddedAssertions",
  list: "prefixFilters" | "prefixAssertions",
  note: Note,
): Entry[] {
  const members = objectOf(file[section]);
  if (members !== null) noteOthers(members, section, [section], note);
  const entries = members?.[list];
  if (!Array.isArray(entries)) {
    note([section], `${section} must have a list ${list}`);
    return [];
  }
  return entries.flatMap((json, k): Entry[] => {
    const path = [section, list, k];
    const entry = objectOf(json);
    if (entry === null) note(path, "must be an object");
    else noteOthers(entry, list, path, note);
    return entry === null ? [] : [[entry, path]];
  });
}

/** Notes members that are not defined, and ASPAs, which would be read over in silence. */
function noteOthers(
  object: Record<string, unknown>,
  what: keyof typeof MEMBERS,
  path: SlurmMistake["path"],
  note: Note,
): void {
  const known: readonly string[] = MEMBERS[what];
  for (const [name, value] of Object.entries(object)) {
    if (!known.includes(name)) note([...path, name], `"${name}" is no member of ${what}`);
    const isEmpty = Array.isArray(value) && value.length === 0;
    if (name.startsWith("aspa") && known.includes(name) && !isEmpty) {
      note([...path, name], `"${name}" must be empty: there are no local exceptions for ASPAs`);
    }
  }
}

function filterOf(
  entry: Record<string, unknown>,
  path: SlurmMistake["path"],
  note: Note,
): SlurmFilter | null {
  const { prefix, asn } = entry;
  if (prefix === undefined && asn === undefined) return note(path, "must have a prefix or an asn");
  const parsed = prefix === undefined ? null : parsedRoaPrefix(prefix);
  if (typeof parsed === "string") return note([...path, "prefix"], parsed);
  if (asn !== undefined && !isAs(asn)) return note([...path, "asn"], "asn must be an AS number");
  return { prefix: parsed, as: asn ?? null };
}

function assertionOf(
  entry: Record<string, unknown>,
  path: SlurmMistake["path"],
  note: Note,
): Vrp | null {
  const { prefix, asn, maxPrefixLength } = entry;
  const parsed = parsedRoaPrefix(prefix);
  if (typeof parsed === "string") return note([...path, "prefix"], parsed);
  if (!isAs(asn)) return note([...path, "asn"], "asn must be an AS number");
  const { isWide, words, bits } = parsed;
  const maxLength = maxPrefixLength ?? bits;
  if (!isLength(maxLength, bits, isWide ? 128 : 32)) {
    return note([...path, "maxPrefixLength"], "maxPrefixLength must be a length of such prefixes");
  }
  const [w0, w1, w2, w3] = words;
  return { isAnnounced: true, isWide, w0, w1, w2, w3, bits, maxLength, as: asn };
}

function isLength(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
