/**
 * A forwarding module: routes of a speaker, or a pair, in this host's kernel.
 *
 *     server-link.ts    the connection with each side        @ts-bgp/follow     what they tell
 *     forward.ts        one side is listened to              @ts-bgp/forward    what becomes of it in the kernel
 *
 * Nothing that happens to servers, links or this process itself changes a route that does not change: routes
 * stay where they are until a server has told everything, or none was there for too long.
 */

import { hostname } from "node:os";
import type { ForwardConfig, LinkAddress } from "@ts-bgp/config";
import { Following } from "@ts-bgp/follow";
import { FAMILY_NAMES, Forwarder, type ShownFamily } from "@ts-bgp/forward";
import { missingCapabilities } from "@ts-bgp/takeover";
import { readForwardFile } from "../config-file.ts";
import { ControlError, type ControlHandler } from "../control.ts";
import { type Running, Service } from "../service.ts";
import { ServerLink } from "./server-link.ts";

const TICK_MS = 1000;

export interface ForwardOptions {
  readonly file: string;
  readonly version: string;
}

/** What a module answers to `show-forward`. */
export interface ShownForward {
  table: number;
  metric: number;
  /** Whether routes lead by groups of the kernel's: "on", "off", or why it has none. */
  next_hop_groups: string;
  /** The server that is listened to, and whether it has told everything; null and false without one. */
  source: string | null;
  complete: boolean;
  /** Milliseconds since 1970 since when no server is active; null while one is. */
  without_since_ms: number | null;
  /** When routes go unless a server comes; null while one is there, and where they stay for ever. */
  keep_until_ms: number | null;
  told: number;
  servers: ShownServer[];
  families: ShownFamily[];
}

export interface ShownServer {
  address: string;
  state: "away" | "standby" | "active" | "listened to";
  epoch: number;
  since_ms: number | null;
  problem: string | null;
}

interface Server {
  readonly link: ServerLink;
  isActive: boolean;
  epoch: number;
}

export class Forward implements Running {
  readonly service: Service;
  private readonly options: ForwardOptions;
  private readonly config: ForwardConfig;
  private readonly forwarder: Forwarder;
  private readonly following: Following;
  private readonly servers: readonly Server[];
  private timer: NodeJS.Timeout | undefined;
  /** Since when no server is active, by `performance.now`, whatever the clock is set to; null while one is. */
  private withoutSinceMs: number | null = performance.now();
  private isGone = false;

  /** Throws as `readForwardFile` does, or a KernelError. */
  constructor(options: ForwardOptions) {
    this.options = options;
    const { config, warnings } = readForwardFile(options.file);
    this.config = config;
    this.service = new Service({
      ...{ log: config.log, warnings, socket: config.control.socket, version: options.version },
      handler: this.handler(),
      status: () => this.statusText(),
    });
    const { table, metric, nextHopTable, linkLocalInterface, nextHopGroups } = config;
    const families = config.families.map((name) => FAMILY_NAMES[name]!);
    const [seed = 0] = crypto.getRandomValues(new Uint32Array(1));
    const { say } = this.service.log;
    const place = { table, metric, nextHopTable, linkLocalInterface, nextHopGroups };
    this.forwarder = new Forwarder({ ...place, families, seed, say });
    this.following = new Following(this.forwarder.followed, {
      activate: (server) => this.listenTo(server),
      complete: () => this.complete(),
    });
    this.servers = config.servers.map((address, k) => this.server(address, k));
  }

  /** Rejects without CAP_NET_ADMIN, or when the control socket cannot be had, as when another module runs. */
  async start(): Promise<void> {
    const { config, service, forwarder, servers } = this;
    if (missingCapabilities(["CAP_NET_ADMIN"]).length > 0) {
      throw new Error(
        "routes of the kernel are written with CAP_NET_ADMIN, which this process lacks",
      );
    }
    let found = 0;
    await service.open(async () => {
      found = forwarder.start();
    });
    for (const { link } of servers) link.connect();
    this.timer = setInterval(() => this.tick(), TICK_MS);
    service.started(`table ${config.table}: ${found} routes are there from before`);
  }

