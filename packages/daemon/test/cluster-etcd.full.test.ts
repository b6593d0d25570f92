/** Members that find each other by a real etcd: one joins, one is killed, etcd is lost, and nobody is reloaded. */
import { spawnSync } from "node:child_process";
import { LINES_MAX } from "@ts-bgp/nsr/few-lines";
import { afterEach, describe, expect, test } from "vitest";
import { labAvailable } from "../../../test/lab/install.ts";
import { until } from "../../../test/lab/until.ts";
import {
  clusterOf,
  LIST,
  memberOf,
  newPlace,
  Papers,
  TTL_SECONDS,
  untilTold,
} from "../../../testkit/etcd-members.ts";
import { Peer } from "../../../testkit/peer.ts";
import { RealEtcd } from "../../../testkit/real-etcd.ts";
import {
  type ConfigFile,
  MAIN,
  neighborAddress,
  SpeakerProcess,
  WAIT_MS,
} from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = labAvailable();
const NAMES = ["a", "b", "c"];
const AS = 65_001;
const ROUTES = 100;
const UPDATE = 2;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

interface Scene {
  readonly etcd: RealEtcd;
  readonly papers: Papers;
}

async function newScene(): Promise<Scene> {
  const etcd = new RealEtcd();
  ends.push(() => etcd.end());
  await etcd.start("http");
  const papers = new Papers(NAMES);
  ends.push(() => papers.remove());
  return { etcd, papers };
}

/** @param cluster - beside self and certificates */
function fileOf(
  { papers }: Scene,
  self: string,
  cluster: ConfigFile,
  names: readonly string[] = NAMES,
): ConfigFile {
  const options = { passive: true, "route-server-client": true };
  return {
    defaults: { ...options, import: "accept-all", export: "accept-all" },
    neighbors: names.map((speaker, k) => ({
      ...{ address: neighborAddress(k + 1), as: AS + k, speaker },
    })),
    cluster: { self, tls: papers.of(self), "hold-seconds": 600, ...cluster },
  };
}

const byEtcd = ({ etcd }: Scene, listen: object, prefix = LIST) => ({
  listen,
  etcd: { endpoints: etcd.endpoint, prefix, "ttl-seconds": TTL_SECONDS },
});

async function started(file: ConfigFile): Promise<SpeakerProcess> {
  const speaker = await SpeakerProcess.create(file);
  ends.push(() => speaker.remove());
  await speaker.start();
  return speaker;
}

/** A client of the k-th member, with so many routes for each number. */
async function clientOf(speaker: SpeakerProcess, k: number): Promise<Peer> {
  const options = { port: speaker.port, localAddress: neighborAddress(k), as: AS + k - 1 };
  const peer = await Peer.establish(options);
  ends.push(() => peer.end());
  await peer.sendAll(manyRoutes({ as: AS + k - 1, count: k * ROUTES }));
  return peer;
}

function tsbgp(speaker: SpeakerProcess, ...words: string[]) {
  const all = [MAIN, ...words, "--socket", speaker.socket];
  return spawnSync(process.execPath, all, { encoding: "utf8" });
}

const isAway = (speaker: SpeakerProcess) => speaker.log().some(({ msg }) => / is away/.test(msg));

