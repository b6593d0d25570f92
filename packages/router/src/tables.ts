/** What all neighbors share: tables, policies, update groups, and where outputs go. */

import { type Config, takesAs } from "@ts-bgp/config";
import { type Filter, Policies, type ReasonTable, type Vars } from "@ts-bgp/policy";
import { type AttrStore, PeerTable, Rib, SPARSE_MS } from "@ts-bgp/rib";
import { FAMILY, type Family, type OpenMessage, UpdateReader } from "@ts-bgp/wire-codec";
import type { BfdState } from "./bfd-state.ts";
import { addressOctets } from "./facts.ts";
import { Jobs } from "./jobs.ts";
import type { MemberState } from "./member-state.ts";
import { type KernelPeer, NeighborDirectory, type StaticPeer } from "./neighbor-directory.ts";
import { Jitter, Numbers } from "./numbers.ts";
import { noteRoutesOf, type Wants, wantsOf } from "./observed.ts";
import { OriginValidation } from "./origin-validation.ts";
import { type ConnectionId, Outputs } from "./outputs.ts";
import { OwnRestart } from "./own-restart.ts";
import { UpdateGroups } from "./update-groups.ts";

export const FAMILIES: readonly Family[] = [FAMILY.IPV4_UNICAST, FAMILY.IPV6_UNICAST];

export class Tables {
  /** The configuration in force. */
  config: Config;
  /** Whether some neighbor is configured for long-lived graceful restart (RFC 9494). */
  isLongLived: boolean;
  /** Those of the configuration in force. */
  policies: Policies;
  /** Those of earlier configurations, which groups may use until their members have moved. */
  private oldPolicies: Policies[] = [];
  readonly attrs: AttrStore;
  readonly peers: PeerTable = new PeerTable();
  readonly reasons: ReasonTable;
  readonly directory: NeighborDirectory = new NeighborDirectory();
  readonly jobs: Jobs = new Jobs();
  readonly groups: UpdateGroups;
  readonly outputs: Outputs = new Outputs();
  readonly origins: OriginValidation;
  readonly restart: OwnRestart;
  readonly reader: UpdateReader = new UpdateReader();
  readonly jitter: Jitter;
  /** Of facts of peers. */
  readonly factNumbers: Numbers = new Numbers();
  readonly connectionNumbers: Numbers = new Numbers();
  /** OPENs that another router has sent in this one's place, by connection: what counts is what was sent. */
  opens: Map<ConnectionId, OpenMessage> = new Map();
  /** What those are told who observe. */
  wants: Wants;
  /** By address, of neighbors that have a BFD session, or had one. */
  bfd: Map<string, BfdState> = new Map();
  /** Whose routes those of the configuration are; null while there have been none. */
  staticPeer: StaticPeer | null = null;
  /** Whose routes those of the kernel are; null while there have been none. */
  kernelPeer: KernelPeer | null = null;
  /** Other members of the cluster, by name; absent while none has told anything. */
  members?: Map<string, MemberState>;
  /** Set of no attributes: what a route that cannot be read is kept with. */
  readonly emptySet: number;
  /** The clock of the input at hand. */
  nowMs = 0;
  /** When unused room of `attrs` is given back; null while there is not much. */
  private compactAtMs: number | null = null;
  /** Attribute sets that there were when a pass over them gave nothing back; Infinity when none did. */
  private sizeTried = Infinity;
  private readonly ribs: readonly Rib[];
  private addresses: ReadonlyMap<number, readonly Uint8Array[]>;
  private vars: ReadonlyMap<number, readonly Vars[]>;

  constructor(config: Config, attrs: AttrStore, reasons: ReasonTable, seed: number) {
    this.config = config;
    this.isLongLived = hasLongLived(config);
    this.attrs = attrs;
    this.reasons = reasons;
    this.origins = new OriginValidation(this.outputs);
    this.policies = new Policies(config, attrs, reasons, this.origins.validation);
    this.jitter = new Jitter(seed);
    this.ribs = FAMILIES.map((family) => new Rib(family, attrs, this.peers, seed));
    this.groups = new UpdateGroups(this.directory, this.jobs, this.factNumbers);
    this.restart = new OwnRestart(this.outputs, this.origins, this.groups);
    this.addresses = addressesByAs(config);
    this.vars = varsByAs(config);
    this.emptySet = attrs.intern(new Uint8Array(0), 0, 0);
    this.wants = wantsOf(config);
    for (const rib of this.ribs) noteRoutesOf(rib, this.wants);
  }

