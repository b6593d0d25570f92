/** Where a side of a pair keeps its notes, and what it is called. */

import { hostname } from "node:os";
import { basename } from "node:path";
import type { Config, NsrConfig } from "@ts-bgp/config";
import { lingerMs } from "@ts-bgp/nsr";
import { makePrivateFolder } from "@ts-bgp/nsr/private-folder";
import { Crash } from "@ts-bgp/speaker";
import type { Log } from "./logging.ts";

/** @returns where a side notes what it reads, where the other one can look: null for two hosts */
export function crashFileOf({ nsr }: Config, side: string): string | null {
  if (nsr?.arbiter.kind !== "local" || side !== basename(side)) return null;
  return `${nsr.arbiter.file}.${side}.notes`;
}

/** @returns what notes what is read; null where nothing can be noted, which the log says */
export function crashNotes(
  config: Config,
  { nsrSelf }: { readonly nsrSelf?: string },
  log: Log,
): Crash | null {
  const { nsr, control } = config;
  // A name that is made of the number of the process is another one the next time.
  const name = nsrSelf ?? nsr?.self ?? "";
  const shared = name === "" ? null : crashFileOf(config, name);
  const file = shared ?? `${control.socket}.notes`;
  try {
    makePrivateFolder(file);
    // Where the other side can look into the file, it need not be told.
    return new Crash(file, nsr === null || shared !== null ? 0 : lingerMs(nsr));
  } catch (error) {
    log.say("warn", "no-crash-notes", `${file}: ${(error as Error).message}`);
    return null;
  }
}

/** @returns where it stands who is held down: both sides of one host have the same */
export function heldFileOf({ nsr, control }: Config): string {
  const base = nsr?.arbiter.kind === "local" ? nsr.arbiter.file : control.socket;
  return `${base}.held`;
}

/** @returns a name that the other side has not: two hosts, or two processes on one */
export function nameOf(
  { self, arbiter }: NsrConfig,
  { nsrSelf }: { readonly nsrSelf?: string },
): string {
  const name = nsrSelf ?? self;
  if (name !== "") return name;
  // A side of etcd keeps its name when it starts again.
  return arbiter.kind === "etcd" ? hostname() : `${hostname()}-${process.pid}`;
}
