/**
 * Configuration: YAML text to a checked value.
 *
 *     text -> yaml-file   values, and where each stands in the text
 *          -> schema      keys, types and ranges, by the JSON Schema that editors use as well
 *          -> lists, rules, nsr, neighbors, dynamic   names that must exist, patterns, what goes together
 *          -> Config      every default filled in, plain data; or all mistakes with line and column
 *
 * What the schema finds wrong is taken out before the later checks, so that one pass finds
 * everything. `Config` can be sent to a standby; it holds no file and no environment variable to
 * look up. `diffConfig` tells what a new configuration means for running sessions.
 *
 * Pure: files and environment are handed in as functions.
 *
 * RFCs: 8212 (default deny), 9234 (roles), 5082 (GTSM), 2385 (MD5), 7947 (route server defaults).
 */

export { parseHostAddress } from "./addresses.ts";
export { importChain } from "./blackhole.ts";
export { canaryAddresses, canaryConfig, nameInFile } from "./canary.ts";
export type { ConfigSources } from "./checker.ts";
export { clientSocketOf } from "./cluster.ts";
export {
  atOnce,
  type Compared,
  type ConfigDiff,
  changedSections,
  diffConfig,
  diffInSteps,
  type NeighborChange,
  reloadRefusal,
  sharing,
  sharingInSteps,
} from "./diff.ts";
export { dynamicNeighbor, dynamicRangeOf, takesAs } from "./dynamic.ts";
export { fileKind, type Loaded } from "./file-kinds.ts";
export { type ForwardConfig, loadForward } from "./forward.ts";
export type {
  ArbiterConfig,
  ClusterConfig,
  ClusterEtcd,
  ClusterMember,
  EtcdAccess,
  EtcdTls,
  EtcdUser,
  FollowersConfig,
  LinkAddress,
  ListenAddress,
  MirrorsConfig,
  NsrConfig,
  NsrPeer,
  NsrTls,
  RecordConfig,
  ServiceAddressConfig,
} from "./link-types.ts";
export { type LoadedConfig, loadConfig } from "./load.ts";
export { loadMirror, type MirrorConfig } from "./mirror.ts";
export { formatMistakes, type Mistake } from "./mistakes.ts";
export { CHANGE_EFFECTS, type ChangeEffect } from "./options.ts";
export { complete, completeNeighbor, completing, unknownOptions } from "./other-version.ts";
export type {
  KernelConfig,
  MaxPrefixOptions,
  MaxPrefixOutOptions,
  PathAttributeOptions,
  RequiredCapability,
  StaticRoute,
} from "./route-types.ts";
export { useValidatorCode, validatorCode } from "./schema.ts";
export { loadSpare, type SpareConfig, type SparedPair } from "./spare.ts";
export type {
  AddPathOptions,
  AsRange,
  BfdOptions,
  BmpConfig,
  BmpStationConfig,
  BmpTable,
  Config,
  DynamicNeighbors,
  FamilySeconds,
  GracefulRestartOptions,
  HttpConfig,
  HttpToken,
  LogConfig,
  MrtConfig,
  NeighborConfig,
  NeighborOptions,
  RoaFileConfig,
  RoleName,
  RouterConfig,
  RpkiConfig,
  RtrCacheConfig,
  RtrTls,
} from "./types.ts";
export type { WebhookConfig, WebhookEvent } from "./webhook-types.ts";
