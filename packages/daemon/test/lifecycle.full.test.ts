/** Start, reload and stop of the daemon, by signals and by the control socket. */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import {
  type ConfigFile,
  freePort,
  neighborAddress,
  SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const FIRST = neighborAddress(1);
const SECOND = neighborAddress(2);
const THIRD = neighborAddress(3);
const DEFAULTS = { passive: true, import: "accept-all", export: "accept-all" };
const CONFIG = {
  defaults: DEFAULTS,
  neighbors: [
    { address: FIRST, as: 65001 },
    { address: SECOND, as: 65002 },
  ],
};

const peerOf = (speaker: SpeakerProcess, localAddress: string, as: number) =>
  Peer.establish({ port: speaker.port, localAddress, as });

/** Starts a speaker that cannot start. @returns how it ended, with its output */
/** @returns also what is left where its control socket was to be */
async function failedStart(
  speaker: SpeakerProcess,
): Promise<[exit: string, text: string, left: string[]]> {
  speaker.spawn();
  try {
    const exit = await speaker.exited();
    const left = readdirSync(speaker.directory).filter((name) => /sock|role/.test(name));
    return [exit, speaker.text(), left];
  } finally {
    speaker.remove();
  }
}

test("SIGTERM ends all sessions with an administrative shutdown and a text, and exits with 0", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peers = [await peerOf(speaker, FIRST, 65001), await peerOf(speaker, SECOND, 65002)];
    // Clients of the control socket and of HTTP that stay connected keep nothing up.
    const client = connect(speaker.socket);
    const http = connect(speaker.httpPort, "127.0.0.1");
    for (const socket of [client, http]) socket.on("error", () => {});
    http.write("GET /metrics HTTP/1.1\r\n");
    await delay(100);
    speaker.signal("SIGTERM");
    for (const peer of peers) {
      const notification = await peer.untilClosed();
      expect(notification).toMatchObject({ code: 6, subcode: 2 });
      const [octets = 0] = notification!.data;
      expect(notification!.data.toString("utf8", 1)).toBe("speaker is stopped");
      expect(octets).toBe(notification!.data.length - 1);
    }
    expect(await speaker.exited()).toBe("exit 0");
    expect(existsSync(speaker.socket)).toBe(false);
    expect(speaker.log().map(({ id }) => id)).toEqual(
      expect.arrayContaining(["stopping", "session-down", "stopped"]),
    );
  }));

test("SIGTERM ends a speaker with a full table and peers that do not read", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const deaf = await peerOf(speaker, SECOND, 65002);
    deaf.pause();
    const talker = await peerOf(speaker, FIRST, 65001);
    await talker.sendAll(manyRoutes({ as: 65001, count: 200_000 }));
    speaker.signal("SIGTERM");
    expect(await talker.untilClosed()).toMatchObject({ code: 6, subcode: 2 });
    expect(await speaker.exited()).toBe("exit 0");
    deaf.end();
  }));

test("a second signal ends a speaker at once", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const deaf = await peerOf(speaker, FIRST, 65001);
    deaf.pause();
    speaker.signal("SIGTERM");
    await speaker.untilLogged("the stop", ({ id }) => id === "stopping");
    speaker.signal("SIGTERM");
    expect(await speaker.exited()).toMatch(/^exit [02]$/);
    deaf.end();
  }));

