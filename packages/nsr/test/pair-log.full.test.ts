/** A standby that keeps what it stores on disk, and goes on from there after its own end. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  routesOf,
  saidBy,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ROUTES = 300;
const ON_ONE_HOST = REASON ?? "on one host";

interface Logged {
  readonly pair: TestPair;
  readonly a: SpeakerProcess;
  readonly b: SpeakerProcess;
  readonly peer: Peer;
  readonly file: string;
}

/** A pair whose standby has a log with a session and routes in it. */
function withLog(more: object, body: (logged: Logged) => Promise<void>): Promise<void> {
  return withPair({}, async (pair) => {
    const folder = join(pair.directory, "log");
    for (const name of ["a", "b"] as const) {
      const config = pair.config(name);
      const nsr = { ...(config.nsr as object), log: folder, ...more };
      (await pair.side(name)).configure({ ...config, nsr });
    }
    const { a, b } = await pair.start();
    const peer = await pair.peer(1);
    await untilProtected(a, 1);
    await untilNsr(b, "b has a log", ({ log }) => log.octets > 0);
    await announce(peer, b, 0);
    await body({ pair, a, b, peer, file: join(folder, "test-b.log") });
  });
}

/** Announces `ROUTES` more routes. */
async function announce(peer: Peer, side: SpeakerProcess, from: number): Promise<void> {
  await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from }));
  const count = from + ROUTES;
  await until(async () => (await routesOf(side)) === count, WAIT_MS, `${count} routes`);
}

/** Ends the standby as the kernel would. */
async function kill(a: SpeakerProcess, b: SpeakerProcess): Promise<void> {
  b.signal("SIGKILL");
  await b.exited();
  await untilNsr(a, "a is alone", ({ standbys, peer }) => peer.side === "" || standbys.length > 0);
  await untilNsr(a, "a is not ready", ({ ready }) => !ready);
}

async function takeOver({ a, b, peer }: Logged, routes: number): Promise<void> {
  await untilReady(a, "active");
  await untilProtected(a, 1);
  a.signal("SIGKILL");
  const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
  expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 1, lost: [] });
  expect(await routesOf(b)).toBe(routes);
  expect(isUndisturbed(peer)).toBe(true);
}

describe.skipIf(REASON !== null)(`the log of a standby (${ON_ONE_HOST})`, () => {
  test("it goes on from there after SIGKILL, is sent what it lacks, and takes over", () =>
    withLog({}, async (logged) => {
      const { pair, a, b, peer, file } = logged;
      await kill(a, b);
      await announce(peer, a, ROUTES);
      await pair.startStandby("b");
      const joinings = await untilSaid(a, "standby-joining", 2);
      expect(joinings.at(-1)).toMatch(/^b is being sent \d+ brackets behind \d+, which it has$/);
      expect(saidBy(b, "nsr-log").at(-1)).toMatch(/was read up to bracket \d+: \d+ octets/);
      // What is stored from now on is written behind that.
      const { size } = statSync(file);
      await announce(peer, b, 2 * ROUTES);
      await until(() => statSync(file).size > size, WAIT_MS, "the log grows");
      await kill(a, b);
      await pair.startStandby("b");
      expect((await untilSaid(a, "standby-joining", 3)).at(-1)).toContain("which it has");
      await takeOver(logged, 3 * ROUTES);
      await until(() => !existsSync(file), WAIT_MS, "the log of the active before is gone");
    }));
});
