/** What the kernel says of sockets whose options were set. */

import { once } from "node:events";
import net from "node:net";
import { expect, test } from "vitest";
import { descriptorOf, freeze, setListenOptions, setSessionOptions } from "../src/index.ts";
import { getU32, IPPROTO_IP, IPPROTO_IPV6 } from "../src/libc.ts";
import { openInRepair } from "../src/tcp-restore.ts";
import { leaveRepair } from "../src/tcp-state.ts";

const PROTECTION = { password: null, ttlSecurity: 0, ttl: 64, congestionControl: null };
const INTERNETWORK_CONTROL = 0xc0;

function trafficClassOf(fd: number, isIpv4: boolean): number {
  return isIpv4 ? getU32(fd, IPPROTO_IP, 1, "IP_TOS") : getU32(fd, IPPROTO_IPV6, 67, "TCLASS");
}

const isRoot = process.getuid?.() === 0;
test.each(["127.0.0.1", "::1"])(
  "packets leave as internetwork control from every kind of socket: %s",
  async (address) => {
    const isIpv4 = !address.includes(":");
    const server = net.createServer().listen(0, address);
    await once(server, "listening");
    setListenOptions(descriptorOf(server), isIpv4);
    const client = net.connect((server.address() as net.AddressInfo).port, address);
    const [accepted] = (await once(server, "connection")) as [net.Socket];
    if (client.connecting) await once(client, "connect");
    client.on("error", () => {});
    // Before it is set for the connection itself: so did the first segment.
    expect(trafficClassOf(descriptorOf(accepted), isIpv4)).toBe(INTERNETWORK_CONTROL);
    expect(trafficClassOf(descriptorOf(client), isIpv4)).toBe(0);
    setSessionOptions(descriptorOf(client), isIpv4, PROTECTION);
    expect(trafficClassOf(descriptorOf(client), isIpv4)).toBe(INTERNETWORK_CONTROL);
    if (isRoot) {
      const state = freeze(descriptorOf(accepted), 0)!;
      accepted.destroy();
      const rest = { asSent: [], elapsedMs: 0, protection: PROTECTION };
      const fd = openInRepair({ state, ...rest });
      expect(trafficClassOf(fd, isIpv4)).toBe(INTERNETWORK_CONTROL);
      leaveRepair(fd, { probe: false });
      new net.Socket({ fd }).destroy();
    }
    client.destroy();
    server.close();
  },
);
