/** Log lines: JSON by pino, readable on a terminal. A log that cannot be written loses lines only. */

import type { LogConfig } from "@ts-bgp/config";
import type { LogEvent } from "@ts-bgp/speaker";
import pino from "pino";
import { prettyFactory } from "pino-pretty";
import { LogFile } from "./log-file.ts";

/** Longest wait for the last lines to be written. */
const FLUSH_MS = 1000;

export interface Log {
  /** Something about a neighbor. */
  readonly event: (event: LogEvent) => void;
  /** Something the daemon itself tells; `id` never changes its meaning. */
  readonly say: (level: LogEvent["level"], id: string, message: string, fields?: object) => void;
  /** The same, written before it returns: the process ends behind it. */
  readonly sayLast: (level: LogEvent["level"], id: string, message: string) => void;
  /** @param heard - told of each event from now on, of whatever level. @returns what ends that */
  watch(heard: (event: Heard) => void): () => void;
  /** Lines that could not be written. */
  lost(): number;
  /**
   * Goes on with these settings, in a file that is opened anew, since the old one may have been
   * moved away; throws, with nothing changed, when it cannot be opened.
   */
  reopen(config: LogConfig): void;
  /** Resolves when all lines are written, or lost. */
  flush(): Promise<void>;
}

/** What somebody who watches is told. */
export type Heard = Pick<LogEvent, "level" | "neighbor" | "message"> & {
  readonly id: string;
  readonly fields: object;
};

/**
 * Throws when the file cannot be opened.
 *
 * @param name - stands in each line; null for none
 */
export function openLog(config: LogConfig, name: string | null): Log {
  const file = new LogFile(config.file);
  let format = formatFor(config);
  const options = {
    level: config.level,
    base: name === null ? null : { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, { write: (line) => file.write(format(line)) });
  const watchers = new Set<(event: Heard) => void>();
  const tell = (event: Heard) => {
    for (const heard of watchers) heard(event);
  };
  return {
    event: (event) => {
      const { id, level, neighbor, message, fields } = event;
      tell(event);
      logger[level]({ id, ...(neighbor === null ? {} : { neighbor }), ...fields }, message);
    },
    say: (level, id, message, fields = {}) => {
      tell({ level, id, message, neighbor: null, fields });
      logger[level]({ id, ...fields }, message);
    },
    sayLast: (level, id, message) => {
      file.isEnding = true;
      logger[level]({ id }, message);
    },
    watch: (heard) => {
      watchers.add(heard);
      return () => void watchers.delete(heard);
    },
    lost: () => file.lost,
    reopen: (next) => {
      file.reopen(next.file);
      format = formatFor(next);
      logger.level = next.level;
    },
    flush: () => file.flush(FLUSH_MS),
  };
}

/** @returns what makes a line of the log out of one of JSON */
function formatFor({ file }: LogConfig): (line: string) => string {
  if (file !== null || process.stdout.isTTY !== true) return String;
  return prettyFactory({ colorize: true, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss" });
}