test("SIGHUP with a bad file changes nothing, and the log has every mistake", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await peerOf(speaker, FIRST, 65001);
    const mistakes = { ...CONFIG, neighbors: [{ address: FIRST }, { address: "nowhere", as: 1 }] };
    speaker.configure(mistakes);
    speaker.signal("SIGHUP");
    const line = await speaker.untilLogged("the refusal", ({ id }) => id === "reload-refused");
    expect(line.level).toBe("error");
    expect(line.msg).toMatch(/has 2 mistakes, nothing was changed$/);
    expect(line["mistakes"]).toEqual([
      expect.stringMatching(/tsbgp\.yaml:1:\d+: neighbor 127\.1\.0\.1 has no "as"$/),
      expect.stringMatching(/tsbgp\.yaml:1:\d+: "nowhere" is not an IP address$/),
    ]);
    const { items } = await speaker.ask({ command: "show-neighbors" });
    expect(items).toHaveLength(2);
    expect((await speaker.metrics()).get("tsbgp_config_last_reload_success")).toBe(0);
    const health = await fetch(`http://127.0.0.1:${speaker.httpPort}/healthz`);
    expect(await health.json()).toMatchObject({ ok: true, config_ok: false });
    speaker.configure(CONFIG);
    await speaker.ask({ command: "reload" });
    expect((await speaker.metrics()).get("tsbgp_config_last_reload_success")).toBe(1);
    expect([peer.closed, (await speaker.neighbor(FIRST)).established_count]).toEqual([false, 1]);
    peer.end();
  }));

test("SIGHUP with a good file applies the difference and touches no other session", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const [first, second] = [
      await peerOf(speaker, FIRST, 65001),
      await peerOf(speaker, SECOND, 65002),
    ];
    speaker.configure({
      ...CONFIG,
      neighbors: [
        { address: FIRST, as: 65001, description: "renamed" },
        { address: THIRD, as: 65003 },
      ],
    });
    speaker.signal("SIGHUP");
    expect(await second.untilClosed()).toMatchObject({ code: 6, subcode: 3 });
    const third = await peerOf(speaker, THIRD, 65003);
    expect(await speaker.neighbor(FIRST)).toMatchObject({
      description: "renamed",
      established_count: 1,
    });
    await expect(speaker.neighbor(SECOND)).rejects.toThrow(`no neighbor has the address ${SECOND}`);
    expect([first.closed, third.closed]).toEqual([false, false]);
    first.end();
    third.end();
  }));

test("a reload of what has not changed does nothing, and resends nothing", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const [first, second] = [
      await peerOf(speaker, FIRST, 65001),
      await peerOf(speaker, SECOND, 65002),
    ];
    await first.sendAll(manyRoutes({ as: 65001, count: 1000 }));
    const sent = async () => (await speaker.neighbor(SECOND)).messages.sent.update;
    const isSynced = async () => (await speaker.neighbor(SECOND)).families[0]?.advertised === 1000;
    await until(isSynced, WAIT_MS, "the routes are sent");
    const before = await sent();
    const { end } = await speaker.ask({ command: "reload" });
    expect(end).toEqual({
      added: [],
      removed: [],
      reset: [],
      changed: [],
      policies: [],
      global: [],
    });
    await delay(500);
    expect(await sent()).toBe(before);
    first.end();
    second.end();
  }));

test("reloads that come all at once are done one after the other", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await peerOf(speaker, FIRST, 65001);
    const reloads: Promise<unknown>[] = [];
    for (let n = 0; n < 12; n++) {
      const good = n % 2 === 0;
      speaker.configure(good ? { ...CONFIG, router: { as: 64500, id: "192.0.2.1" } } : {});
      const reload = speaker.ask({ command: "reload" });
      reloads.push(reload.catch((error: Error) => error.message));
      if (n % 3 === 0) speaker.signal("SIGHUP");
    }
    await Promise.all(reloads);
    speaker.configure(CONFIG);
    await speaker.ask({ command: "reload" });
    expect(speaker.hasExited()).toBe(false);
    peer.end();
  }));

