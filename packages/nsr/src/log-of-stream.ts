/** What a standby's log has to do with the active that is followed. */

import type { LogHead, LogReader, Standby } from "@ts-bgp/replication";
import { type Hello, type Side, wantsOutputs } from "./hello.ts";
import type { Stored } from "./link-thread.ts";

/** Whether somebody may lack what this side has as a standby, once it goes on: another standby, or a mirror. */
export function handsOn({ config, hasMirrors }: Pick<Side, "config" | "hasMirrors">): boolean {
  return config.peers.length > 1 || hasMirrors;
}

/** @returns what a hello says of a log that was read */
export function lackedBehind({ head, standby }: LogReader): Pick<Hello, "stream" | "lacks"> {
  return { stream: head.stream, lacks: standby.number + 1 };
}

/** @returns what the link begins with if the active goes on there */
export function storedIn({ standby }: LogReader): Stored {
  return { epoch: null, next: standby.number + 1, octets: standby.octets.stored };
}

/**
 * The active has said who it is, and brackets of it are about to come.
 *
 * @param standby - stores them; one with a state goes on behind it
 * @param read - what was read from the log at the start
 */
export function followInLog(
  { build, config, diskLog, differed, name }: Side,
  hello: Hello,
  standby: Standby,
  read: LogReader | null,
): void {
  // Brackets with outputs are run beside what the active did, which no state that this side writes would tell of.
  const mayKeep =
    hello.stream > 0 && !wantsOutputs(build, { ...hello, outputs: Number(differed.once) });
  const { epoch, stream, side: active } = hello;
  const head: LogHead = { cluster: config.cluster, side: name, active, epoch, build, stream };
  const kept = mayKeep ? head : null;
  if (standby.follows === null) diskLog?.joins(kept);
  else diskLog?.goesOn(kept, read?.standby === standby ? read : null);
}
