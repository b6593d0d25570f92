/** Neighbors of a prefix, and a shutdown that was announced, go on with the other side. */
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  routesOf,
  untilNsr,
  untilProtected,
  withPair,
} from "../../../testkit/pair.ts";
import { neighborAddress, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();

const statusOf = async (side: SpeakerProcess) =>
  (await side.ask({ command: "show-status" })).items[0] as Record<string, unknown>;

const knownTo = async (side: SpeakerProcess): Promise<string[]> => {
  const { items } = await side.ask({ command: "show-neighbors" });
  return (items as { address: string }[]).map(({ address }) => address);
};

describe.skipIf(REASON !== null)(`a pair (${REASON ?? "on one host"})`, () => {
  test("whose active side dies keeps the sessions of dynamic neighbors", () => {
    const prefix = neighborAddress(1).replace(/\d+$/, "0/24");
    const ranges = [{ prefix, "as-numbers": `${PEER_AS}-${PEER_AS + 9}`, limit: 3 }];
    const config = { neighbors: [], "dynamic-neighbors": ranges };
    return withPair({ config }, async (pair) => {
      const { a, b } = await pair.start();
      const [first, second] = [await pair.peer(1), await pair.peer(2)];
      await first.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
      await a.ask({ command: "graceful-shutdown", state: "on" });
      await untilProtected(a, 2);
      expect(await knownTo(b)).toEqual([1, 2].map(neighborAddress));
      // An order is answered when it is carried out, which may be before the standby has it.
      const hasOrder = async () => (await statusOf(b))["graceful_shutdown"] === true;
      await until(hasOrder, WAIT_MS, "b has the order");
      a.signal("SIGKILL");
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 2, lost: [] });
      await first.sendAll(manyRoutes({ as: PEER_AS, count: 50, from: 100 }));
      await until(async () => (await routesOf(b)) === 150, WAIT_MS, "b has its routes");
      expect([first, second].map(isUndisturbed)).toEqual([true, true]);
      const third = await pair.peer(3);
      expect(isUndisturbed(third)).toBe(true);
      expect(await statusOf(b)).toMatchObject({
        graceful_shutdown: true,
        dynamic_neighbors: [{ prefix, neighbors: 3, limit: 3 }],
      });
      await expect(pair.peer(4)).rejects.toThrow();
    });
  });
});
