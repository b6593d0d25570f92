/** Goes through all states of the world that can be reached within bounds, breadth first. */

import { hash } from "node:crypto";
import { InvariantError } from "../../src/index.ts";
import { Frontier } from "./frontier.ts";
import { movesOf, newWorld, readyWorld } from "./moves.ts";
import { type Bounds, holderOf, NAMES, Violation, type World } from "./world.ts";

export interface Explored {
  readonly states: number;
  readonly depth: number;
  /** There are no others within the bounds. */
  readonly isWhole: boolean;
  /** The shortest way to a violation; null when there is none. */
  readonly trace: readonly string[] | null;
  readonly violation: string;
}

export function explore(bounds: Bounds, statesMax: number): Explored {
  // What leads there with several standbys is long, and known from two sides.
  const first = bounds.sides > 2 ? readyWorld(bounds.sides) : newWorld(bounds.sides);
  const seen = new Map<string, number>();
  const from: number[] = [-1];
  const labels: string[] = [""];
  let level = new Frontier();
  level.push(first, 0);
  seen.set(keyOf(first), 0);
  let depth = 0;
  while (!level.isEmpty && seen.size < statesMax) {
    const next = new Frontier();
    for (const [world, at] of level.take()) {
      for (const [label, act] of movesOf(world, bounds)) {
        const after = copyOf(world);
        try {
          act(after);
        } catch (error) {
          if (!(error instanceof Violation || error instanceof InvariantError)) throw error;
          return {
            ...{ states: seen.size, depth, isWhole: false, violation: error.message },
            trace: [...traceOf(at), label],
          };
        }
        const key = keyOf(after);
        if (seen.has(key)) continue;
        const number = from.length;
        seen.set(key, number);
        from.push(at);
        labels.push(label);
        next.push(after, number);
      }
    }
    level = next;
    depth++;
  }
  const isWhole = level.isEmpty;
  return { states: seen.size, depth, isWhole, trace: null, violation: "" };

  function traceOf(at: number): string[] {
    const trace: string[] = [];
    for (let one = at; one > 0; one = from[one]!) trace.push(labels[one]!);
    return trace.reverse();
  }
}

/** Epochs count from that of the word, and claims are known by whose they are: nothing else of them matters. */
function keyOf(world: World): string {
  const { word } = world;
  const procs = world.procs.map((proc, at) => {
    const { boot, claims, side, leader, link, asked: _asked, followedEpoch, ...rest } = proc;
    const isHolder = word.holder === holderOf(world, at);
    const isOwn = word.holder.startsWith(`${NAMES[at]}${boot} `);
    const isLinked = link.map((one, other) => one === world.procs[other]!.link[at]);
    return [
      { ...rest, isHolder, isOwn, isLinked, followedEpoch: followedEpoch - word.epoch },
      { ...side, epoch: side.epoch - word.epoch, cause: "", away: "", reason: "", delayMs: 0 },
      leader && { ...leader, epoch: leader.epoch - word.epoch, question: 0 },
    ];
  });
  const { active, standbys, heirs, isGiven } = word;
  const mail = world.mail.map((boxes, at) =>
    boxes.map((letters, from) =>
      letters.map(({ link, ...letter }) => [
        { ...letter },
        link === world.procs[at]!.link[from],
        link === world.procs[from]!.link[at],
      ]),
    ),
  );
  const key = JSON.stringify([
    procs,
    active,
    standbys,
    heirs,
    isGiven,
    world.cuts,
    mail,
    world.seen,
    world.ids,
    world.faults,
    world.couldGoOn,
    world.heirs,
  ]);
  return hash("sha1", key, "base64");
}

/** Several times as fast as `structuredClone`, of data without cycles. */
function copyOf<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf) as T;
  const copy: Record<string, unknown> = {};
  for (const key in value) copy[key] = copyOf(value[key]);
  return copy as T;
}
