/** Logs on disk of two standbys: each goes on from its own, also behind another active. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  routesOf,
  type SideName,
  type TestPair,
  untilNsr,
  untilProtected,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const WHERE = REASON ?? "on one host";
const ROUTES = 100;
const NAMES = ["a", "b", "c"] as const;

type Sides = Readonly<Record<SideName, SpeakerProcess>>;

/** Three sides that keep logs in one folder, a active, with a session. */
function withLogs(
  body: (pair: TestPair, sides: Sides, peer: Peer) => Promise<void>,
): Promise<void> {
  return withPair({ sides: NAMES }, async (pair) => {
    const sides: Partial<Record<SideName, SpeakerProcess>> = {};
    for (const name of NAMES) {
      const config = pair.config(name);
      const nsr = { ...(config.nsr as object), log: join(pair.directory, "log") };
      const side = await pair.side(name);
      side.configure({ ...config, nsr });
      sides[name] = name === "a" ? await pair.startActive(name) : await pair.startStandby(name);
    }
    await untilStandbys(sides.a!, ["b", "c"]);
    const peer = await pair.peer(1);
    await untilProtected(sides.a!, 1);
    for (const name of ["b", "c"] as const) await untilLog(sides[name]!);
    await body(pair, sides as Sides, peer);
  });
}

const untilLog = (side: SpeakerProcess) =>
  untilNsr(side, "it has a log", ({ log }) => log.octets > 0);

/** Waits until exactly these may take over. */
function untilStandbys(side: SpeakerProcess, names: readonly SideName[]) {
  return untilNsr(side, `${names} may take over`, ({ role, standbys }) => {
    const ready = standbys.filter((one) => one.ready).map((one) => one.side);
    return role === "active" && ready.sort().join() === [...names].sort().join();
  });
}

async function kill(side: SpeakerProcess): Promise<void> {
  side.signal("SIGKILL");
  await side.exited();
}

async function announce(peer: Peer, side: SpeakerProcess, from: number): Promise<void> {
  await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from }));
  const count = from + ROUTES;
  await until(async () => (await routesOf(side)) === count, WAIT_MS, `${count} routes`);
}

describe.skipIf(REASON !== null)(`logs of two standbys (${WHERE})`, () => {
  test("each is sent what it lacks, and the other one has its right meanwhile", () =>
    withLogs(async (pair, sides, peer) => {
      for (const [k, [name, other]] of (
        [
          ["c", "b"],
          ["b", "c"],
        ] as const
      ).entries()) {
        await kill(sides[name]);
        await untilStandbys(sides.a, [other]);
        await announce(peer, sides.a, k * ROUTES);
        await pair.startStandby(name);
        await untilStandbys(sides.a, ["b", "c"]);
        const joinings = await untilSaid(sides.a, "standby-joining", 3 + k);
        expect(joinings.at(-1)).toMatch(
          new RegExp(`^${name} is being sent \\d+ brackets behind \\d+, which it has$`),
        );
      }
      // What they went on from is worth a role.
      await kill(sides.a);
      const shown = await Promise.any(
        (["b", "c"] as const).map((name) =>
          untilNsr(sides[name], "it is active", ({ role }) => role === "active"),
        ),
      );
      expect(shown.last_switchover).toMatchObject({ resumed: 1, lost: [] });
      const [active, standby] = shown.side === "b" ? (["b", "c"] as const) : (["c", "b"] as const);
      expect(await routesOf(sides[active])).toBe(2 * ROUTES);
      expect(isUndisturbed(peer)).toBe(true);
      // Its log goes on as that of the next active.
      await untilStandbys(sides[active], [standby]);
      await untilLog(sides[standby]);
      await announce(peer, sides[standby], 2 * ROUTES);
      await kill(sides[standby]);
      await announce(peer, sides[active], 3 * ROUTES);
      await pair.startStandby(standby);
      expect((await untilSaid(sides[active], "standby-joining")).at(-1)).toContain("which it has");
      await kill(sides[active]);
      await untilNsr(sides[standby], "it is active", ({ role }) => role === "active");
      expect(await routesOf(sides[standby])).toBe(4 * ROUTES);
      expect(isUndisturbed(peer)).toBe(true);
    }));
});