describe.skipIf(REASON !== null)(`members by etcd (${REASON ?? "etcd"})`, () => {
  test("join, are killed and come back elsewhere, and etcd is lost meanwhile", async () => {
    const scene = await newScene();
    const { etcd } = scene;
    const place = async (self: string) => fileOf(scene, self, byEtcd(scene, await newPlace()));
    const [a, b] = [await started(await place("a")), await started(await place("b"))];
    await clientOf(a, 1);
    await clientOf(b, 2);
    await Promise.all([untilTold(a, "b", 2 * ROUTES), untilTold(b, "a", ROUTES)]);
    expect(await memberOf(a, "c")).toMatchObject({ listed: false, state: "away", links: [] });

    const c = await started(await place("c"));
    await clientOf(c, 3);
    await Promise.all([a, b].map((each) => untilTold(each, "c", 3 * ROUTES)));
    await Promise.all([untilTold(c, "a", ROUTES), untilTold(c, "b", 2 * ROUTES)]);
    expect((await clusterOf(a)).membership).toMatchObject({
      ...{ by: "etcd", has_entry: true, problems: [], read_ms: expect.any(Number) },
      entry: expect.stringMatching(`^${LIST}/a/127\\.0\\.0\\.1:\\d+$`),
    });

    expect(tsbgp(a, "show", "cluster").stdout).toMatch(
      /^Member a\nEntry in etcd: \S+\/a\/127\.0\.0\.1:\d+; list read \S+ ago\n/,
    );

    c.signal("SIGKILL");
    await c.exited();
    const isOut = async () => (await memberOf(a, "c"))?.listed === false;
    await until(isOut, WAIT_MS, "its lease has run out");
    expect(await memberOf(a, "c")).toMatchObject({ state: "away", routes: 3 * ROUTES });
    expect(await memberOf(a, "b")).toMatchObject({ state: "up to date", listed: true });
    c.configure(await place("c"));
    await c.start();
    await clientOf(c, 3);
    await untilTold(a, "c", 3 * ROUTES);

    await etcd.kill();
    const hasRunOut = async () => (await clusterOf(a)).membership?.has_entry === false;
    await until(hasRunOut, WAIT_MS, "its lease has run out");
    for (const name of ["b", "c"]) {
      expect(await memberOf(a, name)).toMatchObject({ state: "up to date", listed: true });
    }
    // Who stands in the list is no member by that.
    etcd.restart();
    const { port } = (await newPlace()) as { port: number };
    const put = () => etcd.put(`${LIST}/x/127.0.0.1:${port}`, "").then(() => true);
    await until(() => put().catch(() => false), WAIT_MS, "etcd answers");
    const forged = `${LIST}/y/${(await clusterOf(b)).membership!.entry!.split("/").at(-1)}`;
    await etcd.put(forged, "");
    const problem = '"b" answers there, not "y"';
    const isRefused = async () => (await memberOf(a, "y"))?.links[0]?.problem === problem;
    await until(isRefused, WAIT_MS, "another member's address is none of y");
    const isBack = async () => (await clusterOf(a)).membership?.has_entry === true;
    await until(isBack, WAIT_MS, "it has an entry again");
    const lost = [a, b]
      .flatMap((each) => each.log())
      .filter(({ msg }) => /^[ab] is away/.test(msg));
    expect(lost).toEqual([]);

    etcd.signal("SIGSTOP");
    b.signal("SIGTERM");
    expect(await b.exited()).toBe("exit 0");
    etcd.signal("SIGCONT");
  });

  test("are seen and heard of beside strangers in the list, who count for nothing", async () => {
    const scene = await newScene();
    const names = ["a", "b"];
    const place = async (self: string) =>
      fileOf(scene, self, byEtcd(scene, await newPlace()), names);
    const [a, b] = [await started(await place("a")), await started(await place("b"))];
    await clientOf(b, 2);
    await untilTold(a, "b", 2 * ROUTES);
    const { port } = await newPlace();
    const strangers = Array.from({ length: 50 }, (_, k) => `x${k}`);
    for (const name of strangers) await scene.etcd.put(`${LIST}/${name}/127.0.0.1:${port}`, "");
    const lines = () => a.log().filter(({ msg }) => /^x\d+: /.test(msg)).length;
    await until(() => lines() >= LINES_MAX, WAIT_MS, "there is much to say of strangers");
    const areFollowed = async () => (await clusterOf(a)).members.length === 1 + strangers.length;
    await until(areFollowed, WAIT_MS, "strangers are followed");
    const status = tsbgp(a, "show", "status", "--cluster");
    expect([status.status, status.stderr]).toEqual([0, ""]);
    const routes = tsbgp(a, "show", "routes", "16.0.0.0/24", "--cluster");
    expect([routes.status, routes.stderr]).toEqual([0, ""]);

    // In the same seconds: no line about b is left out.
    b.signal("SIGKILL");
    await b.exited();
    await until(() => isAway(a), WAIT_MS, "it is said that b is away");
    const { status: code, stderr } = tsbgp(a, "show", "status", "--cluster");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tsbgp: member b has not answered: [^\n]*\n$/);
  });

  test("were those of a file, by reloads, and are again", async () => {
    const scene = await newScene();
    const [ofA, ofB] = [await newPlace(), await newPlace()];
    const inFile = { members: { a: ofA, b: ofB, c: { address: "127.0.0.9", port: 1 } } };
    const a = await started(fileOf(scene, "a", inFile));
    const b = await started(fileOf(scene, "b", inFile));
    const clients = [await clientOf(a, 1), await clientOf(b, 2)];
    const areTold = () => Promise.all([untilTold(a, "b", 2 * ROUTES), untilTold(b, "a", ROUTES)]);
    await areTold();
    const areSent = async () => {
      for (const [k, speaker] of [a, b].entries()) {
        const { families, messages } = await speaker.neighbor(neighborAddress(k + 1));
        if (families[0]!.advertised !== (2 - k) * ROUTES) return false;
        if (messages.sent.update !== clients[k]!.count(UPDATE)) return false;
      }
      return true;
    };
    await until(areSent, WAIT_MS, "each client has what the other one announced");
    const heard = () => clients.map((client) => client.count(UPDATE));
    const before = heard();
    const since = async () => (await clusterOf(a)).followers.map(({ since_ms }) => since_ms);
    const followed = await since();

    const keys = async (...expected: string[]) => {
      const found = async () => {
        const all = (await scene.etcd.keys()).map((key) => key.slice(0, key.lastIndexOf("/")));
        expect(all.sort()).toEqual(expected);
        return true;
      };
      await until(found, WAIT_MS, `these are in etcd: ${expected}`);
    };
    const reload = async (speaker: SpeakerProcess, self: string, cluster: ConfigFile) => {
      speaker.configure(fileOf(scene, self, cluster));
      await speaker.ask({ command: "reload" });
    };
    await reload(a, "a", byEtcd(scene, ofA));
    await keys(`${LIST}/a`);
    await reload(b, "b", byEtcd(scene, ofB));
    await keys(`${LIST}/a`, `${LIST}/b`);
    const isSeen = async () => (await memberOf(a, "b"))?.listed === true;
    await until(isSeen, WAIT_MS, "b is seen in the list");
    await areTold();

    // Another list: nobody is in none at any time.
    const other = `${LIST}-2`;
    await reload(a, "a", byEtcd(scene, ofA, other));
    await keys(`${other}/a`, `${LIST}/b`);
    await reload(b, "b", byEtcd(scene, ofB, other));
    await keys(`${other}/a`, `${other}/b`);
    await reload(a, "a", inFile);
    await reload(b, "b", inFile);
    await keys();
    expect((await clusterOf(a)).membership).toMatchObject({ by: "file", problems: [] });
    await areTold();
    expect([isAway(a), isAway(b)]).toEqual([false, false]);
    expect(await since()).toEqual(followed);
    expect(await areSent()).toBe(true);
    expect(heard()).toEqual(before);
  });
});
