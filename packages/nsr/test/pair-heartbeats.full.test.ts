/** Heartbeats: what silence means, and what it does not. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { NsrConfig } from "@ts-bgp/config";
import { noteReadingIn, readingFrom, readingMessage } from "@ts-bgp/router/reading";
import { Crash, type Suspect } from "@ts-bgp/speaker";
import { Lease } from "@ts-bgp/takeover";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { FakeHeartbeats } from "../../../testkit/fake-heartbeats.ts";
import { LinkProxy } from "../../../testkit/link-proxy.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  nsrOf,
  saidBy,
  untilNsr,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { HeartbeatListener, HeartbeatSender, HeartbeatThread } from "../src/heartbeats.ts";

const REASON = enterOwnNetwork();
/** Longer than a busy machine keeps a thread waiting. */
const BEAT = { heartbeatMs: 200, heartbeatMisses: 10 };
/** More than the silence that is heard. */
const LONG_ENOUGH_MS = 3000;
const EPOCH = 7;
/** Signs the echoes that count. */
const ECHO = 1;

describe("the threads of heartbeats", () => {
  let directory: string;
  let config: NsrConfig;
  let ends: (() => unknown)[];
  let heard: string[];
  /** Of the active side: lasts for as long as its heartbeats are heard, and by echoes known to be. */
  let lease: Lease;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbgp-heartbeats-"));
    const path = join(directory, "link");
    config = {
      ...{ cluster: "test", self: "", mode: "shared", serviceAddresses: [], tls: null },
      ...{
        listen: { path },
        peers: [{ name: null, ways: [{ path }] }],
        arbiter: { kind: "local", file: "" },
      },
      ...{ patienceMs: 1000, log: null, ...BEAT },
    };
    ends = [];
    heard = [];
    lease = new Lease();
    lease.expectEchoes("b", ECHO);
  });
  afterEach(async () => {
    for (const end of ends) await end();
    rmSync(directory, { recursive: true, force: true });
  });

  function newThread(): HeartbeatThread {
    const thread = new HeartbeatThread();
    ends.push(() => thread.exit());
    return thread;
  }

  function send(
    failed: (reason: string) => void = () => {},
    epoch = EPOCH,
    notes: bigint | null = null,
  ): HeartbeatSender {
    const sender = new HeartbeatSender(newThread(), config, epoch, lease, notes, failed);
    ends.push(() => sender.stop());
    return sender;
  }

  function listen(suspected: (suspects: readonly Suspect[]) => void = () => {}): void {
    const listener = new HeartbeatListener(
      {
        ...{ thread: newThread(), config, ways: config.peers[0]!.ways },
        ...{ epoch: EPOCH, lease: new Lease(), echo: ECHO },
      },
      (reason) => heard.push(reason),
      () => {},
      () => {},
      suspected,
    );
    ends.push(() => listener.stop());
  }

  const areHeard = () => until(() => lease.areEchoed(["b"]), WAIT_MS, "heartbeats are heard");
  const isThere = () => readdirSync(directory).includes("link.beat");

  test("tell of silence once heartbeats had begun, and of none before", async () => {
    listen();
    await delay(1000);
    expect(heard).toEqual([]);
    const sender = send();
    const timer = setInterval(() => sender.progress(), 100);
    await areHeard();
    await delay(LONG_ENOUGH_MS);
    expect(heard).toEqual([]);
    clearInterval(timer);
    await sender.stop();
    await until(() => heard.length > 0, WAIT_MS, "the silence is heard");
    expect(heard[0]).toMatch(/^no heartbeat for \d+ ms$/);
    await delay(1000);
    expect(heard).toHaveLength(1);
  });

  test("tell of a main thread that does nothing while they come", async () => {
    const sender = send();
    sender.progress();
    listen();
    await until(() => heard.length > 0, WAIT_MS, "the standstill is heard");
    expect(heard[0]).toBe("its main thread has done nothing for 3000 ms");
  });

  test("tell of the message that a main thread hangs in, and that ends it", async () => {
    const crash = new Crash(join(directory, "notes"), 0, () => {});
    ends.push(() => noteReadingIn(null));
    readingFrom("192.0.2.1");
    readingMessage(Uint8Array.of(1, 2, 3), 0, 3);
    let suspects: readonly Suspect[] = [];
    const sender = send(() => {}, EPOCH, crash.address);
    sender.progress();
    listen((told) => {
      suspects = told;
    });
    await until(() => suspects.length > 0, WAIT_MS, "it is said where it hangs");
    const message = Uint8Array.of(1, 2, 3);
    expect(suspects).toEqual([{ cause: "", address: "192.0.2.1", message }]);
    readingFrom("192.0.2.2");
    readingMessage(message, 0, 3);
    const isNext = () => suspects.some(({ address }) => address === "192.0.2.2");
    await until(isNext, WAIT_MS, "it is said where it hangs now");
    expect(suspects).toHaveLength(1);
    expect(crash.noteException()).toMatchObject([{ address: "192.0.2.2" }]);
    const isLast = () => suspects.some(({ cause }) => cause === "an exception");
    await until(isLast, WAIT_MS, "it is said what ends it");
  });

  test("are heard again when they come back", async () => {
    const first = send();
    listen();
    await areHeard();
    await first.stop();
    await until(() => heard.length === 1, WAIT_MS, "the silence is heard");
    const second = send();
    const timer = setInterval(() => second.progress(), 100);
    await areHeard();
    clearInterval(timer);
    await second.stop();
    await until(() => heard.length === 2, WAIT_MS, "the second silence is heard");
  });

  test("end by themselves, whenever they are told to, and leave the address", async () => {
    for (const ms of [0, 5, 20, 50, 100, 200]) {
      const sender = send();
      listen();
      await delay(ms);
      await sender.stop();
      await sender.stop();
      expect(isThere()).toBe(false);
    }
  });

  test("are not heard when they are of another epoch", async () => {
    const sender = send(() => {}, EPOCH - 1);
    listen();
    await until(isThere, WAIT_MS, "heartbeats are sent");
    await delay(500);
    await sender.stop();
    await delay(LONG_ENOUGH_MS);
    expect(heard).toEqual([]);
  });

  test("take no garbage for a heartbeat", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(Buffer.alloc(64, 0xee));
    }).listen(`${join(directory, "link")}.beat`);
    listen();
    await delay(LONG_ENOUGH_MS);
    expect(heard).toEqual([]);
    server.close();
  });

  test("say that they cannot be sent", async () => {
    const server = createServer().listen(`${join(directory, "link")}.beat`);
    await until(() => server.listening, WAIT_MS, "the address is taken");
    const failures: string[] = [];
    send((reason) => failures.push(reason));
    await until(() => failures.length === 1, WAIT_MS, "the failure is told");
    expect(failures[0]).toMatch(/another process listens on .*link\.beat/);
    server.close();
  });
});

