/** A log on disk, read at the start of a side. */

import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { setImmediate as turn } from "node:timers/promises";
import { FormatError, type LogOwner, LogReader } from "@ts-bgp/replication";
import { assertPrivateFolder } from "./private-folder.ts";

const PIECE_OCTETS = 1 << 20;
/** Others have a turn after so long. */
const TURN_MS = 4;

/**
 * Reads a log while others have their turns.
 *
 * It is under another name meanwhile: a start that dies of what it reads, or that is ended at it, is not followed
 * by one that reads it again.
 *
 * @returns what was read; null where there is no log
 * @throws an Error with why it is of no use; it is removed then
 */
export async function readLog(
  file: string,
  owner: LogOwner,
  hasOthers: boolean,
): Promise<LogReader | null> {
  const reading = `${file}.reading`;
  try {
    assertPrivateFolder(file);
  } catch (error) {
    // Where there is no folder there is no log, and who writes one makes it.
    if ((error as Error).message.includes("there is no folder")) return null;
    throw error;
  }
  if (await remove(reading)) {
    await remove(file);
    throw new Error("the process that was reading it before has ended at that");
  }
  try {
    await rename(file, reading);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const read = await readAll(reading, owner, hasOthers);
    await rename(reading, file);
    return read;
  } catch (error) {
    await remove(reading);
    throw error;
  }
}

/** @returns whether it was there */
async function remove(file: string): Promise<boolean> {
  try {
    await rm(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function readAll(file: string, owner: LogOwner, hasOthers: boolean): Promise<LogReader> {
  const reader = new LogReader(owner, hasOthers);
  const handle = await open(file, "r");
  try {
    await readPieces(handle, reader);
  } catch (error) {
    // Bad octets may ask for more memory than there is.
    if (!(error instanceof FormatError || error instanceof RangeError)) throw error;
    throw new Error(`it is broken behind octet ${reader.octets}: ${error.message}`);
  } finally {
    await handle.close();
  }
  return reader;
}

async function readPieces(handle: FileHandle, reader: LogReader): Promise<void> {
  for (;;) {
    const piece = new Uint8Array(PIECE_OCTETS);
    const { bytesRead } = await handle.read(piece, 0, PIECE_OCTETS);
    if (bytesRead === 0) break;
    reader.push(piece.subarray(0, bytesRead));
    let endMs = performance.now() + TURN_MS;
    while (reader.step()) {
      if (performance.now() < endMs) continue;
      await turn();
      endMs = performance.now() + TURN_MS;
    }
  }
  // The last frame may be half: the process has ended while it was written. Before that there is a state.
  void reader.head;
}
