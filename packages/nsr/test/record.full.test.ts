/** A record through a takeover, on a disk that is full, and on one that stands still. */
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  routesOf,
  type TestPair,
  untilNsr,
  untilProtected,
  withPair,
} from "../../../testkit/pair.ts";
import type { Peer } from "../../../testkit/peer.ts";
import { slowDisk } from "../../../testkit/slow-disk.ts";
import { MAIN, type SpawnOptions, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, routeOctets, updateMessage } from "../../../testkit/updates.ts";
import type { ShownRecord } from "../src/index.ts";

const REASON = enterOwnNetwork();
const ON_ONE_HOST = REASON ?? "on one host";
const ROUTES = 300;
/** There is room for a state with a few routes, and for many there is none. */
const SMALL_DISK = "64k";
const MANY = 20_000;
/** Octets that may wait for the disk. */
const WAITING_OCTETS_MAX = 1 << 26;
const COMMUNITY_OCTETS = 4000;

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command on what a pair has recorded. */
function tsbgp(directory: string, word: string, ...words: string[]): Promise<Said> {
  return new Promise((resolve) => {
    const command = [MAIN, word, "--dir", directory, ...words];
    const options = { encoding: "utf8", maxBuffer: 1 << 28 } as const;
    execFile(process.execPath, command, options, (error, stdout, stderr) =>
      resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

async function untilRecord(
  side: SpeakerProcess,
  what: string,
  matches: (shown: ShownRecord) => boolean,
): Promise<ShownRecord> {
  const look = async () => {
    const { items } = await side.ask({ command: "show-record" });
    const shown = items[0] as ShownRecord;
    return matches(shown) ? shown : null;
  };
  return until(look, WAIT_MS, what);
}

/** @returns how many routes there were now, once the record has that */
async function countNow(directory: string): Promise<{ time: string; count: number }> {
  const time = new Date(Date.now() + 50).toISOString();
  const look = async () => {
    const said = await tsbgp(directory, "at", time, "show", "routes", "-j");
    return said.code === 0 ? (JSON.parse(said.stdout) as unknown[]).length : null;
  };
  return until(
    async () => {
      const count = await look();
      return count === null ? null : { time, count };
    },
    WAIT_MS,
    "the record has it",
  );
}

interface Scene {
  readonly pair: TestPair;
  readonly a: SpeakerProcess;
  readonly peer: Peer;
  readonly directory: string;
}

/** A side of a pair that acts and records, with a session. */
function withRecord(
  spawnFor: (directory: string) => SpawnOptions,
  body: (scene: Scene) => Promise<void>,
): Promise<void> {
  const record = { dir: "" };
  return withPair({ config: { record } }, async (pair) => {
    const directory = join(pair.directory, "record");
    record.dir = directory;
    const a = await pair.startActive("a", spawnFor(directory));
    await untilRecord(a, "a records", ({ files }) => files > 0);
    const peer = await pair.peer(1);
    await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
    await until(async () => (await routesOf(a)) === ROUTES, WAIT_MS, "a has the routes");
    await body({ pair, a, peer, directory });
  });
}

describe.skipIf(REASON !== null)(`a record ${ON_ONE_HOST}`, () => {
  test("is gone on with by the side that takes over", () =>
    withRecord(
      () => ({}),
      async ({ pair, a, peer, directory }) => {
        const b = await pair.startStandby("b");
        await untilProtected(a, 1);
        const before = await countNow(directory);
        await expect(b.ask({ command: "show-record" })).rejects.toThrow("does not act");
        a.signal("SIGKILL");
        await untilNsr(b, "b is active", ({ role }) => role === "active");
        await untilRecord(b, "b records", ({ files }) => files === 2);
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from: ROUTES }));
        await until(async () => (await routesOf(b)) === 2 * ROUTES, WAIT_MS, "b has the routes");
        const after = await countNow(directory);
        expect([before.count, after.count]).toEqual([ROUTES, 2 * ROUTES]);
        const { code, stdout } = await tsbgp(directory, "replay", "--json");
        expect([code, JSON.parse(stdout)]).toMatchObject([
          0,
          [{ problem: null }, { problem: null }],
        ]);
        expect(isUndisturbed(peer)).toBe(true);
      },
    ));

  // Words: the folder, and the program.
  const mount = `mount -t tmpfs -o size=${SMALL_DISK},mode=0700 none "$0" && exec "$@"`;

  test("a disk that is full is named, what was before stays, and it goes on when there is room", () => {
    const spawnFor = (folder: string) => {
      mkdirSync(folder, { mode: 0o700 });
      return { wrapper: ["unshare", "-m", "sh", "-c", mount, folder] };
    };
    return withRecord(spawnFor, async ({ a, peer, directory }) => {
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: MANY, perMessage: 1 }));
      const full = await untilRecord(a, "nothing is recorded", ({ problem }) => problem !== "");
      expect(full).toMatchObject({ state: "waiting", files: 1 });
      expect(full.problem).toContain("ENOSPC");
      await until(async () => (await routesOf(a)) === MANY, WAIT_MS, "a has the routes");
      const larger = ["-t", String(a.pid), "-m", "mount", "-o", "remount,size=64m", directory];
      expect(spawnSync("nsenter", larger).status).toBe(0);
      await untilRecord(
        a,
        "it records again",
        ({ files, problem }) => files === 2 && problem === "",
      );
      const inside = `/proc/${a.pid}/root${directory}`;
      expect((await tsbgp(inside, "replay")).code).toBe(0);
      expect((await countNow(inside)).count).toBe(MANY);
      expect(isUndisturbed(peer)).toBe(true);
    });
  });

  test("a disk that stands still holds up nobody, and it is told what it missed", () => {
    const holdOf = (folder: string) => `${folder}.hold`;
    const spawnFor = (folder: string) => ({ nodeOptions: slowDisk(holdOf(folder)) });
    return withRecord(spawnFor, async ({ a, peer, directory }) => {
      const before = await countNow(directory);
      writeFileSync(holdOf(directory), "");
      const large = attribute(0xd0, 8, []).slice(0, 2);
      const length = [COMMUNITY_OCTETS >> 8, COMMUNITY_OCTETS & 0xff];
      // Large ones, so that few are needed until too much waits.
      for (let sent = 0, med = 0; sent < 1.2 * WAITING_OCTETS_MAX; sent += 100 * COMMUNITY_OCTETS) {
        const messages = Array.from({ length: 100 }, () => {
          const communities = Array.from({ length: COMMUNITY_OCTETS }, () => med & 0xff);
          return updateMessage(
            [],
            [
              ...attribute(0x40, 1, [0]),
              ...attribute(0x40, 2, [2, 1, ...four(PEER_AS)]),
              ...attribute(0x40, 3, [192, 0, 2, 99]),
              ...attribute(0x80, 4, four(med++)),
              ...[...large, ...length, ...communities],
            ],
            routeOctets(0),
          );
        });
        await peer.sendAll(Buffer.concat(messages.map((octets) => Buffer.from(octets))));
      }
      const late = await untilRecord(a, "it is too slow", ({ problem }) => problem !== "");
      expect(late.missed).toBeGreaterThan(0);
      expect(late.problem).toContain("the disk is too slow");
      rmSync(holdOf(directory));
      await untilRecord(
        a,
        "it records again",
        ({ files, problem }) => files === 2 && problem === "",
      );
      const after = await countNow(directory);
      expect([before.count, after.count]).toEqual([ROUTES, ROUTES]);
      expect((await tsbgp(directory, "replay")).code).toBe(0);
      expect(isUndisturbed(peer)).toBe(true);
    });
  });
});
