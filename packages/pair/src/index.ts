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
export {
  type Hold,
  newSide,
  type Role,
  roleOf,
  type Side,
  type SideAction,
  type SideEvent,
  type State,
  step as stepSide,
} from "./side.ts";
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
