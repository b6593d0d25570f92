/**
 * What another configuration would do, tried on a router that is a copy of one that runs: what each
 * neighbor would be sent, and which of its routes would be rejected. The copy is of no use afterwards.
 *
 * It is the reload itself that is done, and what it leads to; no time passes, and nobody answers. So a
 * session that ends stays down, and what a neighbor would say that is asked for its routes is not known.
 */

import type { Config, ConfigDiff } from "@ts-bgp/config";
import { describeDown } from "@ts-bgp/fsm";
import {
  nothingSent,
  type PeerRow,
  type Rib,
  ROUTE,
  type Sent,
  SentDifference,
  SentTo,
} from "@ts-bgp/rib";
import { type ConnectionId, FAMILIES, type Neighbor, type Router } from "@ts-bgp/router";
import { type Family, MESSAGE } from "@ts-bgp/wire-codec";
import { PathsBefore, type Rejudged } from "./paths-before.ts";
import { prefixText, type ShownReason, shownReason } from "./show-routes.ts";

/** What would become of a session; `none`: there is none, before and afterwards. */
export type SessionFate = "stays" | "resets" | "ends" | "begins" | "none";

/** What would be otherwise for one neighbor. */
export interface ShownWhatIf {
  neighbor: string;
  as: number;
  description: string | null;
  session: SessionFate;
  /** Why it does not stay: options that differ, or what ends it; null when it stays. */
  why: string | null;
  /** Routes that it would be sent, or no more, or with other attributes. */
  gained: number;
  lost: number;
  changed: number;
  /** Of these, those of prefixes whose best path is from a session that does not stay. */
  while_away: number;
  /** Of the routes that it has sent. */
  newly_rejected: number;
  newly_accepted: number;
  /** Why, the most frequent first. */
  rejected_by: (ShownReason & { count: number })[];
  /** It would be asked for its routes again, and what it answers is not known. */
  asked_again: boolean;
}

/** A route that would be otherwise. */
export interface ShownWhatIfRoute {
  prefix: string;
  /** As it is sent, or was received; absent without ADD-PATH. */
  path_id?: number;
  /** The first three: what the neighbor would be sent. */
  change: "gained" | "lost" | "changed" | "rejected" | "accepted";
  /** Of one that would be rejected. */
  reason?: ShownReason;
}

export interface WhatIf {
  /** Those for whom something would be otherwise, in the order of the configuration. */
  readonly neighbors: readonly ShownWhatIf[];
  readonly diff: ConfigDiff;
  /** Of the neighbor that was asked for; the first ones, in no order. */
  readonly routes: readonly ShownWhatIfRoute[];
  readonly routesLeftOut: number;
}

/** Of one neighbor, that are named. */
const ROUTES_MAX = 5000;
/** Pieces of work between which a neighbor takes what it is sent. */
const SLICE_PIECES = 1000;
/** By fate of a route. */
const CHANGES = [null, "gained", "lost", "changed"] as const;
const NOT_KEPT: ShownReason = {
  code: "not-kept",
  text: "rejected and not kept (keep-rejected), so that it is not known by what",
};

/**
 * @param router - a copy, which this changes
 * @param wanted - address of a neighbor whose routes are named; null for nobody's
 */
export function whatIf(router: Router, next: Config, wanted: string | null): WhatIf {
  settle(router);
  const trial = new Trial(router);
  const diff = router.configure(next, router.tables.nowMs);
  const asked = settle(router);
  return trial.outcome(diff, asked, wanted);
}

/**
 * Works until nothing is left to do, while peers take all that they are sent and say nothing.
 *
 * @returns connections on which a peer was asked for its routes
 */
function settle(router: Router): ReadonlySet<ConnectionId> {
  const { nowMs } = router.tables;
  const asked = new Set<ConnectionId>();
  for (const { session } of router.neighbors.values()) {
    if (session !== null)
      router.sent(session.connection.id, session.connection.backlogOctets, nowMs);
  }
  for (let more = true; more; ) {
    let left = SLICE_PIECES;
    more = router.slice(nowMs, () => left-- > 0);
    for (const output of router.takeOutputs()) {
      if (output.do === "close") router.closed(output.connection, nowMs);
      else if (output.do === "write") {
        router.sent(output.connection, output.octets.length, nowMs);
        if (output.octets[18] === MESSAGE.ROUTE_REFRESH) asked.add(output.connection);
      } else continue;
      more = true;
    }
  }
  return asked;
}

