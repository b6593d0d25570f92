/** What a side is made of, before it has a role. */

import path from "node:path";
import type { NsrConfig } from "@ts-bgp/config";
import { programDigest } from "./build.ts";
import { HeartbeatThread } from "./heartbeats.ts";
import type { Side } from "./hello.ts";
import { LinkThread } from "./link-thread.ts";
import type { PairLog } from "./pair-log.ts";
import type { PairOptions } from "./pair-options.ts";
import { StandbyLog } from "./standby-log.ts";

export function sideOf(
  { name, software, log, config: { mirrors } }: PairOptions,
  config: NsrConfig,
  pairLog: PairLog,
  finds: Pick<Side, "bfd" | "lack" | "notes" | "ended">,
): Side {
  const { refusals } = pairLog;
  const threads = { heartbeats: new HeartbeatThread(refusals.note), links: new LinkThread() };
  const program = { software, build: programDigest(), differed: { once: false } };
  const diskLog = diskLogOf(config, name, pairLog);
  const hasMirrors = mirrors !== null;
  return { config, name, ...program, log, refusals, hasMirrors, ...finds, ...threads, diskLog };
}

function diskLogOf({ log, cluster }: NsrConfig, name: string, pairLog: PairLog): StandbyLog | null {
  if (log === null) return null;
  const { directory, octetsMax } = log;
  const file = path.join(directory, `${cluster}-${name}.log`);
  return new StandbyLog({ file, octetsMax }, (level, message) =>
    pairLog.say("nsr-log", level, message),
  );
}
