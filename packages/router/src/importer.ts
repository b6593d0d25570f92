/**
 * What is decided about a received route: the checks that RFCs ask of every speaker, then the
 * neighbor's import policy. One importer serves one session.
 */

import type { Explanation, Filter, PeerFacts } from "@ts-bgp/policy";
import { REASON } from "@ts-bgp/policy";
import type { AttrId, AttrStore, Importer, PrefixKey } from "@ts-bgp/rib";
import { ATTR_SET } from "@ts-bgp/rib";
import {
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  countAs,
  FAMILY,
  type Family,
  findAttribute,
  readU32,
} from "@ts-bgp/wire-codec";
import {
  countCommunities,
  isShuttingDown,
  LLGR_STALE,
  withCommunity,
  withLowestPreference,
  withOtc,
} from "./attribute-edit.ts";
import { logRules, type RuleLog } from "./rule-log.ts";

/** What an importer must know of its session. Plain values, fixed while the session lasts. */
export interface ImportSettings {
  readonly external: boolean;
  readonly peerAs: number;
  /** AS numbers that are ours: a path with one of them has looped. */
  readonly ownAs: readonly number[];
  readonly allowOwnAs: number;
  readonly enforceFirstAs: boolean;
  /** BGP Identifier and cluster, for reflected routes (RFC 4456 section 8). */
  readonly identifier: number;
  readonly clusterId: number;
  /** Own addresses, as octets: no route may point back at us. */
  readonly ownAddresses: readonly Uint8Array[];
  /** RFC 9234 section 5, by the roles: which routes with OTC are leaks. */
  readonly otcRejects: "never" | "always" | "unless-peer-as";
  /** And whether one without gets OTC with the peer's AS. */
  readonly otcAdds: boolean;
  readonly keepsRejected: boolean;
  /** Longest AS path, and most communities of all kinds; null for no limit. */
  readonly asPathMax: number | null;
  readonly communitiesMax: number | null;
  /** Accepted routes with GRACEFUL_SHUTDOWN are less preferred than any others (RFC 8326). */
  readonly honorsShutdown: boolean;
}

export class SessionImporter implements Importer {
  attr: AttrId = 0;
  reason = 0;
  perPrefix = false;
  /** Policy has marked the route as one that may not be kept as a last resort. */
  isBarred = false;
  readonly keepsRejected: boolean;

  private readonly attrs: AttrStore;
  private readonly settings: ImportSettings;
  private readonly peer: PeerFacts;
  readonly filter: Filter;
  /** Absent in the state of an older program. */
  private readonly ruleLog: RuleLog | undefined;
  private family: Family = FAMILY.IPV4_UNICAST;
  /** The set that policy is asked about, and whether a reference of it is ours. */
  private base: AttrId = 0;
  private ownsBase = false;
  /** Routes at hand are kept as a last resort. */
  private isKept = false;
  /** They are so, or came marked as such: policy cannot take the mark off (RFC 9494 section 4.3). */
  private isStale = false;
  /** Sets that were marked as such or lowered, with a reference that is ours. */
  private marked: AttrId[] = [];

  /** @param ruleLog - for rules that are to be logged */
  constructor(
    attrs: AttrStore,
    settings: ImportSettings,
    peer: PeerFacts,
    filter: Filter,
    ruleLog: RuleLog,
  ) {
    this.ruleLog = ruleLog;
    this.attrs = attrs;
    this.settings = settings;
    this.peer = peer;
    this.filter = filter;
    this.keepsRejected = settings.keepsRejected;
  }

  /** Fills in what the state of an older program does not have. */
  complete(): void {
    this.marked ??= [];
  }

  /** Whether what is decided depends on origin validation. */
  get asksOrigin(): boolean {
    return this.filter.asksOrigin;
  }

  get asksPath(): boolean {
    return this.filter.asksPath;
  }

  /**
   * Gets ready for routes with one attribute set; `finish` must follow.
   *
   * @param isKept - they are long-lived stale, and marked after policy (RFC 9494 section 4.2)
   */
  prepare(attrIn: AttrId, family: Family, isKept = false): void {
    this.family = family;
    this.isKept = isKept;
    this.isBarred = false;
    this.isStale = isKept || (this.attrs.flags[attrIn]! & ATTR_SET.LLGR_STALE) !== 0;
    this.base = attrIn;
    this.attr = 0;
    this.reason = this.check(attrIn) || this.filter.rejectsAll;
    if (this.reason === 0 && this.lacksOtc(attrIn)) this.addOtc(attrIn);
    this.perPrefix = this.reason === 0;
  }

