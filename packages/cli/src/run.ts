/** `tsbgp run` and `tsbgp check`: the daemon, and its configuration file without it. */

import { flushCompileCache } from "node:module";
import type { Running } from "@ts-bgp/daemon";
import {
  type Arguments,
  type Command,
  EXIT,
  NSR_NAME,
  NSR_NAME_IS,
  noWords,
  print,
  stringOption,
  UsageError,
} from "./command.ts";
import { useHugePages } from "./huge-pages.ts";
import { VERSION } from "./version.ts";

/** The option that names the configuration file. */
export const CONFIG_OPTION = { config: { type: "string", short: "c" } } as const;

export const checkCommand: Command = {
  name: "check",
  usage: "-c FILE",
  summary: "check a configuration file without starting anything",
  help: [
    "Prints each mistake as file:line:column: message.",
    "Exit: 0 right, 1 mistakes, 2 cannot be read.",
  ],
  options: CONFIG_OPTION,
  run: async (args) => {
    noWords(args);
    return withConfigErrors(async (daemon) => {
      const file = configFile(args);
      const { warnings, what } = readAny(daemon, file);
      for (const line of warnings) print(`${line} (warning)`);
      print(`${file} is right: ${what}`);
      return EXIT.OK;
    });
  },
};

/** @returns what is in a file of whatever kind, in a few words, and what looks unintended */
function readAny(
  daemon: DaemonPackage,
  file: string,
): { readonly warnings: readonly string[]; readonly what: string } {
  const text = daemon.readConfigText(file);
  switch (daemon.fileKind(text)) {
    case "mirror": {
      const { config, warnings } = daemon.readMirrorFile(file, text);
      return { warnings, what: `a mirror of ${config.follow.cluster}` };
    }
    case "spare": {
      const { config, warnings } = daemon.readSpareFile(file, text);
      return { warnings, what: `${config.pairs.length} pairs` };
    }
    case "forward": {
      const { config, warnings } = daemon.readForwardFile(file, text);
      return { warnings, what: `${config.servers.length} servers, table ${config.table}` };
    }
    case "speaker": {
      const { config, warnings } = daemon.readConfigFile(file, text, { withRoas: true });
      return { warnings, what: `${config.neighbors.length} neighbors` };
    }
  }
}

export const runCommand: Command = {
  name: "run",
  usage: "-c FILE [--nsr-self NAME] [--log-name NAME]",
  summary: "run the speaker in the foreground",
  help: [
    "SIGHUP reads FILE again and applies what differs, as `tsbgp reload` does.",
    "SIGTERM and SIGINT hand over to a standby that is ready (see `tsbgp show nsr`); without one they",
    "close all sessions with an administrative shutdown. Then they end.",
    "  --nsr-self NAME    name of this side of a pair, in place of nsr: self: in FILE",
    '  --log-name NAME    stands in each line of the log, as "name"',
  ],
  options: { ...CONFIG_OPTION, "nsr-self": { type: "string" }, "log-name": { type: "string" } },
  run: async (args) => {
    noWords(args);
    const nsrSelf = nsrSelfOf(args);
    const logName = stringOption(args, "log-name") ?? null;
    useHugePages();
    return withConfigErrors(({ Daemon }) =>
      runDaemon(Daemon, configFile(args), { nsrSelf, logName, hangUp: "reload" }),
    );
  },
};

/** @returns the name of this side of a pair, null when the configuration has it */
function nsrSelfOf(args: Arguments): string | null {
  const name = stringOption(args, "nsr-self");
  if (name === undefined) return null;
  if (NSR_NAME.test(name)) return name;
  throw new UsageError(`--nsr-self "${name}" is ${NSR_NAME_IS}`);
}

interface RunOptions {
  /** Name of this side of a pair; null for that of the configuration. */
  readonly nsrSelf?: string | null;
  /** Stands in each line of the log; null for none. */
  readonly logName?: string | null;
  /** What SIGHUP does, which is also the end of a terminal. */
  readonly hangUp: "reload" | "stop";
  /** Called once the daemon runs; what it returns is called before it stops. */
  started?(daemon: InstanceType<DaemonPackage["Daemon"]>): Promise<() => Promise<void>>;
}

/** Runs a daemon until a signal ends it. */
export async function runDaemon(
  Daemon: DaemonPackage["Daemon"],
  file: string,
  { nsrSelf = null, logName = null, hangUp, started }: RunOptions,
): Promise<number> {
  // One that is killed writes nothing at its end.
  flushCompileCache();
  const { exitAtOnce } = await import("@ts-bgp/takeover");
  exitAtOnce();
  const self = nsrSelf === null ? {} : { nsrSelf };
  const daemon = new Daemon({ file, version: VERSION, logName, ...self });
  process.on("uncaughtException", (error) => daemon.fail(error));
  let before = async () => {};
  const stopped = new Promise<void>((resolve) => {
    let stopping = false;
    const stop = () => {
      stopping = true;
      resolve(before().then(() => daemon.stop()));
    };
    const stopOrExit = () => (stopping ? process.exit(EXIT.UNUSABLE) : stop());
    process.on("SIGTERM", stopOrExit);
    process.on("SIGINT", stopOrExit);
    process.on("SIGHUP", () => {
      // What is wrong with the file is in the log.
      if (hangUp === "reload") daemon.reload().catch(() => {});
      // The terminal and whoever started this may both say so.
      else if (!stopping) stop();
    });
  });
  try {
    await daemon.start();
    before = (await started?.(daemon)) ?? before;
  } catch (error) {
    process.stderr.write(`tsbgp: ${(error as Error).message}\n`);
    await daemon.log.flush();
    process.exit(EXIT.UNUSABLE);
  }
  await stopped;
  return EXIT.OK;
}

/**
 * Runs a process without a speaker until a signal ends it; another one ends it at once.
 *
 * @param hangUp - what SIGHUP does
 */
export async function runService(it: Running, hangUp: () => void): Promise<number> {
  // One that is killed writes nothing at its end.
  flushCompileCache();
  process.on("uncaughtException", (error) => it.service.fail(error));
  const stopped = new Promise<void>((resolve) => {
    let isStopping = false;
    const stop = () => {
      if (isStopping) process.exit(EXIT.UNUSABLE);
      isStopping = true;
      resolve(it.stop());
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    process.on("SIGHUP", hangUp);
  });
  try {
    await it.start();
  } catch (error) {
    process.stderr.write(`tsbgp: ${(error as Error).message}\n`);
    await it.service.log.flush();
    process.exit(EXIT.UNUSABLE);
  }
  await stopped;
  return EXIT.OK;
}

export function configFile(args: Arguments): string {
  const file = stringOption(args, "config");
  if (file === undefined) throw new UsageError("-c FILE is missing");
  return file;
}

/** The daemon's package is loaded only by the commands that need it: the others start faster. */
type DaemonPackage = typeof import("@ts-bgp/daemon");

export async function withConfigErrors(
  body: (daemon: DaemonPackage) => Promise<number>,
): Promise<number> {
  const daemon = await import("@ts-bgp/daemon");
  try {
    return await body(daemon);
  } catch (error) {
    if (error instanceof daemon.ConfigFileError) {
      for (const line of error.lines) process.stderr.write(`${line}\n`);
      return EXIT.NO;
    }
    if (!(error instanceof daemon.UnusableFileError)) throw error;
    process.stderr.write(`tsbgp: ${error.message}\n`);
    return EXIT.UNUSABLE;
  }
}
