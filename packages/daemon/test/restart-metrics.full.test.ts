/** What a scrape says of a restart of the speaker itself. */
import { expect, test } from "vitest";
import { message } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { Peer, UPDATE } from "../../../testkit/peer.ts";
import {
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";

const LIMIT_SECONDS = 3600;
const AS = 65_001;
/** Capability 64: 120 s, and IPv4 unicast, of which forwarding went on. */
const RESTART = [64, 6, 0, 120, 0, 1, 1, 0x80];

/** @returns the metrics of the restart, by name and labels */
async function scraped({ httpPort }: SpeakerProcess): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line.startsWith("tsbgp_restart_"));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice("tsbgp_restart_".length, at), Number(line.slice(at + 1))];
    }),
  );
}

const NOTHING = {
  'waiting{family="ipv4-unicast"}': 0,
  'waiting{family="ipv6-unicast"}': 0,
  'awaited_neighbors{family="ipv4-unicast"}': 0,
  'awaited_neighbors{family="ipv6-unicast"}': 0,
  'held_sessions{family="ipv4-unicast"}': 0,
  'held_sessions{family="ipv6-unicast"}': 0,
  limit_seconds: 0,
};

test("whom it waits for after a start, until they have sent what they have", () => {
  const restart = { mode: "full", "defer-limit": LIMIT_SECONDS };
  const config = {
    defaults: {
      ...{ passive: true, import: "accept-all", export: "accept-all" },
      "graceful-restart": restart,
    },
    neighbors: [1, 2].map((k) => ({ address: neighborAddress(k), as: AS + k })),
  };
  return withSpeaker(config, async (speaker) => {
    const { limit_seconds, ...waiting } = await scraped(speaker);
    expect(waiting).toEqual({
      ...{ ...NOTHING, limit_seconds: undefined },
      'waiting{family="ipv4-unicast"}': 1,
      'awaited_neighbors{family="ipv4-unicast"}': 2,
    });
    expect(limit_seconds).toBeGreaterThan(0);
    expect(limit_seconds).toBeLessThanOrEqual(LIMIT_SECONDS);
    const options = (k: number) => ({
      ...{ port: speaker.port, localAddress: neighborAddress(k), as: AS + k },
      capabilities: RESTART,
    });
    const peers = await Promise.all([1, 2].map((k) => Peer.establish(options(k))));
    try {
      const held = 'held_sessions{family="ipv4-unicast"}';
      await until(async () => (await scraped(speaker))[held] === 2, WAIT_MS, "both are held");
      // End-of-RIB: an UPDATE of nothing.
      for (const peer of peers) peer.send(message(UPDATE, [0, 0, 0, 0]));
      const isOver = async () => (await scraped(speaker)).limit_seconds === 0;
      await until(isOver, WAIT_MS, "the wait is over");
      expect(await scraped(speaker)).toEqual(NOTHING);
    } finally {
      for (const peer of peers) peer.end();
    }
  });
});
