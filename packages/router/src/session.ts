/**
 * An established session: what was negotiated, what is read from the peer by it, and the peer's
 * places in the update groups.
 */

import type { PathAttributeOptions } from "@ts-bgp/config";
import type { DownReason, Negotiated } from "@ts-bgp/fsm";
import { type Filter, REASON } from "@ts-bgp/policy";
import { advertisedCount } from "@ts-bgp/rib";
import {
  ACTION_WEIGHT,
  AFI,
  ATTR,
  CEASE,
  EXTENDED_MESSAGE_OCTETS_MAX,
  encodeRouteRefresh,
  encodeUpdate,
  FAMILY,
  type Family,
  familyAfi,
  MESSAGE_OCTETS_MAX,
  ROUTE_REFRESH,
  type RouteRefreshMessage,
  SAFI,
  type Section,
  type UpdateContext,
  type UpdateReader,
} from "@ts-bgp/wire-codec";
import type { Connection } from "./connection.ts";
import type { GroupSettings } from "./exporter.ts";
import { familyLabel, ownAddresses } from "./facts.ts";
import { groupSettings, type OwnAddresses } from "./group-settings.ts";
import { countHeard } from "./heard-counts.ts";
import { limitIn } from "./max-prefix.ts";
import type { Observed } from "./observed.ts";
import { observedSession } from "./observing.ts";
import { type FamilyImport, RouteImport } from "./route-import.ts";
import type { SessionPeer } from "./session-peer.ts";
import { FAMILIES, type Tables } from "./tables.ts";
import type { GroupEntry, MemberOwner, SessionMember } from "./update-groups.ts";

/** State of one family of a session. */
export interface FamilyState {
  readonly family: Family;
  member: SessionMember;
  /** Update group that the session is about to move to, see `regroup`. */
  next: GroupEntry | null;
  /** Refresh round of the peer's routes (RFC 7313 section 4). */
  round: number;
  /** The peer has begun a refresh and not ended it. */
  refreshing: boolean;
  endOfRibSent: boolean;
  endOfRibReceived: boolean;
  /** Everything is being sent to the peer again. */
  resending: boolean;
  /** And once more after that, since the peer asked again. */
  resendAgain: boolean;
  /** There are more routes to send than `max-prefix-out` says, and that was told. */
  sendsTooMuch: boolean;
  readonly import: FamilyImport;
}

/** End-of-RIB markers (RFC 4724 section 2). */
const END_OF_RIB: Readonly<Record<Family, Uint8Array>> = {
  [FAMILY.IPV4_UNICAST]: encodeUpdate({}),
  [FAMILY.IPV6_UNICAST]: encodeUpdate({
    attributes: [
      { type: ATTR.MP_UNREACH_NLRI, value: { afi: AFI.IPV6, safi: SAFI.UNICAST, nlri: [] } },
    ],
  }),
};

/** @returns what the reader is to know of attributes that are not looked at; nothing where there are none */
function brakesOf({
  discard,
  treatAsWithdraw,
}: PathAttributeOptions): Pick<UpdateContext, "brakes"> {
  if (discard.length + treatAsWithdraw.length === 0) return {};
  return { brakes: { discard, treatAsWithdraw } };
}

export class Session implements MemberOwner {
  readonly neighbor: SessionPeer;
  readonly connection: Connection;
  readonly negotiated: Negotiated;
  /** Longest message that is taken. */
  readonly octetsMax: number;
  readonly sinceMs: number;
  readonly families: readonly FamilyState[];
  readonly own: OwnAddresses;
  /** What is decided about the peer's routes. */
  readonly import: RouteImport;
  private readonly tables: Tables;
  private context: UpdateContext;

  constructor(neighbor: SessionPeer, connection: Connection, negotiated: Negotiated) {
    const { tables, config, row } = neighbor;
    this.neighbor = neighbor;
    this.tables = tables;
    this.connection = connection;
    this.negotiated = negotiated;
    this.octetsMax = negotiated.extendedMessageReceive
      ? EXTENDED_MESSAGE_OCTETS_MAX
      : MESSAGE_OCTETS_MAX;
    this.sinceMs = tables.nowMs;
    this.own = ownAddresses(connection, negotiated);
    this.context = {
      fourOctetAs: negotiated.fourOctetAs,
      external: negotiated.peerAs !== config.localAs,
      addPath: negotiated.addPathReceive,
      families: negotiated.families,
      allowAsSet: config.asSet === "accept",
      allowConfed: false,
      aigp: false,
      extendedNextHop: negotiated.extendedNextHop,
      rpkiState: config.acceptRpkiState,
      ...brakesOf(config.pathAttribute),
    };
    this.import = new RouteImport(neighbor, negotiated, this.own);
    tables.peers.identifier[row] = negotiated.peerIdentifier;
    this.families = FAMILIES.filter((family) => (negotiated.families & family) !== 0).map(
      (family) => this.startFamily(family),
    );
    if (tables.wants.sessions) this.tell({ kind: "up", ...observedSession(this) });
  }

