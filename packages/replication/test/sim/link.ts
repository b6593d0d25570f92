/** The link between two sides: frames both ways, and all that can happen to them. */

import { type AnyRecord, FormatError, FrameReader } from "../../src/index.ts";
import type { Chance } from "./chance.ts";
import { type Actor, type Clock, run } from "./clock.ts";

/** What happens to the next frame of a direction. */
export type Mishap = "half" | "flip" | "twice" | "swap";

export interface LinkApp {
  record(record: AnyRecord): void;
  /** All that had come was handed over. */
  idle(): void;
  closed(): void;
}

/** One end of a link; what is sent on it comes out at the other one. */
export class LinkEnd {
  other!: LinkEnd;
  app: LinkApp | null = null;
  mishap: Mishap | null = null;
  isClosed = false;
  /** Nothing comes in any more, whatever the other end sends. */
  private isCut = false;
  /** It does not read before. */
  slowUntilMs = 0;
  /** Streams that were found to be broken. */
  broken = 0;
  private readonly actor: Actor;
  private readonly clock: Clock;
  private readonly chance: Chance;
  private readonly frames: FrameReader = new FrameReader(null);
  private swapped: Uint8Array | null = null;
  private lastMs = 0;

  constructor(actor: Actor, clock: Clock, chance: Chance) {
    this.actor = actor;
    this.clock = clock;
    this.chance = chance;
  }

  send(frame: Uint8Array): void {
    if (this.isClosed) return;
    const { mishap } = this;
    if (this.swapped !== null) {
      this.carry(frame);
      this.carry(this.swapped);
      this.swapped = null;
      return;
    }
    this.mishap = null;
    if (mishap === "half") {
      this.carry(frame.slice(0, this.chance.int(0, frame.length - 1)));
      this.deliver(() => this.cut());
    } else if (mishap === "flip") {
      const copy = frame.slice();
      copy[this.chance.int(0, copy.length - 1)]! ^= 1 << this.chance.int(0, 7);
      this.carry(copy);
    } else if (mishap === "twice") {
      this.carry(frame);
      this.carry(frame);
    } else if (mishap === "swap") this.swapped = frame;
    else this.carry(frame);
  }

  /** The process ends the link: what was sent before still comes. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.deliver(() => this.other.hangUp());
  }

  /** Nothing more comes through; each end learns of it in its own time. */
  cut(): void {
    const { clock, chance } = this;
    for (const end of [this, this.other]) {
      end.isCut = true;
      clock.after(chance.int(1, 40), end.actor, () => end.hangUp());
    }
  }

  private hangUp(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.app?.closed();
  }

  private carry(octets: Uint8Array): void {
    const { chance, other } = this;
    const at = chance.oneIn(4) ? chance.int(0, octets.length) : octets.length;
    for (const piece of [octets.slice(0, at), octets.slice(at)]) {
      if (piece.length > 0) this.deliver(() => other.take(piece));
    }
  }

  /** In order, each some time after it was sent. */
  private deliver(act: () => void): void {
    const { clock, other } = this;
    this.lastMs = Math.max(this.lastMs, clock.nowMs + this.chance.int(1, 6) / 2);
    const attempt = () => {
      const waitMs = other.slowUntilMs - clock.nowMs;
      if (waitMs > 0) clock.after(waitMs, null, attempt);
      else run(other.actor, act);
    };
    clock.after(this.lastMs - clock.nowMs, null, attempt);
  }

  private take(octets: Uint8Array): void {
    if (this.isClosed || this.isCut) return;
    try {
      this.frames.push(octets);
      for (let next = this.frames.next(); next !== null; next = this.frames.next()) {
        this.app?.record(next);
        if (this.isClosed) return;
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.broken++;
      this.close();
      this.app?.closed();
      return;
    }
    this.app?.idle();
  }
}

export function linkOf(a: Actor, b: Actor, clock: Clock, chance: Chance): [LinkEnd, LinkEnd] {
  const ends = [new LinkEnd(a, clock, chance), new LinkEnd(b, clock, chance)] as const;
  ends[0].other = ends[1];
  ends[1].other = ends[0];
  return [...ends];
}
