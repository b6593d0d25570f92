/**
 * The configuration as a value: checked, every default filled in, no secret left to look up. Plain
 * data that can be compared, stored as JSON and sent to a standby.
 */

import type { BfdAuth } from "@ts-bgp/bfd";
import type { FamilyName, Lists, Policy, RejectPreset, Source, Vars } from "@ts-bgp/policy";
import type { Slurm } from "@ts-bgp/rpki";
import type {
  ClusterConfig,
  FollowersConfig,
  ListenAddress,
  MirrorsConfig,
  NsrConfig,
  RecordConfig,
} from "./link-types.ts";
import type {
  KernelConfig,
  MaxPrefixOptions,
  MaxPrefixOutOptions,
  PathAttributeOptions,
  RequiredCapability,
  StaticRoute,
} from "./route-types.ts";
import type { WebhookConfig } from "./webhook-types.ts";

export interface Config extends Lists {
  readonly router: RouterConfig;
  /** Addresses to accept connections on. */
  readonly listen: readonly ListenAddress[];
  readonly control: { readonly socket: string };
  /** Where metrics, health and the API are served, null for nowhere. */
  readonly http: HttpConfig | null;
  readonly log: LogConfig;
  /** Null for a speaker that runs alone. */
  readonly nsr: NsrConfig | null;
  /** Null where nobody may follow this speaker as its mirror. */
  readonly mirrors: MirrorsConfig | null;
  /** Null for no origin validation. */
  readonly rpki: RpkiConfig | null;
  /** Null for no BMP stations. */
  readonly bmp: BmpConfig | null;
  /** Null for no MRT files. */
  readonly mrt: MrtConfig | null;
  /** Null where nothing is recorded. */
  readonly record: RecordConfig | null;
  /** Null for nobody who is told of events. */
  readonly webhook: WebhookConfig | null;
  /** Null where nobody may follow the routes that are used. */
  readonly followers: FollowersConfig | null;
  /** Null for a speaker that has all sessions of its route server. */
  readonly cluster: ClusterConfig | null;
  /** In the order of the file; addresses are unique. */
  readonly neighbors: readonly NeighborConfig[];
  /** In the order of the file; prefixes are unique. */
  readonly dynamicNeighbors: readonly DynamicNeighbors[];
  /** Routes that the speaker originates, in the order of the file; prefixes are unique. */
  readonly staticRoutes: readonly StaticRoute[];
  /** Null where the speaker originates no routes of the kernel. */
  readonly kernel: KernelConfig | null;
  readonly policies: Readonly<Record<string, Policy>>;
  /** Whose numbers say why a route was rejected, where it is shown; null for nobody's. */
  readonly rejectReasons: RejectPreset | null;
}

export interface RouterConfig {
  readonly as: number;
  /** BGP Identifier, dotted. */
  readonly id: string;
  /** Cluster of a route reflector (RFC 4456), dotted; the BGP Identifier unless given. */
  readonly clusterId: string;
}

/** Where HTTP is served, and who may use the API. */
export interface HttpConfig extends ListenAddress {
  /** What those may do who show no token; `local`: read, when they ask this host by a name that is its own. */
  readonly anonymous: "reader" | "local" | "none";
  readonly tokens: readonly HttpToken[];
  /**
   * Communities that stand for reasons of rejection, by code, `POLICY/RULE` or `default`: `64500:1` or
   * `64500:65520:1`.
   */
  readonly reasonCommunities: Readonly<Record<string, string>>;
}

export interface HttpToken {
  /** Unique. */
  readonly name: string;
  readonly role: "operator" | "reader" | "member";
  /** Of a member, else null. */
  readonly as: number | null;
  /** In clear. */
  readonly secret: string;
}

export interface LogConfig {
  readonly level: "trace" | "debug" | "info" | "warn" | "error";
  /** Null for standard output. */
  readonly file: string | null;
}

/** Where validated ROA payloads come from. */
export interface RpkiConfig {
  readonly caches: readonly RtrCacheConfig[];
  readonly files: readonly RoaFileConfig[];
  /** Local exceptions. */
  readonly slurm: Slurm;
  /** So long routes of external neighbors wait for data after a start, at most. */
  readonly startLimitSeconds: number;
}

export interface RtrCacheConfig {
  /** Unique: address and port. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** Lower ones are preferred. */
  readonly preference: number;
  /** TCP MD5 secret in clear, null for none. */
  readonly password: string | null;
  /** Null for plain TCP. */
  readonly tls: RtrTls | null;
}

export interface RtrTls {
  /** PEM text of who signed the cache's certificate. */
  readonly ca: string;
  /** Of this side, PEM as well; null where the cache does not ask who it is. */
  readonly cert: string | null;
  readonly key: string | null;
  /** That the certificate is to have; null for the address. */
  readonly serverName: string | null;
}

export interface RoaFileConfig {
  /** From the root. */
  readonly file: string;
  readonly preference: number;
}

