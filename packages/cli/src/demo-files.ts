/** Files of the pair of `tsbgp demo`, in a folder that goes when it ends. */

import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

/** One of the two processes. */
export interface DemoSide {
  readonly name: "a" | "b";
  /** The configuration, with what makes it one of a pair. */
  readonly file: string;
  /** Its own control socket. */
  readonly socket: string;
  readonly log: string;
  /** On loopback of the namespace. */
  readonly httpPort: number;
}

const HTTP_PORT = 19_790;
/** Sections that each side has of its own. */
const OWN = /^(control|http|log|nsr)\s*:/;

export function sidesIn(folder: string, file: string): DemoSide[] {
  return (["a", "b"] as const).map((name, k) => ({
    name,
    file: path.join(folder, name, path.basename(file)),
    socket: socketOf(folder, name),
    log: path.join(folder, `${name}.log`),
    httpPort: HTTP_PORT + k,
  }));
}

export function socketOf(folder: string, name: DemoSide["name"]): string {
  return path.join(folder, `${name}.sock`);
}

/** Where the metrics of the active side are to be had from outside of the namespace. */
export function httpSocketOf(folder: string): string {
  return path.join(folder, "http.sock");
}

/** Writes the configuration of both sides; lines stay where they are in the file given. */
export function writeSideFiles(sides: readonly DemoSide[], file: string): void {
  const text = withoutOwnSections(readFileSync(file, "utf8"));
  for (const side of sides) {
    const folder = path.dirname(side.file);
    mkdirSync(folder, { recursive: true });
    linkNeighborsOf(file, folder);
    const nsr = path.join(path.dirname(folder), "nsr.sock");
    const sections = {
      control: { socket: side.socket },
      http: { port: side.httpPort },
      nsr: { cluster: "demo", self: side.name, listen: nsr, peer: nsr, mode: "shared" },
    };
    const lines = Object.entries(sections).map(([name, own]) => `${name}: ${JSON.stringify(own)}`);
    writeFileSync(side.file, `${text}\n${lines.join("\n")}\n`);
  }
}

/** Files that the configuration names are relative to it, so they are there as well. */
function linkNeighborsOf(file: string, folder: string): void {
  const from = path.dirname(path.resolve(file));
  for (const name of readdirSync(from)) {
    const link = path.join(folder, name);
    const isThere = lstatSync(link, { throwIfNoEntry: false }) !== undefined;
    if (name !== path.basename(file) && !isThere) symlinkSync(path.join(from, name), link);
  }
}

/** @returns the text with empty lines in place of sections that each side has of its own */
export function withoutOwnSections(text: string): string {
  let isOwn = false;
  const lines = text.split("\n").map((line) => {
    const isTop = /^[^\s#]/.test(line);
    if (isTop) isOwn = OWN.test(line);
    return isOwn ? "" : line;
  });
  return lines.join("\n");
}
