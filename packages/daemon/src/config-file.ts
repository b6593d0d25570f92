/** Configuration files from disk. */

import { once } from "node:events";
import { accessSync, constants, existsSync, globSync, statSync } from "node:fs";
import path from "node:path";
import { setFlagsFromString } from "node:v8";
import { isMainThread, Worker } from "node:worker_threads";
import {
  type Config,
  type ConfigSources,
  type ForwardConfig,
  formatMistakes,
  type Loaded,
  loadConfig,
  loadForward,
  loadMirror,
  loadSpare,
  type MirrorConfig,
  type SpareConfig,
  validatorCode,
} from "@ts-bgp/config";
import { certificateProblem } from "@ts-bgp/nsr/certificate-check";
import { assertPrivateFolder } from "@ts-bgp/nsr/private-folder";
import { queueOf } from "@ts-bgp/nsr/queue";
import { configInSteps } from "@ts-bgp/replication/config-octets";
import { otherAddressOf } from "@ts-bgp/speaker/own-addresses";
import { readRoaFile } from "@ts-bgp/speaker/read-roa-file";
import { congestionControlProblem } from "@ts-bgp/takeover";
import { defaultControlSocket } from "./control-path.ts";
import type { OwnSections } from "./own-sections.ts";
import { readRegularFile } from "./regular-file.ts";
import { inTurns } from "./turns.ts";

const WRITABLE_BY_OTHERS = 0o022;
/** Room for what the thread that reads a file leaves behind until it is collected. */
const YOUNG_MB = 16;

/** A configuration with mistakes: nothing of it is used. */
export class ConfigFileError extends Error {
  /** A line for each mistake. */
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[]) {
    super(message);
    this.lines = lines;
  }
}

/** @returns a line for each mistake in a configuration; none of any other error */
export function mistakesOf(error: unknown): readonly string[] {
  return error instanceof ConfigFileError ? error.lines : [];
}

/** A file that cannot be read or written at all. */
export class UnusableFileError extends Error {}

/** What a file says that has no mistakes. */
export interface Checked<C> {
  readonly config: C;
  /** A line for each thing in it, and in files that it names, that looks unintended. */
  readonly warnings: readonly string[];
}

export type CheckedFile = Checked<Config>;

/** What the worker thread is told: arguments of `readConfigFile`. */
export interface WorkerInput {
  readonly file: string;
  readonly text: string | undefined;
  /** See `validatorCode`: UTF-8, in memory that all have. */
  readonly validator: Uint8Array | null;
}

export interface ReadOptions {
  /**
   * Read files of ROAs as well, which may take seconds: the speaker itself reads them when it runs, and
   * goes on when they have mistakes.
   */
  readonly withRoas?: boolean;
  /** For a side of a pair that is about to run: its name, empty when the file has to give one. */
  readonly nsrSelf?: string;
}

/** What the worker thread tells, as plain values. */
export type WorkerOutcome =
  | {
      readonly kind: "checked";
      /** See `configOctets`. */
      readonly octets: Uint8Array;
      /** Sections of a side alone. */
      readonly own: OwnSections;
      readonly warnings: readonly string[];
    }
  | { readonly kind: "mistakes"; readonly message: string; readonly lines: readonly string[] }
  | { readonly kind: "unreadable"; readonly message: string };

/**
 * Reads and checks a configuration; files are relative to the one that names them.
 *
 * Throws a ConfigFileError with all mistakes, or an UnusableFileError.
 *
 * @param text - what the file says, if it was read before
 */
export function readConfigFile(
  file: string,
  text: string = readConfigText(file),
  options: ReadOptions = {},
): CheckedFile {
  return checked(
    file,
    inLittleMemory(() => loadConfigFile(file, text, options)),
  );
}

/**
 * Does work that leaves much garbage: its collector otherwise takes a hundred megabytes of room for it, which
 * stay with the process.
 */
function inLittleMemory<T>(work: () => T): T {
  if (!isMainThread) return work();
  setFlagsFromString("--semi-space-growth-factor=1");
  try {
    return work();
  } finally {
    setFlagsFromString("--semi-space-growth-factor=2");
  }
}

/**
 * Reads and checks the file of a spare, and those that it names, which are relative to it.
 *
 * Throws as `readConfigFile` does.
 *
 * @returns with complete paths
 */
export function readSpareFile(
  file: string,
  text: string = readConfigText(file),
): Checked<SpareConfig> {
  const loaded = loadSpare(file, text, {
    load: (name) => {
      const named = path.isAbsolute(name) ? name : path.join(path.dirname(file), name);
      return loadConfigFile(named, readConfigText(named), { nsrSelf: "" });
    },
    queueOf,
    controlSocket: defaultControlSocket(),
  });
  const { config, warnings } = checked(file, loaded);
  const pairs = config.pairs.map((pair) => ({ ...pair, file: besides(file, pair.file) }));
  return { config: { ...config, pairs }, warnings };
}

/**
 * Reads and checks the file of a forwarding module.
 *
 * Throws as `readConfigFile` does.
 */
