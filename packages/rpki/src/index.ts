/**
 * RPKI: what validators say of who may announce what, and what that makes of a route.
 *
 *     cache --RTR--> RtrClient --.
 *                                |   octets of payloads       tree and columns
 *     JSON of a validator -------+--> Validation.stage ... complete, step --> VrpTable, AspaTable
 *     SLURM file ---------------------> Validation.configure                     |
 *                                                  route, origin AS, path --> states, covering VRPs
 *
 * A *VRP* is a payload of a ROA that a validator found valid: a prefix, how long a route inside of it may
 * be at most, and the AS that may originate it (RFC 6811). An *ASPA* says which providers an AS has.
 *
 *     rtr-pdu rtr-client         the protocol of caches; payloads leave it as they come
 *     roa-json slurm roa-prefix  files
 *     payload-octets             payloads on their way
 *     prefix-tree vrp-table      those of ROAs, and what they say
 *     aspa-table                 those of ASPAs
 *     validation                 whose payloads count, and what changes with them
 *
 * Pure: no clock, no I/O. What a cache or a file has wrong is a returned value.
 *
 * RFCs: 6811 (origin validation), draft-ietf-sidrops-aspa-verification, 6810, 8210 and
 * draft-ietf-sidrops-8210bis (RTR), 8416 (SLURM), 8097 (numbers of states).
 */

export {
  AspaTable,
  PATH_STATE,
  PATH_STATE_NAMES,
  type PathState,
  type PathStateName,
} from "./aspa-table.ts";
export {
  type Aspa,
  isAspa,
  newVrp,
  PayloadWriter,
  readAspa,
  readVrp,
  type Vrp,
} from "./payload-octets.ts";
export { type RoaFile, RoaReader } from "./roa-json.ts";
export { parsedRoaPrefix, type RoaPrefix } from "./roa-prefix.ts";
export { type RtrAction, RtrClient, type RtrState } from "./rtr-client.ts";
export {
  NO_SLURM,
  type Slurm,
  type SlurmFilter,
  SlurmFilters,
  type SlurmMistake,
  type SlurmOverlap,
  slurmOf,
  slurmOverlap,
} from "./slurm.ts";
export { RPKI_STATE_CLASSES } from "./state-classes.ts";
export {
  SOURCES_MAX,
  type Source,
  type SourceConfig,
  type SourceEnd,
  STAGED_OCTETS_MAX,
  Validation,
} from "./validation.ts";
export {
  ORIGIN_STATE,
  ORIGIN_STATE_NAMES,
  type OriginState,
  type OriginStateName,
  type VrpRow,
  VrpTable,
} from "./vrp-table.ts";
