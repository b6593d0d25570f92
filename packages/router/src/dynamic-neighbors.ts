/**
 * Dynamic neighbors: made when somebody connects from a prefix of the configuration, forgotten some time
 * after they have gone.
 *
 * Until its OPEN has come, nobody knows the AS number of one: it is 0. There are no more of a prefix than
 * its limit; one that has never had a session gives its place to the next one who connects.
 */

import { type Config, dynamicNeighbor, dynamicRangeOf, type NeighborConfig } from "@ts-bgp/config";
import { CEASE } from "@ts-bgp/wire-codec";
import { removeNeighbor } from "./forget.ts";
import type { Neighbor } from "./neighbor.ts";
import type { Tables } from "./tables.ts";

/** One without a session keeps its place for so long, whoever wants it, and for so long if nobody does. */
const GREETING_MS = 5_000;
const WAITING_MS = 60_000;
/** So many peers the tables take, those among them whose routes are being removed. */
const PEERS_MAX = 60_000;

/** Whose neighbors they are. */
interface Host {
  readonly tables: Tables;
  readonly neighbors: Map<string, Neighbor>;
  addNeighbor(config: NeighborConfig): Neighbor;
}

/** Whether somebody who is no neighbor may become one: `unknown` to all prefixes, or as many as may be there. */
export function dynamicRefusal(
  { tables, neighbors }: Host,
  address: string,
): "unknown" | "dynamic" | null {
  const range = dynamicRangeOf(tables.config.dynamicNeighbors, address);
  if (range === null) return "unknown";
  const there = ofPrefix(neighbors, range.prefix);
  if (tables.peers.count >= PEERS_MAX) return "dynamic";
  return there.length < range.limit || oldestGuest(there, tables.nowMs) !== null ? null : "dynamic";
}

/**
 * Makes a neighbor of somebody who has connected.
 *
 * @param isTaken - another router has taken it, in the place of which this one may go on: those who are too
 *   many here were gone there
 * @returns null when nobody more may be one
 */
export function welcome(host: Host, address: string, isTaken = false): Neighbor | null {
  const { tables, neighbors } = host;
  const range = dynamicRangeOf(tables.config.dynamicNeighbors, address);
  if (range === null || (!isTaken && dynamicRefusal(host, address) !== null)) return null;
  const there = ofPrefix(neighbors, range.prefix);
  const oldest = there.length < range.limit ? null : oldestGuest(there, tables.nowMs);
  if (oldest !== null) removeNeighbor(host, oldest.config.address, CEASE.CONNECTION_REJECTED);
  const neighbor = host.addNeighbor(dynamicNeighbor(range, address, 0)!);
  neighbor.madeMs = tables.nowMs;
  neighbor.start();
  return neighbor;
}

/** Forgets those that have gone, and those that never came to a session. */
export function forgetGone(host: Host): void {
  for (const neighbor of host.neighbors.values()) {
    const { dynamic, address } = neighbor.config;
    if (dynamic === null || isKept(neighbor)) continue;
    const { nowMs, config } = neighbor.tables;
    const range = config.dynamicNeighbors.find(({ prefix }) => prefix === dynamic.prefix);
    const isGuest = neighbor.establishedCount === 0;
    const keepsMs = isGuest ? WAITING_MS : 1000 * (range?.forgetAfterSeconds ?? 0);
    const goneMs = isGuest ? neighbor.madeMs : (neighbor.lastDown?.atMs ?? 0);
    if (nowMs < goneMs + keepsMs) continue;
    removeNeighbor(host, address);
    neighbor.log.add("dynamic-neighbor", isGuest ? "debug" : "info", nowMs, "forgotten", {
      prefix: dynamic.prefix,
    });
  }
}

/**
 * A configuration with the dynamic neighbors that there are among those of the file.
 *
 * @param asItSays - with the options that it has for them, and without those that it would not take; else
 *   as they are
 */
export function withDynamic(
  config: Config,
  neighbors: ReadonlyMap<string, Neighbor>,
  asItSays: boolean,
): Config {
  const listed = new Set(config.neighbors.map(({ address }) => address));
  const dynamic = [...neighbors.values()].flatMap(({ config: own }) => {
    if (own.dynamic === null) return [];
    if (!asItSays) return [own];
    const { address, as } = own;
    const range = listed.has(address) ? null : dynamicRangeOf(config.dynamicNeighbors, address);
    const next = range === null ? null : dynamicNeighbor(range, address, as);
    return next === null ? [] : [next];
  });
  return dynamic.length === 0
    ? config
    : { ...config, neighbors: [...config.neighbors, ...dynamic] };
}

function ofPrefix(neighbors: ReadonlyMap<string, Neighbor>, prefix: string): Neighbor[] {
  return [...neighbors.values()].filter(({ config }) => config.dynamic?.prefix === prefix);
}

/** It has a session, or routes of one, or somebody has decided something about it. */
function isKept({ session, stale, disabled, quarantine, tables }: Neighbor): boolean {
  const isHeld = quarantine !== null && quarantine.untilMs > tables.nowMs;
  return session !== null || stale.isAny || disabled || isHeld;
}

/** @returns the one that has waited longest for a session, long enough to give up its place; null for none */
function oldestGuest(neighbors: readonly Neighbor[], nowMs: number): Neighbor | null {
  const guests = neighbors.filter(
    (one) => one.establishedCount === 0 && nowMs >= one.madeMs + GREETING_MS && !isKept(one),
  );
  return guests.reduce<Neighbor | null>(
    (oldest, one) => (oldest === null || one.madeMs < oldest.madeMs ? one : oldest),
    null,
  );
}
