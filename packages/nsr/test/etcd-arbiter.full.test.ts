/** The arbiter of etcd: a real one, sides in namespaces, cuts, pauses, races. */
import { setTimeout as sleep } from "node:timers/promises";
import { bootMs } from "@ts-bgp/takeover";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startEtcd } from "../../../test/lab/etcd.ts";
import { labAvailable } from "../../../test/lab/install.ts";
import { createLab, type Lab, type LabNode } from "../../../test/lab/netns.ts";
import { cut as cutAddresses, type Direction, heal } from "../../../test/lab/partition.ts";
import { LabSide, papersOf, startPair } from "../../../testkit/etcd-lab.ts";

const REASON = labAvailable();
const TTL_MS = 2000;

interface Roles {
  readonly epoch: number;
  readonly active: string;
  readonly standby: string | null;
}

let lab: Lab;
let etcd: LabNode;
let a: LabNode;
let b: LabNode;
let endpoint: string;
let sides: LabSide[] = [];
let clusters = 0;

async function newSide(node: LabNode, name: string, cluster: string): Promise<LabSide> {
  const [address, peer] = [node.address4, node === a ? b.address4 : a.address4];
  const side = {
    name,
    cluster,
    endpoints: [endpoint],
    ttlMs: TTL_MS,
    address,
    peer,
    tls: papersOf(cluster)[0],
  };
  const started = new LabSide(node, side);
  sides.push(started);
  await started.ready();
  return started;
}

async function newPair(): Promise<{ active: LabSide; standby: LabSide; cluster: string }> {
  const cluster = `c${++clusters}`;
  const pair = await startPair(a, b, cluster, [endpoint], TTL_MS, (side) => sides.push(side));
  return { ...pair, cluster };
}

function cut(node: LabNode, others: readonly LabNode[], direction: Direction): Promise<void> {
  return cutAddresses(
    node,
    others.map(({ address4 }) => address4),
    direction,
  );
}

/** Never two at an instant; in the order of their ends. */
function expectDisjoint(...held: readonly [number, number][][]): void {
  const all = held.flatMap((list, side) => list.map(([from, to]) => ({ side, from, to })));
  all.sort((x, y) => x.from - y.from);
  for (let k = 1; k < all.length; k++) {
    if (all[k]!.side === all[k - 1]!.side) continue;
    expect(all[k]!.from, JSON.stringify(all)).toBeGreaterThan(all[k - 1]!.to);
  }
}

