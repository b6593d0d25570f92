/** How files of routes and updates are compressed, and what their names end in. */

import type { Transform } from "node:stream";
import { createGzip, createZstdCompress } from "node:zlib";
import type { MrtConfig } from "@ts-bgp/config";

export type Compression = MrtConfig["compress"];

const KINDS: Readonly<Record<Compression, { readonly end: string; make(): Transform | null }>> = {
  none: { end: "", make: () => null },
  gzip: { end: ".gz", make: () => createGzip() },
  zstd: { end: ".zst", make: () => createZstdCompress() },
};

/** @returns what a file is written through; null for nothing */
export function compressor(compression: Compression): Transform | null {
  return KINDS[compression].make();
}

/** @returns the end of the name of a file */
export function endOfName(compression: Compression): string {
  return KINDS[compression].end;
}

/** @returns how a file of that name is compressed */
export function compressionOf(file: string): Compression {
  const kinds: readonly Compression[] = ["gzip", "zstd"];
  return kinds.find((kind) => file.endsWith(KINDS[kind].end)) ?? "none";
}