  family(family: number): FamilyState | undefined {
    return this.families.find((state) => state.family === family);
  }

  /** Whether the session is the neighbor's, and not over. */
  get isCurrent(): boolean {
    return this.neighbor.session === this;
  }

  /**
   * Takes an UPDATE; nothing of one that must reset the session.
   *
   * @returns the reader, with the faults of the message
   */
  update(buf: Uint8Array, at: number, end: number): UpdateReader {
    const { reader } = this.tables;
    reader.read(buf, at, end, this.context);
    if (this.tables.wants.updates !== "none") this.tellUpdate(buf, at, end, reader.action !== 0);
    if (reader.action === ACTION_WEIGHT["session-reset"]) return reader;
    for (const family of FAMILIES) this.tables.rib(family).resetCounts();
    this.withdraw(reader.withdrawn, buf);
    this.withdraw(reader.unreachable, buf);
    const reason = this.announce(reader.announced, "field", buf);
    const mpReason = this.announce(reader.reachable, "mp", buf);
    countHeard(this.neighbor.heard, this.tables, reason || mpReason);
    const state = reader.endOfRib === 0 ? undefined : this.family(reader.endOfRib);
    if (state !== undefined) state.endOfRibReceived = true;
    return reader;
  }

  /**
   * Takes a ROUTE-REFRESH (RFC 2918, RFC 7313).
   *
   * @returns the family whose refresh by the peer has ended, null when none has
   */
  routeRefresh(message: RouteRefreshMessage): FamilyState | null {
    const state = this.families.find(
      ({ family }) => familyAfi(family) === message.afi && message.safi === SAFI.UNICAST,
    );
    if (state === undefined) return null;
    if (message.subtype === ROUTE_REFRESH.REQUEST) this.resend(state);
    if (!this.negotiated.enhancedRouteRefresh) return null;
    if (message.subtype === ROUTE_REFRESH.BEGIN) {
      // RFC 7313 section 4: not before the End-of-RIB marker of a peer that restarts gracefully.
      if (this.negotiated.gracefulRestart !== null && !state.endOfRibReceived) return null;
      state.round = (state.round + 1) & 0xff;
      state.refreshing = true;
    } else if (message.subtype === ROUTE_REFRESH.END && state.refreshing) {
      state.refreshing = false;
      return state;
    }
    return null;
  }

  /** Sends the peer everything again, once what is being sent is sent. */
  resend(state: FamilyState): void {
    if (!state.endOfRibSent || state.resending) {
      state.resendAgain = true;
      return;
    }
    state.resending = true;
    if (this.negotiated.enhancedRouteRefresh) this.writeRefresh(state.family, ROUTE_REFRESH.BEGIN);
    state.member.group.refresh(state.member);
  }

  /** Asks the peer to send everything again. @returns whether it can */
  requestRefresh(): boolean {
    const { log } = this.neighbor;
    const can = this.negotiated.routeRefresh;
    for (const { family } of can ? this.families : []) {
      this.writeRefresh(family, ROUTE_REFRESH.REQUEST);
    }
    const text = can ? "asked to send all routes again" : "cannot be asked to send routes again";
    log.add("refresh", can ? "info" : "warn", this.tables.nowMs, text);
    return can;
  }

  /** Attributes that are not looked at are others: all routes are read again, if the peer can send them. */
  readAnew(): void {
    const { brakes: _, ...context } = this.context;
    this.context = { ...context, ...brakesOf(this.neighbor.config.pathAttribute) };
    this.requestRefresh();
  }

