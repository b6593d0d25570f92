/** What the control socket can be asked. */

// biome-ignore-all lint/correctness/useYield: an answer may be its last value alone

import type { Feeds } from "@ts-bgp/feeds";
import { STATE_NAMES } from "@ts-bgp/fsm";
import type { Outcome, ShownFollowing, ShownNsr, ShownServing } from "@ts-bgp/nsr";
import type { ConfigAbout } from "@ts-bgp/replication";
import {
  isElsewhere,
  KERNEL_SOURCE,
  type Neighbor,
  type Router,
  STATIC_SOURCE,
} from "@ts-bgp/router";
import type { ShownFeed, Speaker } from "@ts-bgp/speaker";
import { recentMaxMs } from "@ts-bgp/speaker";
import {
  explainInSteps,
  type Question,
  type RouteFilter,
  type RouteQuery,
  type ShownRpki,
  showBfd,
  showDynamic,
  showGroups,
  showNeighbor,
  showNeighborDetail,
  showQuarantine,
  showRejections,
  showRestart,
  showRpki,
  showTables,
  showTotals,
} from "@ts-bgp/views";
import { choice, numberOf, pageIn, prefixOf, textOf } from "./arguments.ts";
import { canaryIn, type TrialOptions, trialOptionsIn } from "./canary.ts";
import type { ShownCluster } from "./cluster/shown.ts";
import { type ConfigTrials, TRY_SECONDS_MAX } from "./config-trials.ts";
import { ControlError, type ControlHandler, type ControlRequest } from "./control.ts";
import { dumpRoutes, showFeedStatus, showFeeds } from "./feed-commands.ts";
import type { ShownFollowers } from "./follower-orders.ts";
import type { ShownHistory } from "./history.ts";
import { PAST_COMMANDS, type Recorded, recordOf } from "./past/past-commands.ts";
import { pageOf, routePage } from "./route-pages.ts";
import { askersTurn, inTurns } from "./turns.ts";
import type { WhatIfQuestion } from "./what-if.ts";

/** The speaker, or what stands for it on a standby. */
export type Served = Pick<
  Speaker,
  "router" | "slices" | "operate" | "shutDownGracefully" | "congestionControlOf" | "turnedAway"
> & {
  /** Null on a standby. */
  readonly latency: Speaker["latency"] | null;
  /** Null on a standby, which is connected to no cache. */
  readonly feeds: Pick<Speaker["feeds"], "show"> | null;
};

/** What is shown of a source of payloads beside what the router has of it. */
export type ShownPayloadSource = ShownRpki["sources"][number] & {
  /** Of the connection or the file; null on a standby. */
  feed: Pick<ShownFeed, "state" | "version" | "problem"> | null;
};

/** What is shown of a neighbor beside what the router knows. */
export interface ShownConnection {
  /** In use by the session's connection; null without a session, and on a standby. */
  congestion_control: string | null;
}

/** Of mirrors: who follows this speaker, and who is followed by this one. */
export interface ShownMirrors {
  /** Null where nobody can follow: it is not configured, or this is not the side that acts. */
  serving: ShownServing | null;
  /** Null where this is no mirror. */
  following: ShownFollowing | null;
}

/** Things the daemon around the speaker does. */
export interface DaemonActions {
  /** What commands are about. */
  served(): Served;
  /** State of nonstop routing. */
  showNsr(): ShownNsr;
  /** Those who follow the routes that are used. */
  showFollowers(): ShownFollowers;
  readonly cluster: {
    shown(): ShownCluster;
    /** Asks all members; throws where there are none. */
    ask(request: ControlRequest): Answer;
  };
  showMirrors(): ShownMirrors;
  /** What is recorded, and whom to ask about it. */
  readonly record: Recorded;
  /** What there was in the last hour; nothing where nobody can look at it. */
  showHistory(): ShownHistory;
  /**
   * Gives the role to a standby; rejects with the reason why not.
   *
   * @param to - its name; null for the first that can take over
   */
  switchOver(to: string | null): Promise<Outcome>;
  /**
   * Reads the configuration file again.
   *
   * @param force - undo what is in force since a takeover, too
   * @returns what changed; throws with all mistakes
   */
  reload(force: boolean, about: ConfigAbout): Promise<Readonly<Record<string, unknown>>>;
  /** Tells what a reload would change. */
  tryReload(force: boolean, options: TrialOptions): Promise<Readonly<Record<string, unknown>>>;
  readonly trials: ConfigTrials;
  /** Tells what another configuration would do, see `askWhatIf`. @param file - null for that of this side */
  whatIf(
    file: string | null,
    question: Omit<WhatIfQuestion, "file">,
  ): AsyncGenerator<unknown, void>;
  /** @param isRestart - it is to come back, and peers may keep its routes */
  stop(isRestart: boolean): void;
  readonly version: string;
  readonly startedMs: number;
  /** Those who observe. */
  readonly feeds: Feeds;
  /** When the configuration was read that is in force. */
  configuredMs(): number;
}

