/** `tsbgp reload` and what belongs to it: a try beforehand, a confirmation, and the way back. */

import { resolve } from "node:path";
import type { ShownConfigTrial, ShownPastConfig, ShownReloads, ShownTrial } from "@ts-bgp/daemon";
import type { ShownWhatIf, ShownWhatIfRoute } from "@ts-bgp/views";
import {
  type Arguments,
  type Command,
  EXIT,
  noWords,
  print,
  stringOption,
  UsageError,
} from "./command.ts";
import { ask, askForOne, CONTROL_OPTIONS, exitCodeOf, order, socketOf } from "./control-client.ts";
import { type Column, duration, TableWriter } from "./table.ts";

/** So many names stand behind their count unasked. */
const NAMES_SHOWN_MAX = 4;
/** So many reasons of one neighbor, and differences of a file. */
const REASONS_SHOWN_MAX = 8;

type Names = Readonly<Record<string, readonly string[]>>;

function changeLines(changes: Names, isVerbose: boolean): string[] {
  return Object.entries(changes)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => {
      const shown = isVerbose || names.length <= NAMES_SHOWN_MAX;
      return `${what}: ${names.length}${shown ? ` (${names.join(" ")})` : ""}`;
    });
}

/** @returns a whole number of seconds, or of a configuration */
function numberOption(args: Arguments, name: string, what: string): number | null {
  const text = stringOption(args, name);
  if (text === undefined) return null;
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`--${name} takes ${what}, not "${text}"`);
}

export const reloadCommand: Command = {
  name: "reload",
  usage:
    "[--dry-run] [--confirm SECONDS [--canary NEIGHBORS] [--abort-if CONDITIONS]] [--verbose] [--force]",
  summary: "read the configuration file again and apply what differs; a bad file changes nothing",
  help: [
    "Tells how many neighbors are added, removed, reset (their sessions begin anew) and changed (their",
    "sessions stay), and how many policies and sections differ.",
    "A side that has taken over refuses a file that would undo what the other side had, where it",
    "still says what it said at the takeover.",
    "  --dry-run            tell what a reload would change, and change nothing",
    "  --confirm SECONDS    go back after so long, unless `tsbgp confirm` comes before; also after a takeover",
    "  --canary NEIGHBORS   for these alone until it is confirmed: AS numbers, addresses, descriptions, with commas",
    "  --abort-if CONDITIONS",
    "                       go back at once when one holds: 'routes-lost > 1%, rejected > 10, sessions-lost > 0'",
    "  --verbose            name all of them, not only few",
    "  --force              apply it all the same",
  ],
  options: {
    ...CONTROL_OPTIONS,
    "dry-run": { type: "boolean" },
    confirm: { type: "string" },
    canary: { type: "string" },
    "abort-if": { type: "string" },
    verbose: { type: "boolean", short: "v" },
    force: { type: "boolean" },
  },
  run: async (args) => {
    noWords(args);
    const force = args.options["force"] === true;
    const isDry = args.options["dry-run"] === true;
    const isVerbose = args.options["verbose"] === true;
    const confirm = numberOption(args, "confirm", "a number of seconds");
    if (isDry && confirm !== null)
      throw new UsageError("--dry-run and --confirm exclude each other");
    const canary = stringOption(args, "canary");
    const abortIf = stringOption(args, "abort-if");
    if (confirm === null && !isDry) {
      if (canary !== undefined) throw new UsageError("--canary takes --confirm SECONDS as well");
      if (abortIf !== undefined) throw new UsageError("--abort-if takes --confirm SECONDS as well");
    }
    const request = {
      command: "reload",
      ...(force ? { force } : {}),
      ...(isDry ? { dry_run: true } : {}),
      ...(confirm === null ? {} : { confirm }),
      ...(canary === undefined ? {} : { canary }),
      ...(abortIf === undefined ? {} : { abort_if: abortIf }),
    };
    return order(args, request, (changes) => {
      const lines = changeLines(changes as Names, isVerbose);
      if (lines.length === 0) print("nothing differs");
      else if (isDry) print("nothing was changed; a reload would make this of it:");
      for (const line of lines) print(line);
      if (lines.length === 0 || confirm === null) return;
      const keeps = canary === undefined ? "keeps it" : "gives it to all neighbors";
      print(
        `goes back in ${confirm} s: \`tsbgp confirm\` ${keeps}, \`tsbgp rollback\` goes back at once`,
      );
    });
  },
};

export const confirmCommand: Command = {
  name: "confirm",
  usage: "",
  summary: "keep the configuration of `reload --confirm`, which goes back otherwise",
  help: ["One of `--canary` comes for all neighbors: as the file was when it was read."],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return order(args, { command: "confirm" }, ({ number }) =>
      print(`configuration ${number} stays, for all neighbors`),
    );
  },
};

