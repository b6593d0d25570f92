/** Answers that are not those of etcd's API: each is an error of the arbiter, and gives nobody a role. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeEtcd } from "../../../testkit/fake-etcd.ts";
import { ArbiterAwayError } from "../src/arbiter.ts";
import { changeAnswer, readAnswer } from "../src/etcd-answers.ts";
import { EtcdArbiter } from "../src/etcd-arbiter.ts";

const PREFIX = "ts-bgp/c/";
const base64 = (text: string) => Buffer.from(text).toString("base64");
const HEADER = { cluster_id: "7", member_id: "8", revision: "5", raft_term: "2" };
const ROLES = {
  key: base64(`${PREFIX}roles`),
  create_revision: "3",
  mod_revision: "5",
  version: "2",
  value: base64("word"),
};
const RANGE = { header: { revision: "5" }, kvs: [ROLES], count: "1" };
const CHANGE = { unchanged: new Map([["roles", 4]]), put: new Map([["roles", "word"]]) };
const DONE = {
  header: HEADER,
  succeeded: true,
  responses: [{ response_put: { header: { revision: "5" } } }, { response_range: RANGE }],
};
const REFUSED = { header: HEADER, responses: [{ response_range: RANGE }] };

describe("what a prefix holds", () => {
  const good = { header: HEADER, kvs: [ROLES], count: "1" };
  const found = new Map([["roles", { text: "word", revision: 5 }]]);

  test("is read as etcd writes it", () => {
    expect(readAnswer(good, PREFIX)).toEqual({ cluster: "7", revision: 5, found });
    const empty = { cluster: "7", revision: 5, found: new Map() };
    expect(readAnswer({ header: HEADER }, PREFIX)).toEqual(empty);
    const more = { ...good, kvs: [{ ...ROLES, lease: "9", unknown: 1 }], more: false };
    expect(readAnswer(more, PREFIX).found).toEqual(found);
  });

  test.each<[unknown, RegExp]>([
    [null, /the answer is no object/],
    [[], /the answer is no object/],
    ["text", /the answer is no object/],
    [{}, /"header" is missing/],
    [{ kvs: [ROLES], count: "1" }, /"header" is missing/],
    [{ ...good, header: [] }, /"header" is no object/],
    [{ ...good, header: { revision: "5" } }, /"cluster_id" is missing/],
    [{ ...good, header: { ...HEADER, member_id: undefined } }, /"member_id" is missing/],
    [{ ...good, header: { ...HEADER, raft_term: "0" } }, /"raft_term" is no number/],
    [{ ...good, header: { ...HEADER, revision: 5 } }, /"revision" is no number/],
    [{ ...good, header: { ...HEADER, revision: "-5" } }, /"revision" is no number/],
    [
      { ...good, header: { ...HEADER, revision: "18446744073709551615" } },
      /"revision" is too large/,
    ],
    [{ ...good, kvs: {} }, /"kvs" is no list/],
    [{ ...good, kvs: [null] }, /a key is no object/],
    [{ ...good, count: "2" }, /1 keys of 2/],
    [{ ...good, count: undefined }, /1 keys of 0/],
    [{ ...good, more: true }, /1 keys of 1/],
    [{ ...good, kvs: [ROLES, ROLES], count: "2" }, /a key twice/],
    [{ ...good, kvs: [{ ...ROLES, key: base64("elsewhere") }] }, /not asked for/],
    [{ ...good, kvs: [{ ...ROLES, key: 1 }] }, /"key" is not in base64/],
    [{ ...good, kvs: [{ ...ROLES, value: "%" }] }, /"value" is not in base64/],
    [{ ...good, kvs: [{ ...ROLES, mod_revision: "6" }] }, /changed later than/],
    [
      { ...good, kvs: [{ ...ROLES, create_revision: "6", mod_revision: "5" }] },
      /changed later than/,
    ],
    [{ ...good, kvs: [{ ...ROLES, version: undefined }] }, /"version" is missing/],
  ])("%j is none", (answer, problem) => {
    expect(() => readAnswer(answer, PREFIX)).toThrow(problem);
  });
});

describe("what came of a change", () => {
  const parts = DONE.responses;

  test("is read as etcd writes it", () => {
    expect(changeAnswer(DONE, PREFIX, CHANGE)).toMatchObject({ isDone: true, revision: 5 });
    const refused = changeAnswer(REFUSED, PREFIX, CHANGE);
    expect(refused).toMatchObject({ isDone: false, revision: 5 });
    expect(refused.found.get("roles")).toEqual({ text: "word", revision: 5 });
    const said = changeAnswer({ ...REFUSED, succeeded: false }, PREFIX, CHANGE);
    expect(said.isDone).toBe(false);
  });

  test.each<[unknown, RegExp]>([
    [{ succeeded: true }, /"header" is missing/],
    [{ header: HEADER, succeeded: true }, /"responses" is missing/],
    [{ header: HEADER, succeeded: true, responses: [] }, /0 responses to 2 requests/],
    [{ ...DONE, responses: [parts[1]] }, /1 responses to 2 requests/],
    [{ ...DONE, responses: [...parts, parts[1]] }, /3 responses to 2 requests/],
    [{ ...DONE, responses: [parts[1], parts[1]] }, /"response_put" is missing/],
    [{ ...DONE, responses: [parts[0], parts[0]] }, /"response_range" is missing/],
    [{ ...DONE, responses: [null, parts[1]] }, /a response is no object/],
    [
      { ...DONE, responses: [{ response_put: {} }, parts[1]] },
      /the header of a response is missing/,
    ],
    [{ ...DONE, header: { ...HEADER, revision: "6" } }, /several revisions/],
    [{ ...DONE, succeeded: "true" }, /neither true nor false/],
    [{ ...DONE, succeeded: 1 }, /neither true nor false/],
    [
      { ...DONE, responses: [parts[0], { response_range: { header: { revision: "5" } } }] },
      /roles does not hold what was written/,
    ],
    [
      {
        ...DONE,
        responses: [
          parts[0],
          { response_range: { ...RANGE, kvs: [{ ...ROLES, value: base64("other") }] } },
        ],
      },
      /roles does not hold what was written/,
    ],
    [
      {
        ...DONE,
        responses: [
          parts[0],
          { response_range: { ...RANGE, kvs: [{ ...ROLES, mod_revision: "4" }] } },
        ],
      },
      /roles does not hold what was written/,
    ],
    [{ header: HEADER }, /"responses" is missing/],
    [
      {
        header: HEADER,
        responses: [{ response_range: { ...RANGE, kvs: [{ ...ROLES, mod_revision: "4" }] } }],
      },
      /refuses a change that nothing forbids/,
    ],
  ])("%j is none", (answer, problem) => {
    expect(() => changeAnswer(answer, PREFIX, CHANGE)).toThrow(problem);
  });

  test("that needs a key to be as it was does not succeed when it is not", () => {
    const change = { ...CHANGE, unchanged: new Map([["renewal", 4]]) };
    expect(() => changeAnswer(DONE, PREFIX, change)).toThrow(/although renewal has changed/);
  });
});

/** Long, for a machine that is busy: what is awaited are answers, not their absence. */
const TTL_MS = 10_000;