/** Who is told by BMP (RFC 7854) what the speaker does. */
export interface BmpConfig {
  /** At least one. */
  readonly stations: readonly BmpStationConfig[];
}

export const BMP_TABLES = [
  "adj-in-pre",
  "adj-in-post",
  "loc-rib",
  "adj-out-pre",
  "adj-out-post",
] as const;
export type BmpTable = (typeof BMP_TABLES)[number];

export interface BmpStationConfig {
  /** Unique: address and port, or where it is listened on for the station. */
  readonly name: string;
  /** The station listens there; null where it connects. */
  readonly connect: ListenAddress | null;
  /** The station connects to there; null where it is connected to. */
  readonly listen: ListenAddress | null;
  /** Addresses that may connect; empty for any. */
  readonly from: readonly string[];
  /** At least one. */
  readonly tables: readonly BmpTable[];
  /** Addresses of neighbors and names of groups; empty for all. */
  readonly neighbors: readonly string[];
  /** Seconds between reports of counters; 0 for none. */
  readonly statisticsSeconds: number;
  readonly mirrorMalformed: boolean;
  /** Of BMP. */
  readonly version: 3 | 4;
  /** Memory that what waits for the station may take; it has missed what is more. */
  readonly queueOctetsMax: number;
}

/** Files in the format MRT (RFC 6396). */
export interface MrtConfig {
  /** From the root. */
  readonly dir: string;
  /** Between dumps of all routes; 0 for none. */
  readonly tablesSeconds: number;
  readonly routes: "received" | "accepted";
  /** Of whom there are dumps of what they were sent, at the same times: addresses, and names of groups. */
  readonly advertised: readonly string[];
  /** For so long UPDATE messages go into one file; 0 for none. */
  readonly updatesSeconds: number;
  readonly compress: "gzip" | "zstd" | "none";
}

/** Roles of RFC 9234 section 4.1: what this speaker is to the peer. */
export type RoleName = "provider" | "rs" | "rs-client" | "customer" | "peer";

export interface NeighborConfig extends NeighborOptions {
  /** Canonical text (RFC 5952), with a zone when link-local. Names the neighbor. */
  readonly address: string;
  /** Name of its group, empty when it has none. */
  readonly group: string;
  /** The neighbor's place in the file. */
  readonly source: Source;
  /** Null for a neighbor of the file; else where it may come from and which AS numbers it may have. */
  readonly dynamic: { readonly prefix: string; readonly asRanges: readonly AsRange[] } | null;
}

/** First and last AS number. */
export type AsRange = readonly [first: number, last: number];

/** Neighbors that are made when they connect. */
export interface DynamicNeighbors {
  /** In canonical form. */
  readonly prefix: string;
  /** There are no more of them at a time. */
  readonly limit: number;
  /** So long after its session has ended one is forgotten. */
  readonly forgetAfterSeconds: number;
  /** Of each one: `address` is the prefix here; `as` is 0 where it may be one of several. */
  readonly options: NeighborConfig;
}

