/** The recorded routing data beside this repository, which is not part of it. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { zstdDecompressSync } from "node:zlib";

const FOLDER = fileURLToPath(new URL("../../../shared/data/updates/", import.meta.url));
const TAR_BLOCK_OCTETS = 512;

/** Why the data cannot be used, or `null`. */
export const DATA_MISSING: string | null = existsSync(FOLDER) ? null : `${FOLDER} is not there`;

/** A message of a recorded stream. */
export interface Recorded {
  readonly offset: number;
  readonly octets: number;
  readonly peerAs: number;
  readonly peerAddress: string;
}

/** Path of a file of the data. */
export function dataFile(name: string): string {
  return FOLDER + name;
}

export function readData(name: string): Buffer {
  return zstdDecompressSync(readFileSync(dataFile(name)));
}

/** Messages of a stream, each a view of one buffer, by the peer that sent them, in order. */
export function readStream(name: string): Map<string, { as: number; messages: Buffer[] }> {
  const stream = readData(`${name}.updates.zst`);
  const peers = new Map<string, { as: number; messages: Buffer[] }>();
  for (const { offset, octets, peerAs, peerAddress } of readIndex(name)) {
    const key = `${peerAddress} ${peerAs}`;
    let peer = peers.get(key);
    if (peer === undefined) {
      peer = { as: peerAs, messages: [] };
      peers.set(key, peer);
    }
    peer.messages.push(stream.subarray(offset, offset + octets));
  }
  return peers;
}

function readIndex(name: string): Recorded[] {
  const lines = readData(`${name}.index.tsv.zst`).toString().trimEnd().split("\n").slice(1);
  return lines.map((line) => {
    const [, offset, octets, , peerAs, peerAddress = ""] = line.split("\t");
    return {
      offset: Number(offset),
      octets: Number(octets),
      peerAs: Number(peerAs),
      peerAddress,
    };
  });
}

/** Files of a tar archive by their names without folders. */
export function readArchive(name: string): Map<string, Buffer> {
  const tar = readData(name);
  const files = new Map<string, Buffer>();
  for (let at = 0; tar[at] !== 0 && at < tar.length; ) {
    const text = (from: number, to: number) => tar.toString("latin1", at + from, at + to);
    const path = text(0, 100).replace(/\0.*$/, "");
    const octets = Number.parseInt(text(124, 136), 8);
    const dataAt = at + TAR_BLOCK_OCTETS;
    files.set(path.slice(path.lastIndexOf("/") + 1), tar.subarray(dataAt, dataAt + octets));
    at = dataAt + Math.ceil(octets / TAR_BLOCK_OCTETS) * TAR_BLOCK_OCTETS;
  }
  return files;
}

/** Cuts octets of messages that stand back to back. */
export function* messagesOf(octets: Buffer): Generator<Buffer> {
  for (let at = 0; at < octets.length; ) {
    const end = at + octets.readUInt16BE(at + 16);
    yield octets.subarray(at, end);
    at = end;
  }
}
