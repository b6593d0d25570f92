/** Removing a neighbor. */

import { eachNotedPath } from "@ts-bgp/rib";
import { CEASE } from "@ts-bgp/wire-codec";
import type { Job, JobState } from "./jobs.ts";
import type { Neighbor } from "./neighbor.ts";
import { isElsewhere } from "./neighbor-directory.ts";
import { FAMILIES, type Tables } from "./tables.ts";

/** The neighbor goes at once, with a Cease of that subcode; its routes go piece by piece, and then its number is free. */
export function removeNeighbor(
  router: { readonly tables: Tables; readonly neighbors: Map<string, Neighbor> },
  address: string,
  subcode: number = CEASE.PEER_DECONFIGURED,
): void {
  const neighbor = router.neighbors.get(address)!;
  router.neighbors.delete(address);
  router.tables.bfd.delete(address);
  const { tables } = router;
  neighbor.stop(subcode, null, null);
  // No session brought the routes that could end with it.
  if (isElsewhere(neighbor.config)) neighbor.stale.clear();
  tables.jobs.add(new Forget(neighbor));
}

/** Gives the number of a removed neighbor free once its routes are gone. */
export class Forget implements Job {
  private readonly neighbor: Neighbor;

  constructor(neighbor: Neighbor) {
    this.neighbor = neighbor;
  }

  step(): JobState {
    const { stale, tables, row } = this.neighbor;
    if (stale.isAny || this.isNoted()) return "waiting";
    tables.directory.remove(this.neighbor);
    tables.peers.remove(row);
    return "done";
  }

  /** Routes that another member of the cluster told of went in this slice: they must not be told as own ones. */
  private isNoted(): boolean {
    const { config, tables, row } = this.neighbor;
    if (!isElsewhere(config)) return false;
    return FAMILIES.some((family) => {
      let isIt = false;
      const { notes } = tables.rib(family);
      if (notes !== null) eachNotedPath(notes, ({ peer }) => (isIt ||= peer === row));
      return isIt;
    });
  }
}
