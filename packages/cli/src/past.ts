/** What was: `tsbgp at`, `diff`, `history` and `replay`, out of what `record` keeps. No speaker is needed. */

import type { AskedRecord, PastChange, ReplayedFile } from "@ts-bgp/daemon";
import type { Difference, ShownRecord } from "@ts-bgp/nsr";
import type { RouteChange, ShownRoute } from "@ts-bgp/views";
import { stopClock } from "./clock.ts";
import {
  type Arguments,
  type Command,
  EXIT,
  noWords,
  type Options,
  oneWord,
  prefixWord,
  print,
  stringOption,
  UsageError,
} from "./command.ts";
import {
  ask,
  askInstead,
  CONTROL_OPTIONS,
  ControlError,
  exitCodeOf,
  socketOf,
} from "./control-client.ts";
import { isDate, timeIn } from "./past-time.ts";
import { type Column, size, TableWriter } from "./table.ts";
import { resolveVerb } from "./verbs.ts";

/** The folder of a record, or the speaker that says where it is. */
const RECORD_OPTIONS: Options = { ...CONTROL_OPTIONS, dir: { type: "string", short: "d" } };
const WHERE = [
  "What there was is made anew from the record of a speaker (`record` in its file): of the one that",
  "runs here, or with --dir DIR of that folder, which may be a copy, without any speaker.",
] as const;
const TIMES = [
  'TIME: "2026-11-28 10:03:07" by the clock of this host, with Z or +01:00 behind it by another;',
  "10:03:07 is the last time that it was then.",
] as const;

/** What of a state can be asked for. */
const ASKED: ReadonlySet<string> = new Set([
  ...["show neighbors", "show neighbor", "show routes", "show groups", "show rpki", "show bfd"],
  ...["show quarantine", "explain import", "explain export"],
]);

type Run = (command: Command, rest: readonly string[]) => Promise<number>;

/**
 * @param commands - that ask a speaker
 * @param run - runs one of them, with the words behind its name
 */
export function pastCommands(commands: readonly Command[], run: Run): readonly Command[] {
  const asked = commands.filter(({ name }) => ASKED.has(name));
  return [atCommand(asked, run), diffCommand, historyCommand, replayCommand];
}

function atCommand(commands: readonly Command[], run: Run): Command {
  const names = commands.map(({ name }) => name);
  const help = [
    "usage: tsbgp at TIME [--dir DIR] COMMAND ...",
    "show what there was at that time",
    "",
    `COMMAND: ${names.join(", ")}`,
    ...WHERE,
    ...TIMES,
    "Exit: as COMMAND; 2 it cannot be said what there was then.",
    "",
    "options: -s, --socket VALUE  -d, --dir VALUE, before COMMAND; those of COMMAND (-j, --json) behind it",
  ];
  return {
    name: "at",
    usage: "TIME COMMAND ...",
    summary: "show routes, neighbors or explain, as they were at a time",
    options: {},
    ownArguments: true,
    run: async (_args, raw) => {
      const [first] = raw;
      if (first === "--help" || first === "-h") {
        for (const line of help) print(line);
        return EXIT.OK;
      }
      const { time, options, rest } = atWords(raw);
      const resolved = resolveVerb(names, rest);
      if (resolved.kind !== "command") {
        throw new UsageError(
          `what is to be shown at that time is one of these: ${names.join(", ")}`,
        );
      }
      const command = commands.find(({ name }) => name === resolved.name)!;
      const atMs = timeIn(time, Date.now());
      return ofRecord({ options, words: [] }, async (record, daemon) => {
        const playback = await daemon.pastAt(record, atMs);
        const { machine } = playback;
        stopClock(atMs);
        askInstead((request, item) =>
          daemon.askPast(machine, request, item).catch((error) => asClient(error, daemon)),
        );
        note(`as of ${new Date(atMs).toISOString()}`);
        const code = await run(command, resolved.rest);
        await playback.close();
        return code;
      });
    },
  };
}

