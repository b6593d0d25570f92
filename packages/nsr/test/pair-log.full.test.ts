/** A standby that keeps what it stores on disk, and goes on from there after its own end. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  routesOf,
  saidBy,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import { type Peer, UPDATE } from "../../../testkit/peer.ts";
import { slowDisk } from "../../../testkit/slow-disk.ts";
import { type SpawnOptions, type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, routeOctets, updateMessage } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ON_ONE_HOST = REASON ?? "on one host";
const ROUTES = 300;
/** Of a state with that, some 100 kB, there is room, and of many routes there is none. */
const SMALL_DISK = "1m";
const MANY = 20_000;
/** Octets that may wait for the disk. */
const WAITING_OCTETS_MAX = 1 << 26;
const COMMUNITY_OCTETS = 4000;

interface Logged {
  readonly pair: TestPair;
  readonly a: SpeakerProcess;
  readonly b: SpeakerProcess;
  readonly peer: Peer;
  readonly file: string;
}

interface Options {
  /** Of the section `nsr`. */
  readonly more?: object;
  /** @returns how the standby is started, by the folder of the log */
  readonly spawnFor?: (folder: string) => SpawnOptions;
  /** @returns where the log is to be */
  readonly folderIn?: (directory: string) => string;
}

/** A pair whose standby is to have a log, with a session. */
function withFolder(options: Options, body: (logged: Logged) => Promise<void>): Promise<void> {
  const { more = {}, spawnFor, folderIn = (directory) => join(directory, "log") } = options;
  return withPair({}, async (pair) => {
    const folder = folderIn(pair.directory);
    for (const name of ["a", "b"] as const) {
      const config = pair.config(name);
      const nsr = { ...(config.nsr as object), log: folder, ...more };
      (await pair.side(name)).configure({ ...config, nsr });
    }
    const a = await pair.startActive("a");
    const b = await pair.startStandby("b", spawnFor?.(folder));
    await untilReady(a, "active");
    const peer = await pair.peer(1);
    await untilProtected(a, 1);
    await body({ pair, a, b, peer, file: join(folder, "test-b.log") });
  });
}

/** The same of one that has, with routes in it. */
function withLog(more: object, body: (logged: Logged) => Promise<void>): Promise<void> {
  return withFolder({ more }, async (logged) => {
    const { b, peer } = logged;
    await untilNsr(b, "b has a log", ({ log }) => log.octets > 0);
    await announce(peer, b, 0);
    await body(logged);
  });
}

/** @returns a folder that cannot be made, whoever tries it */
function belowFile(directory: string): string {
  const file = join(directory, "file");
  writeFileSync(file, "");
  return join(file, "log");
}

/** Announces `ROUTES` more routes. */
async function announce(peer: Peer, side: SpeakerProcess, from: number): Promise<void> {
  await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, from }));
  const count = from + ROUTES;
  await until(async () => (await routesOf(side)) === count, WAIT_MS, `${count} routes`);
}

/** Ends the standby as the kernel would. */
async function kill(a: SpeakerProcess, b: SpeakerProcess): Promise<void> {
  b.signal("SIGKILL");
  await b.exited();
  await untilNsr(a, "a is alone", ({ standbys, peer }) => peer.side === "" || standbys.length > 0);
  await untilNsr(a, "a is not ready", ({ ready }) => !ready);
}

/** @returns a megabyte of UPDATEs that announce one route with as many communities as there is room for */
function heavyUpdates(): Buffer {
  const attributes = [
    ...attribute(0x40, 1, [0]),
    ...attribute(0x40, 2, [2, 1, ...four(PEER_AS)]),
    ...attribute(0x40, 3, [192, 0, 2, 99]),
    // With a length of two octets.
    ...[0xd0, 8, COMMUNITY_OCTETS >>> 8, COMMUNITY_OCTETS & 0xff],
    ...Array.from({ length: COMMUNITY_OCTETS }, (_, n) => n & 0x7f),
  ];
  const one = Buffer.from(updateMessage([], attributes, routeOctets(0)));
  return Buffer.concat(Array.from({ length: 256 }, () => one));
}

async function takeOver({ a, b, peer }: Logged, routes: number): Promise<void> {
  await untilReady(a, "active");
  await untilProtected(a, 1);
  a.signal("SIGKILL");
  const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
  expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 1, lost: [] });
  expect(await routesOf(b)).toBe(routes);
  expect(isUndisturbed(peer)).toBe(true);
}

