/** The link between the sides of a pair, with everything on it that must not be there. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type AnyRecord, FrameReader, frameOf, STREAM_VERSION } from "@ts-bgp/replication";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { LinkProxy, type Meddler } from "../../../testkit/link-proxy.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  PEER_AS,
  saidBy,
  type TestPair,
  untilNsr,
  untilProtected,
  untilReady,
  untilSaid,
  withPair,
} from "../../../testkit/pair.ts";
import { type SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import { issuePair } from "../../cli/src/certificate.ts";
import { LocalArbiter } from "../src/local-arbiter.ts";

const REASON = enterOwnNetwork();
const WITH_LINK = REASON ?? "on one host";
const FLOOD = 2000;
/** Patience that comes to its end, and that a busy host alone does not try. */
const SHORT_MS = 2000;

/** Somebody at the link of an active side. */
class Stranger {
  readonly heard: AnyRecord[] = [];
  isClosed = false;
  readonly socket: Socket;

  constructor(path: string) {
    const frames = new FrameReader(null);
    this.socket = connect(path);
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.isClosed = true;
    });
    this.socket.on("data", (octets) => {
      frames.push(octets);
      for (let next = frames.next(); next !== null; next = frames.next()) this.heard.push(next);
    });
  }

  /** @returns the reason of the other side for closing; empty when it gave none */
  async untilClosed(): Promise<string> {
    await until(() => this.isClosed, WAIT_MS, "the active side hangs up");
    const bye = this.heard.find(({ record }) => record === "bye");
    return bye?.record === "bye" ? bye.reason : "";
  }
}

function hello(more: Partial<Parameters<typeof frameOf<"hello">>[1]> = {}): Uint8Array {
  return frameOf("hello", {
    ...{ version: STREAM_VERSION, cluster: "test", side: "c", epoch: 0, role: "standby" },
    ...{ software: "", build: "", outputs: 0, ends: 0, ended: "", numbers: 1 },
    ...{ process: process.pid, echo: 0, next: 0, ways: 1, problem: "" },
    ...{ stream: 0, lacks: 0, goesOn: 0, path: "" },
    ...more,
  });
}

const NOBODY = 65_534;
/** Connects, says hello, and tells what came of it. */
const STRANGER_SCRIPT = `
  const [path, hello] = process.argv.slice(1);
  const seen = { connected: "", octets: 0 };
  const socket = require("net").connect(path, () => { seen.connected = "connected"; });
  socket.on("error", () => {});
  socket.on("data", ({ length }) => { seen.octets += length; });
  socket.on("close", () => console.log(seen.connected + ", " + seen.octets + " octets, closed"));
  socket.write(Buffer.from(hello.split(",").map(Number)));
`;

/** What no standby says first. */
const ODD_WORDS: readonly (readonly [string, Uint8Array])[] = [
  ["garbage", Buffer.alloc(1000, 0xff)],
  ["another protocol", Buffer.from("GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")],
  ["a frame that never ends", Buffer.from([0x0f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])],
  ["half a hello", hello().subarray(0, 20)],
  ["nothing", Buffer.alloc(0)],
  ["an acknowledgement", frameOf("ack", { number: 9, applied: 9, window: 9 })],
  ["a heartbeat", frameOf("heartbeat", { progress: 1, epoch: 1, sentMs: 0 })],
];

async function allAreLeft(link: string): Promise<void> {
  const strangers = ODD_WORDS.map(([what, octets]) => {
    const stranger = new Stranger(link);
    stranger.socket.write(octets);
    return { what, stranger };
  });
  const waiting = () => strangers.filter(({ stranger }) => !stranger.isClosed);
  await until(() => waiting().length === 0, WAIT_MS, "all are left").catch(() => {});
  expect(waiting().map(({ what }) => what)).toEqual([]);
}

