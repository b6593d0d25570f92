/**
 * What a member of a cluster tells the others of its neighbors: what its router says of them as it happens, and for
 * one that has just come all that there is.
 */

import { TableWalk } from "@ts-bgp/feeds/table-walk";
import { runsOf, TABLE } from "@ts-bgp/feeds-codec";
import { isElsewhere, type MemberNews, type Observed, type Router } from "@ts-bgp/router";

/** See `Router.member`. */
export interface Told {
  readonly news: MemberNews;
  readonly octets: Uint8Array;
}

export const NO_OCTETS = new Uint8Array(0);

/** @returns what others are told of an event, null for nothing */
export function toldOf(event: Observed): Told | null {
  if (event.kind === "up") {
    const { peer, neighbor: address, identifier } = event;
    return { news: { what: "peer", peer, address, identifier }, octets: NO_OCTETS };
  }
  if (event.kind !== "routes") return null;
  const octets = acceptedIn(event.octets);
  return octets.length === 0 ? null : { news: { what: "routes" }, octets };
}

/** @returns the runs of accepted routes among others, which BMP stations or followers want */
function acceptedIn(octets: Uint8Array): Uint8Array {
  const found: Uint8Array[] = [];
  let start = 0;
  for (const { table, routes } of runsOf(octets)) {
    if (table === TABLE.ADJ_IN_POST) found.push(octets.subarray(start, routes.end));
    start = routes.end;
  }
  const length = found.reduce((sum, each) => sum + each.length, 0);
  if (length === octets.length) return octets;
  const all = new Uint8Array(length);
  let at = 0;
  for (const each of found) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}

/** All that there is, in pieces between slices: neighbors first. What changes meanwhile is told beside it. */
export class Copy {
  private readonly peers: readonly MemberNews[];
  private readonly walk: TableWalk;

  constructor(router: Router) {
    const own = [...router.neighbors.values()].filter(({ config }) => !isElsewhere(config));
    const { identifier } = router.tables.peers;
    this.peers = own.map(({ row, config: { address } }) => {
      return { what: "peer", peer: row, address, identifier: identifier[row]! };
    });
    const rows = own.map(({ row }) => row);
    this.walk = new TableWalk(router, [TABLE.ADJ_IN_POST], rows);
  }

  /** To be told before the first piece. */
  get head(): Told[] {
    return this.peers.map((news) => ({ news, octets: NO_OCTETS }));
  }

  /** @returns the next piece, which may be empty; null at the end, when `complete` is to be told */
  next(mayGoOn: () => boolean): Told | null {
    const octets = this.walk.next(mayGoOn);
    return octets === null ? null : { news: { what: "routes" }, octets };
  }
}
