/** Classes that the state of validation is made of, for those who copy it. */

import { AspaTable } from "./aspa-table.ts";
import { PrefixTree } from "./prefix-tree.ts";
import { SlurmFilters } from "./slurm.ts";
import { Source, Validation } from "./validation.ts";
import { VrpTable } from "./vrp-table.ts";

/** Their objects have no functions and no state outside of their fields. */
export const RPKI_STATE_CLASSES = [
  AspaTable,
  PrefixTree,
  SlurmFilters,
  Source,
  Validation,
  VrpTable,
] as const;
