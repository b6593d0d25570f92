/** A process in a list of members in a real etcd, whatever becomes of that and of the list. */
import type { ClusterConfig } from "@ts-bgp/config";
import { afterEach, describe, expect, test } from "vitest";
import { labAvailable } from "../../../test/lab/install.ts";
import { until } from "../../../test/lab/until.ts";
import { EtcdWay } from "../../../testkit/etcd-way.ts";
import { RealEtcd } from "../../../testkit/real-etcd.ts";
import { catchUncaught } from "../../../testkit/uncaught.ts";
import { EtcdMembership } from "../src/cluster/etcd-membership.ts";
import { Membership } from "../src/cluster/membership.ts";

const REASON = labAvailable();
const WAIT_MS = 20_000;
const PREFIX = "/ts-bgp/cluster/rs1";
const TTL_SECONDS = 3;
const ends: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startEtcd(): Promise<RealEtcd> {
  const etcd = new RealEtcd();
  ends.push(() => etcd.end());
  await etcd.start("http");
  await answers(etcd);
  return etcd;
}

async function wayTo(etcd: RealEtcd): Promise<EtcdWay> {
  const way = new EtcdWay(etcd.endpoint);
  await way.open();
  ends.push(() => way.close());
  return way;
}

function answers(etcd: RealEtcd): Promise<unknown> {
  const isThere = () =>
    etcd.keys().then(
      () => true,
      () => false,
    );
  return until(isThere, WAIT_MS, "etcd answers");
}

class Member {
  readonly said: string[] = [];
  entered = 0;
  /** Called when the list was read, or the entry is there. */
  onNews: (what: "read" | "entered") => void = () => {};
  readonly membership: EtcdMembership;

  constructor(
    etcd: { readonly endpoint: string },
    self: string,
    { port = 1795, sides = 1, names = [] as string[] } = {},
  ) {
    const access = { endpoints: [etcd.endpoint], tls: null, user: null };
    const where = { self, listen: { address: "10.9.0.1", port }, software: "1", places: null };
    this.membership = new EtcdMembership(
      { etcd: { ...access, prefix: PREFIX, ttlSeconds: TTL_SECONDS, sides }, ...where },
      {
        names: () => [self, ...names],
        read: () => this.onNews("read"),
        entered: () => {
          this.entered++;
          this.onNews("entered");
        },
        say: (level, message) => this.said.push(`${level}: ${message}`),
      },
    );
    ends.push(() => this.membership.leave());
  }

  sees(...names: string[]): Promise<unknown> {
    const seen = () => {
      expect([...(this.membership.places?.keys() ?? [])].sort()).toEqual(names);
      return true;
    };
    return until(seen, WAIT_MS, `${names} are seen`);
  }

  warnings(what: RegExp): string[] {
    return this.said.filter((line) => line.startsWith("warn") && what.test(line));
  }
}