type Answer = AsyncGenerator<unknown, Readonly<Record<string, unknown>>>;
type Command = (
  speaker: Served,
  request: ControlRequest,
  daemon: DaemonActions,
  by: () => string,
) => Answer;

export const COMMANDS: Readonly<Record<string, Command>> = {
  "show-neighbors": async function* ({ router }, request) {
    const { items, end } = pageOf(neighborsOf(router, request), pageIn(request), addressOf);
    for (const neighbor of items) {
      // A reload may have removed it between two pieces of the answer.
      if (router.neighbors.get(neighbor.config.address) === neighbor) yield showNeighbor(neighbor);
    }
    return end;
  },
  "show-neighbor": async function* (speaker, request) {
    const neighbor = neighborOf(speaker.router, request);
    const { session } = neighbor;
    const connection: ShownConnection = {
      congestion_control: session && speaker.congestionControlOf(session.connection.id),
    };
    yield { ...showNeighborDetail(neighbor), ...connection };
    return {};
  },
  "show-routes": async function* ({ router }, request) {
    const end = yield* routePage(
      router,
      routeQueries(router, request),
      filterOf(request),
      pageIn(request),
    );
    return { ...end };
  },
  "show-rejections": async function* ({ router }, request) {
    const isOfOne = request["neighbor"] !== undefined;
    const counting = showRejections(router, isOfOne ? neighborOf(router, request) : null);
    for (;;) {
      const { value, done } = counting.next();
      if (done === true) {
        yield* value;
        return {};
      }
      await askersTurn();
    }
  },
  "show-history": async function* (_speaker, _request, daemon) {
    yield daemon.showHistory();
    return {};
  },
  "show-groups": async function* ({ router }) {
    yield* showGroups(router);
    return {};
  },
  "show-memory": async function* ({ router }) {
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
    yield {
      ...showTables(router),
      process: { rss, heap_used: heapUsed, external, array_buffers: arrayBuffers },
    };
    return {};
  },
  "show-status": async function* ({ router, slices }, _request, daemon) {
    const { version, startedMs, feeds } = daemon;
    const { router: identity } = router.tables.config;
    const { neighbors, established } = showTotals(router);
    yield {
      version,
      as: identity.as,
      id: identity.id,
      started_ms: Math.round(startedMs),
      configured_ms: Math.round(daemon.configuredMs()),
      neighbors,
      established,
      slice_max_ms: recentMaxMs(slices),
      restart: showRestart(router),
      dynamic_neighbors: showDynamic(router),
      graceful_shutdown: router.tables.groups.isShuttingDown,
      config_trial: daemon.trials.trial(),
      feeds: showFeedStatus(feeds),
      mirror: daemon.showMirrors().following,
      record_from_ms: daemon.record.shown?.from_ms ?? null,
    };
    return {};
  },
  "explain-import": async function* ({ router }, request) {
    yield await inTurns(explainInSteps(router, questionOf(router, request, "import")));
    return {};
  },
  "explain-export": async function* ({ router }, request) {
    yield await inTurns(explainInSteps(router, questionOf(router, request, "export")));
    return {};
  },
  refresh: async function* (speaker, request) {
    const neighbor = orderedNeighbor(speaker.router, request);
    const { session } = neighbor;
    if (session === null) throw new ControlError("no session is established");
    const direction = choice(request, "direction", ["in", "out"]) ?? "in";
    if (direction === "in" && !session.negotiated.routeRefresh) {
      throw new ControlError("the neighbor does not know route refresh (RFC 2918)");
    }
    speaker.operate(neighbor.config.address, { do: "refresh", direction });
    return { neighbor: neighbor.config.address, direction };
  },
  reset: async function* (speaker, request) {
    const neighbor = orderedNeighbor(speaker.router, request);
    const { address } = neighbor.config;
    speaker.operate(address, { do: "reset", text: textOf(request, "text") });
    return { neighbor: address };
  },
  disable: async function* (speaker, request) {
    const neighbor = orderedNeighbor(speaker.router, request);
    const { address } = neighbor.config;
    speaker.operate(address, { do: "disable", text: textOf(request, "text") });
    return { neighbor: address };
  },
  enable: async function* (speaker, request) {
    const neighbor = orderedNeighbor(speaker.router, request);
    if (!neighbor.config.enabled) {
      throw new ControlError("the configuration has the neighbor disabled (enabled: false)");
    }
    speaker.operate(neighbor.config.address, { do: "enable" });
    return { neighbor: neighbor.config.address };
  },
  "graceful-shutdown": async function* (speaker, request) {
    const state = choice(request, "state", ["on", "off"]);
    if (state === null) throw new ControlError('"state" must be on or off', "bad");
    speaker.shutDownGracefully(state === "on");
    return { graceful_shutdown: state === "on" };
  },
  "show-rpki": async function* ({ router, feeds }) {
    const shown = showRpki(router);
    if (shown === null) throw new ControlError("the configuration has no section rpki", "unknown");
    const states = feeds?.show() ?? [];
    const sources = shown.sources.map((source): ShownPayloadSource => {
      const feed = states.find((state) => state.source === source.name);
      if (feed === undefined) return { ...source, feed: null };
      const { state, version, problem } = feed;
      return { ...source, feed: { state, version, problem } };
    });
    yield { ...shown, sources };
    return {};
  },
  "show-feeds": async function* (_speaker, _request, { feeds }) {
    yield showFeeds(feeds);
    return {};
  },
  "show-cluster": async function* (_speaker, _request, daemon) {
    yield daemon.cluster.shown();
    return {};
  },
  "ask-cluster": async function* (_speaker, request, daemon) {
    return yield* daemon.cluster.ask(request);
  },
  "show-followers": async function* (_speaker, _request, daemon) {
    yield daemon.showFollowers();
    return {};
  },
  dump: async function* ({ router }, request, { feeds }) {
    const view = choice(request, "view", ["received", "accepted", "advertised"]) ?? "received";
    const routes =
      view === "advertised" ? { advertised: neighborOf(router, request).config.address } : view;
    return { ...(await dumpRoutes(feeds, router, textOf(request, "file"), routes)) };
  },
  "show-bfd": async function* ({ router }) {
    yield* showBfd(router);
    return {};
  },
  "show-quarantine": async function* ({ router }) {
    yield* showQuarantine(router);
    return {};
  },
  release: async function* (speaker, request) {
    const { config, quarantine } = orderedNeighbor(speaker.router, request);
    if (quarantine === null) throw new ControlError("the neighbor is not in quarantine");
    speaker.operate(config.address, { do: "release" });
    return { neighbor: config.address };
  },
  reload: async function* (_speaker, request, daemon, by) {
    const force = request["force"] === true;
    const trySeconds = trySecondsIn(request);
    const options = trialOptionsIn(request, trySeconds);
    if (request["dry_run"] === true) return daemon.tryReload(force, options);
    return daemon.reload(force, { by: by(), how: "reload", trySeconds, ...options });
  },
  confirm: async function* (_speaker, _request, daemon, by) {
    return daemon.trials.confirm(by());
  },
  rollback: async function* (_speaker, request, daemon, by) {
    return daemon.trials.rollback(by(), numberOf(request, "to"));
  },
  "show-reloads": async function* (_speaker, _request, daemon) {
    yield await daemon.trials.show();
    return {};
  },
  "what-if": async function* ({ router }, request, daemon) {
    const isOfOne = request["neighbor"] !== undefined;
    const wanted = isOfOne ? neighborOf(router, request).config.address : null;
    const canary = canaryIn(request) ?? null;
    yield* daemon.whatIf(textOf(request, "file"), { wanted, canary });
    return {};
  },
  stop: async function* (_speaker, request, daemon) {
    daemon.stop(request["graceful"] === true);
    return { pid: process.pid };
  },
  "show-nsr": async function* (_speaker, _request, daemon) {
    yield daemon.showNsr();
    return {};
  },
  "show-mirrors": async function* (_speaker, _request, daemon) {
    yield daemon.showMirrors();
    return {};
  },
  "show-record": async function* (_speaker, _request, daemon) {
    yield recordOf(daemon);
    return {};
  },
  switchover: async function* (_speaker, request, daemon) {
    const to = textOf(request, "to");
    try {
      return { ...(await daemon.switchOver(to)) };
    } catch (error) {
      throw new ControlError((error as Error).message);
    }
  },
  ...PAST_COMMANDS,
};

