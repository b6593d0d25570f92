/** The thread that compresses a record and writes it to disk, and removes what is too old or too much of it. */

import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";
import { giveWay } from "@ts-bgp/feeds/give-way";
import { frameOf, type RecordHead } from "@ts-bgp/replication";
import { flock } from "@ts-bgp/takeover";
import { LogWords } from "./log-thread.ts";
import { assertPrivateFolder } from "./private-folder.ts";
import {
  FILE_MODE,
  FOLDER_MODE,
  octetsOf,
  PARTIAL,
  partialFiles,
  type RecordFile,
  recordFiles,
  recordName,
} from "./record-files.ts";
import type { RecordInput, RecordNews, RecordOrder } from "./record-thread.ts";

/** What a process that dies loses is no older than this. */
const FLUSH_MS = 1000;
/** A state that was not completed in this time is of nobody any more. */
const PARTIAL_MS = 600_000;
/** Name of what is locked in the folder; the side of a pair that was active before has it as long as it ends. */
const LOCK = ".lock";
const LOCK_MS = 2500;
const LOCK_LOOK_MS = 50;
/** Routing goes before. */
const NICE = 5;

/** A file that is being written. */
class OpenFile {
  octets = 0;
  readonly name: string;
  private readonly zstd: ZstdCompress = createZstdCompress();
  private readonly descriptor: number;
  isNamed = false;
  private isDirty = false;
  private problem: Error | null = null;

  /** Throws when there is one of this name. */
  constructor(name: string) {
    this.name = name;
    this.descriptor = openSync(`${name}${PARTIAL}`, "wx", FILE_MODE);
    this.zstd.on("data", (octets: Buffer) => this.put(octets));
    this.zstd.on("error", (error) => this.fail(error));
  }

  /** Rejects when the disk does not take it. */
  async write(octets: Uint8Array): Promise<void> {
    this.isDirty = true;
    await new Promise<void>((resolve) => this.zstd.write(octets, () => resolve()));
    this.check();
  }

  /** Has all that was written on disk. */
  async flush(): Promise<void> {
    if (!this.isDirty) return;
    this.isDirty = false;
    await new Promise<void>((resolve) => this.zstd.flush(constants.ZSTD_e_flush, resolve));
    this.check();
  }

  /** The state is complete. */
  async whole(): Promise<void> {
    await this.flush();
    renameSync(`${this.name}${PARTIAL}`, this.name);
    this.isNamed = true;
  }

  async end(): Promise<void> {
    if (this.problem === null) {
      await new Promise<void>((resolve) => {
        this.zstd.once("end", resolve).once("error", () => resolve());
        this.zstd.end();
      });
    }
    this.close();
  }

  /** What was put on disk stays, if the state is complete: up to there it can be read. */
  close(): void {
    this.zstd.destroy();
    closeSync(this.descriptor);
    if (!this.isNamed) rmSync(`${this.name}${PARTIAL}`, { force: true });
  }

  private check(): void {
    if (this.problem !== null) throw this.problem;
  }

  private fail(error: Error): void {
    this.problem ??= error;
  }

  private put(octets: Buffer): void {
    // Behind a piece that is missing nothing is of use.
    if (this.problem !== null) return;
    try {
      for (let at = 0; at < octets.length; ) {
        at += writeSync(this.descriptor, octets, at, octets.length - at);
      }
      this.octets += octets.length;
    } catch (error) {
      this.fail(error as Error);
    }
  }
}

const { config, memory } = workerData as RecordInput;
const { directory } = config;
const words = new LogWords(memory);
let open: OpenFile | null = null;
/** Nothing is written before a file is begun. */
let isBroken = false;

