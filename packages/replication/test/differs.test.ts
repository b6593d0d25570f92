/** A standby whose state is another one than the active's: found, named, counted, and sent anew. */

import type { Output } from "@ts-bgp/router";
import { describe, expect, test } from "vitest";
import { configOf, Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import {
  Active,
  configOctets,
  digestOf,
  FrameReader,
  type Journal,
  type Machine,
  Standby,
} from "../src/index.ts";
import { difference } from "./difference.ts";
import { Followed } from "./followed-router.ts";

const NEIGHBORS = `neighbors:
  - { address: 192.0.2.1, as: 65001 }
  - { address: 192.0.2.2, as: 65002 }`;
const DEFAULTS = "defaults: { passive: true, import: accept-all, export: accept-all }";
const YAML = yamlOf(`${DEFAULTS}\n${NEIGHBORS}`);
const WITH_ANOTHER = yamlOf(`${DEFAULTS}\n${NEIGHBORS}\n  - { address: 192.0.2.3, as: 65003 }`);
/** Time between two comparisons, and of what stands between them. */
const COMPARED_MS = 1000;
const SLACK_MS = 200;
/** More than one slice has count. */
const MANY = 10_000;
const PER_MESSAGE = 500;

/** A router with peers, an active around it, and a standby behind that. */
class Pair {
  readonly lab: Lab;
  readonly from: Peer;
  readonly to: Peer;
  active!: Active;
  standby!: Standby;
  readonly said: string[] = [];
  /** Comparisons that the active has asked for. */
  digests = 0;
  /** Answers the active that wants the standby's right back. */
  undeclared: (isOurs: boolean) => void = () => expect.fail("nobody has asked");
  private journal!: Journal;
  private hasStandby = false;
  private released: Output[] = [];
  private toStandby: Uint8Array[] = [];
  private toActive: Uint8Array[] = [];

  constructor() {
    const routerOf: ConstructorParameters<typeof Lab>[1] = {
      routerOf: (config, seed) => {
        const { journal, router } = new Followed(config, seed);
        this.journal = journal;
        this.active = this.makeActive();
        return new Proxy(router, {
          get: (target, name) =>
            name === "takeOutputs" ? () => this.take() : Reflect.get(target, name, target),
        });
      },
    };
    this.lab = new Lab(YAML, routerOf);
    this.from = this.lab.peer("192.0.2.1", { as: 65001 }).up();
    this.to = this.lab.peer("192.0.2.2", { as: 65002 }).up();
  }

  /** The machine of the active. */
  get machine(): Machine {
    return this.journal.machine;
  }

  /** Sends a new standby the state. */
  begin(): void {
    this.lab.deliver();
    this.toStandby = [];
    this.toActive = [];
    this.standby = new Standby({
      send: (frame) => this.toActive.push(frame),
      differs: (number, what) => this.said.push(`the standby: ${what} at bracket ${number}`),
    });
    this.hasStandby = true;
    this.active.join("b", this.lab.nowMs);
    while (this.active.pump("b"));
    this.exchange();
  }

  /** Has it follow until it may take over. */
  async declare(): Promise<void> {
    this.lab.run();
    await turns();
    this.lab.run();
    expect(this.active.state).toBe("declared");
    expect(this.standby.isDeclared).toBe(true);
  }

  private makeActive(): Active {
    return new Active(
      this.journal,
      { epoch: 1, patienceMs: 1000 },
      {
        send: (_to, frame) => this.toStandby.push(frame),
        release: (outputs) => this.released.push(...outputs),
        acknowledge() {},
        gone() {},
        closeGate: () => new Map(),
        openGate() {},
        declare: () => Promise.resolve(true),
        undeclare: () =>
          new Promise((resolve) => {
            this.undeclared = resolve;
          }),
        drop: () => {
          this.hasStandby = false;
        },
        say: (id, message) => this.said.push(`${id}: ${message}`),
      },
    );
  }

  /** Ends a bracket. @returns what may leave by then */
  private take(): Output[] {
    this.active.commit(this.machine.router.tables.nowMs);
    while (this.hasStandby && this.toStandby.length > 0) this.exchange();
    return this.released.splice(0);
  }

  private exchange(): void {
    const { standby, active } = this;
    for (const record of recordsOf(this.toStandby.splice(0))) {
      if (record.record === "bracket" && record.digest !== null) this.digests++;
      standby.record(record);
    }
    standby.acknowledge();
    standby.work(() => true);
    standby.acknowledge();
    for (const record of recordsOf(this.toActive.splice(0))) {
      if (this.hasStandby) active.record("b", record, this.machine.router.tables.nowMs);
    }
  }
}

function recordsOf(frames: readonly Uint8Array[]) {
  const reader = new FrameReader(null);
  for (const frame of frames) reader.push(frame);
  const records = [];
  for (let next = reader.next(); next !== null; next = reader.next()) records.push(next);
  return records;
}

/** Lets promises that are kept be noticed. */
async function turns(): Promise<void> {
  for (let n = 0; n < 5; n++) await Promise.resolve();
}

/** A pair that has a route from one peer to the other, and compares. */
async function comparing(): Promise<Pair> {
  const pair = new Pair();
  pair.from.announce(["10.1.0.0/16"], { med: 1 });
  pair.begin();
  await pair.declare();
  pair.lab.advance(2 * COMPARED_MS);
  expect(pair.standby.digestNumber).toBeGreaterThan(0);
  pair.said.length = 0;
  return pair;
}

/** Has a router read octets of a peer that the ledger knows nothing of. */
function reads({ router }: Machine, { wire, lab }: Peer, octets: Uint8Array): void {
  router.received(wire.id, octets);
  while (router.slice(lab.nowMs, () => true));
  router.takeOutputs();
}

/** What befalls the standby's machine, and by which names it is found. */
const DISTURBANCES: readonly (readonly [
  string,
  (machine: Machine, pair: Pair) => void,
  readonly string[],
])[] = [
  [
    "has a route more",
    (machine, { from }) => reads(machine, from, from.updateOf(["10.2.0.0/16"], { med: 1 })),
    ["ipv4-unicast routes", "update group 1"],
  ],
  [
    "has a route less",
    (machine, { from }) => reads(machine, from, from.encode(["10.1.0.0/16"], [], [])),
    ["ipv4-unicast routes", "update group 1", "attribute sets"],
  ],
  [
    "has a route with another attribute",
    (machine, { from }) => reads(machine, from, from.updateOf(["10.1.0.0/16"], { med: 2 })),
    ["ipv4-unicast routes", "update group 1"],
  ],
  [
    "has sent a route that it does not use",
    (machine) => {
      for (const { group } of machine.router.tables.groups.entries) {
        expect(group.adjRibOut.digest.isComplete).toBe(true);
        group.adjRibOut.digest.count(1, 1);
      }
    },
    ["update group 1"],
  ],
  [
    "has shut a neighbor down",
    (machine, { lab }) => {
      const order = { do: "disable", text: null } as const;
      machine.run({ record: "operate", address: "192.0.2.2", order, nowMs: lab.nowMs });
      machine.router.takeOutputs();
    },
    ["established"],
  ],
  [
    "has a neighbor more",
    (machine, { lab }) => {
      const config = configOctets(configOf(WITH_ANOTHER));
      machine.run({ record: "configure", config, nowMs: lab.nowMs, about: null });
      machine.router.takeOutputs();
    },
    ["neighbors"],
  ],
  [
    "has lost a connection",
    (machine, { to }) => machine.ledger.closed(to.wire.id),
    ["connections", "octets written", "octets received"],
  ],
  [
    "has received an octet more",
    (machine, { from }) => machine.ledger.received(from.wire.id, 1),
    ["octets received"],
  ],
  [
    "has written an octet more",
    (machine, { to }) =>
      machine.ledger.connections.get(to.wire.id)!.send.append(new Uint8Array([0xff])),
    ["octets written"],
  ],
];

describe("a standby that", () => {
  test.each(DISTURBANCES)("%s is found out by name, and joins again", async (_, disturb, names) => {
    const pair = await comparing();
    const { active, lab, standby, said, to } = pair;
    disturb(standby.follows!, pair);
    const before = active.digestMs;
    lab.advance(COMPARED_MS + SLACK_MS);

    const what = `${names.join(", ")} at bracket ${standby.applied}`;
    expect(said.slice(0, 2)).toEqual([`the standby: ${what}`, `standby-differs: ${what}`]);
    expect(said.filter((line) => line.startsWith("standby-differs"))).toHaveLength(1);
    expect(standby).toMatchObject({ isUsable: false, isDeclared: false });
    expect(standby.finish()).toBe(null);
    expect(active).toMatchObject({ state: "undeclaring", differences: 1, digestMs: before });

    // Nothing leaves before the standby has lost its right.
    pair.from.announce(["10.3.0.0/16"], { med: 3 });
    lab.run();
    expect(to.table["10.3.0.0/16"]).toBe(undefined);
    pair.undeclared(true);
    await turns();
    lab.run();
    expect(Object.keys(to.table)).toEqual(["10.1.0.0/16", "10.3.0.0/16"]);
    expect(active.state).toBe("alone");
    expect(active.reason).toBe(`the standby differed in ${names.join(", ")}; it has to join again`);

    pair.begin();
    await pair.declare();
    lab.advance(2 * COMPARED_MS);
    expect(active).toMatchObject({ state: "declared", differences: 1, reason: null });
    expect(lab.nowMs - active.digestMs).toBeLessThanOrEqual(COMPARED_MS + SLACK_MS);
    expect(digestOf(pair.standby.follows!)).toEqual(digestOf(pair.machine));
    expect(difference(pair.machine, pair.standby.finish())).toBe(null);
    expect([pair.from.isUp, to.isUp]).toEqual([true, true]);
  });

  test("puts out something else is found out in that bracket", async () => {
    const pair = await comparing();
    const { active, lab, standby, said, from } = pair;
    standby.follows!.router.received(from.wire.id, from.updateOf(["10.2.0.0/16"], {}));
    lab.advance(100);
    expect(said[0]).toBe(`the standby: outputs at bracket ${standby.applied}`);
    expect(said[1]).toBe(`standby-differs: outputs at bracket ${active.number}`);
    expect(active).toMatchObject({ state: "undeclaring", differences: 1 });
  });

  test("differs where rows do not count yet is found out once they do", async () => {
    const pair = new Pair();
    for (let n = 0; n < MANY; n += PER_MESSAGE) {
      pair.from.announce(prefixes(n, PER_MESSAGE), { med: n });
    }
    pair.lab.run();
    pair.begin();
    const { follows } = pair.standby;
    expect(follows!.router.tables.rib(1).digest.isComplete).toBe(false);
    reads(follows!, pair.from, pair.from.updateOf(prefixes(MANY - 1, 1), { med: 0 }));
    pair.said.length = 0;
    pair.lab.advance(3 * COMPARED_MS);
    expect(pair.said[0]).toMatch(/^the standby: (ipv4-unicast routes, )?update group \d+ at/);
    expect(pair.active.differences).toBe(1);
  });

  test("does not differ is compared all the time, whatever happens to the routes", async () => {
    const pair = await comparing();
    const { active, lab, from } = pair;
    pair.digests = 0;
    const seconds = 20;
    for (let n = 0; n < 5 * seconds; n++) {
      if (n % 3 === 2) from.withdraw(prefixes(n - 2, 1));
      else from.announce(prefixes(n, 1 + (n % 2)), { med: n });
      lab.advance(COMPARED_MS / 5);
      expect(lab.nowMs - active.digestMs).toBeLessThanOrEqual(COMPARED_MS + SLACK_MS);
    }
    expect(pair.digests).toBeGreaterThanOrEqual(seconds - 2);
    expect(active).toMatchObject({ state: "declared", differences: 0 });
    expect(pair.said).toEqual([]);
  });
});

/** `count` prefixes from the one of a number on. */
function prefixes(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, k) => {
    const n = from + k;
    return `20.${n >>> 8}.${n & 0xff}.0/24`;
  });
}
