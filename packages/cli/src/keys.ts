/** `tsbgp keys`: certificates for the link between the sides of a pair. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { issuePair } from "./certificate.ts";
import {
  type Arguments,
  type Command,
  EXIT,
  NSR_NAME,
  NSR_NAME_IS,
  oneWord,
  print,
  stringOption,
  UsageError,
} from "./command.ts";

const VALID_YEARS = 10;
const DEFAULT_SIDES = ["a", "b"];

export const keysCommand: Command = {
  name: "keys",
  usage: "DIR --cluster NAME [--side NAME ...]",
  summary: "make certificates for the link of a pair (nsr: tls: in the configuration)",
  help: [
    "Writes into DIR, which is made if needed, and overwrites nothing:",
    "  ca.crt              certificate of the authority, for both sides",
    "  SIDE.crt, SIDE.key  certificate and key of each side (default: a and b)",
    `They hold for ${VALID_YEARS} years. The key of the authority is kept nowhere: nobody can make`,
    "another certificate that the pair trusts, and a side that lost its key takes new ones for all.",
    "Key files can be read by their owner alone; bring to a host only its own.",
    "Exit: 0 made, 1 a file exists already, 2 cannot be written.",
  ],
  options: {
    cluster: { type: "string" },
    side: { type: "string", multiple: true },
  },
  run: async (args) => {
    const directory = oneWord(args, "the directory");
    const cluster = stringOption(args, "cluster");
    if (cluster === undefined) throw new UsageError("--cluster NAME is missing");
    const sides = sidesOf(args);
    for (const name of [cluster, ...sides]) {
      if (!NSR_NAME.test(name)) throw new UsageError(`"${name}" is ${NSR_NAME_IS}`);
    }
    const files = ["ca.crt", ...sides.flatMap((side) => [`${side}.crt`, `${side}.key`])];
    const existing = files.find((name) => existsSync(path.join(directory, name)));
    if (existing !== undefined) {
      process.stderr.write(
        `tsbgp: ${path.join(directory, existing)} exists; nothing was written\n`,
      );
      return EXIT.NO;
    }
    writeKeys(directory, cluster, sides);
    return EXIT.OK;
  },
};

function sidesOf({ options }: Arguments): readonly string[] {
  const given = options["side"];
  if (!Array.isArray(given)) return DEFAULT_SIDES;
  const twice = given.find((name, k) => given.indexOf(name) < k);
  if (twice !== undefined) throw new UsageError(`--side ${twice} is given twice`);
  if (given.includes("ca")) throw new UsageError("a side cannot be called ca");
  return given;
}

function writeKeys(directory: string, cluster: string, sides: readonly string[]): void {
  const issued = issuePair(cluster, sides, Date.now(), VALID_YEARS);
  const write = (name: string, text: string, mode: number) =>
    writeFileSync(path.join(directory, name), text, { mode, flag: "wx" });
  try {
    mkdirSync(directory, { recursive: true });
    write("ca.crt", issued.authority, 0o644);
    for (const [k, side] of sides.entries()) {
      write(`${side}.key`, issued.sides[k]!.key, 0o600);
      write(`${side}.crt`, issued.sides[k]!.certificate, 0o644);
    }
  } catch (error) {
    throw new UsageError(`cannot write: ${(error as Error).message}`);
  }
  for (const side of sides) {
    const [cert, key, ca] = [`${side}.crt`, `${side}.key`, "ca.crt"].map((name) =>
      path.join(directory, name),
    );
    print(`side ${side}: tls: { cert: ${cert}, key: ${key}, ca: ${ca} }`);
  }
}
