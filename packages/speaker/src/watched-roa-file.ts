/** A file of validated ROA payloads, read again whenever it changes. */

import { once } from "node:events";
import { stat } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import type { RoaFileConfig } from "@ts-bgp/config";
import type { RoaFile, SourceEnd } from "@ts-bgp/rpki";
import type { FeedHooks, ShownFeed } from "./feed.ts";
import { type UnusableRoaFile, unread } from "./read-roa-file.ts";

const LOOK_MS = 1000;
/** Of a file: it does not expire, nor does it go on where it was. */
const END: SourceEnd = {
  version: 0,
  session: null,
  serial: 0,
  refreshSeconds: 0,
  retrySeconds: 0,
  expireSeconds: 0,
  isWhole: true,
};

export class WatchedRoaFile {
  readonly config: RoaFileConfig;
  private readonly hooks: FeedHooks;
  private state: "waiting" | "reading" | "read" = "waiting";
  private problem: string | null = null;
  /** What the file looked like when it was read last. */
  private seen: string | null = null;
  private lookMs = 0;
  private isLooking = false;
  private isOver = false;
  /** What was read and has not been handed on. */
  private pieces: Uint8Array[] | null = null;

  constructor(config: RoaFileConfig, hooks: FeedHooks) {
    this.config = config;
    this.hooks = hooks;
  }

  /** To be called several times a second. */
  tick(): void {
    this.resume();
    const now = performance.now();
    if (this.isLooking || this.pieces !== null || now < this.lookMs) return;
    this.lookMs = now + LOOK_MS;
    this.isLooking = true;
    void this.look().finally(() => {
      this.isLooking = false;
    });
  }

  /** There may be room for more: hands on a piece, and has the next one follow. */
  resume(): void {
    const { pieces, hooks } = this;
    if (pieces === null || this.isOver || !hooks.mayWork()) return;
    const { file } = this.config;
    const piece = pieces.shift();
    if (piece !== undefined) {
      hooks.payloads(file, false, piece);
      setImmediate(() => this.resume());
      return;
    }
    this.pieces = null;
    this.state = "read";
    hooks.payloadsEnd(file, END);
  }

  stop(): void {
    this.isOver = true;
  }

  show(): ShownFeed {
    const { state, problem, config } = this;
    return { source: config.file, state, version: null, problem };
  }

  private async look(): Promise<void> {
    const { file } = this.config;
    let looks: string;
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file);
      looks = `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.fail(code === "ENOENT" ? "there is no such file" : message);
      this.seen = null;
      return;
    }
    if (looks === this.seen || this.isOver) return;
    this.seen = looks;
    this.state = "reading";
    const read = await readApart(file);
    if (this.isOver) return;
    if ("problem" in read) {
      this.state = "waiting";
      if (read.isUnread) this.seen = null;
      this.fail(read.problem);
      return;
    }
    this.problem = null;
    this.hooks.say("info", file, `${read.count} ROAs, ${read.aspas} ASPAs`);
    this.hooks.payloads(file, true, new Uint8Array(0));
    this.pieces = [...read.pieces];
    this.resume();
  }

  private fail(problem: string): void {
    if (problem !== this.problem) this.hooks.say("warn", this.config.file, problem);
    this.problem = problem;
  }
}

async function readApart(file: string): Promise<RoaFile | UnusableRoaFile> {
  const worker = new Worker(new URL("./roa-file-worker.ts", import.meta.url), { workerData: file });
  try {
    const [read] = (await once(worker, "message")) as [RoaFile | UnusableRoaFile];
    return read;
  } catch (error) {
    return unread((error as Error).message);
  }
}
