/**
 * What was, for whoever asks the speaker: a process of its own looks it up in the record, see past-helper.ts. It takes
 * processor time where nobody else wants it, its memory is free again when it ends, and whatever becomes of it concerns
 * nobody else.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { ControlError } from "../control.ts";
import { PastHelper } from "./past-helper.ts";
import type { FromPast, ToPast } from "./past-messages.ts";

const PROGRAM_OCTETS = 150e6;
/** From the question to the last of the answer, and for a turn before that. */
const TIME_MS = 300_000;
/** Who asks may have given up: it is looked for so often. */
const LOOK_MS = 200;
/** The helper that begins the processes is begun itself no sooner than so long after its last beginning. */
const PAUSE_MS = 60_000;
/** Who waits for a turn. */
const WAITING_MAX = 4;
/** Of answers that are here and that were not taken. */
const UNREAD_OCTETS_MAX = 1 << 26;

/** An answer so far. */
interface Heard {
  /** What nobody has taken yet. */
  readonly said: FromPast[];
  unreadOctets: number;
  wake: () => void;
}

/** Asks the record: one question at a time, in turn. */
export class RecordDesk {
  private readonly say: (message: string) => void;
  private readonly pauseMs: number;
  private helper: PastHelper | null = null;
  private begunMs = Number.NEGATIVE_INFINITY;
  private isBusy = false;
  /** Those who wait, in the order in which they came: called when it is their turn. */
  private readonly waiting: (() => void)[] = [];
  private unreadOctets = 0;

  /** @param say - is told, for the log, why something could not be looked up */
  constructor(say: (message: string) => void, pauseMs: number = PAUSE_MS) {
    this.say = say;
    this.pauseMs = pauseMs;
  }

  /** Gets ready for questions, while the speaker is small: a process is begun. Without that the first one does it. */
  open(): void {
    if (this.helper !== null) return;
    try {
      this.begin();
    } catch {
      // It was said why, and the next question tries again.
    }
  }

  /** Nothing is recorded any more. */
  close(): void {
    this.helper?.end();
    this.helper = null;
    this.begunMs = Number.NEGATIVE_INFINITY;
  }

  /** Answers with items, null where there are none for a while; throws a ControlError. */
  async *ask(asked: ToPast): AsyncGenerator<unknown, Readonly<Record<string, unknown>>> {
    yield* this.turn();
    let hasTurn = true;
    const pass = () => {
      if (hasTurn) this.pass();
      hasTurn = false;
    };
    const heard: Heard = { said: [], unreadOctets: 0, wake: () => {} };
    let drop = () => {};
    try {
      checkMemory();
      const helper = this.helper ?? this.begin();
      drop = helper.ask(asked, (said) => {
        // The next question need not wait until whoever has asked this one has taken the answer.
        if (!("items" in said)) pass();
        this.note(heard, said);
      });
      return yield* this.told(heard);
    } finally {
      drop();
      this.unreadOctets -= heard.unreadOctets;
      pass();
    }
  }

  private note(heard: Heard, said: FromPast): void {
    if ("items" in said) {
      heard.unreadOctets += said.octets;
      this.unreadOctets += said.octets;
    }
    heard.said.push(said);
    heard.wake();
  }

  private async *told(heard: Heard): AsyncGenerator<unknown, Readonly<Record<string, unknown>>> {
    const endMs = performance.now() + TIME_MS;
    for (;;) {
      const said = heard.said.shift();
      if (said === undefined) {
        checkTime(endMs);
        const woken = new Promise<void>((resolve) => {
          heard.wake = resolve;
        });
        await Promise.race([woken, sleep(LOOK_MS, null, { ref: false })]);
        yield null;
      } else if ("items" in said) {
        heard.unreadOctets -= said.octets;
        this.unreadOctets -= said.octets;
        for (const item of said.items) {
          checkTime(endMs);
          yield item;
        }
      } else if ("end" in said) return said.end;
      else if ("refusal" in said) throw new ControlError(said.message, said.refusal);
      else throw this.failed(said.failed);
    }
  }

  /** Of a process that has ended: what it said last is for the log, and not for who asks. */
  private failed(why: string | null): ControlError {
    if (why !== null) this.say(`the process that looks something up has ended (${why})`);
    const text =
      "it could not be looked up: the process that does that has ended, the log says why";
    return new ControlError(text, why === null ? "busy" : "refused");
  }

  /** Throws a ControlError. */
  private begin(): PastHelper {
    const now = performance.now();
    const leftMs = this.begunMs + this.pauseMs - now;
    if (leftMs > 0) {
      const text = `the process that looks it up is begun anew: ask again in ${Math.ceil(leftMs / 1000)} s`;
      throw new ControlError(text, "busy");
    }
    this.begunMs = now;
    try {
      const helper = new PastHelper((why) => {
        this.say(`the process for questions about the record has ended (${why})`);
        if (this.helper === helper) this.helper = null;
      });
      this.helper = helper;
      return helper;
    } catch (error) {
      const text = `no process can be begun that looks it up: ${(error as Error).message}`;
      this.say(text);
      throw new ControlError(text, "busy");
    }
  }

  /** Waits until it is the caller's turn, which then has to be passed on. */
  private async *turn(): AsyncGenerator<null, void> {
    if (this.waiting.length >= WAITING_MAX || this.unreadOctets > UNREAD_OCTETS_MAX) {
      throw new ControlError("much is looked up in the record already: ask again", "busy");
    }
    if (!this.isBusy) {
      this.isBusy = true;
      return;
    }
    const endMs = performance.now() + TIME_MS;
    const called = Promise.withResolvers<void>();
    let isCalled = false;
    let isTaken = false;
    const call = () => {
      isCalled = true;
      called.resolve();
    };
    this.waiting.push(call);
    try {
      while (!isCalled) {
        await Promise.race([called.promise, sleep(LOOK_MS, null, { ref: false })]);
        if (isCalled) break;
        checkTime(endMs);
        yield null;
      }
      isTaken = true;
    } finally {
      // Whoever asked may have given up meanwhile.
      if (!isCalled) this.waiting.splice(this.waiting.indexOf(call), 1);
      else if (!isTaken) this.pass();
    }
  }

  private pass(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.isBusy = false;
    else next();
  }
}

/** Throws when what was would take memory that others need: it is about as much as what is. */
function checkMemory(): void {
  const needed = PROGRAM_OCTETS + ownOctets();
  const available = process.availableMemory();
  if (needed <= available) return;
  const mb = (octets: number) => Math.ceil(octets / 1e6);
  const text = `it takes about ${mb(needed)} MB of memory for a while, and ${mb(available)} MB are left`;
  throw new ControlError(text, "busy");
}

function ownOctets(): number {
  try {
    return process.memoryUsage.rss();
  } catch (error) {
    // Without a descriptor that is left it cannot be known.
    throw new ControlError(`it cannot be looked up: ${(error as Error).message}`, "busy");
  }
}

function checkTime(endMs: number): void {
  if (performance.now() <= endMs) return;
  const text = `it takes longer than ${TIME_MS / 1000} s: ask for less time, or tsbgp on that host`;
  throw new ControlError(text, "busy");
}
