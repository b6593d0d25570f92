/** The end of both sides of a pair, and a role that cannot be given away. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { FakeEtcd } from "./support/fake-etcd.ts";
import { enterOwnNetwork } from "./support/own-network.ts";
import { isUndisturbed, untilNsr, untilReady, withPair } from "./support/pair.ts";

vi.setConfig({ testTimeout: 90_000 });
const REASON = enterOwnNetwork();

describe.skipIf(REASON !== null)(`a pair (${REASON ?? "on one host"})`, () => {
  test.each([0, 10, 20])("whose sides are stopped %i ms apart ends, and tells its peers", (ms) =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      a.signal("SIGTERM");
      await delay(ms);
      b.signal("SIGTERM");
      expect(await Promise.all([a.exited(), b.exited()])).toEqual(["exit 0", "exit 0"]);
      expect(await peer.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
    }),
  );

  test("keeps its role, and goes on, when it cannot be given away for lack of etcd", async () => {
    const etcd = await FakeEtcd.start();
    const nsr = { arbiter: { etcd: [etcd.endpoint], ttl: 2 } };
    await withPair({ nsr }, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      etcd.fault = () => "drop";
      const order = a.ask({ command: "switchover" });
      await expect(order).rejects.toThrow(/etcd does not answer/);
      await untilReady(a, "active");
      etcd.fault = () => null;
      await a.ask({ command: "switchover" });
      await untilReady(b, "active");
      expect(isUndisturbed(peer)).toBe(true);
    });
    etcd.stop();
  });
});
