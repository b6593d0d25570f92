/**
 * A router that gets the calls of another one and comes to other outputs, by version or by fault. What
 * peers were sent is what the other has put out. So that this one can go on in its place, it notes
 *
 * - of which prefixes a peer may have been sent something else than this router's Adj-RIB-Out says:
 *   those that either has spoken of while the two differed;
 * - which markers (End-of-RIB, the ends of a refresh) only one of them has written;
 * - which attempts to connect are under way, and which OPEN was sent on a connection;
 * - which sessions this router has given up, or cannot go on with.
 */

import { describeDown } from "@ts-bgp/fsm";
import { type Doubt, Doubts, RowSet } from "@ts-bgp/rib";
import {
  ACTION_WEIGHT,
  type Capability,
  CEASE,
  decodeOpen,
  decodeRouteRefresh,
  FAMILY,
  type Family,
  Fault,
  familyBit,
  isCapability,
  KEEPALIVE_OCTETS,
  MESSAGE,
  ROUTE_REFRESH,
  readU16,
  type UpdateContext,
  UpdateReader,
} from "@ts-bgp/wire-codec";
import { EarlyWrites } from "./early-writes.ts";
import type { Neighbor } from "./neighbor.ts";
import { type ConnectionId, isEffect, type Output } from "./outputs.ts";
import type { Router } from "./router.ts";
import type { FamilyState, Session } from "./session.ts";
import { FAMILIES } from "./tables.ts";

/** A session that ends when the router goes on, and why. */
export interface Doomed {
  readonly address: string;
  readonly cause: string;
}

/** By how many more this router has written a marker than the other. */
interface Markers {
  endOfRib: number;
  begins: number;
  ends: number;
}

/** What was written to several connections that read it alike. */
interface Written {
  readonly octets: Uint8Array;
  readonly sessions: Session[];
}

/** What came of the other's outputs. */
export interface Done {
  /** Octets that were written to a connection and have not left; null for one that is gone, or will be then. */
  backlogOf(connection: ConnectionId): number | null;
  /** Number of the attempt to connect to a neighbor that is under way; 0 for none. */
  attemptOf(neighbor: string): ConnectionId | 0;
}

const NOTHING: Doubt = { rows: new RowSet(), pathIds: new Map() };
const NO_OCTETS = new Uint8Array(0);
/** Slices before the router goes on, so that what has come is read: about a second's work at most. */
const SLICES_MAX = 256;
/** Code of the capability that offers a family (RFC 4760 section 8). */
const MULTIPROTOCOL = 1;

export class Deviations {
  /** Brackets in which the outputs differed. */
  brackets = 0;
  /** This router has written something that was not sent, or the other something in its place. */
  private haveDiffered = false;
  private readonly router: Router;
  private readonly reader: UpdateReader = new UpdateReader();
  private readonly doubts: ReadonlyMap<Family, Doubts>;
  /** By connection and family. */
  private readonly markers: Map<string, Markers> = new Map();
  /** What this router has written last to connections that it has given up and the other has not. */
  private readonly farewells: Map<ConnectionId, Uint8Array> = new Map();
  /** Connections whose peer was sent something that cannot be read here. */
  private readonly unread: Set<ConnectionId> = new Set();
  private readonly early: EarlyWrites = new EarlyWrites();
  /** OPENs of this router that were not sent. */
  private readonly unsent: Map<ConnectionId, Uint8Array> = new Map();
  /** Connections that the other closes in the bracket whose calls are being run. */
  private closing: ReadonlySet<ConnectionId> = new Set();
  private readonly done: Done;

  constructor(router: Router, done: Done) {
    this.router = router;
    this.done = done;
    const { tables } = router;
    this.doubts = new Map(FAMILIES.map((family) => [family, new Doubts(tables.rib(family))]));
  }

