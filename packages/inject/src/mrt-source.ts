/** MRT files as sources of routes: the table of one peer, or the updates of one or all. */

import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { Announcer } from "./announcer.ts";
import type { Batch, RouteSource, SessionForm, Warn } from "./batch.ts";
import { CanonicalRoutes, warnOfRejects } from "./canonical-routes.ts";
import type { Report } from "./events.ts";
import { type FilePass, goThrough } from "./file-fault.ts";
import { InputError } from "./input-error.ts";
import { type MrtPeer, MrtReader, type MrtRoute, type MrtUpdate, type PeerNumber } from "./mrt.ts";
import { MrtSplitter } from "./mrt-records.ts";
import { readChunks } from "./octet-file.ts";
import { RouteTable } from "./route-table.ts";

/** Which peer of a file: by its number there, its address or its AS; or all, of update files. */
export type PeerSelector =
  | { readonly by: "number"; readonly number: PeerNumber }
  | { readonly by: "address"; readonly address: string }
  | { readonly by: "as"; readonly as: number }
  | { readonly by: "all" };

export interface MrtOptions {
  readonly path: string;
  /** Null takes the peer with most routes. */
  readonly peer: PeerSelector | null;
  /** FAMILY bits of the routes that are wanted. */
  readonly families: number;
  /** Of a truncated or corrupt file, take what comes before the fault; else refuse the file. */
  readonly partial: boolean;
}

/**
 * Reads a file and chooses the peer.
 *
 * A table is held in memory afterwards, updates are read from the file each time. A file with a
 * table dump is taken for that alone. Takes two passes when the peer has to be found out.
 *
 * @throws InputError when the file has no such peer, no routes, or is faulty
 */
export async function openMrt(options: MrtOptions, report: Report): Promise<RouteSource> {
  const { path, peer: selector } = options;
  const survey = new Survey(options.families, (number, peer) => isSelected(selector, number, peer));
  await survey.read(options, report);
  warnOfUnknown(survey.reader.unknown, report);
  const chosen = choose(survey, options);
  const name = selector?.by === "all" ? "all peers" : describe(survey.reader.peers[chosen]!);
  if (!survey.isTable) {
    const all = selector?.by === "all";
    return updateSource(options, all ? null : chosen, survey, `updates of ${name} in ${path}`);
  }
  let { tables } = survey;
  let { rejects } = survey.canonical;
  if (selector === null) {
    const second = new Survey(options.families, (number) => number === chosen);
    await second.read(options, report);
    ({ tables } = second);
    ({ rejects } = second.canonical);
  }
  warnOfRejects(rejects, "routes", (text) => report({ kind: "warning", text }));
  const table = tables.get(chosen);
  if (table === undefined) throw new InputError(`${path}: no route of ${name} can be used`);
  return {
    title: `table of ${name} in ${path}`,
    routes: table.size,
    firstAs: survey.reader.peers[chosen]!.as,
    families: table.families,
    read: (form, warn) => table.read(form, warn),
  };
}

/** Counts what each peer has, and holds the tables of those that are wanted. */
class Survey {
  readonly reader: MrtReader = new MrtReader(this);
  readonly canonical: CanonicalRoutes = new CanonicalRoutes();
  readonly tables: Map<PeerNumber, RouteTable> = new Map();
  /** By peer. */
  readonly routes: number[] = [];
  readonly updates: number[] = [];
  isTable = false;

  private readonly families: number;
  private readonly wants: (number: PeerNumber, peer: MrtPeer) => boolean;
  /** By peer, null when it is not wanted. */
  private readonly wanted: (RouteTable | null)[] = [];

  constructor(families: number, wants: (number: PeerNumber, peer: MrtPeer) => boolean) {
    this.families = families;
    this.wants = wants;
  }

  async read({ path, partial }: MrtOptions, report: Report): Promise<void> {
    await goThrough(path, readRecords(path, this.reader), partial, report);
  }

  route(route: MrtRoute): void {
    const family: Family = route.afi === 1 ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
    if ((family & this.families) === 0) return;
    const { peer } = route;
    this.isTable = true;
    this.routes[peer] = (this.routes[peer] ?? 0) + 1;
    const table = this.wantedTable(peer);
    if (table === null) return;
    if (!this.canonical.readRoute(route, this.reader.peers[peer]!.address)) return;
    const { attrs, attrsAt, attrsEnd } = this.canonical;
    table.add(family, route.nlri, route.pathId, attrs, attrsAt, attrsEnd);
    this.tables.set(peer, table);
  }

  update({ peer }: MrtUpdate): void {
    this.updates[peer] = (this.updates[peer] ?? 0) + 1;
  }

