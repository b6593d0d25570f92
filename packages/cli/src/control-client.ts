/** Asking the running speaker, for all commands that do. */

import { existsSync, lstatSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import type { ControlRequest } from "@ts-bgp/daemon";
// That alone: the whole package is slow to load.
import { SYSTEM_SOCKET, userSocket } from "@ts-bgp/daemon/control-path";
import { type Arguments, EXIT, type Options, print, stringOption } from "./command.ts";

/** Options of every command that asks the speaker. */
export const CONTROL_OPTIONS: Options = {
  socket: { type: "string", short: "s" },
  json: { type: "boolean", short: "j" },
};

/** The speaker said no, or could not be asked; the message is for people. */
export class ControlError extends Error {
  readonly unreachable: boolean;

  constructor(message: string, unreachable: boolean) {
    super(message);
    this.unreachable = unreachable;
  }
}

/**
 * The control socket to ask: `--socket`, else TSBGP_SOCKET, else the system's, else, where that is not to
 * be seen, that of a speaker of this user. Where neither is, the system's if there is a folder for it.
 * Root's own is the system's.
 */
export function socketOf(args: Arguments): string {
  const given = stringOption(args, "socket") ?? process.env["TSBGP_SOCKET"];
  if (given !== undefined) return given;
  if (process.geteuid?.() === 0 || existsSync(SYSTEM_SOCKET)) return SYSTEM_SOCKET;
  const own = userSocket();
  if (isOfAnother(path.dirname(own))) return SYSTEM_SOCKET;
  return existsSync(own) || !existsSync(path.dirname(SYSTEM_SOCKET)) ? own : SYSTEM_SOCKET;
}

/** Somebody else has made it, to be asked in the speaker's place. */
function isOfAnother(folder: string): boolean {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  return stat !== undefined && (!stat.isDirectory() || stat.uid !== process.geteuid?.());
}

/** How the answer to a request is shown to people. */
export interface Rendering<T> {
  item?: (item: T) => void;
  end?: (end: Readonly<Record<string, unknown>>) => void;
}

/**
 * Asks for a list. With `--json` it is printed as a JSON array with an item a line.
 *
 * @returns the exit code
 */
export function askForList<T>(
  args: Arguments,
  request: ControlRequest,
  rendering: Rendering<T>,
): Promise<number> {
  if (args.options["json"] !== true) return run(args, request, rendering);
  let count = 0;
  return run(args, request, {
    item: (item) => print(`${count++ === 0 ? "[" : ","}${JSON.stringify(item)}`),
    end: () => print(count === 0 ? "[]" : "]"),
  });
}

/** Asks for one thing. With `--json` it is printed as a JSON object. */
export function askForOne<T>(
  args: Arguments,
  request: ControlRequest,
  item: (item: T) => void,
): Promise<number> {
  const json = args.options["json"] === true;
  return run(args, request, { item: json ? (value) => print(JSON.stringify(value)) : item });
}

/** Gives an order, whose answer is a last value alone. */
export function order(
  args: Arguments,
  request: ControlRequest,
  end: (end: Readonly<Record<string, unknown>>) => void,
): Promise<number> {
  const json = args.options["json"] === true;
  return run(args, request, { end: json ? (value) => print(JSON.stringify(value)) : end });
}

/** @returns how the speaker is asked, or what stands for it */
export function askedOf(args: Arguments): Asked {
  return instead ?? ((...what) => ask(socketOf(args), ...what));
}

/** What is asked in place of a speaker, as `ask` asks one. */
export type Asked = (
  request: ControlRequest,
  item: (value: unknown) => void,
) => Promise<Readonly<Record<string, unknown>>>;

let instead: Asked | null = null;

/** Commands that would ask a speaker ask this from now on. */
export function askInstead(asked: Asked): void {
  instead = asked;
}

function run<T>(
  args: Arguments,
  request: ControlRequest,
  { item, end }: Rendering<T>,
): Promise<number> {
  return exitCodeOf(async () => {
    const last = await askedOf(args)(request, (value) => item?.(value as T));
    end?.(last);
    tellAge(last);
  });
}

/** Of a mirror: beside the answer, so that programs need not look for it there. */
function tellAge({ mirror }: Readonly<Record<string, unknown>>): void {
  if (mirror === undefined) return;
  const { cluster, side, age_ms } = mirror as { cluster: string; side: string; age_ms: number };
  const age = age_ms === null ? "of unknown age" : `${(age_ms / 1000).toFixed(1)} s old`;
  process.stderr.write(`mirror of ${cluster} (${side}), ${age}\n`);
}

/** @returns the exit code of something that asks a speaker; says why it went wrong */
export async function exitCodeOf(asking: () => Promise<void>): Promise<number> {
  try {
    await asking();
    return EXIT.OK;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    process.stderr.write(`tsbgp: ${error.message}\n`);
    return error.unreachable ? EXIT.UNUSABLE : EXIT.NO;
  }
}

/**
 * Asks a speaker.
 *
 * @param item - called for each item of the answer
 * @param signal - ends the wait for the answer, with a ControlError
 * @returns the last value of the answer; throws a ControlError with the speaker's own words, or when
 *   no speaker answers
 */
export function ask(
  file: string,
  request: ControlRequest,
  item: (value: unknown) => void,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path: file, ...(signal === undefined ? {} : { signal }) });
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", (error: NodeJS.ErrnoException) => reject(unreachable(file, error)));
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("close", () => reject(new ControlError("the speaker hung up", true)));
    socket.on("data", (chunk: string) => {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const answer = JSON.parse(line);
        if ("item" in answer) item(answer.item);
        else {
          if ("error" in answer) reject(new ControlError(answer.error, false));
          else resolve(answer.end);
          socket.destroy();
        }
      }
    });
  });
}

function unreachable(file: string, error: NodeJS.ErrnoException): ControlError {
  switch (error.code) {
    case "ENOENT":
    case "ECONNREFUSED":
      return new ControlError(`no speaker is running with control socket ${file}`, true);
    case "EACCES":
      return new ControlError(`no permission for control socket ${file}`, true);
    default:
      return new ControlError(`control socket ${file}: ${error.message}`, true);
  }
}
