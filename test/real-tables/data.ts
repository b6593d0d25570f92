/** Routing data: recorded, which is beside this repository and not part of it, or made here. */
import { existsSync, readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { syntheticTable } from "@ts-bgp/inject";
import { FAMILY } from "@ts-bgp/wire-codec";
import { DATA_FOLDER } from "../data-folder.ts";

const FOLDER = `${DATA_FOLDER}updates/`;
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

/** What a table is made of where none was recorded. */
export interface MadeTable {
  readonly family: "ipv4" | "ipv6";
  /** First AS of every path. */
  readonly as: number;
  readonly prefixes: number;
  /** Chooses prefixes and paths. */
  readonly seed: number;
}

/** UPDATE messages of a table, back to back. */
export function madeTable({ family, as, prefixes, seed }: MadeTable): Buffer {
  const families = family === "ipv4" ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
  const form = {
    families,
    fourOctetAs: true,
    addPath: 0,
    octetsMax: 4096,
    internal: false,
    localAs: as,
    nextHop4: null,
    nextHop6: null,
  };
  const batches = syntheticTable({ prefixes, seed, families }, form);
  return Buffer.concat([...batches].map(({ octets }) => Buffer.from(octets)));
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
