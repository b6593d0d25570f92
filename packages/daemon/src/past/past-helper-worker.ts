/** A small process that begins one for each question about a record, and passes on what that says. */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { goFirst } from "../go-first.ts";
import type { FromHelper, ToHelper } from "./past-helper.ts";
import type { FromPast, ToPast } from "./past-messages.ts";

const PROGRAM = fileURLToPath(new URL("past-worker.ts", import.meta.url));
const HEAP_MB = 2048;
const LAST_WORDS_CHARACTERS = 2000;

const asking: Map<number, ChildProcess> = new Map();

function ask(id: number, asked: ToPast): void {
  let lastWords = "";
  let isOver = false;
  const say = (said: FromPast) => {
    if (isOver) return;
    isOver = !("items" in said);
    if (isOver) asking.delete(id);
    process.send!({ id, said } satisfies FromHelper);
  };
  try {
    const child = fork(PROGRAM, [], {
      execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MB}`],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    child.on("error", ({ message }) => say({ failed: message }));
    if (child.pid === undefined) return;
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      lastWords = (lastWords + text).slice(-LAST_WORDS_CHARACTERS);
    });
    child.on("message", (said) => say(said as FromPast));
    child.on("close", (code, signal) =>
      say({ failed: `${signal ?? code}: ${lastWords}`.trimEnd() }),
    );
    asking.set(id, child);
    child.send(asked, () => {});
  } catch (error) {
    say({ failed: (error as Error).message });
  }
}

function drop(id: number): void {
  asking.get(id)?.kill("SIGKILL");
  asking.delete(id);
}

if (process.send !== undefined) {
  goFirst();
  process.on("message", (said: ToHelper) => {
    if ("drop" in said) drop(said.drop);
    else ask(said.id, said.asked);
  });
  // Signals to all processes of a service, or of a terminal, are for the speaker: this one ends behind it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
  process.on("disconnect", () => {
    for (const id of [...asking.keys()]) drop(id);
    process.exit();
  });
}
