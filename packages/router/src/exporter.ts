/**
 * What is decided about a route before it is sent: the rules that RFCs set for kinds of sessions,
 * then export policy, then what the session puts in. One exporter serves one update group.
 */

import type { Explanation, Filter, PeerFacts, Vars } from "@ts-bgp/policy";
import { REASON, valueKeys } from "@ts-bgp/policy";
import type {
  AttrId,
  ExportRules,
  PathRow,
  PeerRow,
  PrefixRow,
  Rib,
  RouteLimit,
} from "@ts-bgp/rib";
import { ATTR_SET, keyOf } from "@ts-bgp/rib";
import { communitiesLeftOut, UpdateWriter, type WireForm } from "@ts-bgp/wire-codec";
import {
  asLastResort,
  asShuttingDown,
  isNextHopUnspecified,
  LLGR_STALE,
  reflected,
  withAsInFront,
  withCommunity,
  withNextHop,
  withoutMed,
} from "./attribute-edit.ts";
import type { Numbers } from "./numbers.ts";

/** What all members of an update group have in common besides the wire form. */
export interface GroupSettings {
  readonly form: WireForm;
  /** Internal sessions: who may have what of whom (RFC 4456 section 6). */
  readonly internal: boolean;
  readonly reflectorClient: boolean;
  /** Of internal sessions: put into CLUSTER_LIST of a reflected route. */
  readonly clusterId: number;
  /** NO_EXPORT and its kin are obeyed (RFC 1997). */
  readonly honorsWellKnown: boolean;
  readonly mitigatesPathHiding: boolean;
  readonly pathsMax: number;
  /** Members are told apart by AS number: no route goes back to any session of its AS. */
  readonly classByAs: boolean;
  /** Routes with OTC are not sent (RFC 9234 section 5). */
  readonly otcStops: boolean;
  /** IPv4 routes with an IPv6 next hop may be sent (RFC 8950). */
  readonly ipv6NextHop: boolean;
  /**
   * What next hop routes get here. The form sets it or keeps it (`form`); the exporter does because
   * policy may say otherwise, and reflected routes keep theirs (`route`); or it should, and there is
   * no own address that would do, so that policy has to decide it (`policy`).
   */
  readonly nextHop: "form" | "route" | "policy";
  /** For `route`: the address; null leaves the next hop as it is. */
  readonly ownNextHop: Uint8Array | null;
  /**
   * What routes of the kernel get whose next hop stands for this speaker, where nothing else puts one in; absent
   * where there is no own address that would do, or no route of the kernel.
   */
  readonly kernelNextHop?: Uint8Array;
  /** MED is taken out before policy is asked, which may set one (RFC 4271 section 5.1.4). */
  readonly stripsMed: boolean;
  /**
   * Long-lived stale routes are not sent (RFC 9494 section 4.3), or with NO_EXPORT and the lowest
   * LOCAL_PREF (section 4.6); absent: they are routes like others.
   */
  readonly staleRoutes?: "withhold" | "no-export";
  /**
   * Put in front of the AS path of what this speaker originates, where the form puts nothing there; absent
   * where it is the AS of the speaker.
   */
  readonly originAs?: number;
  /** More routes are not sent (`max-prefix-out` with the action `block`); absent: there is no limit. */
  readonly limit?: RouteLimit;
}

/** What an exporter asks about neighbors. */
export interface PeerDirectory {
  /** Facts of the peer that a path came from. */
  factsOf(peer: PeerRow): PeerFacts;
  /** Whether paths of the peer may be reflected to anyone: it is a route reflector client. */
  isReflectorClient(peer: PeerRow): boolean;
  /** Class of the peer among all, by AS or by session. */
  classOf(peer: PeerRow, byAs: boolean): number;
  /** Classes of the peers of an AS, written to `classes` from `count` on. @returns the new count */
  classesOfAs(as: number, byAs: boolean, classes: Uint16Array, count: number): number;
  /** The same for the peers that have a value, `name=value`. */
  classesOfValue(value: string, byAs: boolean, classes: Uint16Array, count: number): number;
  /** AS number of the peers of a class, 0 when there are none. */
  asOfClass(cls: number, byAs: boolean): number;
  /** Values of the peers of a class, or of one of them. */
  varsOfClass(cls: number, byAs: boolean): Vars;
}

const NO_EXCEPTIONS: readonly (number | string)[] = [];
/** AS numbers, values and classes that are remembered; with more, any is taken to be among them. */
const TOLD_APART_MAX = 4096;

