/** What a side makes of what another one has sent. */

import { ensure, stepSide } from "../../src/index.ts";
import { lead, perform } from "./acts.ts";
import { type Message, NAMES, send, type World } from "./world.ts";

export function read(world: World, at: number, from: number): void {
  const proc = world.procs[at]!;
  const message = world.mail[at]![from]!.shift()!;
  const { leader, side } = proc;
  const other = NAMES[from]!;
  if (message.kind !== "hello" && message.link !== proc.link[from]) return;
  switch (message.kind) {
    case "hello":
      greet(world, at, from, message);
      return;
    case "ack":
      if (leader === null || !leader.followers.some((one) => one.name === other)) return;
      lead(world, at, {
        ...({ event: "ack", follower: other, windowOctets: 9, nowMs: 0 } as const),
        ...{ number: message.stored, applied: message.stored },
      });
      return;
    case "taken":
      perform(world, at, stepSide(side, { event: "taken", isTaken: true }));
      return;
    case "image":
      if (side.state !== "following") return;
      proc.stored = [...message.log];
      send(world, at, from, { kind: "ack", stored: proc.stored.length });
      return;
    case "bracket":
      if (side.state !== "following" || proc.stored === null) return;
      proc.stored.push(message.id);
      send(world, at, from, { kind: "ack", stored: proc.stored.length });
      return;
    case "declared":
      proc.isDeclared = true;
      return;
    case "fetch":
      // A thread of its own says what is stored, and need not wait for what hands it on.
      send(world, at, from, { kind: "ack", stored: proc.stored?.length ?? 0 });
      for (let number = message.from; number <= (proc.stored?.length ?? 0); number++) {
        send(world, at, from, { kind: "handed-on", number, id: proc.stored![number - 1]! });
      }
      return;
    case "handed-on": {
      const known = leader?.followers.find((one) => one.name === other);
      if (leader === null || known === undefined || known.phase === "removing") return;
      if (message.number !== leader.number + 1) return;
      ensure(known.phase === "heir", "an heir hands on before it is one of the standbys", other);
      proc.log.push(message.id);
      proc.base = proc.log.length;
      lead(world, at, { event: "gain", number: message.number, octets: 1, nowMs: 0 });
      return;
    }
    case "handover":
      perform(world, at, stepSide(side, { event: "handover", cause: "switchover" }));
      return;
    case "bye":
      // One that was sent away may have been named; the arbiter tells.
      perform(
        world,
        at,
        stepSide(side, { event: "lost", cause: "bye", isUsable: proc.stored !== null }),
      );
      return;
  }
}

/** Somebody wants to follow. */
export function greet(
  world: World,
  at: number,
  from: number,
  { link, stored }: Extract<Message, { kind: "hello" }>,
): void {
  const proc = world.procs[at]!;
  const { leader, side } = proc;
  const follower = NAMES[from]!;
  const known = leader?.followers.find((one) => one.name === follower);
  const turnAway = () => void world.mail[from]![at]!.push({ kind: "bye", link });
  if (leader === null || (side.state !== "leading" && side.state !== "resuming")) turnAway();
  else if (known?.phase === "heir" && stored !== null) {
    proc.link[from] = link;
    lead(world, at, { event: "resume", follower, next: stored + 1, nowMs: 0 });
  } else if (known !== undefined) {
    lead(world, at, { event: "lose", follower, reason: "begins anew", isSlow: false });
    turnAway();
  } else if (stored !== null || side.state !== "leading") turnAway();
  else {
    proc.link[from] = link;
    lead(world, at, { event: "join", follower, nowMs: 0 });
  }
}
