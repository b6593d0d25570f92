/** A message that the program dies of, on two hosts with etcd, and among many: what peers see of it. */
import { describe, expect, test } from "vitest";
import { createPair, type LabPair } from "../../chaos/pair.ts";
import { activeOf, makeReady, type Side } from "../../chaos/sides.ts";
import {
  differencesOf,
  faultsBetween,
  hasFaults,
  isReadyWithin,
  openExchange,
  settle,
} from "../../exchange/exchange.ts";
import { READERS_MAX } from "../../packages/router/src/reading.ts";
import { FATAL, FATAL_AS, FATAL_HOOK, type Fatal, fatalUpdate } from "../../testkit/fatal.ts";
import { bird } from "../lab/bird.ts";
import type { Daemon, DaemonKind, Family } from "../lab/daemon.ts";
import { frr } from "../lab/frr.ts";
import { gobgp } from "../lab/gobgp.ts";
import { labAvailable } from "../lab/install.ts";
import { type Lab, type LabNode, withLab } from "../lab/netns.ts";
import { startRawPeer } from "../lab/raw-peer.ts";
import { until } from "../lab/until.ts";

const REASON = labAvailable();
const AS = 65_500;
const DAEMON_AS = 65_001;
const WAIT_MS = 10_000;
const HOOKED = { NODE_OPTIONS: FATAL_HOOK.join(" ") };
const FAMILY: Family = "ipv4-unicast";
const CEASE = { code: 6, subcode: 2 };

interface End {
  readonly node: LabNode;
  readonly daemon: Daemon;
}

function createEnd(lab: Lab, pair: LabPair, kind: DaemonKind, number: number): End {
  const node = lab.node(kind.name);
  const as = DAEMON_AS + number;
  const session = {
    ...{ families: [FAMILY], localAddress: node.address4, peerAddress: pair.address4, peerAs: AS },
    routeServer: true,
  } as const;
  const originate = [{ prefix: `10.${number + 1}.0.0/24` }];
  const spec = { as, routerId: node.address4, sessions: [session], originate };
  return { node, daemon: kind.create(node, spec) };
}

async function startScene(lab: Lab): Promise<{ pair: LabPair; ends: End[] }> {
  const pair = await createPair(lab, "namespace", 1, HOOKED);
  const ends = [bird, frr, gobgp].map((kind, number) => createEnd(lab, pair, kind, number));
  pair.configure({
    router: { as: AS, id: pair.address4 },
    defaults: {
      ...{ import: "accept-all", export: "accept-all", passive: true },
      "route-server-client": true,
    },
    neighbors: ends.map(({ node, daemon }) => ({
      ...{ address: node.address4, as: daemon.spec.as, families: [FAMILY] },
    })),
  });
  expect(await makeReady(pair, WAIT_MS)).toBe(true);
  await Promise.all(ends.map(({ daemon }) => daemon.start()));
  for (const end of ends) await untilUp(pair, end, 1);
  return { pair, ends };
}

function untilUp(pair: LabPair, { daemon }: End, count: number): Promise<unknown> {
  const isUp = async () => {
    const { state, upCount } = await daemon.session(pair.address4);
    return state === "established" && upCount === count;
  };
  return until(isUp, 2 * WAIT_MS, `${daemon.kind.name} has its session for the ${count}. time`);
}

async function upCounts(pair: LabPair, ends: readonly End[]): Promise<number[]> {
  const sessions = await Promise.all(ends.map(({ daemon }) => daemon.session(pair.address4)));
  return sessions.map(({ upCount }) => upCount);
}

async function quarantined(side: Side): Promise<Record<string, unknown>[]> {
  return JSON.parse(await side.tsbgp("show", "quarantine", "--json"));
}

async function isOver(pair: LabPair, before: Side): Promise<Side> {
  const other = async () => {
    const active = await activeOf(pair);
    return active !== null && active.name !== before.name && active;
  };
  return until(other, WAIT_MS, "the other side is active");
}

