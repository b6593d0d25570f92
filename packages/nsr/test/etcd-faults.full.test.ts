/** The arbiter of etcd when answers are lost, late or doubled, with an etcd of this process. */
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { bootMs } from "@ts-bgp/takeover";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd, type Fault } from "../../../testkit/fake-etcd.ts";
import { ArbiterAwayError, type Roles } from "../src/arbiter.ts";
import { EtcdArbiter } from "../src/etcd-arbiter.ts";

/** An answer of this process has a third of it to come. */
const TTL_MS = 2400;
/** Of two sides whose requests may all fail. */
const QUICK_TTL_MS = 600;
const ECHO = 7;
const LONG_MS = 60_000;
/** As heartbeats of 30 ms have it. */
const PROMISE_MS = 90;
const HOLD_MS = 75;

let etcd: FakeEtcd;
let arbiters: EtcdArbiter[];

beforeEach(async () => {
  etcd = await FakeEtcd.start();
  arbiters = [];
});
afterEach(async () => {
  etcd.fault = () => null;
  await Promise.all(arbiters.map((arbiter) => arbiter.release()));
  etcd.stop();
});

/** The standby's echoes let a side go on for long. */
function heardBy({ lease }: EtcdArbiter): void {
  lease.expectEchoes("b", ECHO);
  lease.renewByEcho(ECHO, bootMs() + LONG_MS);
}

function newArbiter(
  endpoints: readonly string[] = [etcd.endpoint],
  ttlMs: number = TTL_MS,
): EtcdArbiter {
  const arbiter = new EtcdArbiter({
    cluster: "c",
    endpoints,
    tls: null,
    user: null,
    ttlMs,
  });
  arbiters.push(arbiter);
  return arbiter;
}

/** Faults for the next changes, then none. */
function faults(...next: Fault[]): void {
  etcd.fault = (isChange) => (isChange ? (next.shift() ?? null) : null);
}

function roles(): unknown {
  const { epoch, active, standby } = JSON.parse(etcd.text("roles"));
  return { epoch, active, standby };
}

describe("a change that was carried out and not answered", () => {
  test("of an acquisition is found out with the next one", async () => {
    const a = newArbiter();
    faults("lose");
    await expect(a.acquire("a")).rejects.toThrow(ArbiterAwayError);
    expect(roles()).toEqual({ epoch: 1, active: "a", standby: null });
    expect(await newArbiter().acquire("b")).toBeNull();
    expect(await a.acquire("a")).toEqual({ epoch: 2, active: "a", heirs: [] });
  });

  test("of a standby is found out by itself", async () => {
    const a = newArbiter();
    await a.acquire("a");
    heardBy(a);
    faults("lose");
    expect(await a.nameStandbys({ standbys: ["b"], heirs: [] })).toBe(true);
    expect(roles()).toEqual({ epoch: 1, active: "a", standby: "b" });
    faults("lose", "drop", "lose");
    expect(await a.nameStandbys({ standbys: [], heirs: [] })).toBe(true);
    expect(roles()).toEqual({ epoch: 1, active: "a", standby: null });
    expect(a.isHeld()).toBe(true);
  });

  test("of a takeover is found out by itself", async () => {
    const [a, b] = [newArbiter(), newArbiter()];
    await a.acquire("a");
    heardBy(a);
    await a.nameStandbys({ standbys: ["b"], heirs: [] });
    faults("lose", "lose", "drop");
    const taken = await b.takeOver("b", 1);
    expect(taken).toMatchObject({ active: "b", heirs: [] });
    expect((taken as Roles).epoch).toBeGreaterThan(1);
    expect(roles()).toEqual({ epoch: (taken as Roles).epoch, active: "b", standby: null });
  });

  test("of a handover is found out by itself", async () => {
    const [a, b] = [newArbiter(), newArbiter()];
    await a.acquire("a");
    heardBy(a);
    await a.nameStandbys({ standbys: ["b"], heirs: [] });
    faults("lose");
    await a.handOver("b");
    expect(a.isHeld()).toBe(false);
    expect(await b.acquire("b")).toMatchObject({ epoch: 2, active: "b" });
  });
});

