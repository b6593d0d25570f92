/** The control socket against clients that are hostile, broken or in a hurry. */

import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import {
  neighborAddress,
  type SpeakerProcess,
  WAIT_MS,
  withSpeaker,
} from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import { ControlServer } from "../src/control.ts";

const NEIGHBOR = neighborAddress(1);
const CONFIG = {
  neighbors: [
    { address: NEIGHBOR, as: 65001, passive: true, import: "accept-all", export: "accept-all" },
  ],
};

/** A client that says what it is told, and keeps what it hears. */
class Client {
  readonly socket: Socket;
  text = "";
  closed = false;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.setEncoding("utf8");
    this.socket.on("data", (chunk) => {
      this.text += chunk;
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
    });
  }

  lines(): Record<string, unknown>[] {
    return this.text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  async untilLines(count: number): Promise<Record<string, unknown>[]> {
    await until(() => this.lines().length >= count, WAIT_MS, `${count} lines are answered`);
    return this.lines();
  }
}

/** The speaker is well: it answers, and has logged no fault of its own. */
async function expectWell(speaker: SpeakerProcess): Promise<void> {
  const { items } = await speaker.ask({ command: "show-status" });
  expect(items).toHaveLength(1);
  expect(speaker.text()).not.toMatch(/TypeError|RangeError|Unhandled|MaxListeners|node:internal/);
}

test("every request that is not one is answered with an error, and the speaker goes on", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const garbage = [
      "",
      "{}",
      "[]",
      "null",
      "7",
      '"show-status"',
      "\u0000\u0001",
      '{"command":',
      '{"command": null}',
      '{"command": 7}',
      '{"command": {}}',
      '{"command": "no-such"}',
      '{"command": "constructor"}',
      '{"command": "toString"}',
      '{"command": "__proto__"}',
      '{"command": "show-neighbor"}',
      '{"command": "show-neighbor", "neighbor": 7}',
      '{"command": "show-neighbor", "neighbor": {"toString": 1}}',
      '{"command": "show-neighbor", "neighbor": "constructor"}',
      '{"command": "show-routes", "neighbor": []}',
      '{"command": "show-routes", "view": "constructor"}',
      '{"command": "show-routes", "view": {"toString": 1}}',
      '{"command": "show-routes", "match": "nearly", "prefix": "10.0.0.0/8"}',
      '{"command": "show-routes", "family": 3}',
      '{"command": "show-routes", "prefix": {"split": 1}}',
      '{"command": "show-routes", "prefix": "10.0.0.0/33"}',
      '{"command": "show-routes", "prefix": "10.0.0.1/8"}',
      '{"command": "show-routes", "prefix": "10.0.0.0/-1"}',
      '{"command": "show-routes", "prefix": "10.0.0.0/8/8"}',
      '{"command": "show-routes", "prefix": "fe80::1%lo/8"}',
      '{"command": "show-routes", "prefix": "::ffff:10.0.0.0/129"}',
      '{"command": "explain-import", "prefix": "10.0.0.0/8"}',
      `{"command": "explain-import", "neighbor": "${NEIGHBOR}"}`,
      `{"command": "refresh", "neighbor": "${NEIGHBOR}"}`,
      `{"command": "refresh", "neighbor": "${NEIGHBOR}", "direction": "sideways"}`,
      `{"command": "disable", "neighbor": "${NEIGHBOR}", "text": 7}`,
      `{"command": "disable", "neighbor": "${NEIGHBOR}", "text": {"length": 3}}`,
    ];
    const client = new Client(speaker.socket);
    for (const [i, line] of garbage.entries()) {
      client.socket.write(`${line}\n`);
      const answer = (await client.untilLines(i + 1))[i]!;
      expect(answer, line).toEqual({ error: expect.any(String) });
      expect(answer["error"], line).not.toMatch(/undefined|\[object|not a function|iterable/);
    }
    client.socket.destroy();
    await expectWell(speaker);
  }));

test("a line of a megabyte is refused and its client cut off", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const client = new Client(speaker.socket);
    const before = speaker.residentMb();
    for (let n = 0; n < 16; n++) client.socket.write("x".repeat(1 << 16));
    await until(() => client.closed, WAIT_MS, "the client is cut off");
    expect(client.lines().slice(0, 1)).toEqual([{ error: "the request is too long" }]);
    expect(client.lines()).toHaveLength(1);
    expect(speaker.residentMb() - before).toBeLessThan(50);
    await expectWell(speaker);
  }));

