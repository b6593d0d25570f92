/**
 * What a mirror passes on to mirrors that follow it: brackets as it has run them, and its own state to one that
 * joins. It knows no more of the active side than any mirror, which has not to do anything for those behind it.
 *
 * Brackets have the same numbers everywhere. So a mirror that follows goes on here, at another mirror or at the
 * active side itself, with what it has.
 *
 * **After a takeover** brackets of the active before may still have to be run here. What is passed on changes with the
 * first bracket that is of the new one, and not with its hello: until then mirrors are sent what is of the old one.
 */

import {
  frameOf,
  Journal,
  type Machine,
  Mirrors,
  type RecordOf,
  type Standby,
} from "@ts-bgp/replication";
import { nowMs } from "@ts-bgp/speaker";
import type { Mirrored, Through } from "./mirror-server.ts";

type Bracket = RecordOf<"bracket">;

/** What an active side says of its brackets. */
export interface Origin {
  readonly epoch: number;
  /** As in the record `hello`. */
  readonly stream: number;
}

export class MirrorRelay {
  private readonly name: string;
  private readonly through: Through;
  private readonly changed: (mirrored: Mirrored | null) => void;
  private standby: Standby | null = null;
  private mirrors: Mirrors | null = null;
  private origin: Origin = { epoch: 0, stream: 0 };
  /** By epoch, of those whose brackets are still to be run. */
  private readonly streams: Map<number, number> = new Map();

  /**
   * @param name - of this mirror
   * @param through - what is said of the way to the active side
   * @param changed - told what is to be served from now on, null for nothing
   */
  constructor(name: string, through: Through, changed: (mirrored: Mirrored | null) => void) {
    this.name = name;
    this.through = through;
    this.changed = changed;
  }

  /** Another state is shown; null for none. @param origin - of its last bracket */
  begin(standby: Standby | null, origin: Origin): void {
    this.standby = standby;
    this.streams.clear();
    this.origin = origin;
    const machine = standby?.follows ?? null;
    this.mirrors = machine === null ? null : this.newMirrors(machine, null, standby!.applied);
    this.tell();
  }

  /** Brackets of an active side are to come, behind all that have. */
  expect({ epoch, stream }: Origin): void {
    if (epoch !== this.origin.epoch) this.streams.set(epoch, stream);
  }

  /** The way to the active side is another one: mirrors are told it when they come again. */
  wayChanged(): void {
    if (this.mirrors !== null) this.tell();
  }

  /** A bracket was run. */
  ran(bracket: Bracket): void {
    if (bracket.epoch !== this.origin.epoch) this.takenOver(bracket);
    const { mirrors } = this;
    if (mirrors === null) return;
    mirrors.out(bracket.number, mirrors.isOn ? frameOf("bracket", bracket) : null);
  }

  /** To be called a few times a second. */
  tick(): void {
    this.mirrors?.tick(nowMs());
  }

  /** @param bracket - the first one of another active side, which was run just now */
  private takenOver({ epoch, number: first }: Bracket): void {
    const { mirrors: before, standby } = this;
    const stream = this.streams.get(epoch) ?? 0;
    this.streams.delete(epoch);
    this.origin = { epoch, stream };
    const machine = standby?.follows ?? null;
    if (before === null || standby === null || machine === null) return;
    const number = first - 1;
    const brackets = standby.handOn.filter((each) => each.number <= number);
    const estate = { heirs: [], brackets, number, stream: before.stream, nowMs: nowMs() };
    this.mirrors = this.newMirrors(machine, estate, number);
    this.tell();
  }

  private newMirrors(
    machine: Machine,
    estate: ConstructorParameters<typeof Mirrors>[1],
    released: number,
  ): Mirrors {
    // Nobody writes into it: it stands for the machine.
    const journal = new Journal(machine);
    return new Mirrors({ journal, ...this.origin, isRelay: true }, estate, released);
  }

  private tell(): void {
    const { mirrors, name, through } = this;
    const machine = this.standby?.follows ?? null;
    if (mirrors === null || machine === null) {
      this.changed(null);
      return;
    }
    const { epoch } = this.origin;
    this.changed({ mirrors, machine, epoch, side: name, through, commit: () => mirrors.last });
  }
}
