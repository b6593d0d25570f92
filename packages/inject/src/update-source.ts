/**
 * Files of UPDATE messages as they go over the wire, back to back with their headers, without path
 * identifiers and with 4-octet AS numbers. Messages of other types are passed over.
 */

import {
  type AsPathValue,
  ATTR,
  type DecodedUpdate,
  decodeMessages,
  EXTENDED_MESSAGE_OCTETS_MAX,
  MESSAGE,
  messageLength,
} from "@ts-bgp/wire-codec";
import { Announcer } from "./announcer.ts";
import type { Batch, RouteSource, SessionForm, Warn } from "./batch.ts";
import { CanonicalRoutes, warnOfRejects } from "./canonical-routes.ts";
import type { Report } from "./events.ts";
import { type FileFault, type FilePass, goThrough } from "./file-fault.ts";
import { InputError } from "./input-error.ts";
import { readChunks } from "./octet-file.ts";
import { OctetQueue } from "./octet-queue.ts";

export interface UpdateFileOptions {
  readonly path: string;
  /** FAMILY bits of the routes that are wanted. */
  readonly families: number;
  /** Of a truncated or corrupt file, take what comes before the fault; else refuse the file. */
  readonly partial: boolean;
}

/**
 * Checks that a file is what it should be. It is read again for each session.
 *
 * @throws InputError when it is not, or has no UPDATE
 */
export async function openUpdates(
  { path, families, partial }: UpdateFileOptions,
  report: Report,
): Promise<RouteSource> {
  let updates = 0;
  let firstAs = 0;
  const messages = readMessages(path, (buf, at, end) => {
    updates++;
    if (firstAs === 0) firstAs = firstAsOf(buf.subarray(at, end));
  });
  await goThrough(path, messages, partial, report);
  if (updates === 0) throw new InputError(`${path}: there is no UPDATE in this file`);
  return {
    title: `${updates} updates in ${path}`,
    routes: null,
    firstAs,
    families,
    read: (form, warn) => replay(path, form, warn),
  };
}

async function* replay(path: string, form: SessionForm, warn: Warn): AsyncGenerator<Batch> {
  const announcer = new Announcer(form);
  const canonical = new CanonicalRoutes();
  const messages = readMessages(path, (buf, at, end) => {
    canonical.copyUpdate(buf, at, end, true, false, announcer);
  });
  for await (const done of messages) yield announcer.take(done);
  yield announcer.take(1);
  warnOfRejects(canonical.rejects, "updates", warn);
  announcer.warnOfUnsendable(warn);
}

/** Reads a file to its end, or up to its fault; yields the share that has been read. */
async function* readMessages(
  path: string,
  visit: (buf: Uint8Array, at: number, end: number) => void,
): FilePass {
  const octets = new OctetQueue();
  const chunks = readChunks(path);
  try {
    for (;;) {
      const { done, value } = await chunks.next();
      if (done) return endOf(octets, value);
      octets.push(value.octets);
      for (;;) {
        const { buf, at } = octets;
        const length = messageLength(buf, at, buf.length, EXTENDED_MESSAGE_OCTETS_MAX);
        if (length === 0) break;
        if (typeof length !== "number") return { offset: octets.offset, reason: length.reason };
        if (buf[at + 18] === MESSAGE.UPDATE) visit(buf, at, at + length);
        octets.at += length;
      }
      yield value.done;
    }
  } finally {
    await chunks.return(null);
  }
}

function endOf({ offset, length }: OctetQueue, cut: string | null): FileFault | null {
  if (cut !== null) return { offset, reason: cut };
  if (length === 0) return null;
  return { offset, reason: `the file ends in a message, ${length} octets after its beginning` };
}

/** @returns the first AS number of the path in an UPDATE, 0 when it has none */
function firstAsOf(update: Uint8Array): number {
  const options = { fourOctetAs: true, addPath: false, external: null, allowAsSet: true };
  const [decoded] = decodeMessages(update, options) as DecodedUpdate[];
  const path = decoded?.attributes.find(({ type }) => type === ATTR.AS_PATH);
  const { segments } = (path?.value ?? { segments: [] }) as Pick<AsPathValue, "segments">;
  return segments[0]?.as[0] ?? 0;
}
