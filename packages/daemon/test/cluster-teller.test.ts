/** What a member tells is in frames that another one takes, however much there is at once. */
import { connect } from "node:net";
import { RunWriter, runsOf, TABLE } from "@ts-bgp/feeds-codec";
import { FAMILY } from "@ts-bgp/wire-codec";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { Copy } from "../src/cluster/telling.ts";
import { HELLO, Scripted } from "./support/scripted-follower.ts";
import { Telling } from "./support/told-by-member.ts";

const CLIENTS = 100;
const PREFIXES = 64;
const HELLO_B = { ...HELLO, name: "cluster", follower: "b" };

let lab: Lab;
let telling: Telling;
let follower: Scripted;

beforeEach(async () => {
  const neighbors = Array.from(
    { length: CLIENTS },
    (_, i) => `{ address: 192.0.2.${i + 1}, as: ${65_001 + i}, speaker: a }`,
  );
  lab = new Lab(
    yamlOf(`
defaults: { passive: true, route-server-client: true, import: accept-all, export: none }
neighbors: [ ${neighbors.join(", ")} ]
policies: { none: [ { then: reject } ] }
cluster: { self: a, members: { a: /run/x/a.sock, b: /run/x/b.sock } }
`),
  );
  telling = new Telling(lab.router);
  await telling.place.open();
  follower = new Scripted(connect(telling.place.path));
  follower.say("hello", HELLO_B);
  await follower.has("role");
});

afterEach(() => {
  follower.end();
  telling.place.close();
});

function routesTold(): number {
  const brackets = follower.records.filter((one) => one.record === "bracket");
  return brackets.flatMap(({ runs }) => [...runsOf(runs)]).length;
}

function announceTheSame(): void {
  for (let i = 0; i < CLIENTS; i++) {
    const peer = lab.peer(`192.0.2.${i + 1}`, { as: 65_001 + i });
    peer.up();
    for (let k = 0; k < PREFIXES; k++) {
      const communities = Array.from({ length: 50 }, (_, c) => `${i}:${c + k}`);
      peer.announce([`10.${k}.0.0/16`], { path: [65_001 + i, 3000 + k], communities });
    }
  }
  lab.run();
}

test("a copy is in short pieces where many clients have the same prefixes", async () => {
  announceTheSame();
  const copy = new Copy(lab.router);
  for (let piece = copy.next(() => true); piece !== null; piece = copy.next(() => true)) {
    expect(piece.octets.length).toBeLessThan(1 << 18);
  }
  follower.say("activate", {});
  await follower.has("complete");
  expect(routesTold()).toBe(CLIENTS * PREFIXES);
});

test("what happens at once is told, in several brackets where it is too long for one", async () => {
  follower.say("activate", {});
  await follower.has("complete");
  const writer = new RunWriter();
  const buf = Uint8Array.from([0xd0, 200, 0x40, 0, ...Array(0x4000).fill(7)]);
  const attributes = { buf, at: 0, end: buf.length };
  for (let n = 0; n < 70; n++) {
    writer.run(TABLE.ADJ_IN_POST, FAMILY.IPV4_UNICAST, 1, false, attributes);
    writer.prefix(n << 16, 0, 0, 0, 16, 0);
  }
  writer.run(TABLE.ADJ_IN_POST, FAMILY.IPV4_UNICAST, 1, false, null);
  for (let n = 0; n < 1 << 19; n++) writer.prefix(n << 8, 0, 0, 0, 24, 0);
  const octets = writer.take();
  expect(octets.length).toBeGreaterThan(3 << 20);
  telling.tellers[0]!.tell({ news: { what: "routes" }, octets });
  await until(() => routesTold() >= 70 + 8, WAIT_MS, "all is told");
  expect(telling.reasons).toEqual([]);
});

test("one that asks and reads no answers is answered no more", async () => {
  const item = "a".repeat(12 << 20);
  let asked = 0;
  let answered = 0;
  telling.answer = () => {
    asked++;
    return (async function* () {
      yield item;
      answered++;
      return {};
    })();
  };
  const ask = () => follower.say("ask", { number: 1, request: '{"command":"show-status"}' });
  follower.pause();
  for (const count of [1, 2]) {
    ask();
    await until(() => answered === count, WAIT_MS, "it is answered");
  }
  for (let k = 0; k < 100; k++) ask();
  follower.say("activate", {});
  const [teller] = telling.tellers;
  await until(() => teller!.shown.state !== "silent", WAIT_MS, "all questions were read");
  expect(asked).toBe(2);
  follower.resume();
  await follower.has("complete");
  ask();
  await until(() => answered === 3, WAIT_MS, "it is answered again");
});
