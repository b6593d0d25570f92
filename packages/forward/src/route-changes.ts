/** What a table of routes has done in the kernel, and what it asks of it. */

import type { PrefixKey, PrefixRow } from "@ts-bgp/rib";
import type { Change, KernelHop } from "./kernel-route.ts";
import type { ObjectId } from "./next-hop-object.ts";
import type { WayId } from "./ways.ts";

export interface RouteChange extends PrefixKey {
  readonly row: PrefixRow;
  readonly change: Change;
  /** None to delete, and none where `object` is not 0. */
  readonly hops: readonly KernelHop[];
  readonly object: ObjectId;
  readonly way: WayId;
}

/** A group of the kernel's is to be made, or to lead elsewhere. */
export interface GroupChange {
  readonly way: WayId;
  readonly object: ObjectId;
  readonly isNew: boolean;
  readonly hops: readonly KernelHop[];
}

/** What is asked of the kernel's next hops. */
export interface Objects {
  /** @returns where an own group leads; null for another object */
  adopt(id: ObjectId): readonly KernelHop[] | null;
  /** @returns a number for a new group; 0 where none is to be made */
  newId(): ObjectId;
  /** Whether groups are to be used; where not, those that there are stay until their routes change. */
  readonly isOn: boolean;
}