export function readForwardFile(
  file: string,
  text: string = readConfigText(file),
): Checked<ForwardConfig> {
  return checked(file, loadForward(file, text, sourcesOf({})));
}

/**
 * Reads and checks the file of a mirror.
 *
 * Throws as `readConfigFile` does.
 */
export function readMirrorFile(
  file: string,
  text: string = readConfigText(file),
): Checked<MirrorConfig> {
  return checked(file, loadMirror(file, text, sourcesOf({})));
}

/** Throws a ConfigFileError with all mistakes. */
function checked<C>(file: string, { config, mistakes, warnings }: Loaded<C>): Checked<C> {
  if (config !== null) return { config, warnings: formatMistakes(warnings) };
  const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
  throw new ConfigFileError(`${file} has ${count}`, formatMistakes(mistakes, mistakes.length));
}

function besides(file: string, name: string): string {
  return path.resolve(path.dirname(file), name);
}

function loadConfigFile(file: string, text: string, options: ReadOptions): Loaded<Config> {
  return loadConfig(file, text, sourcesOf(options));
}

function sourcesOf({ withRoas = false, nsrSelf }: ReadOptions): ConfigSources {
  return {
    readFile: (name) => {
      try {
        return readRegularFile(name);
      } catch (error) {
        throw new Error(reasonOf(error));
      }
    },
    filesLike: (pattern) => globSync(pattern).sort(),
    env: (name) => process.env[name],
    otherAddress: otherAddressOf,
    congestionControlProblem: problemOf,
    controlSocket: defaultControlSocket(),
    folderProblem,
    cannotWrite,
    ...(nsrSelf === undefined ? {} : { nsrSelf }),
    ...(withRoas ? { roaFileProblem } : {}),
    certificateProblem: (tls, cluster) => {
      const { mistake, warning, remedy } = certificateProblem(tls, cluster, Date.now());
      return { mistake, warning: warning === "" ? "" : `${warning}: ${remedy}` };
    },
  };
}

/** What was read apart, and the same as octets for `Speaker.configure`. */
export interface ReadApart extends CheckedFile {
  readonly octets: Uint8Array;
}

/**
 * Does what `readConfigFile` does in a thread of its own, so that routing goes on: a file with
 * thousands of neighbors takes a second.
 *
 * @param inForce - that it shares memory with where it is equal
 */
export async function readConfigFileApart(
  file: string,
  { text, inForce = null }: { text?: string | undefined; inForce?: Config | null } = {},
): Promise<ReadApart> {
  const workerData: WorkerInput = { file, text, validator: sharedValidator() };
  const worker = new Worker(new URL("./config-worker.ts", import.meta.url), {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const [outcome] = (await once(worker, "message")) as [WorkerOutcome];
  switch (outcome.kind) {
    case "checked": {
      const { octets, own, warnings } = outcome;
      const config = await inTurns(configInSteps(octets, inForce));
      return { config: { ...config, ...own }, warnings, octets };
    }
    case "mistakes":
      throw new ConfigFileError(outcome.message, outcome.lines);
    case "unreadable":
      throw new UnusableFileError(outcome.message);
  }
}

let shared: { readonly code: string; readonly octets: Uint8Array } | null = null;

/** Made once: to hand so long a text to a thread takes milliseconds each time. */
function sharedValidator(): Uint8Array | null {
  const code = validatorCode("speaker");
  if (code === null) return null;
  if (shared?.code !== code) {
    const octets = Buffer.from(new SharedArrayBuffer(Buffer.byteLength(code)));
    octets.write(code);
    shared = { code, octets };
  }
  return shared.octets;
}

function problemOf(congestionControl: string): string {
  try {
    return congestionControlProblem(congestionControl);
  } catch {
    // Not even a socket, or no Linux: that is not the file's.
    return "";
  }
}

/** Of one that is open to all: who is to own it is known only when the speaker runs, by its own user. */
function folderProblem(file: string): string {
  const folder = statSync(path.dirname(file), { throwIfNoEntry: false });
  if (folder === undefined || (folder.mode & WRITABLE_BY_OTHERS) === 0) return "";
  try {
    assertPrivateFolder(file);
    return "";
  } catch (error) {
    return (error as Error).message;
  }
}

function cannotWrite(folder: string): string {
  let place = folder;
  while (!existsSync(place) && place !== path.dirname(place)) place = path.dirname(place);
  if (!statSync(place).isDirectory()) return `${place} is no folder`;
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
    return "";
  } catch (error) {
    return `nothing can be written to ${place}: ${reasonOf(error)}`;
  }
}

function roaFileProblem(file: string): string | null {
  const read = readRoaFile(file);
  return "problem" in read ? read.problem : null;
}

/** Throws an UnusableFileError. */
export function readConfigText(file: string): string {
  try {
    return readRegularFile(file);
  } catch (error) {
    throw new UnusableFileError(`cannot read ${file}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
      return "permission denied";
    // A socket.
    case "ENXIO":
      return "it is no regular file";
    default:
      return (error as Error).message;
  }
}
