/**
 * What the scripted peers announce: recorded tables and update streams where they are there, else
 * synthetic ones of @ts-bgp/inject.
 *
 * Routes that not every daemon takes, or shows, in the same way are left out: sets in paths,
 * AS numbers that are reserved, prefixes that are no global unicast. So the expectation is simply
 * what was announced.
 */
import { Prng } from "@ts-bgp/inject";
import type { Family } from "../test/lab/daemon.ts";
import {
  DATA_MISSING,
  madeTable,
  messagesOf,
  readData,
  readStream,
} from "../test/real-tables/data.ts";
import {
  ATTRIBUTE,
  type Attribute,
  HEADER_OCTETS,
  parseUpdate,
  segmentsOf,
  TYPE,
  type Update,
} from "./updates.ts";

/** An announcement of some prefixes with equal attributes, or their withdrawal. */
export interface Change {
  readonly family: Family;
  readonly prefixes: readonly string[];
  /** The prefixes, packed as on the wire. */
  readonly nlri: Uint8Array;
  /** Without next hop; null withdraws. */
  readonly attributes: readonly Attribute[] | null;
}

/** What one session announces. */
export interface Feed {
  readonly family: Family;
  /** First AS of every path. */
  readonly as: number;
  readonly table: readonly Change[];
  /** Changes to be played one after the other, and from the start again at the end. */
  readonly churn: readonly Change[];
}

const TABLES = {
  "ipv4-unicast": { file: "real-ipv4-577706.as3856.ebgp-derived.updates.zst", as: 3856 },
  "ipv6-unicast": { file: "real-ipv6-24857.as51861.originals.updates.zst", as: 51861 },
} as const;
const STREAM = "stream-139228.as4";
const CHURN_MAX = 20_000;
const SYNTHETIC_AS = { "ipv4-unicast": 64_901, "ipv6-unicast": 64_902 } as const;
const SYNTHETIC_STREAM_AS = 64_903;
/** Prefixes that are made for each that is to be announced: some are left out. */
const SPARE = 1.5;
/** Of a table: a few messages of hundreds would be all of a small one. */
const PREFIXES_PER_CHANGE_MAX = 40;
const WITHDRAWN_SHARE = 0.25;
/** Of the changes that churn: single routes, mostly. */
const CHURN_NLRI_OCTETS_MAX = 40;
const USED = new Set<number>([
  ATTRIBUTE.ORIGIN,
  ATTRIBUTE.AS_PATH,
  ATTRIBUTE.MED,
  ATTRIBUTE.ATOMIC_AGGREGATE,
  ATTRIBUTE.AGGREGATOR,
  ATTRIBUTE.COMMUNITIES,
  ATTRIBUTE.LARGE_COMMUNITIES,
]);
/** BIRD leaves out the end of a longer list when it shows a route. */
const COMMUNITIES_OCTETS_MAX = 80;
const RESERVED_AS = new Set([0, 23_456, 65_535, 4_294_967_295]);
const AS_SEQUENCE = 2;

/** IPv6 prefixes for each of IPv4. */
const IPV6_SHARE = 0.25;

/** Whether recorded data is used. */
export const IS_RECORDED: boolean = DATA_MISSING === null;

/** An IPv4 table of `prefixes` routes, an IPv6 table, and a stream. */
export function makeFeeds(prefixes: number, seed: number): Feed[] {
  const ipv4 = tableFeed("ipv4-unicast", prefixes, seed);
  const ipv6 = tableFeed("ipv6-unicast", Math.ceil(prefixes * IPV6_SHARE), seed);
  const taken = new Set(ipv4.table.flatMap((change) => change.prefixes));
  return [ipv4, ipv6, streamFeed(taken, seed)];
}

/**
 * A table of `prefixes` routes, about, and churn of the same routes: each change has the attributes
 * of another route of the table, or withdraws.
 *
 * @param isRecorded - of what was recorded; synthetic otherwise
 */
export function tableFeed(
  family: Family,
  prefixes: number,
  seed: number,
  isRecorded: boolean = IS_RECORDED,
): Feed {
  const source = isRecorded
    ? readData(TABLES[family].file)
    : syntheticOctets(family, Math.ceil(SPARE * prefixes));
  const as = isRecorded ? TABLES[family].as : SYNTHETIC_AS[family];
  const table: Change[] = [];
  const taken = new Set<string>();
  for (const message of messagesOf(source)) {
    if (taken.size >= prefixes) break;
    const change = cleanChange(message, family, as);
    if (change === null || change.attributes === null) continue;
    if (change.prefixes.length > PREFIXES_PER_CHANGE_MAX) continue;
    if (change.prefixes.some((prefix) => taken.has(prefix))) continue;
    for (const prefix of change.prefixes) taken.add(prefix);
    table.push(change);
  }
  return { family, as, table, churn: mixed(table, new Prng(seed, 11)) };
}

/**
 * Recorded updates of one peer, none of the prefixes in `taken`; without recordings a small table of
 * its own and churn of it.
 */
