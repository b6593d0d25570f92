/** What a table of routes has done in the kernel. */

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
