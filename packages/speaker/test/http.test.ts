/** Whatever is asked for over HTTP, the speaker lives on. */
import { once } from "node:events";
import type http from "node:http";
import net, { type AddressInfo } from "node:net";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createHttpServer } from "../src/http.ts";

let server: http.Server;

beforeAll(async () => {
  server = createHttpServer(new Registry(), () => ({ ok: true }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterAll(() => server.close());

/** @returns the status that a request line is answered with */
async function statusOf(requestLine: string): Promise<number> {
  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.end(`${requestLine} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  let text = "";
  for await (const octets of socket) text += octets;
  return Number(text.split(" ")[1]);
}

test.each([
  ["GET /metrics", 200],
  ["GET /metrics?name=up", 200],
  ["HEAD /healthz", 200],
  ["GET /", 404],
  ["GET //", 404],
  ["GET //[", 404],
  ["GET *", 404],
  ["GET http://", 404],
  ["GET /%zz", 404],
  ["POST /metrics", 405],
  ["GARBAGE", 400],
])("%s is answered with %d", async (requestLine, status) => {
  expect(await statusOf(requestLine)).toBe(status);
});

test("a fault in the metrics is answered and told, and the next request is answered", async () => {
  const fault = vi.fn();
  const error = new Error("out of order");
  const broken = { contentType: "text/plain", metrics: () => Promise.reject(error) };
  const faulty = createHttpServer(broken, () => ({ ok: true }), fault).listen(0, "127.0.0.1");
  await once(faulty, "listening");
  const { port } = faulty.address() as AddressInfo;
  const statusAt = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;
  expect([await statusAt("/metrics"), await statusAt("/healthz")]).toEqual([500, 200]);
  expect(fault).toHaveBeenCalledExactlyOnceWith("metrics", error);
  faulty.close();
});
