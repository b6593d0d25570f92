/** BFD stays up while the active of a pair is killed, and while it gives its role away. */
import { expect, test } from "vitest";
import { pairSide, untilProtected } from "./bfd-pair.ts";
import { birdWithBfd, frrWithBfd } from "./bfd-peers.ts";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import { speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const AS = 65_500;
const WAIT_MS = 20_000;
/** Of kills, and of switchovers. */
const ROUNDS = Number(process.env["TSBGP_BFD_ROUNDS"] ?? 3);
const AUTH = { type: "meticulous-keyed-sha1", secret: "swordfish" };
/** A busy machine needs longer than one of the field, where 50 ms are enough. */
const INTERVAL_MS = Number(process.env["TSBGP_BFD_INTERVAL_MS"] ?? 200);

const reason = speakerAvailable() ?? labAvailable();

test.skipIf(reason !== null).each([
  ["bird", AUTH],
  ["frr", null],
] as const)("%s, authentication %j: BFD and BGP stay up", async (name, auth) => {
  await withLab(`bfd-nonstop-${name}`, async (lab) => {
    const [node, peerNode] = [lab.node("tsbgp"), lab.node(name)];
    const own = [node.address4, node.address6];
    const addresses = [peerNode.address4, peerNode.address6];
    const times = { intervalMs: INTERVAL_MS, multiplier: 3 };
    const peer = (name === "bird" ? birdWithBfd : frrWithBfd)(peerNode, AS, own, {
      ...times,
      auth,
    });
    const keyed = auth === null ? {} : { auth: { ...auth, "key-id": 7 } };
    const bfd = { "interval-ms": INTERVAL_MS, multiplier: 3, ...keyed };
    const sides = [
      pairSide(node, "a", AS, addresses, bfd),
      pairSide(node, "b", AS, addresses, bfd),
    ] as const;
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
    }
    await untilProtected(sides, own.length);
    expect(await peer.downs()).toBe(before);
    for (const address of own) {
      expect(await peer.bfdState(address)).toBe("up");
      expect(await peer.isEstablished(address)).toBe(true);
    }
    await Promise.all(sides.map((side) => side.stop()));
  });
});