/** @returns the time, in one word or two, the options that stand around it, and the command behind */
function atWords(raw: readonly string[]): {
  time: string;
  options: Arguments["options"];
  rest: readonly string[];
} {
  const options: Record<string, string> = {};
  const left = [...raw];
  const takeOptions = () => {
    for (;;) {
      const [, name, value] = /^(?:--(dir|socket)|-[ds])(?:=(.*))?$/.exec(left[0] ?? "") ?? [];
      const found = name ?? { "-d": "dir", "-s": "socket" }[left[0] ?? ""];
      if (found === undefined) return;
      left.shift();
      const given = value ?? left.shift();
      if (given === undefined) throw new UsageError(`--${found} takes a path`);
      options[found] = given;
    }
  };
  takeOptions();
  let time = left.shift();
  if (time === undefined) throw new UsageError("the time is missing");
  if (isDate(time)) time += ` ${left.shift() ?? ""}`;
  takeOptions();
  return { time, options, rest: left };
}

const diffCommand: Command = {
  name: "diff",
  usage: "TIME1 TIME2 [PREFIX] [--longer]",
  summary: "routes that are otherwise at the second time, and how many of each neighbor",
  help: [
    ...WHERE,
    ...TIMES,
    "  --longer    routes inside PREFIX as well",
    "Marks: + came, - went, ~ is another one.",
  ],
  options: { ...RECORD_OPTIONS, longer: { type: "boolean" } },
  run: async (args) => {
    const [first, second, prefix = null, ...more] = timeWords(args.words);
    if (first === undefined || second === undefined) throw new UsageError("two times are needed");
    if (more.length > 0) throw new UsageError(`there is no place for "${more[0]}"`);
    const isLonger = args.options["longer"] === true;
    if (isLonger && prefix === null) throw new UsageError("--longer needs a prefix");
    const nowMs = Date.now();
    const times = [timeIn(first, nowMs), timeIn(second, nowMs)] as const;
    const compared = { prefix: prefix === null ? null : prefixWord(prefix), isLonger };
    return ofRecord(args, async (record, { diffPast }) => {
      const shown = changesShown<RouteChange>(args, ({ what }) => MARKS[what]);
      await diffPast(record, times, compared, shown.add);
      shown.end("no route is otherwise");
      return EXIT.OK;
    });
  },
};

/** @returns words of which a date and a time behind it are one */
function timeWords(words: readonly string[]): string[] {
  const found: string[] = [];
  for (const word of words) {
    if (isDate(found.at(-1) ?? "")) found.push(`${found.pop()} ${word}`);
    else found.push(word);
  }
  return found;
}

const MARKS = { added: "+", removed: "-", changed: "~" } as const;

const historyCommand: Command = {
  name: "history",
  usage: "PREFIX [--from TIME] [--to TIME]",
  summary: "every change of the routes of a prefix, and when",
  help: [
    ...WHERE,
    ...TIMES,
    "All that is kept between the two times is run, which may take minutes; --from shortens it.",
    "Marks: = was there at the beginning, + came, - went, ~ is another one, ? some time before, while",
    "nothing was recorded.",
  ],
  options: { ...RECORD_OPTIONS, from: { type: "string" }, to: { type: "string" } },
  run: async (args) => {
    const prefix = prefixWord(oneWord(args, "the prefix"));
    const nowMs = Date.now();
    const [fromMs, toMs] = ["from", "to"].map((name) => {
      const text = stringOption(args, name);
      return text === undefined ? null : timeIn(text, nowMs);
    }) as [number | null, number | null];
    return ofRecord(args, async (record, { historyOf }) => {
      const shown = changesShown<PastChange>(args, ({ at_ms, seen, what }) => {
        const mark = seen === "there" ? "=" : `${MARKS[what]}${seen === "gap" ? "?" : ""}`;
        return `${new Date(at_ms).toISOString()} ${mark}`;
      });
      await historyOf(record, prefix, [fromMs, toMs], shown.add);
      shown.end("it had no route");
      return EXIT.OK;
    });
  },
};

