/** UPDATEs that a speaker dies of which was started with `FATAL_HOOK`. */
import { fileURLToPath } from "node:url";
import { attribute, four } from "../test/lab/raw-peer.ts";
import { routeOctets, updateMessage } from "./updates.ts";

/** Options of Node.js with which a speaker dies of such messages, as of a fault of its own. */
export const FATAL_HOOK = [
  "--import",
  fileURLToPath(new URL("fatal-hook.ts", import.meta.url)),
] as const;

/**
 * What happens, and the second half of the community that it happens at: where the UPDATE is read, where what
 * it says is to be sent to others, or where a standby reads it in an image.
 */
export const FATAL = {
  throws: 1,
  hangs: 2,
  aborts: 3,
  "throws when sent": 4,
  "hangs when sent": 5,
  "aborts in an image": 6,
} as const;
export type Fatal = keyof typeof FATAL;

export const FATAL_AS = 64_666;
const COMMUNITIES = 8;

/** The attribute that such an UPDATE is known by. */
export function fatalAttribute(how: Fatal): number[] {
  return attribute(0xc0, COMMUNITIES, [FATAL_AS >> 8, FATAL_AS & 0xff, 0, FATAL[how]]);
}

/** @param as - of the neighbor */
export function fatalUpdate(how: Fatal, as: number): Buffer {
  const attributes = [
    ...attribute(0x40, 1, [0]),
    ...attribute(0x40, 2, [2, 1, ...four(as)]),
    ...attribute(0x40, 3, [192, 0, 2, 99]),
    ...fatalAttribute(how),
  ];
  return Buffer.from(updateMessage([], attributes, routeOctets(0xf_0000)));
}