  /** The other's outputs of a bracket whose calls are about to be run: its OPENs count from the first. */
  expect(real: readonly Output[]): void {
    const { opens } = this.router.tables;
    this.closing = new Set(real.flatMap((one) => (one.do === "close" ? [one.connection] : [])));
    for (const output of real) {
      if (output.do !== "write" || output.octets[18] !== MESSAGE.OPEN) continue;
      const open = decodeOpen(output.octets, 0, output.octets.length);
      if (!(open instanceof Fault)) opens.set(output.connection, open);
    }
  }

  /** A peer has connected; where the other is not about to refuse it, this router must not either. */
  expectAccepted(address: string, id: ConnectionId): void {
    const neighbor = this.router.neighbors.get(address);
    if (neighbor === undefined || this.closing.has(id)) return;
    const { session } = neighbor;
    const mayRestart = (session?.negotiated.gracefulRestart?.families ?? 0) !== 0;
    // The end of the earlier session may not be read here yet.
    if (session !== null && !mayRestart) neighbor.closed(session.connection);
    if (neighbor.state.mode !== "damped") return;
    const attempt = this.done.attemptOf(address);
    neighbor.followAttempt(attempt || id);
    if (attempt === 0) neighbor.connectFailed();
  }

  /**
   * Has the router work by itself, beside what it follows. What comes of it is not done.
   *
   * @returns whether there is more to do
   */
  work(mayGoOn: () => boolean): boolean {
    const { router } = this;
    const more = router.slice(router.tables.nowMs, mayGoOn);
    const own = router.takeOutputs();
    if (own.some(isEffect)) this.differ(own, []);
    return more;
  }

  /**
   * In a bracket that was run, the outputs differed.
   *
   * @param own - what was not done
   * @param real - what was done in its place
   */
  note(own: readonly Output[], real: readonly Output[]): void {
    this.brackets++;
    this.differ(own, real);
  }

  private differ(own: readonly Output[], real: readonly Output[]): void {
    this.haveDiffered = true;
    this.readEarly();
    this.noteOpens(own);
    this.noteWritten(own, 1);
    this.noteWritten(real, -1);
    this.noteAttempts(own, real);
    this.noteCloses(own, real);
    for (const output of [...own, ...real]) {
      if (!isEffect(output)) continue;
      const connection = this.router.connection(output.connection);
      const octets = this.done.backlogOf(output.connection);
      if (connection !== undefined && octets !== null) connection.backlogOctets = octets;
    }
    // What came of following is not to be done either.
    this.router.takeOutputs();
  }

  /** Whether more is noted than there should be memory for; an image of the other has no need of it. */
  get isFull(): boolean {
    return this.early.isFull || [...this.doubts.values()].some(({ isFull }) => isFull);
  }