interface Counts {
  neighbor: string;
  added: number;
  removed: number;
  changed: number;
}

const COUNT_COLUMNS: readonly Column<Counts>[] = [
  { title: "Neighbor", text: ({ neighbor }) => neighbor },
  { title: "Added", text: ({ added }) => String(added), right: true },
  { title: "Removed", text: ({ removed }) => String(removed), right: true },
  { title: "Changed", text: ({ changed }) => String(changed), right: true },
];

/** Writes changes as they come, and how many each neighbor has; with --json a list of them alone. */
function changesShown<C extends RouteChange>(
  { options }: Arguments,
  beginning: (change: C) => string,
): { add(change: C): void; end(nothing: string): void } {
  const counts = new Map<string, Counts>();
  let count = 0;
  const add = (change: C) => {
    count++;
    if (options["json"] === true) {
      print(`${count === 1 ? "[" : ","}${JSON.stringify(change)}`);
      return;
    }
    const { neighbor } = change.after ?? change.before!;
    const ofIt = counts.get(neighbor) ?? { neighbor, added: 0, removed: 0, changed: 0 };
    ofIt[change.what]++;
    counts.set(neighbor, ofIt);
    print(`${beginning(change)} ${changeText(change)}`);
  };
  const end = (nothing: string) => {
    if (options["json"] === true) print(count === 0 ? "[]" : "]");
    else if (count === 0) print(nothing);
    else {
      print("");
      const table = new TableWriter(COUNT_COLUMNS, print);
      for (const ofIt of counts.values()) table.add(ofIt);
      table.end();
    }
  };
  return { add, end };
}

