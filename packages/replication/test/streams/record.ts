/**
 * Records what an active sends to a standby, as test data for later versions.
 *
 *     node packages/replication/test/streams/record.ts
 *
 * Writes the folder of this version of the stream. Once a version is released its folder must not
 * change any more.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ActiveHooks, STREAM_VERSION } from "../../src/index.ts";
import type { Shell } from "../sim/shell.ts";
import { World } from "../sim/world.ts";
import { summaryOf } from "./summary.ts";

const FRAMES_MIN = 150;
const FRAMES_MAX = 260;

/** @returns what the first active of a run sends to its first standby, and what befell them */
function streamOf(seed: number): { frames: Uint8Array[]; story: string } {
  const frames: Uint8Array[] = [];
  const story: string[] = [];
  let isOver = false;
  let shells = 0;
  const listener = {
    title: "listens to the active",
    shell(_shell: Shell, hooks: ActiveHooks) {
      if (shells++ > 0) isOver = true;
      const { send, drop } = hooks;
      hooks.send = (to, frame) => {
        if (!isOver && frames.length < FRAMES_MAX) frames.push(frame.slice());
        send(to, frame);
      };
      hooks.drop = (side, reason, isSlow) => {
        isOver = true;
        drop(side, reason, isSlow);
      };
    },
  };
  const world = new World(seed, listener, (line) => {
    if (!isOver) story.push(line);
  });
  world.run();
  return { frames, story: story.join("\n") };
}

/** Sessions come up, routes come and go, a session ends, and the configuration changes. */
function recorded(): Uint8Array[] {
  for (let seed = 1; ; seed++) {
    const { frames, story } = streamOf(seed);
    const isRich = story.includes("configure") && story.includes("hang-up");
    if (frames.length >= FRAMES_MIN && isRich) return frames;
  }
}

const frames = recorded();
const octets = Buffer.concat(frames);
const folder = fileURLToPath(new URL(`v${STREAM_VERSION}-numbers/`, import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}session.bin`, octets);
writeFileSync(`${folder}session.json`, `${JSON.stringify(summaryOf(octets), null, 2)}\n`);
console.log(`${folder}: ${frames.length} frames, ${octets.length} octets`);
