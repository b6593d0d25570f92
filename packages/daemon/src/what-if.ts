/**
 * What another configuration would do, without doing it: a process of its own is given a copy of the state, as a
 * standby that joins is, and does a reload with that. When it ends all its memory is free, and whatever becomes of
 * it concerns nobody else.
 */

import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Config, changedSections } from "@ts-bgp/config";
import {
  CaptureRoom,
  type Machine,
  machineCapture,
  prepareCapture,
  replicated,
} from "@ts-bgp/replication";
import { configOctetsInSteps } from "@ts-bgp/replication/config-octets";
import type { ShownWhatIf, ShownWhatIfRoute, WhatIf } from "@ts-bgp/views";
import { wantedInSteps } from "./canary.ts";
import { type Changes, changesOf } from "./changes.ts";
import { mistakesOf, type ReadApart, readConfigFileApart } from "./config-file.ts";
import { ControlError } from "./control.ts";
import { ownSections } from "./own-sections.ts";
import { inTurns } from "./turns.ts";

/** What the process is told: the pieces of the image, then what is tried. */
export type ToWhatIf =
  | { readonly piece: Uint8Array }
  | {
      /** The configuration, see `configOctets`. */
      readonly octets: Uint8Array;
      /** Address of the neighbor whose routes are named; null for nobody's. */
      readonly wanted: string | null;
    };

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
  /** Address of the neighbor whose routes are named; null for nobody's. */
  readonly wanted: string | null;
  /** Neighbors that it is for, as somebody has written them; null for all, and for the speaker itself. */
  readonly canary: readonly string[] | null;
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

const PROGRAM = fileURLToPath(new URL("what-if-worker.ts", import.meta.url));
/** Of the process, besides tables. */
const HEAP_MB = 2048;
/** Of what it says at its end, for people. */
const LAST_WORDS_CHARACTERS = 2000;
/** The state is on its way, is made anew, is kept as it was, and becomes another one; and there is the program. */
const COPIES = 8;
const PROGRAM_OCTETS = 150e6;
/** Who asks may have given up: it is looked for so often. */
const LOOK_MS = 100;

let isBusy = false;

/** Ends with one value, the `ShownTrial`; until then there is nothing to show. One at a time. */
export async function* askWhatIf(
  { file, wanted, canary }: WhatIfQuestion,
  sources: WhatIfSources,
): AsyncGenerator<ShownTrial | null, void> {
  if (isBusy) throw new ControlError("another configuration is being tried: ask again", "busy");
  isBusy = true;
  const startMs = performance.now();
  let helper: Helper | null = null;
  try {
    const read = await readTried(file, sources);
    const machine = sources.machine();
    if (machine === null)
      throw new ControlError("this side has no state yet that could be tried on");
    const before = { ...machine.router.tables.config, ...ownSections(sources.config()) };
    const forSome = canary === null ? null : forCanary(machine, before, read.config, canary);
    const tried = forSome === null ? read : yield* waiting(forSome);
    const room = new CaptureRoom();
    for (const _ of prepareCapture(machine, room)) yield null;
    checkMemory(room.octets);
    helper = new Helper();
    const captureMs = performance.now();
    const pieces = machineCapture(machine, true, room);
    const heldUpMs = performance.now() - captureMs;
    let octets = 0;
    for (const piece of pieces) {
      octets += piece.length;
      yield* waiting(helper.tell({ piece }));
    }
    yield* waiting(helper.tell({ octets: tried.octets, wanted }));
    const found = yield* waiting(helper.answer);
    const { neighbors, diff, routes, routesLeftOut } = found;
    const shown = wanted === null ? neighbors : neighbors.filter((one) => one.neighbor === wanted);
    yield {
      file,
      differs: shown.length > 0,
      changes: changesOf(diff, changedSections(before, tried.config)),
      neighbors: shown,
      routes,
      routes_left_out: routesLeftOut,
      took_ms: Math.round(performance.now() - startMs),
      held_up_ms: Math.round(heldUpMs),
      image_octets: octets,
    };
  } finally {
    isBusy = false;
    helper?.end();
  }
}

/** Has a look now and then whether anybody still waits. @returns what something resolves with */
async function* waiting<T>(something: Promise<T>): AsyncGenerator<null, T> {
  let isOver = false;
  const over = something.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await Promise.race([over, sleep(LOOK_MS, null, { ref: false })]);
    yield null;
  }
  return over;
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

/** @returns what would come into force for these neighbors alone; rejects where a reload would refuse that */
async function forCanary(
  { history }: Machine,
  inForce: Config,
  next: Config,
  canary: readonly string[],
): Promise<Pick<ReadApart, "config" | "octets">> {
  if (history.trial !== null) {
    throw new ControlError(
      "a reload is to be confirmed first: then others can be tried with some neighbors",
    );
  }
  try {
    const about = { by: "", how: "reload", trySeconds: null, canary } as const;
    const { config } = await inTurns(wantedInSteps(inForce, next, about));
    const octets = await inTurns(configOctetsInSteps(replicated(config), replicated(inForce)));
    return { config, octets };
  } catch (error) {
    throw new ControlError((error as Error).message);
  }
}

/** Throws when the copy would take memory that others need. */
function checkMemory(octets: number): void {
  const needed = PROGRAM_OCTETS + COPIES * octets;
  const available = process.availableMemory();
  if (needed <= available) return;
  const mb = (count: number) => Math.ceil(count / 1e6);
  const text = `it takes about ${mb(needed)} MB of memory for a while, and ${mb(available)} MB are left`;
  throw new ControlError(text, "busy");
}

/** The process. */
class Helper {
  private readonly child: ChildProcess;
  /** Rejects when the process is gone before. */
  readonly answer: Promise<WhatIf>;
  private lastWords = "";

  constructor() {
    this.child = fork(PROGRAM, [], {
      execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MB}`],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.lastWords = (this.lastWords + text).slice(-LAST_WORDS_CHARACTERS);
    });
    this.answer = new Promise((resolve, reject) => {
      this.child.on("message", (found) => resolve(found as WhatIf));
      this.child.on("error", reject);
      this.child.on("close", (code, signal) => {
        const text = `the process that tries it has ended (${signal ?? code}): ${this.lastWords}`;
        reject(new ControlError(text.trimEnd()));
      });
    });
    // It is awaited later, or not at all.
    this.answer.catch(() => {});
    this.child.unref();
  }

  /** Resolves once that is on its way; rejects when the process is gone. */
  async tell(what: ToWhatIf): Promise<void> {
    const told = new Promise<void>((resolve) => this.child.send(what, () => resolve()));
    await Promise.race([told, this.answer]);
  }

  end(): void {
    this.child.kill("SIGKILL");
  }
}