  /** The limit on what the peer is sent is another one. */
  checkSent(): void {
    const { groups } = this.tables;
    const { maxPrefixOut } = this.neighbor.config;
    for (const state of this.families) {
      if (limitIn(maxPrefixOut, state.member.group.rib.family) === null) state.sendsTooMuch = false;
      if (!groups.held.includes(state.member)) this.admits(state.member);
    }
    groups.endOver();
  }

  admits(member: SessionMember): boolean {
    const { config, log } = this.neighbor;
    const { family } = member.group.rib;
    const limit = limitIn(config.maxPrefixOut, family);
    if (limit === null || config.maxPrefixOut.action === "block") return true;
    const state = this.family(family)!;
    const count = advertisedCount(member.group, member);
    const wasOver = state.sendsTooMuch;
    state.sendsTooMuch = count > limit;
    if (count <= limit) return true;
    const { action } = config.maxPrefixOut;
    if (action !== "warn") this.tables.groups.over.push(member);
    if (action !== "warn" || wasOver) return action === "warn";
    const label = familyLabel(family);
    const text = `${count} ${label} routes are sent, and max-prefix-out is ${limit}`;
    log.add("max-prefix-out", "warn", this.tables.nowMs, text, {
      family: label,
      count,
      limit,
      action,
    });
    return true;
  }

  limited({ group }: SessionMember): void {
    const { log } = this.neighbor;
    const { family } = group.rib;
    const state = this.family(family)!;
    const waiting = group.adjRibOut.beyond.size;
    const wasOver = state.sendsTooMuch;
    state.sendsTooMuch = waiting > 0;
    const { limit: kept } = group.adjRibOut;
    if (wasOver || waiting === 0 || kept === null) return;
    // Not that of the configuration: after a reload the group before works on for a while.
    const limit = kept.routes;
    const label = familyLabel(family);
    const text = `no more than ${limit} ${label} routes are sent, as max-prefix-out says`;
    const fields = { family: label, limit, action: "block" };
    log.add("max-prefix-out", "warn", this.tables.nowMs, text, fields);
  }

  overrun({ group }: SessionMember): void {
    if (!this.isCurrent) return;
    const { config, log } = this.neighbor;
    const { action, restartAfter } = config.maxPrefixOut;
    const label = familyLabel(group.rib.family);
    const limit = limitIn(config.maxPrefixOut, group.rib.family);
    const text = `more than ${limit} ${label} routes would be sent, action ${action}`;
    log.add("max-prefix-out", "error", this.tables.nowMs, text, { family: label, limit, action });
    const isForLong = action === "shutdown";
    const subcode = isForLong ? CEASE.ADMINISTRATIVE_SHUTDOWN : CEASE.ADMINISTRATIVE_RESET;
    const told = `limit of ${limit} ${label} routes to be sent`;
    this.neighbor.stop(subcode, told, isForLong ? null : restartAfter);
  }

  /** The session is over: its places in the update groups are given up. */
  end(reason: DownReason): void {
    const { groups, wants, nowMs } = this.tables;
    if (wants.sessions) {
      const { connection, neighbor } = this;
      this.tell({
        kind: "down",
        peer: neighbor.row,
        connection: connection.id,
        atMs: nowMs,
        reason,
      });
    }
    for (const { member, next } of this.families) {
      this.neighbor.sent.update += member.messages;
      groups.leave(member);
      if (next !== null) groups.expectOneLess(next);
    }
  }

  /** Settings that name the update group of a family, as configuration and policies are now. */
  groupOf(family: Family): { filter: Filter; settings: GroupSettings } {
    const { tables, negotiated, own } = this;
    const { config } = this.neighbor;
    const filter = tables.policies.filter(config.export, config.localAs, config.vars);
    const { config: all, isLongLived } = tables;
    const rest = [negotiated, own, filter, isLongLived] as const;
    const settings = groupSettings(family, all, config, ...rest);
    const { maxPrefixOut } = config;
    const routes = maxPrefixOut.action === "block" ? limitIn(maxPrefixOut, family) : null;
    if (routes === null) return { filter, settings };
    // Members of a group that has a limit are of one class.
    const cls = tables.directory.classOf(this.neighbor.row, settings.classByAs);
    return { filter, settings: { ...settings, limit: { routes, cls } } };
  }

  private tellUpdate(buf: Uint8Array, at: number, end: number, isMalformed: boolean): void {
    const { wants, nowMs } = this.tables;
    if (wants.updates === "malformed" && !isMalformed) return;
    const about = { peer: this.neighbor.row, atMs: nowMs, isMalformed };
    this.tell({ kind: "update", ...about, octets: buf.slice(at, end) });
  }

