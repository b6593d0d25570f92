/** The attribute table: one row per path attribute that this codec knows, found by its type. */

import { AIGP } from "./aigp.ts";
import type { AttributeRow } from "./attribute.ts";
import * as passed from "./attribute-passed.ts";
import * as rows from "./attribute-rows.ts";
import { MP_REACH, MP_UNREACH } from "./multiprotocol.ts";

const ROWS = [
  rows.ORIGIN,
  rows.AS_PATH,
  rows.NEXT_HOP,
  rows.MULTI_EXIT_DISC,
  rows.LOCAL_PREF,
  rows.ATOMIC_AGGREGATE,
  rows.AGGREGATOR,
  rows.COMMUNITIES,
  rows.ORIGINATOR_ID,
  rows.CLUSTER_LIST,
  MP_REACH,
  MP_UNREACH,
  rows.EXTENDED_COMMUNITIES,
  rows.AS4_PATH,
  rows.AS4_AGGREGATOR,
  passed.PMSI_TUNNEL,
  passed.TUNNEL_ENCAPSULATION,
  rows.IPV6_EXTENDED_COMMUNITIES,
  AIGP,
  passed.BGP_LS,
  rows.LARGE_COMMUNITIES,
  rows.OTC,
  passed.NEXT_HOP_CHARACTERISTICS,
  passed.PREFIX_SID,
];

/** Row of each attribute type, null for a type without one. */
export const ATTRIBUTE_TABLE: readonly (AttributeRow | null)[] = Array.from(
  { length: 256 },
  (_, type) => (ROWS.find((row) => row.type === type) as AttributeRow | undefined) ?? null,
);

/** @returns the RFCs' name of an attribute type, "UNKNOWN" for a type without a row */
export function attributeName(type: number): string {
  return ATTRIBUTE_TABLE[type]?.name ?? "UNKNOWN";
}
