/** Reads a file of validated ROA payloads in a thread of its own: half a million take a second. */

import { parentPort, workerData } from "node:worker_threads";
import { readRoaFile } from "./read-roa-file.ts";

parentPort!.postMessage(readRoaFile(workerData as string));
