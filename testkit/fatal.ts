/** UPDATEs that a speaker dies of which was started with `FATAL_HOOK`. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { attribute, four } from "../test/lab/raw-peer.ts";
import { until } from "../test/lab/until.ts";
import { type SpeakerProcess, WAIT_MS } from "./speaker.ts";
import { routeOctets, updateMessage } from "./updates.ts";

/** Options of Node.js with which a speaker dies of such messages, as of a fault of its own. */
export const FATAL_HOOK = [
  "--import",
  fileURLToPath(new URL("fatal-hook.ts", import.meta.url)),
] as const;

/**
 * What happens, and the second half of the community that it happens at: where the UPDATE is read, where what
 * it says is to be sent to others, or where a standby reads it in an image. With others: where it is to be sent,
 * in a slice in which messages of another neighbor were read as well.
 */
export const FATAL = {
  throws: 1,
  hangs: 2,
  aborts: 3,
  "throws when sent": 4,
  "hangs when sent": 5,
  "aborts in an image": 6,
  "throws with others": 7,
  "hangs with others": 8,
  "throws in an image": 9,
  "hangs in an image": 10,
} as const;
export type Fatal = keyof typeof FATAL;

/** What a speaker writes before it hangs. */
export const HANGS = "it hangs from now on";

const UNIT = new URL("../configs/systemd/ts-bgp@.service", import.meta.url);

/** Does to a process, once it hangs, what systemd does by the unit that is given out. */
export async function endByWatchdog(side: SpeakerProcess): Promise<void> {
  await until(() => side.text().includes(HANGS), WAIT_MS, "it hangs");
  const [, signal] = /^WatchdogSignal=(.*)$/m.exec(readFileSync(UNIT, "utf8"))!;
  side.signal(signal as NodeJS.Signals);
}

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
