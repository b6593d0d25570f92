/**
 * BFD stays up while the active of a pair on one host is killed, and while it gives its role away. On two hosts:
 * test/nsr/bfd-hosts.alone.full.test.ts.
 */
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type PairSpec, pairSide, untilProtected } from "./bfd-pair.ts";
import { birdWithBfd, frrWithBfd } from "./bfd-peers.ts";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import { createSpeaker, speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const AS = 65_500;
const WAIT_MS = 20_000;
/** Of kills, and of switchovers. */
const ROUNDS = Number(process.env["TSBGP_BFD_ROUNDS"] ?? 3);
const BUSY_HOOK = fileURLToPath(new URL("../../testkit/busy-hook.ts", import.meta.url));
/** The hook lets it be busy for 3 s. */
const ASK_AFTER_MS = 100;
const BUSY_MS_MIN = 2500;
const AUTH = { type: "meticulous-keyed-sha1", secret: "swordfish" };
/** A busy machine needs longer than one of the field, where 50 ms are enough. */
const INTERVAL_MS = Number(process.env["TSBGP_BFD_INTERVAL_MS"] ?? 200);

const reason = speakerAvailable() ?? labAvailable();

test.skipIf(reason !== null)("a busy main thread changes nothing", async () => {
  await withLab("bfd-busy", async (lab) => {
    const [node, peerNode] = [lab.node("tsbgp"), lab.node("bird")];
    const speaker = createSpeaker(node, AS);
    const own = [node.address4, node.address6];
    const peer = birdWithBfd(peerNode, AS, own, { intervalMs: INTERVAL_MS, multiplier: 3 });
    speaker.configure(
      JSON.stringify({
        router: { as: AS, id: node.address4 },
        control: { socket: speaker.socket },
        defaults: { bfd: { "interval-ms": INTERVAL_MS }, "ebgp-requires-policy": false },
        neighbors: [peerNode.address4, peerNode.address6].map((address) => ({
          ...{ address, as: peer.as },
        })),
      }),
    );
    await Promise.all([speaker.start({ NODE_OPTIONS: `--import=${BUSY_HOOK}` }), peer.start()]);
    await until(
      async () => {
        for (const address of own) expect(await peer.bfdState(address)).toBe("up");
        return true;
      },
      WAIT_MS,
      "BFD is up",
    );
    const before = await peer.downs();
    speaker.signal("SIGUSR2");
    // It answers again once it is not busy any more.
    const beganMs = performance.now();
    await delay(ASK_AFTER_MS);
    expect((await speaker.cli(["show", "bfd"])).code).toBe(0);
    expect(performance.now() - beganMs).toBeGreaterThan(BUSY_MS_MIN);
    expect(await peer.downs()).toBe(before);
    for (const address of own) expect(await peer.isEstablished(address)).toBe(true);
  });
});

test.skipIf(reason !== null).each([
  ["bird", AUTH],
  ["frr", null],
] as const)("%s, authentication %j: all stays up", async (name, auth) => {
  await withLab(`bfd-nonstop-${name}`, async (lab) => {
    const node = lab.node("tsbgp");
    const peerNode = lab.node(name);
    const own = [node.address4, node.address6];
    const times = { intervalMs: INTERVAL_MS, multiplier: 3, auth };
    const peer = (name === "bird" ? birdWithBfd : frrWithBfd)(peerNode, AS, own, times);
    const keyed = auth === null ? {} : { auth: { ...auth, "key-id": 7 } };
    const spec: PairSpec = {
      ...{ as: AS, neighbors: [peerNode.address4, peerNode.address6] },
      bfd: { "interval-ms": INTERVAL_MS, multiplier: 3, ...keyed },
    };
    const sides = [pairSide(node, "a", spec), pairSide(node, "b", spec)] as const;
    await peer.start();
    for (const side of sides) side.start();
    await until(
      async () => {
        for (const address of own) expect(await peer.bfdState(address)).toBe("up");
        return true;
      },
      WAIT_MS,
      "BFD is up",
    );
    await untilProtected(sides, own.length);
    const before = await peer.downs();
    for (let round = 0; round < 2 * ROUNDS; round++) {
      const { active } = await untilProtected(sides, own.length);
      if (round % 2 === 0) {
        await active.kill();
        active.start();
      } else {
        const { code, stderr } = await active.cli("switchover");
        expect([code, stderr]).toEqual([0, ""]);
      }
      // Before the next blow, to know which one it was.
      await untilProtected(sides, own.length);
      expect(await peer.downs(), `after blow ${round + 1}`).toBe(before);
    }
    for (const address of own) {
      expect(await peer.bfdState(address)).toBe("up");
      expect(await peer.isEstablished(address)).toBe(true);
    }
    await Promise.all(sides.map((side) => side.stop()));
  });
});
