/** A real etcd with client certificates, or with users: who gets in, and what those are told who do not. */
import type { EtcdTls, EtcdUser } from "@ts-bgp/config";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { labAvailable } from "../../../test/lab/install.ts";
import { until } from "../../../test/lab/until.ts";
import { RealEtcd } from "../../../testkit/real-etcd.ts";
import { issuePair } from "../../cli/src/certificate.ts";
import { EtcdArbiter } from "../src/etcd-arbiter.ts";
import { EtcdClient } from "../src/etcd-client.ts";
import { EtcdEntries } from "../src/etcd-entries.ts";

const REASON = labAvailable();
const WAIT_MS = 60_000;
/** Long, for a machine that is busy. */
const TTL_MS = 30_000;
const NAME = "etcd.example";

let etcd: RealEtcd;
beforeAll(() => {
  etcd = new RealEtcd();
});
afterAll(() => etcd.end());

function clientOf(tls: EtcdTls | null, user: EtcdUser | null, cluster = "c"): EtcdClient {
  const prefix = `ts-bgp/${cluster}/`;
  return new EtcdClient({ endpoints: [etcd.endpoint], tls, user }, prefix, TTL_MS);
}

/** Puts a key with a lease, keeps and ends that. @returns keys that were there */
async function enter(tls: EtcdTls | null, user: EtcdUser | null, prefix = "ts-bgp/c/list/") {
  const entries = new EtcdEntries({ endpoints: [etcd.endpoint], tls, user }, TTL_MS);
  try {
    await entries.probe(prefix);
    const lease = await entries.grant(60);
    await entries.put(`${prefix}a`, "x", lease);
    expect(await entries.keepAlive(lease)).toBe(true);
    const { keys, isWhole } = await entries.keysUnder(prefix, 9);
    await entries.revoke(lease);
    expect(await entries.keepAlive(lease)).toBe(false);
    await expect(entries.put(`${prefix}a`, "x", lease)).rejects.toThrow("lease not found");
    expect(await entries.keysUnder(prefix, 9)).toEqual({ keys: [], isWhole: true });
    expect(isWhole).toBe(true);
    return keys.map((key) => Buffer.from(key).toString());
  } finally {
    entries.close();
  }
}

async function takeRole(tls: EtcdTls | null, user: EtcdUser | null): Promise<unknown> {
  const access = { endpoints: [etcd.endpoint], tls, user };
  const arbiter = new EtcdArbiter({ ...access, cluster: "c", ttlMs: TTL_MS });
  try {
    return await arbiter.acquire("a");
  } finally {
    await arbiter.release();
  }
}

describe.skipIf(REASON !== null)(`client certificates (${REASON ?? "etcd"})`, () => {
  const papers = issuePair(NAME, ["server", "client"], Date.now(), 1);
  const foreign = issuePair(NAME, ["client"], Date.now(), 1);
  const [server, client] = papers.sides as [(typeof papers.sides)[0], (typeof papers.sides)[0]];
  const [stranger] = foreign.sides as [(typeof papers.sides)[0]];
  const good: EtcdTls = {
    ca: papers.authority,
    cert: client.certificate,
    key: client.key,
    serverName: NAME,
  };

  beforeAll(async () => {
    const words = [
      ...["--cert-file", etcd.write("server.crt", server.certificate)],
      ...["--key-file", etcd.write("server.key", server.key), "--client-cert-auth"],
      ...["--trusted-ca-file", etcd.write("ca.crt", papers.authority)],
    ];
    await etcd.start("https", words);
    const answers = () =>
      clientOf(good, null)
        .read()
        .then(
          () => true,
          () => false,
        );
    await until(answers, WAIT_MS, "etcd answers");
  });
  afterAll(() => etcd.end());

  test("the right ones get the role", async () => {
    expect(await takeRole(good, null)).toMatchObject({ active: "a" });
    await clientOf(good, null).probe("roles");
    expect(await enter(good, null)).toEqual(["ts-bgp/c/list/a"]);
  });

  test.each<[string, Partial<EtcdTls>, RegExp]>([
    ["another authority", { ca: foreign.authority }, /certificate/],
    ["the authorities of Node.js", { ca: null }, /certificate/],
    ["another server name", { serverName: "other.example" }, /does not match.*other\.example/],
    ["the address in place of the name", { serverName: null }, /does not match.*127\.0\.0\.1/],
    [
      "no certificate of the client",
      { cert: null, key: null },
      /certificate required|bad certificate|ECONNRESET|hang up/,
    ],
    [
      "one of another authority",
      { cert: stranger.certificate, key: stranger.key },
      /bad certificate|unknown ca|certificate|ECONNRESET|hang up/,
    ],
  ])("%s: no role, and the reason is told", async (_, wrong, problem) => {
    await expect(takeRole({ ...good, ...wrong }, null)).rejects.toThrow(problem);
  });

  test("plain HTTP gets none either", async () => {
    const endpoints = [etcd.endpoint.replace("https", "http")];
    const plain = new EtcdClient({ endpoints, tls: null, user: null }, "ts-bgp/c/", TTL_MS);
    await expect(plain.read()).rejects.toThrow(/HTTP status 400|hang up|ECONNRESET/);
  });
});

