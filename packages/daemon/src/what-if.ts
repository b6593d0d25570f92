/**
 * What another configuration would do, without doing it: a thread of its own is given a copy of the state, as a
 * standby that joins is, and does a reload with that.
 */

import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Config, changedSections } from "@ts-bgp/config";
import { CaptureRoom, type Machine, machineCapture, prepareCapture } from "@ts-bgp/replication";
import type { ShownWhatIf, ShownWhatIfRoute, WhatIf } from "@ts-bgp/views";
import { type Changes, changesOf } from "./changes.ts";
import { mistakesOf, type ReadApart, readConfigFileApart } from "./config-file.ts";
import { ControlError } from "./control.ts";

/** What the thread is told before the pieces of the image. */
export interface WhatIfInput {
  /** The configuration, see `configOctets`. */
  readonly octets: Uint8Array;
  /** Address of the neighbor whose routes are named; null for nobody's. */
  readonly wanted: string | null;
}

/** The answer to the command. */
export interface ShownTrial {
  /** The file that was tried. */
  file: string;
  /** Something would be otherwise for a neighbor. */
  differs: boolean;
  /** As a reload tells it. */
  changes: Changes;
  neighbors: readonly ShownWhatIf[];
  /** Of the neighbor that was asked for. */
  routes: readonly ShownWhatIfRoute[];
  routes_left_out: number;
  /** From the question to the answer. */
  took_ms: number;
  /** For so long the speaker did nothing else. */
  held_up_ms: number;
  /** Of the copy. */
  image_octets: number;
}

export interface WhatIfQuestion {
  readonly file: string;
  readonly wanted: string | null;
}

/** What is tried on, and with what it is compared. */
export interface WhatIfSources {
  /** The state of this side; null while there is none. */
  machine(): Machine | null;
  /** In force on this side, with the sections of its own. */
  config(): Config;
  /** @returns why a reload would refuse it, null when it would not */
  refusal(next: Config): string | null;
}

/** Of the thread, besides tables. */
const HEAP_MB = 2048;
/** It has as much on its way, once more as what it was, and once more as what it comes to. */
const COPIES = 5;
/** Who asks may have given up: it is looked for so often. */
const LOOK_MS = 100;

let isBusy = false;

/** Ends with one value, the `ShownTrial`; until then there is nothing to show. One at a time. */
export async function* askWhatIf(
  { file, wanted }: WhatIfQuestion,
  sources: WhatIfSources,
): AsyncGenerator<ShownTrial | null, void> {
  if (isBusy) throw new ControlError("another configuration is being tried: ask again", "busy");
  isBusy = true;
  const startMs = performance.now();
  let worker: Worker | null = null;
  try {
    const read = await readTried(file, sources);
    const machine = sources.machine();
    if (machine === null)
      throw new ControlError("this side has no state yet that could be tried on");
    const { control, http, log, nsr } = sources.config();
    const before = { ...machine.router.tables.config, control, http, log, nsr };
    const room = new CaptureRoom();
    for (const _ of prepareCapture(machine, room)) yield null;
    checkMemory(room.octets);
    const workerData: WhatIfInput = { octets: read.octets, wanted };
    worker = new Worker(new URL("./what-if-worker.ts", import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    // What goes wrong after its answer concerns nobody.
    worker.on("error", () => {});
    const outcome = once(worker, "message") as Promise<[WhatIf]>;
    // It is awaited later, or not at all.
    outcome.catch(() => {});
    const captureMs = performance.now();
    const pieces = machineCapture(machine, true, room);
    const heldUpMs = performance.now() - captureMs;
    let octets = 0;
    for (const piece of pieces) {
      octets += piece.length;
      worker.postMessage(piece);
      yield null;
    }
    worker.postMessage(null);
    let found: [WhatIf] | null = null;
    for (; found === null; yield null) found = await within(outcome);
    const { neighbors, diff, routes, routesLeftOut } = found[0];
    const shown = wanted === null ? neighbors : neighbors.filter((one) => one.neighbor === wanted);
    yield {
      file,
      differs: shown.length > 0,
      changes: changesOf(diff, changedSections(before, read.config)),
      neighbors: shown,
      routes,
      routes_left_out: routesLeftOut,
      took_ms: Math.round(performance.now() - startMs),
      held_up_ms: Math.round(heldUpMs),
      image_octets: octets,
    };
  } finally {
    isBusy = false;
    await worker?.terminate();
  }
}

async function readTried(file: string, { refusal }: WhatIfSources): Promise<ReadApart> {
  try {
    const read = await readConfigFileApart(file);
    const refused = refusal(read.config);
    if (refused !== null) throw new Error(refused);
    return read;
  } catch (error) {
    throw new ControlError([(error as Error).message, ...mistakesOf(error)].join("\n"));
  }
}

/** Throws when the copy would take memory that others need. */
function checkMemory(octets: number): void {
  const needed = COPIES * octets;
  const available = process.availableMemory();
  if (needed <= available) return;
  const mb = (count: number) => Math.ceil(count / 1e6);
  const text = `it takes about ${mb(needed)} MB of memory for a while, and ${mb(available)} MB are left`;
  throw new ControlError(text, "busy");
}

/** @returns what comes of it, null when that takes longer */
async function within(outcome: Promise<[WhatIf]>): Promise<[WhatIf] | null> {
  try {
    return await Promise.race([outcome, sleep(LOOK_MS, null, { ref: false })]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_WORKER_OUT_OF_MEMORY") throw error;
    throw new ControlError(`it takes more than ${HEAP_MB} MB of memory`, "busy");
  }
}