describe.skipIf(REASON !== null)(`a list of members (${REASON ?? "etcd"})`, () => {
  test("has those that are there, and one that leaves at once no more", async () => {
    const etcd = await startEtcd();
    const a = new Member(etcd, "a");
    await a.sees("a");
    expect(await etcd.keys()).toEqual([`${PREFIX}/a/10.9.0.1:1795`]);
    const b = new Member(etcd, "b", { port: 1796 });
    await Promise.all([a.sees("a", "b"), b.sees("a", "b")]);
    expect(a.membership.places!.get("b")).toEqual([{ address: "10.9.0.1", port: 1796 }]);
    await b.membership.leave();
    expect(await etcd.keys()).toEqual([`${PREFIX}/a/10.9.0.1:1795`]);
    await a.sees("a");
    expect(a.membership.problems).toEqual([]);
    expect(a.said).toEqual([]);
  });

  test("stays as it was while etcd is away, and all are there again afterwards", async () => {
    const etcd = await startEtcd();
    const [a, b] = [new Member(etcd, "a"), new Member(etcd, "b", { port: 1796 })];
    await Promise.all([a.sees("a", "b"), b.sees("a", "b")]);
    await etcd.kill();
    const isOut = () => !a.membership.hasEntry;
    await until(isOut, WAIT_MS, "the lease has run out");
    expect([...a.membership.places!.keys()].sort()).toEqual(["a", "b"]);
    expect(a.membership.problems).toEqual([
      expect.stringMatching(/^etcd cannot be reached, the last list counts: .*ECONNREFUSED/),
      expect.stringMatching(/^its lease has run out/),
    ]);
    etcd.restart();
    await answers(etcd);
    await until(() => a.membership.hasEntry && b.membership.hasEntry, WAIT_MS, "both are back");
    await a.sees("a", "b");
    await until(() => a.membership.problems.length === 0, WAIT_MS, "nothing is wrong");
    expect(a.said.filter((line) => line.endsWith("etcd answers again"))).toHaveLength(1);
    // Not a line for each attempt.
    expect(a.said.length).toBeLessThan(12);
  });

  test("has an entry again whose lease was revoked, and one that somebody has removed", async () => {
    const etcd = await startEtcd();
    const a = new Member(etcd, "a");
    await a.sees("a");
    const { leases = [] } = (await etcd.ask("lease/leases", {})) as { leases?: { ID: string }[] };
    expect(leases).toHaveLength(1);
    await etcd.ask("lease/revoke", { ID: leases[0]!.ID });
    await until(() => a.entered === 2, WAIT_MS, "it is put anew");
    expect(a.warnings(/its lease in etcd was lost/)).toHaveLength(1);
    expect(a.warnings(/cannot be/)).toEqual([]);
    await etcd.remove(`${PREFIX}/a/10.9.0.1:1795`);
    await until(() => a.entered === 3, WAIT_MS, "it is put again");
    const before = a.said.length;
    for (let k = 0; k < 4; k++) {
      await etcd.remove(`${PREFIX}/a/10.9.0.1:1795`);
      await until(() => a.entered === 4 + k, WAIT_MS, "it is put again, each time");
    }
    // Not a line for each time.
    expect(a.said.length - before).toBeLessThan(4);
    await until(async () => (await etcd.keys()).length === 1, WAIT_MS, "it is there");
    // A killed process has no entry after a while.
    expect(await etcd.ask("lease/leases", {})).toMatchObject({ leases: [expect.anything()] });
  });

  test("has all that are entries, whatever else stands there, and the entry is kept meanwhile", async () => {
    const etcd = await startEtcd();
    const a = new Member(etcd, "a", { names: ["b"] });
    await a.sees("a");
    const head = Buffer.from(`${PREFIX}/`);
    for (const octet of [0x80, 0xff]) await etcd.put(Buffer.from([...head, octet]), "x");
    await etcd.put(`${PREFIX}/c/10.9.0.3:1795`, "x".repeat(1_000_000));
    const b = new Member(etcd, "b", { port: 1796 });
    await Promise.all([a.sees("a", "b", "c"), b.sees("a", "b", "c")]);
    const problem = `2 keys are no entry, and left out: "${PREFIX}/?": it is not MEMBER/ADDRESS:PORT`;
    expect(a.membership.problems).toEqual([problem]);
    // Keys that no answer has room for.
    const long = "k".repeat(200_000);
    for (const k of [1, 2]) await etcd.put(`${PREFIX}/${k}${long}`, "");
    const isFull = () => a.membership.problems[0]?.startsWith("too much stands under");
    await until(isFull, WAIT_MS, "it is said");
    await a.sees("a", "b");
    await b.membership.leave();
    await a.sees("a");
    expect(a.membership.hasEntry).toBe(true);
    expect(a.entered).toBe(1);
    // More keys than are read at once.
    for (const k of [1, 2]) await etcd.remove(`${PREFIX}/${k}${long}`);
    for (let k = 0; k < 600; k++) await etcd.put(`${PREFIX}/aa${k}/10.8.0.1:1`, "");
    const again = new Member(etcd, "b", { port: 1797 });
    const sees = () => a.membership.places?.get("b")?.[0]?.port === 1797;
    await until(sees, WAIT_MS, "b is seen behind all of them");
    expect(again.membership.places!.size).toBeGreaterThan(500);
    expect(a.said.length).toBeLessThan(10);
  });

  test("has members that are named though the whole of it cannot be read, by ranges that are short", async () => {
    const etcd = await startEtcd();
    const way = await wayTo(etcd);
    for (let k = 0; k < 600; k++) await etcd.put(`${PREFIX}/aa${k}/10.8.0.1:1`, "");
    const b = new Member(etcd, "b");
    await until(() => b.membership.hasEntry, WAIT_MS, "b is there");
    for (let k = 0; k < 40; k++) await etcd.put(`${PREFIX}/b/10.9.9.1:${1 + k}`, "");
    const a = new Member(way, "a", { names: ["b"], port: 1796 });
    const seesB = () => a.membership.places?.get("b")?.[0]?.address === "10.9.0.1";
    await until(seesB, WAIT_MS, "b is seen, its oldest entry first");
    const many = `too much stands under ${PREFIX}/ for a list of members`;
    expect(a.membership.problems).toEqual([expect.stringMatching(`^${many}; those that`)]);

    way.isLost = (key) => key === `${PREFIX}/`;
    const isSaid = () =>
      /^the list cannot be read as a whole: .*no answer; those that/.test(
        a.membership.problems[0] ?? "",
      );
    await until(isSaid, WAIT_MS, "it is said");
    await a.sees("a", "b");
    const looks = () => way.ranges.filter(({ asked }) => asked.key === `${PREFIX}/a/`).length;
    await until(() => looks() >= 6, WAIT_MS, "it was looked a few times");
    await etcd.remove(`${PREFIX}/b/10.9.0.1:1795`);
    await until(() => !seesB(), WAIT_MS, "what becomes of b is seen");
    expect(a.membership.hasEntry).toBe(true);
    expect(a.entered).toBe(1);
    expect(a.warnings(/etcd cannot be reached|cannot be read, /)).toEqual([]);

    await etcd.remove(`${PREFIX}/a/10.9.0.1:1796`);
    await until(() => a.entered === 2, WAIT_MS, "its own entry is put again");

    // The whole of it is not asked for each time, and is seen once it can be.
    const [all, one] = [`${PREFIX}/`, `${PREFIX}/b/`].map(
      (key) => way.ranges.filter(({ asked }) => asked.key === key).length,
    );
    expect(all).toBeLessThan(one! / 2);
    way.isLost = () => false;
    for (let k = 0; k < 600; k++) await etcd.remove(`${PREFIX}/aa${k}/10.8.0.1:1`);
    const isWhole = () => /^\d+ keys are no entry/.test(a.membership.problems[0] ?? "");
    await until(isWhole, WAIT_MS, "the list is whole");

    // Any order but that of keys has etcd read all that there is, and so would no limit.
    const ofB = way.ranges.filter(({ asked }) => asked.key === `${PREFIX}/b/`);
    expect(Math.max(...ofB.map(({ keys }) => keys ?? 0))).toBe(16);
    for (const { asked } of way.ranges) {
      expect(asked).toMatchObject({ limit: expect.any(String), keys_only: true });
      expect(Object.keys(asked).filter((option) => /^sort_|_revision$/.test(option))).toEqual([]);
    }
  });

  test("has older entries of a member than that of this process, which stays all the same", async () => {
    const etcd = await startEtcd();
    for (let k = 0; k < 5; k++) await etcd.put(`${PREFIX}/a/10.9.9.1:${1 + k}`, "");
    const a = new Member(etcd, "a");
    const reads: number[] = [];
    a.onNews = (what) => what === "read" && a.entered > 0 && reads.push(a.entered);
    await until(() => reads.length > 3, WAIT_MS, "it was read a few times");
    expect(new Set(reads)).toEqual(new Set([1]));
    expect(a.warnings(/removed/)).toEqual([]);
  });

  test.each(["read", "entered"] as const)(
    "is behind a fault of this process when it is %s, which is no trouble with etcd",
    async (when) => {
      const caught = catchUncaught(ends);
      const a = new Member(await startEtcd(), "a");
      a.onNews = (what) => {
        if (what === when) throw new Error("a fault");
      };
      await until(() => caught.mock.calls.length > 0, WAIT_MS, "it is a fault of the process");
      expect(caught.mock.calls[0]![0]).toMatchObject({ message: "a fault" });
      await until(() => a.membership.hasEntry && a.membership.readMs, WAIT_MS, "etcd is well");
      expect(a.membership.problems).toEqual([]);
      expect(a.warnings(/./)).toEqual([]);
    },
  );

  test("lacks a member that neighbors have, which is told after a while", async () => {
    const etcd = await startEtcd();
    const said: string[] = [];
    const membership = new Membership(
      "1",
      (level, message) => said.push(`${level}: ${message}`),
      () => {},
    );
    ends.push(() => membership.stop());
    const access = { endpoints: [etcd.endpoint], tls: null, user: null };
    const config: ClusterConfig = {
      ...{ name: "cluster", self: "a", listen: { address: "10.9.0.1", port: 1795 }, members: [] },
      etcd: { ...access, prefix: PREFIX, ttlSeconds: TTL_SECONDS, sides: 1 },
      ...{ holdSeconds: 3, sharesAddress: false, tls: null },
    };
    const b = new Member(etcd, "b", { port: 1796 });
    await b.sees("b");
    const beganMs = performance.now();
    membership.configure(config);
    membership.name(new Set(["b", "bb", "cc"]));
    const problem =
      'the list has no bb, cc, which neighbors have as "speaker": down, in another list, or misspelt?';
    await until(() => membership.shown.problems.length > 0, WAIT_MS, "it is shown");
    expect(performance.now() - beganMs).toBeGreaterThan(3000);
    expect(membership.shown.problems).toEqual([problem]);
    const linesOf = (what: string) => said.filter((line) => line.includes(what));
    expect(linesOf("the list has")).toEqual([`warn: ${problem}`]);

    membership.name(new Set(["b"]));
    await until(() => membership.shown.problems.length === 0, WAIT_MS, "all are there");
    expect(linesOf("the list has").at(-1)).toBe(
      "info: the list has all members that neighbors are of",
    );
    // One that is away for less is not told of.
    membership.configure({ ...config, holdSeconds: 600 });
    await b.membership.leave();
    const sees = () => said.some((line) => line.endsWith("members in etcd: a"));
    await until(sees, WAIT_MS, "b has left");
    expect(membership.shown.problems).toEqual([]);
    expect(linesOf("the list has")).toHaveLength(2);
  });

  test("is left in time, and nothing is asked any more, when etcd hangs", async () => {
    const etcd = await startEtcd();
    const a = new Member(etcd, "a");
    await a.sees("a");
    etcd.signal("SIGSTOP");
    ends.push(() => etcd.signal("SIGCONT"));
    const hangs = () => /^etcd cannot be reached, .*no answer/.test(a.membership.problems[0] ?? "");
    await until(hangs, WAIT_MS, "it is shown");
    expect(a.warnings(/cannot be .*no answer/)).toHaveLength(1);
    const sockets = () => process.getActiveResourcesInfo().filter((one) => /TCP/.test(one)).length;
    await a.membership.leave();
    await until(() => sockets() === 0, WAIT_MS, "no connection is left");
  });

  test("has too few sides of a pair, or too many of one, which is told", async () => {
    const etcd = await startEtcd();
    const [twin] = [new Member(etcd, "b", { port: 1 }), new Member(etcd, "b", { port: 2 })];
    const a = new Member(etcd, "a", { sides: 2 });
    await a.sees("a", "b");
    expect(a.membership.problems).toEqual([]);
    const lacks = () => a.membership.problems[0]?.startsWith("1 of 2 sides of a are listed");
    await until(lacks, WAIT_MS, "it is shown");
    await until(() => a.warnings(/1 of 2 sides/).length === 1, WAIT_MS, "it is said");
    const isDouble = () => twin.warnings(/2 processes are listed as b, which has 1;/).length === 1;
    await until(isDouble, WAIT_MS, "it is told of the other one");
    const other = new Member(etcd, "a", { sides: 2, port: 1796 });
    await until(() => a.membership.problems.length === 0, WAIT_MS, "both are there");
    const both = () => other.membership.places?.get("a")?.length === 2;
    await until(both, WAIT_MS, "the other one sees both as well");
    expect(a.warnings(/1 of 2 sides/)).toHaveLength(1);
  });
});
