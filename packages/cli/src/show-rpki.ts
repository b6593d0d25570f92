/** `tsbgp show rpki`: where validated ROA payloads come from, and what counts. */

import type { ShownPayloadSource } from "@ts-bgp/daemon";
import type { ShownRpki } from "@ts-bgp/views";
import { clockMs } from "./clock.ts";
import { type Command, noWords, print } from "./command.ts";
import { askForOne, CONTROL_OPTIONS } from "./control-client.ts";
import { type Column, duration, renderFields, size, TableWriter } from "./table.ts";

type Shown = Omit<ShownRpki, "sources"> & { sources: ShownPayloadSource[] };

const ago = (ms: number | null) => (ms === null ? "never" : duration(clockMs() - ms));

const SOURCE_COLUMNS: readonly Column<ShownPayloadSource>[] = [
  { title: "Source", text: ({ name }) => name },
  { title: "Pref", text: ({ preference }) => String(preference), right: true },
  { title: "State", text: ({ feed }) => feed?.state ?? "" },
  {
    title: "RTR",
    text: ({ kind, feed }) => (kind === "cache" ? `v${feed?.version ?? "?"}` : ""),
  },
  { title: "Session", text: ({ session }) => String(session ?? ""), right: true },
  { title: "Serial", text: ({ serial }) => String(serial ?? ""), right: true },
  { title: "IPv4", text: ({ ipv4 }) => String(ipv4), right: true },
  { title: "IPv6", text: ({ ipv6 }) => String(ipv6), right: true },
  { title: "ASPAs", text: ({ aspas }) => String(aspas), right: true },
  { title: "Updated", text: ({ updated_ms }) => ago(updated_ms), right: true },
  { title: "Counts", text: countsText },
  { title: "Problem", text: ({ feed }) => feed?.problem ?? "" },
];

function countsText({ counts, updated_ms, expires_ms }: ShownPayloadSource): string {
  if (updated_ms === null) return "no data";
  if (!counts) return "stands back";
  return expires_ms === null ? "yes" : `for ${duration(expires_ms - clockMs())}`;
}

export const showRpkiCommand: Command = {
  name: "show rpki",
  usage: "",
  summary: "origin validation: caches and files, and whether routes wait for them",
  help: [
    "Counts: until when the data of a source counts if nothing new comes of it; a source stands back",
    "while one of a lower preference number has data.",
  ],
  options: CONTROL_OPTIONS,
  run: async (args) => {
    noWords(args);
    return askForOne<Shown>(args, { command: "show-rpki" }, (shown) => {
      for (const line of renderFields(fieldsOf(shown))) print(line);
      const table = new TableWriter(SOURCE_COLUMNS, print);
      for (const source of shown.sources) table.add(source);
      table.end();
    });
  },
};

function fieldsOf({ start_gate, ipv4, ipv6, aspas, octets, busy, judged, changed, slurm }: Shown) {
  const { state, ends_ms } = start_gate;
  const gate =
    ends_ms === null
      ? `open: ${state}`
      : `closed: external routes wait for data, ${duration(ends_ms - clockMs())} at most`;
  const fields: [string, string][] = [
    ["Start gate", gate],
    [
      "Payloads",
      `${ipv4} IPv4, ${ipv6} IPv6, ${aspas} ASPAs, ${size(octets)}${busy ? ", changing" : ""}`,
    ],
    ["Judged again", `${judged} paths, ${changed} of them came out otherwise`],
  ];
  const { filters, assertions } = slurm;
  if (filters + assertions > 0) {
    fields.push(["Local exceptions", `${filters} filters, ${assertions} assertions`]);
  }
  return fields;
}