/** The handler of the control socket. */
export function controlHandler(daemon: DaemonActions): ControlHandler {
  return async function* (request, by) {
    const { command } = request;
    if (!Object.hasOwn(COMMANDS, command))
      throw new ControlError(`unknown command "${command}"`, "bad");
    return yield* COMMANDS[command]!(daemon.served(), request, daemon, by);
  };
}

function neighborOf(router: Router, request: ControlRequest): Neighbor {
  const name = textOf(request, "neighbor");
  if (name === null) throw new ControlError("no neighbor was given", "bad");
  const known = router.neighbors.get(name);
  if (known !== undefined) return known;
  const byName = [...router.neighbors.values()].filter(({ config }) => config.description === name);
  if (byName.length === 1) return byName[0]!;
  if (byName.length > 1) {
    throw new ControlError(`several neighbors are described as "${name}"`, "unknown");
  }
  throw new ControlError(`no neighbor has the address ${name}`, "unknown");
}

/** @returns one that this speaker can be ordered something about */
function orderedNeighbor(router: Router, request: ControlRequest): Neighbor {
  const neighbor = neighborOf(router, request);
  const { address, speaker } = neighbor.config;
  if (!isElsewhere(neighbor.config)) return neighbor;
  throw new ControlError(`the session with ${address} is with member ${speaker}: ask that`);
}