export function streamFeed(taken: ReadonlySet<string>, seed: number): Feed {
  const family = "ipv4-unicast";
  if (!IS_RECORDED) {
    const octets = syntheticOctets(family, 1000, seed + 1, SYNTHETIC_STREAM_AS);
    const table = [...messagesOf(octets)].flatMap((message) => {
      const change = cleanChange(message, family, SYNTHETIC_STREAM_AS);
      return change?.prefixes.some((prefix) => taken.has(prefix)) === false ? [change] : [];
    });
    return { family, as: SYNTHETIC_STREAM_AS, table, churn: mixed(table, new Prng(seed, 12)) };
  }
  let best: { as: number; changes: Change[] } = { as: 0, changes: [] };
  for (const [key, { as, messages }] of readStream(STREAM)) {
    if (key.includes(":") || messages.length < best.changes.length) continue;
    const changes = messages
      .flatMap((message) => cleanChange(message, family, as) ?? [])
      .filter(({ prefixes }) => !prefixes.some((prefix) => taken.has(prefix)));
    if (changes.length > best.changes.length) best = { as, changes };
  }
  return { family, as: best.as, table: [], churn: best.changes.slice(0, CHURN_MAX) };
}

/** The whole table again, in another order, each change with the attributes of another one. */
export function bulkOf(table: readonly Change[], prng: Prng): Change[] {
  const shift = 1 + prng.below(table.length - 1);
  return table.map((change, i) => {
    const attributes = table[(i + shift) % table.length]!.attributes;
    return fits(change.nlri, attributes) ? { ...change, attributes } : change;
  });
}

/** Changes of single routes, mostly, each of which does change something. */
function mixed(table: readonly Change[], prng: Prng): Change[] {
  const small = table.filter(({ nlri }) => nlri.length <= CHURN_NLRI_OCTETS_MAX);
  const withdrawn = new Set<Change>();
  return Array.from({ length: Math.min(CHURN_MAX, 4 * small.length) }, () => {
    const change = small[prng.below(small.length)]!;
    if (!withdrawn.has(change) && prng.chance(WITHDRAWN_SHARE)) {
      withdrawn.add(change);
      return { ...change, attributes: null };
    }
    withdrawn.delete(change);
    return { ...change, attributes: small[prng.below(small.length)]!.attributes };
  });
}

function fits(nlri: Uint8Array, attributes: readonly Attribute[] | null): boolean {
  const octets = (attributes ?? []).reduce((sum, one) => sum + one.octets.length + 4, 0);
  return nlri.length + octets < 3900;
}

function syntheticOctets(
  family: Family,
  prefixes: number,
  seed = 1,
  as: number = SYNTHETIC_AS[family],
): Buffer {
  const short = family === "ipv4-unicast" ? "ipv4" : "ipv6";
  return madeTable({ family: short, as, prefixes, seed });
}

/** @returns null for what is left out */
function cleanChange(message: Buffer, family: Family, as: number): Change | null {
  if (message[18] !== TYPE.UPDATE) return null;
  // The octets outlive the file they stand in.
  const update = parseUpdate(Buffer.from(message.subarray(HEADER_OCTETS)));
  if (typeof update === "string" || update.family !== family) return null;
  if (update.announced.length === 0) return withdrawal(update);
  if (update.withdrawn.length > 0) return null;
  if (!update.announced.every(isGlobal)) return null;
  const attributes = update.attributes.filter(({ type }) => USED.has(type));
  if (attributes.length < update.attributes.length || !hasPlainPath(attributes, as)) return null;
  if (attributes.some(isLongList)) return null;
  return { family, prefixes: update.announced, nlri: update.nlri, attributes };
}

function withdrawal({ family, withdrawn }: Update): Change | null {
  if (family !== "ipv4-unicast" || withdrawn.length === 0 || !withdrawn.every(isGlobal)) {
    return null;
  }
  const octets = withdrawn.flatMap((prefix) => {
    const [address = "", bits = ""] = prefix.split("/");
    return [
      Number(bits),
      ...address
        .split(".")
        .map(Number)
        .slice(0, (Number(bits) + 7) >> 3),
    ];
  });
  return { family, prefixes: withdrawn, nlri: Uint8Array.from(octets), attributes: null };
}

function isLongList({ type, octets }: Attribute): boolean {
  const isList = type === ATTRIBUTE.COMMUNITIES || type === ATTRIBUTE.LARGE_COMMUNITIES;
  return isList && octets.length > COMMUNITIES_OCTETS_MAX;
}

function hasPlainPath(attributes: readonly Attribute[], as: number): boolean {
  const path = attributes.find(({ type }) => type === ATTRIBUTE.AS_PATH);
  if (path === undefined) return false;
  const segments = segmentsOf(path.octets);
  const aggregator = attributes.find(({ type }) => type === ATTRIBUTE.AGGREGATOR)?.octets;
  const last = aggregator === undefined ? 1 : Buffer.from(aggregator).readUInt32BE(0);
  return (
    segments[0]?.numbers[0] === as &&
    segments.every(({ type }) => type === AS_SEQUENCE) &&
    !segments.some(({ numbers }) => numbers.some((one) => RESERVED_AS.has(one))) &&
    last !== 0
  );
}

/** Neither special nor that of the lab, and of a length that is usual. */
function isGlobal(prefix: string): boolean {
  const [address = "", bits = ""] = prefix.split("/");
  if (address.includes(":"))
    return /^[23]/.test(address) && Number(bits) >= 16 && Number(bits) <= 64;
  const first = Number(address.slice(0, address.indexOf(".")));
  return first > 0 && first < 224 && first !== 10 && first !== 127 && Number(bits) >= 8;
}