describe.skipIf(REASON !== null)(`the arbiter of etcd${REASON ? ` (${REASON})` : ""}`, () => {
  beforeAll(async () => {
    lab = createLab();
    etcd = lab.node("etcd");
    a = lab.node("a");
    b = lab.node("b");
    ({ endpoint } = await startEtcd(etcd));
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail") console.error(lab.describe());
    await Promise.all([a, b, etcd].map(heal));
    for (const { process } of sides) process.signal("SIGKILL");
    sides = [];
  });
  afterAll(() => lab?.remove());

  test("gives the role to one of many that want it at the same moment", async () => {
    const racers = await Promise.all(
      Array.from({ length: 6 }, (_, k) => newSide(k % 2 ? a : b, `s${k}`, "race")),
    );
    const answers = await Promise.all(racers.map((racer) => racer.ask("acquire")));
    expect(answers.filter((roles) => roles !== null)).toHaveLength(1);
    expectDisjoint(...(await Promise.all(racers.map((racer) => racer.held()))));
  });

  test("gives the role away when its lease has ended, with a higher epoch", async () => {
    const first = await newSide(a, "a", "lease");
    const second = await newSide(b, "b", "lease");
    const before = (await first.ask("acquire")) as Roles;
    expect(await second.ask("acquire")).toBeNull();
    await sleep(1.5 * TTL_MS);
    expect(await second.ask("acquire")).toBeNull();
    first.process.signal("SIGKILL");
    const killedMs = bootMs();
    let roles: Roles | null = null;
    while (roles === null) roles = (await second.ask("acquire")) as Roles | null;
    expect(bootMs() - killedMs).toBeGreaterThan(TTL_MS / 2);
    expect(roles).toEqual({ ...before, epoch: before.epoch + 1, active: "b" });
  });

  test("gives a role that was released at once", async () => {
    const first = await newSide(a, "a", "release");
    await first.ask("acquire");
    await first.ask("release");
    const second = await newSide(b, "b", "release");
    expect(await second.ask("acquire")).toMatchObject({ epoch: 2 });
  });

  test("lets nobody name a standby who has lost the role", async () => {
    const { active, standby } = await newPair();
    active.process.signal("SIGSTOP");
    await standby.event("takeover");
    active.process.signal("SIGCONT");
    expect(await active.ask("name b")).toBe(false);
    expect((await active.event("lost"))["why"]).toMatch(/^b has the role, epoch 2$/);
  });

  test("lets only the one take over that is named", async () => {
    const { active, standby, cluster } = await newPair();
    const third = await newSide(b, "c", cluster);
    expect(await third.ask("takeover")).toBeNull();
    await active.ask("name");
    expect(await standby.ask("state")).toBe("alone");
    expect(await active.ask("name c")).toBe(true);
    expect(await standby.ask("takeover")).toBeNull();
  });

  test("names nobody who does not echo heartbeats", async () => {
    const active = await newSide(a, "a", "mute");
    await active.ask("acquire");
    await expect(active.ask("name b")).rejects.toThrow(/answered no heartbeat for 5000 ms/);
    await sleep(300);
    expect(active.lines().filter(({ event }) => event === "doubtful")).toEqual([]);
  });

  test("hands over within milliseconds", async () => {
    const { active, standby } = await newPair();
    await active.ask("handover");
    expect(await standby.ask("acquire")).toMatchObject({ epoch: 2, active: "b" });
    expect(await active.ask("acquire")).toBeNull();
    expectDisjoint(await active.held(), await standby.held());
  });

  test("takes back what nobody took", async () => {
    const { active, standby } = await newPair();
    await active.ask("handover");
    expect(await active.ask("acquire")).toMatchObject({ epoch: 2, active: "a" });
    expect(await standby.ask("acquire")).toBeNull();
  });

  test("refuses the role to a third one while both sides may live", async () => {
    const { active, standby, cluster } = await newPair();
    const third = await newSide(b, "c", cluster);
    expect(await third.ask("acquire")).toBeNull();
    for (const { process } of [active, standby]) process.signal("SIGKILL");
    expect(await third.ask("acquire")).toBeNull();
    await sleep(1.2 * TTL_MS);
    await expect(third.ask("acquire")).rejects.toThrow(/^a and b share the role; .*delete/);
    const restarted = await newSide(b, "b", cluster);
    expect(await restarted.ask("acquire")).toBeNull();
    await sleep(1.2 * TTL_MS);
    expect(await restarted.ask("acquire")).toMatchObject({ epoch: 2, active: "b" });
  });

  test("has the standby take over from a process that was killed", async () => {
    const { active, standby } = await newPair();
    active.process.signal("SIGKILL");
    const { roles } = await standby.event("takeover");
    expect(roles).toMatchObject({ epoch: 2, active: "b" });
  });

  describe.each(["in", "out", "both"] as const)("with a cut (%s)", (direction) => {
    test.each([
      ["the active and etcd", () => cut(a, [etcd], direction)],
      ["the standby and etcd", () => cut(b, [etcd], direction)],
    ])("between %s, the active goes on for as long as that lasts", async (_, isolate) => {
      const { active, standby } = await newPair();
      await isolate();
      await sleep(2.5 * TTL_MS);
      const end = bootMs();
      const held = await active.held();
      expect(await standby.held()).toEqual([]);
      expect(held.at(-1)![1]).toBeGreaterThan(end - TTL_MS / 2);
    });

    test("between the sides, one of them goes on, and the other one stops", async () => {
      const { active, standby } = await newPair();
      await cut(a, [b], direction);
      const { roles } = await standby.event("takeover");
      await sleep(TTL_MS);
      const end = bootMs();
      const [ofActive, ofStandby] = [await active.held(), await standby.held()];
      expectDisjoint(ofActive, ofStandby);
      const last = (roles === null ? ofActive : ofStandby).at(-1)!;
      expect(last[1]).toBeGreaterThan(end - TTL_MS / 2);
    });

    test("around the active, the standby goes on, and the active finds out when it ends", async () => {
      const { active, standby } = await newPair();
      await cut(a, [b, etcd], direction);
      const { roles } = await standby.event("takeover");
      if (roles !== null) {
        expect(roles).toMatchObject({ epoch: 2, active: "b" });
        await sleep(2 * TTL_MS);
      } else {
        // What it asked etcd for was done, although it could not hear of it.
        expect(direction).toBe("in");
        while ((await standby.ask("acquire")) === null) await sleep(10);
      }
      await heal(a);
      await active.event("lost");
      expect(await active.ask("acquire")).toBeNull();
      expectDisjoint(await active.held(), await standby.held());
    });

    test("around the standby, the active goes on alone, and the standby may not take over", async () => {
      const { active, standby } = await newPair();
      await cut(b, [a, etcd], direction);
      expect(await active.event("alone")).toMatchObject({ done: true });
      await sleep(TTL_MS);
      const end = bootMs();
      expect((await active.held()).at(-1)![1]).toBeGreaterThan(end - TTL_MS / 2);
      await heal(b);
      expect(await standby.event("takeover")).toMatchObject({ roles: null });
      expect(await standby.held()).toEqual([]);
    });

    test("around etcd and between the sides, both wait; the first to reach etcd goes on", async () => {
      const { active, standby } = await newPair();
      await Promise.all([cut(a, [b, etcd], direction), cut(b, [a, etcd], direction)]);
      const { atMs } = await active.event("doubtful");
      await sleep(2 * TTL_MS);
      expect((await active.held()).at(-1)![1]).toBeLessThan(atMs);
      expect(await standby.held()).toEqual([]);
      await heal(a);
      await active.event("held");
      await heal(b);
      expect(await standby.event("takeover")).toMatchObject({ roles: null });
    });

    test("around an active that is alone, it stops before another one begins", async () => {
      const cluster = `c${++clusters}`;
      const first = await newSide(a, "a", cluster);
      const second = await newSide(b, "b", cluster);
      await first.ask("acquire");
      await cut(a, [etcd], direction);
      while ((await second.ask("acquire")) === null) await sleep(10);
      await heal(a);
      await first.event("lost");
      expectDisjoint(await first.held(), await second.held());
    });
  });

  test.each([700, 1500])("an active that is stopped for %i ms is not one of two", async (ms) => {
    const { active, standby } = await newPair();
    active.process.signal("SIGSTOP");
    await sleep(ms);
    active.process.signal("SIGCONT");
    const { roles } = await standby.event("takeover");
    // After the shorter time the active may be the first to reach etcd, and goes on alone.
    await active.event(roles === null ? "alone" : "lost");
    expectDisjoint(await active.held(), await standby.held());
  });

  test("an active that is alone and stopped is not one of two", async () => {
    const cluster = `c${++clusters}`;
    const first = await newSide(a, "a", cluster);
    const second = await newSide(b, "b", cluster);
    await first.ask("acquire");
    first.process.signal("SIGSTOP");
    while ((await second.ask("acquire")) === null) await sleep(10);
    first.process.signal("SIGCONT");
    await first.event("lost");
    expectDisjoint(await first.held(), await second.held());
  });

  test("a standby that is stopped, and goes on, does not take over from an active alone", async () => {
    const { active, standby } = await newPair();
    standby.process.signal("SIGSTOP");
    expect(await active.event("alone")).toMatchObject({ done: true });
    standby.process.signal("SIGCONT");
    expect(await standby.ask("takeover")).toBeNull();
    expectDisjoint(await active.held(), await standby.held());
  });
});