/** Runs a pair with a proxy in its link, and a peer with a session. */
function withProxy(
  nsr: Readonly<Record<string, unknown>>,
  body: (proxy: LinkProxy, pair: TestPair, a: SpeakerProcess, b: SpeakerProcess) => Promise<void>,
): Promise<void> {
  const only: { b: Record<string, unknown> } = { b: {} };
  return withPair({ nsr, only }, async (pair) => {
    const path = `${pair.link}.proxy`;
    only.b["peer"] = path;
    const proxy = LinkProxy.start(path, pair.link);
    try {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 100 }));
      await untilProtected(a, 1);
      await body(proxy, pair, a, b);
      await untilReady(b, "standby");
      await untilProtected(a, 1);
      expect(isUndisturbed(peer)).toBe(true);
      // Whatever happened, what the standby has now is good.
      a.signal("SIGKILL");
      await untilNsr(b, "b is active", ({ role }) => role === "active");
      expect((await b.ask({ command: "show-routes", view: "accepted" })).items).toHaveLength(100);
      expect(isUndisturbed(peer)).toBe(true);
    } finally {
      proxy.close();
    }
  });
}

/** Meddles with one frame, the fifth that comes. */
function once(from: "active" | "standby", meddle: (frame: Buffer) => readonly Buffer[]): Meddler {
  let count = 0;
  return (frame, direction) => {
    if (direction !== from || ++count !== 5) return [frame];
    return meddle(frame);
  };
}

/** Holds a frame back until the next one has gone. */
function swapped(): Meddler {
  let count = 0;
  let held: Buffer | null = null;
  return (frame, direction) => {
    if (direction !== "active") return [frame];
    if (++count === 5) {
      held = frame;
      return [];
    }
    const both = held === null ? [frame] : [frame, held];
    held = null;
    return both;
  };
}

function flipped(frame: Buffer, at: number): Buffer {
  const octets = Buffer.from(frame);
  octets[at]! ^= 1;
  return octets;
}