describe.skipIf(REASON !== null)(
  `a message that ends the program${REASON ? ` (${REASON})` : ""}`,
  () => {
    test("on two hosts: BIRD, FRR and GoBGP are told so, come back, and the others see nothing", () =>
      withLab("quarantine", async (lab) => {
        const { pair, ends } = await startScene(lab);
        const ups = ends.map(() => 1);
        const plan: readonly [Fatal, number, "released" | "waits"][] = [
          ["hangs", 0, "released"],
          ["throws", 1, "released"],
          ["aborts", 2, "waits"],
        ];
        for (const [how, index, comesBack] of plan) {
          const { node, daemon } = ends[index]!;
          const others = ends.filter((_, k) => k !== index);
          const untilRoutes = async () => {
            for (const end of others) {
              const have = async () => (await end.daemon.routes(FAMILY)).length;
              await until(async () => (await have()) === 2, WAIT_MS, "the routes of the others");
            }
          };
          await untilRoutes();
          const before = await activeOf(pair);
          const fatal = { prefix: "10.99.0.0/24", communities: [`${FATAL_AS}:${FATAL[how]}`] };
          await daemon.announce([fatal]);
          const active = await isOver(pair, before!);
          // On another host nobody but its service manager ends one that hangs.
          await before!.kill();
          const hasEnded = async () => !(await before!.isRunning());
          await until(hasEnded, WAIT_MS, "the side before has ended");
          const held = await quarantined(active);
          expect(held.map(({ address }) => address)).toContain(node.address4);
          // It tries again at once, and is turned away then with another word.
          const text = /a message of this session may have ended our BGP process; down for 60 s/;
          await until(() => text.test(daemon.logText()), WAIT_MS, `${daemon.kind.name} is told`);
          expect(await daemon.lastNotification(pair.address4)).toMatchObject({ code: CEASE.code });
          await daemon.withdraw([fatal.prefix]);
          expect(await upCounts(pair, others)).toEqual(ups.filter((_, k) => k !== index));
          if (comesBack === "released") await active.tsbgp("release", node.address4);
          ups[index]!++;
          await daemon.enable(pair.address4);
          await untilUp(pair, ends[index]!, ups[index]!);
          expect(await upCounts(pair, ends)).toEqual(ups);
          expect(await makeReady(pair, WAIT_MS)).toBe(true);
        }
      }));

    test.each<[Fatal, string, boolean]>([
      ["aborts", "the session of the one ends, nothing else", true],
      ["throws when sent", "those sessions end that may have been it, and no others", false],
    ])("%s in a bulk of a hundred clients: %s", async (how, _, isAlone) => {
      const [clients, routes] = [100, 20];
      const guest = { address: "10.0.0.3", as: 65_001 };
      const exchange = await openExchange({
        ...{ kind: "shared", clients, routes, seed: 1, env: HOOKED, guests: [guest] },
      });
      const { lab, pair } = exchange;
      try {
        const node = lab.node("guest");
        expect(node.address4).toBe(guest.address);
        const raw = await startRawPeer(node, { as: guest.as, peerAddress: pair.address4 });
        exchange.clients.connect();
        const areUp = async () => (await exchange.clients.stat()).up === clients;
        await until(areUp, WAIT_MS, "all are up");
        expect(await isReadyWithin(exchange, WAIT_MS)).toBe(true);
        const before = await exchange.clients.stat();
        const first = (await activeOf(pair))!;
        exchange.clients.announce();
        const isUnderWay = async () => (await exchange.clients.stat()).told > 1000;
        await until(isUnderWay, WAIT_MS, "it is under way");
        raw.send([...fatalUpdate(how, guest.as)]);
        const active = await isOver(pair, first);
        await until(() => raw.closed(), WAIT_MS, "its session ends");
        expect(raw.notification()).toEqual(CEASE);
        const held = (await quarantined(active)).map(({ address }) => address);
        expect(held).toContain(guest.address);
        expect(held.length).toBeLessThanOrEqual(isAlone ? 1 : READERS_MAX);
        const others = held.length - 1;
        if (isAlone) {
          expect(differencesOf(await settle(exchange))).toBe(0);
          const faults = faultsBetween(before, await exchange.clients.stat());
          expect(hasFaults(faults), JSON.stringify(faults)).toBe(false);
        } else {
          // Those who are not held down have all of each other, and nothing of those who are; these have nothing.
          const left = clients - others;
          const areRight = async () => {
            const { up, sending, held } = await exchange.clients.stat();
            return up === left && sending === 0 && held === left * (left - 1) * routes;
          };
          const what = "tables are those of the sessions that are left";
          await until(areRight, 2 * WAIT_MS, what);
          const check = await exchange.clients.check();
          expect(check).toMatchObject({ different: 0, extra: 0, echoed: 0 });
          const faults = faultsBetween(before, await exchange.clients.stat());
          // Those who are held down come again and again.
          expect(faults).toMatchObject({ resets: 0, malformed: 0, expired: 0 });
        }
        const shown = JSON.parse(await active.tsbgp("show", "neighbors", "--json")) as {
          address: string;
          state: string;
          established_count: number;
        }[];
        const free = shown.filter(({ address }) => !held.includes(address));
        expect(free).toHaveLength(clients - others);
        for (const one of free)
          expect(one).toMatchObject({ state: "Established", established_count: 1 });
        expect((await activeOf(pair))?.name).toBe(active.name);
      } catch (error) {
        console.error(lab.describe());
        throw error;
      } finally {
        lab.remove();
      }
    });
  },
);