  /** Gets ready for routes that are rejected whatever policy says; `finish` must follow. */
  prepareRejected(reason: number): void {
    this.attr = 0;
    this.reason = reason;
    this.perPrefix = false;
  }

  judge(w0: number, w1: number, w2: number, w3: number, bits: number): void {
    if (!isRoutable(this.family, w0, w1, w2, w3, bits)) {
      this.attr = 0;
      this.reason = REASON["prefix-invalid"];
    } else if (this.filter.acceptsAll) {
      this.attr = this.base;
      this.reason = 0;
    } else {
      const { peer, family } = this;
      const verdict = this.filter.decide(this.base, peer, peer, family, w0, w1, w2, w3, bits);
      this.attr = verdict.attr;
      this.reason = verdict.reason;
      const { logged } = verdict;
      if (logged.length > 0 && this.ruleLog !== undefined) {
        logRules(this.ruleLog, logged, this.base, family, [w0, w1, w2, w3], bits);
      }
    }
    if (this.isStale && this.attr !== 0) this.mark();
    if (this.settings.honorsShutdown && this.attr !== 0) this.lower();
  }

  /** The peer is about to shut down: others are preferred (RFC 8326). */
  private lower(): void {
    const { attrs, attr } = this;
    if (!isShuttingDown(attrs, attr)) return;
    this.attr = withLowestPreference(attrs, attr);
    if (this.attr !== 0) this.marked.push(this.attr);
    else this.reason = REASON["attributes-too-long"];
  }

  private mark(): void {
    const flags = this.attrs.flags[this.attr]!;
    if (this.isKept && (flags & ATTR_SET.NO_LLGR) !== 0) {
      this.isBarred = true;
      this.attr = 0;
      this.reason = REASON["well-known-community"];
      return;
    }
    if ((flags & ATTR_SET.LLGR_STALE) !== 0) return;
    this.attr = withCommunity(this.attrs, this.attr, LLGR_STALE);
    if (this.attr !== 0) this.marked.push(this.attr);
    else this.reason = REASON["attributes-too-long"];
  }

  /**
   * What is decided about a route, and how it comes to that.
   *
   * @returns why the checks before policy reject it, or what policy does with it
   */
  explain(attr: AttrId, family: Family, { words, bits }: PrefixKey): number | Explanation {
    const { peer, filter } = this;
    this.prepare(attr, family);
    let outcome: number | Explanation = this.reason;
    if (outcome === 0 && !isRoutable(family, ...words, bits)) outcome = REASON["prefix-invalid"];
    if (outcome === filter.rejectsAll) {
      outcome = filter.explain(this.base, peer, peer, family, ...words, bits);
    }
    this.finish();
    return outcome;
  }

  /**
   * @returns the canonical octets of the attributes of a rejected route as import policy left them;
   *   null when it changed nothing
   */
  rejected(attr: AttrId, family: Family, { words, bits }: PrefixKey): Uint8Array | null {
    const { peer, filter } = this;
    // Nothing is stored for a look, which a standby is not told of: so OTC is not added.
    const reason = this.check(attr) || filter.rejectsAll;
    if (reason !== 0 || !isRoutable(family, ...words, bits)) return null;
    return filter.rejected(attr, peer, peer, family, ...words, bits);
  }

  finish(): void {
    if (this.ownsBase) this.attrs.release(this.base);
    this.ownsBase = false;
    if (this.marked.length === 0) return;
    for (const attr of this.marked) this.attrs.release(attr);
    this.marked = [];
  }

  /**
   * The speaker's own checks of an attribute set.
   *
   * @returns why routes with it are not used, 0 when they may be
   */
  check(attr: AttrId): number {
    const { attrs, settings } = this;
    const buf = attrs.bytesOf(attr);
    const at = attrs.offsetOf(attr);
    const end = at + attrs.lengthOf(attr);
    if ((attrs.flags[attr]! & ATTR_SET.FAULTY) !== 0) return REASON.malformed;
    if (this.hasLooped(buf, at, end)) return REASON["as-path-loop"];
    if (settings.external) {
      if (settings.enforceFirstAs && attrs.firstAs[attr] !== settings.peerAs) {
        return REASON["first-as-mismatch"];
      }
      if (this.isLeak(attr, buf, at, end)) return REASON["route-leak"];
    } else if ((attrs.flags[attr]! & ATTR_SET.REFLECTED) !== 0) {
      if (attrs.originatorId[attr] === settings.identifier) return REASON["originator-loop"];
      if (this.hasOwnCluster(buf, at, end)) return REASON["cluster-loop"];
    }
    return this.pointsAtUs(buf, at, end) ? REASON["next-hop-self"] : this.beyondLimits(attr);
  }

