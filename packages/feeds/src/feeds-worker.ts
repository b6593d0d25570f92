/** The thread of the feeds: BMP stations. See `feeds.ts`. */

import { getPriority, setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import type { Observed } from "@ts-bgp/router";
import type { FeedOrder, FeedReport, Writes } from "./orders.ts";
import { Peers } from "./peers.ts";
import type { Station } from "./station.ts";
import { Stations } from "./stations.ts";

const TICK_MS = 200;
/** When there is not enough processor for all, routing goes first. */
const NICE = 5;

type Begin = Extract<FeedOrder, { readonly order: "begin" }>;

/** What is told of one speaker that acts. */
class Telling {
  private readonly peers: Peers = new Peers();
  readonly stations: Stations;
  private walks = 0;
  private readonly statisticsDueMs: Map<Station, number> = new Map();

  constructor({ identity, text, bmp, sessions }: Begin) {
    for (const session of sessions) this.peers.goesUp(session);
    this.stations = new Stations({
      peers: this.peers,
      identity,
      text,
      now: () => performance.timeOrigin + performance.now(),
      newWalk: () => ++this.walks,
      walk: (walk, tables, peers) => report({ report: "walk", walk, tables, peers }),
      endWalk: (walk) => report({ report: "walk-over", walk }),
      say: (level, station, message) =>
        report({ report: "say", level, message: `${station}: ${message}`, fields: { station } }),
    });
    this.stations.use(bmp);
  }

  /** More happened than could be told; these sessions are up now. */
  missed(sessions: Begin["sessions"]): void {
    this.peers.up.clear();
    for (const session of sessions) this.peers.goesUp(session);
    this.stations.tellAnew("more happened than could be told");
  }

  tick(): void {
    this.stations.tick();
    const now = performance.now();
    for (const station of this.stations.all) {
      const { statisticsSeconds, name } = station.config;
      const due = this.statisticsDueMs.get(station) ?? 0;
      if (statisticsSeconds === 0 || !station.isUp || now < due) continue;
      this.statisticsDueMs.set(station, now + 1000 * statisticsSeconds);
      report({ report: "numbers", station: name });
    }
    report({ report: "shown", stations: this.stations.all.map((station) => station.show()) });
  }

  event(event: Observed): void {
    const { peers, stations } = this;
    switch (event.kind) {
      case "up":
        if (peers.goesUp(event)) for (const station of stations.all) station.up(event);
        return;
      case "down": {
        const session = peers.goesDown(event);
        if (session !== null) for (const station of stations.all) station.down(session, event);
        return;
      }
      case "routes":
        for (const station of stations.all) station.routes(event.octets, event.atMs);
        return;
      case "update": {
        const session = peers.up.get(event.peer);
        if (session === undefined || !event.isMalformed) return;
        for (const station of stations.all) {
          station.malformed(session, event.octets, event.atMs);
        }
      }
    }
  }

  writes({ buffers, parts, atMs }: Writes): void {
    for (let i = 0; i < parts.length; i += 4) {
      const session = this.peers.up.get(parts[i]!);
      if (session === undefined) continue;
      const at = parts[i + 2]!;
      const octets = buffers[parts[i + 1]!]!.subarray(at, at + parts[i + 3]!);
      for (const station of this.stations.all) station.sent(session, octets, atMs);
    }
  }
}

let telling: Telling | null = null;

function obey(order: FeedOrder): void {
  switch (order.order) {
    case "begin":
      telling?.stations.close();
      telling = new Telling(order);
      telling.tick();
      return;
    case "configure":
      telling?.stations.use(order.bmp);
      telling?.tick();
      return;
    case "end":
      telling?.stations.close();
      telling = null;
      return;
    case "events":
      for (const event of order.events) telling?.event(event);
      report({ report: "taken", octets: order.octets });
      return;
    case "writes":
      telling?.writes(order.writes);
      report({ report: "taken", octets: order.octets });
      return;
    case "missed":
      telling?.missed(order.sessions);
      return;
    case "walked":
      telling?.stations.all.find(({ walk }) => walk === order.walk)?.walked(order.octets);
      return;
    case "numbers":
      telling?.stations.all
        .find(({ config }) => config.name === order.station)
        ?.numbers(order.numbers);
      return;
    case "stop":
      telling?.stations.close();
      telling = null;
      clearInterval(timer);
      parentPort!.close();
  }
}

function report(what: FeedReport): void {
  parentPort!.postMessage(what);
}

try {
  // One that is nicer already cannot take that back without the right to, and need not.
  if (getPriority() < NICE) setPriority(NICE);
} catch {
  // Of use, and not needed.
}
const timer = setInterval(() => telling?.tick(), TICK_MS);
parentPort!.on("message", obey);
