/**
 * The lease of the active one: until when it may act. It ends by itself, and every thread of the process
 * sees its end without asking anyone: it is a number in shared memory and a clock.
 *
 *     by arbiter  until some time after the last renewal that the arbiter confirmed
 *     by echoes   until some time after the last heartbeat that each of its standbys has echoed: an echo
 *                 is one's promise not to take over for somewhat longer
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

/** Standbys whose echoes can be told apart. */
export const ECHOERS_MAX = 16;

/** Words of the memory: microseconds of the clock, or flags. */
const ARBITER_UNTIL = 0;
/** A bit for each standby whose echoes the lease lasts by, and one for the arbiter; none: by the arbiter. */
const FOLLOWED = 1;
const PROMISED_UNTIL = 2;
const WITHDRAWN = 3;
/** For each standby the number that its echoes are signed with, 0 for none, and until when they let act. */
const ECHOERS = 4;
const WORDS = ECHOERS + 2 * ECHOERS_MAX;
const BY_ARBITER = 1 << ECHOERS_MAX;

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
  /** Of standbys, by their places; known to the thread that names them. */
  private readonly names: (string | undefined)[] = [];

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
    const followed = this.followed;
    const isByArbiter = followed === 0 || (followed & BY_ARBITER) !== 0;
    let until = isByArbiter ? this.read(ARBITER_UNTIL) : Number.POSITIVE_INFINITY;
    for (let place = 0; place < ECHOERS_MAX; place++) {
      if ((followed & (1 << place)) !== 0) until = Math.min(until, this.echoedUntilMs(place));
    }
    return until;
  }

  /** Whether echoes of all of these standbys come. */
  areEchoed(standbys: readonly string[]): boolean {
    return this.unheard(standbys).length === 0;
  }

  /** @returns those of them whose echoes do not come */
  unheard(standbys: readonly string[]): string[] {
    const nowMs = bootMs();
    return standbys.filter((name) => {
      const place = this.names.indexOf(name);
      return place < 0 || nowMs >= this.echoedUntilMs(place);
    });
  }

  private get followed(): number {
    return Number(Atomics.load(this.words, FOLLOWED));
  }

  /**
   * From now on it lasts as long as the echoes of each of these standbys say, whatever the arbiter confirms;
   * without any, as long as the arbiter says.
   *
   * @param andArbiter - as long as both say
   */
  followEchoes(standbys: readonly string[], andArbiter = false): void {
    let places = andArbiter ? BY_ARBITER : 0;
    for (const name of standbys) places |= 1 << this.placeOf(name);
    Atomics.store(this.words, FOLLOWED, BigInt(places));
  }

  /** Only echoes with this number are those of the standby from now on. @param id - not 0 */
  expectEchoes(standby: string, id: number): void {
    const place = this.placeOf(standby);
    // What came with the number before counts no more.
    Atomics.store(this.words, ECHOERS + 2 * place, 0n);
    this.write(ECHOERS + 2 * place + 1, 0);
    Atomics.store(this.words, ECHOERS + 2 * place, BigInt(id));
  }

  renewByArbiter(untilMs: number): void {
    if (untilMs > this.read(ARBITER_UNTIL)) this.write(ARBITER_UNTIL, untilMs);
  }

  /** For the one thread that hears echoes. @param id - that the echo is signed with */
  renewByEcho(id: number, untilMs: number): void {
    for (let place = 0; id !== 0 && place < ECHOERS_MAX; place++) {
      if (Number(Atomics.load(this.words, ECHOERS + 2 * place)) !== id) continue;
      if (untilMs > this.echoedUntilMs(place)) this.write(ECHOERS + 2 * place + 1, untilMs);
    }
  }

  private echoedUntilMs(place: number): number {
    return this.read(ECHOERS + 2 * place + 1);
  }

  private placeOf(standby: string): number {
    const { names, followed } = this;
    const known = names.indexOf(standby);
    if (known >= 0) return known;
    const places = Array.from({ length: ECHOERS_MAX }, (_, at) => at);
    // One that the lease does not last by is of a standby that was there before.
    const place =
      places.find((at) => names[at] === undefined) ??
      places.find((at) => (followed & (1 << at)) === 0);
    if (place === undefined) throw new Error(`more than ${ECHOERS_MAX} standbys`);
    names[place] = standby;
    return place;
  }

  /** This side may act no more. */
  end(): void {
    this.write(ARBITER_UNTIL, 0);
    for (let place = 0; place < ECHOERS_MAX; place++) this.write(ECHOERS + 2 * place + 1, 0);
    this.followEchoes([]);
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
