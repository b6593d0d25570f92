/** Dynamic neighbors: whoever connects from a prefix, with an AS number of some ranges. */

import {
  isListName,
  type Lists,
  newPrefixEntry,
  type PrefixEntry,
  packedRanges,
  parseAsRange,
  parsePrefixEntry,
} from "@ts-bgp/policy";
import { parseHostAddress, parsePlainPrefix } from "./addresses.ts";
import { type Checker, listOf } from "./checker.ts";
import type { FileDynamicNeighbors, FileShape } from "./file-shape.ts";
import type { Layers } from "./layers.ts";
import { didYouMean } from "./mistakes.ts";
import { resolve, type SharedOptions, type Speaker } from "./neighbors.ts";
import type { AsRange, DynamicNeighbors, NeighborConfig } from "./types.ts";

const LIMIT = 100;
const FORGET_AFTER_SECONDS = 300;

const HOST = newPrefixEntry();
const NETWORK = newPrefixEntry();
const WORDS = ["w0", "w1", "w2", "w3"] as const;

/** @returns the range that an address lies in, the one with the longest prefix; null for none */
export function dynamicRangeOf(
  ranges: readonly DynamicNeighbors[],
  address: string,
): DynamicNeighbors | null {
  let found: DynamicNeighbors | null = null;
  let longest = -1;
  const [host = ""] = address.split("%");
  const mistake = parsePrefixEntry(`${host}/${host.includes(":") ? 128 : 32}`, HOST);
  for (const range of mistake === null ? ranges : []) {
    parsePrefixEntry(range.prefix, NETWORK);
    if (!range.options.enabled || NETWORK.bits <= longest || !isWithin(HOST, NETWORK)) continue;
    found = range;
    longest = NETWORK.bits;
  }
  return found;
}

function isWithin(host: PrefixEntry, network: PrefixEntry): boolean {
  if (host.bitsMax !== network.bitsMax) return false;
  return WORDS.every((word, k) => {
    const bits = Math.min(32, Math.max(0, network.bits - 32 * k));
    return bits === 0 || (host[word] ^ network[word]) >>> (32 - bits) === 0;
  });
}

/** Whether neighbors of a range may be of an AS. */
export function takesAs({ options }: DynamicNeighbors, as: number): boolean {
  return options.dynamic!.asRanges.some(([first, last]) => first <= as && as <= last);
}

/**
 * @param as - 0 where it is not known yet
 * @returns the configuration of a neighbor of a range; null when the range does not take the AS
 */
export function dynamicNeighbor(
  range: DynamicNeighbors,
  address: string,
  as: number,
): NeighborConfig | null {
  const { options } = range;
  if (as === 0) return { ...options, address };
  return takesAs(range, as) ? { ...options, address, as } : null;
}

/**
 * The ranges of a file.
 *
 * @param listed - its neighbors
 */
export function checkDynamicNeighbors(
  shape: FileShape,
  shared: SharedOptions,
  lists: Lists,
  speaker: Speaker,
  listed: readonly NeighborConfig[],
  checker: Checker,
): DynamicNeighbors[] {
  const { yaml } = checker;
  const places = new Map<string, number>();
  const ranges = (shape["dynamic-neighbors"] ?? []).flatMap((range) => {
    const layers = shared.layersOf(range);
    const prefix = checkPrefix(range, checker);
    if (prefix === null) return [];
    const at = yaml.valueAt(range, "prefix");
    const first = places.get(prefix);
    if (first !== undefined) {
      yaml.add(at, `${prefix} appears twice, first ${yaml.whereOf(first, at)}`);
      return [];
    }
    places.set(prefix, yaml.at(range));
    const asRanges = asRangesOf(range, layers, lists, speaker, checker);
    const [only] = asRanges;
    const as = asRanges.length === 1 && only![0] === only![1] ? only![0] : 0;
    const address = { text: prefix, version: prefix.includes(":") ? 6 : 4 } as const;
    const options = resolve(layers, range, address, as, speaker);
    return [
      {
        prefix,
        limit: range.limit ?? LIMIT,
        forgetAfterSeconds: range["forget-after"] ?? FORGET_AFTER_SECONDS,
        options: { ...options, passive: true, dynamic: { prefix, asRanges } },
      },
    ];
  });
  checkKeys(shape, listed, ranges, checker);
  return ranges;
}

