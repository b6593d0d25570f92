/** What the doctor finds of a pair beside its host. */
import type { Config, NsrConfig } from "@ts-bgp/config";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import { freePort, WAIT_MS } from "../../../testkit/speaker.ts";
import { issuePair } from "../../cli/src/certificate.ts";
import { listenForLinks } from "../src/links.ts";
import { probeMembership } from "../src/probe-etcd.ts";
import { probePair } from "../src/probe-pair.ts";
import type { Refusal } from "../src/refusals.ts";

let etcd: FakeEtcd;
beforeAll(async () => {
  etcd = await FakeEtcd.start();
});
afterAll(() => etcd.stop());

function pairWith(nsr: Partial<NsrConfig>): Config {
  const path = "/nowhere/link";
  return {
    nsr: {
      ...{ cluster: "test", self: "a", mode: "address", serviceAddresses: [], tls: null },
      ...{ listen: { path }, peers: [], arbiter: { kind: "local", file: "" } },
      ...{ patienceMs: 1000, heartbeatMs: 30, heartbeatMisses: 3 },
      ...nsr,
    },
  } as unknown as Config;
}

test("without a pair there is nothing", async () => {
  expect(await probePair({ nsr: null } as unknown as Config)).toEqual([]);
});

test("etcd: each endpoint, of which one is enough", async () => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  const probed = (...endpoints: string[]) =>
    probePair(
      pairWith({ arbiter: { kind: "etcd", endpoints, ttlSeconds: 3, tls: null, user: null } }),
    );
  const isSeen = async () => {
    const [alive, , ...others] = await probed(etcd.endpoint, dead);
    expect(alive).toMatchObject({ what: `etcd ${etcd.endpoint}`, ok: true });
    expect(alive?.detail).toMatch(/^answers in \d+ ms$/);
    expect(others).toHaveLength(1);
    const failed = (await probed(etcd.endpoint, dead)).filter(({ ok }) => !ok);
    expect(failed).toMatchObject([{ what: `etcd ${dead}`, isMinor: true }]);
    return true;
  };
  // A busy process may not answer within a second, which is too late for a pair.
  await until(isSeen, WAIT_MS, "etcd answers in time");
  const [alone] = await probed(dead);
  expect(alone).toMatchObject({ ok: false, whatToDo: expect.stringMatching(/^start it/) });
  expect(alone).not.toHaveProperty("isMinor");
});

test("the list of members of a cluster: each endpoint, and nothing that a pair needs", async () => {
  expect(await probeMembership({ cluster: null } as Config)).toEqual([]);
  const dead = `http://127.0.0.1:${await freePort()}`;
  const access = { endpoints: [etcd.endpoint, dead], tls: null, user: null };
  const list = { ...access, prefix: "/x/rs1", ttlSeconds: 10, sides: 1 };
  const config = { cluster: { etcd: list } } as unknown as Config;
  const isSeen = async () => {
    const rows = await probeMembership(config);
    const alive = { what: `members in etcd ${etcd.endpoint}`, ok: true };
    const advice = "start it, or correct `etcd` in the section cluster";
    const failed = { what: `members in etcd ${dead}`, ok: false, isMinor: true, whatToDo: advice };
    expect(rows).toMatchObject([alive, failed]);
    return true;
  };
  await until(isSeen, WAIT_MS, "etcd answers in time");
  expect(etcd.keys.size).toBe(0);
});

test("the link: an address of this host, and a way to the other side", async () => {
  const { authority: ca, sides } = issuePair("test", ["a"], Date.now(), 1);
  const { certificate: cert, key } = sides[0]!;
  const tls = { cert, key, ca };
  const port = await freePort();
  const here = { address: "127.0.0.1", port };
  const probed = async (listen: typeof here) =>
    (await probePair(pairWith({ listen, peers: [{ name: null, ways: [here] }], tls }))).map(
      ({ ok, isMinor, detail }) => [ok, isMinor === true, detail],
    );
  const refused = [false, true, `connect ECONNREFUSED 127.0.0.1:${port}`];
  expect(await probed(here)).toEqual([[true, false, "can be had"], refused]);
  const [elsewhere] = await probed({ address: "192.0.2.77", port });
  expect(elsewhere).toEqual([false, false, expect.stringMatching(/EADDRNOTAVAIL/)]);
  const refusals: Refusal[] = [];
  const stop = await listenForLinks(
    here,
    pairWith({ tls }).nsr!,
    () => {},
    (refusal) => refusals.push(refusal),
  );
  expect(await probed(here)).toEqual([
    [true, false, "in use: by the speaker, when it runs"],
    [true, true, "the active side answers"],
  ]);
  stop();
  // Whoever only looks is not turned away.
  expect(refusals).toEqual([]);
});

test("a service address that can be on no interface is named", async () => {
  const service = { address: "203.0.113.7", bits: 24, interface: "" };
  const rows = await probePair(pairWith({ serviceAddresses: [service] }));
  expect(rows.at(-1)).toMatchObject({ what: "address 203.0.113.7", ok: false });
  expect(rows.at(-1)?.detail).toMatch(/no interface has an address of the subnet/);
});
