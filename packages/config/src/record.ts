/** The section of the record: where it is kept what the speaker has done, and how much of it. */

import { type Checker, checkFolder } from "./checker.ts";
import type { FileShape } from "./file-shape.ts";
import type { RecordConfig } from "./link-types.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ...{ s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 },
};
const UNIT_OCTETS: Readonly<Record<string, number>> = {
  ...{ MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};

export function checkRecord({ record }: FileShape, checker: Checker): RecordConfig | null {
  if (record === undefined) return null;
  const { dir = "/", keep = "24h", size = "10GiB", every = "1h" } = record;
  const { yaml } = checker;
  const at = yaml.valueAt(record, "dir");
  if (!dir.startsWith("/")) yaml.add(at, `"dir" must be a path from the root, not "${dir}"`);
  else checkFolder(`${dir.replace(/\/+$/, "")}/record`, at, checker);
  const config = {
    directory: dir.replace(/(.)\/+$/, "$1"),
    keepMs: msIn(keep),
    octetsMax: octetsIn(size),
    everyMs: msIn(every),
  };
  if (config.everyMs > config.keepMs) {
    const why = `what is kept is whole files: "every" (${every}) is at most "keep" (${keep})`;
    yaml.add(yaml.valueAt(record, record.every === undefined ? "keep" : "every"), why);
  }
  return config;
}

/** @param text - as the schema wants it */
function msIn(text: string): number {
  return Number.parseInt(text, 10) * UNIT_MS[text.slice(-1)]!;
}

function octetsIn(text: string): number {
  return Number.parseInt(text, 10) * UNIT_OCTETS[text.slice(-3)]!;
}
