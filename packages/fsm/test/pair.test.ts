/** Two state machines that talk to each other over a network with delays. */

import fc from "fast-check";
import { expect, test } from "vitest";
import type { ConnectionEvent, FsmAction, FsmConfig, FsmEvent } from "../src/index.ts";
import { CONFIG } from "./model.ts";
import { expectWhole, Shell } from "./shell.ts";

type Side = 0 | 1;

/** A repeatable source of numbers in [0, 1), mulberry32. */
function numbers(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Time in ms; everything happens at one instant after another. A connection has one id on both. */
class World {
  readonly shells: readonly [Shell, Shell];
  readonly random: () => number;
  readonly delayMsMax: number;
  now = 0;
  /** How often a session came up or went down, on either side. */
  changes: number[] = [];
  private queue: { at: number; order: number; run: () => void }[] = [];
  private order = 0;
  private nextId = 1;
  /** The attempt of each side; a later one makes an earlier one void. */
  private attempts: [number, number] = [0, 0];
  /** When the last octet in each direction arrives: TCP keeps the order. */
  private readonly arrival = new Map<string, number>();
  private readonly deadlines = new Map<string, number>();

  constructor(configs: [FsmConfig, FsmConfig], seed: number, delayMsMax: number) {
    this.shells = [new Shell(configs[0]), new Shell(configs[1])];
    this.random = numbers(seed);
    this.delayMsMax = delayMsMax;
  }

  at(ms: number, run: () => void): void {
    this.queue.push({ at: ms, order: this.order++, run });
  }

  runUntil(end: number): void {
    for (;;) {
      this.queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.queue[0];
      if (next === undefined || next.at > end) return;
      this.queue.shift();
      this.now = next.at;
      next.run();
    }
  }

  handle(side: Side, event: FsmEvent): void {
    const shell = this.shells[side];
    for (const action of shell.handle(event, this.random())) this.carryOut(side, action, event);
    expectWhole(shell);
  }

  private carryOut(side: Side, action: FsmAction, event: FsmEvent): void {
    switch (action.do) {
      case "connect":
        this.connect(side, ++this.attempts[side]);
        break;
      case "cancel-connect":
        this.attempts[side]++;
        break;
      case "send-open":
        this.send(side, { kind: "open", connection: action.connection, open: action.open });
        break;
      case "send-keepalive":
        this.send(side, { kind: "keepalive", connection: action.connection });
        break;
      case "send-notification":
        this.send(side, { ...action, kind: "notification" });
        break;
      case "close":
        this.send(side, { kind: "tcp-closed", connection: action.connection });
        break;
      case "arm-timer":
        this.arm(side, action.timer, action.connection, action.ms);
        break;
      case "restart-hold-timer":
        if ("connection" in event) {
          const ms = this.shells[side].timers.get(`hold ${event.connection}`) ?? 0;
          this.arm(side, "hold", event.connection, ms);
        }
        break;
      case "session-up":
      case "session-down":
        this.changes.push(this.now);
        break;
    }
  }

  private delay(): number {
    return 1 + this.random() * this.delayMsMax;
  }

  private send(side: Side, event: ConnectionEvent): void {
    // The octets leave at once, so the send hold timer starts anew (RFC 9687 section 4.3).
    const sendHoldMs = this.shells[side].timers.get(`send-hold ${event.connection}`);
    if (sendHoldMs !== undefined) this.arm(side, "send-hold", event.connection, sendHoldMs);
    const key = `${side} ${event.connection}`;
    const at = Math.max(this.now + this.delay(), this.arrival.get(key) ?? 0);
    this.arrival.set(key, at);
    const other = (1 - side) as Side;
    this.at(at, () => {
      if (this.shells[other].connections.has(event.connection)) this.handle(other, event);
    });
  }

  private connect(side: Side, attempt: number): void {
    const id = this.nextId++;
    const other = (1 - side) as Side;
    const there = this.now + this.delay();
    const back = there + this.delay();
    this.arrival.set(`${side} ${id}`, there);
    this.arrival.set(`${other} ${id}`, back);
    this.at(there, () => this.handle(other, { kind: "tcp-accepted", connection: id }));
    this.at(back, () => {
      if (this.attempts[side] === attempt) {
        this.handle(side, { kind: "tcp-connected", connection: id });
      } else {
        this.send(side, { kind: "tcp-closed", connection: id });
      }
    });
  }

  private arm(side: Side, timer: string, connection: number, ms: number): void {
    const key = `${side} ${timer} ${connection}`;
    const at = this.now + ms;
    this.deadlines.set(key, at);
    this.at(at, () => {
      const running = this.shells[side].timers.has(`${timer} ${connection}`);
      if (!running || this.deadlines.get(key) !== at) return;
      this.handle(side, { kind: `${timer}-timer-expires`, connection } as FsmEvent);
    });
  }
}

const scenario = fc.record({
  seed: fc.integer(),
  delayMsMax: fc.constantFrom(1, 20, 400),
  identifiers: fc.constantFrom([1, 2], [2, 1], [7, 7]),
  delayOpen: fc.constantFrom([0, 0], [0, 0], [1, 0], [1, 1]),
  holdTime: fc.constantFrom([90, 90], [30, 90], [0, 90]),
  passive: fc.constantFrom([false, false], [false, false], [true, false], [false, true]),
  startMs: fc.tuple(fc.nat(400), fc.nat(400)),
});

test("two speakers find one session and keep it, whoever connects first", () => {
  fc.assert(
    fc.property(scenario, (drawn) => {
      const side = (n: Side): FsmConfig => ({
        ...CONFIG,
        localAs: 65000 + n,
        peerAs: 65001 - n,
        localIdentifier: drawn.identifiers[n]!,
        delayOpenSeconds: drawn.delayOpen[n]!,
        holdTimeSeconds: drawn.holdTime[n]!,
        passive: drawn.passive[n]!,
      });
      const world = new World([side(0), side(1)], drawn.seed, drawn.delayMsMax);
      for (const n of [0, 1] as const) {
        world.at(drawn.startMs[n], () => world.handle(n, { kind: "start" }));
      }
      world.runUntil(420_000);
      const sessions = world.shells.map((shell) => shell.session);
      expect(sessions[0]).not.toBeNull();
      expect(sessions[0]).toBe(sessions[1]);
      for (const shell of world.shells) expect([...shell.connections]).toEqual([sessions[0]]);
      expect(Math.max(...world.changes), "nothing changes later").toBeLessThan(300_000);
    }),
    { numRuns: 200 },
  );
});
