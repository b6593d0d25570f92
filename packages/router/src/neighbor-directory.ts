/** Neighbors by peer row, and the classes that update groups tell them apart by. */

import type { PeerFacts } from "@ts-bgp/policy";
import type { PeerRow } from "@ts-bgp/rib";
import type { PeerDirectory } from "./exporter.ts";

/** What the directory needs of a neighbor. */
export interface Listed {
  readonly row: PeerRow;
  readonly as: number;
  readonly facts: PeerFacts;
  readonly isReflectorClient: boolean;
  readonly session: { readonly negotiated: { readonly addPathReceive: number } } | null;
}

/** Neighbors of one AS; `cls` is their class where sessions are told apart by AS. */
interface Autonomous {
  readonly as: number;
  readonly cls: number;
  readonly members: Listed[];
}

/** A class by session is the peer's row; classes by AS are numbered on their own. */
export class NeighborDirectory implements PeerDirectory {
  private readonly byRow: (Listed | undefined)[] = [];
  private readonly byAs: Map<number, Autonomous> = new Map();
  /** By class; a class that is free again is undefined. */
  private readonly byClass: (Autonomous | undefined)[] = [undefined];

  add(neighbor: Listed): void {
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
    this.byRow[neighbor.row] = undefined;
    const { cls, members } = this.byAs.get(neighbor.as)!;
    members.splice(members.indexOf(neighbor), 1);
    if (members.length > 0) return;
    this.byAs.delete(neighbor.as);
    this.byClass[cls] = undefined;
  }

  factsOf(peer: PeerRow): PeerFacts {
    return this.byRow[peer]!.facts;
  }

  /** @returns FAMILY bits in which routes of the peer have path identifiers */
  addPathOf(peer: PeerRow): number {
    return this.byRow[peer]?.session?.negotiated.addPathReceive ?? 0;
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

  asOfClass(cls: number, byAs: boolean): number {
    return (byAs ? this.byClass[cls]?.as : this.byRow[cls]?.as) ?? 0;
  }
}