test("requests that come faster than they are answered wait, and all are answered in order", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const client = new Client(speaker.socket);
    const count = 20_000;
    const lines = Array.from({ length: count }, (_, n) =>
      n % 2 === 0 ? '{"command":"none"}' : `{"command":"refresh","neighbor":"${n}"}`,
    );
    client.socket.write(`${lines.join("\n")}\n`);
    const answers = await client.untilLines(count);
    expect(answers.filter((_, n) => n % 2 === 0)).toEqual(
      new Array(count / 2).fill({ error: 'unknown command "none"' }),
    );
    expect(answers[count - 1]).toEqual({ error: `no neighbor has the address ${count - 1}` });
    client.socket.destroy();
    await expectWell(speaker);
  }));

test("a client that asks without end and reads nothing is not read any further", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const before = speaker.residentMb();
    const socket = connect(speaker.socket);
    socket.pause();
    socket.on("error", () => {});
    socket.write('{"command":"show-memory"}\n'.repeat(1_000_000));
    let waiting = -1;
    const stalled = async () => {
      const was = waiting;
      waiting = socket.writableLength;
      await delay(500);
      return was === waiting;
    };
    await until(stalled, WAIT_MS, "the speaker reads no more");
    expect(waiting).toBeGreaterThan(20_000_000);
    await expectWell(speaker);
    expect(speaker.residentMb() - before).toBeLessThan(50);
    socket.destroy();
    await expectWell(speaker);
  }));

test("clients that hang up in the middle of a large answer leave nothing behind", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const peer = await Peer.establish({ port: speaker.port, localAddress: NEIGHBOR, as: 65001 });
    const count = 60_000;
    await peer.sendAll(manyRoutes({ as: 65001, count }));
    const received = async () => (await speaker.neighbor(NEIGHBOR)).families[0]?.received === count;
    await until(received, WAIT_MS, "the speaker has the routes");
    const before = speaker.descriptors();
    for (let n = 0; n < 30; n++) {
      const client = new Client(speaker.socket);
      client.socket.write('{"command":"show-routes"}\n');
      await until(() => client.text.length > 0, WAIT_MS, "the answer begins");
      client.socket.destroy();
    }
    await until(() => speaker.descriptors() <= before, WAIT_MS, "the descriptors are closed");
    const { items, end } = await speaker.ask({ command: "show-routes" });
    expect([items.length, end]).toEqual([count, { count }]);
    expect(peer.closed).toBe(false);
    peer.end();
    await expectWell(speaker);
  }));

test("beyond the limit of clients the one gives way that was still for the longest time", () =>
  withSpeaker(CONFIG, async (speaker) => {
    const status = '{"command":"show-status"}\n';
    const clients: Client[] = [];
    for (let n = 0; n < 64; n++) {
      const client = new Client(speaker.socket);
      client.socket.write(status);
      await client.untilLines(2);
      clients.push(client);
    }
    clients[0]!.socket.write(status);
    await clients[0]!.untilLines(4);
    for (let n = 0; n < 200; n++) {
      const client = new Client(speaker.socket);
      client.socket.write(status);
      await until(() => client.closed || client.lines().length === 2, WAIT_MS, "it is answered");
      expect(client.closed, `client ${n}`).toBe(false);
      clients.push(client);
      if (n === 30) expect([clients[0]!.closed, clients[1]!.closed]).toEqual([false, true]);
    }
    await until(() => clients.slice(0, 200).every(({ closed }) => closed), WAIT_MS, "64 are left");
    for (const { socket } of clients) socket.destroy();
    await expectWell(speaker);
  }));

test("clients that read nothing keep nobody out", () =>
  withSpeaker(CONFIG, async (speaker) => {
    for (let n = 0; n < 80; n++) {
      const { socket } = new Client(speaker.socket);
      socket.pause();
      socket.write('{"command":"show-memory"}\n'.repeat(20_000));
      onTestFinished(() => void socket.destroy());
    }
    await expectWell(speaker);
  }));

test("a fault in a command is answered and told, and the client can go on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-control-"));
  const file = join(folder, "control.sock");
  const fault = vi.fn();
  const error = new TypeError("x is not a function");
  const server = new ControlServer(
    file,
    async function* ({ command }) {
      yield command;
      if (command === "bad") throw error;
      return {};
    },
    fault,
  );
  await server.listen();
  const client = new Client(file);
  client.socket.write('{"command":"bad"}\n{"command":"good"}\n');
  expect(await client.untilLines(4)).toEqual([
    { item: "bad" },
    { error: "internal error: x is not a function" },
    { item: "good" },
    { end: {} },
  ]);
  expect(fault).toHaveBeenCalledExactlyOnceWith('request {"command":"bad"}', error);
  client.socket.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});
