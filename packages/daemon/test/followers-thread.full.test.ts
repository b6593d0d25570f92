/** The thread of the followers: when it is told more than it takes in, and when it ends. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { configOf, yamlOf } from "../../../testkit/router.ts";
import { freePort, WAIT_MS } from "../../../testkit/speaker.ts";
import { Speaker } from "../../speaker/src/speaker.ts";
import { Followers } from "../src/followers.ts";
import { HELLO, Scripted } from "./support/scripted-follower.ts";

let directory: string;
let folder: string;
let speaker: Speaker;
let followers: Followers;
let said: string[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "tsbgp-followers-"));
  folder = join(directory, "in");
  const port = await freePort();
  const neighbor = "address: 127.1.0.1, as: 65001, passive: true, graceful-restart: full";
  const text = `\nlisten: [{ address: 127.0.0.1, port: ${port} }]\nneighbors: [{ ${neighbor} }]`;
  speaker = Speaker.fresh(configOf(yamlOf(text)), { log: () => {} });
  await speaker.start();
  said = [];
  followers = new Followers("1", (_level, _id, message) => void said.push(message));
  const listen = { path: join(folder, "f.sock") };
  await followers.configure({ name: "followers", listen, tls: null, paths: 1, max: 8 });
  followers.use(speaker, 1);
  await until(() => followers.shown.octets > 0, WAIT_MS, "the thread has a table");
});

afterEach(async () => {
  followers.stop();
  await speaker.stop(null);
  rmSync(directory, { recursive: true });
});

async function letsIn(): Promise<boolean> {
  const follower = new Scripted(connect(join(folder, "f.sock")));
  follower.say("hello", HELLO);
  await until(() => follower.closed || follower.records.length > 0, WAIT_MS, "there is an answer");
  follower.end();
  return follower.records[0]?.record === "welcome";
}

test("more than the thread takes in ends the walk of the table, and another one begins", async () => {
  // Until the neighbor has told all, the walk is looked at again and again.
  expect(speaker.router.tables.restart.waiting).not.toBe(0);
  // A run of no table of ours, longer than what may be under way.
  const octets = new Uint8Array((1 << 26) + 100);
  new DataView(octets.buffer).setUint32(9, octets.length - 13);
  const event = { kind: "routes", atMs: 0, octets } as const;
  followers.event(event);
  await turn();
  followers.event({ ...event, octets: octets.subarray(0, 0) });
  // The next look at the walk is due before anything is heard of the thread.
  const end = performance.now() + 500;
  while (performance.now() < end);
  const isSaid = () => said.some((text) => text.startsWith("more changes than followers"));
  await until(isSaid, WAIT_MS, "it is said");
  speaker.router.tables.restart.waiting = 0;
  await until(() => followers.shown.complete, WAIT_MS, "the table has all");
  expect(await letsIn()).toBe(true);
});

test("a thread that has ended begins again after a while, until it can", async () => {
  expect(await letsIn()).toBe(true);
  // Of numbers that nobody expects: the thread fails.
  const octets = new BigUint64Array(16) as unknown as Uint8Array;
  followers.event({ kind: "routes", atMs: 0, octets });
  const saidOf = (text: string) => said.filter((one) => one.startsWith(text)).length;
  const ended = () => saidOf("the thread of the followers: ");
  await until(() => ended() > 0, WAIT_MS, "it has ended");
  const endedMs = performance.now();
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "");
  await until(() => saidOf("nobody can follow: ") > 0, WAIT_MS, "it is said why nobody can follow");
  // By much less than the five seconds that are waited.
  expect(performance.now() - endedMs).toBeGreaterThan(2000);
  rmSync(folder);
  await until(letsIn, WAIT_MS, "followers are let in again");
  expect(ended()).toBe(1);
  speaker.router.tables.restart.waiting = 0;
  await until(() => followers.shown.complete, WAIT_MS, "the table has all");
});
