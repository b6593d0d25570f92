/**
 * Payloads have changed: they are put into the tables, and then the routes that they cover are decided
 * about again, from what is kept of them, piece by piece. No peer is asked for anything (RFC 9324).
 */

import type { AttrId } from "@ts-bgp/rib";
import type { VrpTable } from "@ts-bgp/rpki";
import {
  ATTR,
  attributeValueAt,
  attributeValueOctets,
  FAMILY,
  type Family,
  findAttribute,
} from "@ts-bgp/wire-codec";
import type { SessionImporter } from "./importer.ts";
import type { Job, JobState } from "./jobs.ts";
import type { Judged } from "./route-import.ts";
import { FAMILIES, type Tables } from "./tables.ts";

/** Prefixes that one step looks at, and paths that it judges; changes that it forgets. */
const WALK_ROWS = 4096;
const JUDGE_PATHS = 1024;
const FORGET_CHANGES = 2048;

/** Through the prefixes of a family. */
interface Walk {
  readonly family: Family;
  /** To be looked at next. */
  row: number;
  /** Of the compaction of the table, see there. */
  moves: number;
  /** For changed ASPAs, and not for changed VRPs. */
  readonly isForPaths: boolean;
}

export class Revalidation implements Job {
  private readonly tables: Tables;
  /** By address. */
  private readonly neighbors: ReadonlyMap<string, Judged>;
  private walk: Walk | null = null;
  /** To be walked through after that, for changed ASPAs. */
  private families: Family[] = [];

  constructor(tables: Tables, neighbors: ReadonlyMap<string, Judged>) {
    this.tables = tables;
    this.neighbors = neighbors;
  }

  step(): JobState {
    const { tables } = this;
    const { origins } = tables;
    const { validation } = origins;
    if (this.walk !== null) this.stepWalk(this.walk);
    else if (validation.isBusy) validation.step();
    else {
      this.walk = this.nextWalk();
      if (this.walk === null) {
        origins.settled();
        return "done";
      }
    }
    return "more";
  }

  private nextWalk(): Walk | null {
    const { tables } = this;
    const { aspas } = tables.origins.validation;
    const walk = (family: Family, isForPaths: boolean): Walk => {
      const { moves } = tables.rib(family).compaction;
      return { family, row: 1, moves, isForPaths };
    };
    const changed = FAMILIES.find((family) => tableOf(tables, family).hasChanges);
    if (changed !== undefined) {
      tableOf(tables, changed).takeChanges();
      return walk(changed, false);
    }
    if (!aspas.hasChanges) return null;
    aspas.takeChanges();
    this.families = [...FAMILIES];
    return walk(this.families.shift()!, true);
  }

  /** A walk is over: what it was for is forgotten. */
  private endWalk({ family, isForPaths }: Walk): void {
    const { tables } = this;
    if (!isForPaths) {
      if (!tableOf(tables, family).endChanges(FORGET_CHANGES)) this.walk = null;
      return;
    }
    const next = this.families.shift();
    if (next === undefined) {
      tables.origins.validation.aspas.endChanges();
      this.walk = null;
    } else {
      const { moves } = tables.rib(next).compaction;
      this.walk = { family: next, row: 1, moves, isForPaths };
    }
  }

  private stepWalk(walk: Walk): void {
    const rib = this.tables.rib(walk.family);
    const { prefixes, compaction } = rib;
    const touched = new Set<Judged>();
    const missed = compaction.movedBehind(walk.moves, walk.row);
    walk.moves = compaction.moves;
    for (const row of missed) this.judgeRow(walk, row, touched);
    const isAtEnd = walk.row >= prefixes.limit;
    const end = Math.min(walk.row + WALK_ROWS, prefixes.limit);
    for (let judged = 0; walk.row < end && judged < JUDGE_PATHS; walk.row++) {
      judged += this.judgeRow(walk, walk.row, touched);
    }
    if (isAtEnd) this.endWalk(walk);
    for (const neighbor of touched) {
      const { import: decides } = neighbor;
      if (decides !== null) neighbor.checkLimits(decides);
    }
  }

  /** Judges the paths of a prefix that a change covers. @returns how many */
  private judgeRow({ family, isForPaths }: Walk, row: number, touched: Set<Judged>): number {
    const { tables } = this;
    const { prefixes, paths } = tables.rib(family);
    if (prefixes.isFree(row) || prefixes.head[row] === 0) return 0;
    const wide = family === FAMILY.IPV6_UNICAST;
    const isCovered = () =>
      tableOf(tables, family).isChanged(
        prefixes.w0[row]!,
        wide ? prefixes.w1[row]! : 0,
        wide ? prefixes.w2[row]! : 0,
        wide ? prefixes.w3[row]! : 0,
        prefixes.bits[row]!,
      );
    if (!isForPaths && !isCovered()) return 0;
    let judged = 0;
    for (let path = prefixes.head[row]!; path !== 0; ) {
      const next = paths.next[path]!;
      const peer = paths.peer[path]!;
      const neighbor = this.neighbors.get(tables.directory.factsOf(peer).address);
      // Routes of one that was removed are on their way out, also when another one has its address.
      const decides = neighbor?.row === peer ? neighbor.import : null;
      if (decides !== null && this.isConcerned(decides.importer, isForPaths, paths.attrIn[path]!)) {
        tables.origins.judged++;
        if (decides.rejudge(family, path)) {
          tables.origins.changed++;
          touched.add(neighbor!);
        }
        judged++;
      }
      path = next;
    }
    return judged;
  }

  /** Whether a path of a prefix that is covered may come out otherwise. */
  private isConcerned(importer: SessionImporter, isForPaths: boolean, attr: AttrId): boolean {
    if (!isForPaths) return importer.asksOrigin;
    if (!importer.asksPath) return false;
    const { attrs, origins } = this.tables;
    const buf = attrs.bytesOf(attr);
    const at = attrs.offsetOf(attr);
    const header = findAttribute(buf, at, at + attrs.lengthOf(attr), ATTR.AS_PATH);
    if (header < 0) return false;
    const value = attributeValueAt(buf, header);
    return origins.validation.aspas.isChanged(
      buf,
      value,
      value + attributeValueOctets(buf, header),
    );
  }
}

function tableOf({ origins }: Tables, family: Family): VrpTable {
  const { ipv4, ipv6 } = origins.validation;
  return family === FAMILY.IPV4_UNICAST ? ipv4 : ipv6;
}
