/**
 * The router in the world: gives it time and octets, and does what its outputs say.
 *
 * Work is done in slices between which sockets and timers get their turn. The outputs of a slice go
 * out when it is over: with it they are one bracket.
 */

import { getSystemErrorMessage } from "node:util";
import type { Config, ConfigDiff, ListenAddress, NeighborConfig } from "@ts-bgp/config";
import { type Neighbor, type Output, Router } from "@ts-bgp/router";
import type { LogEvent } from "./log-event.ts";
import { SocketOptionError, type SocketProtection } from "./socket-options.ts";
import { Transport } from "./transport.ts";

/** A slice is over when it has lasted this long, once the pieces of work at hand are done. */
const SLICE_MS = 4;
const TICK_MS = 100;
/** TTL of sessions that are not with a directly connected external peer. */
const TTL_FAR = 255;
const UNANSWERED =
  "cannot connect: no answer yet; the neighbor is away, a filter drops it, or its TCP MD5 password is another";
/** Connections from unknown addresses are logged no more often. */
const UNKNOWN_LOG_MS = 10_000;
/** Longest wait for the last NOTIFICATIONs to leave. */
const STOP_MS = 3000;

/** Where the time of slices went, for metrics. */
export interface SliceTimes {
  count: number;
  totalMs: number;
  maxMs: number;
}

export class Speaker {
  readonly router: Router;
  readonly slices: SliceTimes = { count: 0, totalMs: 0, maxMs: 0 };
  private readonly transport: Transport;
  private readonly log: (event: LogEvent) => void;
  private config: Config;
  private scheduled = false;
  private timer: NodeJS.Timeout | undefined;
  /** Connections from unknown addresses since one was logged. */
  private unknownCount = 0;
  private unknownLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(config: Config, log: (event: LogEvent) => void) {
    this.config = config;
    this.log = log;
    const seed = (Math.random() * 2 ** 32) >>> 0;
    this.router = new Router(config, { random: Math.random, seed });
    const { router } = this;
    this.transport = new Transport({
      accepted: (...args) => this.after(router.accepted(...args, nowMs())),
      connected: (...args) => this.after(router.connected(...args, nowMs())),
      connectFailed: (id, address, error) => {
        const level = error instanceof SocketOptionError ? "error" : "info";
        this.say("connect-failed", level, address, `cannot connect: ${reasonOf(error)}`);
        this.after(router.connectFailed(id, nowMs()));
      },
      unanswered: (address) => this.say("connect-failed", "info", address, UNANSWERED),
      received: (...args) => this.after(router.received(...args)),
      sent: (...args) => this.after(router.sent(...args, nowMs())),
      closed: (id) => this.after(router.closed(id, nowMs())),
      protection: (address) => this.protectionOf(address),
      refused: (address, { message }) => {
        this.say("connection-refused", "error", address, message);
      },
      unknown: (address) => this.unknown(address),
    });
  }

  /** Begins to listen and to connect; rejects when an address cannot be listened on. */
  async start(): Promise<void> {
    this.transport.setKeys(keysOf(this.config));
    await this.listenAll(this.config.listen);
    this.timer = setInterval(() => this.after(this.router.tick(nowMs())), TICK_MS);
    this.after(this.router.start(nowMs()));
  }

  /**
   * Puts another configuration into force.
   *
   * @returns what it changed; rejects when a new address cannot be listened on, with nothing changed
   */
  async configure(config: Config): Promise<ConfigDiff> {
    const before = this.config.listen;
    await this.listenAll(config.listen.filter((address) => !isIn(before, address)));
    for (const { address, port } of before) {
      if (!isIn(config.listen, { address, port })) this.transport.stopListening(address, port);
    }
    this.config = config;
    this.transport.setKeys(keysOf(config));
    return this.after(this.router.configure(config, nowMs()));
  }

  /** Ends all sessions with an administrative shutdown, and stops. */
  async stop(text: string | null): Promise<void> {
    clearInterval(this.timer);
    this.transport.stopListeningAll();
    this.router.shutdown(text, nowMs());
    this.commit();
    const timeout = new Promise((resolve) => setTimeout(resolve, STOP_MS).unref());
    await Promise.race([this.transport.drained(), timeout]);
  }