/** A neighbor with a session, as it was. */
interface Was {
  readonly neighbor: Neighbor;
  readonly session: NonNullable<Neighbor["session"]>;
  readonly sent: readonly SentBefore[];
}

/** What it was sent of one family. */
interface SentBefore {
  readonly family: Family;
  readonly sent: Sent;
  readonly cls: number;
}

class Trial {
  private readonly router: Router;
  private readonly was: Map<string, Was> = new Map();
  private readonly paths: ReadonlyMap<Family, PathsBefore>;
  private readonly routes: ShownWhatIfRoute[] = [];
  private leftOut = 0;

  /** Takes down what is. */
  constructor(router: Router) {
    this.router = router;
    const { tables } = router;
    // What is compared later is known by its row.
    const holder = { needsRow: () => true, isSettled: false, moveRow: () => {} };
    for (const family of FAMILIES) tables.rib(family).rowHolders.push(holder);
    this.paths = new Map(FAMILIES.map((family) => [family, new PathsBefore(tables.rib(family))]));
    const copies = new Map<unknown, Sent>();
    for (const [address, neighbor] of router.neighbors) {
      const { session } = neighbor;
      if (session === null) continue;
      const sent = session.families.map(({ family, member }): SentBefore => {
        const { group, cls } = member;
        const { form, rib } = group;
        if (tables.groups.held.includes(member))
          return { family, sent: nothingSent(rib, form), cls };
        const copy = copies.get(group) ?? { form, adjRibOut: group.adjRibOut.copy() };
        copies.set(group, copy);
        return { family, sent: copy, cls };
      });
      this.was.set(address, { neighbor, session, sent });
    }
  }

  /** @param asked - connections on which a peer was asked for its routes */
  outcome(diff: ConfigDiff, asked: ReadonlySet<ConnectionId>, wanted: string | null): WhatIf {
    const { router, was } = this;
    const away = new Set<PeerRow>();
    for (const one of was.values()) if (!this.stays(one)) away.add(one.neighbor.row);
    const sent = FAMILIES.map((family) => this.compareSent(family, away, wanted));
    const row = wanted === null ? 0 : (was.get(wanted)?.neighbor.row ?? 0);
    const judged = FAMILIES.map((family) => this.compareReceived(family, row));
    const addresses = new Set([...router.neighbors.keys(), ...was.keys(), ...diff.removed]);
    const neighbors = [...addresses].flatMap((address) => {
      const one = this.shown(address, diff);
      for (const counts of sent) addSent(one, counts.get(address));
      const before = was.get(address);
      if (before !== undefined && one.session === "stays") {
        one.asked_again = asked.has(before.session.connection.id);
        this.addJudged(
          one,
          judged.map((each) => each.get(before.neighbor.row)),
        );
      }
      return isOtherwise(one) ? [one] : [];
    });
    return { neighbors, diff, routes: this.routes, routesLeftOut: this.leftOut };
  }

  private stays({ neighbor, session }: Was): boolean {
    return this.router.neighbors.get(neighbor.config.address)?.session === session;
  }

  /** @returns by neighbor, how many routes of a family it has otherwise */
  private compareSent(
    family: Family,
    away: ReadonlySet<PeerRow>,
    wanted: string | null,
  ): Map<string, SentTo> {
    const rib = this.router.tables.rib(family);
    const isAway = this.paths.get(family)!.bestOf(away);
    const found = new Map<string, SentTo>();
    for (const { before, after, members } of this.moves(rib, found)) {
      const named = wanted === null ? undefined : found.get(wanted);
      const note =
        named === undefined || !members.includes(named)
          ? null
          : (row: number, pathId: number, fateOf: (one: SentTo) => number) => {
              const change = CHANGES[fateOf(named)];
              const id = before.form.addPath ? { path_id: pathId } : {};
              if (change != null) this.name({ prefix: prefixText(rib, row), ...id, change });
            };
      new SentDifference(rib, before, after, members, isAway, note).count();
    }
    return found;
  }

