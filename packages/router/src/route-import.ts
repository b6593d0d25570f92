/**
 * What is decided about the routes of a neighbor: checks, import policy and limits. It comes with a
 * session, and outlasts it for as long as routes of it are kept while the neighbor restarts.
 */

import { importChain } from "@ts-bgp/config";
import type { Negotiated } from "@ts-bgp/fsm";
import {
  ATTR_SET,
  type PathRow,
  type PathTable,
  type PeerLimits,
  type PeerWalk,
} from "@ts-bgp/rib";
import { type Family, parseIpv4 } from "@ts-bgp/wire-codec";
import { familyLabel } from "./facts.ts";
import type { OwnAddresses } from "./group-settings.ts";
import { type ImportSettings, SessionImporter } from "./importer.ts";
import type { Job, JobState } from "./jobs.ts";
import { limitData, limitsOf, MaxPrefix } from "./max-prefix.ts";
import type { SessionPeer } from "./session-peer.ts";
import { FAMILIES } from "./tables.ts";

/** Paths that one step of a new judgement looks at. */
const REJUDGE_PATHS = 4096;

/** The part of one family. */
export interface FamilyImport {
  readonly family: Family;
  /** Prefixes were not stored, since they were too many. */
  blocked: boolean;
  limits: PeerLimits;
  maxPrefix: MaxPrefix;
  /** The limit beside it, of accepted ones. */
  maxAccepted: MaxPrefix;
  /**
   * Routes of any other round than this one are long-lived stale: kept as a last resort (RFC 9494
   * section 4.2); null when none are.
   */
  freshRound: number | null;
}

/** So many prefixes that the session has to end. */
export interface LimitBreach {
  /** Of the NOTIFICATION. */
  readonly data: Uint8Array;
  /** Null for not before an operator says so. */
  readonly restartAfterSeconds: number | null;
}

export class RouteImport {
  readonly own: OwnAddresses;
  readonly families: readonly FamilyImport[];
  /** Checks and import policy as the configuration has them now. */
  importer: SessionImporter;
  private readonly neighbor: SessionPeer;
  private readonly negotiated: Negotiated;

  /** @param own - addresses of this side in the session */
  constructor(neighbor: SessionPeer, negotiated: Negotiated, own: OwnAddresses) {
    this.neighbor = neighbor;
    this.negotiated = negotiated;
    this.own = own;
    this.importer = this.makeImporter();
    this.families = FAMILIES.filter((family) => (negotiated.families & family) !== 0).map(
      (family) => ({ family, blocked: false, freshRound: null, ...this.limitsOf(family) }),
    );
  }

  /** Fills in what the state of an older program does not have. */
  complete(): void {
    const { maxPrefixAccepted } = this.neighbor.config;
    for (const state of this.families) {
      state.freshRound ??= null;
      state.maxAccepted ??= new MaxPrefix(maxPrefixAccepted, state.family);
    }
    this.importer.complete();
  }

  family(family: Family): FamilyImport | undefined {
    return this.families.find((state) => state.family === family);
  }

  /** Whether prefixes of the neighbor were not stored, since they were too many. */
  get isBlocked(): boolean {
    return this.families.some(({ blocked }) => blocked);
  }

  /** Whether the policies that it asks are those of the configuration in force, the same objects. */
  get isUpToDate(): boolean {
    const { config, tables } = this.neighbor;
    const { localAs, vars } = config;
    return this.importer.filter === tables.policies.filter(importChain(config), localAs, vars);
  }

  /** Options that need no new session have changed, or policies have. */
  reconfigure(limitsChanged: boolean): void {
    this.importer = this.makeImporter();
    if (!limitsChanged) return;
    for (const state of this.families) {
      state.blocked = false;
      Object.assign(state, this.limitsOf(state.family));
    }
  }

  /** Decides about one route again. @returns whether it comes out otherwise */
  rejudge(family: Family, path: PathRow): boolean {
    const { importer } = this;
    const { tables } = this.neighbor;
    const state = this.family(family);
    // Routes of a family that the session does not have are on their way out.
    if (state === undefined) return false;
    const rib = tables.rib(family);
    const attrIn = rib.paths.attrIn[path]!;
    let isOther = false;
    const { freshRound } = state;
    const isStale = freshRound !== null && rib.paths.round[path] !== freshRound;
    if (isStale && (tables.attrs.flags[attrIn]! & ATTR_SET.NO_LLGR) !== 0) {
      rib.removePath(path);
      return true;
    }
    if (attrIn !== tables.emptySet) {
      importer.prepare(attrIn, family, isStale);
      isOther = rib.rejudge(path, importer, state.limits);
      importer.finish();
    }
    const isBarred = isStale && importer.isBarred;
    const isUnused = !importer.keepsRejected && rib.paths.attr[path] === 0;
    if (isBarred || isUnused) rib.removePath(path);
    return isOther;
  }

