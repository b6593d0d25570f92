/** Those who follow a speaker: after its restart, and from other hosts. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { freePort, MAIN, SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, updateMessage } from "../../../testkit/updates.ts";
import type { ShownFollowers } from "../src/index.ts";
import { HELLO, Scripted } from "./support/scripted-follower.ts";

const AS = 65_001;
const ADDRESS = "127.1.0.1";

test("after a restart of a speaker alone it is not all before its neighbors have told all", async () => {
  const speaker = await SpeakerProcess.create({});
  const file = join(speaker.directory, "followers.sock");
  try {
    speaker.configure({
      followers: { listen: file },
      defaults: { passive: true, import: "accept-all", export: "accept-all" },
      neighbors: [{ address: ADDRESS, as: AS, "graceful-restart": "full" }],
    });
    await speaker.start();
    const follower = new Scripted(connect(file));
    follower.say("hello", HELLO);
    await follower.has("role");
    follower.say("activate", {});
    const peer = await Peer.establish({
      ...{ port: speaker.port, localAddress: ADDRESS, as: AS },
      // Graceful restart of IPv4, with routes kept (RFC 4724 section 3).
      capabilities: [64, 6, 0, 120, 0, 1, 1, 0x80],
    });
    await peer.sendAll(manyRoutes({ as: AS, count: 10 }));
    await until(() => follower.routes.size === 10, WAIT_MS, "routes are told");
    await follower.has("alive");
    expect(follower.records.some(({ record }) => record === "complete")).toBe(false);
    peer.send(updateMessage([], [], []));
    await follower.has("complete");
    follower.end();
    peer.end();
  } finally {
    speaker.remove();
  }
});

test("of two next hops of an IPv6 route the global one is told", async () => {
  const speaker = await SpeakerProcess.create({});
  const file = join(speaker.directory, "followers.sock");
  const global = [0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
  const linkLocal = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
  try {
    speaker.configure({
      followers: { listen: file },
      defaults: { passive: true, import: "accept-all", export: "accept-all" },
      neighbors: [{ address: ADDRESS, as: AS, families: ["ipv4-unicast", "ipv6-unicast"] }],
    });
    await speaker.start();
    const families = ["ipv4", "ipv6"] as const;
    const session = { port: speaker.port, localAddress: ADDRESS, as: AS, families };
    const peer = await Peer.establish(session);
    const route = [48, 0x20, 1, 0xd, 0xb8, 0, 9];
    const attributes = [
      ...attribute(0x40, 1, [0]),
      ...attribute(0x40, 2, [2, 1, ...four(AS)]),
      ...attribute(0x80, 14, [0, 2, 1, 32, ...global, ...linkLocal, 0, ...route]),
    ];
    peer.send(updateMessage([], attributes, []));
    const follower = new Scripted(connect(file));
    follower.say("hello", HELLO);
    await follower.has("role");
    follower.say("activate", {});
    await until(() => follower.routes.size === 1, WAIT_MS, "the route is told");
    expect(follower.routes.get(0x20010db8)).toBe(global.join("."));
    peer.send(updateMessage([], attribute(0x80, 15, [0, 2, 1, ...route]), []));
    await until(() => follower.routes.size === 0, WAIT_MS, "the route is withdrawn");
    follower.end();
    peer.end();
  } finally {
    speaker.remove();
  }
});

const TLS = { cert: "keys/own/a.crt", key: "keys/own/a.key", ca: "keys/own/ca.crt" };

function makeKeys(directory: string): void {
  const words = ["keys", directory, "--cluster", "followers", "--side", "a", "--side", "b"];
  expect(spawnSync(process.execPath, [MAIN, ...words]).status).toBe(0);
}

/** @returns a follower with the certificate of one of these directories */
function dial(port: number, keys: string, whose: string): Scripted {
  const read = (name: string) => readFileSync(join(keys, name));
  const own = { cert: read(`${whose}/b.crt`), key: read(`${whose}/b.key`), ca: read("own/ca.crt") };
  return new Scripted(connectTls({ port, host: "127.0.0.1", servername: "followers", ...own }));
}

test("over TCP both ends show a certificate for the name", async () => {
  const port = await freePort();
  const speaker = await SpeakerProcess.create({});
  const keys = join(speaker.directory, "keys");
  makeKeys(join(keys, "own"));
  makeKeys(join(keys, "other"));
  try {
    speaker.configure({ followers: { listen: { address: "127.0.0.1", port }, tls: TLS } });
    await speaker.start();
    const right = dial(port, keys, "own");
    right.say("hello", HELLO);
    await right.has("role");
    const isShown = async () => {
      const { items } = await speaker.ask({ command: "show-followers" });
      return (items[0] as ShownFollowers).followers[0]?.name === "b";
    };
    await until(isShown, WAIT_MS, "it has the name of its certificate");
    const wrong = dial(port, keys, "other");
    wrong.say("hello", HELLO);
    await until(() => wrong.closed, WAIT_MS, "it is not let in");
    expect(wrong.records).toEqual([]);
    await speaker.untilLogged(
      "who was refused",
      ({ id, msg }) => id === "followers" && msg.includes("its certificate does not hold"),
    );
    right.end();
  } finally {
    speaker.remove();
  }
});

test("the same file changes nothing, and says so before, also with keys of followers and mirrors", async () => {
  const port = await freePort();
  const speaker = await SpeakerProcess.create({});
  const keys = join(speaker.directory, "keys");
  makeKeys(join(keys, "own"));
  try {
    speaker.configure({
      followers: { listen: { address: "127.0.0.1", port }, tls: TLS },
      mirrors: { cluster: "mirrored", listen: join(speaker.directory, "mirrors.sock") },
      defaults: { passive: true, import: "accept-all", export: "accept-all" },
      neighbors: [{ address: ADDRESS, as: AS }],
    });
    await speaker.start();
    const peer = await Peer.establish({ port: speaker.port, localAddress: ADDRESS, as: AS });
    const follower = dial(port, keys, "own");
    follower.say("hello", HELLO);
    await follower.has("role");
    follower.say("activate", {});
    const nothing = { added: [], removed: [], changed: [], reset: [], policies: [], global: [] };
    expect((await speaker.ask({ command: "what-if" })).items).toMatchObject([
      { differs: false, changes: nothing },
    ]);
    expect((await speaker.ask({ command: "reload" })).end).toMatchObject(nothing);
    await peer.sendAll(manyRoutes({ as: AS, count: 10 }));
    await until(() => follower.routes.size === 10, WAIT_MS, "routes are told");
    expect(follower.closed).toBe(false);
    follower.end();
    peer.end();
  } finally {
    speaker.remove();
  }
});