  private tell(event: Observed): void {
    this.tables.outputs.push({ do: "observe", event });
  }

  private startFamily(family: Family): FamilyState {
    const { tables, neighbor } = this;
    const { filter, settings } = this.groupOf(family);
    const entry = tables.groups.find(tables.rib(family), settings, filter, neighbor.facts);
    const cls = tables.directory.classOf(neighbor.row, settings.classByAs);
    const isHeld = tables.restart.holdsBack(family, neighbor.config, this.negotiated);
    if (settings.nextHop === "policy" && !filter.setsNextHop) this.warnOfNextHop(family);
    return {
      family,
      member: tables.groups.join(entry, cls, this.connection, this, isHeld),
      next: null,
      round: 0,
      refreshing: false,
      endOfRibSent: false,
      endOfRibReceived: false,
      resending: false,
      resendAgain: false,
      sendsTooMuch: false,
      import: this.import.family(family)!,
    };
  }

  /** There is no address that could be the next hop of what is sent. */
  private warnOfNextHop(family: Family): void {
    const label = familyLabel(family);
    const { localAddress } = this.connection;
    const reason = `the interface of ${localAddress} has no address for it`;
    const text = `${label} routes that need our next hop are not sent: ${reason}`;
    this.neighbor.log.add("next-hop-unavailable", "warn", this.tables.nowMs, text, {
      family: label,
      local_address: localAddress,
    });
  }

  private withdraw(section: Section, buf: Uint8Array): void {
    if (section.at === section.end || section.family === 0) return;
    const rib = this.tables.rib(section.family as Family);
    rib.withdraw(this.neighbor.row, buf, section.at, section.end, section.addPath);
  }

  /** @returns why all of it is rejected, before policy is asked; 0 when it is not */
  private announce(section: Section, which: "field" | "mp", buf: Uint8Array): number {
    const state = section.at === section.end ? undefined : this.family(section.family);
    if (state === undefined) return 0;
    const { tables } = this;
    const { importer } = this.import;
    const attrIn = this.prepare(which, state.family);
    const { reason } = importer;
    tables
      .rib(state.family)
      .announce(
        this.neighbor.row,
        buf,
        section.at,
        section.end,
        section.addPath,
        attrIn,
        importer,
        state.import.limits,
        state.round,
        tables.nowSeconds,
      );
    importer.finish();
    tables.attrs.release(attrIn);
    return reason;
  }

  /** Gets the importer ready for routes of the message at hand. @returns their set, held */
  private prepare(which: "field" | "mp", family: Family): number {
    const { importer } = this.import;
    const { reader, attrs, emptySet } = this.tables;
    const malformed = reader.action === ACTION_WEIGHT["treat-as-withdraw"];
    if (malformed) reader.remains(which);
    else reader.canonical(which);
    if (reader.attrsEnd - reader.attrsAt <= EXTENDED_MESSAGE_OCTETS_MAX) {
      const attrIn = attrs.intern(reader.attrs, reader.attrsAt, reader.attrsEnd);
      importer.prepare(attrIn, family);
      return attrIn;
    }
    // A path of 2-octet AS numbers can be twice as long once they have 4 octets.
    importer.prepareRejected(REASON[malformed ? "malformed" : "attributes-too-long"]);
    attrs.hold(emptySet);
    return emptySet;
  }

  /** The update group has sent everything. */
  synced(family: Family): void {
    const { neighbor } = this;
    const state = this.family(family)!;
    if (!state.endOfRibSent) {
      state.endOfRibSent = true;
      this.connection.write(END_OF_RIB[state.family]);
      neighbor.sent.update++;
    }
    // Both, where another router has not told what this one has in the place of which it goes on.
    if (state.resending) {
      state.resending = false;
      if (this.negotiated.enhancedRouteRefresh) this.writeRefresh(state.family, ROUTE_REFRESH.END);
    }
    if (!state.resendAgain) return;
    state.resendAgain = false;
    this.resend(state);
  }

  private writeRefresh(family: Family, subtype: number): void {
    const message = { afi: familyAfi(family), safi: SAFI.UNICAST, subtype };
    this.connection.write(encodeRouteRefresh(message));
    this.neighbor.sent.routeRefresh++;
  }
}
