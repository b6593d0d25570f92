/** Files that an operator names, as text: whatever a path leads to, reading it ends soon and takes little memory. */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** Longest file, 256 MiB. */
const OCTETS_MAX = 1 << 28;
const FIRST_OCTETS = 1 << 16;

/**
 * Throws when it cannot be read, is something else than a file (a pipe would have the caller wait for whoever
 * writes to it, and a device may never end), or is longer than `octetsMax`.
 */
export function readRegularFile(file: string, octetsMax: number = OCTETS_MAX): string {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new Error("it is a directory");
    if (!stat.isFile()) throw new Error("it is no regular file");
    // What the kernel makes up as it is read has no length.
    let octets = Buffer.allocUnsafe(Math.min(stat.size, octetsMax) + FIRST_OCTETS);
    let length = 0;
    for (;;) {
      const count = readSync(fd, octets, length, octets.length - length, null);
      if (count === 0) return octets.toString("utf8", 0, length);
      length += count;
      if (length > octetsMax) throw new Error(`it is longer than ${octetsMax >> 20} MiB`);
      if (length === octets.length) octets = Buffer.concat([octets], 2 * length);
    }
  } finally {
    closeSync(fd);
  }
}
