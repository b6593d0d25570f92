/** What ends one side, wherever it meets it, does not end the other one. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { endByWatchdog, FATAL_HOOK, type Fatal, fatalUpdate } from "../../../testkit/fatal.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  routesOf,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ON_ONE_HOST = REASON ?? "on one host";
const HOOKED = { nodeOptions: FATAL_HOOK };

async function quarantined(side: SpeakerProcess): Promise<readonly Record<string, unknown>[]> {
  const { items } = await side.ask({ command: "show-quarantine" });
  return items as Record<string, unknown>[];
}

const isActive = (side: SpeakerProcess) =>
  untilNsr(side, "it is active", ({ role }) => role === "active");

const keptIn = (pair: TestPair) => readdirSync(join(pair.directory, "quarantine"));

describe.skipIf(REASON !== null)(`what ends a side (${ON_ONE_HOST})`, () => {
  test.each<[Fatal, RegExp]>([
    ["throws with others", /^an exception/],
    ["hangs with others", /^it hung/],
  ])(
    "%s: all those whose messages were at work are held down, and others see nothing",
    (how, cause) =>
      withPair({}, async (pair) => {
        const a = await pair.startActive("a", HOOKED);
        const b = await pair.startStandby("b", HOOKED);
        const good = await pair.peer(1);
        const other = await pair.peer(3);
        const bad = await pair.peer(2);
        await good.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
        await untilProtected(a, 3);
        await until(async () => (await routesOf(a)) === 100, WAIT_MS, "all routes are there");
        other.send(manyRoutes({ as: PEER_AS + 2, count: 100, from: 200 }));
        bad.send(fatalUpdate(how, PEER_AS + 1));
        await isActive(b);
        await bad.untilClosed();
        const held = await quarantined(b);
        expect(held.map(({ address }) => address).sort()).toEqual(["127.1.0.2", "127.1.0.3"]);
        for (const one of held) expect(one["cause"]).toMatch(cause);
        expect(isUndisturbed(good)).toBe(true);
        await pair.startStandby("a", HOOKED);
        await untilReady(b, "active");
        expect(isUndisturbed(good)).toBe(true);
      }),
  );

  test.each<[Fatal, string, string, readonly number[]]>([
    ["aborts", "SIGABRT", "SIGABRT", [1, 2]],
    ["throws", "exit 70", "an exception", [1, 2]],
    ["hangs", "SIGABRT", "SIGABRT", [1]],
  ])(
    "%s: a standby joins again, later each time, and the active says so",
    (how, exit, cause, all) =>
      withPair({}, async (pair) => {
        const a = await pair.startActive("a");
        const b = await pair.startStandby("b", HOOKED);
        const good = await pair.peer(1);
        const bad = await pair.peer(2);
        await good.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
        await untilProtected(a, 2);
        for (const ends of all) {
          await bad.sendAll(fatalUpdate(how, PEER_AS + 1));
          if (how === "hangs") await endByWatchdog(b);
          expect(await b.exited()).toBe(exit);
          await b.start(HOOKED);
          if (ends > 1) {
            const reason = `has ended 2 times in a row, by ${cause} at a message of 127.1.0.2: it`;
            await untilNsr(b, "it waits", (shown) => shown.reason.includes(reason));
          }
          const { peer } = await untilReady(a, "active");
          expect(peer).toMatchObject({ ends, ended: `${cause} at a message of 127.1.0.2` });
          expect(keptIn(pair)).toHaveLength(ends);
        }
        const said = await untilSaid(a, "nsr-link", all.length);
        const times = all.length > 1 ? "2 times in a row" : "once";
        expect(said.join()).toContain(`b has ended ${times} as a standby, by ${cause}`);
        expect(isUndisturbed(good) && isUndisturbed(bad)).toBe(true);
        expect(await quarantined(a)).toEqual([]);
      }),
  );

  test.each<[Fatal, string, RegExp]>([
    ["aborts in an image", "SIGABRT", /b has ended once as a standby, by SIGABRT/],
    ["throws in an image", "exit 70", /b has ended once as a standby, by an exception/],
    ["hangs in an image", "SIGABRT", /b has ended once as a standby, by SIGABRT/],
  ])(
    "%s of a joining standby: nothing comes of it to the active, which says how that has ended",
    (how, exit, text) =>
      withPair({}, async (pair) => {
        const a = await pair.startActive("a");
        const bad = await pair.peer(2);
        await bad.sendAll(fatalUpdate(how, PEER_AS + 1));
        await until(async () => (await routesOf(a)) === 1, WAIT_MS, "the route is there");
        const b = await pair.side("b");
        b.spawn(HOOKED);
        if (how.startsWith("hangs")) await endByWatchdog(b);
        expect(await b.exited()).toBe(exit);
        b.spawn(HOOKED);
        const said = await untilSaid(a, "nsr-link", 1);
        expect(said.join()).toMatch(text);
        b.signal("SIGKILL");
        await b.exited();
        expect(await nsrOf(a)).toMatchObject({ role: "active", ready: false });
        // A version without that fault is let in.
        await pair.startStandby("b");
        await untilReady(a, "active");
        expect(isUndisturbed(bad)).toBe(true);
      }),
  );

  test("is still held down after a start of both sides, and a file that is none is named", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a", HOOKED);
      const b = await pair.startStandby("b", HOOKED);
      const bad = await pair.peer(2);
      await untilProtected(a, 1);
      await bad.sendAll(fatalUpdate("throws", PEER_AS + 1));
      await isActive(b);
      await bad.untilClosed();
      const file = `${pair.roleFile}.held`;
      const isWritten = () => JSON.parse(readFileSync(file, "utf8")).length === 1;
      await until(isWritten, WAIT_MS, "it is written who is held down");
      b.signal("SIGKILL");
      await Promise.all([a.exited(), b.exited()]);
      // First the one whose notes say that it died of it, which is not once more.
      for (const side of [a, b]) {
        await side.start(HOOKED);
        await isActive(side);
        const held = await quarantined(side);
        expect(held).toMatchObject([{ address: "127.1.0.2", held: true, count: 1 }]);
        if (side === b) break;
        side.signal("SIGKILL");
        await side.exited();
      }
      await b.ask({ command: "release", neighbor: "127.1.0.2" });
      await until(() => !isWritten(), WAIT_MS, "it is written that nobody is");
      b.signal("SIGKILL");
      await b.exited();
      writeFileSync(file, "[1, 2");
      await b.start(HOOKED);
      await isActive(b);
      expect(await quarantined(b)).toEqual([]);
      expect((await untilSaid(b, "quarantine-file")).join()).toContain(`${file} is ignored`);
    }));

  test.each(["heartbeat-worker", "link-worker"])(
    "an exception in %s ends the process, with the cause",
    (name) =>
      withPair({}, async (pair) => {
        const when = join(pair.directory, "now");
        const hook = new URL("../../../testkit/thread-fault-hook.ts", import.meta.url);
        hook.search = new URLSearchParams({ thread: name, when }).toString();
        const hooked = { nodeOptions: ["--import", hook.href] };
        const isStandbys = name === "link-worker";
        const a = await pair.startActive("a", isStandbys ? {} : hooked);
        const b = await pair.startStandby("b", isStandbys ? hooked : {});
        const good = await pair.peer(1);
        await untilProtected(a, 1);
        writeFileSync(when, "");
        const ending = isStandbys ? b : a;
        expect(await ending.exited()).toBe("exit 70");
        expect(ending.text()).toMatch(
          /"id":"internal-error".*thread of .* has failed: .*a fault in a thread/,
        );
        const other = isStandbys ? a : b;
        await isActive(other);
        await until(async () => (await nsrOf(other)).sessions === 1, WAIT_MS, "it has the session");
        expect(isUndisturbed(good)).toBe(true);
      }),
  );
});