async function newFile(head: RecordHead): Promise<OpenFile> {
  mkdirSync(directory, { recursive: true, mode: FOLDER_MODE });
  assertPrivateFolder(path.join(directory, "record"));
  await lockFolder();
  for (const file of partialFiles(directory)) {
    const { mtimeMs = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
    if (Math.abs(Date.now() - mtimeMs) > PARTIAL_MS) rmSync(file, { force: true });
  }
  const sequence = (recordFiles(directory).at(-1)?.sequence ?? 0) + 1;
  return new OpenFile(path.join(directory, recordName(sequence, head.atMs)));
}

/** Held until the thread ends: files of two speakers among each other would show the one what the other one did. */
let lock: number | null = null;

/** Throws when another speaker writes there, and does so for longer than one that is ending. */
async function lockFolder(): Promise<void> {
  const name = path.join(directory, LOCK);
  if (lock !== null && statSync(name, { throwIfNoEntry: false })?.ino === fstatSync(lock).ino)
    return;
  if (lock !== null) closeSync(lock);
  lock = null;
  const descriptor = openSync(name, "a", FILE_MODE);
  const endMs = performance.now() + LOCK_MS;
  try {
    while (!flock(descriptor)) {
      if (performance.now() > endMs) throw new Error(`another speaker records in ${directory}`);
      await sleep(LOCK_LOOK_MS);
    }
    lock = descriptor;
  } finally {
    if (lock === null) closeSync(descriptor);
  }
}

/** Tells what there is, and removes what is too old or too much. */
function look(failed: string | null = null): void {
  let files: RecordFile[] = [];
  let octets = 0;
  try {
    files = recordFiles(directory);
    const partial = partialFiles(directory).reduce((sum, file) => sum + octetsOf(file), 0);
    octets = partial + files.reduce((sum, { file }) => sum + octetsOf(file), 0);
    // The last one is in use; of the one before the state alone may be too old.
    while (files.length > 1) {
      const [first, second] = files as [RecordFile, RecordFile];
      const isOld = second.startMs < Date.now() - config.keepMs;
      if (!isOld && octets <= config.octetsMax) break;
      octets -= octetsOf(first.file);
      rmSync(first.file, { force: true });
      files.shift();
    }
  } catch {
    // There is no folder yet, or it is said why the next file cannot be begun.
  }
  const fromMs = files[0]?.startMs ?? null;
  const fileOctets = open?.octets ?? 0;
  // What is written to a file that somebody has removed is nowhere.
  if (open?.isNamed === true && !files.some(({ file }) => file === open?.name)) {
    fail(new Error(`${open.name} is gone`));
    return;
  }
  parentPort!.postMessage({
    ...{ failed, octets, fileOctets, files: files.length, fromMs },
  } satisfies RecordNews);
}

async function follow(order: RecordOrder): Promise<void> {
  switch (order.do) {
    case "begin":
      await open?.end();
      open = null;
      open = await newFile(order.head);
      await open.write(frameOf("recordHead", order.head));
      break;
    case "write":
      await open?.write(order.octets);
      break;
    case "whole":
      await open?.whole();
      look();
      break;
    case "end": {
      const ended = open;
      open = null;
      await ended?.end();
      break;
    }
  }
}

function fail(error: unknown): void {
  isBroken = true;
  const given = open;
  open = null;
  try {
    given?.close();
  } catch {
    // What failed first is what there is to say.
  }
  look((error as Error).message);
}

async function carryOut(order: RecordOrder | "exit" | "flush"): Promise<void> {
  if (order === "exit") {
    await open?.end();
    process.exit();
  }
  if (order === "flush") {
    await open?.flush();
    look();
    return;
  }
  words.see(order.turn);
  if (order.do === "begin") isBroken = false;
  const isDue = order.do === "end" || !(isBroken || words.isStale);
  if (isDue) await follow(order);
}

/** One after the other. */
let last: Promise<void> = Promise.resolve();

function take(order: RecordOrder | "exit" | "flush"): void {
  last = last
    .then(() => carryOut(order))
    .catch(fail)
    .then(() => {
      if (typeof order !== "string" && order.do === "write") words.written(order.octets.length);
    });
}

giveWay(NICE);
setInterval(() => take("flush"), FLUSH_MS);
parentPort!.on("message", take);
