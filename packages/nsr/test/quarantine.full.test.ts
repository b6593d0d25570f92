/** A message that the program dies of: its session ends, and all others go on. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import { endByWatchdog, FATAL_HOOK, type Fatal, fatalUpdate } from "../../../testkit/fatal.ts";
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
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ON_ONE_HOST = REASON ?? "on one host";
const HOOKED = { nodeOptions: FATAL_HOOK };
const CEASE = 6;
const ADMINISTRATIVE_SHUTDOWN = 2;

async function quarantined(side: SpeakerProcess): Promise<readonly Record<string, unknown>[]> {
  const { items } = await side.ask({ command: "show-quarantine" });
  return items as Record<string, unknown>[];
}

describe.skipIf(REASON !== null)(`a message that the program dies of (${ON_ONE_HOST})`, () => {
  test.each<[Fatal, string, RegExp]>([
    ["throws", "an exception", /exit 70/],
    ["hangs", "it hung", /SIGKILL/],
    ["aborts", "SIGABRT", /SIGABRT/],
  ])("%s: one session ends, and the others see nothing", (how, cause, end) =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a", HOOKED);
      const b = await pair.startStandby("b", HOOKED);
      const good = await pair.peer(1);
      const bad = await pair.peer(2);
      await good.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
      await bad.sendAll(manyRoutes({ as: PEER_AS + 1, count: 100, from: 100 }));
      await untilProtected(a, 2);
      await until(async () => (await routesOf(a)) === 200, WAIT_MS, "all routes are there");
      const fatal = fatalUpdate(how, PEER_AS + 1);
      await bad.sendAll(fatal);
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(await a.exited()).toMatch(end);
      expect(shown.last_switchover).toMatchObject({ planned: false, lost: [] });
      const told = await bad.untilClosed();
      expect(told).toMatchObject({ code: CEASE, subcode: ADMINISTRATIVE_SHUTDOWN });
      expect(told!.data.subarray(1).toString()).toMatch(
        /may have ended our BGP process; down for 60 s/,
      );
      const [held, ...more] = await quarantined(b);
      expect(more).toEqual([]);
      expect(held).toMatchObject({ address: "127.1.0.2", cause, count: 1, held: true });
      const file = held!["file"] as string;
      await until(() => existsSync(file), WAIT_MS, "the message is written");
      expect(Buffer.from(readFileSync(file, "utf8").trim(), "hex").equals(fatal)).toBe(true);
      // Its routes are gone, and those of the other one are where they were.
      await until(async () => (await routesOf(b)) === 100, WAIT_MS, "its routes are gone");
      await pair.startStandby("a", HOOKED);
      await untilReady(b, "active");
      expect(isUndisturbed(good)).toBe(true);
      // Released, it is heard again, and held for longer the next time.
      await b.ask({ command: "release", neighbor: "127.1.0.2" });
      expect(await quarantined(b)).toEqual([]);
      const again = await pair.peer(2);
      await untilProtected(b, 2);
      await again.sendAll(fatal);
      await untilNsr(a, "a is active", ({ role }) => role === "active");
      await again.untilClosed();
      expect(await quarantined(a)).toMatchObject([{ address: "127.1.0.2", count: 2 }]);
      expect(isUndisturbed(good)).toBe(true);
    }),
  );

  // One that hangs holds what only another host would have as well: its link and its packet queue.
  test.each<[Fatal, string]>([
    ["throws", "an exception"],
    ["aborts", "SIGABRT"],
  ])("%s: a standby on another host is told of it by the heartbeats", async (how, cause) => {
    const etcd = await FakeEtcd.start();
    await withPair({ nsr: { arbiter: { etcd: [etcd.endpoint], ttl: 2 } } }, async (pair) => {
      const a = await pair.startActive("a", HOOKED);
      const b = await pair.startStandby("b", HOOKED);
      const good = await pair.peer(1);
      const bad = await pair.peer(2);
      await untilProtected(a, 2);
      await bad.sendAll(fatalUpdate(how, PEER_AS + 1));
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(await bad.untilClosed()).toMatchObject({ code: CEASE });
      expect(await quarantined(b)).toMatchObject([{ address: "127.1.0.2", cause }]);
      expect(isUndisturbed(good)).toBe(true);
    });
    etcd.stop();
  });

  test.each<[Fatal, string, string]>([
    ["throws", "exit 70", "an exception"],
    ["hangs", "SIGABRT", "SIGABRT"],
    ["aborts", "SIGABRT", "SIGABRT"],
  ])("%s: without a standby is not read again by the next start", (how, exit, cause) =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a", HOOKED);
      const bad = await pair.peer(2);
      await bad.sendAll(fatalUpdate(how, PEER_AS + 1));
      if (how === "hangs") await endByWatchdog(a);
      expect(await a.exited()).toBe(exit);
      await a.start(HOOKED);
      await untilNsr(a, "a is active again", ({ role }) => role === "active");
      expect(await quarantined(a)).toMatchObject([{ address: "127.1.0.2", cause }]);
      if (how !== "aborts") return;
      // A kill is nobody's fault.
      const good = await pair.peer(1);
      await good.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
      a.signal("SIGKILL");
      await a.exited();
      await a.start(HOOKED);
      await untilNsr(a, "a is active again", ({ role }) => role === "active");
      expect(await quarantined(a)).toMatchObject([{ address: "127.1.0.2", count: 1 }]);
    }),
  );
});