describe("several endpoints", () => {
  test("one that refuses, and one that is silent, are passed over", async () => {
    const silent = net.createServer((socket) => socket.on("error", () => {}));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as net.AddressInfo;
    const dead = ["http://127.0.0.1:1", `http://127.0.0.1:${port}`];
    const a = newArbiter([...dead, etcd.endpoint]);
    expect(await a.acquire("a")).toMatchObject({ epoch: 1 });
    silent.close();
  });

  test("that both carry out a change make it once", async () => {
    const a = newArbiter([etcd.endpoint, etcd.endpoint]);
    faults(200);
    expect(await a.acquire("a")).toEqual({ epoch: 1, active: "a", heirs: [] });
    await sleep(300);
    expect(roles()).toEqual({ epoch: 1, active: "a", standby: null });
    expect(a.isHeld()).toBe(true);
  });
});

test("an active whose keys are gone is no active", async () => {
  const a = newArbiter();
  const told: string[] = [];
  a.onHold(({ hold, reason }) => told.push(`${hold}: ${reason ?? ""}`));
  await a.acquire("a");
  etcd.keys.clear();
  await until(() => told.length > 0, 5000, "the loss");
  expect(told).toEqual(["lost: nobody has the role, epoch 0"]);
  expect(a.isHeld()).toBe(false);
});

test("an active alone that cannot renew stops, and goes on when nobody was quicker", async () => {
  const a = newArbiter();
  const told: string[] = [];
  a.onHold(({ hold }) => told.push(hold));
  await a.acquire("a");
  etcd.fault = () => "drop";
  await until(() => told.includes("doubtful"), 5000, "the doubt");
  expect(a.isHeld()).toBe(false);
  etcd.fault = () => null;
  await until(() => told.at(-1) === "held" && a.isHeld(), 5000, "the role");
  expect(roles()).toEqual({ epoch: 1, active: "a", standby: null });
});

test("an active with a standby goes on without etcd for as long as it is echoed", async () => {
  const a = newArbiter();
  await a.acquire("a");
  heardBy(a);
  await a.nameStandbys({ standbys: ["b"], heirs: [] });
  etcd.fault = () => "drop";
  await sleep(2 * TTL_MS);
  expect(a.isHeld()).toBe(true);
});

/** One of two sides that do whatever the role allows, over a link that echoes when it is up. */
class Actor {
  readonly arbiter: EtcdArbiter;
  readonly name: string;
  other!: Actor;
  isDeclared = false;
  /** Epoch of the other side when this one was its standby. */
  followed = 0;
  /** It joins nobody before that is decided. */
  isTaking = false;
  private heardMs = Number.POSITIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
    this.arbiter = newArbiter([`${etcd.endpoint}/${name}`], QUICK_TTL_MS);
    this.arbiter.onHold(({ hold }) => {
      if (hold === "unheard" && this.other.isDeclared) void this.goOnAlone();
    });
  }

  /** A heartbeat of this side, late by some time, with its echo late as well. */
  async sendHeartbeat(late: () => number, isUp: () => boolean): Promise<void> {
    const { other, arbiter } = this;
    const sentMs = bootMs();
    await sleep(late());
    if (!isUp() || other.arbiter.isHeld()) return;
    if (!other.arbiter.lease.promise(bootMs() + PROMISE_MS)) return;
    other.heardMs = bootMs();
    await sleep(late());
    if (isUp()) arbiter.lease.renewByEcho(ECHO, sentMs + HOLD_MS);
  }

  async live(isOver: () => boolean, chance: () => number): Promise<void> {
    const { arbiter, name, other } = this;
    while (!isOver()) {
      await sleep(5 + 10 * chance());
      try {
        if (arbiter.isHeld()) {
          if (!other.isDeclared && !other.isTaking && chance() < 0.1) await this.declare();
          else if (other.isDeclared && chance() < 0.02) await this.handOver();
        } else if (this.isDeclared) {
          // The link may be closed long before heartbeats are missed.
          if (chance() < 0.97 && bootMs() - this.heardMs < PROMISE_MS) continue;
          this.isDeclared = false;
          this.isTaking = true;
          await arbiter.takeOver(name, this.followed);
          this.isTaking = false;
        } else if (chance() < 0.2) await arbiter.acquire(name);
      } catch {
        // Nobody could tell.
      }
    }
  }

  private async declare(): Promise<void> {
    const { other } = this;
    other.arbiter.lease.beginPromises(bootMs() + PROMISE_MS);
    other.heardMs = bootMs();
    other.followed = (roles() as Roles).epoch;
    this.arbiter.lease.expectEchoes(other.name, ECHO);
    if (await this.arbiter.nameStandbys({ standbys: [other.name], heirs: [] }))
      other.isDeclared = true;
  }

  private async handOver(): Promise<void> {
    this.other.isDeclared = false;
    await this.arbiter.handOver(this.other.name);
    await this.other.arbiter.acquire(this.other.name, true);
  }

  private async goOnAlone(): Promise<void> {
    await this.arbiter.nameStandbys({ standbys: [], heirs: [] });
    this.other.isDeclared = false;
  }
}

