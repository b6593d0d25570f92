/**
 * What a standby has stored, on disk as well, so that its next start need be sent only what it lacks.
 *
 * A log is begun with the state as this side has it, when it has run all that came, and goes on with brackets as
 * they come. One that has grown to its bound is begun anew beside itself. A disk that fails, or takes too long, costs
 * the log, and nothing else: it is begun anew later.
 *
 *     off      nothing is to be kept: not configured, no active is followed, or it keeps nothing for this
 *     waiting  for a state that has run all that has come, or some time after a failure
 *     going    what comes is written
 *
 * The next start reads the file, see `readLog`. What it has read is of use to the very active that it came from, and
 * only as long as that one has all brackets behind it: the active compares the number of its stream.
 */

import { setTimeout as sleep } from "node:timers/promises";
import {
  type CaptureRoom,
  frameOf,
  ImageQueue,
  type LogHead,
  type LogReader,
  machineCapture,
  type Standby,
} from "@ts-bgp/replication";
import { type LogEvent, nowMs } from "@ts-bgp/speaker";
import { LogThread } from "./log-thread.ts";
import { readLog } from "./read-log.ts";
import { inTurns, prepared } from "./state-transfer.ts";

/** Octets that may wait for the disk before the log is given up. */
const WAITING_OCTETS_MAX = 1 << 26;
/** Octets of a state that may wait for it; brackets come beside that. */
const STATE_OCTETS_MAX = 1 << 22;
const ROOM_MS = 10;
/** Wait before a log that has failed is begun anew; twice as long each further time. */
const RETRY_MS = 5000;
const RETRY_MS_MAX = 600_000;

/** A log, for people. */
export interface ShownLog {
  /** Empty where none is configured. */
  file: string;
  /** Octets of the file; 0 when what comes is not written. */
  octets: number;
  /** Why there is none; empty when there is one, or will be in a moment. */
  problem: string;
}

export const NO_LOG: ShownLog = { file: "", octets: 0, problem: "" };

export interface LogPlace {
  readonly file: string;
  /** Octets of brackets from which on it is begun anew, if the state is no larger. */
  readonly octetsMax: number;
}

export class StandbyLog {
  private readonly place: LogPlace;
  private readonly say: (level: LogEvent["level"], message: string) => void;
  /** Null before anything was written. */
  private thread: LogThread | null = null;
  /** What was read at the start, until somebody goes on with it. */
  private read: LogReader | null = null;
  private hasRead = false;
  /** Of the active that is followed; null when nothing is to be kept. */
  private head: LogHead | null = null;
  private isGoing = false;
  /** Frames for the file that were not handed to the thread. */
  private frames: Uint8Array[] = [];
  /** A state on its way to a new file, with what has come meanwhile. */
  private queue: ImageQueue | null = null;
  /** Made ready for a state. */
  private room: CaptureRoom | null = null;
  private isPreparing = false;
  private stateOctets = 0;
  private octets = 0;
  /** Counts what was given up. */
  private turn = 0;
  private problem = "";
  private retryMs = RETRY_MS;
  private notBeforeMs = 0;

  constructor(place: LogPlace, say: (level: LogEvent["level"], message: string) => void) {
    this.place = place;
    this.say = say;
  }

  get shown(): ShownLog {
    const { thread, isGoing } = this;
    const isThere = isGoing && thread?.hasFile === true;
    const octets = isThere ? Math.max(0, this.octets - thread.waitingOctets) : 0;
    return { file: this.place.file, octets, problem: this.problem };
  }

  /**
   * Reads the log that is there, once.
   *
   * @param owner - what it has to be of
   * @param ended - how the process before has ended of its own doing; empty when it has not: what it had is not
   *   trusted then
   * @returns what was read, and nobody has gone on with; null when there is nothing
   */
  async load(
    owner: Pick<LogHead, "cluster" | "side" | "build">,
    hasOthers: boolean,
    ended: string,
  ): Promise<LogReader | null> {
    if (this.hasRead) return this.read;
    this.hasRead = true;
    const { file } = this.place;
    const beganMs = nowMs();
    try {
      if (ended !== "") throw new Error(`the process that wrote it has ended by ${ended}`);
      this.read = await readLog(file, owner, hasOthers);
    } catch (error) {
      this.say("warn", `the log ${file} is of no use: ${(error as Error).message}`);
      this.remove();
    }
    if (this.read !== null) {
      const { octets, standby } = this.read;
      const took = `${octets} octets, in ${Math.round(nowMs() - beganMs)} ms`;
      this.say("info", `the log ${file} was read up to bracket ${standby.number}: ${took}`);
    }
    return this.read;
  }

  /** An active is followed that sends its state. @param head - null when nothing of it is to be kept */
  joins(head: LogHead | null): void {
    if (this.read !== null)
      this.say("info", "the active side sends its state: the log is begun anew");
    this.rest();
    this.read = null;
    this.head = head;
    if (head === null) this.remove();
  }

