/** Those who follow a speaker: who is let in, and what they are told. */
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals } from "../../../testkit/updates.ts";
import type { ShownFollowers } from "../src/index.ts";
import { HELLO, Scripted } from "./support/scripted-follower.ts";

const AS = 65_001;
const ADDRESS = "127.1.0.1";
const ROUTES = 1000;

describe("a speaker that lets two follow", () => {
  let speaker: SpeakerProcess;
  let peer: Peer;
  let file: string;
  const followers: Scripted[] = [];

  beforeAll(async () => {
    speaker = await SpeakerProcess.create({});
    file = join(speaker.directory, "followers.sock");
    speaker.configure(config({ listen: file, max: 2 }));
    await speaker.start();
    peer = await Peer.establish({ port: speaker.port, localAddress: ADDRESS, as: AS });
    await peer.sendAll(manyRoutes({ as: AS, count: ROUTES }));
    const isThere = async () => (await shown()).routes === ROUTES && (await shown()).complete;
    await until(isThere, WAIT_MS, "the table has all routes");
  });

  afterEach(async () => {
    for (const follower of followers.splice(0)) follower.end();
    const isEmpty = async () => (await shown()).followers.length === 0;
    await until(isEmpty, WAIT_MS, "nobody follows");
  });

  afterAll(() => {
    peer?.end();
    speaker?.remove();
  });

  function config(section: object): Record<string, unknown> {
    return {
      followers: section,
      defaults: { passive: true, import: "accept-all", export: "accept-all" },
      neighbors: [{ address: ADDRESS, as: AS }],
    };
  }

  async function shown(): Promise<ShownFollowers> {
    return (await speaker.ask({ command: "show-followers" })).items[0] as ShownFollowers;
  }

  function stranger(): Scripted {
    const follower = new Scripted(connect(file));
    followers.push(follower);
    return follower;
  }

  async function follow(): Promise<Scripted> {
    const follower = stranger();
    follower.say("hello", HELLO);
    await follower.has("role");
    follower.say("activate", {});
    return follower;
  }

  test("tells all, then that it is all, then what changes", async () => {
    const follower = await follow();
    await follower.has("complete");
    expect(follower.records.slice(0, 2)).toEqual([
      { record: "welcome", version: 1, software: expect.stringMatching(/^\d/), self: "" },
      { record: "role", active: 1, epoch: 0 },
    ]);
    expect(follower.routes.size).toBe(ROUTES);
    expect(follower.routes.get(0x10000000)).toBe("192.0.2.99");
    peer.send([...manyWithdrawals(10)]);
    await until(() => follower.routes.size === ROUTES - 10, WAIT_MS, "withdrawals arrive");
    const isShown = async () => (await shown()).followers[0]?.state === "up to date";
    await until(isShown, WAIT_MS, "it is shown");
    expect((await shown()).followers).toMatchObject([{ name: "test", software: "1", lag: 0 }]);
    await peer.sendAll(manyRoutes({ as: AS, count: 10 }));
    await until(() => follower.routes.size === ROUTES, WAIT_MS, "routes arrive");
  });

  test("tells nothing before it is asked to", async () => {
    const follower = stranger();
    follower.say("hello", HELLO);
    await follower.has("alive");
    expect(follower.records.some(({ record }) => record === "bracket")).toBe(false);
    const isShown = async () => (await shown()).followers[0]?.state === "silent";
    await until(isShown, WAIT_MS, "it is shown");
  });

  test("tells one that does not read the latest when it does, and keeps nothing for it", async () => {
    const slow = await follow();
    await slow.has("complete");
    slow.pause();
    const quick = await follow();
    for (let round = 1; round <= 20; round++) {
      await peer.sendAll(manyRoutes({ as: AS, count: ROUTES, med: round }));
      await peer.sendAll(manyRoutes({ as: AS, count: 1, from: ROUTES + round }));
    }
    await until(() => quick.routes.size === ROUTES + 20, WAIT_MS, "the other one is told");
    slow.resume();
    await until(() => slow.routes.size === ROUTES + 20, WAIT_MS, "it is told in the end");
    await peer.sendAll(manyWithdrawals(20, ROUTES + 1));
  });

  test("lets no more in than it may", async () => {
    await follow();
    await follow();
    const third = stranger();
    third.say("hello", HELLO);
    await third.has("bye");
    expect(third.reason).toBe("there are 2 followers, and no more are let in");
  });

  test.each([
    [{ version: 2 }, "version 2 of the protocol is not understood"],
    [{ name: "rs2" }, 'this is "followers", not "rs2"'],
  ])("sends away who says hello with %j", async (more, expected) => {
    const one = stranger();
    one.say("hello", { ...HELLO, ...more });
    await one.has("bye");
    expect(one.reason).toBe(expected);
    await until(() => one.closed, WAIT_MS, "the connection is closed");
  });

  test("sends away who says something else", async () => {
    const [early, large, noise] = [stranger(), stranger(), stranger()];
    early.say("activate", {});
    large.raw(Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0));
    noise.raw(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    for (const one of [early, large, noise]) await one.has("bye");
    expect(early.reason).toBe('"activate" comes before "hello"');
    expect(large.reason).toBe("a frame of 65536 octets, at most 4096");
    expect(noise.reason).toMatch(/^a frame of \d+ octets, at most 4096$/);
  });

  test("is moved by a reload, and turned off and on", async () => {
    const first = await follow();
    speaker.configure(config({ listen: "/dev/null/followers.sock" }));
    await expect(speaker.ask({ command: "reload" })).rejects.toThrow(/cannot wait for followers/);
    expect(first.closed).toBe(false);
    await (await follow()).has("complete");
    const { followers: _, ...without } = config({});
    speaker.configure(without);
    await speaker.ask({ command: "reload" });
    await first.has("bye");
    expect((await shown()).followers).toEqual([]);
    speaker.configure(config({ listen: file }));
    await speaker.ask({ command: "reload" });
    const second = await follow();
    await second.has("complete");
    expect(second.routes.size).toBe(ROUTES);
    peer.send([...manyWithdrawals(1)]);
    await until(() => second.routes.size === ROUTES - 1, WAIT_MS, "withdrawals arrive");
  });
});
