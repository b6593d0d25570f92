/**
 * A mirror: a read-only copy of a speaker in a process of its own, with the same commands and the same interfaces
 * over HTTP. It has no neighbor and no right; all that it shows is marked with its age.
 */

import { loadConfig, type MirrorConfig } from "@ts-bgp/config";
import { Feeds } from "@ts-bgp/feeds";
import {
  MirrorFollower,
  MirrorServer,
  type ShownFollowing,
  type ShownNsr,
  showNsr,
} from "@ts-bgp/nsr";
import { Machine } from "@ts-bgp/replication";
import { nowMs } from "@ts-bgp/speaker";
import { apiSources } from "../api-sources.ts";
import { NO_CLUSTER } from "../cluster/shown.ts";
import { controlHandler, type Served } from "../commands.ts";
import { readMirrorFile } from "../config-file.ts";
import { ConfigTrials } from "../config-trials.ts";
import { ControlError, type ControlHandler } from "../control.ts";
import { NO_FOLLOWERS } from "../follower-orders.ts";
import { History, NO_HISTORY } from "../history.ts";
import { Collector } from "../metrics.ts";
import { NO_RECORD } from "../past/past-commands.ts";
import { type Running, Service } from "../service.ts";
import { standIn } from "../stand-in.ts";
import { mirrorMetrics } from "./mirror-metrics.ts";

export interface MirrorOptions {
  /** File of the mirror. */
  readonly file: string;
  readonly version: string;
}

const ORDERS = "this is a mirror, which takes no orders: ask its server";
const OWN_FILE = "a mirror takes its file when it is started";
/** What can be asked of a mirror that has nothing to show. */
const ALWAYS: ReadonlySet<string> = new Set(["show-mirrors", "show-nsr", "stop", "reload"]);
const NOBODY = "router: { as: 1, id: 192.0.2.1 }";

export class Mirror implements Running {
  readonly service: Service;
  private readonly options: MirrorOptions;
  private readonly config: MirrorConfig;
  private readonly follower: MirrorFollower;
  /** Of mirrors that follow this one. */
  private readonly server: MirrorServer;
  private readonly feeds: Feeds;
  private readonly trials: ConfigTrials;
  private readonly handler: ControlHandler;
  private readonly startedMs = nowMs();
  /** When the configuration was taken that is shown. */
  private configuredMs = this.startedMs;
  /** Stands where nothing is to be shown, and is not shown. */
  private readonly nothing: Machine = nothing();
  private history: History | null = null;

  /** Throws as `readMirrorFile` does. */
  constructor(options: MirrorOptions) {
    this.options = options;
    const { config, warnings } = readMirrorFile(options.file);
    this.config = config;
    this.service = new Service({
      ...{ log: config.log, warnings, socket: config.control.socket, version: options.version },
      handler: (request, by) => this.handler(request, by),
      status: () => statusText(this.follower.shown),
    });
    const { log } = this.service;
    this.server = new MirrorServer({ software: options.version, log: log.event });
    const { mirrors } = config;
    this.follower = new MirrorFollower({
      ...{ config: config.follow, software: options.version, log: log.event },
      changed: () => {
        this.configuredMs = nowMs();
      },
      seen: (atMs) => this.service.http?.seen(atMs),
      ...(mirrors === null ? {} : { relayed: (mirrored) => this.server.use(mirrored, mirrors) }),
    });
    this.feeds = new Feeds({
      version: options.version,
      describe: () => "",
      say: (level, message, fields) => log.say(level, "feed", message, fields),
    });
    const inForce = () => this.machine.router.tables.config;
    const refused = () => Promise.reject(new ControlError(ORDERS));
    this.trials = new ConfigTrials({
      ...{
        file: null,
        log,
        speaker: () => null,
        history: () => this.follower.machine?.history ?? null,
      },
      ...{ config: inForce, own: inForce, apply: refused, inTurn: (work) => work() },
    });
    this.handler = this.newHandler();
  }

  /** Rejects when the control socket or the port cannot be had. */
  async start(): Promise<void> {
    await this.service.open(() => this.listenHttp());
    this.follower.run().catch((error) => this.service.fail(error));
    this.service.started(`mirror of ${this.config.follow.cluster}`);
  }

