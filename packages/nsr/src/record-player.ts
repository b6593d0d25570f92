/**
 * What was, out of a record: the last state before a time, with all run that came behind it until then. It takes no
 * speaker, and changes nothing.
 *
 * What cannot be said is an error with why: a time before or behind what is kept, one at which nothing was recorded, a
 * file that is damaged, or one of a program that does otherwise than this one.
 */

import {
  FormatError,
  type Machine,
  RecordedByNewer,
  RecordReader,
  ReplayDiffers,
} from "@ts-bgp/replication";
import { programDigest } from "./build.ts";
import { type RecordFile, recordFiles } from "./record-files.ts";
import { unpackedFile } from "./unpacked-file.ts";

/** Why it cannot be said what was; the message is for people. */
export class PlaybackError extends Error {}

/** Told now and then how far it is: time of what was run, and brackets so far. */
export type Progress = (file: string, atMs: number, brackets: number) => void;

const PROGRESS_MS = 1000;

/** One file, that is being run. */
export class Playback {
  readonly file: RecordFile;
  /** Nothing more is in the file. */
  isOver = false;
  private readonly reader: RecordReader = new RecordReader();
  private readonly pieces: AsyncGenerator<Buffer, void>;

  constructor(file: RecordFile) {
    this.file = file;
    this.pieces = unpackedFile(file.file);
  }

  /** The state after what was run. @throws PlaybackError before there is one */
  get machine(): Machine {
    const { machine } = this.reader;
    if (machine === null) throw new PlaybackError(`${this.file.file}: its state is not complete`);
    return machine;
  }

  /** What there is is as of this time. */
  get atMs(): number {
    return this.reader.atMs;
  }

  get counts(): Readonly<Record<"brackets" | "digests" | "octets", number>> {
    const { brackets, digests, octets } = this.reader;
    return { brackets, digests, octets };
  }

  /** How far the clock was set back since the file before. */
  get backMs(): number {
    return this.reader.head?.backMs ?? 0;
  }

  /** Number of the last bracket, and of which active. */
  get place(): { stream: number; epoch: number; number: number } {
    const { stream = 0, epoch = 0 } = this.reader.head ?? {};
    return { stream, epoch, number: this.reader.number };
  }

  /** Version that has recorded it, for people, and whether its files are those of this program. */
  get recordedBy(): { software: string; isThis: boolean } {
    const { software = "", build = "" } = this.reader.head ?? {};
    return { software, isThis: build === programDigest() };
  }

  /** Reads the state that the file begins with, and nothing behind it. @throws PlaybackError */
  async begin(): Promise<void> {
    while (this.reader.machine === null) {
      const step = this.step(Number.NEGATIVE_INFINITY);
      if (step === "lacks" && !(await this.readOn())) break;
    }
    void this.machine;
  }

  /**
   * Runs on.
   *
   * @param untilMs - milliseconds since 1970
   * @param each - called after each bracket
   * @returns whether there is something later in the file: then the state is that of this time
   * @throws PlaybackError
   */
  async to(
    untilMs: number,
    progress: Progress | null = null,
    each: (() => void) | null = null,
  ): Promise<boolean> {
    const { reader, file } = this;
    let toldMs = performance.now();
    for (;;) {
      const step = this.step(untilMs);
      if (step === "later") return true;
      if (step === "bracket") each?.();
      if (step === "lacks" && !(await this.readOn())) break;
      if (progress === null || performance.now() < toldMs + PROGRESS_MS) continue;
      toldMs = performance.now();
      progress(file.file, reader.atMs, reader.brackets);
    }
    this.isOver = true;
    return false;
  }

  async close(): Promise<void> {
    await this.pieces.return();
  }

  private step(untilMs: number): ReturnType<RecordReader["step"]> {
    try {
      return this.reader.step(untilMs);
    } catch (error) {
      if (error instanceof ReplayDiffers) throw this.differs(error);
      if (error instanceof RecordedByNewer) throw this.unknown(error);
      // Bad octets may ask for more memory than there is.
      if (!(error instanceof FormatError || error instanceof RangeError)) throw error;
      throw this.damaged(error);
    }
  }

