/** The thread of the feeds: BMP stations and MRT files. See `feeds.ts`. */

import { isDeepStrictEqual } from "node:util";
import { parentPort } from "node:worker_threads";
import type { Observed } from "@ts-bgp/router";
import { Dump } from "./dump.ts";
import { giveWay } from "./give-way.ts";
import { MrtFiles, type MrtHooks } from "./mrt-files.ts";
import type { DumpRequest, FeedOrder, FeedReport, Told, Writes } from "./orders.ts";
import { Peers } from "./peers.ts";
import type { Station } from "./station.ts";
import { Stations } from "./stations.ts";

const TICK_MS = 200;
/** When there is not enough processor for all, routing goes first. */
const NICE = 5;

type Begin = Extract<FeedOrder, { readonly order: "begin" }>;

const MRT_HOOKS: MrtHooks = {
  now: nowMs,
  dump: (request) => report({ report: "dump-due", request }),
  dumpAdvertised: (request) => report({ report: "dumps-due", request }),
  say: (level, message) => report({ report: "say", level, message: `mrt: ${message}`, fields: {} }),
};

/** What is told of one speaker that acts. */
class Telling {
  private readonly peers: Peers = new Peers();
  readonly stations: Stations;
  private walks = 0;
  private readonly statisticsDueMs: Map<Station, number> = new Map();

  private mrt: MrtFiles | null = null;

  constructor({ identity, text, told, sessions }: Begin) {
    for (const session of sessions) this.peers.goesUp(session);
    this.stations = new Stations({
      peers: this.peers,
      identity,
      text,
      now: nowMs,
      newWalk: () => ++this.walks,
      walk: (walk, tables, peers) => report({ report: "walk", walk, tables, peers }),
      endWalk: (walk) => report({ report: "walk-over", walk }),
      say: (level, station, message) =>
        report({ report: "say", level, message: `${station}: ${message}`, fields: { station } }),
    });
    this.use(told);
    for (const session of sessions) this.mrt?.state(session, session.sinceMs, true);
  }

  /** Who is told. */
  use({ bmp, mrt }: Told): void {
    this.stations.use(bmp);
    if (isDeepStrictEqual(mrt, this.mrt?.config ?? null)) return;
    this.mrt?.close();
    this.mrt = mrt === null ? null : new MrtFiles(mrt, MRT_HOOKS);
  }

  close(): void {
    this.stations.close();
    this.mrt?.close();
  }

  dumped(file: string, problem: string | null): void {
    this.mrt?.dumped(file, problem);
  }

  /** More happened than could be told; these sessions are up now. */
  missed(sessions: Begin["sessions"]): void {
    this.peers.up.clear();
    for (const session of sessions) this.peers.goesUp(session);
    this.stations.tellAnew("more happened than could be told");
    this.mrt?.miss();
  }

  tick(): void {
    this.stations.tick();
    this.mrt?.tick();
    const now = performance.now();
    for (const station of this.stations.all) {
      const { statisticsSeconds, name } = station.config;
      const due = this.statisticsDueMs.get(station) ?? 0;
      if (statisticsSeconds === 0 || !station.isUp || now < due) continue;
      this.statisticsDueMs.set(station, now + 1000 * statisticsSeconds);
      report({ report: "numbers", station: name });
    }
    const shown = this.stations.all.map((station) => station.show());
    report({ report: "shown", stations: shown, mrt: this.mrt?.show() ?? null });
  }

  event(event: Observed): void {
    const { peers, stations } = this;
    switch (event.kind) {
      case "up":
        if (!peers.goesUp(event)) return;
        for (const station of stations.all) station.up(event);
        this.mrt?.state(event, event.sinceMs, true);
        return;
      case "down": {
        const session = peers.goesDown(event);
        if (session === null) return;
        for (const station of stations.all) station.down(session, event);
        this.mrt?.state(session, event.atMs, false);
        return;
      }
      case "routes":
        for (const station of stations.all) station.routes(event.octets, event.atMs);
        return;
      case "update": {
        const session = peers.up.get(event.peer);
        if (session === undefined) return;
        this.mrt?.update(session, event);
        if (!event.isMalformed) return;
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
/** Dumps that are being written, by number. */
const dumps: Map<number, { readonly dump: Dump; readonly request: DumpRequest }> = new Map();

async function endDump(number: number): Promise<void> {
  const { dump, request } = dumps.get(number)!;
  dumps.delete(number);
  const result = await dump.end();
  // Whoever has ordered one is told by an answer.
  if (request.isTimed) telling?.dumped(request.file, typeof result === "string" ? result : null);
  report({ report: "dumped", dump: number, result });
}

/** That is no fault of the disk. */
async function giveUpDump(number: number, problem: string): Promise<void> {
  const found = dumps.get(number);
  if (found === undefined) return;
  dumps.delete(number);
  found.dump.giveUp(problem);
  report({ report: "dumped", dump: number, result: await found.dump.end() });
}

/** Nobody is there any more whose tables they are of. */
async function giveUpDumps(): Promise<void> {
  await Promise.all([...dumps.keys()].map((number) => giveUpDump(number, "the speaker stops")));
}

function obey(order: FeedOrder): void {
  switch (order.order) {
    case "begin":
      telling?.close();
      telling = new Telling(order);
      telling.tick();
      return;
    case "configure":
      telling?.use(order.told);
      telling?.tick();
      return;
    case "end":
      telling?.close();
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
    case "dump": {
      const { dump: number, request, identifier, peers } = order;
      const ask = () => report({ report: "dump-on", dump: number });
      const dump = new Dump(request, identifier, peers, ask);
      dumps.set(number, { dump, request });
      return;
    }
    case "dump-piece": {
      const found = dumps.get(order.dump);
      if (found === undefined) return;
      if (order.octets === null || found.dump.fault !== null) void endDump(order.dump);
      else found.dump.piece(order.octets);
      return;
    }
    case "dump-off":
      void giveUpDump(order.dump, order.problem);
      return;
    case "stop":
      telling?.close();
      telling = null;
      clearInterval(timer);
      void giveUpDumps().finally(() => parentPort!.close());
  }
}

function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function report(what: FeedReport): void {
  parentPort!.postMessage(what);
}

giveWay(NICE);
parentPort!.on("message", obey);
const timer = setInterval(() => telling?.tick(), TICK_MS);