export const rollbackCommand: Command = {
  name: "rollback",
  usage: "[--to NUMBER]",
  summary: "go back to the configuration that was in force before",
  help: [
    "The file stays as it is, and comes into force at the next reload or start: bring it up to date.",
    "  --to NUMBER    to that one of `tsbgp show reloads`",
  ],
  options: { ...CONTROL_OPTIONS, to: { type: "string" } },
  run: async (args) => {
    noWords(args);
    const to = numberOption(args, "to", "the number of a configuration");
    const request = { command: "rollback", ...(to === null ? {} : { to }) };
    return order(args, request, (end) => {
      const { to: number, ...changes } = end as Names;
      print(`back to configuration ${number![0]}`);
      for (const line of changeLines(changes, false)) print(line);
      print(
        "the file is as it was: it comes into force at the next reload or start (show reloads)",
      );
    });
  },
};

const PAST_COLUMNS: readonly Column<ShownPastConfig>[] = [
  { title: "Number", text: ({ number }) => String(number), right: true },
  { title: "Since", text: ({ since_ms }) => (since_ms === 0 ? "" : timeText(since_ms)) },
  { title: "How", text: ({ how }) => how },
  { title: "By", text: ({ by }) => by },
  { title: "Added", text: ({ counts }) => String(counts.added), right: true },
  { title: "Removed", text: ({ counts }) => String(counts.removed), right: true },
  { title: "Reset", text: ({ counts }) => String(counts.reset), right: true },
  { title: "Changed", text: ({ counts }) => String(counts.changed), right: true },
  { title: "Policies", text: ({ counts }) => String(counts.policies), right: true },
  { title: "State", text: stateText },
];

/** Fields of `show status`. */
export function trialFields(trial: ShownConfigTrial | null): [string, string][] {
  if (trial === null) return [];
  const left = duration(trial.until_ms - Date.now());
  const text = `of ${trial.by}, goes back to ${trial.back} in ${left}: confirm, or rollback`;
  const { canary, abort_if } = trial;
  return [
    ["Configuration", text],
    ...(canary === null ? [] : [["  for alone", namesText(canary)] as [string, string]]),
    ...(abort_if === null ? [] : [["  goes back if", abort_if] as [string, string]]),
  ];
}

function namesText(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN_MAX;
  return names.slice(0, NAMES_SHOWN_MAX).join(", ") + (more > 0 ? `, and ${more} more` : "");
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
}

function stateText(one: ShownPastConfig): string {
  const { in_force, until_ms, back, confirmed_by, canary, abort_if, reason } = one;
  const whose = canary === null ? [] : [`for ${namesText(canary)} alone`];
  const why = reason === null ? [] : [reason];
  if (!in_force) return [...whose, ...why].join("; ");
  const back_if = abort_if === null ? "" : `, or if ${abort_if}`;
  const until =
    until_ms !== null
      ? `, goes back to ${back} in ${duration(until_ms - Date.now())} unless confirmed${back_if}`
      : confirmed_by === null
        ? ""
        : `, confirmed by ${confirmed_by}`;
  return [`in force${until}`, ...whose, ...why].join("; ");
}

export const showReloadsCommand: Command = {
  name: "show reloads",
  usage: "",
  summary: "configurations that were in force: since when, by whom, and how the file differs",
  help: ["The newest one is first; times are in UTC. The file is read to see how it differs."],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    const table = new TableWriter(PAST_COLUMNS, print);
    return askForOne<ShownReloads>(args, { command: "show-reloads" }, (shown) => {
      for (const one of shown.configurations) table.add(one);
      table.end();
      const isPart = shown.configurations[0]?.canary != null;
      if (shown.file !== null) print(fileText(shown.file, shown.differs_in, isPart));
    });
  },
};

/** @param isPart - what is in force is so for some neighbors, and comes for all once it is confirmed */
function fileText(file: string, found: ShownReloads["differs_in"], isPart: boolean): string {
  const what = isPart ? "what comes for all neighbors" : "what is in force";
  if (found === null) return `${file} cannot be used: tsbgp check -c ${file}`;
  if (found.length === 0) return `${file} says ${what}`;
  const more = found.length - REASONS_SHOWN_MAX;
  const names =
    found.slice(0, REASONS_SHOWN_MAX).join(", ") + (more > 0 ? `, and ${more} more` : "");
  return `${file} is not ${what}: it differs in ${names}`;
}

