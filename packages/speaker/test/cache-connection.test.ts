/** The connection to a cache, with a cache that is no more than a socket. */

import { type AddressInfo, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { CacheConnection } from "../src/cache-connection.ts";

const WAIT_MS = 20_000;
const CACHE_RESPONSE = Uint8Array.of(2, 3, 0, 7, 0, 0, 0, 8);

test("what waits for this side for minutes does not end the connection", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await until(() => server.listening, WAIT_MS, "the cache listens");
  const { port } = server.address() as AddressInfo;
  let nowMs = 0;
  let mayWork = false;
  const said: string[] = [];
  const config = {
    name: "cache",
    address: "127.0.0.1",
    port,
    preference: 100,
    password: null,
    tls: null,
  };
  const connection = new CacheConnection(config, {
    now: () => nowMs,
    mayWork: () => mayWork,
    lastEnd: () => null,
    misfit: () => null,
    payloads: () => {},
    payloadsEnd: () => {},
    say: (_, __, message) => said.push(message),
  });
  try {
    connection.tick();
    await until(() => sockets.length === 1, WAIT_MS, "a connection");
    sockets[0]!.write(CACHE_RESPONSE);
    await until(() => connection.show().state === "receiving", WAIT_MS, "an answer");
    // It may not read on, and does not while time passes.
    nowMs = 300_000;
    connection.tick();
    mayWork = true;
    connection.tick();
    expect([connection.show().state, said]).toEqual(["receiving", []]);
  } finally {
    connection.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
