/**
 * What a configuration file looks like once it satisfies the schema; keys are as in the file.
 */

import type { BfdAuthType } from "@ts-bgp/bfd";
import type { OriginName, RejectPreset, RejectReason, RouteType } from "@ts-bgp/policy";
import type { RequiredCapability } from "./route-types.ts";
import type { BmpTable } from "./types.ts";
import type { WebhookEvent } from "./webhook-types.ts";

export interface FileShape {
  readonly include?: OneOrMore<string>;
  readonly router?: { readonly as: number; readonly id: string; readonly "cluster-id"?: string };
  readonly listen?: readonly (string | { readonly address: string; readonly port?: number })[];
  readonly control?: { readonly socket?: string };
  readonly http?: FileHttp;
  readonly log?: {
    readonly level?: "trace" | "debug" | "info" | "warn" | "error";
    readonly file?: string;
  };
  readonly nsr?: FileNsr;
  readonly mirrors?: FileMirrors;
  readonly rpki?: FileRpki;
  readonly bmp?: FileBmp;
  readonly mrt?: {
    readonly dir: string;
    readonly "tables-every"?: number;
    readonly routes?: "received" | "accepted";
    readonly advertised?: string | readonly string[];
    readonly "updates-every"?: number;
    readonly compress?: "gzip" | "zstd" | "none";
  };
  readonly record?: {
    readonly dir: string;
    readonly keep?: string;
    readonly size?: string;
    readonly every?: string;
  };
  readonly webhook?: {
    readonly url: string;
    readonly secret?: FileSecret;
    readonly events?: readonly WebhookEvent[];
  };
  readonly followers?: {
    readonly name?: string;
    readonly listen: FileLink;
    readonly max?: number;
    readonly paths?: number;
    readonly tls?: FileTls;
  };
  readonly cluster?: FileCluster;
  readonly defaults?: FileOptions;
  readonly groups?: Readonly<Record<string, FileOptions>>;
  readonly neighbors?: readonly FileNeighbor[];
  readonly "dynamic-neighbors"?: readonly FileDynamicNeighbors[];
  readonly static?: readonly FileStaticRoute[];
  readonly kernel?: FileKernel;
  readonly "prefix-lists"?: Readonly<Record<string, FileList<string>>>;
  readonly "route-lists"?: Readonly<Record<string, FileList<string | FileRoute>>>;
  readonly "as-lists"?: Readonly<Record<string, FileList<string | number>>>;
  readonly "community-lists"?: Readonly<Record<string, FileList<string>>>;
  readonly "reject-reasons"?: RejectPreset;
  readonly policies?: Readonly<Record<string, FilePolicy>>;
}

export interface FileHttp {
  readonly address?: string;
  readonly port: number;
  readonly anonymous?: "reader" | "none";
  readonly tokens?: readonly {
    readonly name: string;
    readonly role: "operator" | "reader" | "member";
    readonly as?: number;
    readonly secret: FileSecret;
  }[];
  readonly "reason-communities"?: Readonly<Record<string, string>>;
}

export type FileLink = string | { readonly address: string; readonly port: number };

/** Certificates for links, as paths of files. */
export type FileTls = NonNullable<FileNsr["tls"]>;

export interface FileNsr {
  readonly cluster: string;
  readonly self?: string;
  readonly listen: FileLink;
  readonly peer?: OneOrMore<FileLink>;
  readonly peers?: Readonly<Record<string, OneOrMore<FileLink>>>;
  readonly mode?: "shared" | "address";
  readonly "service-addresses"?: readonly {
    readonly address: string;
    readonly interface?: string;
  }[];
  readonly arbiter?: "local" | FileArbiter;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly "heartbeat-ms"?: number;
  readonly "heartbeat-misses"?: number;
  readonly "patience-ms"?: number;
  readonly log?: string;
  readonly "log-mb"?: number;
}

export interface FileMirrors {
  readonly cluster: string;
  readonly listen: FileLink;
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  readonly names?: OneOrMore<string>;
  readonly max?: number;
}

export interface FileCluster {
  readonly name?: string;
  readonly self: string;
  readonly members?: Readonly<Record<string, OneOrMore<FileLink>>>;
  readonly etcd?: FileClusterEtcd;
  readonly listen?: FileLink;
  readonly "share-address"?: boolean;
  readonly "hold-seconds"?: number;
  readonly tls?: FileTls;
}

export interface FileClusterEtcd extends FileEtcd {
  readonly prefix?: string;
  readonly "ttl-seconds"?: number;
}

export interface FileRpki {
  readonly caches?: readonly {
    readonly address: string;
    readonly port?: number;
    readonly preference?: number;
    readonly password?: FileSecret;
    readonly tls?: FileRtrTls;
  }[];
  readonly files?: readonly (string | { readonly file: string; readonly preference?: number })[];
  readonly slurm?: OneOrMore<string>;
  readonly "start-limit"?: number;
}

export interface FileBmp {
  readonly stations: readonly FileBmpStation[];
}

