/** Several standbys: each bracket is with all of them, and any two sides may be lost one after the other. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RawMessage } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  routesOf,
  type SideName,
  type TestPair,
  untilNsr,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import { UPDATE } from "../../../testkit/peer.ts";
import { type ConfigFile, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
/** 16.0.0.0/24, without its last octet. */
const FIRST = 16 << 16;

type Sides = Readonly<Record<SideName, SpeakerProcess>>;

/** Has the first side active, and all others ready. */
async function start(pair: TestPair, names: readonly SideName[]): Promise<Sides> {
  const [first, ...others] = names;
  const sides: Partial<Record<SideName, SpeakerProcess>> = {};
  sides[first!] = await pair.startActive(first!);
  for (const name of others) sides[name] = await pair.startStandby(name);
  await untilStandbys(sides[first!]!, others);
  return sides as Sides;
}

/** Waits until exactly these may take over. */
function untilStandbys(side: SpeakerProcess, names: readonly SideName[]) {
  return untilNsr(side, `${names} may take over`, ({ role, standbys }) => {
    const ready = standbys.filter((one) => one.ready).map((one) => one.side);
    return role === "active" && JSON.stringify(ready.sort()) === JSON.stringify([...names].sort());
  });
}

/** @returns the side that has become active */
async function untilActive(
  sides: Sides,
  names: readonly SideName[],
): Promise<[SideName, SpeakerProcess]> {
  return until(
    async () => {
      for (const name of names) {
        if ((await nsrOf(sides[name])).role === "active") return [name, sides[name]] as const;
      }
      return null;
    },
    WAIT_MS,
    "a standby is active",
  ).then(([name, side]) => [name, side]);
}

/** @returns the numbers of routes of `manyRoutes` that a message announces */
function announcedIn(message: RawMessage): number[] {
  if (message.type !== UPDATE) return [];
  const body = Buffer.from(message.body);
  const attributesAt = 2 + body.readUInt16BE(0);
  const found: number[] = [];
  const first = attributesAt + 2 + body.readUInt16BE(attributesAt);
  for (let at = first; at < body.length; at += 4) found.push(body.readUIntBE(at + 1, 3) - FIRST);
  return found;
}

const ARBITERS = ["local", "etcd"] as const;
const WHERE = REASON ?? "on one host";

