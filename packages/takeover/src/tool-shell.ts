/**
 * Tools of the system, run now and then by a shell that stays: to start one, a process has to copy its
 * page tables, which takes tens of milliseconds in one that holds full tables, and next to none in a shell.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import type { Socket } from "node:net";

/** What a tool said. */
export interface ToolAnswer {
  readonly code: number;
  /** Both outputs. */
  readonly output: string;
}

/** Exit code of a tool that was not there, or did not end in time. */
export const CODE_UNKNOWN = 127;
const TIMEOUT_MS = 10_000;
/** Behind the output of each tool, with its exit code. */
const END = /\nend-of-tool (\d+)\n$/;
/** Behind the input of each tool. */
const END_OF_INPUT = "end-of-input";

export class ToolShell {
  private shell: ChildProcessWithoutNullStreams | null = null;
  private turn: Promise<unknown> = Promise.resolve();
  private isEnded = false;

  /** Has the shell ready: in a process that is small yet that costs least. */
  start(): void {
    this.shell ??= this.started();
  }

  /**
   * Runs a tool, when those asked for before have ended. A shell that has ended is started anew, and ends
   * with this process. Never rejects: `CODE_UNKNOWN` when the tool cannot be run.
   *
   * @param words - of the command line, none with a meaning to the shell
   * @param input - whole lines
   */
  run(words: readonly string[], input = ""): Promise<ToolAnswer> {
    const answer = this.turn.then(() => this.runNow(words, input));
    this.turn = answer;
    return answer;
  }

  /** Ends the shell, and what it runs; nothing is run any more. */
  end(): void {
    this.isEnded = true;
    this.kill();
  }

  private async runNow(words: readonly string[], input: string): Promise<ToolAnswer> {
    if (this.isEnded) return { code: CODE_UNKNOWN, output: "" };
    try {
      this.start();
    } catch (error) {
      return { code: CODE_UNKNOWN, output: (error as Error).message };
    }
    const shell = this.shell!;
    return new Promise((resolve) => {
      let text = "";
      const answered = (answer: ToolAnswer) => {
        clearTimeout(timer);
        keepProcess(shell, false);
        shell.stdout.removeAllListeners("data");
        shell.removeListener("exit", ended);
        resolve(answer);
      };
      const ended = () => answered({ code: CODE_UNKNOWN, output: text });
      const timer = setTimeout(() => {
        this.kill();
        ended();
      }, TIMEOUT_MS).unref();
      shell.once("exit", ended);
      keepProcess(shell, true);
      shell.stdout.on("data", (piece: string) => {
        text += piece;
        const end = END.exec(text);
        if (end !== null) answered({ code: Number(end[1]), output: text.slice(0, end.index) });
      });
      shell.stdin.write(
        `${words.join(" ")} 2>&1 <<'${END_OF_INPUT}'\n${input}${END_OF_INPUT}\n` +
          "printf '\\nend-of-tool %d\\n' $?\n",
      );
    });
  }

  private kill(): void {
    const { shell } = this;
    this.shell = null;
    if (shell?.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
    try {
      process.kill(-shell.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }

  /** @throws Error when no process can be started */
  private started(): ChildProcessWithoutNullStreams {
    // In a process group of its own, so that what it runs can be ended with it.
    const shell = spawn("sh", [], { detached: true });
    shell.on("error", () => shell.emit("exit", null, null));
    if (shell.pid === undefined) throw new Error("sh cannot be started");
    shell.stdout.setEncoding("utf8");
    shell.stdin.on("error", () => {});
    shell.on("exit", () => {
      if (this.shell === shell) this.shell = null;
    });
    shell.unref();
    for (const stream of [shell.stdin, shell.stdout, shell.stderr]) (stream as Socket).unref();
    return shell;
  }
}

/** This process waits for a tool, but not for the shell. */
function keepProcess({ stdout }: ChildProcessWithoutNullStreams, isKept: boolean): void {
  if (isKept) (stdout as Socket).ref();
  else (stdout as Socket).unref();
}
