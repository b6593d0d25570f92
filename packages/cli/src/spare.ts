/** `tsbgp spare`: the other side of several pairs, each in a process of its own. */

import path from "node:path";
import type { ShownSpare, ShownSpared } from "@ts-bgp/daemon";
import { type Command, noWords } from "./command.ts";
import { ask, ControlError } from "./control-client.ts";
import { CONFIG_OPTION, configFile, runService, withConfigErrors } from "./run.ts";
import { type Column, duration, size, TableWriter } from "./table.ts";
import { VERSION } from "./version.ts";

const PROGRAM = path.join(import.meta.dirname, "../bin/tsbgp.mjs");

export const spareCommand: Command = {
  name: "spare",
  usage: "-c FILE",
  summary: "be the other side of several pairs, each in a process of its own",
  help: [
    "FILE names the configuration files of the sides; `tsbgp check` checks it with all of them.",
    "`tsbgp show nsr` shows all; `tsbgp switchover CLUSTER` gives a role back.",
    "SIGHUP and `tsbgp reload` read FILE again, and start and end what differs, and touch no other side.",
    "SIGTERM and SIGINT end all sides, as they end `tsbgp run`. When the spare itself dies, its sides go on,",
    "and the next `tsbgp spare` goes on with them.",
  ],
  options: CONFIG_OPTION,
  run: async (args) => {
    noWords(args);
    const file = configFile(args);
    return withConfigErrors(({ Spare }) => {
      const spare = new Spare({ file, version: VERSION, command: [process.execPath, PROGRAM] });
      // What is wrong with the file is in the log.
      return runService(spare, () => void spare.reload(false).catch(() => {}));
    });
  },
};

const COLUMNS: readonly Column<ShownSpared>[] = [
  { title: "Cluster", text: ({ cluster }) => cluster },
  { title: "Role", text: ({ role, process: state }) => (state === "running" ? role : state) },
  { title: "Ready", text: ({ ready }) => (ready ? "yes" : "NO") },
  {
    title: "Since",
    text: ({ since_ms }) => (since_ms === 0 ? "" : duration(Date.now() - since_ms)),
    right: true,
  },
  { title: "Other side", text: ({ other_side: other }) => other || "none" },
  { title: "Sessions", text: ({ sessions }) => String(sessions), right: true },
  { title: "Protected", text: (shown) => String(shown.protected), right: true },
  { title: "Memory", text: ({ memory_octets: octets }) => size(octets), right: true },
  {
    title: "CPU",
    text: ({ cpu_share: share }) => `${(100 * share).toFixed(1)} %`,
    right: true,
  },
  { title: "Starts", text: ({ starts }) => String(starts), right: true },
  { title: "Why not", text: ({ ready, reason }) => (ready ? "" : reason) },
];

/** @returns lines: how the spare is in a sentence, and a table of the pairs */
export function spareLines({ pairs }: ShownSpare): string[] {
  const active = pairs.filter(({ role }) => role === "active" || role === "simplex");
  const others = pairs.filter((pair) => !active.includes(pair));
  const ready = others.filter((pair) => pair.ready).length;
  const only = ready === others.length ? "" : "ONLY ";
  const can = `can take over ${only}${ready} of ${others.length} pairs`;
  const names = active.map(
    ({ cluster, ready: safe }) => `${cluster} (${safe ? "protected" : "NOT PROTECTED"})`,
  );
  const is = `is active for ${names.join(", ")}`;
  const does = [...(others.length > 0 ? [can] : []), ...(names.length > 0 ? [is] : [])];
  const lines = [`this spare ${does.join(", and ")}`, ""];
  const table = new TableWriter(COLUMNS, (line) => lines.push(line));
  for (const pair of pairs) table.add(pair);
  table.end();
  return lines;
}

/** @returns the control socket of a side; rejects with a ControlError when no spare with such a pair answers */
export async function socketOfSide(spare: string, cluster: string): Promise<string> {
  let shown: Partial<ShownSpare> = {};
  await ask(spare, { command: "show-nsr" }, (item) => {
    shown = item as Partial<ShownSpare>;
  });
  const { pairs } = shown;
  if (pairs === undefined) {
    throw new ControlError(
      `${spare} is that of a speaker, which has no pairs to choose from`,
      false,
    );
  }
  const found = pairs.find((pair) => pair.cluster === cluster);
  if (found !== undefined) return found.socket;
  const names = pairs.map((pair) => pair.cluster).join(", ");
  throw new ControlError(`the spare has no pair ${cluster}; it has ${names}`, false);
}