  private wantedTable(number: PeerNumber): RouteTable | null {
    let table = this.wanted[number];
    if (table === undefined) {
      table = this.wants(number, this.reader.peers[number]!) ? new RouteTable() : null;
      this.wanted[number] = table;
    }
    return table;
  }
}

/** Reads a file to its end, or up to its fault; yields the share that has been read. */
async function* readRecords(path: string, reader: MrtReader): FilePass {
  const splitter = new MrtSplitter();
  const chunks = readChunks(path);
  try {
    for (;;) {
      const { done, value } = await chunks.next();
      if (done)
        return value === null ? splitter.end() : { offset: splitter.octets.offset, reason: value };
      splitter.octets.push(value.octets);
      for (let record = splitter.next(); record !== null; record = splitter.next()) {
        if ("reason" in record) return record;
        const fault = reader.read(record);
        if (fault !== null) return fault;
      }
      yield value.done;
    }
  } finally {
    await chunks.return(null);
  }
}

function updateSource(
  options: MrtOptions,
  wanted: PeerNumber | null,
  survey: Survey,
  title: string,
): RouteSource {
  const [first] = survey.reader.peers;
  return {
    title,
    routes: null,
    firstAs: (wanted === null ? first : survey.reader.peers[wanted])!.as,
    families: options.families,
    read: (form, warn) => replay(options.path, wanted, form, warn),
  };
}

async function* replay(
  path: string,
  wanted: PeerNumber | null,
  form: SessionForm,
  warn: Warn,
): AsyncGenerator<Batch> {
  const announcer = new Announcer(form);
  const canonical = new CanonicalRoutes();
  const reader = new MrtReader({
    route: () => {},
    update({ peer, buf, at, end, fourOctetAs, addPath }) {
      if (wanted !== null && peer !== wanted) return;
      canonical.copyUpdate(buf, at, end, fourOctetAs, addPath, announcer);
    },
  });
  for await (const done of readRecords(path, reader)) yield announcer.take(done);
  yield announcer.take(1);
  warnOfRejects(canonical.rejects, "updates", warn);
  announcer.warnOfUnsendable(warn);
}

function isSelected(selector: PeerSelector | null, number: PeerNumber, peer: MrtPeer): boolean {
  switch (selector?.by) {
    case "number":
      return number === selector.number;
    case "address":
      return peer.address === selector.address;
    case "as":
      return peer.as === selector.as;
    default:
      return false;
  }
}

/** @returns the peer with most routes, or messages, of those that may be meant */
function choose(survey: Survey, { path, peer: selector }: MrtOptions): PeerNumber {
  const { peers } = survey.reader;
  const counts = survey.isTable ? survey.routes : survey.updates;
  if (counts.length === 0) throw new InputError(`${path}: there are no routes in this file`);
  if (selector?.by === "all" && survey.isTable) {
    throw new InputError(`${path} is a table dump: one peer of it can be announced, not all`);
  }
  const anyPeer = selector === null || selector.by === "all";
  let best = -1;
  for (const [number, count = 0] of counts.entries()) {
    const eligible = anyPeer || isSelected(selector, number, peers[number]!);
    if (eligible && count > (counts[best] ?? 0)) best = number;
  }
  if (best >= 0) return best;
  throw new InputError(`${path}: no such peer with routes; there are\n${listPeers(survey)}`);
}

/** Kinds of records that are named in one line. */
const KINDS_NAMED_MAX = 5;

function warnOfUnknown(unknown: ReadonlyMap<string, number>, report: Report): void {
  if (unknown.size === 0) return;
  const kinds = [...unknown].map(([kind, count]) => `${count} of ${kind}`);
  const more = kinds.length - KINDS_NAMED_MAX;
  if (more > 0) kinds.splice(KINDS_NAMED_MAX, more, `and ${more} kinds more`);
  const count = [...unknown.values()].reduce((sum, one) => sum + one, 0);
  const text = `${count} MRT records of unknown kinds were skipped: ${kinds.join(", ")}`;
  report({ kind: "warning", text });
}

const PEERS_LISTED_MAX = 40;

function listPeers({ reader, isTable, routes, updates }: Survey): string {
  const lines = reader.peers.map((peer, number) => {
    const count = isTable ? `${routes[number] ?? 0} routes` : `${updates[number] ?? 0} updates`;
    return `  ${number}: ${describe(peer)}, ${count}`;
  });
  const more = lines.length - PEERS_LISTED_MAX;
  if (more > 0) lines.splice(PEERS_LISTED_MAX, more, `  and ${more} more`);
  return lines.join("\n");
}

function describe({ address, as }: MrtPeer): string {
  return `${address} (AS${as})`;
}
