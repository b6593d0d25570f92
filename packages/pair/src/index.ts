/** The machine of nonstop routing: which side has which role, and when peers may see what. */

export { InTurn } from "./in-turn.ts";
export {
  BEHIND_PATIENCE,
  type Bracket,
  type Follower,
  isBinding,
  JOIN_MS,
  type Leader,
  type LeaderAction,
  type LeaderEvent,
  mayWork,
  newLeader,
  octetsBehind,
  type Phase,
  step as stepLeader,
  waitedMs,
} from "./leader.ts";
export { failureIn, newSide, type Role, roleOf, step as stepSide } from "./side.ts";
export type { Hold, Side, SideAction, SideEvent, State } from "./side-types.ts";
export {
  type Claimant,
  claim,
  give,
  isFrom,
  NOBODY,
  name,
  type Right,
  release,
  rightOf,
  type Word,
} from "./word.ts";