  /**
   * @param found - who is among the members, by neighbor, is put there
   * @returns members that were in one group and are in one
   */
  private moves(rib: Rib, found: Map<string, SentTo>) {
    const { family } = rib;
    const none = new Map<Sent, Sent>();
    const all = new Map<Sent, Map<unknown, { before: Sent; after: Sent; members: SentTo[] }>>();
    for (const [address, was] of this.was) {
      const before = was.sent.find((one) => one.family === family);
      if (before === undefined) continue;
      const member = this.stays(was) ? was.session.family(family)?.member : undefined;
      const isHeld = member !== undefined && this.router.tables.groups.held.includes(member);
      const group = isHeld ? undefined : member?.group;
      const nothing = none.get(before.sent) ?? nothingSent(rib, before.sent.form);
      none.set(before.sent, nothing);
      const byGroup = all.get(before.sent) ?? new Map();
      all.set(before.sent, byGroup);
      const move = byGroup.get(group) ?? {
        before: before.sent,
        after: group ?? nothing,
        members: [],
      };
      byGroup.set(group, move);
      const one = new SentTo(was.neighbor.row, before.cls, member?.cls ?? before.cls);
      move.members.push(one);
      found.set(address, one);
    }
    return [...all.values()].flatMap((byGroup) => [...byGroup.values()]);
  }

  /** @param wanted - whose routes are named; 0 for nobody's */
  private compareReceived(family: Family, wanted: PeerRow): Map<PeerRow, Rejudged> {
    const rib = this.router.tables.rib(family);
    return this.paths.get(family)!.compare(rib, (peer, prefix, pathId, reason) => {
      if (peer !== wanted) return;
      this.name({
        prefix: prefixText(rib, prefix),
        ...(pathId === 0 ? {} : { path_id: pathId }),
        ...(reason === null
          ? { change: "accepted" }
          : { change: "rejected", reason: this.reason(reason) }),
      });
    });
  }

  private addJudged(one: ShownWhatIf, judged: readonly (Rejudged | undefined)[]): void {
    const reasons = new Map<number, number>();
    for (const { accepted, rejected } of judged.filter((each) => each !== undefined)) {
      one.newly_accepted += accepted;
      for (const [reason, count] of rejected) {
        one.newly_rejected += count;
        reasons.set(reason, (reasons.get(reason) ?? 0) + count);
      }
    }
    const sorted = [...reasons].toSorted(([, a], [, b]) => b - a);
    one.rejected_by = sorted.map(([reason, count]) => ({ ...this.reason(reason), count }));
  }

  private reason(number: number): ShownReason {
    return number === 0 ? NOT_KEPT : shownReason(this.router.tables.reasons, number);
  }

  private name(route: ShownWhatIfRoute): void {
    if (this.routes.length < ROUTES_MAX) this.routes.push(route);
    else this.leftOut++;
  }

  private shown(address: string, diff: ConfigDiff): ShownWhatIf {
    const was = this.was.get(address);
    const is = this.router.neighbors.get(address);
    // A neighbor that is removed without a session is in neither.
    const config = (is ?? was?.neighbor)?.config ?? null;
    return {
      neighbor: address,
      as: config?.as ?? 0,
      description: config?.description ?? null,
      ...this.sessionOf(address, diff, was, is),
      ...{ gained: 0, lost: 0, changed: 0, while_away: 0 },
      ...{ newly_rejected: 0, newly_accepted: 0, rejected_by: [], asked_again: false },
    };
  }

  private sessionOf(
    address: string,
    { added, removed, changed }: ConfigDiff,
    was: Was | undefined,
    is: Neighbor | undefined,
  ): Pick<ShownWhatIf, "session" | "why"> {
    if (added.includes(address)) return { session: "begins", why: "the neighbor is added" };
    if (was === undefined) return { session: "none", why: null };
    if (removed.includes(address)) return { session: "ends", why: "the neighbor is removed" };
    if (this.stays(was)) return { session: "stays", why: null };
    const change = changed.find((one) => one.address === address);
    if (change?.reset && is?.config.enabled) {
      const why = change.options.map(kebab).join(", ");
      return { session: "resets", why: why || "section router" };
    }
    const down = is?.lastDown ?? null;
    return { session: "ends", why: down === null ? "it ends" : describeDown(down.reason) };
  }
}

function addSent(one: ShownWhatIf, sent: SentTo | undefined): void {
  if (sent === undefined) return;
  one.gained += sent.counts[ROUTE.GAINED]!;
  one.lost += sent.counts[ROUTE.LOST]!;
  one.changed += sent.counts[ROUTE.CHANGED]!;
  one.while_away += sent.marked;
}

function isOtherwise(one: ShownWhatIf): boolean {
  const { session, gained, lost, changed, newly_rejected, newly_accepted, asked_again } = one;
  const routes = gained + lost + changed + newly_rejected + newly_accepted;
  return routes > 0 || asked_again || (session !== "stays" && session !== "none");
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
