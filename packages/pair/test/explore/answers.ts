/** How what a side waits for may be answered. */

import { release, stepSide } from "../../src/index.ts";
import { perform } from "./acts.ts";
import { claimed, gave, LOST_ANSWER, LOST_QUESTION, named } from "./arbiter.ts";
import {
  holderOf,
  isInheriting,
  isUp,
  type Move,
  NAMES,
  othersOf,
  type Pending,
  type World,
} from "./world.ts";

export function* answers(
  world: World,
  at: number,
  pending: Pending,
  mayFail: boolean,
): Generator<Move> {
  const tell = (event: Parameters<typeof stepSide>[1]) => (next: World) => {
    delete next.procs[at]!.pending[pending];
    perform(next, at, stepSide(next.procs[at]!.side, event));
  };
  switch (pending) {
    case "claim":
      yield ["asks for the role", (next) => claimed(next, at, true)];
      if (mayFail) {
        yield [
          "asks for the role, and is not told",
          (next) => {
            next.faults++;
            claimed(next, at, false);
          },
        ];
      }
      return;
    case "name":
      yield ["has the word changed", (next) => named(next, at, null)];
      if (!mayFail) return;
      for (const text of [LOST_ANSWER, LOST_QUESTION] as const) {
        yield [
          text,
          (next) => {
            next.faults++;
            named(next, at, text);
          },
        ];
      }
      return;
    case "wait":
      yield ["has waited", tell({ event: "waited" })];
      return;
    case "connect": {
      const { isReturning } = world.procs[at]!;
      const found = othersOf(world, at).filter((other) => {
        const { isAlive, leader, side } = world.procs[other]!;
        const isListening = side.state === "leading" || (isReturning && side.state === "resuming");
        return isUp(world, at, other) && isAlive && leader !== null && isListening;
      });
      for (const other of found) {
        yield [
          `connects to ${NAMES[other]}`,
          (next) => {
            next.procs[at]!.followed = other;
            next.procs[at]!.followedEpoch = next.procs[other]!.side.epoch;
            tell({ event: "connected" })(next);
          },
        ];
      }
      if (found.length === 0) {
        yield ["finds no way", tell({ event: "unreachable", reason: "no way" })];
      }
      return;
    }
    case "settle": {
      const { leader, giveTo } = world.procs[at]!;
      const hasAll = leader?.followers.some(
        ({ name: to, phase, acked }) =>
          to === NAMES[giveTo] && phase === "declared" && acked === leader.number,
      );
      if (hasAll === true) yield ["is settled", tell({ event: "settled", isSettled: true })];
      else yield ["is not settled", tell({ event: "settled", isSettled: false })];
      return;
    }
    case "give":
      yield ["gives the role", (next) => gave(next, at)];
      return;
    case "hand-over":
      yield ["hears nothing of the hand-over", tell({ event: "taken", isTaken: false })];
      return;
    case "open":
    case "resume": {
      // Connections go on once all heirs have what is here.
      if (!isInheriting(world, at)) yield ["runs", tell({ event: "running" })];
      if (mayFail) {
        yield [
          `cannot ${pending}`,
          (next) => {
            next.faults++;
            tell({ event: "failed", reason: "it failed" })(next);
          },
        ];
      }
      return;
    }
    case "put-down":
      yield [
        "has put everything down",
        (next) => {
          const proc = next.procs[at]!;
          const isFree = proc.pending["put-down"] === "free";
          const word = isFree ? release(next.word, holderOf(next, at)) : null;
          if (word !== null) next.word = word;
          proc.leader = null;
          proc.hasLease = false;
          proc.log = [];
          proc.stored = null;
          proc.questions = [];
          delete proc.pending.name;
          tell({ event: "down" })(next);
        },
      ];
      return;
    default:
      return;
  }
}
