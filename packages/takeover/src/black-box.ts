/**
 * What a process was at when it ended, in a file that outlives it: memory that is mapped from there, so
 * that what is noted costs a few stores, and that nothing can be lost of it but by the end of the host.
 *
 * A process that is killed says nothing; one that dies of its own doing, or that a watchdog ends by SIGABRT,
 * leaves the signal (noted by a few instructions of machine code: nothing else may run then), or that an exception
 * ended it. Only of the latter two is what it was at to blame.
 *
 *     0  32-bit word: "TSBX"       4  word: version of this layout
 *     8  word: number of the signal, 0 for none
 *    12  word: 1 when an exception has ended it
 *    16  word: what it goes by, for whoever wants to know whose notes they are; 0 for nothing
 *    20  word: how many before this one have ended so in a row, see `LastEnd`
 *    24  double: when this one began, milliseconds since 1970
 *    64  what the process notes
 */

import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import koffi from "koffi";
import { check, libc } from "./libc.ts";

const MAGIC = 0x5842_5354;
const VERSION = 2;
const WORD = { MAGIC: 0, VERSION: 1, SIGNAL: 2, EXCEPTION: 3, NAME: 4, ROW: 5 } as const;
const BEGAN_AT = 24;
const HEAD_OCTETS = 64;
/** One that has lived for so long begins a new row. */
const LONG_LIFE_MS = 600_000;
const MODE = 0o600;

const { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP } = os.constants.signals;
/** What a process does to itself. SIGABRT is also what it does for want of memory. */
const FATAL_SIGNALS = [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP];

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const CODE_OCTETS = 4096;
/** `struct sigaction` of Linux libraries on 64-bit machines: handler, mask, flags, and a pointer. */
const ACTION = { OCTETS: 152, HANDLER: 0, FLAGS: 136 } as const;
const TIMESPEC_OCTETS = 16;
const SA_RESETHAND = 0x8000_0000;

/** What a process left. */
export interface LastEnd {
  /** By what it ended, for people: "SIGABRT", "an exception". */
  readonly cause: string;
  /** What it went by, see `BlackBox.goBy`. */
  readonly name: number;
  /**
   * How many in a row have ended so, each soon after it began and before it went by anything, this one
   * included.
   */
  readonly row: number;
  /** What it had noted. */
  readonly notes: Uint8Array;
}

export class BlackBox {
  /** Where it is in memory, for `BlackBox.at` in another thread. */
  readonly address: bigint;
  /** For what the process notes; shared with the file. */
  readonly notes: Uint8Array;
  /** What the process before left; null when it did not end by its own doing. */
  readonly before: LastEnd | null;
  private readonly words: Int32Array;
  private readonly head: DataView;
  private readonly file: string;
  /** What was in the file before; null for no file. */
  private old: Uint8Array | null = null;

  private constructor(file: string, address: bigint, octets: number, before: LastEnd | null) {
    this.file = file;
    const memory = koffi.view(address, HEAD_OCTETS + octets);
    this.address = address;
    this.words = new Int32Array(memory, 0, HEAD_OCTETS / 4);
    this.head = new DataView(memory, 0, HEAD_OCTETS);
    this.notes = new Uint8Array(memory, HEAD_OCTETS);
    this.before = before;
  }

