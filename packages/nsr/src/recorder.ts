/**
 * Records what a side does that acts: it follows as a mirror does, and what it is sent goes to disk in place of a
 * machine. The side itself waits for none of that.
 *
 *     waiting    for another state that is being sent, or some time after the disk has failed or was too slow
 *     beginning  a file is begun with the state
 *     going      what comes is written behind it, with its times
 *
 * A file ends after some time, or when it is large, and another one begins, once all is out that the other one's state
 * has: until then the first one is gone on with. A disk that does not take what it is given
 * costs what is missed: the record goes on with a file that begins later.
 */

import { setTimeout as sleep } from "node:timers/promises";
import type { RecordConfig } from "@ts-bgp/config";
import { frameOf, type MirrorHooks } from "@ts-bgp/replication";
import type { LogEvent } from "@ts-bgp/speaker";
import { programDigest } from "./build.ts";
import type { Mirrored } from "./mirror-server.ts";
import { type RecordNews, RecordThread } from "./record-thread.ts";
import { inTurns, prepared } from "./state-transfer.ts";
import { newStream } from "./stream.ts";

/** Octets of a state that may wait for the thread. */
const STATE_OCTETS_MAX = 1 << 22;
const ROOM_MS = 10;
/** How exactly it is known when something was. */
const MARK_MS = 20;
/** What has come within such a time goes to the thread together. */
const GATHER_MS = 100;
const LOOK_MS = 1000;
/** A clock that goes back by more was set; by less it is only held. */
const BACK_MS = 1000;
/** Wait for another state that is being sent, and before a file is begun again after a failure, and at most. */
const BUSY_MS = 500;
const RETRY_MS = 5000;
const RETRY_MS_MAX = 600_000;
/** The thread says something at each look; after so many without a word the disk is one that stands still. */
const SILENT_LOOKS = 10;
/** A state that is not written by then is given up: it is in the way of other ones. */
const STATE_MS = 300_000;
/** Another state is begun no sooner than after so many times as long as the last one took. */
const REST = 3;
/** A file ends at so many octets of brackets, or a multiple of its state: they take time to be run. */
const FILE_OCTETS_MAX = 1 << 28;
const FILE_STATES_MAX = 4;
/** And at this part of what is kept, since the oldest file goes as a whole. */
const FILE_PARTS = 8;

/** A record, for people. */
export interface ShownRecord {
  directory: string;
  state: "waiting" | "beginning" | "going";
  /** Why nothing is written down now; empty when it is. */
  problem: string;
  /** What there is on disk: the oldest of it, and how much in how many files. */
  from_ms: number | null;
  files: number;
  octets: number;
  /** Octets that were compressed and written, before that, since its thread has begun; and those that wait for it. */
  taken_octets: number;
  behind_octets: number;
  /** Files that were begun by this process, and times that something was missed. */
  begun: number;
  missed: number;
}

export interface RecorderOptions {
  readonly software: string;
  readonly log: (event: LogEvent) => void;
}

export class Recorder {
  private readonly options: RecorderOptions;
  /** Of what runs: the files may be those of a newer version later. */
  private readonly build = programDigest();
  private recording: Recording | null = null;
  /** Those that were before. */
  private stopping: Promise<unknown> = Promise.resolve();

  /** To be made when the process starts. */
  constructor(options: RecorderOptions) {
    this.options = options;
  }

  /** From now on this is recorded, as its configuration says; null for nothing. */
  use(recorded: Mirrored | null, config: RecordConfig | null): void {
    const { recording } = this;
    const isSame =
      recording !== null &&
      recording.recorded.mirrors === recorded?.mirrors &&
      JSON.stringify(recording.config) === JSON.stringify(config);
    if (isSame) return;
    if (recording !== null) this.stopping = Promise.all([this.stopping, recording.stop()]);
    this.recording = null;
    if (recorded === null || config === null) return;
    this.recording = new Recording(recorded, config, { ...this.options, build: this.build });
    this.recording.start();
  }

  /** Null where nothing is recorded. */
  get shown(): ShownRecord | null {
    return this.recording?.shown ?? null;
  }