test("whatever is lost or late, there are never two at an instant, and epochs grow", async () => {
  let changes = 0;
  let heldMs = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const chance = chanceOf(seed);
      const [a, b] = [new Actor("a"), new Actor("b")];
      a.other = b;
      b.other = a;
      let isOver = false;
      let isUp = true;
      const away = new Set<string>();
      let epoch = 0;
      const problems: string[] = [];
      etcd.fault = (_, from) => {
        const dice = chance();
        if (away.has(from) || dice < 0.05) return "drop";
        if (dice < 0.1) return "lose";
        // Carried out when its author has given it up.
        if (dice < 0.2) return (QUICK_TTL_MS / 3) * (1 + 2 * chance());
        return dice < 0.4 ? 60 * chance() : null;
      };
      const weather = setInterval(() => {
        isUp = chance() < 0.8;
        for (const { name } of [a, b]) {
          if (chance() < 0.1) away.add(`/${name}`);
          else if (chance() < 0.2) away.delete(`/${name}`);
        }
      }, 150);
      const heartbeats = setInterval(() => {
        for (const actor of [a, b]) {
          if (actor.other.isDeclared || actor.arbiter.isHeld()) {
            void actor.sendHeartbeat(
              () => 20 * chance(),
              () => isUp,
            );
          }
        }
      }, 30);
      const look = setInterval(() => {
        const [first, second] = [a.arbiter.isHeld(), b.arbiter.isHeld()];
        if (first || second) heldMs++;
        if (first && second) problems.push(`two at ${bootMs()}: ${etcd.text("roles")}`);
        const now = JSON.parse(etcd.text("roles") || '{"epoch":0}').epoch as number;
        if (now < epoch) problems.push(`epoch ${now} after ${epoch}`);
        if (now > epoch) changes++;
        epoch = now;
      }, 1);
      const lives = [a, b].map((actor) => actor.live(() => isOver, chance));
      const [before, heldBefore] = [changes, heldMs];
      await sleep(4000);
      // It is to be about something.
      const isEnough = () => changes >= before + 3 && heldMs > heldBefore + 250;
      await until(isEnough, LONG_MS, "enough has happened");
      isOver = true;
      isUp = true;
      etcd.fault = () => null;
      await Promise.all(lives);
      for (const timer of [weather, heartbeats, look]) clearInterval(timer);
      await Promise.all([a.arbiter.release(), b.arbiter.release()]);
      etcd.keys.clear();
      expect(problems).toEqual([]);
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

/** A small generator, so that a seed gives the same weather. */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