  /** Ends, and leaves all routes where they are: the next one goes on with them. */
  async stop(): Promise<void> {
    this.service.manager.stopping();
    clearInterval(this.timer);
    for (const { link } of this.servers) link.close();
    this.forwarder.stop();
    await this.service.stopped("stopped; all routes stay");
  }

  private server(address: LinkAddress, number: number): Server {
    const { config, following, forwarder } = this;
    const { log } = this.service;
    const { name: cluster, tls } = config;
    const server: Server = {
      isActive: false,
      epoch: 0,
      link: new ServerLink(
        {
          ...{ address, cluster, tls, server: null, software: this.options.version },
          follower: hostname(),
          families: following.families,
        },
        {
          role: (role) => {
            server.isActive = role.active === 1;
            server.epoch = role.epoch;
            following.role(number, role);
            this.noteSource();
          },
          bracket: (bracket) => {
            following.bracket(number, bracket);
            forwarder.changed();
          },
          complete: () => following.complete(number),
          lost: () => {
            server.isActive = false;
            following.lost(number);
            this.noteSource();
          },
          say: (level, message) => log.say(level, "source-link", message),
        },
      ),
    };
    return server;
  }

  private listenTo(number: number): void {
    const { link, epoch } = this.servers[number]!;
    this.isGone = false;
    this.service.log.say("info", "source-selected", `${link.text} is active, and is listened to`, {
      epoch,
    });
    link.activate();
  }

  private complete(): void {
    const { following, servers, forwarder } = this;
    forwarder.complete();
    const routes = forwarder.followed.reduce((sum, { size }) => sum + size, 0);
    const { text } = servers[following.source!]!.link;
    this.service.log.say("info", "complete", `the table of ${text} is complete: ${routes} routes`);
  }

  private noteSource(): void {
    if (this.following.source !== null) this.withoutSinceMs = null;
    else if (this.withoutSinceMs === null) {
      this.withoutSinceMs = performance.now();
      this.service.log.say("warn", "no-server", `no server is active: ${this.keepText()}`);
    }
  }

  private keepText(): string {
    const { keepSeconds } = this.config;
    return keepSeconds === 0 ? "routes stay" : `routes stay for ${keepSeconds} seconds`;
  }

  private get keepUntilMs(): number | null {
    const { withoutSinceMs, config } = this;
    if (withoutSinceMs === null || config.keepSeconds === 0) return null;
    return withoutSinceMs + 1000 * config.keepSeconds;
  }

  private tick(): void {
    for (const { link } of this.servers) link.tick();
    const { keepUntilMs, isGone, forwarder } = this;
    if (keepUntilMs === null || isGone || performance.now() < keepUntilMs) return;
    this.isGone = true;
    this.service.log.say(
      "warn",
      "routes-removed",
      "no server was active for too long: all routes go",
    );
    this.following.clear();
    forwarder.complete();
  }

  private statusText(): string {
    const { following, servers } = this;
    const { source } = following;
    if (source === null) return `no server is active, ${this.keepText()}`;
    return `${servers[source]!.link.text} is listened to`;
  }

  private shown(): ShownForward {
    const { config, following, servers, withoutSinceMs, keepUntilMs } = this;
    const { source, isComplete, counts } = following;
    return {
      table: config.table,
      metric: config.metric,
      next_hop_groups: this.forwarder.groupsText,
      source: source === null ? null : servers[source]!.link.text,
      complete: isComplete,
      without_since_ms: shownTime(withoutSinceMs),
      keep_until_ms: shownTime(keepUntilMs),
      told: counts.told,
      servers: servers.map(({ link, isActive, epoch }, k) => ({
        address: link.text,
        state:
          link.sinceMs === null
            ? "away"
            : k === source
              ? "listened to"
              : isActive
                ? "active"
                : "standby",
        epoch,
        since_ms: link.sinceMs,
        problem: link.problem,
      })),
      families: this.forwarder.show(),
    };
  }

  private handler(): ControlHandler {
    const forward = this;
    return async function* (request) {
      if (request.command !== "show-forward") {
        throw new ControlError("this is a forwarding module: ask it for show forward");
      }
      yield forward.shown();
      return {};
    };
  }
}

/** @returns milliseconds since 1970 for a time of `performance.now`, by what the clock says now */
function shownTime(atMs: number | null): number | null {
  return atMs === null ? null : Math.round(atMs - performance.now() + Date.now());
}
