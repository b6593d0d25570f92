/** What is before the damage of a compressed file is given, all of it. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, createZstdCompress } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { unpackedFile } from "../src/unpacked-file.ts";

const directory = mkdtempSync(join(tmpdir(), "tsbgp-unpacked-"));
afterAll(() => rmSync(directory, { recursive: true }));

const BLOCKS = 40;

/** Blocks as a record has them, flushed one by one, and where each ends. */
async function compressed(): Promise<{ blocks: Buffer[]; octets: Buffer; ends: number[] }> {
  const zstd = createZstdCompress();
  const out: Buffer[] = [];
  zstd.on("data", (octets: Buffer) => out.push(octets));
  const blocks: Buffer[] = [];
  const ends: number[] = [];
  for (let i = 0; i < BLOCKS; i++) {
    const block = Buffer.alloc(i % 7 === 0 ? 70_000 : 300);
    for (let j = 0; j < block.length; j++) block[j] = (j * (i + 3) * 2654435761) >>> 13;
    blocks.push(block);
    zstd.write(block);
    await new Promise<void>((resolve) => zstd.flush(constants.ZSTD_e_flush, resolve));
    ends.push(out.reduce((sum, { length }) => sum + length, 0));
  }
  return { blocks, octets: Buffer.concat(out), ends };
}

async function read(octets: Buffer): Promise<{ given: Buffer; code: string | null }> {
  const path = join(directory, "a.zst");
  writeFileSync(path, octets);
  const given: Buffer[] = [];
  try {
    for await (const piece of unpackedFile(path)) given.push(piece);
  } catch (error) {
    return { given: Buffer.concat(given), code: (error as NodeJS.ErrnoException).code ?? "" };
  }
  return { given: Buffer.concat(given), code: null };
}

describe("a compressed file", async () => {
  const { blocks, octets, ends } = await compressed();

  test("is given whole, and up to the end of its last whole block", async () => {
    expect(await read(octets)).toEqual({ given: Buffer.concat(blocks), code: null });
    const cut = await read(octets.subarray(0, ends[20]! + 3));
    expect(cut).toEqual({ given: Buffer.concat(blocks.slice(0, 21)), code: null });
    expect(await read(Buffer.alloc(0))).toEqual({ given: Buffer.alloc(0), code: null });
  });

  test.each([1, 8, 20, 39])("that is damaged in block %i gives all before it", async (block) => {
    const bad = Buffer.from(octets);
    // A block of a type that there is none of.
    bad[ends[block - 1]!]! |= 0x06;
    const { given, code } = await read(bad);
    expect(code).toMatch(/^ZSTD_/);
    expect(given.equals(Buffer.concat(blocks.slice(0, block)))).toBe(true);
  });

  test("that is not there says so", async () => {
    const read = unpackedFile(join(directory, "nothing")).next();
    await expect(read).rejects.toMatchObject({ code: "ENOENT" });
  });
});