const WHAT_IF_COLUMNS: readonly Column<ShownWhatIf>[] = [
  { title: "Neighbor", text: ({ neighbor }) => neighbor },
  { title: "AS", text: ({ as }) => (as === 0 ? "" : String(as)), right: true },
  { title: "Session", text: ({ session }) => (session === "none" ? "" : session) },
  { title: "Gained", text: ({ gained }) => String(gained), right: true },
  { title: "Lost", text: ({ lost }) => String(lost), right: true },
  { title: "Changed", text: ({ changed }) => String(changed), right: true },
  { title: "Until session is back", text: ({ while_away }) => String(while_away), right: true },
  { title: "Rejected", text: ({ newly_rejected }) => String(newly_rejected), right: true },
  { title: "Accepted", text: ({ newly_accepted }) => String(newly_accepted), right: true },
  { title: "Why", text: whyText },
];

function whyText({ why, rejected_by, asked_again }: ShownWhatIf): string {
  const reasons = rejected_by
    .slice(0, REASONS_SHOWN_MAX)
    .map(({ count, text }) => `${count} ${text}`);
  const asked = asked_again ? ["it would be asked for its routes again"] : [];
  return [...(why === null ? [] : [why]), ...reasons, ...asked].join("; ");
}

const ROUTE_COLUMNS: readonly Column<ShownWhatIfRoute>[] = [
  {
    title: "Route",
    text: ({ prefix, path_id: id }) => (id === undefined ? prefix : `${prefix} ${id}`),
  },
  { title: "Would be", text: ({ change }) => change },
  { title: "Why", text: ({ reason }) => reason?.text ?? "" },
];

/** What a shell makes of `<(...)`, say. */
const OWN_DESCRIPTOR = /^\/(dev\/(fd\/|std(in|out|err)$)|proc\/(self|thread-self|\d+)\/)/;

export const whatIfCommand: Command = {
  name: "what-if",
  usage: "[-c FILE] [--canary NEIGHBORS] [--neighbor X] [--verbose]",
  summary:
    "what another configuration would do: routes of each neighbor, sessions, rejected routes",
  help: [
    "Does a reload with a copy of the state of the running speaker, or of its standby, and changes nothing.",
    "FILE is read by the speaker; without it, its own file is tried. One at a time; ^C gives it up.",
    "Gained, Lost, Changed: routes that the neighbor would be sent. Until session is back: those of them whose",
    "best path is from a session that would reset or end. Rejected, Accepted: its own routes, and by which rules.",
    "  --canary NEIGHBORS    what `reload --canary` would do: the file is for these alone",
    "  --neighbor X          tell of that one alone, and name its routes",
    "  --verbose             name all neighbors and policies that differ",
    "Exit: 0 nothing would be otherwise for a neighbor, 1 something would, 2 the file has mistakes, or could not",
    "be tried.",
  ],
  options: {
    ...CONTROL_OPTIONS,
    config: { type: "string", short: "c" },
    canary: { type: "string" },
    neighbor: { type: "string", short: "n" },
    verbose: { type: "boolean", short: "v" },
  },
  run: async (args) => {
    noWords(args);
    const file = stringOption(args, "config");
    const neighbor = stringOption(args, "neighbor");
    const canary = stringOption(args, "canary");
    const request = {
      command: "what-if",
      ...(canary === undefined ? {} : { canary }),
      ...(file === undefined ? {} : { file: fileOfSpeaker(file) }),
      ...(neighbor === undefined ? {} : { neighbor }),
    };
    let differs = false;
    const code = await exitCodeOf(async () => {
      await ask(socketOf(args), request, (item) => {
        const trial = item as ShownTrial;
        differs = trial.differs;
        if (args.options["json"] === true) print(JSON.stringify(trial));
        else showTrial(trial, args.options["verbose"] === true);
      });
    });
    if (code !== EXIT.OK) return EXIT.UNUSABLE;
    return differs ? EXIT.NO : EXIT.OK;
  },
};

/** @returns what the speaker is to read; throws for what is another thing there, or nothing */
function fileOfSpeaker(file: string): string {
  const whole = resolve(file);
  if (!OWN_DESCRIPTOR.test(whole)) return whole;
  throw new UsageError(
    `the speaker reads the file, and has no ${file} of this command: give a file`,
  );
}

function showTrial(
  { changes, neighbors, routes, routes_left_out: more }: ShownTrial,
  all: boolean,
) {
  for (const line of changeLines(changes, all)) print(line);
  const table = new TableWriter(WHAT_IF_COLUMNS, print);
  for (const one of neighbors) table.add(one);
  table.end();
  const named = new TableWriter(ROUTE_COLUMNS, print);
  for (const route of routes) named.add(route);
  named.end();
  if (more > 0) print(`and ${more} more routes`);
  if (neighbors.length === 0) print("nothing would be otherwise for a neighbor");
}

export const RELOAD_COMMANDS: readonly Command[] = [
  whatIfCommand,
  reloadCommand,
  confirmCommand,
  rollbackCommand,
];