  /** Resolves when all is on disk, unless that takes too long. */
  async stop(): Promise<void> {
    this.use(null, null);
    await this.stopping;
  }
}

class Recording {
  readonly recorded: Mirrored;
  readonly config: RecordConfig;
  private readonly options: RecorderOptions & { readonly build: string };
  private thread: RecordThread;
  private isThreadDead = false;
  /** Of the file at hand among mirrors. */
  private name = "";
  /** The one that takes its place, once this bracket is out, which is the last one of its state. */
  private next: { readonly name: string; readonly number: number } | null = null;
  private state: ShownRecord["state"] = "waiting";
  private problem = "";
  private news: RecordNews = { failed: null, octets: 0, fileOctets: 0, files: 0, fromMs: null };
  private begun = 0;
  private missed = 0;
  /** Counts files that were begun or given up: what was under way for one before is of no use. */
  private turn = 0;
  private frames: Uint8Array[] = [];
  private timer: NodeJS.Timeout | null = null;
  private looks: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private retryMs = RETRY_MS;
  private isPumping = false;
  private isBeginning = false;
  private isMarking = false;
  private isOver = false;
  /** Time of what was written last. */
  private markedMs = 0;
  private backMs = 0;
  /** Of the file at hand. */
  private beganMs = 0;
  /** When the last state was begun, and how long it took. */
  private joinedMs = 0;
  private stateMs = 0;
  /** Octets that the thread has taken, and looks since it has said or taken something. */
  private writtenOctets = 0;
  private silentLooks = 0;
  private octets = 0;
  private stateOctets = 0;
  private stateFileOctets = 0;

  constructor(recorded: Mirrored, config: RecordConfig, options: Recording["options"]) {
    this.recorded = recorded;
    this.config = config;
    this.options = options;
    this.thread = this.newThread();
  }

  private newThread(): RecordThread {
    this.isThreadDead = false;
    this.silentLooks = 0;
    return new RecordThread(
      this.config,
      (news) => this.told(news),
      (reason) => this.died(reason),
    );
  }

  start(): void {
    this.looks = setInterval(() => this.look(), LOOK_MS).unref();
    void this.begin();
  }

  async stop(): Promise<void> {
    this.isOver = true;
    clearInterval(this.looks);
    clearTimeout(this.retry);
    this.endFile();
    this.leaveNext();
    await this.thread.exit();
  }

  get shown(): ShownRecord {
    const { config, state, problem, news, begun, missed, thread } = this;
    const waiting = this.frames.reduce((octets, { length }) => octets + length, 0);
    return {
      ...{ directory: config.directory, state, problem, begun, missed },
      ...{ from_ms: news.fromMs, files: news.files, octets: news.octets },
      ...{ taken_octets: thread.writtenOctets, behind_octets: thread.waitingOctets + waiting },
    };
  }

  private readonly hooks: MirrorHooks = {
    send: (_to, frame) => this.sent(frame),
    backlogOf: () => this.thread.waitingOctets,
    wake: (to) => (to === this.next?.name ? this.goOver() : void this.pump(this.turn)),
    drop: (_to, reason, why) => this.dropped(reason, why),
  };

  /** Begins a file, once it can be. */
  private async begin(): Promise<void> {
    const { mirrors, machine } = this.recorded;
    clearTimeout(this.retry);
    if (this.isOver || this.isBeginning || this.next !== null) return;
    if (mirrors.isSendingState) {
      this.beginIn(BUSY_MS);
      return;
    }
    if (this.isSilent && !this.isThreadDead) {
      this.beginIn(RETRY_MS);
      return;
    }
    const turn = ++this.turn;
    this.isBeginning = true;
    try {
      const room = await prepared(machine, () => turn === this.turn && !this.isOver);
      if (turn !== this.turn || this.isOver) return;
      this.join(room);
    } catch (error) {
      // There may be no memory for it.
      this.failed((error as Error).message);
      return;
    } finally {
      this.isBeginning = false;
    }
  }

