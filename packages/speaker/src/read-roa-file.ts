/** A file of validated ROA payloads from disk. */

import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type RoaFile, RoaReader } from "@ts-bgp/rpki";
import { reasonOf } from "./system-errors.ts";

const CHUNK_OCTETS = 1 << 20;

/** A file that says nothing. */
export interface UnusableRoaFile {
  readonly problem: string;
  /** It could not be read, which may pass; or else what it says is wrong. */
  readonly isUnread: boolean;
}

/** @returns what the file says; or what is wrong with it, or why it cannot be read */
export function readRoaFile(file: string): RoaFile | UnusableRoaFile {
  const reader = new RoaReader();
  let fd = -1;
  try {
    // A pipe would be waited for, and a device has no end.
    fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!fstatSync(fd).isFile()) return unread("it is no regular file");
    const buf = new Uint8Array(CHUNK_OCTETS);
    const decoder = new TextDecoder();
    for (let octets = readSync(fd, buf); octets > 0; octets = readSync(fd, buf)) {
      reader.push(decoder.decode(buf.subarray(0, octets), { stream: true }));
    }
  } catch (error) {
    return unread(reasonOf(error as Error));
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  const read = reader.end();
  return typeof read === "string" ? { problem: read, isUnread: false } : read;
}

export function unread(why: string): UnusableRoaFile {
  return { problem: `cannot be read: ${why}`, isUnread: true };
}
