/**
 * Side b runs a program that says each route twice, in messages of their own, and has other timers: what it
 * writes has another length, and what peers have in the end is the same.
 */

import { UpdateWriter } from "@ts-bgp/wire-codec";
import { Jitter } from "../../../router/src/numbers.ts";
import type { Standby } from "../../src/index.ts";
import type { Process } from "./process.ts";
import type { Shell } from "./shell.ts";

const OTHER_SIDE = "b";

let isOther = false;

const { prefix } = UpdateWriter.prototype;
const { next } = Jitter.prototype;
UpdateWriter.prototype.prefix = function otherPrefix(...args) {
  if (isOther) {
    prefix.apply(this, args);
    this.finish();
  }
  prefix.apply(this, args);
};
Jitter.prototype.next = function otherNext() {
  const number = next.call(this);
  return isOther ? 0.999 - number : number;
};

/** An active side begins. */
export function runOtherShell({ journal, process }: Shell): void {
  if (process.side === OTHER_SIDE) runOther(journal, ["run", "slice", "take"]);
}

/** A standby begins. */
export function runOtherStandby(standby: Standby, { side }: Process): void {
  if (side === OTHER_SIDE) runOther(standby, ["record", "work", "finish"]);
}

function runOther<K extends string>(
  object: { [N in K]: (...args: never[]) => unknown },
  names: readonly K[],
): void {
  for (const name of names) {
    const method = object[name].bind(object) as (...args: unknown[]) => unknown;
    (object as Record<string, unknown>)[name] = (...args: unknown[]) => {
      const before = isOther;
      isOther = true;
      try {
        return method(...args);
      } finally {
        isOther = before;
      }
    };
  }
}