/** @returns the prefix in canonical form; null once it is noted what is wrong with it */
function checkPrefix(range: FileDynamicNeighbors, { yaml }: Checker): string | null {
  const prefix = parsePlainPrefix(range.prefix);
  if (typeof prefix !== "string") return prefix.text;
  yaml.add(yaml.valueAt(range, "prefix"), prefix);
  return null;
}

/** @returns AS numbers that neighbors of a range may have; what is wrong with them is noted */
function asRangesOf(
  range: FileDynamicNeighbors,
  layers: Layers,
  lists: Lists,
  { router }: Speaker,
  checker: Checker,
): readonly AsRange[] {
  const { yaml } = checker;
  const as = layers.get("as");
  const value = range["as-numbers"] ?? as;
  if (value === undefined) {
    const isWritten = yaml.wrote(range, "as-numbers") || layers.wrote("as");
    if (!isWritten) yaml.add(yaml.at(range), `neighbors of ${range.prefix} have no "as-numbers"`);
    return [];
  }
  const ranges = listOf(value).flatMap((term, k) => {
    const at = Array.isArray(value) ? yaml.valueAt(value, k) : yaml.valueAt(range, "as-numbers");
    return asTerm(String(term), at, lists, checker);
  });
  const localAs = layers.get("local-as") ?? router.as;
  const holdsOwn = ranges.some(([first, last]) => first <= localAs && localAs <= last);
  if (holdsOwn && (ranges.length > 1 || ranges[0]![0] !== ranges[0]![1])) {
    const message = `AS ${localAs}, the own one, is among others: internal neighbors need a range of theirs`;
    yaml.add(yaml.valueAt(range, "as-numbers"), message);
  }
  return ranges;
}

function asTerm(text: string, at: number, lists: Lists, { yaml, names }: Checker): AsRange[] {
  if (isListName.as(text)) {
    const { used, defined } = names["as-list"];
    used.add(text);
    if (defined.has(text)) return rangesIn(lists.asLists[text]!);
    yaml.add(at, `as-list "${text}" is not defined${didYouMean(text, defined)}`);
    return [];
  }
  const found = parseAsRange(text);
  if (typeof found !== "string") return [found];
  yaml.add(at, found);
  return [];
}

function rangesIn(entries: Lists["asLists"][string]): AsRange[] {
  const packed =
    entries instanceof Uint32Array
      ? entries
      : packedRanges(entries.flatMap((entry) => parseAsRange(entry) as AsRange));
  return Array.from({ length: packed.length / 2 }, (_, k) => [packed[2 * k]!, packed[2 * k + 1]!]);
}

/** The kernel asks whoever connects from a prefix with a key for a signature. */
function checkKeys(
  { neighbors = [] }: FileShape,
  listed: readonly NeighborConfig[],
  ranges: readonly DynamicNeighbors[],
  { yaml }: Checker,
): void {
  const keyed = ranges.filter(({ options }) => options.password !== null);
  const places = new Map(
    neighbors.map((neighbor) => {
      const address = parseHostAddress(neighbor.address);
      return [typeof address === "string" ? "" : address.text, yaml.at(neighbor)];
    }),
  );
  for (const { address, password } of keyed.length === 0 ? [] : listed) {
    const range = password === null ? dynamicRangeOf(keyed, address) : null;
    if (range === null) continue;
    const message = `neighbor ${address} needs a password: ${range.prefix}, where it is, has one`;
    yaml.add(places.get(address) ?? 0, message);
  }
}
