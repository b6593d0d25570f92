/** MRT files as Debian's bgpdump reads them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import type { LabNode } from "./netns.ts";

/** @returns the fields of each line of its short form */
export async function bgpdump(node: LabNode, file: string): Promise<string[][]> {
  let read = file;
  // It knows gzip alone.
  if (file.endsWith(".zst")) {
    read = join(node.directory, "read.mrt");
    writeFileSync(read, zstdDecompressSync(readFileSync(file)));
  }
  const { stdout } = await node.run(["/usr/bin/bgpdump", "-m", read]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("|"));
}

/** Of a route in a dump. bgpdump does not know large communities. */
export function routeText(fields: readonly string[]): string {
  const [, , , , , prefix, path, , nextHop, , , communities] = fields;
  return [prefix, nextHop, path, communities].join("|");
}

/** Of a route as `routesOf` says it. */
export function withoutLarge(text: string): string {
  return text.split("|").slice(0, 4).join("|");
}