/** Settings that cannot be had: with each of them a reload has to leave everything as it is. */
const UNUSABLE: readonly [name: string, config: (taken: number) => ConfigFile, message: RegExp][] =
  [
    [
      "an address that this host does not have",
      () => ({ listen: [{ address: "192.0.2.77", port: 1790 }] }),
      /cannot listen on 192\.0\.2\.77 port 1790: this host does not have the address/,
    ],
    [
      "a BGP port in use",
      (taken) => ({ listen: [{ address: "127.0.0.1", port: taken }] }),
      /cannot listen on 127\.0\.0\.1 port \d+: something else is listening there/,
    ],
    [
      "an HTTP port in use",
      (taken) => ({ http: { port: taken } }),
      /http on 127\.0\.0\.1 port \d+: .*EADDRINUSE/,
    ],
    [
      "a control socket where none can be",
      () => ({ control: { socket: "/proc/control.sock" } }),
      /\/proc\/control\.sock/,
    ],
    [
      "a log file that cannot be written",
      () => ({ log: { file: "/proc/tsbgp.log" } }),
      /cannot write the log to \/proc\/tsbgp\.log/,
    ],
    [
      "a log file in a directory that is not there",
      () => ({ log: { file: "/tmp/no/such/directory/tsbgp.log" } }),
      /cannot write the log to \/tmp\/no\/such\/directory\/tsbgp\.log: ENOENT/,
    ],
  ];

test.each(UNUSABLE)("a reload to %s is refused and changes nothing", (_, change, message) =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await peerOf(speaker, FIRST, 65001);
    const other = createServer();
    const taken = await freePort();
    await new Promise<void>((resolve) => other.listen(taken, "127.0.0.1", resolve));
    speaker.configure({ ...CONFIG, neighbors: [], ...change(taken) });
    await expect(speaker.ask({ command: "reload" })).rejects.toThrow(message);
    await speaker.untilLogged("the refusal", ({ id }) => id === "reload-refused");
    speaker.signal("SIGHUP");
    const refusals = () => speaker.log().filter(({ id }) => id === "reload-refused").length;
    await until(() => refusals() === 2, WAIT_MS, "the log has the second refusal");
    const { items } = await speaker.ask({ command: "show-neighbors" });
    expect([items.length, peer.closed]).toEqual([2, false]);
    expect((await speaker.metrics()).get("tsbgp_config_last_reload_success")).toBe(0);
    other.close();
    peer.end();
  }),
);

test.each(UNUSABLE)(
  "a start with %s fails with exit 2 and says why",
  async (_, change, message) => {
    const other = createServer();
    const taken = await freePort();
    await new Promise<void>((resolve) => other.listen(taken, "127.0.0.1", resolve));
    const speaker = await SpeakerProcess.create({ ...CONFIG, ...change(taken) });
    const [exit, text, left] = await failedStart(speaker);
    expect([exit, text]).toEqual(["exit 2", expect.stringMatching(message)]);
    expect(text).not.toMatch(/\n {4}at /);
    expect(left).toEqual([]);
    other.close();
  },
);

test("a side of a pair whose HTTP port is in use takes no role", async () => {
  const other = createServer();
  const taken = await freePort();
  await new Promise<void>((resolve) => other.listen(taken, "127.0.0.1", resolve));
  const speaker = await SpeakerProcess.create({});
  const link = join(speaker.directory, "nsr.sock");
  speaker.configure({
    ...CONFIG,
    http: { port: taken },
    nsr: { cluster: "rs1", self: "a", listen: link, peer: link },
  });
  const [exit, text, left] = await failedStart(speaker);
  expect([exit, text]).toEqual([
    "exit 2",
    expect.stringMatching(/http on 127\.0\.0\.1 port \d+: .*EADDRINUSE/),
  ]);
  expect(left).toEqual([]);
  other.close();
});

