/** The end of both sides of a pair, and a role that cannot be given away. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { isUndisturbed, untilNsr, untilReady, withPair } from "../../../testkit/pair.ts";

const REASON = enterOwnNetwork();

describe.skipIf(REASON !== null)(`a pair (${REASON ?? "on one host"})`, () => {
  test.each([0, 5, 10, 15, 20])(
    "whose sides are stopped %i ms apart ends, and tells its peers",
    (ms) =>
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
      // Until it answers nobody could take over, which both sides say.
      for (const side of [a, b]) {
        const away = await untilNsr(side, "etcd is away", ({ arbiter }) => arbiter.problem !== "");
        expect(away).toMatchObject({ ready: true, holds_back: false, arbiter: { kind: "etcd" } });
        expect(away.arbiter.problem).toMatch(/^etcd does not answer: /);
        await side.untilLogged("it is told", ({ msg }) => msg === away.arbiter.problem);
      }
      const order = a.ask({ command: "switchover" });
      await expect(order).rejects.toThrow(/etcd does not answer/);
      await untilReady(a, "active");
      etcd.fault = () => null;
      for (const side of [a, b]) {
        await untilNsr(side, "etcd is back", ({ arbiter }) => arbiter.problem === "");
        await side.untilLogged("it is told", ({ msg }) => msg === "etcd answers again");
      }
      await a.ask({ command: "switchover" });
      await untilReady(b, "active");
      expect(isUndisturbed(peer)).toBe(true);
    });
    etcd.stop();
  });

  test("that is one side without etcd says that it sends nothing, and goes on with it", async () => {
    const etcd = await FakeEtcd.start();
    await withPair({ nsr: { arbiter: { etcd: [etcd.endpoint], ttl: 2 } } }, async (pair) => {
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      etcd.fault = () => "drop";
      const held = await untilNsr(a, "it holds back", (shown) => shown.holds_back);
      expect(held.arbiter.problem).toMatch(/^etcd does not answer: /);
      etcd.fault = () => null;
      await untilNsr(a, "it goes on", (shown) => !shown.holds_back);
      expect(isUndisturbed(peer)).toBe(true);
    });
    etcd.stop();
  });
});
