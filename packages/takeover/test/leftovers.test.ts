/** Connections of the kernel's tables, and their end. */

import net from "node:net";
import { expect, test } from "vitest";
import { connectionsIn, destroyConnectionsOf } from "../src/leftovers.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid";
const REST = "00000000:00000000 00:00000000 00000000     0        0 1 1 0000000000000000";

test("of /proc/net/tcp, those that do not listen are read with both ends", () => {
  const table = `${HEAD}
   0: 0100007F:00B3 00000000:0000 0A ${REST}
   1: 0A00000A:00B3 0200000A:9C40 01 ${REST}
   2: 0A00000A:9C41 0200000A:00B3 04 ${REST}
`;
  expect(connectionsIn(table)).toEqual([
    { local: { address: "10.0.0.10", port: 179 }, remote: { address: "10.0.0.2", port: 40000 } },
    { local: { address: "10.0.0.10", port: 40001 }, remote: { address: "10.0.0.2", port: 179 } },
  ]);
});

test("IPv6 addresses are in words of the machine", () => {
  const table = `${HEAD}
   0: 000000FD000000000000000001000000:00B3 000000FD000000000000000002000000:9C40 01 ${REST}
`;
  expect(connectionsIn(table)).toEqual([
    { local: { address: "fd00::1", port: 179 }, remote: { address: "fd00::2", port: 40000 } },
  ]);
});

test("an empty table has none", () => {
  expect(connectionsIn("")).toEqual([]);
});

test.skipIf(process.getuid?.() !== 0)("all of an address are ended, and no others", async () => {
  const server = net.createServer((socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as net.AddressInfo;
  const open = (localAddress: string) =>
    new Promise<net.Socket>((resolve) => {
      const socket = net.connect({ host: "127.0.0.1", port, localAddress }, () => resolve(socket));
    });
  const [doomed, other] = [await open("127.0.44.1"), await open("127.0.44.2")];
  const ended = new Promise((resolve) => doomed.once("error", resolve));
  expect(destroyConnectionsOf(["127.0.44.1"])).toBe(1);
  await ended;
  expect(other.destroyed).toBe(false);
  other.destroy();
  server.close();
});
