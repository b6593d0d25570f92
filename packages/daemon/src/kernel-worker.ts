/**
 * The thread that reads routes of the kernel. It is woken by what the kernel says of changes, reads the table as it is
 * then, and tells the difference to what it has told: whatever happens in between counts once, and what the kernel
 * says nothing of, such as routes that go with a link, is found as well.
 */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { RouteMonitor, RouteSocket } from "@ts-bgp/forward";
import type { KernelOrder, KernelReply, KernelWanted } from "./kernel-orders.ts";
import { KernelTable } from "./kernel-table.ts";

/** So often it is looked whether something has changed. */
const LOOK_MS = 100;
/** To read takes a tenth of the time at most. */
const REST = 9;
/** After a failure it is tried again after so many. */
const RETRY_LOOKS = 100;

const port = parentPort!;
const { table, protocols } = workerData as KernelWanted;
const tables = ([1, 2] as const).map((family) => new KernelTable(family));
let isOver = false;
let isComplete = false;

function tell(reply: KernelReply): void {
  port.postMessage(reply);
}

/** @returns when it is taken */
async function tellAndWait(reply: KernelReply): Promise<void> {
  const taken = once(port, "message");
  tell(reply);
  await taken;
}

/** @returns for how long it has read, in milliseconds */
async function tellChanges(socket: RouteSocket): Promise<number> {
  const beganMs = performance.now();
  for (const each of tables) each.read(socket, table, protocols);
  const readMs = performance.now() - beganMs;
  for (const each of tables) {
    for (const octets of each.changes()) {
      if (isOver) return readMs;
      await tellAndWait({ what: "routes", octets });
    }
  }
  return readMs;
}

/** Ends where the kernel does not answer, or nobody wants to know any more. */
async function follow(socket: RouteSocket, monitor: RouteMonitor): Promise<void> {
  let nextMs = 0;
  for (let isOutdated = true; !isOver; await sleep(LOOK_MS)) {
    if (monitor.hear(() => {}) !== "nothing") isOutdated = true;
    if (!isOutdated || performance.now() < nextMs) continue;
    isOutdated = false;
    const readMs = await tellChanges(socket);
    nextMs = performance.now() + REST * readMs;
    if (isComplete || isOver) continue;
    isComplete = true;
    await tellAndWait({ what: "complete", count: tables.reduce((sum, { size }) => sum + size, 0) });
  }
}

/** @throws KernelError */
async function openAndFollow(): Promise<void> {
  const socket = new RouteSocket();
  try {
    // What changes while it is read is heard of.
    const monitor = new RouteMonitor();
    try {
      await follow(socket, monitor);
    } finally {
      monitor.close();
    }
  } finally {
    socket.close();
  }
}

port.on("message", (order: KernelOrder) => {
  if (order === "exit") isOver = true;
});
while (!isOver) {
  try {
    await openAndFollow();
  } catch (error) {
    // When it can be read again that is told, whether anything has changed or not.
    isComplete = false;
    tell({ what: "problem", message: (error as Error).message });
    for (let looks = 0; looks < RETRY_LOOKS && !isOver; looks++) await sleep(LOOK_MS);
  }
}
port.close();
