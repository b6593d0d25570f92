/** Who listens to events is told whose routes origin validation finds otherwise since other payloads count. */

import { isElsewhere, type Router } from "@ts-bgp/router";
import { type OriginChange, OriginChanges } from "@ts-bgp/views";
import { lookAgain } from "./looks.ts";

/** Of one neighbor, or of all of whom nothing is told one by one; for people and for programs. */
export interface ValidationChange {
  readonly neighbor: string | null;
  readonly message: string;
  readonly fields: {
    readonly routes: number;
    readonly changes: readonly Omit<OriginChange, "peer">[];
    /** Of all others: how many these are. */
    readonly neighbors?: number;
  };
}

/** Neighbors that are told of one by one, in a look: those with the most changes. */
const NEIGHBORS_MAX = 50;

/**
 * What is found at first is not told, nor that a route is another one. Nothing is looked at before, or once this was
 * ended.
 *
 * @param router - the one to look at now
 * @param everyMs - between two looks at all paths, and before the first
 * @returns what ends it
 */
export function watchValidation(
  router: () => Router,
  heard: (change: ValidationChange) => void,
  everyMs?: number,
): () => void {
  let of: Router | null = null;
  let known = new OriginChanges();
  function* look(): Generator<void, void> {
    const now = router();
    if (of !== now) known = new OriginChanges();
    of = now;
    const changes = yield* known.look(now);
    for (const change of toldOf(now, changes)) heard(change);
  }
  return lookAgain(look, everyMs);
}

/** @returns one for each neighbor, as far as these are not too many */
function toldOf(router: Router, changes: readonly OriginChange[]): ValidationChange[] {
  if (changes.length === 0) return [];
  const byPeer = Map.groupBy(changes, ({ peer }) => peer);
  // Those of other members of a cluster are told by these; one that is gone has no routes.
  const found = [...router.neighbors.values()].flatMap(({ row, config }) => {
    const own = isElsewhere(config) ? undefined : byPeer.get(row);
    return own === undefined ? [] : [{ neighbor: config.address, own }];
  });
  found.sort((one, other) => sumOf(other.own) - sumOf(one.own));
  const told = found
    .slice(0, NEIGHBORS_MAX)
    .map(({ neighbor, own }): ValidationChange => ({ neighbor, ...textOf(own, "") }));
  const rest = found.slice(NEIGHBORS_MAX);
  if (rest.length === 0) return told;
  const all = textOf(
    rest.flatMap(({ own }) => own),
    ` of ${rest.length} more neighbors`,
  );
  const fields = { ...all.fields, neighbors: rest.length };
  return [...told, { neighbor: null, message: all.message, fields }];
}

function textOf(
  changes: readonly OriginChange[],
  whose: string,
): Pick<ValidationChange, "message" | "fields"> {
  const byStates = Map.groupBy(changes, ({ from, to }) => `${from} to ${to}`);
  const sums = [...byStates.values()].map((all) => {
    const { from, to } = all[0]!;
    return { from, to, routes: sumOf(all) };
  });
  const routes = sumOf(changes);
  const what = sums.map((sum) => `${sum.routes} from ${sum.from} to ${sum.to}`).join(", ");
  const subject = routes === 1 ? "a route" : `${routes} routes`;
  const message = `other ROAs count, which changes the state of ${subject}${whose}: ${what}`;
  return { message, fields: { routes, changes: sums } };
}

function sumOf(changes: readonly Pick<OriginChange, "routes">[]): number {
  return changes.reduce((sum, { routes }) => sum + routes, 0);
}
