/** Brackets that are not let out, or that a standby may still need. */

import { ensure } from "@ts-bgp/pair";
import { type ConnectionId, isEffect, type Output } from "@ts-bgp/router";
import type { Estate } from "./active-types.ts";
import { frameOf } from "./frames.ts";
import type { Made } from "./journal.ts";
import type { Machine } from "./machine.ts";
import { FormatError } from "./octet-reader.ts";
import { outputsSum } from "./outputs-sum.ts";
import type { RecordOf } from "./records.ts";
import { replay } from "./replay.ts";

/** What peers see of a bracket. */
export type Effects = Pick<Made, "outputs" | "received" | "gone">;

const NO_EFFECTS: Effects = { outputs: [], received: new Map(), gone: [] };

interface Kept {
  readonly number: number;
  /** Null once they are out. */
  effects: Effects | null;
  /** Null when nobody is to get it. */
  readonly frame: Uint8Array | null;
  /** What mirrors get of it once it is out; null when there are none. */
  readonly mirrored: Uint8Array | null;
}

/** A bracket that is out. */
export type OutBracket = Pick<Kept, "number" | "mirrored">;

/** What waits for standbys of what is to be done with a connection: octets to be written, and its end. */
export interface HeldBack {
  octets: number;
  isClosing: boolean;
}

export class KeptBrackets {
  private kept: Kept[] = [];
  /** Brackets up to this one are out. */
  private released: number;

  /** @param released - brackets up to this one are out */
  constructor(released: number) {
    this.released = released;
  }

  /** Number of the last one; null when there is none. */
  get last(): number | null {
    return this.kept.at(-1)?.number ?? null;
  }

  /**
   * @param frame - null when nobody is to get it
   * @param mirrored - the same of mirrors
   */
  add(
    number: number,
    effects: Effects,
    frame: Uint8Array | null,
    mirrored: Uint8Array | null = null,
  ): void {
    this.kept.push({ number, effects, frame, mirrored });
  }

  /** Those of the active before that are not known to be with all of its standbys, as this one has them. */
  inherit({ brackets, number }: Estate, epoch: number): void {
    for (let at = this.released + 1; at <= number; at++) {
      const bracket = brackets.at(at - number - 1);
      this.add(at, NO_EFFECTS, bracket === undefined ? null : renewed(bracket, epoch));
    }
  }

  /** Runs a bracket of the active before that another standby of it has. @throws InvariantError where it differs */
  gain(machine: Machine, bracket: RecordOf<"bracket">, epoch: number): void {
    const { number, calls, sum } = bracket;
    // What cannot be run to its end makes this side none to go on with, and that one may be.
    const outputs = replayed(machine, calls);
    ensure(outputs !== null && outputsSum(outputs) === sum, "a bracket does what it did", number);
    this.add(number, NO_EFFECTS, renewed(bracket, epoch));
  }

  /** @returns what standbys are sent of these, which are kept */
  frames(from: number, to: number): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const first = this.kept[0]?.number ?? 0;
    for (let at = from; at <= to; at++) {
      const { number, frame } = this.kept[at - first] ?? { number: 0, frame: null };
      ensure(number === at && frame !== null, "what a follower lacks is kept", at, first);
      frames.push(frame);
    }
    return frames;
  }

  heldBackOf(connection: ConnectionId): HeldBack {
    const heldBack = { octets: 0, isClosing: false };
    for (const { effects } of this.kept) {
      for (const output of effects?.outputs ?? []) {
        if (!isEffect(output) || output.connection !== connection) continue;
        if (output.do === "write") heldBack.octets += output.octets.length;
        else if (output.do === "close") heldBack.isClosing = true;
      }
    }
    return heldBack;
  }

  /** Lets brackets out up to one, each once. @param needed - the first one that a standby may still need */
  release(
    to: number,
    needed: number,
    letOut: (effects: Effects, bracket: OutBracket) => void,
  ): void {
    const { kept } = this;
    const first = kept[0]?.number ?? to + 1;
    for (let at = this.released + 1 - first; at <= to - first; at++) {
      const bracket = kept[at];
      const effects = bracket?.effects ?? null;
      ensure(bracket !== undefined && effects !== null, "a bracket goes out once", at + first);
      letOut(effects, bracket);
      bracket.effects = null;
    }
    this.released = to;
    if (needed > first) kept.splice(0, needed - first);
  }

  forget(): void {
    this.kept = [];
  }
}

/** @returns a bracket of the active before, as this one sends it */
function renewed(bracket: RecordOf<"bracket">, epoch: number): Uint8Array {
  return frameOf("bracket", { ...bracket, epoch });
}

function replayed(machine: Machine, calls: Uint8Array): readonly Output[] | null {
  try {
    return replay(machine, calls, { records: 0, fields: 0 });
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}
