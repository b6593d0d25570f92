/**
 * A restart of this speaker (RFC 4724 section 4.1, the restarting speaker). It forwards nothing, so what
 * it forwarded before goes on by definition: it always says that it has kept that, and after each start
 * that it has restarted, since whoever has nothing of it to keep loses nothing by that.
 *
 *     start --full anywhere--> waiting: neighbors that may have kept routes are sent nothing
 *       |                        |
 *       |                        | all End-of-RIB markers are there, or nobody is to be waited for longer
 *       '-- nowhere --> over <---'  then each is sent all that there is, and an End-of-RIB marker
 *
 * OPENs say so during the wait, and to each neighbor up to its first session. A wait begins when routes may
 * be read: not while they wait for origin validation.
 */

import type { NeighborConfig } from "@ts-bgp/config";
import type { FsmMode, Negotiated } from "@ts-bgp/fsm";
import { FAMILY, type Family } from "@ts-bgp/wire-codec";
import { familiesOf, familyLabel } from "./facts.ts";
import { isElsewhere } from "./neighbor-directory.ts";
import type { OriginValidation } from "./origin-validation.ts";
import type { Outputs } from "./outputs.ts";
import type { UpdateGroups } from "./update-groups.ts";

const FAMILIES = [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST] as const;

/** So long groups may take to get ready for those that are held: one may wait for a slow member. */
const LEVEL_MS = 5000;

/** A neighbor, as far as is waited for it. */
export interface Awaited {
  readonly config: NeighborConfig;
  readonly state: { readonly mode: FsmMode };
  readonly timers: { get(timer: "idle-hold"): number | null };
  readonly quarantine: { readonly untilMs: number } | null;
  readonly session: {
    readonly negotiated: Negotiated;
    family(family: number): { readonly endOfRibReceived: boolean } | undefined;
  } | null;
  /** What OPENs say is another thing now. */
  offerAnew(): void;
}

export class OwnRestart {
  /** FAMILY bits in which neighbors are sent nothing yet. */
  waiting = 0;
  /** When the wait began. */
  sinceMs = 0;
  /** Families in which nobody is waited for any longer, but groups: since when. */
  private readonly completeMs: Map<Family, number> = new Map();
  private readonly outputs: Outputs;
  private readonly origins: OriginValidation;
  private readonly groups: UpdateGroups;

  constructor(outputs: Outputs, origins: OriginValidation, groups: UpdateGroups) {
    this.outputs = outputs;
    this.origins = origins;
    this.groups = groups;
  }

  /** Whether a session gets a family's routes only once the wait is over. */
  holdsBack(family: Family, config: NeighborConfig, negotiated: Negotiated): boolean {
    if ((this.waiting & family) === 0) return false;
    return config.gracefulRestart.mode === "full" && negotiated.gracefulRestart !== null;
  }

  /** The speaker starts. */
  start(nowMs: number, neighbors: ReadonlyMap<string, Awaited>): void {
    let families = 0;
    for (const { config } of neighbors.values()) {
      if (isExpected(config) && config.gracefulRestart.mode === "full") {
        families |= familiesOf(config);
      }
    }
    if (families === 0) return;
    this.waiting = families;
    this.sinceMs = nowMs;
    const message = "restarted: neighbors are sent nothing until all have sent what they have";
    this.outputs.log("restart", "info", null, message);
  }

  /** Time has passed. Constant once the wait is over. */
  tick(nowMs: number, neighbors: ReadonlyMap<string, Awaited>): void {
    if (this.waiting === 0) return;
    if (this.origins.gate === "closed") {
      this.sinceMs = nowMs;
      return;
    }
    for (const family of FAMILIES) {
      if ((this.waiting & family) !== 0) this.lookAt(family, nowMs, neighbors);
    }
    if (this.waiting !== 0) return;
    for (const neighbor of neighbors.values()) neighbor.offerAnew();
  }

  /** @returns addresses of neighbors whose routes of a family are waited for */
  awaitedIn(family: Family, nowMs: number, neighbors: ReadonlyMap<string, Awaited>): string[] {
    if ((this.waiting & family) === 0) return [];
    const found = [...neighbors.values()].filter((neighbor) =>
      this.awaits(neighbor, family, nowMs),
    );
    return found.map(({ config }) => config.address);
  }

  /** When nobody is waited for any longer. */
  limitMs(neighbors: ReadonlyMap<string, Awaited>): number {
    let seconds = 0;
    for (const { config } of neighbors.values()) {
      if (isExpected(config)) seconds = Math.max(seconds, config.ownRestart.deferSeconds);
    }
    return this.sinceMs + 1000 * seconds;
  }

  private lookAt(family: Family, nowMs: number, neighbors: ReadonlyMap<string, Awaited>): void {
    for (const neighbor of neighbors.values()) {
      if (!this.awaits(neighbor, family, nowMs)) continue;
      this.completeMs.delete(family);
      return;
    }
    const { groups, outputs } = this;
    const completeMs = this.completeMs.get(family) ?? nowMs;
    this.completeMs.set(family, completeMs);
    const limitMs = this.limitMs(neighbors);
    const isInVain = nowMs >= limitMs;
    const isNobody = limitMs === this.sinceMs;
    // What all have sent is to be on its way before the marker behind it.
    const isLate = isInVain || nowMs >= completeMs + LEVEL_MS;
    if (!isLate && !groups.isLevel(family)) return;
    this.waiting &= ~family;
    const count = groups.release(family);
    const label = familyLabel(family);
    const why = isNobody
      ? "nobody is to be waited for"
      : isInVain
        ? "the limit has passed"
        : "all that are waited for have sent theirs";
    const message = `${count} neighbors are sent ${label} routes: ${why}`;
    const level = isInVain && !isNobody ? "warn" : "info";
    outputs.log("restart", level, null, message, { family: label, count });
  }

  private awaits(neighbor: Awaited, family: Family, nowMs: number): boolean {
    const { config, session } = neighbor;
    if (!isExpected(config) || (familiesOf(config) & family) === 0) return false;
    const limitMs = this.sinceMs + 1000 * config.ownRestart.deferSeconds;
    if (nowMs >= limitMs) return false;
    if (session === null) return mayCome(neighbor, nowMs, limitMs);
    const { gracefulRestart } = session.negotiated;
    // One that has restarted too may be waiting for us (RFC 4724 section 4.1).
    if (gracefulRestart === null || gracefulRestart.restarting) return false;
    const state = session.family(family);
    return state !== undefined && !state.endOfRibReceived;
  }
}

/** Whether a neighbor may say where its routes end. */
function isExpected(config: NeighborConfig): boolean {
  return config.enabled && config.gracefulRestart.mode !== "off" && !isElsewhere(config);
}

/**
 * Whether a neighbor may come by then: it was not stopped, and is not held down for longer. One that is held
 * down for a message is not waited for at all: the others have just lost a process by it.
 */
function mayCome(neighbor: Awaited, nowMs: number, limitMs: number): boolean {
  const { state, timers, quarantine } = neighbor;
  const { mode } = state;
  if (quarantine !== null && quarantine.untilMs > nowMs) return false;
  if (mode === "damped") return (timers.get("idle-hold") ?? 0) < limitMs;
  return mode !== "stopped";
}