  /** Carries out an operator's order to a neighbor. */
  operate(neighbor: Neighbor, order: () => void): void {
    this.after(this.router.operate(neighbor, order, nowMs()));
  }

  /** Goes with everything that may give the router work. */
  private after<T>(result: T): T {
    if (!this.scheduled) {
      this.scheduled = true;
      setImmediate(() => this.slice());
    }
    return result;
  }

  /** Listens on all of these addresses, or on none. */
  private async listenAll(addresses: readonly ListenAddress[]): Promise<void> {
    try {
      for (const address of addresses) await this.listen(address);
    } catch (error) {
      for (const { address, port } of addresses) this.transport.stopListening(address, port);
      throw error;
    }
  }

  private async listen({ address, port }: ListenAddress): Promise<void> {
    try {
      await this.transport.listen(address, port);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`cannot listen on ${address} port ${port}: ${hint(code, error as Error)}`);
    }
  }

  private slice(): void {
    this.scheduled = false;
    const start = performance.now();
    const end = start + SLICE_MS;
    const more = this.router.slice(nowMs(), () => performance.now() < end);
    this.commit();
    this.transport.resume((id) => this.router.wantsInput(id));
    const ms = performance.now() - start;
    this.slices.count++;
    this.slices.totalMs += ms;
    if (ms > this.slices.maxMs) this.slices.maxMs = ms;
    if (more) this.after(undefined);
  }

  /** Lets the outputs of the bracket out. */
  private commit(): void {
    for (const output of this.router.takeOutputs()) this.do(output);
    this.transport.flush();
  }

  private do(output: Output): void {
    switch (output.do) {
      case "connect":
        this.transport.connect(output.connection, output.target);
        return;
      case "write":
        this.transport.write(output.connection, output.octets);
        return;
      case "close":
        this.transport.close(output.connection);
        return;
      case "log":
        this.log(output.event);
        return;
    }
  }

  private protectionOf(address: string): SocketProtection | null {
    const neighbor = this.router.neighbors.get(address);
    return neighbor === undefined ? null : protection(neighbor.config);
  }

  /** Someone connected who is no neighbor; there may be very many of them. */
  private unknown(address: string): void {
    this.unknownCount++;
    if (nowMs() < this.unknownLoggedMs + UNKNOWN_LOG_MS) return;
    const message = `connection from ${address}, which no neighbor has`;
    const count = this.unknownCount;
    this.say("connection-refused", "info", null, message, { address, count });
    this.unknownCount = 0;
    this.unknownLoggedMs = nowMs();
  }

  private say(
    id: LogEvent["id"],
    level: LogEvent["level"],
    neighbor: string | null,
    message: string,
    fields: LogEvent["fields"] = {},
  ): void {
    this.log({ id, level, neighbor, message, fields });
  }
}

/** Milliseconds since 1970 that never run backwards. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function protection(config: NeighborConfig): SocketProtection {
  const direct = config.as !== config.localAs;
  const ttl = config.multihop > 0 ? config.multihop : direct ? 1 : TTL_FAR;
  return { password: config.password, ttlSecurity: config.ttlSecurity, ttl };
}

function keysOf(config: Config): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  for (const { address, password } of config.neighbors) {
    if (password !== null) keys.set(address, password);
  }
  return keys;
}

function isIn(list: readonly ListenAddress[], { address, port }: ListenAddress): boolean {
  return list.some((other) => other.address === address && other.port === port);
}

/** @returns why a connection could not be made */
function reasonOf(error: NodeJS.ErrnoException): string {
  return error.errno === undefined ? error.message : getSystemErrorMessage(error.errno);
}

function hint(code: string | undefined, error: Error): string {
  switch (code) {
    case "EACCES":
      return "permission denied (ports below 1024 need root or CAP_NET_BIND_SERVICE)";
    case "EADDRINUSE":
      return "something else is listening there";
    case "EADDRNOTAVAIL":
      return "this host does not have the address";
    default:
      return error.message;
  }
}