export interface FileBmpStation {
  readonly address?: string;
  readonly port?: number;
  readonly listen?: { readonly address: string; readonly port: number };
  readonly from?: OneOrMore<string>;
  readonly tables?: OneOrMore<BmpTable>;
  readonly neighbors?: OneOrMore<string>;
  readonly statistics?: number;
  readonly "mirror-malformed"?: boolean;
  readonly version?: 3 | 4;
  readonly "queue-mb"?: number;
}

export interface FileRtrTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly "server-name"?: string;
}

export interface FileArbiter {
  readonly file?: string;
  readonly etcd?: OneOrMore<string> | FileEtcd;
  readonly ttl?: number;
}

export interface FileEtcd {
  readonly endpoints: OneOrMore<string>;
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly "server-name"?: string;
  };
  readonly user?: string;
  readonly password?: FileSecret;
  readonly insecure?: boolean;
}

/** Written here, or where it is to be had. */
export type FileSecret = string | { readonly file?: string; readonly env?: string };

/** Entries, from files and written here. */
export type FileList<T> =
  | readonly T[]
  | { readonly file?: OneOrMore<string>; readonly entries?: readonly T[] };

/** A prefix with "ge" and "le", and the AS that may originate it. */
export interface FileRoute {
  readonly prefix: string;
  readonly origin: number | string;
}

/** One or several. */
export type OneOrMore<T> = T | readonly T[];

export interface FileNeighbor extends FileOptions {
  readonly address: string;
  readonly group?: string;
}

export interface FileDynamicNeighbors extends Pick<FileOptions, "description" | "password"> {
  readonly prefix: string;
  readonly "as-numbers"?: OneOrMore<number | string>;
  readonly group?: string;
  readonly limit?: number;
  readonly "forget-after"?: number;
}

export interface FileKernel {
  readonly table?: number;
  readonly protocols: OneOrMore<string | number>;
  readonly import: OneOrMore<string>;
}

export interface FileStaticRoute {
  readonly prefix: string;
  readonly "next-hop": string;
  readonly origin?: OriginName;
  readonly "as-path"?: readonly number[];
  readonly med?: number;
  readonly "local-pref"?: number;
  readonly community?: readonly string[];
  readonly "large-community"?: readonly string[];
  readonly "extended-community"?: readonly string[];
}

export interface FileOptions {
  readonly speaker?: string;
  readonly as?: number;
  readonly description?: string;
  readonly enabled?: boolean;
  readonly passive?: boolean;
  readonly port?: number;
  readonly "local-address"?: string;
  readonly "local-as"?: number;
  readonly "hold-time"?: number;
  readonly "hold-time-min"?: number;
  readonly "require-capabilities"?: OneOrMore<RequiredCapability>;
  readonly "connect-retry"?: number;
  readonly "delay-open"?: number;
  readonly families?: readonly ("ipv4-unicast" | "ipv6-unicast")[];
  readonly "route-server-client"?: boolean;
  readonly "route-reflector-client"?: boolean;
  readonly "next-hop"?: "self" | "unchanged";
  readonly import?: OneOrMore<string>;
  readonly export?: OneOrMore<string>;
  readonly blackhole?: FileBlackhole;
  readonly "ebgp-requires-policy"?: boolean;
  readonly "enforce-first-as"?: boolean;
  readonly "allow-own-as"?: number;
  readonly "as-set"?: "reject" | "accept";
  readonly "path-attribute"?: FilePathAttribute;
  readonly "add-path"?: FileAddPath;
  readonly "extended-next-hop"?: boolean;
  readonly "extended-message"?: boolean;
  readonly "graceful-restart"?: RestartMode | FileGracefulRestart;
  readonly "long-lived-graceful-restart"?: RestartMode | FileLongLived;
  readonly role?: "provider" | "rs" | "rs-client" | "customer" | "peer" | "none";
  readonly "strict-role"?: boolean;
  readonly password?: FileSecret;
  readonly "ttl-security"?: number;
  readonly multihop?: number;
  readonly "congestion-control"?: string;
  readonly bfd?: boolean | FileBfd;
  readonly "max-prefix"?: number | FileMaxPrefix;
  readonly "max-prefix-accepted"?: number | Omit<FileMaxPrefix, "count">;
  readonly "max-prefix-out"?: number | FileMaxPrefixOut;
  readonly "max-as-path"?: number | "none";
  readonly "max-communities"?: number | "none";
  readonly "honor-well-known-communities"?: boolean;
  readonly "honor-graceful-shutdown"?: boolean;
  readonly "path-hiding"?: "mitigate" | "off";
  readonly "next-best"?: boolean;
  readonly "send-same-as"?: boolean;
  readonly "send-rpki-state"?: boolean;
  readonly "accept-rpki-state"?: boolean;
  readonly "keep-rejected"?: boolean;
  readonly nsr?: "required" | "preferred" | "off";
  readonly vars?: Readonly<Record<string, OneOrMore<string | number>>>;
}

export interface FileBfd {
  readonly enabled?: boolean;
  readonly "interval-ms"?: number;
  readonly multiplier?: number;
  readonly passive?: boolean;
  readonly multihop?: boolean;
  readonly auth?: "none" | FileBfdAuth;
}

