/** BFD with BIRD and FRR: sessions come up, and what happens to them and to BGP when a path is lost. */
import type { ShownBfd, ShownNeighbor } from "@ts-bgp/views";
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

async function untilBfd({ speaker, peer }: Scene, state: string): Promise<void> {
  await until(
    async () => {
      for (const address of [speaker.address4, speaker.address6]) {
        expect(await peer.bfdState(address)).toBe(state);
        expect(await peer.isEstablished(address)).toBe(state === "up");
      }
      return true;
    },
    WAIT_MS,
    `BFD is ${state} on both addresses, and so is BGP`,
  );
}

async function shownBfd({ speaker, addresses }: Scene): Promise<readonly ShownBfd[]> {
  const lines = (await speaker.cli(["show", "bfd", "--json"])).json as readonly ShownBfd[];
  expect(lines.map(({ address }) => address)).toEqual(addresses);
  return lines;
}

/** What the log of the speaker has of an event, by neighbor. */
function logged(
  { speaker }: Scene,
  id: string,
): readonly { neighbor: string; msg: string; time: string }[] {
  return speaker
    .logText()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))
    .filter((line) => line.id === id);
}

const reason = speakerAvailable() ?? labAvailable();
const DETECTION_MS = TIMES.intervalMs * TIMES.multiplier;
/** Octets of Cease / BFD Down (RFC 9384). */
const BFD_DOWN = { direction: "sent", code: 6, subcode: 10, text: null };

test.skipIf(reason !== null).each([
  ["bird", null],
  ["bird", AUTH],
  ["frr", null],
] as const)("%s, authentication %j: comes up, and goes down with the path", async (name, auth) => {
  await withScene(name, auth, async (scene) => {
    const { speaker, peer, addresses } = scene;
    await untilBfd(scene, "up");
    for (const one of await shownBfd(scene)) {
      expect(one).toMatchObject({ state: "up", remote_state: "up", downs: 0, last_down: null });
      expect(one.authentication).toBe(auth?.type ?? null);
      await until(
        async () => (await shownBfd(scene)).every((now) => now.detection_ms === DETECTION_MS),
        WAIT_MS,
        "both have agreed on their intervals",
      );
    }

    // Without a word: the cable between them is cut.
    const cutMs = Date.now();
    await peer.node.run(["ip", "link", "set", "eth0", "down"]);
    await until(() => logged(scene, "bfd-down").length === 2, WAIT_MS, "both paths are lost");
    for (const { time, msg } of logged(scene, "bfd-down")) {
      expect(msg).toBe(
        `BFD is down: no packet for ${DETECTION_MS} ms (${TIMES.multiplier} x ${TIMES.intervalMs} ms), ` +
          "which ends the session",
      );
      // The hold time is 90 s, and a busy machine takes its time.
      expect(Date.parse(time) - cutMs).toBeLessThan(10_000);
    }
    for (const address of addresses) {
      const { json } = await speaker.cli(["show", "neighbor", address, "--json"]);
      const { last_down, bfd } = json as ShownNeighbor;
      expect(last_down?.notification).toMatchObject(BFD_DOWN);
      expect(bfd).toMatchObject({ downs: 1, diagnostic: "control detection time expired" });
    }

    // The address of IPv6 went with the link.
    await peer.node.run(["ip", "link", "set", "eth0", "up"]);
    await peer.node.run([
      "ip",
      "address",
      "add",
      `${peer.node.address6}/64`,
      "dev",
      "eth0",
      "nodad",
    ]);
    await untilBfd(scene, "up");

    // An operator's wish is no lost path: what ends the session is the operator's word.
    await speaker.disable(addresses[0]!, "maintenance");
    await until(
      async () => (await peer.bfdState(speaker.address4)) !== "up",
      WAIT_MS,
      "the other end is told",
    );
    expect((await shownBfd(scene))[0]).toMatchObject({ state: "admin-down" });
    await speaker.enable(addresses[0]!);
    await untilBfd(scene, "up");
  });
});
