/** What holds of a leader behind every event; it costs a look at the ends of its lists. */

import { ensure } from "./invariant.ts";
import { type Follower, isBinding, type Leader } from "./leader-types.ts";

/** @param releasedBefore - what was released before the event @throws InvariantError */
export function checkLeader(leader: Leader, releasedBefore: number): void {
  const { number, octets, released, brackets, followers, isClosed } = leader;
  ensure(released >= releasedBefore, "nothing is taken back", released, releasedBefore);
  ensure(released <= number, "only what there is is released", released, number);
  const last = brackets.at(-1);
  if (last !== undefined) {
    ensure(last.number === number, "the last bracket is kept", last.number, number);
    ensure(last.endOctets === octets, "brackets have all octets", last.endOctets, octets);
    const first = brackets[0]!.number;
    ensure(number - first + 1 === brackets.length, "brackets are consecutive", first, number);
  }
  for (const follower of followers) checkFollower(leader, follower);
  ensure(isClosed === followers.some(isBinding), "the gate is closed for followers alone (I5)");
  ensure(followers.length > 0 || released === number, "alone nothing waits (I5)", released, number);
}

function checkFollower(
  { number, octets, released }: Leader,
  { name, phase, acked, ackedOctets, had }: Follower,
): void {
  ensure(acked <= number, "only what there is is stored", name, acked, number);
  ensure(ackedOctets <= octets, "octets that are owed are not negative", name, ackedOctets, octets);
  if (phase !== "heir" && phase !== "removing") {
    ensure(had <= number, "an heir has handed on what it has more", name, had, number);
  }
  if (phase !== "heir" && phase !== "naming" && phase !== "declared") return;
  ensure(released <= acked, "a standby has all that is out (I1, I2)", name, released, acked);
}
