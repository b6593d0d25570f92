/** BFD of a pair on two hosts, with etcd: it stays up through kills, switchovers and lost hosts. */
import { expect, test } from "vitest";
import { createPair, type LabPair } from "../../chaos/pair.ts";
import type { Side } from "../../chaos/sides.ts";
import { birdWithBfd, frrWithBfd, PEER_AS } from "../lab/bfd-peers.ts";
import { labAvailable } from "../lab/install.ts";
import { withLab } from "../lab/netns.ts";
import { speakerAvailable } from "../lab/speaker.ts";
import { until } from "../lab/until.ts";

const AS = 65_500;
const WAIT_MS = 60_000;
/** Of kills, switchovers and lost hosts. */
const ROUNDS = Number(process.env["TSBGP_BFD_ROUNDS"] ?? 2);
/** A busy machine needs longer than one of the field, where 100 ms are enough. */
const INTERVAL_MS = Number(process.env["TSBGP_BFD_INTERVAL_MS"] ?? 300);

const BLOWS = ["kill", "switchover", "lost host"] as const;

const reason = speakerAvailable() ?? labAvailable();

/** @returns the active side, once the other one is ready and all sessions would survive */
function untilProtected({ sides }: LabPair, sessions: number): Promise<Side> {
  const look = async () => {
    const shown = await Promise.all(sides.map((side) => side.status()));
    const at = shown.findIndex((one) => one?.role === "active");
    const isReady = at >= 0 && shown[at]!.ready && shown[at]!.protected === sessions;
    return isReady ? sides[at]! : null;
  };
  return until(look, WAIT_MS, `${sessions} sessions are protected`);
}

async function strike(pair: LabPair, active: Side, blow: (typeof BLOWS)[number]): Promise<void> {
  if (blow === "switchover") {
    expect(await pair.orderSwitchover(active)).toBe(true);
    return;
  }
  if (blow === "kill") await active.kill();
  else await pair.loseHost(active);
  await until(async () => !(await active.isRunning()), WAIT_MS, "it has ended");
  await untilActive(pair, active);
  await active.start();
}

/** Before it comes back: nobody but the other side can have taken over. */
async function untilActive({ sides }: LabPair, lost: Side): Promise<void> {
  const other = sides.find((side) => side !== lost)!;
  const isActive = async () => (await other.status())?.role === "active";
  await until(isActive, WAIT_MS, `${other.name} has taken over`);
}

test.skipIf(reason !== null).each(["bird", "frr"])(
  "%s: BFD and BGP stay up, whatever a host dies of",
  async (name) => {
    await withLab(`bfd-hosts-${name}`, async (lab) => {
      const pair = await createPair(lab, "namespace");
      const peerNode = lab.node(name);
      const own = [pair.address4, pair.address6];
      const times = { intervalMs: INTERVAL_MS, multiplier: 3 };
      const peer = (name === "bird" ? birdWithBfd : frrWithBfd)(peerNode, AS, own, times);
      const peers = [peerNode.address4, peerNode.address6];
      pair.configure({
        router: { as: AS, id: pair.address4 },
        defaults: {
          ...{ as: PEER_AS, import: "accept-all", export: "accept-all", "connect-retry": 1 },
          bfd: { "interval-ms": INTERVAL_MS, multiplier: 3 },
        },
        neighbors: peers.map((address, k) => ({ address, "local-address": own[k]! })),
      });
      await peer.start();
      for (const side of pair.sides) await side.start();
      const isUp = async () => {
        for (const address of own) expect(await peer.bfdState(address)).toBe("up");
        return true;
      };
      await until(isUp, WAIT_MS, "BFD is up");
      await untilProtected(pair, own.length);
      const before = await peer.downs();
      for (let round = 0; round < ROUNDS; round++) {
        for (const blow of BLOWS) {
          await strike(pair, await untilProtected(pair, own.length), blow);
          await untilProtected(pair, own.length);
          expect(await peer.downs(), `after ${blow} ${round + 1}`).toBe(before);
        }
      }
      await isUp();
      for (const address of own) expect(await peer.isEstablished(address)).toBe(true);
      for (const side of pair.sides) await side.kill();
    });
  },
);
