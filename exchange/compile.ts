/** Programs in C of the harnesses: compiled where they are needed, by the compiler of the machine. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Compiles a program.
 *
 * @param program - path of what is made
 * @returns why there is none, `null` when it is there
 */
export function compile(source: URL, program: string): string | null {
  const argv = ["-O2", "-Wall", "-o", program, fileURLToPath(source), "-lm"];
  const { status, stderr, error } = spawnSync("gcc", argv, { encoding: "utf8" });
  if (status === 0) return null;
  const missing = (error as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
  return missing ? "gcc is missing (apt install gcc libc6-dev)" : `gcc: ${stderr}`;
}