  /** Limits of the neighbor that are the operator's choice. */
  private beyondLimits(attr: AttrId): number {
    const { asPathMax, communitiesMax } = this.settings;
    // State of an older program has neither.
    if (asPathMax != null && this.attrs.asPathLength[attr]! > asPathMax) {
      return REASON["as-path-too-long"];
    }
    if (communitiesMax == null || countCommunities(this.attrs, attr) <= communitiesMax) return 0;
    return REASON["too-many-communities"];
  }

  /** RFC 9234 section 5, the ingress rule that marks a route. */
  private lacksOtc(attr: AttrId): boolean {
    return this.settings.otcAdds && (this.attrs.flags[attr]! & ATTR_SET.HAS_OTC) === 0;
  }

  private addOtc(attr: AttrId): void {
    const marked = withOtc(this.attrs, attr, this.settings.peerAs);
    this.ownsBase = marked !== 0;
    if (marked !== 0) this.base = marked;
    else this.reason = REASON["attributes-too-long"];
  }

  private hasLooped(buf: Uint8Array, at: number, end: number): boolean {
    const i = findAttribute(buf, at, end, ATTR.AS_PATH);
    if (i < 0) return false;
    const valueAt = attributeValueAt(buf, i);
    const valueEnd = valueAt + attributeValueOctets(buf, i);
    for (const as of this.settings.ownAs) {
      if (countAs(buf, valueAt, valueEnd, as) > this.settings.allowOwnAs) return true;
    }
    return false;
  }

  /** RFC 9234 section 5, the two ingress rules that find a leak. */
  private isLeak(attr: AttrId, buf: Uint8Array, at: number, end: number): boolean {
    const { otcRejects, peerAs } = this.settings;
    if (otcRejects === "never" || (this.attrs.flags[attr]! & ATTR_SET.HAS_OTC) === 0) return false;
    if (otcRejects === "always") return true;
    const i = findAttribute(buf, at, end, ATTR.OTC);
    return readU32(buf, attributeValueAt(buf, i)) !== peerAs;
  }

  private hasOwnCluster(buf: Uint8Array, at: number, end: number): boolean {
    const i = findAttribute(buf, at, end, ATTR.CLUSTER_LIST);
    if (i < 0) return false;
    const valueAt = attributeValueAt(buf, i);
    const valueEnd = valueAt + attributeValueOctets(buf, i);
    for (let k = valueAt; k < valueEnd; k += 4) {
      if (readU32(buf, k) === this.settings.clusterId) return true;
    }
    return false;
  }

  /** RFC 4271 section 5.1.3: the next hop is an address of ours. */
  private pointsAtUs(buf: Uint8Array, at: number, end: number): boolean {
    const i = findAttribute(buf, at, end, ATTR.NEXT_HOP);
    if (i < 0) return false;
    const valueAt = attributeValueAt(buf, i);
    const octets = attributeValueOctets(buf, i);
    for (const own of this.settings.ownAddresses) {
      if (own.length !== Math.min(octets, 16)) continue;
      let k = 0;
      while (k < own.length && own[k] === buf[valueAt + k]) k++;
      if (k === own.length) return true;
    }
    return false;
  }
}

/** Whether a prefix can be routed as unicast: no multicast, loopback, link-local or class E. */
export function isRoutable(
  family: Family,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  bits: number,
): boolean {
  if (family === FAMILY.IPV4_UNICAST) {
    const first = w0 >>> 24;
    if (bits < 8) return first < 224;
    return first !== 0 && first !== 127 && first < 224;
  }
  const first = w0 >>> 16;
  if (first >= 0xff00 || (first >= 0xfe80 && first < 0xfec0)) return false;
  return !(bits === 128 && w0 === 0 && w1 === 0 && w2 === 0 && w3 <= 1);
}
