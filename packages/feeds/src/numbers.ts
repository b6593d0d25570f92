/** Numbers of a router for reports to stations. */

import { advertisedCount, type Rib } from "@ts-bgp/rib";
import { FAMILIES, type Router } from "@ts-bgp/router";
import type { Numbers } from "./orders.ts";

/** @returns how many prefixes have a best path */
function bestOf({ prefixes: { best, limit } }: Rib): number {
  let count = 0;
  for (let row = 1; row < limit; row++) if (best[row] !== 0) count++;
  return count;
}

/** @returns them as they are now; linear in the neighbors and prefixes */
export function numbersOf({ neighbors, tables }: Router): Numbers {
  const peers = [...neighbors.values()].flatMap(({ session, row, faults }) => {
    if (session === null) return [];
    const families = session.families.map(({ family, member }) => ({
      family,
      received: tables.rib(family).paths.prefixesOf(row),
      sent: advertisedCount(member.group, member),
    }));
    return [{ peer: row, treatedAsWithdraw: faults["treat-as-withdraw"], families }];
  });
  const locRib = FAMILIES.map((family) => ({ family, routes: bestOf(tables.rib(family)) }));
  return { peers, locRib };
}