  async stop(): Promise<void> {
    const { service } = this;
    service.log.say("info", "stopping", "the mirror stops");
    service.manager.stopping();
    this.follower.stop();
    this.server.use(null, null);
    await this.feeds.stop();
    await service.stopped();
  }

  private get machine(): Machine {
    return this.follower.machine ?? this.nothing;
  }

  private served(): Served {
    return standIn(this.machine, ORDERS);
  }

  private shownNsr(): ShownNsr {
    const { cluster, side, state, since_ms, reason, over } = this.follower.shown;
    const shown = showNsr(null, null);
    const link = over === "" ? "down" : "up";
    const peer = { ...shown.peer, side, link, over, since_ms } as const;
    const why =
      reason === "" ? `a mirror takes over from nobody: it shows what ${side} has` : reason;
    return { ...shown, role: "mirror", cluster, side: state, since_ms, reason: why, peer };
  }

  /** Each answer closes with how old it is. */
  private newHandler(): ControlHandler {
    const { follower } = this;
    const answer = controlHandler({
      served: () => this.served(),
      showNsr: () => this.shownNsr(),
      showFollowers: () => NO_FOLLOWERS,
      cluster: {
        shown: () => NO_CLUSTER,
        ask() {
          throw new ControlError("a mirror is no member of a cluster", "unknown");
        },
      },
      showMirrors: () => ({ serving: this.server.shown, following: follower.shown }),
      record: NO_RECORD,
      showHistory: () => this.history?.show() ?? NO_HISTORY,
      switchOver: () => Promise.reject(new Error(ORDERS)),
      reload: () => Promise.reject(new ControlError(OWN_FILE)),
      tryReload: () => Promise.reject(new ControlError(OWN_FILE)),
      trials: this.trials,
      whatIf: () => {
        throw new ControlError(ORDERS);
      },
      stop: () => setImmediate(() => process.kill(process.pid, "SIGTERM")),
      version: this.options.version,
      startedMs: this.startedMs,
      feeds: this.feeds,
      configuredMs: () => this.configuredMs,
    });
    return async function* (request, by) {
      if (follower.machine === null && !ALWAYS.has(request.command)) {
        const { reason } = follower.shown;
        throw new ControlError(`this mirror has nothing to show: ${reason}`, "busy");
      }
      // As it was at the beginning: what comes last may be newer.
      const { cluster, side, age_ms } = follower.shown;
      const end = yield* answer(request, by);
      return { ...end, mirror: { cluster, side, age_ms } };
    };
  }

  private async listenHttp(): Promise<void> {
    const { config, follower, service } = this;
    const { http } = config;
    if (http === null) return;
    const collector = new Collector(() => this.served(), {
      version: this.options.version,
      lastReload: () => ({ ok: true, atMs: this.startedMs }),
      lostLogLines: () => service.log.lost(),
      nsrMetrics: () => mirrorMetrics(follower.shown),
    });
    const parts = async function* () {
      if (follower.machine === null) yield { records: mirrorMetrics(follower.shown) };
      else yield* collector.parts();
    };
    const router = () => this.machine.router;
    this.history = new History(router);
    const api = apiSources(http, this.handler, service.log, router, () => this.shownNsr());
    const health = () => {
      const { state, age_ms } = follower.shown;
      const neighbors = this.machine.router.neighbors.size;
      const ready = state === "following";
      return { ok: true, role: "mirror", ready, neighbors, config_ok: true, mirror_age_ms: age_ms };
    };
    await service.listen(http, { parts, health, api, isMirror: true });
  }
}

function nothing(): Machine {
  const { config } = loadConfig("", NOBODY, { readFile: () => "", env: () => undefined });
  return new Machine(config!, 0);
}

/** @returns one line for the service manager */
function statusText({ cluster, side, state, reason, age_ms }: ShownFollowing): string {
  if (state === "following") return `mirror of ${cluster}: ${side} is followed`;
  const age = age_ms === null ? "" : `, what is shown is ${Math.round(age_ms / 1000)} s old`;
  return `mirror of ${cluster}: ${reason}${age}`;
}