  /** Sessions that would not go on, by address. */
  get doomed(): Doomed[] {
    const found: Doomed[] = [];
    for (const id of this.farewells.keys()) {
      const neighbor = this.neighborOn(id);
      if (neighbor === undefined) continue;
      found.push({ address: neighbor.config.address, cause: causeOf(neighbor) });
    }
    for (const { config, session } of this.router.neighbors.values()) {
      const cause = session === null ? null : this.problemOf(session);
      if (cause !== null) found.push({ address: config.address, cause });
    }
    return found.sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /**
   * The router goes on itself: what it puts out from now on is done, and brings each peer to what its
   * Adj-RIB-Out says.
   *
   * @param isolate - takes those down, by orders, of whom nothing more may be read or passed on
   * @returns by connection that it has given up, what the peer is still to be sent before its end
   */
  end(isolate: () => void): ReadonlyMap<ConnectionId, Uint8Array> {
    const { router } = this;
    const { tables } = router;
    if (this.haveDiffered) {
      isolate();
      const ordered = router.takeOutputs();
      // What is not read yet may be what the other has passed on already.
      for (let n = 0; n < SLICES_MAX && router.hasInput; n++) this.work(() => false);
      this.readEarly();
      this.giveUpUnread();
      for (const output of ordered) tables.outputs.push(output);
    }
    for (const neighbor of router.neighbors.values()) {
      const { session } = neighbor;
      const problem = session === null ? null : this.problemOf(session);
      if (problem !== null) neighbor.stop(CEASE.ADMINISTRATIVE_RESET, problem, 0);
      else if (this.haveDiffered) this.goOn(neighbor);
      // What the other has rejected was not kept, and may not be what this router rejects.
      if (problem === null && !neighbor.config.keepRejected) session?.requestRefresh();
      neighbor.goOnConnecting();
    }
    for (const doubts of this.doubts.values()) doubts.close();
    tables.opens.clear();
    return this.farewells;
  }

  /** Says to a peer what it may be waiting for. */
  private goOn({ session, sent, state: { outgoing, incoming } }: Neighbor): void {
    const { opens } = this.router.tables;
    for (const each of [outgoing, incoming]) {
      if (each === null || each.state === "connect") continue;
      const connection = this.router.connection(each.id);
      if (!opens.has(each.id)) connection?.write(this.unsent.get(each.id) ?? NO_OCTETS);
      if (each.state !== "open-confirm" && each.state !== "established") continue;
      connection?.write(KEEPALIVE_OCTETS);
      sent.keepalive++;
    }
    for (const state of session?.families ?? []) this.settle(session!, state);
  }

  /** @returns why a session cannot go on here; null when it can */
  private problemOf({ connection, negotiated }: Session): string | null {
    if (this.unread.has(connection.id)) return "the peer was sent what this version cannot read";
    const theirs = new Set(negotiated.peerCapabilities.map(({ code }) => code));
    // One that was taken over from a version that did not keep them has none.
    const local = negotiated.localCapabilities ?? [];
    // Their names are those of the version that has opened the session.
    const strange = local.find(({ code }) => theirs.has(code) && !isCapability(code));
    if (strange !== undefined) {
      return `capability ${strange.code} was agreed on, which this version does not know`;
    }
    // What other capabilities say of a family means nothing unless it was agreed on.
    const offered = new Set(strangeFamilies(negotiated.peerCapabilities));
    const family = strangeFamilies(local).find((each) => offered.has(each));
    if (family === undefined) return null;
    return `the family ${family} was agreed on, which this version does not know`;
  }

  private settle(session: Session, state: FamilyState): void {
    const { id } = session.connection;
    const { member } = state;
    const addPath = (session.negotiated.addPathSend & state.family) !== 0;
    const doubt = this.doubts.get(state.family)!.get(id, addPath);
    const { endOfRib, begins, ends } = this.markersOf(id, state.family);
    const lacksEnd = state.endOfRibSent && endOfRib > 0;
    if (lacksEnd) state.endOfRibSent = false;
    // The other one no longer waited for anybody: what it has sent may have to be taken back.
    if (doubt !== null || lacksEnd || endOfRib < 0) this.router.tables.groups.releaseOne(member);
    if (doubt !== null || lacksEnd) member.group.doubt(member, doubt ?? NOTHING, lacksEnd);
    const isOpen = Number(state.resending) - begins + ends > 0;
    if (!isOpen) return;
    // The peer lets go of all that it was not sent since the other has begun, whatever this one has sent.
    if (state.resending) state.member.group.refresh(state.member);
    else session.resend(state);
  }

  private noteWritten(outputs: readonly Output[], sign: 1 | -1): void {
    for (const written of this.writtenBy(outputs, sign)) this.noteOctets(written, sign);
  }

  private noteOctets({ octets, sessions }: Written, sign: 1 | -1): void {
    for (let at = 0; at < octets.length; ) {
      const end = at + readU16(octets, at + 16);
      if (octets[at + 18] === MESSAGE.UPDATE) this.noteUpdate(octets, at, end, sessions, sign);
      else if (octets[at + 18] === MESSAGE.ROUTE_REFRESH) {
        this.noteRefresh(octets, at, end, sessions, sign);
      }
      at = end;
    }
  }

  /** @returns what was written to sessions that are up here, each once for those that read it alike */
  private writtenBy(outputs: readonly Output[], sign: 1 | -1): Iterable<Written> {
    const byPlace = new Map<ArrayBufferLike, Map<string, Written>>();
    const all: Written[] = [];
    for (const output of outputs) {
      if (output.do !== "write") continue;
      const { connection: id, octets } = output;
      const session = this.sessionOn(id);
      if (session === null) {
        const isOpen = this.router.connection(id)?.closed === false;
        if (isOpen && sign < 0) this.early.add(id, octets);
        continue;
      }
      const known = byPlace.get(octets.buffer) ?? new Map<string, Written>();
      byPlace.set(octets.buffer, known);
      const { addPathSend, families } = session.negotiated;
      const key = [octets.byteOffset, octets.length, addPathSend, families].join();
      const written = known.get(key);
      if (written !== undefined) written.sessions.push(session);
      else {
        const next = { octets, sessions: [session] };
        known.set(key, next);
        all.push(next);
      }
    }
    return all;
  }

  private sessionOn(id: ConnectionId): Session | null {
    const session = this.neighborOn(id)?.session ?? null;
    return session?.connection.id === id ? session : null;
  }

  private neighborOn(id: ConnectionId): Neighbor | undefined {
    const address = this.router.neighborOf(id)?.config.address;
    return address === undefined ? undefined : this.router.neighbors.get(address);
  }

  /** Reads what was written to sessions before they were up here. */
  private readEarly(): void {
    for (const id of this.early.whom) {
      const session = this.sessionOn(id);
      if (session === null) continue;
      for (const octets of this.early.take(id))
        this.noteOctets({ octets, sessions: [session] }, -1);
    }
  }

  /** Nobody will know what the peers were sent whose sessions are still not up. */
  private giveUpUnread(): void {
    for (const id of this.early.whom) {
      if (this.router.connection(id)?.closed !== false) continue;
      const cause = "the session was not up on the side that has taken over";
      this.neighborOn(id)?.stop(CEASE.ADMINISTRATIVE_RESET, cause, 0);
    }
  }

  private noteOpens(own: readonly Output[]): void {
    for (const output of own) {
      if (output.do !== "write" || output.octets[18] !== MESSAGE.OPEN) continue;
      this.unsent.set(output.connection, output.octets);
    }
  }

  private noteUpdate(
    octets: Uint8Array,
    at: number,
    end: number,
    sessions: readonly Session[],
    sign: 1 | -1,
  ): void {
    const { reader } = this;
    const ids = sessions.map(({ connection }) => connection.id);
    reader.read(octets, at, end, contextOf(sessions[0]!));
    if (reader.action === ACTION_WEIGHT["session-reset"]) {
      for (const id of ids) this.unread.add(id);
      return;
    }
    const { withdrawn, unreachable, announced, reachable, endOfRib } = reader;
    for (const section of [withdrawn, unreachable, announced, reachable]) {
      const doubts = this.doubts.get(section.family as Family);
      if (section.at === section.end || doubts === undefined) continue;
      doubts.note(ids, octets, section.at, section.end, section.addPath);
    }
    if (endOfRib === 0) return;
    for (const id of ids) this.markersOf(id, endOfRib).endOfRib += sign;
  }

  private noteRefresh(
    octets: Uint8Array,
    at: number,
    end: number,
    sessions: readonly Session[],
    sign: 1 | -1,
  ): void {
    const message = decodeRouteRefresh(octets, at, end);
    if (message instanceof Fault) return;
    const family = familyBit(message.afi, message.safi);
    for (const { connection } of sessions) {
      const markers = this.markersOf(connection.id, family);
      if (message.subtype === ROUTE_REFRESH.BEGIN) markers.begins += sign;
      if (message.subtype === ROUTE_REFRESH.END) markers.ends += sign;
    }
  }

  private markersOf(id: ConnectionId, family: number): Markers {
    const key = `${id} ${family}`;
    let markers = this.markers.get(key);
    if (markers === undefined) {
      markers = { endOfRib: 0, begins: 0, ends: 0 };
      this.markers.set(key, markers);
    }
    return markers;
  }

  /** Attempts that are under way are the other's; what this router waits for is one of these or nothing. */
  private noteAttempts(own: readonly Output[], real: readonly Output[]): void {
    const { neighbors, tables } = this.router;
    const concerned = new Set<Neighbor | undefined>();
    for (const output of [...own, ...real]) {
      if (output.do === "connect") concerned.add(neighbors.get(output.target.neighbor));
      if (output.do !== "close") continue;
      for (const each of neighbors.values())
        if (each.awaits(output.connection)) concerned.add(each);
    }
    for (const neighbor of concerned) {
      if (neighbor === undefined) continue;
      const attempt = this.done.attemptOf(neighbor.config.address);
      tables.connectionNumbers.use(attempt);
      if (!neighbor.awaits(attempt)) neighbor.followAttempt(attempt);
    }
  }

  /** Connections that peers have closed are known no more, and nobody has said so here. */
  forgetGone(): void {
    const { opens } = this.router.tables;
    const ids = new Set([...opens.keys(), ...this.farewells.keys(), ...this.unread]);
    for (const id of [...this.unsent.keys(), ...this.early.whom]) ids.add(id);
    for (const key of this.markers.keys()) ids.add(Number.parseInt(key, 10));
    for (const doubts of this.doubts.values()) for (const id of doubts.whom) ids.add(id);
    for (const id of ids) if (this.router.connection(id) === undefined) this.forget(id);
  }

  private forget(id: ConnectionId): void {
    this.router.tables.opens.delete(id);
    this.farewells.delete(id);
    this.unread.delete(id);
    this.unsent.delete(id);
    this.early.take(id);
    for (const [family, doubts] of this.doubts) {
      doubts.forget(id);
      this.markers.delete(`${id} ${family}`);
    }
  }

  private noteCloses(own: readonly Output[], real: readonly Output[]): void {
    const last = new Map<ConnectionId, Uint8Array>();
    for (const output of own) {
      if (output.do === "write") last.set(output.connection, output.octets);
      if (output.do !== "close") continue;
      // One of that number that is open here is not the attempt that was given up.
      if (this.router.connection(output.connection)?.closed === false) continue;
      const octets = last.get(output.connection);
      const isNotification = octets?.[18] === MESSAGE.NOTIFICATION;
      if (this.done.backlogOf(output.connection) === null) continue;
      this.farewells.set(output.connection, isNotification ? octets! : NO_OCTETS);
    }
    for (const output of real) {
      if (output.do === "close") this.forget(output.connection);
    }
  }
}

/** Whether the same attempts to connect were begun: a checksum does not say whom to. */
export function areSameAttempts(own: readonly Output[], real: readonly Output[]): boolean {
  const [a, b] = [own, real].map((outputs) =>
    outputs.flatMap((one) =>
      one.do === "connect" ? [`${one.connection} ${one.target.neighbor}`] : [],
    ),
  );
  return a!.join() === b!.join();
}

/** What was sent on a session, as its peer reads it. */
function contextOf({ negotiated, neighbor }: Session): UpdateContext {
  return {
    fourOctetAs: negotiated.fourOctetAs,
    external: negotiated.peerAs !== neighbor.config.localAs,
    addPath: negotiated.addPathSend,
    families: negotiated.families | FAMILY.IPV4_UNICAST,
    allowAsSet: true,
    allowConfed: true,
    aigp: true,
    extendedNextHop: negotiated.extendedNextHop,
    rpkiState: true,
  };
}

/** @returns AFI and SAFI of families that are offered and that this version does not know */
function strangeFamilies(capabilities: readonly Capability[]): string[] {
  return capabilities.flatMap((each) => {
    const isFamily = each.code === MULTIPROTOCOL && "afi" in each && "safi" in each;
    return isFamily && familyBit(each.afi, each.safi) === 0 ? [`${each.afi}/${each.safi}`] : [];
  });
}

/** Why this router has given up a session that the other goes on with. */
function causeOf({ lastDown, lastFailure, session }: Neighbor): string {
  const down = session === null ? (lastFailure ?? lastDown) : lastDown;
  return down === null ? "this version would not have it" : describeDown(down.reason);
}