/** Whom a group's verdicts have told apart, so that one who comes later is told apart as well. */
export interface ToldApart {
  /** AS numbers, and values as `name=value`. */
  readonly keys: Set<number | string>;
  readonly classes: Set<number>;
}

export class GroupExporter implements ExportRules {
  readonly mitigatesPathHiding: boolean;
  readonly pathsMax: number;
  /** The speaker is about to shut down, and says so with each route (RFC 8326). */
  isShuttingDown = false;
  private readonly rib: Rib;
  private readonly settings: GroupSettings;
  private readonly filter: Filter;
  /** Stands for all members. */
  private readonly everyone: PeerFacts;
  /** Stands for members of an AS that policy tells apart: all else they have in common. */
  private readonly factsByAs: Map<number, PeerFacts> = new Map();
  private readonly directory: PeerDirectory;
  private readonly factNumbers: Numbers;
  /** AS numbers and values that the last verdict for everyone does not speak for. */
  private exceptionAs: readonly (number | string)[] = NO_EXCEPTIONS;
  /** Null when it is not known. */
  readonly toldApart: ToldApart | null;
  /** Why the last route was not sent though policy accepted it. */
  private reason = 0;

  /**
   * @param facts - of any member
   * @param factNumbers - numbers that no facts of a peer have had
   * @param toldApart - by verdicts of another exporter that are still in force
   */
  constructor(
    rib: Rib,
    settings: GroupSettings,
    filter: Filter,
    facts: PeerFacts,
    directory: PeerDirectory,
    factNumbers: Numbers,
    toldApart: ToldApart | null = { keys: new Set(), classes: new Set() },
  ) {
    this.toldApart = toldApart;
    this.rib = rib;
    this.settings = settings;
    this.filter = filter;
    this.everyone = { ...facts, number: factNumbers.next(), anyPeer: true };
    this.directory = directory;
    this.factNumbers = factNumbers;
    this.mitigatesPathHiding = settings.mitigatesPathHiding;
    this.pathsMax = settings.pathsMax;
  }

  get limit(): RouteLimit | null {
    return this.settings.limit ?? null;
  }

  sourceClass(peer: PeerRow): number {
    return this.directory.classOf(peer, this.settings.classByAs);
  }

  evaluate(path: PathRow, row: PrefixRow, cls: number): AttrId {
    const { rib, filter } = this;
    if (cls === 0) this.exceptionAs = NO_EXCEPTIONS;
    if (this.heldBack(path) !== 0 || filter.rejectsAll !== 0) return 0;
    const attr = rib.paths.attr[path]!;
    if (filter.acceptsAll) return this.complete(attr, false, path);
    const stripped = this.withoutMed(attr);
    const { prefixes } = rib;
    const wide = prefixes.bitsMax === 128;
    const verdict = filter.decide(
      stripped || attr,
      this.directory.factsOf(rib.paths.peer[path]!),
      cls === 0 ? this.everyone : this.factsOfClass(cls),
      rib.family,
      prefixes.w0[row]!,
      wide ? prefixes.w1[row]! : 0,
      wide ? prefixes.w2[row]! : 0,
      wide ? prefixes.w3[row]! : 0,
      prefixes.bits[row]!,
    );
    if (cls === 0) this.exceptionAs = verdict.exceptions;
    const sent = verdict.accept ? this.complete(verdict.attr, verdict.nextHopFixed, path) : 0;
    if (stripped !== 0) rib.attrs.release(stripped);
    return sent;
  }

  exceptions(_path: PathRow, classes: Uint16Array): number {
    let count = 0;
    const { directory, toldApart } = this;
    const { classByAs } = this.settings;
    for (const key of this.exceptionAs) {
      toldApart?.keys.add(key);
      count =
        typeof key === "number"
          ? directory.classesOfAs(key, classByAs, classes, count)
          : directory.classesOfValue(key, classByAs, classes, count);
    }
    for (let i = 0; i < count; i++) toldApart?.classes.add(classes[i]!);
    return count;
  }

  /**
   * Whether verdicts of the group were made with peers in mind that a new one may be taken for.
   *
   * @param vars - its values
   */
  concerns(peer: PeerRow, as: number, vars: Vars): boolean {
    // The state of an older program does not say.
    if (this.toldApart == null) return true;
    const { keys, classes } = this.toldApart;
    if (keys.size > TOLD_APART_MAX || classes.has(this.sourceClass(peer))) return true;
    return keys.has(as) || valueKeys(vars).some((key) => keys.has(key));
  }

