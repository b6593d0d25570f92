/**
 * The process that has what was looked up: it is small, and begins another one for each question. The speaker itself
 * would halt for 30 ms per GB of its memory at each beginning of a process, since what it has is marked for the copy.
 */

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { FromPast, ToPast } from "./past-messages.ts";

/** What the process is told: to answer something, and that nobody wants it any more. */
export type ToHelper = { readonly id: number; readonly asked: ToPast } | { readonly drop: number };

/** What it says of a question. */
export interface FromHelper {
  readonly id: number;
  readonly said: FromPast;
}

const PROGRAM = fileURLToPath(new URL("past-helper-worker.ts", import.meta.url));
const HEAP_MB = 64;
const LAST_WORDS_CHARACTERS = 2000;

type Hear = (said: FromPast) => void;

export class PastHelper {
  private readonly child: ChildProcess;
  private readonly asking: Map<number, Hear> = new Map();
  private readonly ended: (why: string) => void;
  private last = 0;
  private lastWords = "";
  private isOver = false;

  /** Throws where there is no room for another process. @param ended - told once, if it ends by itself */
  constructor(ended: (why: string) => void) {
    this.ended = ended;
    this.child = fork(PROGRAM, [], {
      execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MB}`],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const { child } = this;
    child.on("error", ({ message }) => this.over(message));
    if (child.pid === undefined) {
      this.isOver = true;
      throw new Error("no process can be started");
    }
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.lastWords = (this.lastWords + text).slice(-LAST_WORDS_CHARACTERS);
    });
    child.on("message", (message) => {
      const { id, said } = message as FromHelper;
      this.asking.get(id)?.(said);
    });
    child.on("close", (code, signal) => this.over(`${signal ?? code}: ${this.lastWords}`));
    // It does not keep a stopped speaker alive.
    child.unref();
    child.channel?.unref();
    (child.stderr as unknown as { unref(): void }).unref();
  }

  /** @param hear - is told all of the answer, and that there is none any more @returns ends it */
  ask(asked: ToPast, hear: Hear): () => void {
    const id = ++this.last;
    this.asking.set(id, hear);
    this.tell({ id, asked });
    return () => {
      if (this.asking.delete(id)) this.tell({ drop: id });
    };
  }

  end(): void {
    this.isOver = true;
    this.child.kill("SIGKILL");
    this.forgetAll();
  }

  private tell(what: ToHelper): void {
    // Where it is gone, that is heard of another way.
    if (!this.isOver && this.child.connected) this.child.send(what, () => {});
  }

  private over(why: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.ended(why.trim());
    this.forgetAll();
  }

  private forgetAll(): void {
    for (const hear of this.asking.values()) hear({ failed: null });
    this.asking.clear();
  }
}