  private beginIn(ms: number): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.begin(), ms).unref();
  }

  /** The next file has the state of now, and what is in the one at hand is what is out. */
  private join(room: Awaited<ReturnType<typeof prepared>>): void {
    const { mirrors } = this.recorded;
    const number = this.recorded.commit();
    // No other mirror has that name by chance.
    const name = `record ${newStream()}`;
    mirrors.join(name, { stream: 0, lacks: 0 }, number, room, this.hooks);
    this.next = { name, number };
    this.joinedMs = performance.now();
    if (mirrors.last >= number) this.goOver();
  }

  /** All is out that the state of the next file has: it takes the place of the one at hand. */
  private goOver(): void {
    const { mirrors, epoch, side } = this.recorded;
    const { name } = this.next!;
    this.endFile();
    // The end of the file at hand may have been too much.
    if (this.next === null) return;
    this.next = null;
    this.turn++;
    this.name = name;
    if (this.isThreadDead) this.thread = this.newThread();
    const { software, build } = this.options;
    const { backMs } = this;
    const atMs = Date.now();
    this.thread.begin({ side, software, build, stream: mirrors.stream, epoch, atMs, backMs });
    this.backMs = 0;
    this.beganMs = performance.now();
    this.markedMs = atMs;
    this.octets = 0;
    this.stateOctets = 0;
    this.state = "beginning";
    this.begun++;
    void this.pump(this.turn);
  }

  private leaveNext(): void {
    if (this.next !== null) this.recorded.mirrors.leave(this.next.name);
    this.next = null;
  }

  /** The file at hand is complete, up to now. */
  private endFile(): void {
    if (this.state !== "going" && this.state !== "beginning") return;
    const isWhole = this.state === "going";
    if (isWhole) this.mark(Date.now());
    this.recorded.mirrors.leave(this.name);
    this.letGo();
    if (isWhole) this.thread.end();
    else this.thread.giveUp();
    this.state = "waiting";
  }

  /** Sends the state, with what comes up behind it, as the thread takes it. */
  private async pump(turn: number): Promise<void> {
    if (this.isPumping) return;
    this.isPumping = true;
    const { mirrors } = this.recorded;
    const { name, thread } = this;
    const isWanted = () => turn === this.turn && !this.isOver;
    let isOver = false;
    const step = () => {
      if (thread.waitingOctets > STATE_OCTETS_MAX) return false;
      const more = mirrors.pump(name);
      isOver = !more;
      if (this.state === "beginning" && !mirrors.isSendingStateTo(name)) this.whole();
      return more;
    };
    try {
      while (isWanted() && !isOver) {
        await inTurns(isWanted, step);
        if (isWanted()) this.mark(Date.now());
        if (!isOver) await sleep(ROOM_MS, null, { ref: false });
      }
    } catch (error) {
      if (isWanted()) this.failed(`its state cannot be written: ${(error as Error).message}`);
    }
    this.isPumping = false;
    // Another file may have been begun meanwhile.
    if (turn !== this.turn && this.state === "beginning") void this.pump(this.turn);
  }

  private whole(): void {
    this.letGo();
    this.thread.whole();
    this.state = "going";
    this.stateOctets = this.octets;
    this.stateFileOctets = 0;
    this.stateMs = performance.now() - this.joinedMs;
    this.retryMs = RETRY_MS;
    if (this.begun === 1 || this.problem !== "") {
      const mb = (this.stateOctets / 1e6).toFixed(1);
      this.say("info", `the record in ${this.config.directory} goes on with a state of ${mb} MB`);
    }
    this.problem = "";
  }

  private sent(frame: Uint8Array): void {
    // What waited behind the state has its times among it.
    if (this.state === "going" && !this.isPumping && !this.isMarking) {
      const nowMs = Date.now();
      const isHeld = nowMs < this.markedMs + MARK_MS && nowMs >= this.markedMs - BACK_MS;
      if (!isHeld) this.add(this.timeFrame(nowMs));
    }
    this.add(frame);
    if (this.isPumping) this.letGo();
  }

  /** What has come up to now was before this time. */
  private mark(nowMs: number): void {
    this.isMarking = true;
    this.recorded.mirrors.tell(this.name, this.timeFrame(nowMs));
    this.isMarking = false;
  }

  private timeFrame(nowMs: number): Uint8Array {
    if (nowMs < this.markedMs - BACK_MS) this.backMs = this.markedMs - nowMs;
    this.markedMs = Math.max(this.markedMs, nowMs);
    return frameOf("recordTime", { atMs: this.markedMs });
  }

  private add(frame: Uint8Array): void {
    this.octets += frame.length;
    this.frames.push(frame);
    this.timer ??= setTimeout(() => this.letGo(), GATHER_MS);
  }

  private letGo(): void {
    const { frames, timer } = this;
    if (timer !== null) clearTimeout(timer);
    this.timer = null;
    if (frames.length === 0) return;
    this.frames = [];
    const octets = Buffer.concat(frames);
    // Small buffers share their memory with others.
    const isWhole = octets.buffer.byteLength === octets.length;
    this.thread.write(isWhole ? octets : new Uint8Array(octets));
  }

  private look(): void {
    const { writtenOctets } = this.thread;
    this.silentLooks = writtenOctets === this.writtenOctets ? this.silentLooks + 1 : 0;
    this.writtenOctets = writtenOctets;
    const isTaken = this.state === "beginning" || this.next !== null;
    if (isTaken && performance.now() > this.joinedMs + STATE_MS) {
      // The file at hand is good: nothing is let out of late, so the next one cannot begin.
      if (this.state === "going") this.leaveNext();
      else this.failed(`its state was not written in ${STATE_MS / 1000} s`);
    }
    if (this.state === "waiting") return;
    if (this.isSilent) {
      this.failed(`the disk is too slow: it has taken nothing for ${SILENT_LOOKS} s`);
      return;
    }
    this.mark(Date.now());
    if (this.state === "going" && this.isDue) void this.begin();
  }

  /** Looks go by as the thread that routes does, so that one that was halted does not find the other one silent. */
  private get isSilent(): boolean {
    return this.silentLooks > SILENT_LOOKS;
  }

  private get isDue(): boolean {
    const { config, octets, stateOctets, news } = this;
    if (this.isPumping || this.next !== null) return false;
    if (this.backMs > 0) return true;
    const sinceMs = performance.now() - this.beganMs;
    if (sinceMs < (1 + REST) * this.stateMs) return false;
    const behind = octets - stateOctets;
    const most = Math.max(FILE_OCTETS_MAX, FILE_STATES_MAX * stateOctets);
    const isLarge = news.fileOctets - this.stateFileOctets > config.octetsMax / FILE_PARTS;
    return sinceMs >= config.everyMs || behind > most || isLarge;
  }

  private told(news: RecordNews): void {
    this.news = news;
    this.silentLooks = 0;
    if (this.stateFileOctets === 0 && this.state === "going") {
      this.stateFileOctets = news.fileOctets;
    }
    if (news.failed !== null && !this.isOver) this.failed(news.failed);
  }

  private died(reason: string): void {
    this.isThreadDead = true;
    if (!this.isOver) this.failed(reason);
  }

  private dropped(reason: string, why: "slow" | "secret"): void {
    if (why === "slow") {
      this.failed(`the disk is too slow: ${reason}`);
      return;
    }
    // What has come up to now stays, and another state has the change in it.
    if (this.state === "going" && !this.isPumping) this.add(this.timeFrame(Date.now()));
    this.endFile();
    this.say("info", "another file begins: a secret is another one, which is not written down");
    // What is made for another one has the change in it; a bracket that is at hand does not end here.
    if (this.next === null && !this.isBeginning) this.beginIn(0);
  }

  private failed(reason: string): void {
    this.turn++;
    this.recorded.mirrors.leave(this.name);
    this.leaveNext();
    this.frames = [];
    this.letGo();
    this.thread.giveUp();
    this.state = "waiting";
    this.missed++;
    if (this.problem !== reason) this.say("warn", `nothing is recorded: ${reason}`);
    this.problem = reason;
    this.beginIn(this.retryMs);
    this.retryMs = Math.min(RETRY_MS_MAX, 2 * this.retryMs);
  }

  private say(level: LogEvent["level"], message: string): void {
    this.options.log({ id: "record", level, neighbor: null, message, fields: {} });
  }
}
