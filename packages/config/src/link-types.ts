/**
 * Sections of a configuration about other processes that are linked with this one: sides of a pair, mirrors,
 * followers, members of a cluster, and the record, which is read like a mirror.
 */

export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** Where two sides of a pair meet: a Unix socket, or TCP. */
export type LinkAddress = { readonly path: string } | ListenAddress;

/** Another side of the pair. */
export interface NsrPeer {
  /** Null where there is one other side, of whatever name. */
  readonly name: string | null;
  /** Addresses that lead to it while it is active, at least one. */
  readonly ways: readonly LinkAddress[];
}

/** One side of a pair for nonstop routing. */
export interface NsrConfig {
  /** Name of the pair, on both sides the same. */
  readonly cluster: string;
  /** Name of this side, unlike the other's; empty when the file has none. */
  readonly self: string;
  /** Where the other side joins while this one is active. */
  readonly listen: LinkAddress;
  /** The other sides, at least one, in the order in which they are preferred. */
  readonly peers: readonly NsrPeer[];
  /** Both sides in one network namespace, or service addresses that move. */
  readonly mode: "shared" | "address";
  /** Empty exactly in mode `shared`. */
  readonly serviceAddresses: readonly ServiceAddressConfig[];
  readonly arbiter: ArbiterConfig;
  /** Null where all links are Unix sockets: those of TCP need it. */
  readonly tls: NsrTls | null;
  readonly heartbeatMs: number;
  /** Heartbeats missing in a row until the other side counts as lost. */
  readonly heartbeatMisses: number;
  /** How long a standby may leave a bracket unacknowledged. */
  readonly patienceMs: number;
  /** Where this side, as a standby, keeps what it has stored; null for nowhere. */
  readonly log: NsrLog | null;
}

/** Who may follow this speaker as its mirror, and where. */
export interface MirrorsConfig {
  /** That mirrors name as well, and their certificates; unlike that of a pair. */
  readonly cluster: string;
  readonly listen: LinkAddress;
  /** Null for a Unix socket: TCP needs it. */
  readonly tls: NsrTls | null;
  /** Of mirrors that may follow; empty for any. */
  readonly names: readonly string[];
  /** Mirrors at once, at most; 1 to 64. */
  readonly max: number;
}

/** What is kept on disk of all that the speaker has done. */
export interface RecordConfig {
  /** A path from the root. */
  readonly directory: string;
  /** What is older goes. */
  readonly keepMs: number;
  /** Octets in the folder, at most. */
  readonly octetsMax: number;
  /** After so long a file begins, with the whole state. */
  readonly everyMs: number;
}

export interface NsrLog {
  /** A path from the root. */
  readonly directory: string;
  /** Octets of brackets beside the state that they go on from; no less than that state, if it is more. */
  readonly octetsMax: number;
}

/** An address that moves to the active side. */
export interface ServiceAddressConfig {
  /** Canonical text, without zone. */
  readonly address: string;
  /** Length of its prefix. */
  readonly bits: number;
  /** Empty for the one that has an address of the same subnet. */
  readonly interface: string;
}

/** Who decides which side is active. */
export type ArbiterConfig =
  | { readonly kind: "local"; readonly file: string }
  | (EtcdAccess & { readonly kind: "etcd"; readonly ttlSeconds: number });

/** An etcd, and how to log in there. */
export interface EtcdAccess {
  /** At least one, without a slash at the end. */
  readonly endpoints: readonly string[];
  /** Null for what TLS does by itself. */
  readonly tls: EtcdTls | null;
  /** Null for an etcd without authentication, or one that knows its users by their certificates. */
  readonly user: EtcdUser | null;
}

/** PEM texts, and the name that certificates are to have. */
export interface EtcdTls {
  /** Null for the authorities that Node.js comes with. */
  readonly ca: string | null;
  /** Null for no certificate of this client; then `key` is null as well. */
  readonly cert: string | null;
  readonly key: string | null;
  /** Null for the host of the endpoint. */
  readonly serverName: string | null;
}

export interface EtcdUser {
  readonly name: string;
  /** In clear. */
  readonly password: string;
}

/** PEM texts: what is in the files, not their names. */
export interface NsrTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Processes that follow the routes that are used. */
export interface FollowersConfig {
  /** What followers and certificates call the speaker, or the pair. */
  readonly name: string;
  readonly listen: LinkAddress;
  /** Null for a Unix socket. */
  readonly tls: NsrTls | null;
  /** More are not let in. */
  readonly max: number;
  /** Next hops that they are told of a route, at most. */
  readonly paths: number;
}

/** Speakers that have the sessions of one route server between them. */
export interface ClusterConfig {
  /** What certificates of members are for. */
  readonly name: string;
  /** Which member this speaker is. */
  readonly self: string;
  /** Where this process is followed by the others. */
  readonly listen: LinkAddress;
  /** All listen on the same addresses, and give each other the connections of their clients. */
  readonly sharesAddress: boolean;
  /** The others, in the order of the file; empty where etcd has the list of them. */
  readonly members: readonly ClusterMember[];
  /** Null where the file names the members. */
  readonly etcd: ClusterEtcd | null;
  /** So long the routes of a member stay that is not there. */
  readonly holdSeconds: number;
  /** Null where all links are Unix sockets. */
  readonly tls: NsrTls | null;
}

/** Where members of a cluster find each other. */
export interface ClusterEtcd extends EtcdAccess {
  /** Of keys, without a slash at the end. */
  readonly prefix: string;
  /** So long the entry of a process stays that is heard of no more. */
  readonly ttlSeconds: number;
  /** Processes that are this member: 1, or the sides of a pair. */
  readonly sides: number;
}

export interface ClusterMember {
  readonly name: string;
  /** Where it is followed: of a pair, each of its sides. */
  readonly links: readonly LinkAddress[];
}
