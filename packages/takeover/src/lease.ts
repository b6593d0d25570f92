/**
 * The lease of the active one: until when it may act. It ends by itself, and every thread of the process
 * sees its end without asking anyone: it is a number in shared memory and a clock.
 *
 *     by arbiter  until some time after the last renewal that the arbiter confirmed
 *     by echoes   until some time after the last heartbeat that the standby echoed: an echo is its
 *                 promise not to take over for somewhat longer
 *
 * Times of an end count from the moment when the renewal or the heartbeat was *sent*, those of a
 * promise from the moment when the heartbeat came: so a lease is over before the promise is, whatever
 * the network did in between. The clock is that of the kernel that goes on while the machine is
 * suspended; nobody sets it. A virtual machine whose clocks all stand still while its host has
 * stopped it is not noticed by any clock of its own.
 */

import { check, libc } from "./libc.ts";

const CLOCK_BOOTTIME = 7;
const TIMESPEC_OCTETS = 16;

/** Words of the memory: microseconds of the clock, or flags. */
const ARBITER_UNTIL = 0;
const ECHOES_UNTIL = 1;
const BY_ECHOES = 2;
const PROMISED_UNTIL = 3;
const WITHDRAWN = 4;
const WORDS = 5;

const timespec = new Uint8Array(TIMESPEC_OCTETS);
const timespecView = new DataView(timespec.buffer);

/** Milliseconds since the machine was started, suspended or not; the same for all its processes. */
export function bootMs(): number {
  check(libc().clock_gettime(CLOCK_BOOTTIME, timespec), "clock_gettime");
  const seconds = Number(timespecView.getBigInt64(0, true));
  return seconds * 1000 + timespecView.getUint32(8, true) / 1e6;
}

export class Lease {
  /** For other threads. */
  readonly memory: SharedArrayBuffer;
  private readonly words: BigInt64Array;

  /** @param memory - of the same lease in another thread; without it, of a new one that is over */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(8 * WORDS)) {
    this.memory = memory;
    this.words = new BigInt64Array(memory);
  }

  /** Whether this side may act now. */
  get isValid(): boolean {
    return bootMs() < this.untilMs;
  }

  /** When this side has to stop, by `bootMs`, if nothing extends it. */
  get untilMs(): number {
    return this.read(this.isByEchoes ? ECHOES_UNTIL : ARBITER_UNTIL);
  }

  /** Whether echoes come. */
  get isEchoed(): boolean {
    return bootMs() < this.read(ECHOES_UNTIL);
  }

  private get isByEchoes(): boolean {
    return Atomics.load(this.words, BY_ECHOES) === 1n;
  }

  /** From now on it lasts as long as echoes say, whatever the arbiter confirms; until `followArbiter`. */
  followEchoes(): void {
    Atomics.store(this.words, BY_ECHOES, 1n);
  }

  followArbiter(): void {
    Atomics.store(this.words, BY_ECHOES, 0n);
  }

  renewByArbiter(untilMs: number): void {
    if (untilMs > this.read(ARBITER_UNTIL)) this.write(ARBITER_UNTIL, untilMs);
  }

  /** For the one thread that hears echoes. */
  renewByEcho(untilMs: number): void {
    if (untilMs > this.read(ECHOES_UNTIL)) this.write(ECHOES_UNTIL, untilMs);
  }

  /** This side may act no more. */
  end(): void {
    this.write(ARBITER_UNTIL, 0);
    this.write(ECHOES_UNTIL, 0);
    this.followArbiter();
  }

  /** The standby begins to make promises; the first one covers those of a process before it. */
  beginPromises(untilMs: number): void {
    this.write(PROMISED_UNTIL, untilMs);
    Atomics.store(this.words, WITHDRAWN, 0n);
  }

  /**
   * Promises not to take over before a time, for the one thread that sends echoes.
   *
   * @returns false when there are no more promises: then none may be sent
   */
  promise(untilMs: number): boolean {
    // The time is there before the flag is looked at, and `withdraw` does it the other way round:
    // either no promise is sent, or the one who takes over knows of it.
    if (untilMs > this.read(PROMISED_UNTIL)) this.write(PROMISED_UNTIL, untilMs);
    return Atomics.load(this.words, WITHDRAWN) === 0n;
  }

  /** Makes no more promises. @returns until when the last one holds */
  withdraw(): number {
    Atomics.store(this.words, WITHDRAWN, 1n);
    return this.read(PROMISED_UNTIL);
  }

  private read(word: number): number {
    return Number(Atomics.load(this.words, word)) / 1000;
  }

  private write(word: number, ms: number): void {
    Atomics.store(this.words, word, BigInt(Math.floor(ms * 1000)));
  }
}