  /** Looks at the number of prefixes that the peer has now. @returns why the session has to end */
  checkLimits(): LimitBreach | null {
    for (const state of this.families) {
      const { counts } = this.neighbor.tables.rib(state.family);
      const blocked = counts.blocked > 0;
      counts.blocked = 0;
      state.blocked ||= blocked;
      const { family, maxPrefix, maxAccepted } = state;
      const breach =
        this.checkLimit(family, maxPrefix, blocked) ??
        this.checkLimit(family, maxAccepted, blocked);
      if (breach !== null) return breach;
    }
    return null;
  }

  private checkLimit(family: Family, maxPrefix: MaxPrefix, blocked: boolean): LimitBreach | null {
    const { tables, row, log } = this.neighbor;
    const event = maxPrefix.check(tables.rib(family).paths, row, blocked);
    if (event.kind === "none") return null;
    const { count, limit } = event;
    const { action, restartAfter, count: counted } = maxPrefix.options;
    const label = familyLabel(family);
    const fields = { family: label, count, limit, action };
    const what = counted === "accepted" ? `accepted ${label}` : label;
    if (event.kind === "warning") {
      const text = `${count} of at most ${limit} ${what} prefixes`;
      log.add("max-prefix-warning", "warn", tables.nowMs, text, fields);
      return null;
    }
    const text = `limit of ${limit} ${what} prefixes reached, action ${action}`;
    log.add("max-prefix-reached", "error", tables.nowMs, text, fields);
    if (action !== "restart" && action !== "shutdown") return null;
    const restartAfterSeconds = action === "restart" ? restartAfter : null;
    return { data: limitData(family, limit), restartAfterSeconds };
  }

  private limitsOf(family: Family): Pick<FamilyImport, "limits" | "maxPrefix" | "maxAccepted"> {
    const { maxPrefix, maxPrefixAccepted } = this.neighbor.config;
    return {
      limits: limitsOf([maxPrefix, maxPrefixAccepted], family),
      maxPrefix: new MaxPrefix(maxPrefix, family),
      maxAccepted: new MaxPrefix(maxPrefixAccepted, family),
    };
  }

  private makeImporter(): SessionImporter {
    const { neighbor, negotiated, own } = this;
    const { tables, config, facts } = neighbor;
    const { router } = tables.config;
    const role = negotiated.localRole;
    const settings: ImportSettings = {
      external: negotiated.peerAs !== config.localAs,
      peerAs: negotiated.peerAs,
      ownAs: router.as === config.localAs ? [router.as] : [router.as, config.localAs],
      allowOwnAs: config.allowOwnAs,
      enforceFirstAs: config.enforceFirstAs,
      identifier: parseIpv4(router.id)!,
      clusterId: parseIpv4(router.clusterId)!,
      ownAddresses: [own.ipv4, own.ipv6].filter((address) => address !== null),
      otcRejects:
        role === "provider" || role === "rs"
          ? "always"
          : role === "peer"
            ? "unless-peer-as"
            : "never",
      otcAdds: role === "customer" || role === "peer" || role === "rs-client",
      keepsRejected: config.keepRejected,
      asPathMax: config.maxAsPath,
      communitiesMax: config.maxCommunities,
      honorsShutdown: config.honorGracefulShutdown && config.as !== config.localAs,
    };
    const filter = tables.policies.filter(importChain(config), config.localAs, config.vars);
    return new SessionImporter(tables.attrs, settings, facts, filter, neighbor);
  }
}

/** What a new judgement of all routes needs of a neighbor. */
export interface Judged extends SessionPeer {
  /** Counts judgements begun. */
  readonly rejudged: number;
  readonly import: RouteImport | null;
  /** Acts on the number of prefixes that the peer has now. */
  checkLimits(decides: RouteImport): void;
}

/**
 * Decides about all routes of a neighbor in one family again, whether a session stands behind them or
 * they are kept for one that ended: also when that changes in the meantime.
 */
export class Rejudge implements Job {
  private readonly neighbor: Judged;
  private readonly family: Family;
  private readonly paths: PathTable;
  private readonly walk: PeerWalk;
  /** A later one ends this one. */
  private readonly turn: number;

  constructor(neighbor: Judged, family: Family) {
    this.neighbor = neighbor;
    this.family = family;
    this.paths = neighbor.tables.rib(family).paths;
    this.walk = this.paths.walk(neighbor.row);
    this.turn = neighbor.rejudged;
  }

  step(): JobState {
    const { neighbor, family, paths, walk } = this;
    const { import: decides } = neighbor;
    if (decides !== null && neighbor.rejudged === this.turn) {
      for (let n = 0; n < REJUDGE_PATHS && walk.at !== 0; n++) {
        const path = walk.at;
        walk.at = paths.peerNext[path]!;
        decides.rejudge(family, path);
      }
      neighbor.checkLimits(decides);
      if (walk.at !== 0) return "more";
    }
    paths.endWalk(walk);
    return "done";
  }
}