/** What a neighbor can take from its group and from the defaults. */
export interface NeighborOptions {
  readonly as: number;
  readonly description: string;
  readonly enabled: boolean;
  readonly passive: boolean;
  /** Port to connect to. */
  readonly port: number;
  /** Address to connect from; null for the one that the system chooses. */
  readonly localAddress: string | null;
  /** AS number shown to the neighbor. */
  readonly localAs: number;
  /** 0 or 3..65535 */
  readonly holdTime: number;
  /** Shortest hold time that is taken from the neighbor, in seconds; 0 for any. */
  readonly holdTimeMin: number;
  /** Without these offered by the neighbor there is no session (RFC 5492). */
  readonly requireCapabilities: readonly RequiredCapability[];
  /** The member of the cluster that has the session; null for this speaker. */
  readonly speaker: string | null;
  /** Seconds between attempts to connect. */
  readonly connectRetry: number;
  /** Seconds to wait for the neighbor's OPEN before ours is sent. */
  readonly delayOpen: number;
  /** At least one. */
  readonly families: readonly FamilyName[];
  readonly routeServerClient: boolean;
  readonly routeReflectorClient: boolean;
  readonly nextHop: "self" | "unchanged";
  /** Names of policies; `accept-all` alone accepts everything, none rejects everything. */
  readonly import: readonly string[];
  readonly export: readonly string[];
  /**
   * Name of the policy, made for it, that routes go through before those of `import`: it decides about
   * blackhole routes (RFC 7999), see `importChain`. Null when the neighbor may not ask for that.
   */
  readonly blackhole: string | null;
  readonly ebgpRequiresPolicy: boolean;
  readonly enforceFirstAs: boolean;
  /** How often the own AS number may stand in a received AS_PATH. */
  readonly allowOwnAs: number;
  /** What to do with AS_SET in AS_PATH (RFC 9774). */
  readonly asSet: "reject" | "accept";
  readonly pathAttribute: PathAttributeOptions;
  readonly addPath: AddPathOptions;
  readonly extendedNextHop: boolean;
  readonly extendedMessage: boolean;
  readonly gracefulRestart: GracefulRestartOptions;
  /** What the neighbor is told of restarts of this speaker; counts where the mode is `full`. */
  readonly ownRestart: OwnRestartOptions;
  readonly longLivedGracefulRestart: LongLivedOptions;
  readonly role: RoleName | "none";
  readonly strictRole: boolean;
  /** TCP MD5 secret in clear, null for none. */
  readonly password: string | null;
  /** GTSM (RFC 5082): the neighbor is at most so many hops away; 0 for off. */
  readonly ttlSecurity: number;
  /** TTL of an eBGP session over several hops; 0 when the neighbor is directly connected. */
  readonly multihop: number;
  /** TCP congestion control by the kernel's name; null for cubic where the kernel has it, else its own. */
  readonly congestionControl: string | null;
  /** Null: whether the path to the neighbor is there is left to BGP. */
  readonly bfd: BfdOptions | null;
  readonly maxPrefix: MaxPrefixOptions;
  /** Beside it, for prefixes that are accepted: `count` says so. */
  readonly maxPrefixAccepted: MaxPrefixOptions;
  readonly maxPrefixOut: MaxPrefixOutOptions;
  /** Longest AS path, an AS_SET counting as one, and communities of all kinds; null for no limit. */
  readonly maxAsPath: number | null;
  readonly maxCommunities: number | null;
  /** Whether NO_EXPORT and its kin bind this speaker or are only passed on (RFC 1997). */
  readonly honorWellKnownCommunities: boolean;
  /** Whether an accepted external route with GRACEFUL_SHUTDOWN gets LOCAL_PREF 0 (RFC 8326). */
  readonly honorGracefulShutdown: boolean;
  /** Route server client: gets the next path when the best is filtered (RFC 7947 section 2.3.1). */
  readonly pathHiding: "mitigate" | "off";
  /** The same for another external neighbor. */
  readonly nextBest: boolean;
  /** Whether routes learned from one session of an AS go to its other sessions. */
  readonly sendSameAs: boolean;
  /** Whether an external neighbor is sent the origin validation state (RFC 8097). */
  readonly sendRpkiState: boolean;
  /** Whether it is taken from an external neighbor. */
  readonly acceptRpkiState: boolean;
  readonly keepRejected: boolean;
  /** Whether the session must be protected by a standby, may be, or is not. */
  readonly nsr: "required" | "preferred" | "off";
  /** Values for policies that say `$name`, each in its canonical text. */
  readonly vars: Vars;
}

/** A BFD session with the neighbor (RFC 5880). */
export interface BfdOptions {
  /** Between packets, in both directions; 10 to 60 000. */
  readonly intervalMs: number;
  /** Packets missing in a row until the session is down: 1..255. */
  readonly multiplier: number;
  /** Nothing is sent before the neighbor has. */
  readonly passive: boolean;
  /** RFC 5883: routers may stand between. */
  readonly multihop: boolean;
  readonly auth: BfdAuth | null;
}

export interface AddPathOptions {
  readonly receive: boolean;
  /** Number of best paths to send; 0 sends without ADD-PATH. */
  readonly send: number | "all";
}

export interface GracefulRestartOptions {
  /**
   * `helper`: routes of a neighbor that restarts gracefully are kept meanwhile (RFC 4724); `full`: and
   * the neighbor is asked to do the same when this speaker restarts.
   */
  readonly mode: "full" | "helper" | "off";
  /** Seconds for which they are kept at most, whatever the neighbor asks for; 1 to 4095. */
  readonly restartTimeMax: number;
}

export interface OwnRestartOptions {
  /** Seconds for which the neighbor is to wait for this speaker to come back; 0 to 4095. */
  readonly time: number;
  /** Whether NOTIFICATION messages and the hold timer end a session gracefully as well (RFC 8538). */
  readonly notification: boolean;
  /** Seconds for which a restarted speaker waits for the neighbor's routes, at most. */
  readonly deferSeconds: number;
}

/** Long-lived graceful restart (RFC 9494). */
export interface LongLivedOptions {
  /** As of graceful restart, which must be on as far. */
  readonly mode: "full" | "helper" | "off";
  /** Seconds for which the neighbor is to keep our routes beyond its restart time; 0 for not. */
  readonly staleTime: FamilySeconds;
  /** Seconds for which its routes are kept at most, whatever it asks for; 0 for not. */
  readonly staleTimeMax: FamilySeconds;
  /** An internal neighbor that does not know of it gets stale routes all the same (section 4.6). */
  readonly partial: boolean;
}

export interface FamilySeconds {
  readonly ipv4Unicast: number;
  readonly ipv6Unicast: number;
}
