/**
 * The UPDATE streams of the scenarios: files that are made once and kept between runs.
 *
 * A stream is messages back to back, with 4-octet AS numbers and without path identifiers. Its next
 * hops are placeholders: the load generator writes the address of the session into them.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterSize, Prng, SyntheticAttributes, SyntheticPrefixes } from "@ts-bgp/inject";
import { FAMILY, UpdateWriter, type WireForm } from "@ts-bgp/wire-codec";

/** Origin AS of the i-th message of a stream whose messages are timed; see bgpload.c. */
const MARK0 = 0x40000000;
/** Origin AS of the best path, and of the others, where receivers tell by it. */
export const WINNING_AS = 64496;
const LOSING_AS = 64497;
export const FIRST_AS = 65001;

/** Messages of the stream `probes`, all for 203.0.113.0/24. */
const PROBES = 100;
const PROBE_PREFIX = 0xcb007100;
const IPV4 = FAMILY.IPV4_UNICAST;
const FORM: WireForm = {
  family: IPV4,
  fourOctetAs: true,
  addPath: false,
  octetsMax: 4096,
  prependAs: 0,
  nextHop: null,
  internal: false,
  med: true,
  otcAs: 0,
  rpkiState: false,
};

/** How many of each; a fraction of them names the directory of the files. */
export interface Scale {
  readonly table: number;
  readonly churn: number;
  readonly pacedChurn: number;
  readonly same: number;
  readonly clients: number;
  readonly clientPrefixes: number;
  readonly members: number;
  readonly memberPrefixes: number;
}

export const SCALE: Scale = {
  table: 1_000_000,
  churn: 200_000,
  pacedChurn: 50_000,
  same: 100_000,
  clients: 50,
  clientPrefixes: 4000,
  members: 700,
  memberPrefixes: 572,
};
export const INJECTORS = 10;

const SMALL: Scale = {
  table: 1000,
  churn: 100,
  pacedChurn: 100,
  same: 100,
  clients: 2,
  clientPrefixes: 50,
  members: 2,
  memberPrefixes: 50,
};

/** Streams that are made together, by the names of their files. */
type Made = Iterable<readonly [name: string, octets: Uint8Array]>;

/** Which streams a scenario needs: `table`, `churn`, `same`, `clients`, `members`. */
export type StreamSet = keyof typeof SETS;

const SETS = {
  table: tableStreams,
  churn: churnStreams,
  same: sameStreams,
  clients: ({ clients, clientPrefixes }: Scale) => clientStreams(4, clients, clientPrefixes),
  probes: probeStream,
  members: ({ members, memberPrefixes }: Scale) => memberStreams(members, memberPrefixes),
} as const satisfies Record<string, (scale: Scale) => Made>;

/**
 * Makes the streams that are not there yet.
 *
 * @returns the directory with them. It is named after what the generators make, so that other
 *   generators make other files.
 */
export function prepareStreams(
  sets: readonly StreamSet[],
  log: (text: string) => void,
  scale: Scale = SCALE,
): string {
  const directory = join(tmpdir(), `tsbgp-bench-streams-${fingerprint(scale)}`);
  mkdirSync(directory, { recursive: true });
  for (const set of new Set(sets)) {
    const done = join(directory, `${set}.done`);
    if (existsSync(done)) continue;
    log(`making the streams "${set}" in ${directory}`);
    for (const [name, octets] of SETS[set](scale)) {
      writeFileSync(join(directory, `${name}.part`), octets);
      renameSync(join(directory, `${name}.part`), join(directory, name));
    }
    writeFileSync(done, "");
  }
  return directory;
}

function fingerprint(scale: Scale): string {
  const hash = createHash("sha256").update(JSON.stringify(scale));
  for (const make of Object.values(SETS)) {
    for (const [name, octets] of make(SMALL)) hash.update(name).update(octets);
  }
  return hash.digest("hex").slice(0, 12);
}

/** A full table, and its announcement again with other attributes. */
function* tableStreams({ table }: Scale): Made {
  for (const [name, seed] of [
    ["table.updates", 1],
    ["table-changed.updates", 2],
  ] as const) {
    const prefixes = new SyntheticPrefixes(new Prng(1), IPV4, table);
    yield [name, clusteredTable(prefixes, new SyntheticAttributes(new Prng(seed, 1)), table)];
  }
}

/** Single prefixes of the table, each once, each message with a mark of its own. */
function* churnStreams({ table, churn, pacedChurn }: Scale): Made {
  const prefixes = flatPrefixes(new SyntheticPrefixes(new Prng(1), IPV4, table), table);
  for (const [name, count, seed] of [
    ["churn.updates", churn, 3],
    ["churn-paced.updates", pacedChurn, 4],
  ] as const) {
    const prng = new Prng(seed, 5);
    const attributes = new SyntheticAttributes(prng);
    const writer = new UpdateWriter(FORM);
    for (const [i, prefix] of sample(table, count, prng).entries()) {
      const path = attributes.makePath(FIRST_AS, attributes.pathLength());
      path.push(MARK0 + i);
      announce(writer, attributes, path);
      writer.prefix(prefixes.address[prefix]!, 0, 0, 0, prefixes.bits[prefix]!, 0);
    }
    yield [name, octetsOf(writer)];
  }
}

