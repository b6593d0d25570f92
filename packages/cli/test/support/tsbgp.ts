/** The `tsbgp` command as a process. */
import { spawn } from "node:child_process";
import { MAIN } from "../../../../testkit/speaker.ts";

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command to its end. */
export function tsbgp(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
      env: { ...process.env, ...options.env },
      stdio: "pipe",
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({
        code,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
    // A command that ends without reading its input is not an error.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** Lines of text that ends with a newline, or is empty. */
export function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}