describe.skipIf(REASON !== null)(`the log of a standby (${ON_ONE_HOST})`, () => {
  test("it goes on from there after SIGKILL, is sent what it lacks, and takes over", () =>
    withLog({}, async (logged) => {
      const { pair, a, b, peer, file } = logged;
      await kill(a, b);
      await announce(peer, a, ROUTES);
      await pair.startStandby("b");
      const joinings = await untilSaid(a, "standby-joining", 2);
      expect(joinings.at(-1)).toMatch(/^b is being sent \d+ brackets behind \d+, which it has$/);
      expect(saidBy(b, "nsr-log").at(-1)).toMatch(/was read up to bracket \d+: \d+ octets/);
      // What is stored from now on is written behind that.
      const { size } = statSync(file);
      await announce(peer, b, 2 * ROUTES);
      await until(() => statSync(file).size > size, WAIT_MS, "the log grows");
      await kill(a, b);
      await pair.startStandby("b");
      expect((await untilSaid(a, "standby-joining", 3)).at(-1)).toContain("which it has");
      await takeOver(logged, 3 * ROUTES);
      await until(() => !existsSync(file), WAIT_MS, "the log of the active before is gone");
    }));

  test("it goes on from what is left of a file that ends within a bracket", () =>
    withLog({}, async (logged) => {
      const { pair, a, b, peer, file } = logged;
      await announce(peer, b, ROUTES);
      await kill(a, b);
      truncateSync(file, statSync(file).size - 50);
      await pair.startStandby("b");
      expect((await untilSaid(a, "standby-joining", 2)).at(-1)).toContain("which it has");
      await takeOver(logged, 2 * ROUTES);
    }));

  test.each<[string, RegExp, (file: string) => void]>([
    [
      "that was cut within its state",
      /is of no use: it is broken behind octet \d+: its image is not complete/,
      (file) => truncateSync(file, 4096),
    ],
    [
      "with an octet that has changed",
      /is of no use: it is broken behind octet \d+: the checksum of a frame(?:'s head)? is wrong/,
      (file) => {
        const octets = readFileSync(file);
        octets[octets.length - 30]! ^= 1;
        writeFileSync(file, octets);
      },
    ],
    [
      "that the process before has ended at",
      /is of no use: the process that was reading it before has ended at that/,
      (file) => renameSync(file, `${file}.reading`),
    ],
  ])("a file %s is named, and costs a join", (_, problem, spoil) =>
    withLog({}, async (logged) => {
      const { pair, a, b, peer, file } = logged;
      await kill(a, b);
      spoil(file);
      await announce(peer, a, ROUTES);
      await pair.startStandby("b");
      expect((await untilSaid(a, "standby-joining", 2)).at(-1)).toBe("b is being sent the state");
      expect(saidBy(b, "nsr-log").filter((line) => problem.test(line))).toHaveLength(1);
      // It has one again that is good.
      await untilNsr(b, "b has a log", ({ log }) => log.octets > 0);
      expect(readdirSync(dirname(file))).toEqual(["test-b.log"]);
      await kill(a, b);
      await pair.startStandby("b");
      expect((await untilSaid(a, "standby-joining", 3)).at(-1)).toContain("which it has");
      await takeOver(logged, 2 * ROUTES);
    }),
  );

  test("one of an active that has begun anew meanwhile is of no use", () =>
    withLog({}, async ({ pair, a, b, file }) => {
      await kill(a, b);
      a.signal("SIGKILL");
      await a.exited();
      await pair.startActive("a");
      await pair.startStandby("b");
      expect(await untilSaid(a, "standby-joining", 2)).toContain("b is being sent the state");
      expect(saidBy(b, "nsr-log")).toContainEqual(expect.stringContaining("is begun anew"));
      await untilNsr(b, "b has a log", ({ log }) => log.octets > 0);
      expect(existsSync(file)).toBe(true);
    }));

  test("it is begun anew when it has grown to its bound", () =>
    withLog({ "log-mb": 1 }, async (logged) => {
      const { pair, a, b, peer, file } = logged;
      const isAnew = () => saidBy(b, "nsr-log").some((line) => line.includes("is begun anew"));
      // The same routes again and again, each time otherwise: the state does not grow.
      for (let med = 1; !isAnew(); med++) {
        await peer.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES, med }));
        // No faster than it is stored.
        await routesOf(b);
      }
      expect(statSync(file).size).toBeLessThan(3_000_000);
      await kill(a, b);
      await pair.startStandby("b");
      expect((await untilSaid(a, "standby-joining", 2)).at(-1)).toContain("which it has");
      await takeOver(logged, ROUTES);
    }));

  // Words: the folder, and the program.
  const mount = `mount -t tmpfs -o size=${SMALL_DISK},mode=0700 none "$0" && exec "$@"`;

  test("a disk that is full is named, and costs the log alone", () => {
    const spawnFor = (folder: string) => {
      mkdirSync(folder, { mode: 0o700 });
      return { wrapper: ["unshare", "-m", "sh", "-c", mount, folder] };
    };
    return withFolder({ spawnFor }, async (logged) => {
      const { a, b, peer, file } = logged;
      await untilNsr(b, "b has a log", ({ log }) => log.octets > 0);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: MANY, perMessage: 1 }));
      const full = await untilNsr(b, "b has none", ({ log }) => log.problem !== "");
      expect(full.log).toMatchObject({ octets: 0, problem: expect.stringContaining("ENOSPC") });
      expect(saidBy(b, "nsr-log").at(-1)).toMatch(/^no log is kept: ENOSPC/);
      await until(async () => (await routesOf(b)) === MANY, WAIT_MS, "b has the routes");
      // Nothing else comes of it, and once there is room there is a log again.
      const larger = ["-t", String(b.pid), "-m", "mount", "-o", "remount,size=256m", dirname(file)];
      expect(spawnSync("nsenter", larger).status).toBe(0);
      await untilNsr(b, "b has a log again", ({ log }) => log.octets > 0 && log.problem === "");
      expect(saidBy(a, "standby-joining")).toHaveLength(1);
      await takeOver(logged, MANY);
    });
  });

  test("a disk that stands still holds up nobody, and costs the log alone", () => {
    const holdOf = (folder: string) => join(dirname(folder), "hold");
    const spawnFor = (folder: string) => ({ nodeOptions: slowDisk(holdOf(folder)) });
    return withFolder({ spawnFor }, async (logged) => {
      const { pair, a, b, peer, file } = logged;
      const other = await pair.peer(2);
      await untilProtected(a, 2);
      await untilNsr(b, "b has a log", ({ log }) => log.octets > 0);
      const hold = holdOf(dirname(file));
      writeFileSync(hold, "");
      const { size } = statSync(file);
      await announce(peer, b, 0);
      // What others are sent is what b has acknowledged.
      await until(
        () => other.count(UPDATE) >= ROUTES / 100,
        WAIT_MS,
        "the other one is sent routes",
      );
      await untilNsr(a, "b has stored all", ({ ready, behind }) => ready && behind.octets === 0);
      expect(statSync(file).size).toBe(size);
      const heavy = heavyUpdates();
      for (let sent = 0; sent < WAITING_OCTETS_MAX; sent += heavy.length) await peer.sendAll(heavy);
      const slow = await untilNsr(b, "b gives its log up", ({ log }) => log.problem !== "");
      expect(slow.log).toMatchObject({ octets: 0, problem: "the disk is too slow" });
      await untilNsr(a, "b has stored all", ({ ready, behind }) => ready && behind.octets === 0);
      expect(saidBy(a, "standby-slow")).toEqual([]);
      rmSync(hold);
      await untilNsr(b, "b has a log again", ({ log }) => log.octets > 0 && log.problem === "");
      expect(saidBy(a, "standby-joining")).toHaveLength(1);
      // Nor is a role held up.
      writeFileSync(hold, "");
      await announce(peer, b, ROUTES);
      other.end();
      await untilNsr(a, "the other one is gone", ({ sessions }) => sessions === 1);
      await takeOver(logged, 2 * ROUTES);
      rmSync(hold);
    });
  });

  test("a folder that cannot be written to is named, and costs the log alone", () =>
    withFolder({ folderIn: (directory) => belowFile(directory) }, async (logged) => {
      const { b, peer } = logged;
      const shown = await untilNsr(b, "b has no log", ({ log }) => log.problem !== "");
      expect(shown.log.problem).toMatch(/ENOTDIR|EEXIST/);
      await announce(peer, b, 0);
      await takeOver(logged, ROUTES);
    }));
});
