/** BFD with BIRD and FRR: sessions come up, and what happens to them and to BGP when a path is lost. */
import { expect, test } from "vitest";
import { type BfdPeer, birdWithBfd, frrWithBfd, PEER_AS } from "./bfd-peers.ts";
import { labAvailable } from "./install.ts";
import { type Lab, withLab } from "./netns.ts";
import { createSpeaker, type Speaker, speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const AS = 65_500;
const WAIT_MS = 20_000;
const TIMES = { intervalMs: 100, multiplier: 5 };
const AUTH = { type: "meticulous-keyed-sha1", secret: "swordfish" };

interface Scene {
  readonly speaker: Speaker;
  readonly peer: BfdPeer;
  /** Of the peer. */
  readonly addresses: readonly string[];
}

async function withScene(
  name: "bird" | "frr",
  auth: typeof AUTH | null,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  await withLab(`bfd-${name}`, async (lab: Lab) => {
    const [node, peerNode] = [lab.node("tsbgp"), lab.node(name)];
    const speaker = createSpeaker(node, AS);
    const own = [node.address4, node.address6];
    const make = name === "bird" ? birdWithBfd : frrWithBfd;
    const peer = make(peerNode, AS, own, { ...TIMES, auth });
    const addresses = [peerNode.address4, peerNode.address6];
    const keyed = auth === null ? {} : { auth: { ...auth, "key-id": 7 } };
    speaker.configure(
      JSON.stringify({
        router: { as: AS, id: node.address4 },
        control: { socket: speaker.socket },
        defaults: {
          ...{ as: PEER_AS, import: "accept-all", export: "accept-all", "connect-retry": 1 },
          bfd: { "interval-ms": TIMES.intervalMs, multiplier: TIMES.multiplier, ...keyed },
        },
        neighbors: addresses.map((address) => ({ address })),
      }),
    );
    await Promise.all([speaker.start(), peer.start()]);
    await body({ speaker, peer, addresses });
    await speaker.stop();
  });
}

async function untilUp({ speaker, peer, addresses }: Scene): Promise<void> {
  const own = [speaker.address4, speaker.address6];
  await until(
    async () => {
      for (const address of own) {
        expect(await peer.isEstablished(address)).toBe(true);
        expect(await peer.bfdState(address)).toBe("up");
      }
      return true;
    },
    WAIT_MS,
    `BGP and BFD are up: ${addresses.join(", ")}`,
  );
}

const reason = speakerAvailable() ?? labAvailable();

test.skipIf(reason !== null).each([
  ["bird", null],
  ["bird", AUTH],
  ["frr", null],
] as const)("%s, authentication %j: comes up, and goes down with the path", async (name, auth) => {
  await withScene(name, auth, async (scene) => {
    await untilUp(scene);
  });
});
