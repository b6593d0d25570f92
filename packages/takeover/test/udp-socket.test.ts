/** UDP sockets that let in what comes from the next hop alone, and send from addresses of others. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { closeUdp, openUdpReceiver, openUdpSender, sendUdp } from "../src/index.ts";

const REASON = enterOwnNetwork();
const WAIT_MS = 5000;
const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

function received(ip: "ipv4" | "ipv6", port: number, isDirect: boolean): string[] {
  const socket = createSocket(ip === "ipv4" ? "udp4" : "udp6");
  const texts: string[] = [];
  socket.on("message", (octets, { address }) => texts.push(`${octets} from ${address}`));
  socket.bind({ fd: openUdpReceiver(ip, port, isDirect) });
  ends.push(() => socket.close());
  return texts;
}

test.skipIf(REASON !== null).each([
  ["ipv4", "127.0.0.1", 4001],
  ["ipv6", "::1", 4002],
] as const)(
  "%s: only what no router has passed on is let in, where that is wanted",
  async (ip, address, port) => {
    const [direct, any] = [received(ip, port, true), received(ip, port + 100, false)];
    const other = createSocket(ip === "ipv4" ? "udp4" : "udp6").bind(0, address);
    await once(other, "listening");
    ends.push(() => other.close());
    other.setTTL(254);
    const fd = openUdpSender(ip, null, port + 200);
    ends.push(() => closeUdp(fd));
    for (const to of [port, port + 100]) {
      other.send("far", to, address);
      await until(() => any.length > 0 || to === port, WAIT_MS, "the first one has come");
      expect(sendUdp(fd, { address, port: to }, Buffer.from("near"))).toBe(0);
    }
    await until(() => any.length === 2 && direct.length > 0, WAIT_MS, "all have come");
    expect(any).toEqual([`far from ${address}`, `near from ${address}`]);
    expect(direct).toEqual([`near from ${address}`]);
  },
);

test.skipIf(REASON !== null)("an address that is elsewhere is sent from", async () => {
  const texts = received("ipv4", 4010, true);
  const fd = openUdpSender("ipv4", "192.0.2.77", 4011);
  ends.push(() => closeUdp(fd));
  await until(
    () => {
      sendUdp(fd, { address: "127.0.0.1", port: 4010 }, Buffer.from("x"));
      return texts.length > 0;
    },
    WAIT_MS,
    "a packet has come",
  );
  expect(texts[0]).toBe("x from 192.0.2.77");
});
