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

export class ToolShell {
  private shell: ChildProcessWithoutNullStreams | null = null;

  /**
   * Runs a tool; one at a time. A shell that has ended is started anew, and ends with this process.
   *
   * @param words - of the command line, none with a meaning to the shell
   */
  run(words: readonly string[]): Promise<ToolAnswer> {
    this.shell ??= this.started();
    const { shell } = this;
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
      const timer = setTimeout(() => this.stop(), TIMEOUT_MS).unref();
      shell.once("exit", ended);
      keepProcess(shell, true);
      shell.stdout.on("data", (piece: string) => {
        text += piece;
        const end = END.exec(text);
        if (end !== null) answered({ code: Number(end[1]), output: text.slice(0, end.index) });
      });
      shell.stdin.write(`${words.join(" ")} 2>&1; printf '\\nend-of-tool %d\\n' $?\n`);
    });
  }

  /** Ends the shell, and what it runs. */
  stop(): void {
    const { shell } = this;
    this.shell = null;
    if (shell?.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
    try {
      process.kill(-shell.pid, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }

  private started(): ChildProcessWithoutNullStreams {
    // In a process group of its own, so that what it runs can be ended with it.
    const shell = spawn("sh", [], { detached: true });
    shell.stdout.setEncoding("utf8");
    shell.on("error", () => shell.emit("exit", null, null));
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