  rib(family: Family): Rib {
    return this.ribs[family - 1]!;
  }

  /**
   * Puts another configuration into force, with its policies.
   *
   * @param isSameAddresses - it has the same neighbors with the same AS numbers
   */
  use(config: Config, policies: Policies, isSameAddresses: boolean): void {
    this.oldPolicies.push(this.policies);
    this.config = config;
    this.isLongLived = hasLongLived(config);
    this.policies = policies;
    if (!isSameAddresses) this.addresses = addressesByAs(config);
    this.vars = varsByAs(config);
    this.directory.forgetValues();
    this.observe(config);
  }

  /** Tells those who observe what a configuration wants them to be told. */
  observe(config: Config): void {
    this.wants = wantsOf(config);
    for (const rib of this.ribs) noteRoutesOf(rib, this.wants);
  }

  /** @returns the addresses of all neighbors of an AS */
  addressesOf(as: number): readonly Uint8Array[] {
    return this.addresses.get(as) ?? [];
  }

  /** @returns the values of all neighbors of an AS, and of any that may come, null when they are the same */
  varsOf(as: number): readonly Vars[] | null {
    // The state of an older program does not have them.
    this.vars ??= varsByAs(this.config);
    const all = [...(this.vars.get(as) ?? [])];
    for (const range of this.config.dynamicNeighbors) {
      if (takesAs(range, as)) all.push(range.options.vars ?? {});
    }
    return new Set(all.map((vars) => JSON.stringify(vars))).size > 1 ? all : null;
  }

  /** What is not in an image is made. @param filters - that neighbors' routes go through */
  complete(filters: readonly Filter[]): void {
    for (const old of this.oldPolicies) old.giveUpWith(this.policies);
    for (const { filter } of this.groups.entries) this.policies.takeIn(filter);
    for (const filter of filters) this.policies.takeIn(filter);
    for (const rib of this.ribs) if (rib.counts.unknown === undefined) rib.resetCounts();
  }

  /** Gives up what policies held for the slice that is over, or for an answer. */
  endSlice(): void {
    this.policies.endSlice();
    for (const old of this.oldPolicies) old.endSlice();
    if (this.jobs.size === 0) this.oldPolicies = [];
  }

  /** Answers a question between two slices, and leaves everything as it was. */
  looking<T>(answer: () => T): T {
    return this.attrs.looking(() => {
      try {
        return answer();
      } finally {
        this.endSlice();
      }
    });
  }

  /** Has tables give back what they have not needed for a while. @returns whether there is more */
  compact(): boolean {
    const { attrs, nowMs } = this;
    if (!attrs.isSparse) this.sizeTried = Infinity;
    // A set that stays may keep all rows below its own: another pass is for when many more have gone.
    if (!attrs.isSparse || 2 * attrs.size > this.sizeTried) this.compactAtMs = null;
    else if (this.compactAtMs === null) this.compactAtMs = nowMs + SPARSE_MS;
    else if (nowMs >= this.compactAtMs) {
      this.sizeTried = attrs.compact() ? Infinity : attrs.size;
      this.compactAtMs = null;
    }
    return this.ribs.map((rib) => rib.compact(nowMs)).includes(true);
  }

  get nowSeconds(): number {
    return Math.floor(this.nowMs / 1000);
  }
}

function hasLongLived({ neighbors, dynamicNeighbors }: Config): boolean {
  const all = [...neighbors, ...dynamicNeighbors.map(({ options }) => options)];
  return all.some(({ longLivedGracefulRestart }) => longLivedGracefulRestart.mode !== "off");
}

function addressesByAs({ neighbors }: Config): Map<number, Uint8Array[]> {
  const byAs = new Map<number, Uint8Array[]>();
  for (const { as, address } of neighbors) {
    const octets = addressOctets(address);
    const known = byAs.get(as);
    if (known === undefined) byAs.set(as, [octets]);
    else known.push(octets);
  }
  return byAs;
}

function varsByAs({ neighbors }: Config): Map<number, readonly Vars[]> {
  const byAs = new Map<number, Vars[]>();
  for (const { as, vars = {} } of neighbors) {
    const known = byAs.get(as);
    if (known === undefined) byAs.set(as, [vars]);
    else known.push(vars);
  }
  return byAs;
}
