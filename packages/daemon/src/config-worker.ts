/** A worker thread that reads and checks one configuration file, tells what it found, and ends. */

import { parentPort, workerData } from "node:worker_threads";
import { useValidatorCode } from "@ts-bgp/config";
import { configOctets, replicated } from "@ts-bgp/replication/config-octets";
import {
  ConfigFileError,
  readConfigFile,
  UnusableFileError,
  type WorkerInput,
  type WorkerOutcome,
} from "./config-file.ts";
import { ownSections } from "./own-sections.ts";

function outcomeOf({ file, text, validator }: WorkerInput): WorkerOutcome {
  if (validator !== null) {
    const { buffer, byteOffset, length } = validator;
    useValidatorCode("speaker", Buffer.from(buffer, byteOffset, length).toString());
  }
  try {
    const { config, warnings } = readConfigFile(file, text);
    const octets = configOctets(replicated(config));
    return { kind: "checked", octets, own: ownSections(config), warnings };
  } catch (error) {
    if (error instanceof ConfigFileError) {
      return { kind: "mistakes", message: error.message, lines: error.lines };
    }
    if (!(error instanceof UnusableFileError)) throw error;
    return { kind: "unreadable", message: error.message };
  }
}

const outcome = outcomeOf(workerData as WorkerInput);
// Large, and it goes as it is.
const moved = outcome.kind === "checked" ? [outcome.octets.buffer as ArrayBuffer] : [];
parentPort?.postMessage(outcome, moved);