  /**
   * The speaker's own rules for sending a path to this kind of session.
   *
   * @returns why it is not sent to anyone, 0 when it may be
   */
  heldBack(path: PathRow): number {
    const { rib, settings } = this;
    const flags = rib.attrs.flags[rib.paths.attr[path]!]!;
    if (this.isReflection(path)) {
      const fromClient = this.directory.isReflectorClient(rib.paths.peer[path]!);
      if (!settings.reflectorClient && !fromClient) return REASON["not-reflected"];
    }
    if (settings.honorsWellKnown) {
      const stops = settings.internal
        ? ATTR_SET.NO_ADVERTISE
        : ATTR_SET.NO_ADVERTISE | ATTR_SET.NO_EXPORT | ATTR_SET.NO_EXPORT_SUBCONFED;
      if ((flags & stops) !== 0) return REASON["well-known-community"];
    }
    if (settings.otcStops && (flags & ATTR_SET.HAS_OTC) !== 0) return REASON["route-leak"];
    if (settings.staleRoutes === "withhold" && (flags & ATTR_SET.LLGR_STALE) !== 0) {
      return REASON["well-known-community"];
    }
    return 0;
  }

  /**
   * What policy says of a path for one member, and how it comes to that.
   *
   * @param withholds - whether the member is not sent routes with a set, see UpdateGroup
   * @returns with it, why the path is not sent all the same, 0 when it may be; and the communities
   *   that it is sent without, since they do not leave the AS
   */
  explain(
    path: PathRow,
    row: PrefixRow,
    member: PeerFacts,
    withholds: (attr: AttrId) => boolean,
  ): { explanation: Explanation; reason: number; leftOut: readonly string[] } {
    const { rib, directory } = this;
    const attr = rib.paths.attr[path]!;
    const stripped = this.withoutMed(attr);
    const { words, bits } = keyOf(rib.prefixes, row);
    const source = directory.factsOf(rib.paths.peer[path]!);
    const asked = stripped || attr;
    const explanation = this.filter.explain(asked, source, member, rib.family, ...words, bits);
    const { verdict } = explanation;
    let { reason } = verdict;
    let leftOut: readonly string[] = [];
    if (verdict.accept) {
      const sent = this.complete(verdict.attr, verdict.nextHopFixed, path);
      if (sent === 0) reason = this.reason;
      else if (!this.fits(sent, bits)) reason = REASON["attributes-too-long"];
      else reason = withholds(sent) ? REASON["next-hop-receiver"] : 0;
      if (sent !== 0) {
        leftOut = this.leftOut(sent);
        rib.attrs.release(sent);
      }
    }
    if (stripped !== 0) rib.attrs.release(stripped);
    return { explanation, reason, leftOut };
  }

  /**
   * Puts in what the session wants to be there besides the wire form.
   *
   * @param attr - accepted by policy, not held
   * @returns the set to send with one reference counted for the caller, or 0, with `reason` set
   */
  private complete(attr: AttrId, nextHopFixed: boolean, path: PathRow): AttrId {
    const { settings, rib } = this;
    const { attrs } = rib;
    const isReflection = this.isReflection(path);
    const keepsNextHop = nextHopFixed || isReflection;
    let sent = attr;
    if (settings.nextHop === "policy" && !keepsNextHop) return this.refuse("next-hop-unavailable");
    const own = this.ownNextHop(attr, keepsNextHop, path);
    if (own === undefined) return this.refuse("next-hop-unavailable");
    if (own !== null) {
      sent = withNextHop(attrs, attr, own);
      if (sent === 0) return this.refuse("attributes-too-long");
    } else attrs.hold(attr);
    const ipv6 =
      settings.form.nextHop === null && (attrs.flags[sent]! & ATTR_SET.IPV6_NEXT_HOP) !== 0;
    if (ipv6 && !settings.ipv6NextHop) {
      attrs.release(sent);
      return this.refuse("next-hop-unavailable");
    }
    const wasStale = (attrs.flags[rib.paths.attr[path]!]! & ATTR_SET.LLGR_STALE) !== 0;
    if (wasStale && (attrs.flags[sent]! & ATTR_SET.LLGR_STALE) === 0) {
      // RFC 9494 section 4.3: policy does not take the mark off.
      const marked = withCommunity(attrs, sent, LLGR_STALE);
      attrs.release(sent);
      if (marked === 0) return this.refuse("attributes-too-long");
      sent = marked;
    }
    if (settings.staleRoutes === "no-export" && (attrs.flags[sent]! & ATTR_SET.LLGR_STALE) !== 0) {
      const last = asLastResort(attrs, sent);
      attrs.release(sent);
      if (last === 0) return this.refuse("attributes-too-long");
      sent = last;
    }
    if (this.isShuttingDown) {
      const marked = asShuttingDown(attrs, sent, settings.internal);
      attrs.release(sent);
      if (marked === 0) return this.refuse("attributes-too-long");
      sent = marked;
    }
    if (this.lacksOwnAs(path)) {
      const as = settings.originAs ?? this.directory.factsOf(rib.paths.peer[path]!).as;
      const ours = withAsInFront(attrs, sent, as);
      attrs.release(sent);
      if (ours === 0) return this.refuse("attributes-too-long");
      sent = ours;
    }
    if (!isReflection) return sent;
    const originator = rib.peers.identifier[rib.paths.peer[path]!]!;
    const reflection = reflected(attrs, sent, originator, settings.clusterId);
    attrs.release(sent);
    return reflection === 0 ? this.refuse("attributes-too-long") : reflection;
  }

