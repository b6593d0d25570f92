/**
 * Octets of a zstd file, piece by piece. One that is damaged gives all that is before the damage: a decompressor that
 * fails throws away what it had not given yet, so what is just before is asked for again, octet by octet.
 */

import { type FileHandle, open } from "node:fs/promises";
import { createZstdDecompress, type ZstdDecompress } from "node:zlib";

const PIECE_OCTETS = 16_384;
/** What was good has come out before the first octet of the damage goes in. */
const FINE_OCTETS = 1;

/**
 * A file that is still written, or whose writer has died, ends where its last whole block does.
 *
 * @throws what the file system says, or zstd with a code that begins with `ZSTD_`: what came before is good
 */
export async function* unpackedFile(path: string): AsyncGenerator<Buffer, void> {
  const coarse = new Unpacking(path, Number.POSITIVE_INFINITY);
  let given = 0;
  for await (const octets of coarse.pieces()) {
    given += octets.length;
    yield octets;
  }
  if (coarse.failure === null) return;
  const fine = new Unpacking(path, coarse.offset);
  let passed = 0;
  for await (const octets of fine.pieces()) {
    const known = Math.min(Math.max(0, given - passed), octets.length);
    passed += octets.length;
    if (known < octets.length) yield octets.subarray(known);
  }
  throw fine.failure ?? coarse.failure;
}

/** One reading of a file from its beginning. */
class Unpacking {
  failure: Error | null = null;
  /** Of the last piece that was read. */
  offset = 0;
  private length = 0;
  private readonly path: string;
  private readonly fineFrom: number;
  private readonly zstd: ZstdDecompress = createZstdDecompress();
  private readonly out: Buffer[] = [];

  constructor(path: string, fineFrom: number) {
    this.path = path;
    this.fineFrom = fineFrom;
    this.zstd.on("data", (octets: Buffer) => this.out.push(octets));
  }

  /** Ends at the end of the file, and with `failure` where the decompressor fails. */
  async *pieces(): AsyncGenerator<Buffer, void> {
    const file = await open(this.path);
    try {
      const failed = new Promise<void>((resolve) => {
        this.zstd.on("error", (error) => {
          this.failure = error;
          resolve();
        });
      });
      while (this.failure === null) {
        const piece = await this.next(file);
        if (piece.length === 0) return;
        await Promise.race([failed, this.put(piece)]);
        yield* this.out.splice(0);
      }
    } finally {
      this.zstd.destroy();
      await file.close();
    }
  }

  private put(piece: Buffer): Promise<void> {
    return new Promise((resolve) => this.zstd.write(piece, () => resolve()));
  }

  private async next(file: FileHandle): Promise<Buffer> {
    const isFine = this.offset + this.length >= this.fineFrom;
    this.offset += this.length;
    const { buffer, bytesRead } = await file.read(
      Buffer.allocUnsafe(isFine ? FINE_OCTETS : PIECE_OCTETS),
      { position: this.offset },
    );
    this.length = bytesRead;
    return buffer.subarray(0, bytesRead);
  }
}
