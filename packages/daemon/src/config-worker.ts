/** A worker thread that reads and checks one configuration file, tells what it found, and ends. */

import { parentPort, workerData } from "node:worker_threads";
import {
  ConfigFileError,
  readConfigFile,
  UnusableFileError,
  type WorkerInput,
  type WorkerOutcome,
} from "./config-file.ts";

function outcomeOf({ file, text }: WorkerInput): WorkerOutcome {
  try {
    return { kind: "checked", file: readConfigFile(file, text) };
  } catch (error) {
    if (error instanceof ConfigFileError) {
      return { kind: "mistakes", message: error.message, lines: error.lines };
    }
    if (!(error instanceof UnusableFileError)) throw error;
    return { kind: "unreadable", message: error.message };
  }
}

parentPort?.postMessage(outcomeOf(workerData as WorkerInput));
