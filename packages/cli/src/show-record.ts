/** `tsbgp show record`: what is kept of what the speaker has done. */

import type { ShownRecord } from "@ts-bgp/nsr";
import { type Command, noWords, print } from "./command.ts";
import { askForOne, CONTROL_OPTIONS } from "./control-client.ts";
import { renderFields, size } from "./table.ts";

export const showRecordCommand: Command = {
  name: "show record",
  usage: "",
  summary: "what is kept on disk of what the speaker has done, for `tsbgp at`",
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<ShownRecord>(args, { command: "show-record" }, (shown) => {
      for (const line of recordLines(shown)) print(line);
    });
  },
};

const STATES: Readonly<Record<ShownRecord["state"], string>> = {
  waiting: "nothing is recorded now",
  beginning: "a file is begun",
  going: "recorded",
};

/** @returns lines for people */
export function recordLines({ directory, state, problem, ...shown }: ShownRecord): string[] {
  const { from_ms, files, octets, taken_octets, behind_octets, begun, missed } = shown;
  return renderFields([
    ["Folder", directory],
    ["State", problem === "" ? STATES[state] : `NOTHING IS RECORDED: ${problem}`],
    ["From", from_ms === null ? "nothing is kept" : new Date(from_ms).toISOString()],
    ["Kept", `${files} files, ${size(octets)}`],
    ["Taken", `${size(taken_octets)} before compression, ${size(behind_octets)} wait for it`],
    ["Begun", `${begun} files by this process, ${missed} times something was missed`],
  ]);
}