  /** @returns what the route gets in place of its next hop; null: it keeps that; undefined: it can have none */
  private ownNextHop(
    attr: AttrId,
    keepsNextHop: boolean,
    path: PathRow,
  ): Uint8Array | null | undefined {
    const { rib, settings } = this;
    const { form, nextHop, ownNextHop } = settings;
    if (nextHop === "route" && ownNextHop !== null && !keepsNextHop) return ownNextHop;
    const isOfKernel = rib.paths.peer[path] === rib.peers.kernel;
    if (!isOfKernel || form.nextHop !== null || !isNextHopUnspecified(rib.attrs, attr)) return null;
    return settings.kernelNextHop;
  }

  private refuse(code: "next-hop-unavailable" | "attributes-too-long"): 0 {
    this.reason = REASON[code];
    return 0;
  }

  /** Learned from an internal peer and sent to one. */
  private isReflection(path: PathRow): boolean {
    const { rib, settings } = this;
    return settings.internal && rib.peers.external[rib.paths.peer[path]!] === 0;
  }

  /** Of the speaker itself, for who is sent no AS number of it in front of other routes. */
  private lacksOwnAs(path: PathRow): boolean {
    const { rib, settings } = this;
    const isOwn = rib.peers.ownRank(rib.paths.peer[path]!) > 0;
    return isOwn && !settings.internal && settings.form.prependAs === 0;
  }

  /** @returns the set without MED when that has to go, held; else 0 */
  private withoutMed(attr: AttrId): AttrId {
    const { attrs } = this.rib;
    const strips = this.settings.stripsMed && (attrs.flags[attr]! & ATTR_SET.HAS_MED) !== 0;
    return strips ? withoutMed(attrs, attr) : 0;
  }

  private factsOfClass(cls: number): PeerFacts {
    const as = this.directory.asOfClass(cls, this.settings.classByAs);
    let facts = this.factsByAs.get(as);
    const { everyone, directory, settings, filter } = this;
    const isFixed = filter.varsAreFixed(everyone);
    const own = isFixed ? everyone.vars : directory.varsOfClass(cls, settings.classByAs);
    // Another neighbor of the AS may have come in the place of the one before, with values of its own.
    if (facts === undefined || !areSame(own, facts.vars)) {
      const vars = own === undefined ? {} : { vars: own };
      facts = { ...everyone, ...vars, as, number: this.factNumbers.next(), anyPeer: false };
      this.factsByAs.set(as, facts);
    }
    return facts;
  }

  private leftOut(attr: AttrId): string[] {
    const { attrs } = this.rib;
    const at = attrs.offsetOf(attr);
    const end = at + attrs.lengthOf(attr);
    return communitiesLeftOut(this.settings.form, attrs.bytesOf(attr), at, end);
  }

  private fits(attr: AttrId, bits: number): boolean {
    const { attrs } = this.rib;
    const at = attrs.offsetOf(attr);
    const writer = new UpdateWriter(this.settings.form);
    writer.announce(attrs.bytesOf(attr), at, at + attrs.lengthOf(attr));
    return writer.fits(bits);
  }
}

function areSame(own: Vars | undefined, known: Vars | undefined): boolean {
  return own === undefined || own === known || JSON.stringify(own) === JSON.stringify(known);
}