describe.skipIf(REASON !== null).each(ARBITERS)(
  `several standbys, arbiter %s (${WHERE})`,
  (arbiter) => {
    let etcd: FakeEtcd | null = null;
    const THREE: { sides: readonly SideName[]; nsr: ConfigFile } = {
      sides: ["a", "b", "c"],
      nsr: {},
    };

    beforeAll(async () => {
      if (arbiter === "local") return;
      etcd = await FakeEtcd.start();
      THREE.nsr = { arbiter: { etcd: [etcd.endpoint], ttl: 3 } };
    });
    afterAll(() => etcd?.stop());
    beforeEach(() => etcd?.keys.clear());

    test("sends each route once, in the middle of which one after the other is lost", () => {
      // One that stands still for a moment is a standby all the same.
      const patient = { "patience-ms": 3000, "heartbeat-ms": 200 };
      return withPair({ ...THREE, nsr: { ...THREE.nsr, ...patient } }, async (pair) => {
        const sides = await start(pair, THREE.sides);
        const peer = await pair.peer(1);
        const other = await pair.peer(2);
        await untilNsr(sides.a, "both are protected", ({ protected: safe }) => safe === 2);
        const send = (from: number) => peer.sendAll(manyRoutes({ as: PEER_AS, count: 2000, from }));
        let sent = send(0);
        sides.c.signal("SIGSTOP");
        await sleep(100);
        sides.a.signal("SIGKILL");
        // It lacks what the other has stored meanwhile.
        sides.c.signal("SIGCONT");
        const [second, active] = await untilActive(sides, ["b", "c"]);
        const third = second === "b" ? "c" : "b";
        await sent;
        await untilStandbys(active, [third]);
        sent = send(2000);
        active.signal("SIGKILL");
        await untilNsr(sides[third], `${third} is active`, ({ role }) => role === "active");
        await sent;
        const heard = () => other.messages.flatMap(announcedIn);
        await until(() => heard().length >= 4000, WAIT_MS, "all routes");
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 1, from: 4000 }));
        await until(() => heard().length > 4000, WAIT_MS, "one more");
        expect(heard().sort((x, y) => x - y)).toEqual(Array.from({ length: 4001 }, (_, n) => n));
        expect([peer, other].map(isUndisturbed)).toEqual([true, true]);
      });
    });

    test("outlives its active, and the next active as soon as that has its role", () =>
      withPair(THREE, async (pair) => {
        const sides = await start(pair, THREE.sides);
        const peer = await pair.peer(1);
        const other = await pair.peer(2);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 500 }));
        await untilNsr(sides.a, "both are protected", ({ protected: safe }) => safe === 2);
        sides.a.signal("SIGKILL");
        const [second, active] = await untilActive(sides, ["b", "c"]);
        const third = second === "b" ? "c" : "b";
        active.signal("SIGKILL");
        await untilNsr(sides[third], `${third} is active`, ({ role }) => role === "active");
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100, from: 500 }));
        await until(async () => (await routesOf(sides[third])) === 600, WAIT_MS, "all routes");
        expect([peer, other].map(isUndisturbed)).toEqual([true, true]);
        const shown = await nsrOf(sides[third]);
        expect(shown.last_switchover).toMatchObject({ resumed: 2, lost: [] });
      }));

    test("goes on with the other standby where that one was, without another image", () =>
      withPair(THREE, async (pair) => {
        const sides = await start(pair, THREE.sides);
        const peer = await pair.peer(1);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 500 }));
        sides.a.signal("SIGKILL");
        const [second, active] = await untilActive(sides, ["b", "c"]);
        const third = second === "b" ? "c" : "b";
        await untilStandbys(active, [third]);
        await untilReady(sides[third], "standby");
        expect((await untilSaid(active, "standby-ready")).join()).toContain(third);
        expect(active.log().some(({ id }) => id === "standby-joining")).toBe(false);
        expect(isUndisturbed(peer)).toBe(true);
      }));

    test("undeclares one that is slow, and that one alone", () =>
      withPair({ ...THREE, nsr: { ...THREE.nsr, "patience-ms": 1500 } }, async (pair) => {
        const sides = await start(pair, THREE.sides);
        const peer = await pair.peer(1);
        sides.c.signal("SIGSTOP");
        await untilStandbys(sides.a, ["b"]);
        expect(await untilSaid(sides.a, "standby-slow")).toHaveLength(1);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
        await until(async () => (await routesOf(sides.a)) === 100, WAIT_MS, "routes");
        sides.c.signal("SIGCONT");
        await untilStandbys(sides.a, ["b", "c"]);
        expect(isUndisturbed(peer)).toBe(true);
      }));

    test("gives its role to the one that is named, and the other goes on with that", () =>
      withPair(THREE, async (pair) => {
        const sides = await start(pair, THREE.sides);
        const peer = await pair.peer(1);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 500 }));
        await untilNsr(sides.a, "it is protected", ({ protected: safe }) => safe === 1);
        const nobody = sides.a.ask({ command: "switchover", to: "d" });
        await expect(nobody).rejects.toThrow("d cannot take over");
        const { end } = await sides.a.ask({ command: "switchover", to: "c" });
        expect(end).toEqual({ resumed: 1, lost: [] });
        // The one before comes back by itself.
        await untilStandbys(sides.c, ["a", "b"]);
        const joined = sides.c.log().filter(({ msg }) => msg.endsWith("is being sent the state"));
        expect(joined.map(({ msg }) => msg)).toEqual(["a is being sent the state"]);
        expect(isUndisturbed(peer)).toBe(true);
      }));

    test("loses three of four sides one after the other", () => {
      const all = ["a", "b", "c", "d"] as const;
      return withPair({ ...THREE, sides: all }, async (pair) => {
        const sides = await start(pair, all);
        const peer = await pair.peer(1);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
        await untilNsr(sides.a, "it is protected", ({ protected: safe }) => safe === 1);
        let alive: readonly SideName[] = all;
        let active: SideName = "a";
        while (alive.length > 1) {
          sides[active].signal("SIGKILL");
          alive = alive.filter((name) => name !== active);
          [active] = await untilActive(sides, alive);
        }
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100, from: 100 }));
        await until(async () => (await routesOf(sides[active])) === 200, WAIT_MS, "all routes");
        expect(isUndisturbed(peer)).toBe(true);
      });
    });
  },
);