function arbiterOf(...endpoints: string[]): EtcdArbiter {
  return new EtcdArbiter({ cluster: "c", endpoints, tls: null, user: null, ttlMs: TTL_MS });
}

describe("a server that is none of etcd's", () => {
  let answer: (response: http.ServerResponse, path: string) => void;
  let server: http.Server;
  let endpoint: string;
  let asked: string[];

  beforeEach(async () => {
    asked = [];
    server = http.createServer((request, response) => {
      asked.push(request.url!);
      request.resume();
      answer(response, request.url!);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  const says = (text: string) => (response: http.ServerResponse) => void response.end(text);
  const status =
    (code: number, text: string, headers = {}) =>
    (response: http.ServerResponse) =>
      void response.writeHead(code, headers).end(text);

  test.each<[string, typeof answer, RegExp]>([
    ["says that all succeeds", says('{"succeeded":true}'), /not an answer of etcd: "header"/],
    ["says nothing", says(""), /not an answer of etcd: no JSON/],
    ["says what is no JSON", says("<html>"), /not an answer of etcd: no JSON/],
    ["says null", says("null"), /the answer is no object/],
    ["sends on", status(307, "", { location: "http://127.0.0.1:1/" }), /HTTP status 307/],
    ["has no such page", status(404, "Not Found\n"), /HTTP status 404/],
    ["has a word of its own", status(500, '{"error":"no\\u0007leader"}'), /: no\?leader$/],
    ["has an error that is no text", status(500, '{"error":{"message":1}}'), /HTTP status 500/],
    ["says too much", says(`[${'"",'.repeat(100_000)}`), /longer than 65536 octets/],
    ["never stops", flood, /longer than 65536 octets/],
    ["hangs up", (response) => void response.destroy(), /socket hang up/],
    ["hangs up in the middle", cutOff, /closed|aborted/],
    ["writes chunks wrongly", badChunks, /Parse Error|closed/],
  ])("that %s gives no role", async (_, does, problem) => {
    answer = does;
    const arbiter = arbiterOf(endpoint);
    await expect(arbiter.acquire("a")).rejects.toThrow(ArbiterAwayError);
    await expect(arbiter.acquire("a")).rejects.toThrow(problem);
    expect(arbiter.isHeld()).toBe(false);
    expect(arbiter.problem).toMatch(/^etcd does not answer: /);
    expect(new Set(asked)).toEqual(new Set(["/v3/kv/range"]));
  });

  test("does no harm beside one that is", async () => {
    answer = says('{"succeeded":true}');
    const etcd = await FakeEtcd.start();
    const arbiter = arbiterOf(endpoint, etcd.endpoint);
    expect(await arbiter.acquire("a")).toMatchObject({ epoch: 1, active: "a" });
    await arbiter.release();
    etcd.stop();
  });

  test("that is silent in the middle of an answer is waited for no longer than for any", async () => {
    answer = (response) => void response.write('{"header":');
    const arbiter = new EtcdArbiter({
      ...{ cluster: "c", endpoints: [endpoint], tls: null, user: null },
      ttlMs: 600,
    });
    await expect(arbiter.acquire("a")).rejects.toThrow(/no answer/);
  });

  function flood(response: http.ServerResponse): void {
    const more = () => {
      while (response.write(" ".repeat(10_000)));
    };
    response.on("drain", more);
    more();
  }

  function cutOff(response: http.ServerResponse): void {
    response.writeHead(200, { "content-length": "1000" });
    response.write('{"header":', () => response.destroy());
  }

  function badChunks(response: http.ServerResponse): void {
    response.socket!.end(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    );
  }
});

describe("an etcd whose answers are changed on the way", () => {
  let etcd: FakeEtcd;
  let arbiter: EtcdArbiter;

  beforeEach(async () => {
    etcd = await FakeEtcd.start();
    arbiter = arbiterOf(etcd.endpoint);
  });
  afterEach(async () => {
    etcd.forge = (text) => text;
    await arbiter.release();
    etcd.stop();
  });

  test.each<[string, (text: string) => string, RegExp]>([
    ["a bare success", () => '{"succeeded":true}', /"header" is missing/],
    ["a success without responses", (text) => text.replace(/,"responses":.*/, "}"), /"responses"/],
    ["a failure", (text) => text.replace('"succeeded":true', '"succeeded":false'), /responses to/],
    [
      "another value",
      (text) => text.replaceAll(/"value":"[^"]*"/g, '"value":"e30="'),
      /roles does/,
    ],
  ])("%s in place of the true answer gives no role", async (_, change, problem) => {
    etcd.forge = (text, isChange) => (isChange ? change(text) : text);
    await expect(arbiter.acquire("a")).rejects.toThrow(problem);
    expect(arbiter.isHeld()).toBe(false);
  });

  test("roles that no side writes are none", async () => {
    await arbiter.acquire("a");
    await arbiter.release();
    for (const text of ["{", "null", '{"epoch":"1"}', '{"epoch":1,"active":"","standby":"b"}']) {
      for (const [key, entry] of etcd.keys) {
        etcd.keys.set(key, { ...entry, value: base64(text) });
      }
      await expect(arbiter.acquire("a")).rejects.toThrow(/the key roles does not say roles/);
    }
  });

  test("another cluster is not believed, and the first one is again", async () => {
    await arbiter.acquire("a");
    etcd.cluster = "9";
    await expect(arbiter.expectAnswer()).rejects.toThrow(/another cluster of etcd, 9, answered/);
    expect(arbiter.problem).toMatch(/another cluster/);
    etcd.cluster = "14841639068965178418";
    await arbiter.expectAnswer();
    expect(arbiter.problem).toBeNull();
  });

  test("an answer from the past is not believed", async () => {
    await arbiter.acquire("a");
    let past = "";
    etcd.forge = (text, isChange) => {
      if (!isChange) past ||= text;
      return text;
    };
    await arbiter.expectAnswer();
    await arbiter.nameStandbys({ standbys: [], heirs: [] });
    const changes = etcd.changes;
    await until(() => etcd.changes > changes, 30_000, "a renewal");
    await arbiter.expectAnswer();
    etcd.forge = (text, isChange) => (isChange ? text : past);
    await expect(arbiter.expectAnswer()).rejects.toThrow(/revision \d+ after \d+/);
  });
});
