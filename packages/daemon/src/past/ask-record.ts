/**
 * What was, for whoever asks the speaker: a process of its own looks it up in the record. It takes processor time where
 * nobody else wants it, its memory is free again when it ends, and whatever becomes of it concerns nobody else.
 */

import { fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ControlError, type ControlRequest, type Refusal } from "../control.ts";

/** Which routes are compared. */
export interface Compared {
  /** Null for all. */
  readonly prefix: string | null;
  /** With a prefix: those inside it as well. */
  readonly isLonger: boolean;
}

/** What can be asked; times are milliseconds since 1970. */
export type PastQuestion =
  | { readonly ask: "state"; readonly atMs: number; readonly request: ControlRequest }
  | {
      readonly ask: "diff";
      readonly times: readonly [number, number];
      readonly compared: Compared;
    }
  | {
      readonly ask: "history";
      readonly prefix: string;
      /** Null for the beginning of the record, and for its end. */
      readonly times: readonly [number | null, number | null];
    };

/** What the process is told. */
export interface ToPast {
  readonly directory: string;
  readonly question: PastQuestion;
  /** Of the answer; what is more is left out. */
  readonly itemsMax: number;
}

/** What it says: items, and at last one of the others. */
export type FromPast =
  | { readonly items: readonly unknown[] }
  | { readonly end: Readonly<Record<string, unknown>> }
  | { readonly refusal: Refusal; readonly message: string };

const PROGRAM = fileURLToPath(new URL("past-worker.ts", import.meta.url));
const HEAP_MB = 2048;
const PROGRAM_OCTETS = 150e6;
const TIME_S = 300;
/** Who asks may have given up: it is looked for so often. */
const LOOK_MS = 200;
const LAST_WORDS_CHARACTERS = 2000;

/** Who waits for a turn. */
const WAITING_MAX = 4;

let isBusy = false;
let waiting = 0;

/** Answers with items, null where there are none for a while. One at a time, in turn; throws a ControlError. */
export async function* askRecord(
  asked: ToPast,
): AsyncGenerator<unknown, Readonly<Record<string, unknown>>> {
  if (isBusy) yield* turn();
  isBusy = true;
  try {
    checkMemory();
  } catch (error) {
    isBusy = false;
    throw error;
  }
  const heard: FromPast[] = [];
  let wake: () => void = () => {};
  let lastWords = "";
  let over: string | null = null;
  const child = fork(PROGRAM, [], {
    execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MB}`],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-LAST_WORDS_CHARACTERS);
  });
  const ended = (why: string) => {
    over ??= `the process that looks it up has ended (${why}): ${lastWords}`.trimEnd();
    wake();
  };
  child.on("message", (said) => {
    heard.push(said as FromPast);
    wake();
  });
  child.on("error", ({ message }) => ended(message));
  child.on("close", (code, signal) => ended(String(signal ?? code)));
  child.unref();
  try {
    child.send(asked, () => {});
    for (const endMs = performance.now() + 1000 * TIME_S; ; ) {
      const said = heard.shift();
      if (said !== undefined) {
        if ("end" in said) return said.end;
        if ("refusal" in said) throw new ControlError(said.message, said.refusal);
        yield* said.items;
        continue;
      }
      if (over !== null) throw new ControlError(over);
      if (performance.now() > endMs) {
        const text = `it takes longer than ${TIME_S} s: ask for less time, or tsbgp on that host`;
        throw new ControlError(text, "busy");
      }
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      await Promise.race([woken, sleep(LOOK_MS, null, { ref: false })]);
      yield null;
    }
  } finally {
    isBusy = false;
    child.kill("SIGKILL");
  }
}

/** Waits until nothing is looked up. */
async function* turn(): AsyncGenerator<null, void> {
  if (waiting === WAITING_MAX) {
    throw new ControlError("much is looked up in the record already: ask again", "busy");
  }
  waiting++;
  try {
    while (isBusy) {
      await sleep(LOOK_MS, null, { ref: false });
      yield null;
    }
    // Another one who waits may look before whoever called this goes on.
    isBusy = true;
  } finally {
    waiting--;
  }
}

/** Throws when what was would take memory that others need: it is about as much as what is. */
function checkMemory(): void {
  const needed = PROGRAM_OCTETS + process.memoryUsage.rss();
  const available = process.availableMemory();
  if (needed <= available) return;
  const mb = (octets: number) => Math.ceil(octets / 1e6);
  const text = `it takes about ${mb(needed)} MB of memory for a while, and ${mb(available)} MB are left`;
  throw new ControlError(text, "busy");
}
