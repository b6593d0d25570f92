/** `tsbgp mirror` and `tsbgp show mirrors`: read-only copies of a speaker. */

import type { ShownMirrors } from "@ts-bgp/daemon";
import type { ShownFollowing, ShownMirror, ShownServing } from "@ts-bgp/nsr";
import { type Command, noWords, print } from "./command.ts";
import { askForOne, CONTROL_OPTIONS } from "./control-client.ts";
import { useHugePages } from "./huge-pages.ts";
import { CONFIG_OPTION, configFile, runService, withConfigErrors } from "./run.ts";
import { type Column, duration, renderFields, size, TableWriter } from "./table.ts";
import { VERSION } from "./version.ts";

export const mirrorCommand: Command = {
  name: "mirror",
  usage: "-c FILE",
  summary: "be a read-only copy of a speaker: commands, API, looking glass, metrics",
  help: [
    "FILE says which speaker is followed, which has a section mirrors; `tsbgp check` checks it. A file with such",
    "a section of its own lets other mirrors follow this one.",
    "All that is shown is marked with its age; `tsbgp show mirrors` says more, here and on the speaker.",
    "SIGHUP opens the log file anew; SIGTERM and SIGINT end the mirror. The speaker does not notice.",
  ],
  options: CONFIG_OPTION,
  run: async (args) => {
    noWords(args);
    const file = configFile(args);
    useHugePages();
    return withConfigErrors(({ Mirror }) => {
      const mirror = new Mirror({ file, version: VERSION });
      return runService(mirror, () => mirror.service.reopenLog());
    });
  },
};

export const showMirrorsCommand: Command = {
  name: "show mirrors",
  usage: "",
  summary: "mirrors that follow this speaker; on a mirror, what it follows, and how old that is",
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownMirrors>(args, { command: "show-mirrors" }, (shown) => {
      for (const line of mirrorLines(shown, Date.now())) print(line);
    });
  },
};

const COLUMNS: readonly Column<ShownMirror>[] = [
  { title: "Mirror", text: ({ name }) => name },
  { title: "From", text: ({ from }) => from || "this host" },
  { title: "Since", text: ({ since_ms }) => duration(Date.now() - since_ms), right: true },
  { title: "State", text: ({ joining }) => (joining ? "joining" : "following") },
  { title: "Behind", text: ({ behind_brackets: brackets }) => String(brackets), right: true },
  { title: "Waiting", text: ({ behind_octets: octets }) => size(octets), right: true },
];

/** @returns lines for people */
export function mirrorLines({ serving, following }: ShownMirrors, nowMs: number): string[] {
  if (following !== null) {
    const lines = followingLines(following, nowMs);
    return serving === null ? lines : [...lines, "", ...servingLines(serving)];
  }
  if (serving === null) {
    return ["nobody can follow this speaker: it has no section mirrors, or is not the active side"];
  }
  return servingLines(serving);
}

function servingLines({ cluster, listen, problem, mirrors }: ShownServing): string[] {
  if (problem !== "") return [`no mirror of ${cluster} can follow: ${problem}`];
  const follow =
    mirrors.length === 1 ? `mirror of ${cluster} follows` : `mirrors of ${cluster} follow`;
  const lines = [`${mirrors.length} ${follow}, over ${listen}`];
  if (mirrors.length === 0) return lines;
  lines.push("");
  const table = new TableWriter(COLUMNS, (line) => lines.push(line));
  for (const mirror of mirrors) table.add(mirror);
  table.end();
  return lines;
}

function followingLines(shown: ShownFollowing, nowMs: number): string[] {
  // A mirror of an older version has no path.
  const { cluster, side, path = [], over, state, since_ms, age_ms, reason, behind, states } = shown;
  const age = age_ms === null ? "nothing is shown" : `at most ${ageText(age_ms)} old`;
  const what = {
    following: `follows ${side}${reason === "" ? "" : `, WHICH FOLLOWS NOBODY: ${reason}`}`,
    joining: `is being sent the state of ${side}`,
    looking: `FOLLOWS NOBODY: ${reason}`,
  }[state];
  const fields: [string, string][] = [
    ["Shown", age],
    ["Server", over === "" ? "none" : `${side}, over ${over}`],
    ["Way", path.length === 0 ? "none" : path.join(" > ")],
    ["Since", `${duration(nowMs - since_ms)} ago`],
    ["Waiting to be applied", `${bracketsText(behind.brackets)}, ${size(behind.octets)}`],
    ["Full copies received", String(states)],
  ];
  return [`this mirror of ${cluster} ${what}`, "", ...renderFields(fields)];
}

function bracketsText(brackets: number): string {
  return brackets === 1 ? "1 bracket" : `${brackets} brackets`;
}

/** @returns for people, to a tenth of a second where that matters */
export function ageText(ms: number): string {
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms);
}
