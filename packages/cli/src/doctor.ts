/** `tsbgp doctor`: whether this host can do nonstop routing, or have a forwarding module, and what to do when not. */

import { X509Certificate } from "node:crypto";
import type { CertificateProblem } from "@ts-bgp/nsr";
import type { DoctorRow } from "@ts-bgp/takeover";
import { type Command, EXIT, noWords, print, stringOption, UsageError } from "./command.ts";
import { withConfigErrors } from "./run.ts";
import { type Column, TableWriter } from "./table.ts";

/** Packet queue that is tried. */
const QUEUE = 1790;

export const doctorCommand: Command = {
  name: "doctor",
  usage: "[-c FILE] [--json]",
  summary: "whether this host has what nonstop routing needs, and what to do if not",
  help: [
    "Tries everything for real, on things of its own that nobody else uses, in the network",
    "namespace and with the rights that it has: start it as the speaker is started.",
    "  -c FILE    also what FILE needs: interfaces of service addresses, room for MD5 keys and as many",
    "             neighbors, congestion control, etcd, the link and the way to the other side, and",
    "             whether the link's certificate is right; of a forwarding module: its right, the kernel's table,",
    "             what next hops resolve by, forwarding and what else drops packets",
    "Exit: 0 it can run here, 1 something that it needs is missing, 2 FILE cannot be read.",
  ],
  options: { config: { type: "string", short: "c" }, json: { type: "boolean", short: "j" } },
  run: async (args) => {
    noWords(args);
    const file = stringOption(args, "config");
    return withConfigErrors(async (daemon) => {
      const { diagnoseForwardFile, fileKind, readConfigFile, readConfigText } = daemon;
      const kind = file === undefined ? null : fileKind(readConfigText(file));
      const isJson = args.options["json"] === true;
      if (file !== undefined && kind === "forward") {
        return tell(diagnoseForwardFile(file), "a forwarding module", isJson);
      }
      if (kind === "spare") {
        throw new UsageError(
          `${file} is the file of a spare: give it each of those under "protects"`,
        );
      }
      const config = file === undefined ? null : readConfigFile(file).config;
      const { certificateProblem, needsOf, probeMembership, probePair } = await import(
        "@ts-bgp/nsr"
      );
      const { connectionTracking, diagnose, NO_SIZES, probeHost } = await import(
        "@ts-bgp/takeover"
      );
      const nothing = { interfaces: [], congestionControls: [], sizes: NO_SIZES };
      const needs = config === null ? nothing : needsOf(config);
      const rows = diagnose(await probeHost({ queue: QUEUE, ...needs }), needs.sizes);
      if (config !== null) {
        rows.push(...(await probePair(config)), ...(await probeMembership(config)));
      }
      if (config?.nsr?.mode === "address") {
        const ports = [...config.listen, ...config.neighbors].map(({ port }) => port);
        rows.push(connectionTracking([...new Set(ports)]));
      }
      const { tls = null, cluster = "" } = config?.nsr ?? {};
      if (tls !== null) {
        rows.push(certificateRow(certificateProblem(tls, cluster, Date.now()), tls.cert));
      }
      return tell(rows, "nonstop routing", isJson);
    });
  },
};

/** @param subject - what can run here, or cannot */
function tell(rows: readonly DoctorRow[], subject: string, isJson: boolean): number {
  const lines = isJson ? jsonLines(rows) : doctorLines(rows, subject);
  for (const line of lines) print(line);
  return rows.every(({ ok, isMinor }) => ok || isMinor) ? EXIT.OK : EXIT.NO;
}

/** @returns whether the other side will trust this side's certificate, and for how long */
export function certificateRow(problem: CertificateProblem, pem: string): DoctorRow {
  const { mistake, warning, isGood, remedy: whatToDo } = problem;
  const what = "certificate";
  if (mistake === "" && warning === "") {
    const { subject, validToDate } = new X509Certificate(pem);
    const until = validToDate.toISOString().slice(0, 10);
    const detail = `${subject.replace("\n", ", ")}, valid until ${until}`;
    return { what, ok: true, detail, whatToDo: "" };
  }
  const row = { what, ok: false, detail: mistake || warning, whatToDo };
  return isGood ? { ...row, isMinor: true } : row;
}

const COLUMNS: readonly Column<DoctorRow>[] = [
  { title: "", text: ({ ok, isMinor }) => (ok ? "ok" : isMinor ? "--" : "NO") },
  { title: "Needed", text: ({ what }) => what },
  { title: "Found", text: ({ detail }) => detail },
];

/** @returns a table, then the verdict, and what to do for each thing that is missing */
export function doctorLines(rows: readonly DoctorRow[], subject = "nonstop routing"): string[] {
  const lines: string[] = [];
  const table = new TableWriter(COLUMNS, (line) => lines.push(line));
  for (const row of rows) table.add(row);
  table.end();
  const vital = rows.filter(({ ok, isMinor }) => !ok && !isMinor);
  const minor = rows.filter(({ ok, isMinor }) => !ok && isMinor);
  const verdict =
    vital.length > 0
      ? `${subject} CANNOT run here, ${vital.length} of ${rows.length} missing:`
      : `${subject} can run here${minor.length > 0 ? ", and better with:" : ""}`;
  lines.push("", verdict, ...vital.map(advice));
  if (vital.length > 0 && minor.length > 0) lines.push("and better with:");
  return [...lines, ...minor.map(advice)];
}

function advice({ what, whatToDo }: DoctorRow): string {
  return `  ${what}: ${whatToDo}`;
}

function jsonLines(rows: readonly DoctorRow[]): string[] {
  const items = rows.map(({ what, ok, isMinor: minor = false, detail, whatToDo }, k) => {
    const item = JSON.stringify({ what, ok, minor, detail, what_to_do: whatToDo });
    return `${k === 0 ? "[" : ","}${item}`;
  });
  return [...items, "]"];
}
