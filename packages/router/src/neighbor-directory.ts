/** Neighbors by peer row, and the classes that update groups tell them apart by. */

import type { NeighborConfig } from "@ts-bgp/config";
import { type PeerFacts, type Vars, valueKeys } from "@ts-bgp/policy";
import type { PeerRow, PeerTable } from "@ts-bgp/rib";
import type { PeerDirectory } from "./exporter.ts";

/** What the directory needs of a neighbor. */
export interface Listed {
  readonly row: PeerRow;
  readonly as: number;
  readonly facts: PeerFacts;
  readonly isReflectorClient: boolean;
  readonly session: { readonly negotiated: { readonly addPathReceive: number } } | null;
  /** None of the speaker's own routes. */
  readonly config?: { readonly speaker?: string | null; readonly address?: string };
}

/**
 * Whose routes those of the configuration are: a plain object, which programs that do not know of it have as
 * a neighbor.
 */
export interface StaticPeer extends Listed {
  facts: PeerFacts;
  /** Of the routes that the configuration has now. */
  round: number;
}

/**
 * Whose routes those of the kernel are, likewise.
 *
 *     begin --> routes, ... --> complete --> routes, ...     what was not told again goes
 */
export interface KernelPeer extends Listed {
  facts: PeerFacts;
  /** Copies begun; the lowest octet is the round of their routes. */
  copies: number;
  /** All is to be told once more: other routes are wanted, or to be judged by another policy. */
  wantsCopy: boolean;
}

/** Neighbors of one AS; `cls` is their class where sessions are told apart by AS. */
interface Autonomous {
  readonly as: number;
  readonly cls: number;
  readonly members: Listed[];
}

/**
 * A neighbor has a session. Of a dynamic one the AS number is known by that, which it may not have been
 * before, and update groups learn of it: not sooner, since anybody may connect. There are no routes yet.
 */
export function introduce(
  neighbor: Listed & {
    readonly config: NeighborConfig;
    readonly tables: {
      readonly directory: NeighborDirectory;
      readonly peers: PeerTable;
      readonly groups: { neighborAdded(row: PeerRow, facts: PeerFacts): void };
    };
    isGuest: boolean;
    reconfigure(config: NeighborConfig): void;
  },
  as: number,
): void {
  const { tables, row, config, isGuest } = neighbor;
  const isLearned = config.as !== as;
  if (isLearned) {
    tables.directory.remove(neighbor);
    tables.peers.as[row] = as;
    neighbor.reconfigure({ ...config, as });
    tables.directory.add(neighbor);
  }
  neighbor.isGuest = false;
  if (isGuest || isLearned) tables.groups.neighborAdded(row, neighbor.facts);
}

/** Whether another member of the cluster has the session; the configuration of an older program does not say. */
export function isElsewhere({ speaker }: { readonly speaker?: string | null }): boolean {
  return (speaker ?? null) !== null;
}

/** A class by session is the peer's row; classes by AS are numbered on their own. */
export class NeighborDirectory implements PeerDirectory {
  private readonly byRow: (Listed | undefined)[] = [];
  private readonly byAs: Map<number, Autonomous> = new Map();
  /** By class; a class that is free again is undefined. */
  private readonly byClass: (Autonomous | undefined)[] = [undefined];
  /** By `name=value`, null while nobody has asked since they changed. */
  private byValue: Map<string, Listed[]> | null = null;

  add(neighbor: Listed): void {
    this.byValue = null;
    this.byRow[neighbor.row] = neighbor;
    const known = this.byAs.get(neighbor.as);
    if (known !== undefined) {
      known.members.push(neighbor);
      return;
    }
    const free = this.byClass.indexOf(undefined, 1);
    const cls = free < 0 ? this.byClass.length : free;
    const added = { as: neighbor.as, cls, members: [neighbor] };
    this.byClass[cls] = added;
    this.byAs.set(neighbor.as, added);
  }

  /** Forgets a neighbor, whose routes are all gone. */
  remove(neighbor: Listed): void {
    this.byValue = null;
    this.byRow[neighbor.row] = undefined;
    const { cls, members } = this.byAs.get(neighbor.as)!;
    members.splice(members.indexOf(neighbor), 1);
    if (members.length > 0) return;
    this.byAs.delete(neighbor.as);
    this.byClass[cls] = undefined;
  }

  /** Neighbors have other values than before. */
  forgetValues(): void {
    this.byValue = null;
  }

  factsOf(peer: PeerRow): PeerFacts {
    return this.byRow[peer]!.facts;
  }

  /** @returns FAMILY bits in which routes of the peer have path identifiers */
  addPathOf(peer: PeerRow): number {
    return this.byRow[peer]?.session?.negotiated.addPathReceive ?? 0;
  }

  /** Whether another member of the cluster has the session with the peer. */
  isElsewhere(peer: PeerRow): boolean {
    return isElsewhere(this.byRow[peer]?.config ?? {});
  }

  /** @returns the name of the interface that the address of a neighbor names; empty where it names none */
  interfaceOf(peer: PeerRow): string {
    const { config = {} } = this.byRow[peer] ?? {};
    return isElsewhere(config) ? "" : (config.address?.split("%")[1] ?? "");
  }

  isReflectorClient(peer: PeerRow): boolean {
    return this.byRow[peer]!.isReflectorClient;
  }

  classOf(peer: PeerRow, byAs: boolean): number {
    return byAs ? this.byAs.get(this.byRow[peer]!.as)!.cls : peer;
  }

  classesOfAs(as: number, byAs: boolean, classes: Uint16Array, count: number): number {
    const known = this.byAs.get(as);
    if (known === undefined) return count;
    let n = count;
    if (byAs) classes[n++] = known.cls;
    else for (const { row } of known.members) classes[n++] = row;
    return n;
  }

  classesOfValue(value: string, byAs: boolean, classes: Uint16Array, count: number): number {
    this.byValue ??= this.valuesOfAll();
    let n = count;
    for (const { row } of this.byValue.get(value) ?? []) {
      const cls = this.classOf(row, byAs);
      // Sessions of an AS stand behind each other mostly.
      if (n === count || classes[n - 1] !== cls) classes[n++] = cls;
    }
    return n;
  }

  varsOfClass(cls: number, byAs: boolean): Vars {
    const one = byAs ? this.byClass[cls]?.members[0] : this.byRow[cls];
    return one?.facts.vars ?? {};
  }

  asOfClass(cls: number, byAs: boolean): number {
    return (byAs ? this.byClass[cls]?.as : this.byRow[cls]?.as) ?? 0;
  }

  private valuesOfAll(): Map<string, Listed[]> {
    const found = new Map<string, Listed[]>();
    for (const neighbor of this.byRow) {
      for (const key of valueKeys(neighbor?.facts.vars ?? {})) {
        const known = found.get(key);
        if (known === undefined) found.set(key, [neighbor!]);
        else known.push(neighbor!);
      }
    }
    return found;
  }
}