describe.skipIf(REASON !== null)(`a standby (${WITH_LINK})`, () => {
  test("of another cluster is told so once, and does not keep the right one out", () =>
    withPair({ only: { b: { cluster: "other" } } }, async (pair) => {
      const a = await pair.startActive("a");
      const b = await pair.side("b");
      await b.start();
      const line = await b.untilLogged("a refusal", ({ id }) => id === "nsr-link");
      expect(line.msg).toBe('this is cluster "test", not "other"');
      await delay(1500);
      expect(saidBy(b, "nsr-link")).toHaveLength(1);
      expect(saidBy(b, "nsr-standby").length).toBeLessThanOrEqual(1);
      // It tries again all the time, and says so while it does.
      await untilNsr(b, "why not", ({ reason }) => /cluster "test"/.test(reason));
      b.signal("SIGKILL");
      await b.exited();
      b.configure(pair.config("b", { nsr: pair.config("a")["nsr"] }));
      const text = JSON.stringify(pair.config("a")["nsr"]).replace('"self":"a"', '"self":"b"');
      b.configure(pair.config("b", { nsr: JSON.parse(text) }));
      await b.start();
      await untilReady(a, "active");
    }));

  test("with the active's name is told so", () =>
    withPair({ only: { b: { self: "a" } } }, async (pair) => {
      await pair.startActive("a");
      const b = await pair.side("b");
      await b.start();
      const line = await b.untilLogged("a refusal", ({ id }) => id === "nsr-link");
      expect(line.msg).toBe('both sides have the name "a"');
    }));

  test("too many, as another, of another version, with a second hello: told so, and the first one stays", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const second = new Stranger(pair.link);
      second.socket.write(hello());
      expect(await second.untilClosed()).toBe("b is the standby already");
      const returned = new Stranger(pair.link);
      returned.socket.write(hello({ side: "b", epoch: 1, next: 2 }));
      expect(await returned.untilClosed()).toMatch(/has to be sent anew/);
      expect(await nsrOf(a)).toMatchObject({ ready: true, peer: { link: "up" } });
      b.signal("SIGTERM");
      await untilNsr(a, "b has left", ({ ready, peer }) => !ready && peer.link === "down");
      const other = new Stranger(pair.link);
      other.socket.write(hello({ version: STREAM_VERSION + 1 }));
      expect(await other.untilClosed()).toMatch(/stream \d+ is not understood/);
      const twice = new Stranger(pair.link);
      twice.socket.write(hello());
      twice.socket.write(hello());
      expect(await twice.untilClosed()).toMatch(/hello again/);
      await pair.startStandby("b");
      await untilReady(a, "active");
    }));

  test("that says what no standby does is left soon, and nobody else notices", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      await allAreLeft(pair.link);
      await pair.startStandby("b");
      await untilReady(a, "active");
      await allAreLeft(pair.link);
      expect(await nsrOf(a)).toMatchObject({ role: "active", ready: true });
    }));

  test("that does not read holds nothing up, and another one can join after it", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 50_000 }));
      await until(() => existsSync(pair.link), WAIT_MS, "a standby may come");
      const deaf = new Stranger(pair.link);
      deaf.socket.write(hello());
      // It is given up within a fraction of a second, so that "show nsr" may be too late to see it.
      await until(() => deaf.heard.length > 0, WAIT_MS, "it joins");
      expect(deaf.heard[0]?.record).toBe("hello");
      deaf.socket.pause();
      await peer.sendAll(manyRoutes({ as: PEER_AS, count: 50_000, med: 1 }));
      await until(
        async () => (await a.neighbor("127.1.0.1")).state === "Established",
        WAIT_MS,
        "the peer is served",
      );
      expect((await nsrOf(a)).ready).toBe(false);
      deaf.socket.destroy();
      await pair.startStandby("b");
      await untilProtected(a, 1);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test("of another user is let in neither at the link nor at the heartbeats", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      // Whoever opened folder and sockets to all has not let everybody in.
      chmodSync(pair.directory, 0o755);
      for (const path of [pair.link, `${pair.link}.beat`]) {
        const mode = () => statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
        await until(() => (mode() & 0o777) === 0o600, WAIT_MS, "the socket is its owner's");
        chmodSync(path, 0o666);
        const said = spawnSync(
          "setpriv",
          [
            ...["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"],
            ...[process.execPath, "-e", STRANGER_SCRIPT, path, hello().toString()],
          ],
          { encoding: "utf8" },
        );
        expect(said.stdout).toBe("connected, 0 octets, closed\n");
      }
      await untilNsr(a, "both are counted", ({ refused }) => refused.user === 2);
      const line = await a.untilLogged("it is told", ({ id }) => id === "nsr-refused");
      expect(line.msg).toMatch(/^refused process \d+ of user 65534: the other side must have the/);
      await pair.startStandby("b");
      await untilReady(a, "active");
      expect((await nsrOf(a)).refused).toMatchObject({ user: 2, hello: 0 });
    }));

  test("does not follow another user that listens in the place of the active side", () =>
    withPair({}, async (pair) => {
      const arbiter = new LocalArbiter(pair.roleFile);
      await arbiter.acquire("a");
      chmodSync(pair.directory, 0o1777);
      const listener = spawn("setpriv", [
        ...["--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups"],
        ...[process.execPath, "-e", 'require("net").createServer().listen(process.argv[1])'],
        pair.link,
      ]);
      await until(() => existsSync(pair.link), WAIT_MS, "it listens");
      chmodSync(pair.directory, 0o755);
      const b = await pair.side("b");
      await b.start();
      const { reason } = await untilNsr(b, "a reason", (shown) => shown.reason !== "");
      expect(reason).toMatch(/process \d+ of user 65534 listens there: the other side must have/);
      listener.kill();
      b.signal("SIGTERM");
      expect(await b.exited()).toBe("exit 0");
      await arbiter.release();
    }));

  test("gets its turn after thousands of connections to the link", () =>
    withPair({}, async (pair) => {
      const a = await pair.startActive("a");
      const peer = await pair.peer(1);
      const before = a.descriptors();
      const flood = Array.from({ length: FLOOD }, () => new Stranger(pair.link));
      await delay(1000);
      expect(a.descriptors() - before).toBeLessThan(600);
      await pair.startStandby("b");
      await untilProtected(a, 1);
      for (const { socket } of flood) socket.destroy();
      expect(isUndisturbed(peer)).toBe(true);
    }));
});

