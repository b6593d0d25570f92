/** Counters and gauges that stations are told (RFC 7854 section 4.8, RFC 8671 section 6.2). */

import { BMP_STATISTIC, type BmpStatistic } from "@ts-bgp/feeds-codec";
import { familyAfi, SAFI } from "@ts-bgp/wire-codec";
import type { Numbers, PeerNumbers } from "./orders.ts";

/** @returns those of a neighbor */
export function peerStatistics({
  treatedAsWithdraw,
  heard,
  families,
}: PeerNumbers): readonly BmpStatistic[] {
  const { ADJ_IN, ADJ_IN_OF_FAMILY, ADJ_OUT_POST, ADJ_OUT_POST_OF_FAMILY } = BMP_STATISTIC;
  const { ADJ_OUT_PRE, ADJ_OUT_PRE_OF_FAMILY } = BMP_STATISTIC;
  return [
    counter(BMP_STATISTIC.REJECTED, heard.rejected),
    counter(BMP_STATISTIC.DUPLICATE_ROUTES, heard.duplicateRoutes),
    counter(BMP_STATISTIC.DUPLICATE_WITHDRAWALS, heard.duplicateWithdrawals),
    counter(BMP_STATISTIC.CLUSTER_LOOPS, heard.clusterLoops),
    counter(BMP_STATISTIC.AS_PATH_LOOPS, heard.asPathLoops),
    counter(BMP_STATISTIC.ORIGINATOR_LOOPS, heard.originatorLoops),
    counter(BMP_STATISTIC.TREATED_AS_WITHDRAW, treatedAsWithdraw),
    counter(BMP_STATISTIC.ROUTES_TREATED_AS_WITHDRAW, heard.treatedAsWithdraw),
    counter(BMP_STATISTIC.DUPLICATE_UPDATES, heard.duplicateUpdates),
    ...gauges(ADJ_IN, ADJ_IN_OF_FAMILY, families, ({ received }) => received),
    ...gauges(ADJ_OUT_PRE, ADJ_OUT_PRE_OF_FAMILY, families, ({ asked }) => asked),
    ...gauges(ADJ_OUT_POST, ADJ_OUT_POST_OF_FAMILY, families, ({ sent }) => sent),
  ];
}

/** @returns those of the Loc-RIB */
export function locRibStatistics(families: Numbers["locRib"]): readonly BmpStatistic[] {
  const { LOC_RIB, LOC_RIB_OF_FAMILY } = BMP_STATISTIC;
  return gauges(LOC_RIB, LOC_RIB_OF_FAMILY, families, ({ routes }) => routes);
}

function counter(type: number, value: number): BmpStatistic {
  return { type, value, family: null };
}

/** @returns a number of all families, and one of each */
function gauges<T extends { readonly family: 1 | 2 }>(
  type: number,
  typeOfFamily: number,
  families: readonly T[],
  read: (of: T) => number,
): BmpStatistic[] {
  const all = families.reduce((sum, one) => sum + read(one), 0);
  return [
    { type, value: all, family: null },
    ...families.map((one) => {
      const family = { afi: familyAfi(one.family), safi: SAFI.UNICAST };
      return { type: typeOfFamily, value: read(one), family };
    }),
  ];
}