  /** @returns false at the end of the file, or of what was written whole */
  private async readOn(): Promise<boolean> {
    try {
      const { value, done } = await this.pieces.next();
      if (done === true) return false;
      this.reader.push(value);
      return true;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code?.startsWith("ZSTD_") === true) throw this.damaged(error as Error);
      throw new PlaybackError(message);
    }
  }

  private damaged({ message }: Error): PlaybackError {
    const { file, reader } = this;
    const from = reader.machine === null ? "from its beginning" : `behind ${timeText(this.atMs)}`;
    return new PlaybackError(`${file.file} is damaged ${from}: ${message}`);
  }

  private unknown({ message }: RecordedByNewer): PlaybackError {
    const { software } = this.recordedBy;
    return new PlaybackError(`${this.file.file}: ${message}: ask with that one (${software})`);
  }

  private differs({ message }: ReplayDiffers): PlaybackError {
    const { software, isThis } = this.recordedBy;
    const who = isThis
      ? "by this very program: it is damaged, or the program is at fault"
      : `by another program (${software}): ask with that one`;
    return new PlaybackError(
      `${this.file.file} at ${timeText(this.atMs)}: ${message}, recorded ${who}`,
    );
  }
}

/** @returns a file whose state is there, and nothing behind it is run; to be closed. @throws PlaybackError */
export async function startPlayback(file: RecordFile): Promise<Playback> {
  const playback = new Playback(file);
  await playback.begin();
  return playback;
}

/** @returns a time for people, to a millisecond */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** @returns the files of a folder; @throws PlaybackError when there are none */
export function recordedIn(directory: string): RecordFile[] {
  let files: RecordFile[];
  try {
    files = recordFiles(directory);
  } catch (error) {
    throw new PlaybackError(`the record cannot be read: ${(error as Error).message}`);
  }
  if (files.length === 0) throw new PlaybackError(`${directory} has nothing that was recorded`);
  return files;
}

/**
 * @param atMs - milliseconds since 1970
 * @param note - is told what whoever asks should know of the answer
 * @returns what was at that time, which may be run on; to be closed
 * @throws PlaybackError
 */
export async function playTo(
  directory: string,
  atMs: number,
  progress: Progress | null = null,
  note: (text: string) => void = () => {},
): Promise<Playback> {
  const files = recordedIn(directory);
  const begun = files.filter(({ startMs }) => startMs <= atMs);
  if (begun.length === 0) {
    const oldest = Math.min(...files.map(({ startMs }) => startMs));
    throw new PlaybackError(
      `${timeText(atMs)} is before what is kept, which begins at ${timeText(oldest)}`,
    );
  }
  let problem: PlaybackError | null = null;
  for (const file of begun.reverse()) {
    const playback = new Playback(file);
    if (await playback.to(atMs, progress)) {
      void playback.machine;
      tellOfTwice(files, playback, atMs, problem !== null, note);
      return playback;
    }
    await playback.close();
    void playback.machine;
    problem ??= nothingAt(files, file, playback, atMs);
    // That time was once before, if the clock was set back.
    const before = files[files.indexOf(file) - 1];
    const wasBack = playback.backMs > 0 || (before !== undefined && before.startMs > file.startMs);
    if (!wasBack) break;
  }
  throw problem!;
}

function nothingAt(
  files: readonly RecordFile[],
  file: RecordFile,
  { atMs: endMs }: Playback,
  atMs: number,
): PlaybackError {
  const next = files[files.indexOf(file) + 1];
  if (next === undefined) {
    return new PlaybackError(
      `${timeText(atMs)} is behind what is recorded, which ends at ${timeText(endMs)}`,
    );
  }
  const gap = `from ${timeText(endMs)} to ${timeText(next.startMs)}`;
  return new PlaybackError(`nothing was recorded at ${timeText(atMs)}: ${gap} there is nothing`);
}

/** @param isFirst - a file behind this one does not reach the time */
function tellOfTwice(
  files: readonly RecordFile[],
  { file, backMs }: Playback,
  atMs: number,
  isFirst: boolean,
  note: (text: string) => void,
): void {
  const next = files[files.indexOf(file) + 1];
  if (isFirst && next !== undefined) {
    note(
      `the clock was set back at ${timeText(next.startMs)}: this is the first time that it was then`,
    );
  } else if (backMs > 0 && atMs <= file.startMs + backMs) {
    const back = `${Math.round(backMs / 1000)} s`;
    const when = timeText(file.startMs);
    note(`the clock was set back by ${back} at ${when}: this is the second time that it was then`);
  }
}
