/** A file of validated ROA payloads from disk. */

import { closeSync, openSync, readSync } from "node:fs";
import { type RoaFile, RoaReader } from "@ts-bgp/rpki";
import { hint } from "./system-errors.ts";

const CHUNK_OCTETS = 1 << 20;

/** @returns what the file says; or what is wrong with it, or why it cannot be read */
export function readRoaFile(file: string): RoaFile | string {
  const reader = new RoaReader();
  let fd = -1;
  try {
    fd = openSync(file, "r");
    const buf = new Uint8Array(CHUNK_OCTETS);
    const decoder = new TextDecoder();
    for (let octets = readSync(fd, buf); octets > 0; octets = readSync(fd, buf)) {
      reader.push(decoder.decode(buf.subarray(0, octets), { stream: true }));
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return `cannot be read: ${hint(code, error as Error)}`;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  return reader.end();
}
