/** Connections that are given to another process; both ends are this one here, which makes no difference to the kernel. */

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { descriptorOf, handOver, takeHandedOver } from "../src/index.ts";

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0).reverse()) end();
});

/** @returns the path of a socket, and the streams that come to it, of which nothing is read */
async function receiver(): Promise<{ path: string; next: () => Promise<net.Socket> }> {
  const folder = mkdtempSync(join(tmpdir(), "tsbgp-hand-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s.sock");
  const server = net.createServer({ pauseOnConnect: true });
  ends.push(() => server.close());
  const streams: net.Socket[] = [];
  server.on("connection", (stream) => {
    streams.push(stream);
    ends.push(() => stream.destroy());
  });
  server.listen(path);
  await once(server, "listening");
  const next = async () => {
    if (streams.length === 0) await once(server, "connection");
    return streams.shift()!;
  };
  return { path, next };
}

test("a connection that was handed over is the same one to its peer", async () => {
  const { path, next } = await receiver();
  const server = net.createServer((socket) => {
    expect(handOver(path, descriptorOf(socket))).toBe(true);
    socket.destroy();
  });
  ends.push(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const peer = net.connect(port, "127.0.0.1");
  ends.push(() => peer.destroy());
  peer.write("early");
  const stream = await next();
  const fd = takeHandedOver(descriptorOf(stream)) as number;
  const socket = new net.Socket({ fd, readable: true, writable: true });
  ends.push(() => socket.destroy());
  expect([socket.remotePort, socket.localPort]).toEqual([peer.localPort, port]);
  const [octets] = await once(socket, "data");
  expect(String(octets)).toBe("early");
  socket.write("late");
  expect(String((await once(peer, "data"))[0])).toBe("late");
});

test("nobody there, and somebody who hands nothing over", async () => {
  const { path, next } = await receiver();
  expect(handOver(`${path}.x`, 0)).toBe(false);
  const somebody = net.connect(path);
  ends.push(() => somebody.destroy());
  const stream = await next();
  expect(takeHandedOver(descriptorOf(stream))).toBe("waits");
  somebody.write("x");
  somebody.end();
  const taken = () => takeHandedOver(descriptorOf(stream));
  let what = taken();
  while (what === "waits") {
    await new Promise((resolve) => setTimeout(resolve, 5));
    what = taken();
  }
  expect([what, taken()]).toEqual([null, null]);
});