describe.skipIf(REASON !== null)(`frames of a running pair (${WITH_LINK})`, () => {
  // Patient: what is looked at here is not how busy this host is.
  const patient = { "patience-ms": 5000 };

  test.each<[string, RegExp, () => Meddler]>([
    ["changed", /checksum of a frame/, () => once("active", (f) => [flipped(f, f.length - 1)])],
    [
      "with another length",
      /checksum of a frame's head/,
      () => once("active", (f) => [flipped(f, 2)]),
    ],
    ["lost", /bracket \d+ behind bracket/, () => once("active", () => [])],
    ["sent twice", /bracket \d+ behind bracket/, () => once("active", (f) => [f, f])],
    ["swapped", /bracket \d+ behind bracket/, swapped],
    ["cut", /checksum of a frame|head/, () => once("active", (f) => [f.subarray(0, f.length - 3)])],
  ])("that are %s make the standby join again, with the reason", (_, reason, meddler) =>
    withProxy(patient, async (proxy, _pair, a, b) => {
      proxy.meddler = meddler();
      const line = await b.untilLogged("the fault", ({ id }) => id === "nsr-link");
      proxy.meddler = null;
      expect(line.msg).toMatch(reason);
      await a.untilLogged("the loss", ({ id }) => id === "standby-lost");
    }),
  );

  test("of the standby that are changed make it join again", () =>
    withProxy(patient, async (proxy, _pair, a, b) => {
      proxy.meddler = once("standby", (frame) => [flipped(frame, frame.length - 1)]);
      const line = await a.untilLogged("the loss", ({ id }) => id === "standby-lost");
      proxy.meddler = null;
      expect(line.msg).toMatch(/stream is broken: the checksum/);
      await b.untilLogged("the loss", ({ id }) => id === "nsr-link");
    }));

  test("that go no further make the pair simplex after its patience, until they do again", () =>
    withProxy({ "patience-ms": SHORT_MS }, async (proxy, _pair, a) => {
      proxy.stall();
      const line = await a.untilLogged("the loss", ({ id }) => id === "standby-lost");
      expect(line.msg).toMatch(/did not acknowledge for 2000 ms/);
      const shown = await nsrOf(a);
      expect(shown).toMatchObject({ role: "active", ready: false, protected: 0 });
      expect(shown.reason).toMatch(/did not acknowledge/);
      proxy.goOn();
    }));

  test("that never go further are found out by the standby as well", () =>
    withProxy({ "patience-ms": SHORT_MS }, async (proxy, _pair, a, b) => {
      proxy.stall();
      await a.untilLogged("the loss", ({ id }) => id === "standby-lost");
      const line = await b.untilLogged("the silence", ({ id }) => id === "nsr-link");
      expect(line.msg).toMatch(/nothing came over the link/);
      proxy.goOn();
    }));

  test("are not missed when the link is cut again and again", () =>
    withProxy({}, async (proxy, _pair, a, b) => {
      for (let n = 0; n < 3; n++) {
        proxy.cut();
        // It comes back at once: "show nsr" may be too late to see that it was away.
        await untilSaid(a, "standby-lost", n + 1);
        await untilReady(b, "standby");
        await untilReady(a, "active");
      }
    }));
});

/** The section of side a, with what a TCP link needs. */
function withTcp(pair: TestPair): Record<string, unknown> {
  const { authority, sides } = issuePair("test", ["a"], Date.now(), 1);
  const write = (name: string, text: string) => {
    const file = join(pair.directory, name);
    writeFileSync(file, text);
    return file;
  };
  const { certificate, key } = sides[0]!;
  const papers = { cert: write("a.crt", certificate), key: write("a.key", key) };
  const tls = { ...papers, ca: write("ca.crt", authority) };
  return { ...(pair.config("a")["nsr"] as object), arbiter: { file: pair.roleFile }, tls };
}

