/** A worker thread that has a copy of the state, gives it another configuration, tells what comes of it, and ends. */

import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { configFrom, machineFromImage } from "@ts-bgp/replication";
import { whatIf } from "@ts-bgp/views";
import type { WhatIfInput } from "./what-if.ts";

/** Of this thread: whatever else there is to do goes first. */
const NICE = 19;

try {
  if (getPriority() < NICE) setPriority(NICE);
} catch {
  // Where that is not allowed it goes without.
}

const { octets, wanted } = workerData as WhatIfInput;
const image: Uint8Array[] = [];
parentPort?.on("message", (piece: Uint8Array | null) => {
  if (piece !== null) {
    image.push(piece);
    return;
  }
  const { router } = machineFromImage(image.splice(0));
  parentPort?.postMessage(whatIf(router, configFrom(octets), wanted));
  parentPort?.close();
});
