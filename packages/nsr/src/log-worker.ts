/** The thread that writes a standby's log to disk; see `log-thread.ts`. */

import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import type { LogInput, LogNews, LogOrder } from "./log-thread.ts";
import { LogWords } from "./log-thread.ts";
import { makePrivateFolder } from "./private-folder.ts";

const FILE_MODE = 0o600;

const { file, memory } = workerData as LogInput;
const words = new LogWords(memory);
const descriptors: Record<"log" | "next", number | null> = { log: null, next: null };
/** Nothing is done before a file is opened again. */
let isBroken = false;

function close(name: "log" | "next"): void {
  const descriptor = descriptors[name];
  descriptors[name] = null;
  if (descriptor !== null) closeSync(descriptor);
}

function remove(): void {
  close("log");
  close("next");
  for (const name of [file, nextOf(file)]) rmSync(name, { force: true });
}

/** Where a log is written that is to take the place of this one. */
function nextOf(name: string): string {
  return `${name}.next`;
}

function write(descriptor: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length; ) {
    at += writeSync(descriptor, octets, at, octets.length - at);
    if (words.isStale) return;
  }
}

function follow(order: LogOrder): void {
  switch (order.do) {
    case "go-on":
      close("log");
      descriptors.log = openSync(file, "r+");
      ftruncateSync(descriptors.log, order.octets);
      // What is written goes behind that.
      close("log");
      descriptors.log = openSync(file, "a");
      break;
    case "begin":
      close("next");
      makePrivateFolder(file);
      rmSync(nextOf(file), { force: true });
      descriptors.next = openSync(nextOf(file), "wx", FILE_MODE);
      break;
    case "write": {
      const descriptor = descriptors[order.to];
      if (descriptor !== null) write(descriptor, order.octets);
      break;
    }
    case "swap":
      close("log");
      renameSync(nextOf(file), file);
      descriptors.log = descriptors.next;
      descriptors.next = null;
      break;
    case "remove":
      try {
        remove();
      } catch {
        // A file that stays is looked at before it is used, as any other.
      }
      break;
  }
}

function failed(error: unknown): void {
  isBroken = true;
  try {
    remove();
  } catch {
    // What failed first is what there is to say.
  }
  parentPort!.postMessage({ failed: (error as Error).message } satisfies LogNews);
}

parentPort!.on("message", (order: LogOrder | "exit") => {
  if (order === "exit") process.exit();
  words.see(order.turn);
  if (order.do === "begin" || order.do === "go-on") isBroken = false;
  try {
    const isDue = order.do === "remove" || !(isBroken || words.isStale);
    if (isDue) follow(order);
  } catch (error) {
    failed(error);
  }
  if (order.do === "write") words.written(order.octets.length);
  words.done();
});
