/** Those who follow a speaker: who is let in, and what they are told. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { type AnyRecord, FrameReader, FrameWriter, readRuns, recordOctets } from "@ts-bgp/follow";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { freePort, MAIN, SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes, manyWithdrawals, updateMessage } from "../../../testkit/updates.ts";
import type { ShownFollowers } from "../src/index.ts";

const AS = 65_001;
const ADDRESS = "127.1.0.1";
const ROUTES = 1000;
const HELLO = { version: 1, name: "followers", follower: "test", families: 3, software: "1" };

/** A follower that says what a test lets it say, and keeps what it is told. */
class Scripted {
  readonly records: AnyRecord[] = [];
  closed = false;
  private readonly socket: Socket;
  private readonly writer: FrameWriter = new FrameWriter();

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader("server");
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("data", (octets: Buffer) => {
      reader.push(octets);
      for (let next = reader.next(); next !== null; next = reader.next()) this.records.push(next);
    });
  }

  say(...record: Parameters<typeof recordOctets>): void {
    this.socket.write(this.writer.frame(recordOctets(...record)));
  }

  raw(octets: Uint8Array): void {
    this.socket.write(octets);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.destroy();
  }

  has(record: AnyRecord["record"]): Promise<unknown> {
    const isThere = () => this.records.some((one) => one.record === record);
    return until(isThere, WAIT_MS, `the follower is told ${record}`);
  }

  /** @returns prefixes that it has been told, with their next hops */
  get routes(): Map<number, string> {
    const found = new Map<number, string>();
    for (const one of this.records) {
      if (one.record !== "bracket") continue;
      let hop = "";
      readRuns(
        one.routes,
        (_, octets) => {
          hop = octets.join(".");
        },
        (_, w0) => void (hop === "" ? found.delete(w0) : found.set(w0, hop)),
      );
    }
    return found;
  }

  get reason(): string {
    const bye = this.records.find((one) => one.record === "bye");
    return bye?.record === "bye" ? bye.reason : "";
  }
}

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
      { record: "welcome", version: 1, software: expect.stringMatching(/^\d/) },
      { record: "role", active: 1, epoch: 0 },
    ]);
    expect(follower.routes.size).toBe(ROUTES);
    expect(follower.routes.get(0x10000000)).toBe("192.0.2.99");
    peer.send([...manyWithdrawals(10)]);
    await until(() => follower.routes.size === ROUTES - 10, WAIT_MS, "withdrawals arrive");
    const list = (await shown()).followers;
    expect(list).toMatchObject([{ name: "test", software: "1", state: "up to date", lag: 0 }]);
    await peer.sendAll(manyRoutes({ as: AS, count: 10 }));
    await until(() => follower.routes.size === ROUTES, WAIT_MS, "routes arrive");
  });

  test("tells nothing before it is asked to", async () => {
    const follower = stranger();
    follower.say("hello", HELLO);
    await follower.has("alive");
    expect(follower.records.some(({ record }) => record === "bracket")).toBe(false);
    expect((await shown()).followers).toMatchObject([{ state: "silent" }]);
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
    speaker.configure(config({ listen: join(speaker.directory, "no", "x".repeat(90)) }));
    await expect(speaker.ask({ command: "reload" })).rejects.toThrow();
    expect(first.closed).toBe(false);
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
      capabilities: [64, 6, 0x80, 120, 0, 1, 1, 0x80],
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

test("over TCP both ends show a certificate for the name", async () => {
  const port = await freePort();
  const speaker = await SpeakerProcess.create({});
  const keys = join(speaker.directory, "keys");
  const make = (name: string, cluster: string) => {
    const words = [
      MAIN,
      "keys",
      join(keys, name),
      "--cluster",
      cluster,
      "--side",
      "a",
      "--side",
      "b",
    ];
    expect(spawnSync(process.execPath, words).status).toBe(0);
  };
  make("own", "followers");
  make("other", "followers");
  const tls = { cert: "keys/own/a.crt", key: "keys/own/a.key", ca: "keys/own/ca.crt" };
  try {
    speaker.configure({ followers: { listen: { address: "127.0.0.1", port }, tls } });
    await speaker.start();
    const dial = (whose: string) => {
      const read = (name: string) => readFileSync(join(keys, whose, name));
      const options = {
        cert: read("b.crt"),
        key: read("b.key"),
        ca: readFileSync(join(keys, "own/ca.crt")),
      };
      return new Scripted(
        connectTls({ port, host: "127.0.0.1", servername: "followers", ...options }),
      );
    };
    const right = dial("own");
    right.say("hello", HELLO);
    await right.has("role");
    const wrong = dial("other");
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
