/** `--cluster`: one member answers for all, and names who does not. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ShownCluster } from "@ts-bgp/daemon";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import { linesOf, type Result, tsbgp } from "./support/tsbgp.ts";

const WITH_A = "127.1.0.1";
const WITH_B = "127.1.0.2";
/** More than another member says at once. */
const ROUTES_OF_B = 1200;

const folder = mkdtempSync(join(tmpdir(), "tsbgp-test-"));
const CONFIG = {
  defaults: {
    passive: true,
    "route-server-client": true,
    import: "accept-all",
    export: "accept-all",
  },
  neighbors: [
    { address: WITH_A, as: 65001, speaker: "a", description: "first" },
    { address: WITH_B, as: 65002, speaker: "b", description: "second" },
  ],
};
const cluster = (self: string) => ({
  ...{ self, "hold-seconds": 600 },
  members: { a: join(folder, "a.sock"), b: join(folder, "b.sock") },
});
const speakers: SpeakerProcess[] = [];
const peers: Peer[] = [];

beforeAll(async () => {
  for (const self of ["a", "b"]) {
    speakers.push(await SpeakerProcess.create({ ...CONFIG, cluster: cluster(self) }));
  }
  await Promise.all(speakers.map((each) => each.start()));
  const [a, b] = speakers;
  peers.push(
    await Peer.establish({ port: a!.port, localAddress: WITH_A, as: 65001, onUpdate: () => {} }),
    await Peer.establish({ port: b!.port, localAddress: WITH_B, as: 65002, onUpdate: () => {} }),
  );
  await peers[1]!.sendAll(manyRoutes({ as: 65002, count: ROUTES_OF_B }));
  await peers[0]!.sendAll(manyRoutes({ as: 65001, count: 1 }));
  const isThere = async () => {
    const [first, second] = [await a!.neighbor(WITH_A), await b!.neighbor(WITH_B)];
    const sent = [first, second].map(({ families }) => families[0]!.advertised);
    return sent[0] === ROUTES_OF_B && sent[1] === 1;
  };
  await until(isThere, WAIT_MS, "all is told and sent");
});

afterAll(() => {
  for (const each of peers) each.end();
  for (const each of speakers) each.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Asks member a. */
const ask = (...args: string[]): Promise<Result> =>
  tsbgp([...args, "--socket", speakers[0]!.socket]);
const shown = ({ stdout }: Result) => linesOf(stdout).map((line) => line.replace(/ +/g, " "));
const json = async (...args: string[]) => JSON.parse((await ask(...args, "--json")).stdout);

test("neighbors are shown as the member has them that has their sessions", async () => {
  const result = await ask("show", "neighbors", "--cluster");
  expect([result.code, result.stderr]).toEqual([0, ""]);
  expect(shown(result)).toEqual([
    "Member Neighbor AS State Since Received Accepted Sent Description",
    expect.stringMatching(/^a 127\.1\.0\.1 65001 Established [\d:]+ 1 1 1200 first$/),
    expect.stringMatching(/^b 127\.1\.0\.2 65002 Established [\d:]+ 1200 1200 1 second$/),
  ]);
  const [, second] = await json("show", "neighbors", "--cluster");
  expect(second).toMatchObject({ member: "b", speaker: null, messages: { sent: { open: 1 } } });
});

test("members are shown, a line each", async () => {
  const result = await ask("show", "status", "--cluster");
  expect(result.code).toBe(0);
  expect(shown(result)).toEqual([
    "Member Version Running Neighbors Established",
    expect.stringMatching(/^a [\d.]+ [\d:]+ 1 1$/),
    expect.stringMatching(/^b [\d.]+ [\d:]+ 1 1$/),
    "Together: 2 of 2 neighbors established",
  ]);
});

test("routes are shown with their member, and asked of that where only it has them", async () => {
  const { stdout } = await ask("show", "routes", "16.0.0.0/24", "--cluster");
  const lines = linesOf(stdout).slice(1).sort();
  expect(lines).toEqual([
    expect.stringMatching(/^a +\*.? +16\.0\.0\.0\/24 +127\.1\.0\.1 /),
    expect.stringMatching(/^b +\*.? +16\.0\.0\.0\/24 +127\.1\.0\.2 /),
  ]);
  const advertised = ["show", "routes", "--advertised", "--neighbor", WITH_B];
  expect((await json(...advertised)).length).toBe(0);
  expect(await json(...advertised, "--cluster")).toMatchObject([
    { member: "b", prefix: "16.0.0.0/24", as_path: expect.stringMatching(/^65001 /) },
  ]);
  const received = ["show", "routes", "--received", "--neighbor", WITH_B];
  const all = await json(...received, "--cluster");
  expect(all.length).toBe(ROUTES_OF_B);
  expect(new Set(all.map(({ member }: { member: string }) => member))).toEqual(new Set(["b"]));
  const byName = await json(...received.with(-1, "second"), "--cluster");
  expect(byName.length).toBe(ROUTES_OF_B);
});

test("a member that is away is named, with what was known of it", async () => {
  speakers[1]!.signal("SIGKILL");
  const isAway = async () => {
    const { members } = (await json("show", "cluster")) as ShownCluster;
    return members[0]!.state === "away";
  };
  await until(isAway, WAIT_MS, "b is away");
  const said = /^tsbgp: member b has not answered: .*, away for 00:00:\d\d$/m;
  const result = await ask("show", "neighbors", "--cluster");
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(said);
  expect(shown(result)[2]).toMatch(/^b 127\.1\.0\.2 65002 With b never 1200 1200 0 second$/);
  for (const words of ["status", "routes 16.0.0.0/24", `routes -n ${WITH_B} --rejected`]) {
    const { code, stderr } = await ask("show", ...words.split(" "), "--cluster");
    expect([code, stderr], words).toEqual([1, expect.stringMatching(said)]);
  }
});

test("a speaker without a cluster says so", async () => {
  const alone = await SpeakerProcess.create({ neighbors: [] });
  speakers.push(alone);
  await alone.start();
  const words = ["show", "neighbors", "--cluster", "--socket", alone.socket];
  expect(await tsbgp(words)).toMatchObject({
    ...{ code: 1, stderr: "tsbgp: this speaker is no member of a cluster\n" },
  });
});