describe.skipIf(REASON !== null)(`users (${REASON ?? "etcd"})`, () => {
  const SECRET = "a secret, with some more characters";
  const user: EtcdUser = { name: "ts-bgp", password: SECRET };

  beforeAll(async () => {
    etcd = new RealEtcd();
    await etcd.start("http");
    await until(() => answers(), WAIT_MS, "etcd answers");
    const root = "root";
    await etcd.order("role/add", { name: root });
    await etcd.order("user/add", { name: root, password: SECRET });
    await etcd.order("user/grant", { user: root, role: root });
    const [key, end] = ["ts-bgp/c/", "ts-bgp/c0"].map((text) =>
      Buffer.from(text).toString("base64"),
    );
    for (const [name, permType] of [
      ["ts-bgp", "READWRITE"],
      ["reader", "READ"],
    ]) {
      await etcd.order("user/add", { name, password: SECRET });
      await etcd.order("role/add", { name });
      await etcd.order("role/grant", { name, perm: { permType, key, range_end: end } });
      await etcd.order("user/grant", { user: name, role: name });
    }
  });

  const answers = () =>
    clientOf(null, null)
      .read()
      .then(
        () => true,
        () => false,
      );

  test("a user is none before users count", async () => {
    await expect(clientOf(null, user).read()).rejects.toThrow(
      /no login as ts-bgp: .*authentication is not enabled/,
    );
    await etcd.order("enable", {});
  });

  test("the right one gets the role", async () => {
    expect(await takeRole(null, user)).toMatchObject({ active: "a" });
    await clientOf(null, user).probe("roles");
    expect(await enter(null, user)).toEqual(["ts-bgp/c/list/a"]);
  });

  test.each<[string, EtcdUser | null, RegExp]>([
    ["nobody", null, /user name is empty/],
    ["a wrong password", { ...user, password: "x" }, /no login as ts-bgp: .*authentication failed/],
    ["a user that is none", { ...user, name: "x" }, /no login as x: .*authentication failed/],
    ["one who may only read", { ...user, name: "reader" }, /permission denied/],
  ])("%s: no role, and the reason is told", async (_, wrong, problem) => {
    await expect(takeRole(null, wrong)).rejects.toThrow(problem);
  });

  test("keys of another pair are none of its business", async () => {
    await expect(clientOf(null, user, "other").read()).rejects.toThrow(/permission denied/);
    await expect(enter(null, user, "ts-bgp/other/")).rejects.toThrow(/permission denied/);
    const reader = { ...user, name: "reader" };
    await expect(enter(null, reader)).rejects.toThrow(/permission denied/);
  });

  test("a token that is valid no more is replaced", async () => {
    const client = clientOf(null, user);
    await client.read();
    // Any change of the users makes all tokens old.
    const root = { name: "root", password: SECRET };
    const { token } = await etcd.order("authenticate", root);
    await etcd.order("user/add", { name: "somebody", password: SECRET }, token as string);
    await client.read();
    // And so does this, which forgets them.
    const { token: next } = await etcd.order("authenticate", root);
    await etcd.order("disable", {}, next as string);
    await etcd.order("enable", {});
    await Promise.all([client.read(), client.read(), client.probe("roles")]);
  });
});