function changeText({ before, after }: RouteChange): string {
  const { prefix, path_id, neighbor } = after ?? before!;
  const id = path_id === undefined ? "" : ` [${path_id}]`;
  const route = `${prefix}${id} from ${neighbor}`;
  if (before === null || after === null) return `${route}: ${pathText(after ?? before!)}`;
  const was = pathText(before);
  const is = pathText(after);
  // What differs is not among what is shown: both are shown whole.
  if (was === is) return `${route}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
  return `${route}: ${was} -> ${is}`;
}

function pathText(route: ShownRoute): string {
  const { status, reason, as_path, origin, next_hop, med, local_pref } = route;
  const { communities = [], large_communities = [], extended_communities = [] } = route;
  const all = [...communities, ...large_communities, ...extended_communities];
  return [
    reason === undefined ? status : `rejected (${reason.text})`,
    `path ${as_path ?? ""} ${String(origin ?? "?")[0]?.toLowerCase()}`,
    ...(next_hop === undefined ? [] : [`via ${next_hop}`]),
    ...(local_pref === undefined ? [] : [`pref ${local_pref}`]),
    ...(med === undefined ? [] : [`med ${med}`]),
    ...(all.length === 0 ? [] : [`communities ${all.join(" ")}`]),
    ...(route.stale === undefined ? [] : [`stale (${route.stale})`]),
    ...(route.rpki === undefined ? [] : [`rpki ${route.rpki}`]),
    ...(route.aspa === undefined ? [] : [`aspa ${route.aspa}`]),
  ].join(", ");
}

const REPLAY_COLUMNS: readonly Column<ReplayedFile>[] = [
  { title: "From", text: ({ from_ms }) => new Date(from_ms).toISOString() },
  { title: "To", text: ({ to_ms }) => new Date(to_ms).toISOString() },
  { title: "Brackets", text: ({ brackets }) => String(brackets), right: true },
  { title: "Digests", text: ({ digests }) => String(digests), right: true },
  { title: "Octets", text: ({ octets }) => size(octets), right: true },
  { title: "Took", text: ({ took_ms }) => `${(took_ms / 1000).toFixed(1)} s`, right: true },
  {
    title: "Recorded by",
    text: ({ software, same_program }) => `${software}${same_program ? "" : " (another program)"}`,
  },
  { title: "Outcome", text: ({ problem }) => problem ?? "the same" },
];

/** What has come of all files together. */
function replayLines(files: readonly ReplayedFile[]): string[] {
  const lastedMs = files.reduce((sum, { from_ms, to_ms }) => sum + Math.max(0, to_ms - from_ms), 0);
  const tookMs = files.reduce((sum, { took_ms }) => sum + took_ms, 0);
  // It says kilobytes.
  const octets = 1024 * process.resourceUsage().maxRSS;
  const hours = (lastedMs / 3_600_000).toFixed(1);
  const all = `${hours} hours in ${(tookMs / 1000).toFixed(1)} s, with ${size(octets)} of memory at most`;
  const first = files.find(({ differs }) => differs !== null)?.differs ?? null;
  return first === null ? [all] : [all, `first difference: ${differenceText(first)}`];
}

function differenceText({ at_ms, bracket, what, route }: Difference): string {
  const when = `${new Date(at_ms).toISOString()}, bracket ${bracket}: other ${what}`;
  if (route === null) return `${when}, of no route`;
  const { prefix, neighbor, way, more } = route;
  const others = more === 0 ? "" : ` and ${more} more`;
  return `${when}, ${prefix}${others} ${way === "sent" ? "sent to" : "received of"} ${neighbor}`;
}

const replayCommand: Command = {
  name: "replay",
  usage: "[--dir DIR]",
  summary: "run all that is recorded, and compare it with what was: the test of a new version",
  help: [
    "Every bracket is compared by the sum of what it put out, and once a second by digests of the tables.",
    ...WHERE,
    "Exit: 0 all is the same, 1 something is not, 2 it could not be run.",
  ],
  options: RECORD_OPTIONS,
  run: async (args) => {
    noWords(args);
    const isJson = args.options["json"] === true;
    return ofRecord(args, async (record, { replayRecord }) => {
      const files: ReplayedFile[] = [];
      await replayRecord(record, (file) => files.push(file));
      const table = new TableWriter(REPLAY_COLUMNS, print);
      for (const file of files) if (!isJson) table.add(file);
      if (isJson) print(JSON.stringify(files));
      else {
        table.end();
        for (const line of replayLines(files)) print(line);
      }
      return files.every(({ problem }) => problem === null) ? EXIT.OK : EXIT.NO;
    });
  },
};

type DaemonPackage = typeof import("@ts-bgp/daemon");

/** Does something with the record that is meant. @returns the exit code; says why it went wrong */
async function ofRecord(
  args: Arguments,
  body: (record: AskedRecord, daemon: DaemonPackage) => Promise<number>,
): Promise<number> {
  const daemon = await import("@ts-bgp/daemon");
  let code: number = EXIT.OK;
  const failed = await exitCodeOf(async () => {
    const directory = stringOption(args, "dir") ?? (await folderOf(args));
    try {
      code = await body({ directory, progress: tellProgress, note }, daemon);
    } catch (error) {
      asClient(error, daemon);
    }
  });
  return failed === EXIT.OK ? code : failed;
}

/** Throws an answer that says no as one of a speaker; what cannot be said as if there were none. */
function asClient(error: unknown, { AnswerError, PlaybackError }: DaemonPackage): never {
  if (error instanceof PlaybackError) throw new ControlError(error.message, true);
  if (error instanceof AnswerError) throw new ControlError(error.message, false);
  throw error;
}

async function folderOf(args: Arguments): Promise<string> {
  let folder = "";
  await ask(socketOf(args), { command: "show-record" }, (shown) => {
    folder = (shown as ShownRecord).directory;
  });
  return folder;
}

function tellProgress(_file: string, atMs: number, brackets: number): void {
  note(`${new Date(atMs).toISOString()}, ${brackets} brackets`);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
