/** The API under those who ask for more than they take. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test, vi } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { Peer } from "../../../testkit/peer.ts";
import { neighborAddress, WAIT_MS, withSpeaker } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";
import type { ApiEvent } from "../src/api/messages.ts";
import type { ControlHandler } from "../src/control.ts";
import { HttpService } from "../src/http.ts";
import { HTTP_LIMITS } from "../src/http-server.ts";

const LOOPBACK = "127.0.0.1";
const HOLD_TIME_SECONDS = 9;

const sockets: Socket[] = [];
const services: HttpService[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const service of services.splice(0)) service.close();
});

/** Asks, and reads nothing. */
async function deaf(port: number, path: string, localAddress: string = LOOPBACK): Promise<Socket> {
  const socket = connect({ port, host: LOOPBACK, localAddress });
  sockets.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n`);
  return socket;
}

describe("a source without end", () => {
  /** How many items were made, and how many answers were given up. */
  const made = { items: 0, ended: 0 };
  const watchers = new Set<(event: ApiEvent) => void>();

  async function* endless(): ReturnType<ControlHandler> {
    try {
      for (;;) {
        made.items++;
        yield { prefix: "x".repeat(1000) };
      }
    } finally {
      made.ended++;
    }
  }

  async function serve(answerMs: number): Promise<HttpService> {
    const service = await HttpService.listen(
      { address: LOOPBACK, port: 0 },
      {
        parts: async function* () {},
        health: () => ({ ok: true }),
        api: {
          access: { anonymous: "reader", tokens: [], reasonCommunities: {} },
          ask: endless,
          router: () => {
            throw new Error("nobody is a member");
          },
          activeSide: () => null,
          ordered: () => {},
          watch: (heard) => {
            watchers.add(heard);
            return () => void watchers.delete(heard);
          },
        },
      },
      { fault: vi.fn(), say: () => {} },
      { ...HTTP_LIMITS, answerMs },
    );
    services.push(service);
    made.items = 0;
    made.ended = 0;
    return service;
  }

  /** @returns the number of items once no more are made */
  async function itemsAtRest(): Promise<number> {
    let before = -1;
    const isAtRest = async () => {
      const now = made.items;
      await delay(300);
      const rests = now > 0 && now === made.items && now === before;
      before = made.items;
      return rests;
    };
    await until(isAtRest, WAIT_MS, "no more are made");
    return made.items;
  }

  test("makes no more than a client takes, and is given up when it takes nothing", async () => {
    const { port } = await serve(3000);
    const socket = await deaf(port, "/api/v1/routes");
    // What the client's kernel and this one's keep, and what is on its way.
    expect(await itemsAtRest()).toBeLessThan(20_000);
    await until(() => made.ended === 1, WAIT_MS, "it is given up");
    socket.resume();
    await until(() => socket.destroyed, WAIT_MS, "the connection is closed");
  });

  test("is given up when the client goes", async () => {
    const { port } = await serve(60_000);
    const clients = await Promise.all([1, 2, 3].map(() => deaf(port, "/api/v1/routes")));
    await itemsAtRest();
    for (const socket of clients) socket.destroy();
    await until(() => made.ended === 3, WAIT_MS, "all are given up");
  });

  test("has one who listens to events, and hears nothing, told how many it missed", async () => {
    const { port } = await serve(60_000);
    const socket = await deaf(port, "/api/v1/events");
    await until(() => watchers.size === 1, WAIT_MS, "it listens");
    const event = { at_ms: 0, level: "info", id: "operator", neighbor: null };
    for (let n = 0; n < 20_000; n++) {
      for (const heard of watchers) heard({ ...event, message: `${n} ${"x".repeat(1000)}` });
      if (n % 100 === 0) await delay(1);
    }
    // What is answered now was asked behind them.
    const behind = await fetch(`http://${LOOPBACK}:${port}/api/v1/routes`);
    await behind.body?.cancel();
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.resume();
    const missed = () => [...text.matchAll(/^event: missed\r?\ndata: \{"count":(\d+)\}/gm)];
    await until(() => missed().length > 0, WAIT_MS, "it is told");
    const all = () =>
      missed().reduce((sum, [, count]) => sum + Number(count), 0) +
      [...text.matchAll(/^event: operator\r?$/gm)].length;
    await until(() => all() === 20_000, WAIT_MS, "all are told or counted");
    socket.destroy();
    await until(() => watchers.size === 0, WAIT_MS, "nobody listens any more");
  });
});

test("a flood of questions keeps no KEEPALIVE waiting, takes little memory, and ends", () => {
  const address = neighborAddress(1);
  const defaults = { passive: true, import: "accept-all", export: "accept-all" };
  const neighbors = [{ address, as: 65001, "hold-time": HOLD_TIME_SECONDS }];
  return withSpeaker({ defaults, neighbors }, async (speaker) => {
    const peer = await Peer.establish({
      ...{ port: speaker.port, localAddress: address, as: 65001 },
      holdTimeSeconds: HOLD_TIME_SECONDS,
    });
    await peer.sendAll(manyRoutes({ as: 65001, count: 50_000 }));
    const isThere = async () => (await speaker.neighbor(address)).families[0]?.received === 50_000;
    await until(isThere, WAIT_MS, "all routes are there");
    const before = speaker.residentMb();
    const base = `http://${LOOPBACK}:${speaker.httpPort}/api/v1`;
    const floods = Array.from({ length: 60 }, (_, n) =>
      deaf(speaker.httpPort, "/api/v1/routes?as=1", `127.0.1.${1 + (n % 8)}`),
    );
    await Promise.all(floods);
    for (let n = 0; n < 20; n++) {
      await deaf(speaker.httpPort, "/api/v1/routes", `127.0.2.${1 + (n % 4)}`);
      await delay(20);
    }
    const fair = async () => (await fetch(`${base}/routes?limit=5`)).status === 200;
    await until(fair, 3 * WAIT_MS, "one who asks fairly is answered");
    expect(speaker.residentMb() - before).toBeLessThan(250);
    await delay(HOLD_TIME_SECONDS * 1000);
    expect(peer.closed).toBe(false);
    peer.end();
  });
});
