/**
 * The `tsbgp` command: words to a command, options to values, and exit codes.
 */

import { parseArgs } from "node:util";
import { type Command, EXIT, type OptionValue, print, UsageError } from "./command.ts";
import { decodeCommand } from "./decode.ts";
import { demoCommand } from "./demo.ts";
import { doctorCommand } from "./doctor.ts";
import { dumpCommand } from "./feeds.ts";
import { forwardCommand } from "./forward.ts";
import { injectCommand } from "./inject.ts";
import { keysCommand } from "./keys.ts";
import { mirrorCommand } from "./mirror.ts";
import { switchoverCommand } from "./nsr.ts";
import { OPERATE_COMMANDS } from "./operate.ts";
import { pastCommands } from "./past.ts";
import { checkCommand, runCommand } from "./run.ts";
import { SHOW_COMMANDS } from "./show.ts";
import { spareCommand } from "./spare.ts";
import { upgradeCheckCommand } from "./upgrade.ts";
import { resolveVerb } from "./verbs.ts";
import { VERSION } from "./version.ts";

const COMMANDS: readonly Command[] = [
  runCommand,
  spareCommand,
  mirrorCommand,
  forwardCommand,
  demoCommand,
  checkCommand,
  doctorCommand,
  keysCommand,
  ...SHOW_COMMANDS,
  ...OPERATE_COMMANDS,
  switchoverCommand,
  upgradeCheckCommand,
  dumpCommand,
  ...pastCommands([...SHOW_COMMANDS, ...OPERATE_COMMANDS], (command, rest) =>
    runOne(command, rest),
  ),
  decodeCommand,
  injectCommand,
];

const NAMES = COMMANDS.map(({ name }) => name);
const HELP: readonly string[] = ["--help", "-h"];

function linesOf(commands: readonly Command[]): string[] {
  return commands.flatMap(({ name, usage, summary }) => {
    const left = `${name} ${usage}`.trim();
    return left.length <= 34
      ? [`  ${left.padEnd(34)}  ${summary}`]
      : [`  ${left}`, `${" ".repeat(38)}${summary}`];
  });
}

function overview(): string[] {
  return [
    "tsbgp: a BGP speaker and route server",
    "",
    ...linesOf(COMMANDS),
    "",
    "Words may be cut short as long as they are unique: `tsbgp sh neighbors`.",
    "Commands that ask the running speaker take --socket PATH (-s) and --json (-j).",
    "`tsbgp COMMAND --help` says more; `tsbgp --version` is the version.",
    "Exit codes: 0 done, 1 the answer is no, 2 it could not be asked.",
  ];
}

function commandHelp({ name, usage, summary, help = [], options }: Command): string[] {
  const names = Object.entries(options).map(([option, { type, short }]) => {
    const value = type === "string" ? " VALUE" : "";
    return `${short === undefined ? "" : `-${short}, `}--${option}${value}`;
  });
  const lines = [`usage: tsbgp ${name} ${usage}`.trimEnd(), summary];
  if (help.length > 0) lines.push("", ...help);
  if (names.length > 0) lines.push("", `options: ${names.join("  ")}`);
  return lines;
}

async function main(argv: readonly string[]): Promise<number> {
  const [first] = argv;
  if (first === "--version" || first === "-V") {
    print(VERSION);
    return EXIT.OK;
  }
  if (first === undefined || first === "--help" || first === "-h" || first === "help") {
    for (const line of overview()) print(line);
    return first === undefined ? EXIT.UNUSABLE : EXIT.OK;
  }
  if (HELP.includes(argv.at(-1)!)) {
    // `show --help`: the words so far are the beginning of several commands.
    const start = resolveVerb(NAMES, argv.slice(0, -1));
    if (start.kind === "incomplete") {
      for (const line of linesOf(COMMANDS.filter(({ name }) => name.startsWith(start.found)))) {
        print(line);
      }
      return EXIT.OK;
    }
  }
  const resolved = resolveVerb(NAMES, argv);
  switch (resolved.kind) {
    case "command": {
      const command = COMMANDS.find(({ name }) => name === resolved.name)!;
      return runOne(command, resolved.rest);
    }
    case "incomplete":
      throw new UsageError(`one of these must follow: ${resolved.candidates.join(", ")}`);
    case "unknown":
      throw new UsageError(
        `"${resolved.word}" is not known; there are ${resolved.candidates.join(", ")}`,
      );
    case "ambiguous":
      throw new UsageError(`"${resolved.word}" may be ${resolved.candidates.join(" or ")}`);
  }
}

async function runOne(command: Command, rest: readonly string[]): Promise<number> {
  if (command.ownArguments === true) return command.run({ options: {}, words: [] }, rest);
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: [...rest],
      options: { ...command.options, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split(". ")[0]}`);
  }
  if (parsed.values["help"] === true) {
    for (const line of commandHelp(command)) print(line);
    return EXIT.OK;
  }
  const options = parsed.values as Readonly<Record<string, OptionValue>>;
  return command.run({ options, words: parsed.positionals }, rest);
}

// A reader that has enough (`| head`) is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.OK);
  throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`tsbgp: ${error.message}\n`);
  process.exitCode = EXIT.UNUSABLE;
}