describe.skipIf(REASON !== null)(`a pair (${REASON ?? "on one host"})`, () => {
  test("takes over from a suspended active side, which never goes on", () =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      a.signal("SIGSTOP");
      const shown = await untilNsr(b, "b is active", ({ role }) => role === "active");
      a.signal("SIGCONT");
      expect(await a.exited()).toBe("SIGKILL");
      expect(shown.last_switchover).toMatchObject({ planned: false, resumed: 1, lost: [] });
      expect(shown.last_switchover?.cause).toMatch(/no heartbeat|nothing came over the link/);
      expect(isUndisturbed(peer)).toBe(true);
    }));

  test.each([300, 3000])("has a standby that was suspended for %i ms take nothing over", (ms) =>
    withPair({}, async (pair) => {
      const { a, b } = await pair.start();
      const peer = await pair.peer(1);
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      b.signal("SIGSTOP");
      await delay(ms);
      expect((await nsrOf(a)).role).toBe("active");
      b.signal("SIGCONT");
      await delay(1000);
      await untilReady(b, "standby");
      await untilNsr(a, "the session is protected", (shown) => shown.protected === 1);
      expect(saidBy(b, "nsr-takeover")).toEqual([]);
      expect((await nsrOf(a)).epoch).toBe(1);
      expect(isUndisturbed(peer)).toBe(true);
    }),
  );

  test("stays as it is when heartbeats alone are missing, and come back", () => {
    const only: { b: Record<string, unknown> } = { b: {} };
    return withPair({ only, nsr: { "patience-ms": 2000 } }, async (pair) => {
      // The link leads to the active side, and the heartbeats beside it to another one.
      const path = `${pair.link}.other`;
      only.b["peer"] = path;
      const heartbeats = new FakeHeartbeats(`${path}.beat`);
      const proxy = LinkProxy.start(path, pair.link);
      const { a, b } = await pair.start();
      await delay(500);
      heartbeats.stop();
      await delay(4000);
      heartbeats.goOn();
      expect(saidBy(b, "nsr-takeover")).toEqual([]);
      await untilReady(b, "standby");
      expect(await nsrOf(a)).toMatchObject({ role: "active", ready: true, epoch: 1 });
      expect(saidBy(a, "standby-lost")).toEqual([]);
      proxy.close();
      heartbeats.close();
    });
  });
});
