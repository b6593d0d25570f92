/** A pair whose active side ends: the other one carries on. */
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  routesOf,
  untilNsr,
  untilProtected,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();

describe.skipIf(REASON !== null)(`a pair (${REASON ?? "on one host"})`, () => {
  test("takes over from an active side that is killed, and no peer notices", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      a.signal("SIGKILL");
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 1, lost: [] });
      expect(shown.epoch).toBe(2);
      // And the other way round.
      await pair.startStandby("a");
      await untilReady(b, "active");
      b.signal("SIGKILL");
      await untilNsr(a, "a is active", ({ role, epoch }) => role === "active" && epoch === 3);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("hands over on SIGTERM, and no peer notices", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      a.signal("SIGTERM");
      expect(await a.exited()).toBe("exit 0");
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ planned: true, resumed: 1, lost: [] });
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 10 }));
      await until(async () => (await routesOf(b)) === 10, WAIT_MS, "b has the routes");
      expect(isUndisturbed(peer)).toBe(true);
    }));
});