  /** The same of one that goes on behind what this side has. @param read - what was read, if that is so */
  goesOn(head: LogHead | null, read: LogReader | null): void {
    this.read = null;
    this.head = head;
    if (head === null) {
      this.remove();
      return;
    }
    if (read !== null) {
      this.octets = read.octets;
      this.stateOctets = read.imageOctets;
      this.isGoing = true;
      this.disk.goOn(read.octets);
    }
    this.add(frameOf("logHead", head));
    this.flush();
  }

  /** A bracket was stored. */
  add(frame: Uint8Array): void {
    this.queue?.add(frame);
    if (this.isGoing) this.frames.push(frame);
  }

  /** What was added is enough for the disk. */
  flush(): void {
    const { frames } = this;
    if (frames.length === 0) return;
    this.frames = [];
    this.write("log", Buffer.concat(frames));
    if (this.disk.waitingOctets > WAITING_OCTETS_MAX) this.failed("the disk is too slow");
  }

  /** A standby has run all that it has stored: this may be the time to begin a log. */
  calm(standby: Standby): void {
    const isLarge =
      this.octets - this.stateOctets > Math.max(this.place.octetsMax, this.stateOctets);
    const isWanted = this.head !== null && (!this.isGoing || isLarge);
    if (!isWanted || this.queue !== null || this.isPreparing || nowMs() < this.notBeforeMs) return;
    const { room, turn } = this;
    if (room === null) {
      this.isPreparing = true;
      void prepared(standby.follows!, () => turn === this.turn).then((made) => {
        this.isPreparing = false;
        if (turn === this.turn) this.room = made;
      });
      return;
    }
    this.room = null;
    try {
      this.begin(standby, room);
    } catch (error) {
      // There may be no memory for it.
      this.failed((error as Error).message);
    }
  }

  /** Nothing more is kept, and what was kept is of no use. */
  remove(): void {
    this.head = null;
    this.read = null;
    this.rest();
    this.disk.remove();
  }

  async exit(): Promise<void> {
    this.flush();
    this.rest();
    await this.thread?.exit();
  }

  /** The thread begins with the first that there is to do. */
  private get disk(): LogThread {
    this.thread ??= new LogThread(this.place.file, (reason) => this.failed(reason));
    return this.thread;
  }

  /** What is there stays, and nothing is added to it. */
  private rest(): void {
    this.turn++;
    this.isGoing = false;
    this.isPreparing = false;
    this.queue = null;
    this.room = null;
    this.frames = [];
  }

  private begin(standby: Standby, room: CaptureRoom): void {
    const { disk, turn } = this;
    const queue = new ImageQueue(
      machineCapture(standby.follows!, true, room),
      standby.number + 1,
      false,
    );
    this.flush();
    this.queue = queue;
    disk.begin();
    disk.write("next", frameOf("logHead", this.head!));
    void this.send(queue, turn);
  }

  private async send(queue: ImageQueue, turn: number): Promise<void> {
    const isWanted = () => turn === this.turn && queue === this.queue;
    let octets = 0;
    let isOver = false;
    const step = () => {
      if (this.disk.waitingOctets > STATE_OCTETS_MAX) return false;
      const frame = queue.next();
      isOver = frame === null;
      if (frame === null) return false;
      octets += frame.length;
      this.write("next", Buffer.from(frame));
      return true;
    };
    while (isWanted() && !isOver) {
      await inTurns(isWanted, step);
      if (!isOver) await sleep(ROOM_MS, null, { ref: false });
    }
    if (!isWanted()) return;
    // What is not written yet is in the new file as well.
    this.flush();
    this.disk.swap();
    this.queue = null;
    const isFirst = !this.isGoing;
    this.isGoing = true;
    this.octets = octets;
    this.stateOctets = octets;
    this.problem = "";
    this.retryMs = RETRY_MS;
    const how = isFirst ? "begins" : "is begun anew";
    this.say("info", `the log ${this.place.file} ${how} with a state of ${octets} octets`);
  }

  private write(to: "log" | "next", octets: Buffer<ArrayBuffer>): void {
    if (to === "log") this.octets += octets.length;
    // Small buffers share their memory with others.
    const isWhole = octets.buffer.byteLength === octets.length;
    this.disk.write(to, isWhole ? octets : new Uint8Array(octets));
  }

  private failed(reason: string): void {
    this.rest();
    this.disk.remove();
    this.notBeforeMs = nowMs() + this.retryMs;
    this.retryMs = Math.min(RETRY_MS_MAX, 2 * this.retryMs);
    if (this.problem !== reason) this.say("warn", `no log is kept: ${reason}`);
    this.problem = reason;
  }
}
