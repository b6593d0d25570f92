/** A switchover that goes wrong half way. */
import { FrameReader, frameOf } from "@ts-bgp/replication";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import type { Meddler } from "../../../testkit/link-proxy.ts";
import { withMeddledPair } from "../../../testkit/meddled-pair.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  untilNsr,
  untilProtected,
  withPair,
} from "../../../testkit/pair.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
/** Longer than heartbeats may be missing. */
const SLOW_MS = 200;

function recordOf(frame: Uint8Array): string {
  const frames = new FrameReader(null);
  frames.push(frame);
  return frames.next()?.record ?? "";
}

const without =
  (record: string): Meddler =>
  (frame) =>
    recordOf(frame) === record ? [] : [frame];

const accepted = async (side: SpeakerProcess) =>
  (await side.ask({ command: "show-routes", view: "accepted" })).items.length;

describe.skipIf(REASON !== null)(`a switchover (${REASON ?? "on one host"})`, () => {
  test("to a standby that acts, and dies before it says so, is not gone back on", () =>
    withMeddledPair({}, async ({ proxy, pair, a, b }) => {
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
      await untilProtected(a, 1);
      proxy.meddler = without("handoverTaken");
      const ordered = a.ask({ command: "switchover" }).then(
        () => "done",
        (error: Error) => error.message,
      );
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      // Acknowledged by one that nobody follows: no other side has them.
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 50, from: 100 }));
      await until(async () => (await accepted(b)) === 150, WAIT_MS, "b has them");
      b.signal("SIGKILL");
      expect(await ordered).toMatch(/did not say that it has taken over/);
      const shown = await untilNsr(a, "a begins anew", ({ role, epoch }) => {
        return role === "active" && epoch > 2;
      });
      expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 0 });
      const [lost] = shown.last_switchover!.lost;
      expect(lost).toMatchObject({ address: "127.1.0.1" });
      // Until the kernel has closed what the dead one had, the role is still that one's.
      expect(lost!.cause).toMatch(/active side for a moment|another side has the role/);
      const again = await pair.peer(1);
      await again.sendAll(manyRoutes({ as: PEER_AS, count: 150 }));
      await until(async () => (await accepted(a)) === 150, WAIT_MS, "a has all routes");
      expect(isUndisturbed(again)).toBe(true);
    }));

  test("to a standby that does not say what became of the sessions counts those it was handed", () =>
    withMeddledPair({}, async ({ proxy, pair, a, b }) => {
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      const older = Buffer.from(frameOf("handoverTaken", { number: 1, resumed: 0, lost: null }));
      proxy.meddler = (frame) => [recordOf(frame) === "handoverTaken" ? older : frame];
      const { end } = await a.ask({ command: "switchover" });
      expect(end).toEqual({ resumed: 1, lost: [] });
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("takes as long as etcd, and the standby bears that no heartbeat comes meanwhile", async () => {
    const etcd = await FakeEtcd.start();
    await withPair({ nsr: { arbiter: { etcd: [etcd.endpoint], ttl: 3 } } }, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilProtected(a, 1);
      etcd.fault = (isChange) => (isChange ? SLOW_MS : null);
      await a.ask({ command: "switchover" });
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ planned: true, resumed: 1, lost: [] });
      expect(isUndisturbed(peer)).toBe(true);
    }).finally(() => etcd.stop());
  });

  test("to a standby that dies before it does anything is taken back, and no peer notices", () =>
    withMeddledPair({}, async ({ proxy, pair, a, b }) => {
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
      await untilProtected(a, 1);
      proxy.meddler = (frame) => {
        if (recordOf(frame) !== "handover") return [frame];
        b.signal("SIGKILL");
        return [];
      };
      await expect(a.ask({ command: "switchover" })).rejects.toThrow(/did not say/);
      const shown = await untilNsr(a, "a goes on", ({ role }) => role === "active");
      expect(shown.last_switchover).toMatchObject({ resumed: 1, lost: [] });
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 50, from: 100 }));
      await until(async () => (await accepted(a)) === 150, WAIT_MS, "a has them");
      expect(isUndisturbed(peer)).toBe(true);
    }));
});
