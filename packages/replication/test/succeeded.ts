/** A router that is followed by another program, as a standby, which then takes its place. */

import type { Config } from "@ts-bgp/config";
import type { Output, Router } from "@ts-bgp/router";
import { expect } from "vitest";
import {
  digestOf,
  FrameReader,
  frameOf,
  type Machine,
  machineImage,
  outputsOctets,
  Standby,
} from "../src/index.ts";
import { Followed } from "./followed-router.ts";

/** Runs something as the other program does. */
export type RunAs = <T>(run: () => T) => T;

/** A router that is followed by another program, which then takes its place. */
export class Succeeded extends Followed {
  standby: Standby | null = null;
  readonly as: RunAs;
  /** What Lab takes for a router, whoever it is. */
  readonly first: Router;
  /** Of the last bracket: an active with sessions has had some. */
  number = 10;
  successor: Machine | null = null;
  isLazy = false;
  /** It runs brackets when somebody has it do so. */
  isByHand = false;
  /** Bracket behind the image. */
  before = 0;
  differs: (what: string) => void = (what) => expect.fail(what);

  constructor(config: Config, seed: number, as: RunAs) {
    super(config, seed);
    this.as = as;
    this.first = new Proxy(this.router, {
      get: (target, name) => {
        const { successor } = this;
        if (successor === null) return Reflect.get(target, name, target);
        if (name === "takeOutputs") return () => successor.takeOutputs();
        const value: unknown = Reflect.get(successor.router, name, successor.router);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => as(() => value.apply(successor.router, args));
      },
    });
  }

  /** The other program joins, as a standby. @param isLazy - it runs brackets only when it takes over */
  follow(isLazy: boolean): void {
    this.isLazy = isLazy;
    this.endBracket();
    this.standby = new Standby({
      send() {},
      differs: (_, what) => this.differs(what),
    });
    this.before = this.number + 1;
    const octets = machineImage(this.journal.machine);
    const { before, standby } = this;
    let all = 0;
    for (const piece of octets) {
      all += piece.length;
      standby.record({ record: "image", before, octets: piece });
    }
    this.as(() => standby.record({ record: "imageEnd", before, octets: all, hasOutputs: 1 }));
    this.journal.machine.isDigested = true;
    standby.follows!.isDigested = true;
  }

  /** The active is gone. @param isolate - as for `Standby.finish` */
  takeOver(isolate: (router: Router) => void = () => {}): void {
    this.endBracket();
    const successor = this.as(() => this.standby!.finish(isolate));
    const { machine } = this.journal;
    for (const { id, send, received } of machine.ledger.connections.values()) {
      const known = successor!.ledger.connections.get(id);
      expect([known?.send.appended, known?.received]).toEqual([send.appended, received]);
    }
    this.successor = successor;
  }

  protected override bracket(): Output[] {
    const { standby, journal } = this;
    const { outputs, calls, sum } = journal.take();
    if (standby === null || calls.length + outputs.length === 0) return outputs;
    const digest = this.number % 3 === 0 ? digestOf(journal.machine) : null;
    const about = { number: ++this.number, epoch: 1, calls, sum, digest };
    const reader = new FrameReader("active");
    reader.push(frameOf("bracket", { ...about, outputs: outputsOctets(outputs) }));
    standby.record(reader.next()!);
    if (!this.isLazy && !this.isByHand) this.as(() => standby.work(() => true));
    return outputs;
  }
}
