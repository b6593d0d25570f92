/**
 * Which routes of a RIB have changed, for those who observe it: noted as they change, and taken when the
 * decision process has run, before rows that are not needed any more are used again.
 */

import type { PathRow, PathTable } from "./path-table.ts";
import type { PeerRow } from "./peer-table.ts";
import type { PrefixRow } from "./prefix-table.ts";

/** A plain object, as all state is; empty between slices. */
export interface RouteNotes {
  /** Five numbers for each path, see `eachNotedPath`: none where only best paths are asked for. */
  readonly paths: number[];
  /** That is so; the state of an older program does not say it. */
  bestAlone?: boolean;
  /** Every prefix that was decided counts as changed: paths that are equal to the best one matter as well. */
  eachDecided?: boolean;
  /** Rows of these paths. */
  readonly touched: Set<PathRow>;
  /** Prefixes whose best path is another one, or has changed; with `eachDecided`, all that were decided. */
  readonly best: PrefixRow[];
}

/** A path that has changed, or is gone. */
export interface NotedPath {
  path: PathRow;
  peer: PeerRow;
  prefix: PrefixRow;
  pathId: number;
  /** It was accepted before. */
  wasAccepted: boolean;
}

const NUMBERS = 5;

export function newRouteNotes(): RouteNotes {
  return { paths: [], touched: new Set(), best: [] };
}

/**
 * A path is about to change, or has been added; what is noted twice in a row counts once. The row of one that was
 * removed may be another one's by now.
 */
export function noteRoute(notes: RouteNotes, paths: PathTable, path: PathRow, isNew = false): void {
  notes.touched.add(path);
  if (notes.bestAlone === true) return;
  const { paths: list } = notes;
  const at = list.length - NUMBERS;
  const peer = paths.peer[path]!;
  const prefix = paths.prefix[path]!;
  const pathId = paths.pathId[path]!;
  const isRow = at >= 0 && list[at] === path && list[at + 1] === peer;
  if (isRow && list[at + 2] === prefix && list[at + 3] === pathId) return;
  const wasAccepted = !isNew && paths.attr[path] !== 0;
  list.push(path, peer, prefix, pathId, wasAccepted ? 1 : 0);
}

/** A prefix was decided: it is noted unless its best path is what it was and no other one matters. */
export function noteBest(notes: RouteNotes, row: PrefixRow, was: PathRow, is: PathRow): void {
  if (notes.eachDecided === true || was !== is || notes.touched.has(is)) notes.best.push(row);
}

/** Calls back with all paths that were noted, in order; the same object each time. */
export function eachNotedPath({ paths }: RouteNotes, tell: (noted: NotedPath) => void): void {
  const noted: NotedPath = { path: 0, peer: 0, prefix: 0, pathId: 0, wasAccepted: false };
  for (let i = 0; i < paths.length; i += NUMBERS) {
    noted.path = paths[i]!;
    noted.peer = paths[i + 1]!;
    noted.prefix = paths[i + 2]!;
    noted.pathId = paths[i + 3]!;
    noted.wasAccepted = paths[i + 4] === 1;
    tell(noted);
  }
}

/** What was noted has been told. */
export function clearRouteNotes({ paths, touched, best }: RouteNotes): void {
  paths.length = 0;
  touched.clear();
  best.length = 0;
}
