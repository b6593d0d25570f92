/** Neighbors that do not read what they are sent. */
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { neighborAddress, type SpeakerProcess, withSpeaker } from "../../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals, parseUpdate } from "../../../testkit/updates.ts";

const LONG_MS = 60_000;
const TALKER = neighborAddress(1);
const DEAF = neighborAddress(2);
const READER = neighborAddress(3);
const CONFIG = {
  defaults: {
    passive: true,
    import: "accept-all",
    export: "accept-all",
    "route-server-client": true,
  },
  neighbors: [
    { address: TALKER, as: 65001 },
    { address: DEAF, as: 65002 },
    { address: READER, as: 65003 },
  ],
};
const COUNT = 60_000;
const ROUNDS = 12;
/** What a group may have on its way to a member, and what one step may add. */
const QUEUED_OCTETS_MAX = (16 + 2) << 20;
const GROWTH_MB_MAX = 200;

/** Keeps what a peer is sent: prefix to MULTI_EXIT_DISC. */
function tableOf(peer: Peer): Map<string, number> {
  const table = new Map<string, number>();
  peer.onUpdate = (octets) => {
    const { withdrawn, attributes, nlri } = parseUpdate(octets);
    for (const prefix of withdrawn) table.delete(prefix);
    if (nlri.length === 0) return;
    const med = attributes.get(4)!.readUInt32BE();
    for (const prefix of nlri) table.set(prefix, med);
  };
  return table;
}

const holds = (table: ReadonlyMap<string, number>, count: number, med: number) =>
  table.size === count && [...table.values()].every((value) => value === med);

const session = (speaker: SpeakerProcess, localAddress: string, as: number) =>
  Peer.establish({ port: speaker.port, localAddress, as });

test("a neighbor that does not read costs little memory, holds nobody back, and catches up", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const [talker, deaf, reader] = [
      await session(speaker, TALKER, 65001),
      await session(speaker, DEAF, 65002),
      await session(speaker, READER, 65003),
    ];
    const [deafTable, readerTable] = [tableOf(deaf), tableOf(reader)];
    const routes = (med: number) =>
      talker.sendAll(manyRoutes({ as: 65001, count: COUNT, med, perMessage: 3 }));
    await routes(1);
    const begun = () => holds(readerTable, COUNT, 1) && holds(deafTable, COUNT, 1);
    await until(begun, LONG_MS, "both have the table");
    deaf.pause();
    const before = speaker.residentMb();
    let queuedMax = 0;
    for (let round = 2; round <= ROUNDS; round++) {
      await routes(round);
      const done = () => holds(readerTable, COUNT, round);
      await until(done, LONG_MS, `the reader has round ${round}`);
      queuedMax = Math.max(queuedMax, (await speaker.neighbor(DEAF)).octets!.queued);
    }
    expect(queuedMax).toBeGreaterThan(0);
    expect(queuedMax).toBeLessThan(QUEUED_OCTETS_MAX);
    expect(speaker.residentMb() - before).toBeLessThan(GROWTH_MB_MAX);
    await talker.sendAll(manyWithdrawals(COUNT / 2));
    deaf.resume();
    const caughtUp = () => [readerTable, deafTable].every((t) => holds(t, COUNT / 2, ROUNDS));
    await until(caughtUp, LONG_MS, "both have the same table");
    expect([talker.closed, deaf.closed, reader.closed]).toEqual([false, false, false]);
    for (const peer of [talker, deaf, reader]) peer.end();
  }));

test("a neighbor that talks without end and never reads harms only itself", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const [talker, reader] = [
      await session(speaker, TALKER, 65001),
      await session(speaker, READER, 65003),
    ];
    const readerTable = tableOf(reader);
    // The talker's own output is large as well: another neighbor has a table for it.
    const other = await session(speaker, DEAF, 65002);
    await other.sendAll(manyRoutes({ as: 65002, count: COUNT, from: 2 * COUNT, perMessage: 2 }));
    talker.pause();
    const before = speaker.residentMb();
    for (let round = 1; round <= ROUNDS; round++) {
      await talker.sendAll(manyRoutes({ as: 65001, count: COUNT, med: round, perMessage: 3 }));
      await other.sendAll(
        manyRoutes({ as: 65002, count: COUNT, from: 2 * COUNT, med: round, perMessage: 2 }),
      );
    }
    const done = () => holds(readerTable, 2 * COUNT, ROUNDS);
    await until(done, LONG_MS, "the reader has the last round of both");
    const { octets } = await speaker.neighbor(TALKER);
    expect(octets!.queued).toBeLessThan(QUEUED_OCTETS_MAX);
    expect(speaker.residentMb() - before).toBeLessThan(GROWTH_MB_MAX);
    expect([talker.closed, reader.closed, other.closed]).toEqual([false, false, false]);
    for (const peer of [talker, reader, other]) peer.end();
  }));

test("a neighbor that reads slowly gets the last state, whatever went by meanwhile", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const [talker, slow] = [
      await session(speaker, TALKER, 65001),
      await session(speaker, DEAF, 65002),
    ];
    const table = tableOf(slow);
    let reading = true;
    const stutter = (async () => {
      while (reading) {
        slow.pause();
        await delay(40);
        slow.resume();
        await delay(3);
      }
    })();
    for (let round = 1; round <= ROUNDS; round++) {
      await talker.sendAll(manyRoutes({ as: 65001, count: COUNT, med: round, perMessage: 3 }));
      if (round % 3 === 0) await talker.sendAll(manyWithdrawals(COUNT));
    }
    await talker.sendAll(manyRoutes({ as: 65001, count: COUNT / 4, med: 99, perMessage: 3 }));
    await until(() => holds(table, COUNT / 4, 99), LONG_MS, "the slow one has the last state");
    reading = false;
    await stutter;
    expect(slow.closed).toBe(false);
    for (const peer of [talker, slow]) peer.end();
  }));
