/** The state of nonstop routing as an operator sees it. */

import { type NeighborConfig, unknownOptions } from "@ts-bgp/config";
import type { ActiveState, Deviation } from "@ts-bgp/replication";
import type { ConnectionId, Doomed } from "@ts-bgp/router";
import { nowMs, type Speaker } from "@ts-bgp/speaker";
import type { Pair } from "./pair.ts";
import { NO_GATE, type ShownGate } from "./pair-gate.ts";
import { NONE_REFUSED, type RefusalReason } from "./refusals.ts";
import type { StandbyLink } from "./standby-link.ts";
import { NO_LOG, type ShownLog } from "./standby-log.ts";
import type { Switchover } from "./switchover.ts";

export interface ShownPeer {
  side: string;
  link: "up" | "down";
  /** The active's address that the link leads to, empty while it is down. */
  over: string;
  since_ms: number;
  software: string;
  /** Of a standby: how often in a row it has ended of its own doing soon after its start, and how. */
  ends: number;
  ended: string;
  /** On a standby with several ways: those that no heartbeat comes by. */
  ways_down: readonly string[];
}

export interface ShownStandby extends ShownPeer {
  /** Whether it may take over. */
  ready: boolean;
  /** How far it is: `alone` when it does not follow. */
  state: ActiveState;
  behind: { brackets: number; octets: number; applied: number };
  /** When it was last compared, 0 for never. */
  compared_ms: number;
}

/** Times are by the host's clock. */
export interface ShownNsr {
  cluster: string;
  side: string;
  mode: string;
  /**
   * `simplex`: this side runs, and nobody could take over from it, whatever it does. `mirror`: it is none, and
   * `side` says what it is at.
   */
  role: "active" | "standby" | "starting" | "simplex" | "mirror";
  epoch: number;
  since_ms: number;
  /** Whether the standby may take over. */
  ready: boolean;
  /** Why not, for people. */
  reason: string;
  /** The active side; on that one its first standby. */
  peer: ShownPeer;
  /** On the active side: each standby that follows, or that the configuration names. */
  standbys: ShownStandby[];
  /** `problem`: why it cannot be asked just now, so that no role can change; empty when it can. */
  arbiter: { kind: string; problem: string };
  /** The active side sends nothing, for it cannot tell whether another one has its role. */
  holds_back: boolean;
  /** Established sessions that would survive, and all. */
  protected: number;
  sessions: number;
  neighbors: { address: string; protected: boolean; reason: string }[];
  behind: { brackets: number; octets: number; applied: number };
  /** The last comparison of both sides; differences are counted by the active one. */
  digest: { at_ms: number; differences: number };
  /**
   * How the standby differs that goes on with what the active puts out: names, empty where it does not;
   * brackets with other outputs; sessions that would end with a takeover.
   */
  deviation: { what: string; brackets: number; doomed: readonly Doomed[] };
  gate: ShownGate;
  /** Records and fields that came over the link and that this version does not know. */
  skipped: number;
  /** Options of the configuration in force that this version does not know; it keeps them for one that does. */
  unknown_options: readonly string[];
  /** Connections to the link and to the heartbeats that were not let in, by reason. */
  refused: Readonly<Record<RefusalReason, number>>;
  /** What this side keeps on disk of what it stores as a standby. */
  log: ShownLog;
  /** What nonstop routing needs of this host, `minor` what it can do without; empty before it was looked at. */
  host: { what: string; ok: boolean; minor: boolean; detail: string; what_to_do: string }[];
  last_switchover: Switchover | null;
}

const NO_PEER = {
  side: "",
  link: "down",
  over: "",
  since_ms: 0,
  software: "",
  ends: 0,
  ended: "",
  ways_down: [],
} as const;

/** @param pair - null without a section `nsr` */
export function showNsr(pair: Pair | null, speaker: Speaker | null): ShownNsr {
  const shown: ShownNsr = {
    cluster: "",
    side: "",
    mode: "",
    role: "simplex",
    epoch: 0,
    since_ms: 0,
    ready: false,
    reason: "the configuration has no section nsr",
    peer: NO_PEER,
    standbys: [],
    arbiter: { kind: "none", problem: "" },
    holds_back: false,
    protected: 0,
    sessions: 0,
    neighbors: [],
    behind: { brackets: 0, octets: 0, applied: 0 },
    digest: { at_ms: 0, differences: 0 },
    deviation: deviationOf(null),
    gate: NO_GATE,
    skipped: 0,
    unknown_options: [],
    refused: NONE_REFUSED,
    log: NO_LOG,
    host: [],
    last_switchover: null,
  };
  if (speaker !== null) addSessions(shown, speaker, pair);
  if (pair === null) return shown;
  const { role, epoch, sinceMs, switchovers } = pair;
  const { problem } = pair.gate;
  const { config, name, refusals, diskLog } = pair.side;
  shown.log = diskLog?.shown ?? NO_LOG;
  shown.refused = { ...refusals.totals };
  const about = { cluster: config.cluster, side: name, mode: config.mode, epoch };
  const { last } = switchovers;
  const last_switchover = last === null ? null : { ...last, at_ms: dated(last.at_ms) };
  Object.assign(shown, about, { since_ms: dated(sinceMs), last_switchover });
  shown.role = problem !== null && role === "active" ? "simplex" : role;
  shown.reason = problem ?? pair.reason ?? "";
  const { kind, problem: away } = pair.options.arbiter;
  shown.arbiter = { kind, problem: away ?? "" };
  shown.gate = pair.gate.shown();
  shown.host = pair.gate.needs().map(({ what, ok, isMinor: minor = false, detail, whatToDo }) => {
    return { what, ok, minor, detail, what_to_do: whatToDo };
  });
  if (role === "active") addActive(shown, pair);
  if (role === "standby") addStandby(shown, pair);
  return shown;
}