test("a reload moves listening addresses, control socket and metrics, and sessions stay", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await peerOf(speaker, FIRST, 65001);
    const [port, httpPort] = [await freePort(), await freePort()];
    const socket = join(speaker.directory, "elsewhere", "control.sock");
    speaker.configure({
      ...CONFIG,
      listen: [{ address: "127.0.0.1", port }],
      control: { socket },
      http: { port: httpPort },
    });
    const { end } = await speaker.ask({ command: "reload" });
    expect(end["global"]).toEqual(["listen", "control", "http"]);
    const second = await Peer.establish({ port, localAddress: SECOND, as: 65002 });
    await expect(Peer.connect({ port: speaker.port, localAddress: SECOND })).rejects.toThrow();
    await expect(speaker.ask({ command: "show-status" })).rejects.toThrow();
    await expect(speaker.metrics()).rejects.toThrow();
    expect((await fetch(`http://127.0.0.1:${httpPort}/healthz`)).status).toBe(200);
    const moved = connect(socket);
    await new Promise((resolve) => moved.once("connect", resolve));
    moved.destroy();
    expect([peer.closed, second.closed]).toEqual([false, false]);
    peer.end();
    second.end();
  }));

test("a control socket that a killed speaker left over is taken over", () =>
  withSpeaker(CONFIG, async (speaker) => {
    speaker.signal("SIGKILL");
    await speaker.exited();
    expect(existsSync(speaker.socket)).toBe(true);
    await speaker.start();
    expect((await speaker.ask({ command: "show-status" })).items).toHaveLength(1);
  }));

test("whoever finds the control socket can connect to the BGP port", async () => {
  const speaker = await SpeakerProcess.create(CONFIG);
  try {
    speaker.spawn();
    // Without a pause: the moment between the two is short.
    while (!existsSync(speaker.socket) && !speaker.hasExited()) await nextTurn();
    const peer = await Peer.connect({ port: speaker.port, localAddress: FIRST });
    expect((await speaker.ask({ command: "show-status" })).items).toHaveLength(1);
    peer.end();
  } finally {
    speaker.remove();
  }
});

test("a second speaker on the same control socket is refused, and the first goes on", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const second = await SpeakerProcess.create({ ...CONFIG, control: { socket: speaker.socket } });
    const [exit, text] = await failedStart(second);
    expect([exit, text]).toEqual(["exit 2", expect.stringMatching(/another speaker runs/)]);
    expect((await speaker.ask({ command: "show-status" })).items).toHaveLength(1);
  }));

test("a file that is no socket is not removed for the control socket", async () => {
  const speaker = await SpeakerProcess.create(CONFIG);
  writeFileSync(speaker.socket, "precious");
  const [exit, text] = await failedStartKeeping(speaker);
  expect([exit, text]).toEqual(["exit 2", expect.stringMatching(/is not a socket/)]);
});

async function failedStartKeeping(speaker: SpeakerProcess): Promise<[string, string]> {
  speaker.spawn();
  const exit = await speaker.exited();
  const text = speaker.text();
  expect(readFileSync(speaker.socket, "utf8")).toBe("precious");
  speaker.remove();
  return [exit, text];
}

test("the control socket is for the owner and the group alone", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const { statSync } = await import("node:fs");
    expect(statSync(speaker.socket).mode & 0o777).toBe(0o660);
  }));

test("the log goes to a file, into a new one after SIGHUP, and to another one by a reload", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const file = join(speaker.directory, "other.log");
    const withLog = (name: string, level = "info") => ({ ...CONFIG, log: { file: name, level } });
    const ids = (name: string) =>
      readFileSync(name, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).id);
    speaker.configure(withLog(file));
    await speaker.ask({ command: "reload" });
    const peer = await peerOf(speaker, FIRST, 65001);
    await until(() => ids(file).includes("session-up"), WAIT_MS, "the file has the session");
    renameSync(file, `${file}.1`);
    speaker.signal("SIGHUP");
    await until(() => existsSync(file), WAIT_MS, "there is a new file");
    peer.end();
    await until(() => ids(file).includes("session-down"), WAIT_MS, "it has the end of the session");
    expect(ids(`${file}.1`)).not.toContain("session-down");
    speaker.configure(withLog(`${file}.2`, "error"));
    await speaker.ask({ command: "reload" });
    const again = await peerOf(speaker, FIRST, 65001);
    expect(readFileSync(`${file}.2`, "utf8")).toBe("");
    again.end();
  }));
