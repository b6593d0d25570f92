/** The thread of the followers: the table of what is used, and who is told of it. See `followers.ts`. */

import { parentPort } from "node:worker_threads";
import type { FollowersConfig } from "@ts-bgp/config";
import { giveWay } from "@ts-bgp/feeds/give-way";
import { type RouteRun, runsOf, TABLE, type Table } from "@ts-bgp/feeds-codec";
import { FollowedTable, type HopId } from "@ts-bgp/follow";
import { listenForLinks } from "@ts-bgp/nsr/links";
import { Refusals } from "@ts-bgp/nsr/refusals";
import {
  ATTR,
  attributeValueAt,
  FAMILY,
  type Family,
  findAttribute,
  nextAttribute,
} from "@ts-bgp/wire-codec";
import { Follower, type FollowerHooks } from "./follower.ts";
import type { FollowersOrder, FollowersReport } from "./follower-orders.ts";

const TICK_MS = 1000;
/** When there is not enough processor for all, routing goes first. */
const NICE = 5;
const FAMILIES: readonly Family[] = [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST];

let config: FollowersConfig | null = null;
let software = "";
let stopListening: () => void = () => {};
/** One after the other. */
let configured: Promise<void> = Promise.resolve();
let tables: readonly FollowedTable[] | null = null;
/** What they are filled from. */
let followed: Table = TABLE.LOC_RIB;
let epoch = 0;
let isComplete = false;
let walking = false;
const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
const followers = new Set<Follower>();
const refusals = new Refusals((message) => say("warn", message));
const words = new Uint32Array(4);

const HOOKS: FollowerHooks = {
  source: () => ({ name: config?.name ?? "", software, tables, isComplete, epoch }),
  fullness: () => {
    const max = config?.max ?? 0;
    return followers.size < max ? null : `there are ${max} followers, and no more are let in`;
  },
  joined: (follower) => {
    followers.add(follower);
    say("info", `${follower.name} follows`);
  },
  left: (follower, reason) => {
    if (followers.delete(follower)) say("info", `${follower.name} follows no more: ${reason}`);
  },
};

function obey(order: FollowersOrder): void {
  switch (order.order) {
    case "configure":
      ({ software } = order);
      configured = configured.then(() => configure(order.config));
      return;
    case "begin":
      tables = FAMILIES.map((family) => new FollowedTable(family, seed));
      ({ epoch } = order);
      followed = order.table;
      for (const follower of followers) follower.roleChanged();
      beginWalk();
      return;
    case "end":
      tables = null;
      isComplete = false;
      walking = false;
      for (const follower of followers) follower.roleChanged();
      return;
    case "routes":
      for (const runs of order.runs) take(runs);
      report({ report: "taken", octets: order.octets });
      tell();
      return;
    case "missed":
      beginWalk();
      return;
    case "walked":
      walked(order.octets);
      return;
    case "stop":
      for (const follower of followers) follower.end("the speaker ends");
      stopListening();
      clearInterval(timer);
      parentPort!.close();
  }
}

async function configure(next: FollowersConfig | null): Promise<void> {
  const before = config;
  const stopBefore = stopListening;
  // The address may be the same one.
  stopBefore();
  stopListening = () => {};
  try {
    config = next;
    if (next !== null) stopListening = await listen(next);
    for (const follower of followers) follower.end("followers are configured anew");
    report({ report: "configured", problem: null });
  } catch (error) {
    config = before;
    if (before !== null) {
      stopListening = await listen(before).catch(() => () => {});
    }
    report({ report: "configured", problem: (error as Error).message });
  }
}

function listen({ name, listen: address, tls }: FollowersConfig): Promise<() => void> {
  return listenForLinks(
    address,
    { cluster: name, tls, whom: "followers" },
    (caller) => void new Follower(caller, HOOKS),
    (refusal) => refusals.note({ ...refusal, count: 1 }),
  );
}

function beginWalk(): void {
  isComplete = false;
  walking = true;
  for (const table of tables ?? []) table.beginCopy();
  report({ report: "walk", isFirst: true });
}

function walked(octets: Uint8Array | null): void {
  // Of a walk that was given up.
  if (!walking) return;
  if (octets !== null) {
    take(octets);
    report({ report: "walk", isFirst: false });
  } else {
    walking = false;
    isComplete = true;
    for (const table of tables ?? []) table.endCopy();
  }
  tell();
}

function take(octets: Uint8Array): void {
  for (const run of runsOf(octets)) {
    const table = run.table === followed ? tables?.[run.family - 1] : undefined;
    if (table !== undefined) takeRun(table, run);
  }
}

function takeRun(table: FollowedTable, { attributes, routes }: RouteRun): void {
  let hop: HopId = 0;
  if (attributes !== null) {
    const { buf, end } = attributes;
    const hops: Uint8Array[] = [];
    let at = findAttribute(buf, attributes.at, end, ATTR.NEXT_HOP);
    while (at >= 0) {
      const next = nextAttribute(buf, at);
      hops.push(buf.subarray(attributeValueAt(buf, at), next));
      at = findAttribute(buf, next, end, ATTR.NEXT_HOP);
    }
    hop = table.hops.intern(...hops);
  }
  const { buf, end } = routes;
  for (let at = routes.at; at < end; ) {
    const bits = buf[at++]!;
    const octets = (bits + 7) >> 3;
    words.fill(0);
    for (let i = 0; i < octets; i++) words[i >> 2]! |= buf[at + i]! << (24 - 8 * (i & 3));
    table.set(words[0]!, words[1]!, words[2]!, words[3]!, bits, hop);
    at += octets;
  }
}

function tell(): void {
  for (const follower of followers) follower.tell();
  for (const table of tables ?? []) table.trim();
}

function tick(): void {
  for (const follower of followers) follower.tick();
  const all = tables ?? [];
  report({
    report: "shown",
    shown: {
      routes: all.reduce((sum, { size }) => sum + size, 0),
      complete: isComplete,
      octets: all.reduce((sum, { octets }) => sum + octets, 0),
      followers: [...followers].map(({ shown }) => shown),
    },
  });
}

function say(level: "info" | "warn", message: string): void {
  report({ report: "say", level, message });
}

function report(what: FollowersReport): void {
  parentPort!.postMessage(what);
}

giveWay(NICE);
parentPort!.on("message", obey);
const timer = setInterval(tick, TICK_MS);
