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
import { STREAM_VERSION } from "../../src/index.ts";
import { World } from "../sim/world.ts";
import { summaryOf } from "./summary.ts";

/** A run with sessions that come up, routes that come and go, and a configuration that changes. */
const SEED = 538;
const FRAMES_MAX = 260;

const frames: Uint8Array[] = [];
let isOver = false;
new World(
  SEED,
  {
    title: "listens to the active",
    shell(_shell, hooks) {
      const { send, drop } = hooks;
      hooks.send = (frame) => {
        if (!isOver && frames.length < FRAMES_MAX) frames.push(frame.slice());
        send(frame);
      };
      hooks.drop = (reason) => {
        isOver = true;
        drop(reason);
      };
    },
  },
  null,
).run();

const octets = Buffer.concat(frames);
const folder = fileURLToPath(new URL(`v${STREAM_VERSION}/`, import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}session.bin`, octets);
writeFileSync(`${folder}session.json`, `${JSON.stringify(summaryOf(octets), null, 2)}\n`);
console.log(`${folder}: ${frames.length} frames, ${octets.length} octets`);
