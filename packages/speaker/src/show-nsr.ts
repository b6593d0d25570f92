/** The state of nonstop routing as an operator sees it. */

import type { NeighborConfig } from "@ts-bgp/config";
import type { ConnectionId } from "@ts-bgp/router";
import type { Pair } from "./pair.ts";
import { NO_GATE, type ShownGate } from "./pair-gate.ts";
import { nowMs, type Speaker } from "./speaker.ts";
import type { Switchover } from "./switchover.ts";

export interface ShownNsr {
  cluster: string;
  side: string;
  mode: string;
  /** `simplex`: this side runs, and nobody could take over from it, whatever it does. */
  role: "active" | "standby" | "starting" | "simplex";
  epoch: number;
  since_ms: number;
  /** Whether the standby may take over. */
  ready: boolean;
  /** Why not, for people. */
  reason: string;
  /** `over`: the active's address that the link leads to, empty while it is down. */
  peer: { side: string; link: "up" | "down"; over: string; since_ms: number; software: string };
  /** Established sessions that would survive, and all. */
  protected: number;
  sessions: number;
  neighbors: { address: string; protected: boolean; reason: string }[];
  behind: { brackets: number; octets: number; applied: number };
  /** The last comparison of both sides; differences are counted by the active one. */
  digest: { at_ms: number; differences: number };
  gate: ShownGate;
  /** Records and fields that came over the link and that this version does not know. */
  skipped: number;
  /** What nonstop routing needs of this host; empty before it was looked at. */
  host: { what: string; ok: boolean; detail: string; what_to_do: string }[];
  last_switchover: Switchover | null;
}

const NO_PEER = { side: "", link: "down", over: "", since_ms: 0, software: "" } as const;

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
    protected: 0,
    sessions: 0,
    neighbors: [],
    behind: { brackets: 0, octets: 0, applied: 0 },
    digest: { at_ms: 0, differences: 0 },
    gate: NO_GATE,
    skipped: 0,
    host: [],
    last_switchover: null,
  };
  if (speaker !== null) addSessions(shown, speaker, pair);
  if (pair === null) return shown;
  const { role, epoch, sinceMs, switchovers } = pair;
  const { problem } = pair.gate;
  const { config, name } = pair.side;
  const about = { cluster: config.cluster, side: name, mode: config.mode, epoch };
  Object.assign(shown, about, { since_ms: Math.round(sinceMs), last_switchover: switchovers.last });
  shown.role = problem !== "" && role === "active" ? "simplex" : role;
  shown.reason = problem || pair.reason;
  shown.gate = pair.gate.shown();
  shown.host = pair.gate
    .needs()
    .map(({ what, ok, detail, whatToDo }) => ({ what, ok, detail, what_to_do: whatToDo }));
  if (role === "active") addActive(shown, pair);
  if (role === "standby") addStandby(shown, pair);
  return shown;
}

function addActive(shown: ShownNsr, { speaker, activeSide, gate: { problem } }: Pair): void {
  const { active } = speaker!;
  const { peer, over, linkSinceMs, problem: linkProblem } = activeSide!;
  shown.ready = active.state === "declared";
  shown.reason = problem || linkProblem || active.reason;
  shown.behind = { ...active.behind, applied: active.number - active.applied };
  if (active.state === "alone") shown.behind.applied = 0;
  shown.skipped = activeSide!.skipped;
  const comparedMs = active.digestMs === 0 ? 0 : active.digestMs - (speaker!.now() - nowMs());
  shown.digest = { at_ms: Math.round(comparedMs), differences: active.differences };
  shown.peer = {
    side: peer?.side ?? "",
    link: over === "" ? "down" : "up",
    over,
    since_ms: Math.round(linkSinceMs),
    software: peer?.software ?? "",
  };
}

function addStandby(shown: ShownNsr, { standbySide, reason }: Pair): void {
  if (standbySide === null) return;
  const { standby, peer, over, linkSinceMs, comparedMs } = standbySide;
  shown.ready = standby.isDeclared;
  shown.reason = standby.isDeclared
    ? ""
    : standby.follows === null
      ? "the active side is sending its state"
      : reason || "the active side has not declared this one yet";
  shown.behind = { ...standby.behind, applied: standby.number - standby.applied };
  shown.skipped = standbySide.skipped;
  shown.digest = { at_ms: Math.round(comparedMs), differences: 0 };
  shown.peer = {
    side: peer?.side ?? "",
    link: over === "" ? "down" : "up",
    over,
    since_ms: Math.round(linkSinceMs),
    software: peer?.software ?? "",
  };
}

function addSessions(shown: ShownNsr, { router, active }: Speaker, pair: Pair | null): void {
  const isReady = active.state === "declared";
  for (const { config, session } of router.neighbors.values()) {
    if (session === null) continue;
    const reason = isReady
      ? whyNot(session.connection.id, config, pair)
      : "the standby is not ready";
    const isProtected = reason === "";
    shown.sessions++;
    if (isProtected) shown.protected++;
    shown.neighbors.push({ address: config.address, protected: isProtected, reason });
  }
}

function whyNot(id: ConnectionId, { nsr }: NeighborConfig, pair: Pair | null): string {
  if (nsr === "off") return "the configuration says nsr: off";
  const isKnown = pair?.activeSide?.protector.has(id) === true;
  return isKnown ? "" : "its TCP connection could not be read when it came up";
}
