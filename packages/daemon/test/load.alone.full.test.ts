/** A full table, and what it does to everything else meanwhile. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { KEEPALIVE, Peer } from "../../../testkit/peer.ts";
import {
  MAIN,
  neighborAddress,
  type SpeakerProcess,
  withSpeaker,
} from "../../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals } from "../../../testkit/updates.ts";

const LONG_MS = 60_000;
const HOLD_TIME_SECONDS = 9;
const COUNT = 600_000;
const CLIENTS = 8;

const talkerAddress = neighborAddress(1);
const clientAddress = (n: number) => neighborAddress(10 + n);

function config(more: readonly object[] = []) {
  return {
    defaults: {
      passive: true,
      import: "accept-all",
      export: "accept-all",
      "route-server-client": true,
      "hold-time": HOLD_TIME_SECONDS,
    },
    neighbors: [
      { address: talkerAddress, as: 65001 },
      ...Array.from({ length: CLIENTS }, (_, n) => ({ address: clientAddress(n), as: 65010 + n })),
      ...more,
    ],
  };
}

/** Counts routes announced and withdrawn, each of which has four octets here. */
class Counts {
  announced = 0;
  withdrawn = 0;

  readonly add = (octets: Buffer): void => {
    const withdrawn = octets.readUInt16BE(19);
    const attributes = octets.readUInt16BE(21 + withdrawn);
    this.withdrawn += withdrawn / 4;
    this.announced += (octets.length - 23 - withdrawn - attributes) / 4;
  };
}

/** Event loop delays and the longest slice since this was last asked, in milliseconds. */
async function delays(speaker: SpeakerProcess): Promise<Record<string, number>> {
  const metrics = await speaker.metrics();
  const ms = (name: string) => Math.round(1000 * (metrics.get(name) ?? Number.NaN));
  return {
    "longest slice": ms("tsbgp_slice_max_seconds"),
    "event loop delay p50": ms("nodejs_eventloop_lag_p50_seconds"),
    "event loop delay p99": ms("nodejs_eventloop_lag_p99_seconds"),
    "event loop delay max": ms("nodejs_eventloop_lag_max_seconds"),
  };
}

/** Has the command print the whole table, to nobody. */
async function showRoutes(socket: string): Promise<void> {
  const args = [MAIN, "show", "routes", "--json", "--socket", socket];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "exit");
  expect(code).toBe(0);
}

test("a full table to eight clients delays no KEEPALIVE, nor a reload of a large file", () =>
  withSpeaker(config(), async (speaker) => {
    const options = { port: speaker.port, holdTimeSeconds: HOLD_TIME_SECONDS };
    const talker = await Peer.establish({ ...options, localAddress: talkerAddress, as: 65001 });
    const counts = Array.from({ length: CLIENTS }, () => new Counts());
    const client = (n: number) => {
      counts[n] = new Counts();
      const own = { localAddress: clientAddress(n), as: 65010 + n, onUpdate: counts[n].add };
      return Peer.establish({ ...options, ...own });
    };
    const clients: Peer[] = [];
    for (let n = 0; n < CLIENTS; n++) clients.push(await client(n));
    const table: Record<string, Record<string, number>> = {};
    const phase = async (name: string, work: () => Promise<unknown>) => {
      await delays(speaker);
      const start = performance.now();
      await work();
      const seconds = Math.round((performance.now() - start) / 100) / 10;
      const found = await delays(speaker);
      table[name] = { seconds, ...found, "resident MB": Math.round(speaker.residentMb()) };
    };

    const announcement = manyRoutes({ as: 65001, count: COUNT, perMessage: 6 });
    const withdrawal = manyWithdrawals(COUNT);
    for (const peer of clients) peer.longestSilenceMs = 0;
    await phase("nothing", () => delay(2000));
    await phase(`announce ${COUNT}`, async () => {
      await talker.sendAll(announcement);
      const done = () => counts.every(({ announced }) => announced >= COUNT);
      await until(done, LONG_MS, "every client has the table");
    });
    await phase("reload of 4000 neighbors", async () => {
      const more = Array.from({ length: 4000 }, (_, n) => ({
        address: `10.1.${n >>> 8}.${n & 0xff}`,
        as: 100_000 + n,
        "max-prefix": 1000,
        description: `client ${n}`,
      }));
      speaker.configure(config(more));
      await speaker.ask({ command: "reload" });
      speaker.configure(config());
      await speaker.ask({ command: "reload" });
    });
    await phase("a client that comes back", async () => {
      clients[0]!.end();
      clients[0] = await client(0);
      await until(() => counts[0]!.announced === COUNT, LONG_MS, "it has the table");
    });
    await phase("show routes", () => showRoutes(speaker.socket));
    await phase(`withdraw ${COUNT}`, async () => {
      await talker.sendAll(withdrawal);
      const done = () => counts.every(({ withdrawn }) => withdrawn >= COUNT);
      await until(done, LONG_MS, "every client has lost the table");
    });
    await phase("the end of a session with a full table", async () => {
      await talker.sendAll(announcement);
      await until(() => counts[1]!.announced >= 2 * COUNT, LONG_MS, "the table is there again");
      talker.end();
      const done = () => counts.every(({ withdrawn }) => withdrawn >= COUNT);
      await until(done, LONG_MS, "every client has lost the table");
    });
    console.table(table);

    for (const peer of clients) {
      expect([peer.closed, peer.count(KEEPALIVE) > 1]).toEqual([false, true]);
      expect(peer.longestSilenceMs).toBeLessThan(1000 * HOLD_TIME_SECONDS);
      peer.end();
    }
  }));
