/** The machine of nonstop routing: which side has which role, and when peers may see what. */

export { InTurn } from "./in-turn.ts";
export { ensure, InvariantError } from "./invariant.ts";
export {
  BEHIND_PATIENCE,
  JOIN_MS,
  mayWork,
  newLeader,
  octetsBehind,
  step as stepLeader,
  waitedMs,
} from "./leader.ts";
export {
  type Bracket,
  type Follower,
  type Inherited,
  isBinding,
  type Leader,
  type LeaderAction,
  type LeaderEvent,
  type Phase,
  type Rights,
} from "./leader-types.ts";
export {
  DOUBT_MS,
  type Leaseholder,
  type LeaseholderAction,
  type LeaseholderEvent,
  leaseUntilMs,
  newLeaseholder,
  renewalPeriodMs,
  step as stepLeaseholder,
} from "./leaseholder.ts";
export { failureIn, newSide, type Role, roleOf, step as stepSide } from "./side.ts";
export type { Hold, HoldChange, Side, SideAction, SideEvent, State } from "./side-types.ts";
export {
  type Claimant,
  claim,
  give,
  isFrom,
  NOBODY,
  name,
  othersOf,
  type Right,
  release,
  rightOf,
  type Word,
} from "./word.ts";