/**
 * Ten neighbours with the same prefixes, each in its own clusters: the one that owns a prefix has
 * the shortest path to it.
 */
function* sameStreams({ same }: Scale): Made {
  const prng = new Prng(3);
  const prefixes = flatPrefixes(new SyntheticPrefixes(prng, IPV4, same), same);
  const owners = Array.from({ length: same }, () => prng.below(INJECTORS));
  for (let injector = 0; injector < INJECTORS; injector++) {
    const own = (prefix: number) => owners[prefix] === injector;
    const all = owners.map((_, prefix) => prefix);
    // Clusters do not mix prefixes that are won with others.
    const halves = [all.filter((prefix) => !own(prefix)), all.filter(own)];
    const messages: Uint8Array[] = [];
    const attributes = new SyntheticAttributes(prng);
    for (const [won, half] of halves.entries()) {
      for (let at = 0; at < half.length; ) {
        const count = Math.min(clusterSize(prng), half.length - at);
        const writer = new UpdateWriter(FORM);
        announce(writer, attributes, competingPath(attributes, FIRST_AS + injector, won === 1));
        for (const prefix of half.slice(at, at + count)) {
          writer.prefix(prefixes.address[prefix]!, 0, 0, 0, prefixes.bits[prefix]!, 0);
        }
        messages.push(octetsOf(writer));
        at += count;
      }
    }
    yield [`same-${injector}.updates`, Buffer.concat(shuffled(messages, prng))];
  }
}

function competingPath(attributes: SyntheticAttributes, firstAs: number, wins: boolean): number[] {
  if (wins) return [...attributes.makePath(firstAs, 2).slice(0, 2), WINNING_AS];
  return [...attributes.makePath(firstAs, attributes.pathLength() + 5), LOSING_AS];
}

/** Clients of a route server, all of whose prefixes are different. */
function* clientStreams(seed: number, clients: number, each: number): Made {
  const prefixes = new SyntheticPrefixes(new Prng(seed), IPV4, clients * each);
  const attributes = new SyntheticAttributes(new Prng(seed, 1));
  for (let client = 0; client < clients; client++) {
    const octets = clusteredTable(prefixes, attributes, each, FIRST_AS + client);
    yield [`client-${client}.updates`, octets];
  }
}

/** One prefix again and again, each message with a mark of its own. */
function* probeStream(): Made {
  const attributes = new SyntheticAttributes(new Prng(7, 1));
  const writer = new UpdateWriter(FORM);
  for (let i = 0; i < PROBES; i++) {
    announce(writer, attributes, [FIRST_AS, MARK0 + i]);
    writer.prefix(PROBE_PREFIX, 0, 0, 0, 24, 0);
  }
  yield ["probes.updates", octetsOf(writer)];
}

function* memberStreams(members: number, each: number): Made {
  for (const [name, octets] of clientStreams(6, members, each)) {
    yield [name.replace("client", "member"), octets];
  }
}

function clusteredTable(
  prefixes: SyntheticPrefixes,
  attributes: SyntheticAttributes,
  count: number,
  firstAs: number = FIRST_AS,
): Uint8Array {
  const writer = new UpdateWriter(FORM);
  for (let made = 0; made < count; ) {
    const size = prefixes.cluster(count - made);
    announce(writer, attributes, attributes.makePath(firstAs, attributes.pathLength()));
    for (let i = 0; i < size; i++) {
      writer.prefix(prefixes.w0[i]!, 0, 0, 0, prefixes.bits[i]!, 0);
    }
    made += size;
  }
  return octetsOf(writer);
}

function announce(
  writer: UpdateWriter,
  attributes: SyntheticAttributes,
  path: readonly number[],
): void {
  attributes.make(path, IPV4);
  writer.announce(attributes.octets, 0, attributes.length);
}

function octetsOf(writer: UpdateWriter): Uint8Array {
  writer.finish();
  return writer.out.slice(0, writer.length);
}

interface Prefixes {
  readonly address: Uint32Array;
  readonly bits: Uint8Array;
}

function flatPrefixes(clusters: SyntheticPrefixes, count: number): Prefixes {
  const address = new Uint32Array(count);
  const bits = new Uint8Array(count);
  for (let made = 0; made < count; ) {
    const size = clusters.cluster(count - made);
    address.set(clusters.w0.subarray(0, size), made);
    bits.set(clusters.bits.subarray(0, size), made);
    made += size;
  }
  return { address, bits };
}

/** @returns `count` different numbers below `limit` */
function sample(limit: number, count: number, prng: Prng): Uint32Array {
  const all = Uint32Array.from({ length: limit }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const other = i + prng.below(limit - i);
    const kept = all[i]!;
    all[i] = all[other]!;
    all[other] = kept;
  }
  return all.subarray(0, count);
}

function shuffled<T>(list: readonly T[], prng: Prng): T[] {
  return Array.from(sample(list.length, list.length, prng), (i) => list[i]!);
}