  /**
   * Opens the box of this process, with nothing in it. To be kept until the process ends.
   *
   * @param file - in a folder that nobody else can write to; made when it is not there
   * @param octets - of notes
   * @param lingerMs - how long the thread at which a fatal signal comes waits then, so that others of its
   *   process can say so
   * @throws Error when there is no room for it, or no such library
   */
  static open(file: string, octets: number, lingerMs: number): BlackBox {
    const before = readLastEnd(file);
    const old = before === null ? null : readFileSync(file);
    // Another file: who has the old one mapped and runs must find it as it was. With all its octets
    // written: a store for which the disk has no room ends the process.
    const fresh = `${file}.new`;
    rmSync(fresh, { force: true });
    // What it says is known by now, and must not be taken for this process' end.
    rmSync(file, { force: true });
    const fd = openSync(fresh, "wx+", MODE);
    try {
      writeFileSync(fd, new Uint8Array(HEAD_OCTETS + octets));
      renameSync(fresh, file);
      const address = mapped(HEAD_OCTETS + octets, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
      const box = new BlackBox(file, address, octets, before);
      box.old = old;
      box.words[WORD.MAGIC] = MAGIC;
      box.words[WORD.VERSION] = VERSION;
      box.words[WORD.ROW] = before?.row ?? 0;
      box.head.setFloat64(BEGAN_AT, Date.now(), true);
      noteSignals(address + BigInt(4 * WORD.SIGNAL), lingerMs);
      return box;
    } finally {
      closeSync(fd);
    }
  }

  /**
   * The box of this process, in another thread.
   *
   * @param octets - as it was opened with
   */
  static at(address: bigint, octets: number): BlackBox {
    return new BlackBox("", address, octets, null);
  }

  /** By what the process ends, for people; null while it does not. */
  get cause(): string | null {
    return causeIn(this.words);
  }

  /** It has begun its work. @param name - 32 bits that tell this process from others that have noted in the same file */
  goBy(name: number): void {
    this.words[WORD.NAME] = name;
  }

  /** The process ends as it should: nothing is left. @param asBefore - but what there was, if that was an end */
  remove(asBefore: boolean): void {
    rmSync(this.file, { force: true });
    if (asBefore && this.old !== null) writeFileSync(this.file, this.old, { mode: MODE });
  }

  /** An exception ends the process. */
  noteException(): void {
    this.words[WORD.EXCEPTION] = 1;
  }
}

/** @returns what the process left whose box is in a file; null when it, or its own doing, is not there */
export function readLastEnd(file: string): LastEnd | null {
  const box = readBox(file);
  const cause = box === null ? null : causeIn(box.words);
  if (box === null || cause === null) return null;
  const { words, notes, beganMs } = box;
  const wasLong = Math.abs(Date.now() - beganMs) > LONG_LIFE_MS;
  const hasName = words[WORD.NAME] !== 0;
  const row = hasName ? 0 : 1 + (wasLong ? 0 : Math.max(0, words[WORD.ROW]!));
  return { cause, name: words[WORD.NAME]!, row, notes };
}

/** @returns what a process has noted that is there, or was, and goes by; null when nothing can be read */
export function readNotes(file: string): Pick<LastEnd, "name" | "notes"> | null {
  const box = readBox(file);
  return box === null ? null : { name: box.words[WORD.NAME]!, notes: box.notes };
}

interface Box {
  readonly words: Int32Array;
  readonly beganMs: number;
  readonly notes: Uint8Array;
}

function readBox(file: string): Box | null {
  let octets: Buffer;
  try {
    octets = readFileSync(file);
  } catch {
    return null;
  }
  if (octets.length < HEAD_OCTETS) return null;
  const words = Int32Array.from({ length: HEAD_OCTETS / 4 }, (_, i) => octets.readInt32LE(4 * i));
  if (words[WORD.MAGIC] !== MAGIC || words[WORD.VERSION] !== VERSION) return null;
  const notes = new Uint8Array(octets.subarray(HEAD_OCTETS));
  return { words, beganMs: octets.readDoubleLE(BEGAN_AT), notes };
}

function causeIn(words: Int32Array): string | null {
  const signal = words[WORD.SIGNAL]!;
  if (signal !== 0) return nameOf(signal);
  return words[WORD.EXCEPTION] === 0 ? null : "an exception";
}

function nameOf(signal: number): string {
  const [name] = Object.entries(os.constants.signals).find(([, value]) => value === signal) ?? [];
  return name ?? `signal ${signal}`;
}

/** @returns the address */
function mapped(octets: number, protection: number, flags: number, fd: number): bigint {
  const address = BigInt(libc().mmap(null, octets, protection, flags, fd, 0));
  check(BigInt.asIntN(64, address) === -1n ? -1 : 0, "mmap");
  return address;
}

/**
 * Has the number of a signal that ends the process stored at an address, before it does. What was there to
 * handle it before goes on to; where there was nothing, the signal ends the process as ever.
 */
function noteSignals(address: bigint, lingerMs: number): void {
  // Of other machines nobody has tried the instructions: there, a signal counts as a kill.
  if (process.arch !== "x64") return;
  const code = mapped(CODE_OCTETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  const octets = new Uint8Array(koffi.view(code, CODE_OCTETS));
  const starts: number[] = [];
  // At its beginning, `struct timespec`.
  const time = new DataView(octets.buffer);
  time.setBigUint64(0, BigInt(Math.floor(lingerMs / 1000)), true);
  time.setBigUint64(8, BigInt(lingerMs % 1000) * 1_000_000n, true);
  let length = TIMESPEC_OCTETS;
  const actions = FATAL_SIGNALS.map((signal) => {
    const action = Buffer.alloc(ACTION.OCTETS);
    check(libc().sigaction(signal, null, action), "sigaction");
    const before = action.readBigUInt64LE(ACTION.HANDLER);
    const instructions = noting(address, lingerMs === 0 ? null : code, before);
    octets.set(instructions, length);
    starts.push(length);
    length += instructions.length;
    if (before === 0n) action.writeUInt32LE(SA_RESETHAND, ACTION.FLAGS);
    return action;
  });
  check(libc().mprotect(code, CODE_OCTETS, PROT_READ | PROT_EXEC), "mprotect");
  for (const [i, action] of actions.entries()) {
    action.writeBigUInt64LE(code + BigInt(starts[i]!), ACTION.HANDLER);
    check(libc().sigaction(FATAL_SIGNALS[i]!, action, null), "sigaction");
  }
}

/**
 * @param time - address of the time to wait then; null for none
 * @returns a function `(int signal, ...)` that stores it, and goes on to another one; in place of 0 it sends
 *   the signal again, which does then what it does by default
 */
function noting(address: bigint, time: bigint | null, next: bigint): Buffer {
  const withValue = (opcode: readonly number[], value: bigint) => {
    const octets = Buffer.from([...opcode, 0, 0, 0, 0, 0, 0, 0, 0]);
    octets.writeBigUInt64LE(value, opcode.length);
    return octets;
  };
  // mov rax, value
  const loadRax = (value: bigint) => withValue([0x48, 0xb8], value);
  // mov [rax], edi
  const parts = [loadRax(address), Buffer.from([0x89, 0x38])];
  if (time !== null) {
    parts.push(
      // push rdi; push rsi; mov rdi, time
      Buffer.from([0x57, 0x56]),
      withValue([0x48, 0xbf], time),
      // xor esi, esi; mov eax, 35 (nanosleep); syscall; pop rsi; pop rdi
      Buffer.from([0x31, 0xf6, 0xb8, 35, 0, 0, 0, 0x0f, 0x05, 0x5e, 0x5f]),
    );
  }
  // jmp rax
  if (next !== 0n) parts.push(loadRax(next), Buffer.from([0xff, 0xe0]));
  else {
    parts.push(
      // mov esi, edi; mov eax, 39 (getpid); syscall; mov edi, eax
      Buffer.from([0x89, 0xfe, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7]),
      // mov eax, 62 (kill); syscall; ret
      Buffer.from([0xb8, 62, 0, 0, 0, 0x0f, 0x05, 0xc3]),
    );
  }
  return Buffer.concat(parts);
}
