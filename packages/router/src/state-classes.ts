/** Classes that the state of a router is made of, for those who copy it. */

import { RIB_STATE_CLASSES } from "@ts-bgp/rib";
import { RPKI_STATE_CLASSES } from "@ts-bgp/rpki";
import { Connection } from "./connection.ts";
import { GroupExporter } from "./exporter.ts";
import { Forget } from "./forget.ts";
import { SessionImporter } from "./importer.ts";
import { Jobs } from "./jobs.ts";
import { MaxPrefix } from "./max-prefix.ts";
import { DecideAgain, RemoveUnheard } from "./members.ts";
import { Neighbor } from "./neighbor.ts";
import { NeighborDirectory } from "./neighbor-directory.ts";
import { NeighborLog } from "./neighbor-log.ts";
import { Jitter, Numbers } from "./numbers.ts";
import { OriginValidation } from "./origin-validation.ts";
import { Outputs } from "./outputs.ts";
import { OwnRestart } from "./own-restart.ts";
import { Move } from "./regroup.ts";
import { Revalidation } from "./revalidation.ts";
import { Rejudge, RouteImport } from "./route-import.ts";
import { Router } from "./router.ts";
import { Session } from "./session.ts";
import { Fold, RemoveAll, RemoveOtherRounds } from "./stale-jobs.ts";
import { StaleRoutes } from "./stale-routes.ts";
import { Tables } from "./tables.ts";
import { Timers } from "./timers.ts";
import { ConnectionSink, Dispose, SessionMember, UpdateGroups } from "./update-groups.ts";

/**
 * Their objects have no functions and no state outside of their fields. The policies and filters that
 * they refer to are not among them: those are compiled from values.
 */
export const STATE_CLASSES = [
  ...RIB_STATE_CLASSES,
  ...RPKI_STATE_CLASSES,
  Connection,
  ConnectionSink,
  DecideAgain,
  Dispose,
  Fold,
  Forget,
  GroupExporter,
  Jitter,
  Jobs,
  MaxPrefix,
  Move,
  Neighbor,
  NeighborDirectory,
  NeighborLog,
  Numbers,
  OriginValidation,
  Outputs,
  OwnRestart,
  Rejudge,
  RemoveAll,
  RemoveOtherRounds,
  RemoveUnheard,
  Revalidation,
  RouteImport,
  Router,
  Session,
  SessionImporter,
  SessionMember,
  StaleRoutes,
  Tables,
  Timers,
  UpdateGroups,
] as const;

/** Those of them that release 0.2.0 did not have. */
export const LATER_STATE_CLASSES = [DecideAgain, Fold, OwnRestart, RemoveUnheard] as const;
