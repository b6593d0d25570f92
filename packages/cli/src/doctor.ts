/** `tsbgp doctor`: whether this host can do nonstop routing, and what to do when it cannot. */

import type { DoctorRow } from "@ts-bgp/takeover";
import { type Command, EXIT, noWords, print, stringOption } from "./command.ts";
import { withConfigErrors } from "./run.ts";
import { type Column, TableWriter } from "./table.ts";

/** Packet queue that is tried. */
const QUEUE = 1790;

export const doctorCommand: Command = {
  name: "doctor",
  usage: "[-c FILE] [--json]",
  summary: "whether this host has what nonstop routing needs, and what to do if not",
  help: [
    "Tries everything for real, on things of its own that nobody else uses, in the network namespace",
    "and with the rights that it is started with: start it as the speaker is started.",
    "  -c FILE    also what FILE needs: interfaces of service addresses, room for MD5 keys",
    "Exit: 0 nothing is missing, 1 something is, 2 FILE cannot be read.",
  ],
  options: { config: { type: "string", short: "c" }, json: { type: "boolean", short: "j" } },
  run: async (args) => {
    noWords(args);
    const file = stringOption(args, "config");
    return withConfigErrors(async ({ readConfigFile }) => {
      const config = file === undefined ? null : readConfigFile(file).config;
      const { diagnose, probeHost } = await import("@ts-bgp/takeover");
      const interfaces = (config?.nsr?.serviceAddresses ?? []).map((address) => address.interface);
      const md5Keys = (config?.neighbors ?? []).filter(({ password }) => password !== null).length;
      const rows = diagnose(await probeHost({ queue: QUEUE, interfaces }), md5Keys);
      const lines = args.options["json"] === true ? jsonLines(rows) : doctorLines(rows);
      for (const line of lines) print(line);
      return rows.every(({ ok }) => ok) ? EXIT.OK : EXIT.NO;
    });
  },
};

const COLUMNS: readonly Column<DoctorRow>[] = [
  { title: "", text: ({ ok }) => (ok ? "ok" : "NO") },
  { title: "Needed", text: ({ what }) => what },
  { title: "Found", text: ({ detail }) => detail },
];

/** @returns a table, then what to do for each thing that is missing, and the verdict */
export function doctorLines(rows: readonly DoctorRow[]): string[] {
  const lines: string[] = [];
  const table = new TableWriter(COLUMNS, (line) => lines.push(line));
  for (const row of rows) table.add(row);
  table.end();
  const missing = rows.filter(({ ok }) => !ok);
  if (missing.length === 0) return [...lines, "", "nonstop routing can run here"];
  const advice = missing.map(({ what, whatToDo }) => `  ${what}: ${whatToDo}`);
  const verdict = `nonstop routing CANNOT run here, ${missing.length} of ${rows.length} missing:`;
  return [...lines, "", verdict, ...advice];
}

function jsonLines(rows: readonly DoctorRow[]): string[] {
  const items = rows.map(({ what, ok, detail, whatToDo }, k) => {
    const item = JSON.stringify({ what, ok, detail, what_to_do: whatToDo });
    return `${k === 0 ? "[" : ","}${item}`;
  });
  return [...items, "]"];
}