describe.skipIf(REASON !== null)(`the address of the link (${WITH_LINK})`, () => {
  async function failedStart(pair: TestPair): Promise<string> {
    const a = await pair.side("a");
    a.spawn();
    expect(await a.exited()).toBe("exit 2");
    return a.text();
  }

  test("in a folder that others can write to is refused, with the place in the file", () =>
    withPair({}, async (pair) => {
      chmodSync(pair.directory, 0o777);
      const a = await pair.side("a");
      a.spawn();
      expect(await a.exited()).toBe("exit 1");
      expect(a.text()).toMatch(/tsbgp\.yaml:1:\d+: .*nsr\.sock: other users could replace it/);
    }));

  test("in a folder of another user is refused as well", () =>
    withPair({}, async (pair) => {
      chownSync(pair.directory, NOBODY, NOBODY);
      const a = await pair.side("a");
      a.spawn();
      expect(await a.exited()).toBe("exit 2");
      expect(a.text()).toMatch(/other users could replace it.* \(owner 65534, mode 0700\)/);
    }));

  test("that is a file is not removed", () =>
    withPair({}, async (pair) => {
      writeFileSync(pair.link, "important\n");
      expect(await failedStart(pair)).toMatch(/nsr\.sock is not a socket/);
    }));

  test("that another process listens on is not taken from it", () =>
    withPair({}, async (pair) => {
      const server = createServer().listen(pair.link);
      await until(() => server.listening, WAIT_MS, "the server listens");
      expect(await failedStart(pair)).toMatch(/another process listens on .*nsr\.sock/);
      server.close();
    }));

  test("that is a port in use is named", () => {
    const address = { address: "127.0.0.1", port: 1790 };
    const nsr = { listen: address, peer: { ...address, port: 1795 } };
    return withPair({ nsr, only: {} }, async (pair) => {
      const server = createServer().listen(1790, "127.0.0.1");
      const a = await pair.side("a");
      const section = withTcp(pair);
      a.configure(pair.config("a", { nsr: section }));
      expect(await failedStart(pair)).toMatch(/cannot wait for a standby: .*127\.0\.0\.1:1790/);
      server.close();
    });
  });

  test("whose heartbeats cannot be had is told, and no standby is let in", () => {
    const address = { address: "127.0.0.1", port: 1790 };
    return withPair({ nsr: { listen: address, peer: address } }, async (pair) => {
      const heartbeats = createServer().listen(1791, "127.0.0.1");
      await until(() => heartbeats.listening, WAIT_MS, "the port is taken");
      const more = { listen: [{ address: "127.0.0.1", port: 1799 }] };
      const section = withTcp(pair);
      const a = await pair.side("a");
      a.configure(pair.config("a", { ...more, nsr: section }));
      await a.start();
      const line = await a.untilLogged("the problem", ({ id }) => id === "nsr-simplex");
      expect(line.msg).toMatch(/heartbeats cannot be sent: .*127\.0\.0\.1:1791/);
      expect((await nsrOf(a)).reason).toMatch(/heartbeats cannot be sent/);
      heartbeats.close();
    });
  });

  test.each([
    ["says nothing", null],
    ["sends garbage", Buffer.alloc(100, 7)],
  ])("that leads to someone who %s is left with a reason, and tried again", (_, octets) =>
    // Patient with who sends garbage, which comes when this busy process has its turn.
    withPair({ nsr: { "patience-ms": octets === null ? 100 : 10_000 } }, async (pair) => {
      const arbiter = new LocalArbiter(pair.roleFile);
      await arbiter.acquire("a");
      let accepted = 0;
      const server = createServer((socket) => {
        accepted++;
        socket.on("error", () => {});
        if (octets !== null) socket.write(octets);
      }).listen(pair.link);
      const b = await pair.side("b");
      await b.start();
      const line = await b.untilLogged("the reason", ({ id }) => id === "nsr-link");
      expect(line.msg).toMatch(octets === null ? /nothing came over the link/ : /stream is broken/);
      await until(() => accepted > 1, WAIT_MS, "it tries again");
      b.signal("SIGTERM");
      expect(await b.exited()).toBe("exit 0");
      await arbiter.release();
      server.close();
    }),
  );
});