export interface FileBfdAuth {
  readonly type?: BfdAuthType;
  readonly "key-id"?: number;
  readonly secret?: FileSecret;
}

export type RestartMode = "full" | "helper" | "off";

export interface FileGracefulRestart {
  readonly mode?: RestartMode;
  readonly "restart-time"?: number;
  readonly "restart-time-max"?: number;
  readonly notification?: boolean;
  readonly "defer-limit"?: number;
}

/** For each family, or for both. */
export type FileFamilySeconds =
  | number
  | { readonly "ipv4-unicast"?: number; readonly "ipv6-unicast"?: number };

export interface FileLongLived {
  readonly mode?: RestartMode;
  readonly "stale-time"?: FileFamilySeconds;
  readonly "stale-time-max"?: FileFamilySeconds;
  readonly partial?: boolean;
}

export interface FileAddPath {
  readonly receive?: boolean;
  readonly send?: number | "all";
}

export interface FileBlackhole {
  readonly prefixes?: OneOrMore<string>;
  readonly "next-hop"?: OneOrMore<string>;
  readonly communities?: OneOrMore<string>;
  readonly "no-export"?: boolean;
}

export interface FileMaxPrefix {
  readonly "ipv4-unicast"?: number;
  readonly "ipv6-unicast"?: number;
  readonly action?: "warn" | "block" | "restart" | "shutdown";
  readonly "warn-percent"?: number;
  readonly "restart-after"?: number;
  readonly count?: "received" | "accepted";
}

export interface FileMaxPrefixOut {
  readonly "ipv4-unicast"?: number;
  readonly "ipv6-unicast"?: number;
  readonly action?: "warn" | "block" | "restart" | "shutdown";
  readonly "restart-after"?: number;
}

export interface FilePathAttribute {
  readonly discard?: OneOrMore<number>;
  readonly "treat-as-withdraw"?: OneOrMore<number>;
}

export type FilePolicy =
  | readonly FileRule[]
  | { readonly default?: "accept" | "reject" | "next"; readonly rules: readonly FileRule[] };

export interface FileRule {
  readonly name?: string;
  readonly if?: FileConditions;
  readonly set?: FileModifications;
  readonly then?: "accept" | "reject" | "next" | "return";
  readonly reason?: RejectReason;
  readonly log?: boolean;
}

export type FileRange = number | { readonly min?: number; readonly max?: number };

export type FileCommunityTest =
  | OneOrMore<string>
  | {
      readonly "any-of"?: readonly string[];
      readonly "all-of"?: readonly string[];
      readonly count?: FileRange;
    };

export interface FileConditions {
  readonly prefix?: OneOrMore<string>;
  readonly "prefix-length"?: FileRange;
  readonly family?: "ipv4-unicast" | "ipv6-unicast";
  readonly "as-path"?: {
    readonly first?: OneOrMore<string | number>;
    readonly origin?: OneOrMore<string | number>;
    readonly contains?: OneOrMore<string | number>;
    readonly "behind-first"?: OneOrMore<string | number>;
    readonly "before-origin"?: OneOrMore<string | number>;
    readonly length?: FileRange;
    readonly regex?: string;
  };
  readonly "neighbor-as"?: OneOrMore<string | number>;
  readonly peer?: OneOrMore<string>;
  readonly community?: FileCommunityTest;
  readonly "large-community"?: FileCommunityTest;
  readonly "extended-community"?: FileCommunityTest;
  readonly source?: {
    readonly as?: OneOrMore<string | number>;
    readonly peer?: OneOrMore<string>;
    readonly vars?: Readonly<Record<string, OneOrMore<string | number>>>;
  };
  readonly route?: OneOrMore<string>;
  readonly "community-count"?: FileRange;
  readonly "next-hop"?: OneOrMore<string>;
  readonly "local-pref"?: FileRange;
  readonly med?: FileRange | "none";
  readonly origin?: OneOrMore<"igp" | "egp" | "incomplete">;
  readonly "route-type"?: OneOrMore<RouteType>;
  readonly rpki?: OneOrMore<"valid" | "not-found" | "invalid">;
  readonly aspa?: OneOrMore<"valid" | "unknown" | "invalid">;
  readonly all?: readonly FileConditions[];
  readonly any?: readonly FileConditions[];
  readonly not?: FileConditions;
}

export interface FileCommunityChange {
  readonly set?: readonly string[];
  readonly remove?: readonly string[];
  readonly add?: readonly string[];
}

export interface FileModifications {
  readonly "local-pref"?: number | string | { readonly add?: number; readonly subtract?: number };
  readonly med?: number | string | { readonly add?: number; readonly subtract?: number };
  readonly origin?: "igp" | "egp" | "incomplete";
  readonly "next-hop"?: string;
  readonly community?: FileCommunityChange;
  readonly "large-community"?: FileCommunityChange;
  readonly "extended-community"?: FileCommunityChange;
  readonly "as-path"?: {
    readonly "remove-private"?: boolean;
    readonly replace?: OneOrMore<string | number>;
  };
  readonly "remove-attributes"?: OneOrMore<number>;
  readonly prepend?: number | { readonly as: string | number; readonly count?: number };
}