function questionOf(
  router: Router,
  request: ControlRequest,
  direction: Question["direction"],
): Question {
  const { address } = neighborOf(router, request).config;
  return { direction, neighbor: address, ...prefixOf(request) };
}

/** @returns after how many seconds a configuration goes back unless it is confirmed; null for never */
function trySecondsIn(request: ControlRequest): number | null {
  const seconds = numberOf(request, "confirm");
  if (seconds === null || (seconds >= 1 && seconds <= TRY_SECONDS_MAX)) return seconds;
  throw new ControlError(`"confirm" must be from 1 to ${TRY_SECONDS_MAX} seconds`, "bad");
}

const VIEWS = ["received", "accepted", "rejected", "advertised", "not-advertised"] as const;
const MATCHES = ["exact", "longest", "covering", "covered"] as const;

function routeQueries(router: Router, request: ControlRequest): RouteQuery[] {
  const view = choice(request, "view", VIEWS) ?? "accepted";
  const neighbor = sourceIn(router, request);
  if ((neighbor === null || isOwnSource(neighbor)) && view.endsWith("advertised")) {
    throw new ControlError(`"view" ${view} needs a neighbor`, "bad");
  }
  const rest = { neighbor, view, bestOnly: request["best"] === true };
  const wanted = request["family"];
  if (wanted !== undefined && wanted !== 1 && wanted !== 2) {
    throw new ControlError('"family" must be 1 or 2', "bad");
  }
  if (request["prefix"] === undefined) {
    const families = ([1, 2] as const).filter(
      (family) => wanted === undefined || wanted === family,
    );
    return families.map((family) => ({ family, prefix: null, match: "exact", ...rest }));
  }
  const { family, key, text } = prefixOf(request);
  const match = choice(request, "match", MATCHES) ?? (text.includes("/") ? "exact" : "longest");
  return [{ family, prefix: key, match, ...rest }];
}

/** Whether it stands for routes that the speaker originates. */
function isOwnSource(neighbor: unknown): neighbor is string {
  return neighbor === STATIC_SOURCE || neighbor === KERNEL_SOURCE;
}

/** @returns the address of a neighbor, or what stands for routes of the speaker's own; null for all */
function sourceIn(router: Router, request: ControlRequest): string | null {
  const { neighbor } = request;
  if (neighbor === undefined) return null;
  return isOwnSource(neighbor) ? neighbor : neighborOf(router, request).config.address;
}

function filterOf(request: ControlRequest): RouteFilter {
  return {
    as: numberOf(request, "as"),
    community: textOf(request, "community"),
    reason: textOf(request, "reason"),
    rpki: choice(request, "rpki", ["valid", "not-found", "invalid"]),
  };
}

function neighborsOf(router: Router, request: ControlRequest): Neighbor[] {
  const as = numberOf(request, "as");
  const state = choice(request, "state", Object.values(STATE_NAMES));
  return [...router.neighbors.values()].filter(
    ({ config, fsmState }) =>
      (as === null || config.as === as) && (state === null || STATE_NAMES[fsmState] === state),
  );
}

function addressOf({ config }: Neighbor): string {
  return config.address;
}
