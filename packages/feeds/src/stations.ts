/** All BMP stations: who is connected to, and who connects. */

import { connect, createServer, type Server, type Socket } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { BmpConfig, BmpStationConfig } from "@ts-bgp/config";
import { BMP_TERMINATION } from "@ts-bgp/feeds-codec";
import { formatAddress, parseAddress } from "@ts-bgp/wire-codec";
import { Station, type StationHooks } from "./station.ts";

/** Wait before the next attempt; twice as long after each further one. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 60_000;
const CONNECT_MS = 10_000;
const KEEPALIVE_MS = 30_000;

/** How a station is reached. */
interface Way {
  readonly station: Station;
  server: Server | null;
  retryMs: number;
  /** When the next attempt is due. */
  dueMs: number;
  attempt: Socket | null;
}

export class Stations {
  private readonly hooks: StationHooks;
  private ways: Way[] = [];
  private isOver = false;

  constructor(hooks: StationHooks) {
    this.hooks = hooks;
  }

  /** Begins with stations that are new, and ends with those that are gone; others notice nothing. */
  use(config: BmpConfig | null): void {
    const before = this.ways;
    this.ways = (config?.stations ?? []).map((each) => {
      const known = before.find(({ station }) => isDeepStrictEqual(station.config, each));
      const station = known?.station ?? new Station(each, this.hooks);
      return known ?? { station, server: null, retryMs: RETRY_MS, dueMs: 0, attempt: null };
    });
    for (const way of before) if (!this.ways.includes(way)) end(way);
  }

  get all(): readonly Station[] {
    return this.ways.map(({ station }) => station);
  }

  /** To be called several times a second: sees to connections that are not there. */
  tick(): void {
    const now = performance.now();
    for (const way of this.ways) {
      way.station.walkOn();
      if (this.isOver || way.station.isUp || way.attempt !== null || now < way.dueMs) continue;
      if (way.station.config.listen === null) this.connect(way);
      else if (way.server === null) this.listen(way);
    }
  }

  /** Tells stations that this side does no more, and closes all. */
  close(): void {
    this.isOver = true;
    this.use(null);
  }

  /** What was told is not all: each station is told everything anew. */
  tellAnew(text: string): void {
    for (const { station } of this.ways) station.miss(text);
  }

  private connect(way: Way): void {
    const { station } = way;
    const { address, port } = station.config.connect!;
    const socket = connect({ host: address, port, keepAlive: true, timeout: CONNECT_MS });
    way.attempt = socket;
    station.isConnecting = true;
    const failed = (problem: string) => {
      if (way.attempt !== socket) return;
      way.attempt = null;
      station.isConnecting = false;
      this.failed(way, problem);
      socket.destroy();
    };
    socket.on("timeout", () => failed("no answer"));
    socket.on("error", ({ message }) => failed(message));
    socket.on("connect", () => {
      if (way.attempt !== socket) return;
      way.attempt = null;
      station.isConnecting = false;
      this.begin(way, socket);
    });
  }

  private listen(way: Way): void {
    const { station } = way;
    const { address, port } = station.config.listen!;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      if (this.isOver || station.isUp || !mayConnect(station.config, socket)) socket.destroy();
      else this.begin(way, socket);
    });
    way.server = server;
    server.on("error", ({ message }) => {
      way.server = null;
      this.failed(way, message);
    });
    server.listen(port, address);
  }

  private begin(way: Way, socket: Socket): void {
    way.retryMs = RETRY_MS;
    socket.setTimeout(0);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.setNoDelay(true);
    // A station says nothing (RFC 7854 section 3.2).
    socket.resume();
    socket.on("close", () => {
      way.dueMs = performance.now() + way.retryMs;
      way.retryMs = Math.min(2 * way.retryMs, RETRY_MAX_MS);
    });
    way.station.begin(socket);
  }

  private failed(way: Way, problem: string): void {
    const { station } = way;
    if (problem !== station.problem) this.hooks.say("warn", station.config.name, problem);
    station.problem = problem;
    way.dueMs = performance.now() + way.retryMs;
    way.retryMs = Math.min(2 * way.retryMs, RETRY_MAX_MS);
  }
}

function end({ station, server, attempt }: Way): void {
  server?.close();
  attempt?.destroy();
  station.end(BMP_TERMINATION.ADMIN_CLOSE, null);
}

function mayConnect({ from }: BmpStationConfig, { remoteAddress = "" }: Socket): boolean {
  if (from.length === 0) return true;
  const text = remoteAddress.replace(/^::ffff:(?=\d+\.)/, "");
  const octets = parseAddress(text);
  if (octets === null) return false;
  return from.includes(formatAddress(octets.length === 4 ? 1 : 2, octets, 0));
}
