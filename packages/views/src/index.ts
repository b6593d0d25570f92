/**
 * What people and programs are shown of a router, as JSON: its neighbors, groups, tables and routes,
 * and why a route is used or not, sent or not. Nothing here decides anything; explanations are asked of
 * the code that does.
 *
 * A question makes attribute sets on its way, and gives them up at its end (`endSlice`); with `looking` of the
 * router's tables it leaves no trace.
 */

export {
  type Explained,
  type ExplainedPath,
  type ExplainedRule,
  type ExplainedStep,
  explainInSteps,
  explainRoute,
  type Question,
} from "./explain.ts";
export { explainedToMember, routeToMember } from "./member.ts";
export { type OriginChange, OriginChanges } from "./origin-changes.ts";
export { type OriginCount, originCounts } from "./origin-counts.ts";
export { PrefixWatch, type RouteChange, RoutesBefore, routesIn } from "./route-changes.ts";
export { attributeTest, isShown, type RouteFilter } from "./route-filter.ts";
export { type ShownBfd, showBfd } from "./show-bfd.ts";
export { type ShownRange, showDynamic } from "./show-dynamic.ts";
export {
  type ShownFamily,
  type ShownGroup,
  type ShownNeighbor,
  type ShownNeighborDetail,
  type ShownQuarantine,
  type ShownTables,
  showGroups,
  showNeighbor,
  showNeighborDetail,
  showNeighbors,
  showQuarantine,
  showTables,
} from "./show-neighbors.ts";
export { type ShownRestart, showRestart } from "./show-restart.ts";
export {
  type RoutePlace,
  type RouteQuery,
  type RouteView,
  type ShownReason,
  type ShownRoute,
  showRoutes,
} from "./show-routes.ts";
export {
  type ShownOrigin,
  type ShownRpki,
  type ShownSource,
  showOrigin,
  showRpki,
} from "./show-rpki.ts";
export {
  type ShownRejection,
  type ShownTotals,
  showRejections,
  showTotals,
} from "./show-totals.ts";
export {
  type SessionFate,
  type ShownWhatIf,
  type ShownWhatIfRoute,
  type WhatIf,
  whatIf,
} from "./what-if.ts";
