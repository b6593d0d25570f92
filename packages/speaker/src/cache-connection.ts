/** TCP to an RPKI cache, around the state machine of its protocol. */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { RtrCacheConfig } from "@ts-bgp/config";
import { type RtrAction, RtrClient } from "@ts-bgp/rpki";
import { setMd5Key } from "@ts-bgp/takeover";
import type { FeedHooks, ShownFeed } from "./feed.ts";
import { reasonOf } from "./system-errors.ts";
import { bindOutgoing } from "./transport.ts";

/** A cache that is gone without a word is noticed after a few times this. */
const KEEPALIVE_MS = 30_000;

export class CacheConnection {
  readonly config: RtrCacheConfig;
  private readonly hooks: FeedHooks;
  private readonly client: RtrClient;
  private socket: Socket | null = null;
  private isPaused = false;
  /** What was said of it last, so that it is said once; null once it has sent something. */
  private said: string | null = null;

  constructor(config: RtrCacheConfig, hooks: FeedHooks) {
    this.config = config;
    this.hooks = hooks;
    const { name } = config;
    this.client = new RtrClient(
      () => hooks.lastEnd(name),
      () => hooks.misfit(name),
    );
  }

  /** To be called several times a second. */
  tick(): void {
    this.resume();
    // What has come waits for this side and not for the cache.
    if (!this.isPaused) this.perform(this.client.tick(this.hooks.now()));
  }

  /** There may be room for more. */
  resume(): void {
    if (!this.isPaused || !this.hooks.mayWork()) return;
    this.isPaused = false;
    this.client.resumed(this.hooks.now());
    this.socket?.resume();
  }

  stop(): void {
    const { socket } = this;
    this.socket = null;
    socket?.destroy();
  }

  show(): ShownFeed {
    const { state, version, problem } = this.client;
    return { source: this.config.name, state, version, problem };
  }

  private perform(actions: readonly RtrAction[]): void {
    const { name } = this.config;
    for (const action of actions) {
      switch (action.do) {
        case "connect":
          this.connect();
          break;
        case "write":
          this.socket?.write(action.octets);
          break;
        case "close":
          this.say("warn", action.reason);
          this.hangUp();
          break;
        case "begin":
          this.hooks.payloads(name, true, new Uint8Array(0));
          break;
        case "vrps":
          this.hooks.payloads(name, false, action.octets);
          break;
        case "end":
          this.said = null;
          this.hooks.payloadsEnd(name, action.end);
          break;
      }
    }
  }

  private connect(): void {
    const { tls } = this.config;
    const socket = open(this.config);
    let reason = "the cache has closed the connection";
    this.socket = socket;
    this.isPaused = false;
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on(tls === null ? "connect" : "secureConnect", () => {
      if (socket === this.socket) this.perform(this.client.connected(this.hooks.now()));
    });
    socket.on("data", (octets) => {
      if (socket !== this.socket) return;
      this.perform(this.client.received(octets, this.hooks.now()));
      if (this.hooks.mayWork() || socket !== this.socket) return;
      this.isPaused = true;
      socket.pause();
    });
    socket.on("error", (error) => {
      reason = reasonOf(error);
    });
    socket.on("close", () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.isPaused = false;
      this.say("warn", reason);
      this.perform(this.client.closed(reason, this.hooks.now()));
    });
  }

  /** What was written before still leaves. */
  private hangUp(): void {
    const { socket } = this;
    this.socket = null;
    this.isPaused = false;
    socket?.end(() => socket.destroy());
  }

  private say(level: "info" | "warn", message: string): void {
    if (message === this.said) return;
    this.said = message;
    this.hooks.say(level, this.config.name, message);
  }
}

/** @returns a connection that is being made; rejects a cache that is not who it should be */
function open({ address: host, port, password, tls }: RtrCacheConfig): Socket {
  if (tls !== null) {
    const { ca, cert, key, serverName } = tls;
    const own = cert === null || key === null ? {} : { cert, key };
    const name = serverName === null ? {} : { servername: serverName };
    return connectTls({ host, port, ca, minVersion: "TLSv1.2", ...own, ...name });
  }
  const socket = connect({ host, port });
  if (password === null) return socket;
  try {
    setMd5Key(bindOutgoing(socket, host, null), host, password);
  } catch (error) {
    socket.destroy(error as Error);
  }
  return socket;
}