function addActive(shown: ShownNsr, pair: Pair): void {
  shown.unknown_options = unknownOptions(pair.speaker!.router.tables.config);
  const { speaker, activeSide, isDoubtful } = pair;
  const { problem } = pair.gate;
  const { active } = speaker!;
  shown.ready = active.state === "declared";
  shown.reason = problem ?? activeSide!.problem ?? active.reason ?? "";
  shown.behind = { ...active.behind, applied: active.number - active.applied };
  shown.skipped = activeSide!.skipped;
  shown.holds_back = isDoubtful;
  const aheadMs = speaker!.now() - nowMs();
  const byHost = (atMs: number) => (atMs === 0 ? 0 : dated(atMs - aheadMs));
  shown.digest = { at_ms: byHost(active.digestMs), differences: active.differences };
  shown.deviation = deviationOf(active.deviation);
  const states = new Map(active.standbys.map((standby) => [standby.name, standby]));
  const links = activeSide!.standbys;
  const named = pair.nsr.peers.flatMap(({ name }) => name ?? []);
  shown.standbys = [...new Set([...named, ...links.keys()])].map((name) => {
    const found = states.get(name);
    const link = links.get(name);
    return {
      ...(link === undefined ? { ...NO_PEER, side: name } : peerOf(link)),
      ready: found?.state === "declared",
      state: found?.state ?? (link === undefined ? "alone" : "joining"),
      behind: found?.behind ?? { brackets: 0, octets: 0, applied: 0 },
      compared_ms: byHost(found?.digestMs ?? 0),
    };
  });
  const first = shown.standbys.find(({ side }) => links.has(side));
  if (first !== undefined) shown.peer = peerOf(links.get(first.side)!);
}

function peerOf(standby: StandbyLink): ShownPeer {
  const { hello, over, sinceMs } = standby;
  return {
    side: hello.side,
    link: over === null ? "down" : "up",
    over: over ?? "",
    since_ms: dated(sinceMs),
    software: hello.software,
    ...standby.endsAt(nowMs()),
    ways_down: [],
  };
}

function addStandby(shown: ShownNsr, { standbySide, reason }: Pair): void {
  if (standbySide === null) return;
  const { machine } = standbySide;
  if (machine !== null) shown.unknown_options = unknownOptions(machine.router.tables.config);
  const { standby, peer, over, linkSinceMs, comparedMs, waysDown } = standbySide;
  shown.ready = standby.isDeclared && !standby.isReconsidering;
  shown.reason = shown.ready
    ? ""
    : standby.follows === null
      ? "the active side is sending its state"
      : standby.isReconsidering
        ? "this side judges all routes again, as its version does"
        : (reason ?? "the active side has not declared this one yet");
  shown.behind = { ...standby.behind, applied: standby.number - standby.applied };
  shown.skipped = standbySide.skipped;
  shown.epoch = peer?.epoch ?? shown.epoch;
  shown.digest = { at_ms: dated(comparedMs), differences: 0 };
  shown.deviation = deviationOf(standby.deviation);
  shown.peer = {
    side: peer?.side ?? "",
    link: over === null ? "down" : "up",
    over: over ?? "",
    since_ms: dated(linkSinceMs),
    software: peer?.software ?? "",
    ends: 0,
    ended: "",
    ways_down: [...waysDown],
  };
}

function deviationOf(deviation: Deviation | null): ShownNsr["deviation"] {
  const { what, brackets, doomed } = deviation ?? { what: "", brackets: 0, doomed: [] };
  return { what, brackets, doomed };
}

/** Less than that is no step of the host's clock. */
const STEP_MS = 50;
/**
 * From the clock of this process, which is never set, to the host's. Kept, so that one moment has the same
 * date at each look.
 */
let clockStepsMs = 0;

/** @param atMs - by the clock of this process, 0 for never @returns by the host's clock, as it is set now */
function dated(atMs: number): number {
  const stepsMs = Date.now() - nowMs();
  if (Math.abs(stepsMs - clockStepsMs) > STEP_MS) clockStepsMs = stepsMs;
  return atMs === 0 ? 0 : Math.round(atMs + clockStepsMs);
}

function addSessions(shown: ShownNsr, { router, active }: Speaker, pair: Pair | null): void {
  const isReady = active.state === "declared";
  for (const { config, session } of router.neighbors.values()) {
    if (session === null) continue;
    const reason = isReady
      ? whyNot(session.connection.id, config, pair)
      : "the standby is not ready";
    const isProtected = reason === null;
    shown.sessions++;
    if (isProtected) shown.protected++;
    const { address } = config;
    shown.neighbors.push({ address, protected: isProtected, reason: reason ?? "" });
  }
}

/** @returns null when the session would go on */
function whyNot(id: ConnectionId, { nsr }: NeighborConfig, pair: Pair | null): string | null {
  if (nsr === "off") return "the configuration says nsr: off";
  const isKnown = pair?.activeSide?.protector.has(id) === true;
  return isKnown ? null : "its TCP connection could not be read when it came up";
}
