/** Service addresses on a segment with other hosts. */

import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { createLab, type Lab, type LabNode } from "../../../test/lab/netns.ts";
import { announcements, claimant, question } from "../src/neighbor-frames.ts";
import { noLabReason, until } from "./support/ends.ts";

const INDEX = fileURLToPath(new URL("../src/index.ts", import.meta.url));
const MAC = Buffer.from("020000000001", "hex");
const IPV4 = Buffer.from("c0000201", "hex");
const IPV6 = Buffer.from("fd000000000000000000000000000100", "hex");

describe("a frame", () => {
  test("announces an IPv4 address as request and as reply", () => {
    expect(announcements(IPV4, MAC).map((frame) => frame.toString("hex"))).toEqual([
      "ffffffffffff0200000000010806" + "0001080006040001020000000001c0000201000000000000c0000201",
      "ffffffffffff0200000000010806" + "0001080006040002020000000001c0000201ffffffffffffc0000201",
    ]);
  });

  test("asks for an IPv4 address from no address", () => {
    expect(question(IPV4, MAC).toString("hex")).toBe(
      "ffffffffffff0200000000010806" + "000108000604000102000000000100000000000000000000c0000201",
    );
  });

  test("of the other host claims, the own does not", () => {
    const other = Buffer.from("020000000002", "hex");
    for (const address of [IPV4, IPV6]) {
      for (const frame of announcements(address, other)) {
        expect(claimant(frame, address, MAC)).toEqual(Uint8Array.from(other));
        expect(claimant(frame, address, other)).toBeNull();
        expect(claimant(frame.subarray(0, 40), address, MAC)).toBeNull();
      }
      expect(claimant(question(address, other), address, MAC)).toBeNull();
    }
  });

  test("of arbitrary octets does not throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        for (const address of [IPV4, IPV6]) claimant(octets, address, MAC);
      }),
    );
  });
});

describe.skipIf(noLabReason !== null)(
  `a service address (${noLabReason ?? "on a segment"})`,
  () => {
    let lab: Lab | null = null;
    afterEach(() => {
      lab?.remove();
      lab = null;
    });

    /** Runs a few lines with the package in a node. */
    async function run(node: LabNode, lines: string): Promise<string> {
      const program = `import * as takeover from ${JSON.stringify(INDEX)};\n${lines}`;
      const argv = [process.execPath, "--input-type=module", "-e", program];
      const { code, stdout, stderr } = await node.run(argv);
      if (code !== 0) throw new Error(stderr);
      return stdout.trim();
    }

    test.each([
      ["IPv4", "10.0.0.100", 32],
      ["IPv6", "fd00::100", 128],
    ] as const)(
      "moves from host to host at once, and is found in use: %s",
      async (_, address, prefixLength) => {
        lab = createLab();
        const [peer, first, second] = ["peer", "first", "second"].map((name) =>
          lab!.node(name),
        ) as [LabNode, LabNode, LabNode];
        const service = JSON.stringify({ address, prefixLength, interface: "eth0" });
        const add = `takeover.addAddresses([${service}]); takeover.announceAddresses([${service}]);`;
        const who = `console.log(await takeover.whoHas(${service}, 100));`;
        const macOf = async (node: LabNode) =>
          /ether (\S+)/.exec((await node.run(["ip", "link", "show", "eth0"])).stdout)?.[1];
        const knows = async (mac: string | undefined) => {
          const { stdout } = await peer.run(["ip", "neighbor", "show", address]);
          return mac !== undefined && stdout.includes(mac);
        };
        expect(await run(second, who)).toBe("null");
        // Once more is no mistake.
        await run(first, `${add} ${add}`);
        const firstMac = await macOf(first);
        const found = await run(second, who);
        expect(found).toBe(firstMac);
        // The peer has talked to the first.
        const family = address.includes(":") ? "AF_INET6" : "AF_INET";
        const socket = `socket.socket(socket.${family}, socket.SOCK_DGRAM)`;
        const reach = `import socket; ${socket}.sendto(b"x", ("${address}", 9))`;
        await peer.run(["python3", "-c", reach]);
        await until("entry", () => knows(firstMac));
        const remove = `takeover.removeAddress(${service})`;
        expect(await run(first, `console.log(${remove}, ${remove});`)).toBe("true false");
        await run(second, add);
        const secondMac = await macOf(second);
        await until("the new entry", () => knows(secondMac));
        const { stdout } = await second.run(["ip", "address", "show", "dev", "eth0"]);
        expect(stdout).toContain(`${address}/${prefixLength}`);
        expect(stdout).not.toContain("tentative");
      },
    );

    test("of IPv6 is asked from at once, and each neighbor has to answer once", async () => {
      lab = createLab();
      const [peer, host] = ["peer", "host"].map((name) => lab!.node(name)) as [LabNode, LabNode];
      const service = { address: "fd00::100", prefixLength: 128, interface: "eth0" };
      const rounds = 30;
      const solicitations = async () => {
        const { stdout } = await peer.run(["cat", "/proc/net/snmp6"]);
        return Number(/Icmp6InNeighborSolicits\s+(\d+)/.exec(stdout)![1]);
      };
      const before = await solicitations();
      // What the address can be used for before it takes what comes to it: another thread sends all the time.
      const lines = `
        import { execFileSync } from "node:child_process";
        const service = ${JSON.stringify(service)};
        const fd = takeover.openUdpSender("ipv6", service.address, 9999);
        const to = { address: ${JSON.stringify(peer.address6)}, port: 9 };
        const isKnown = () =>
          /REACHABLE|STALE|DELAY|PROBE/.test(execFileSync("ip", ["neighbor", "show", to.address]).toString());
        for (let round = 0; round < ${rounds}; round++) {
          takeover.removeAddress(service);
          execFileSync("ip", ["neighbor", "flush", "dev", "eth0"]);
          takeover.addAddresses([service]);
          takeover.sendUdp(fd, to, Buffer.from("x"));
          while (!isKnown());
        }`;
      await run(host, lines);
      expect((await solicitations()) - before).toBe(rounds);
    });

    test("of IPv6 has those forgotten who were asked and have not answered, and no others", async () => {
      lab = createLab();
      const [peer, host] = ["peer", "host"].map((name) => lab!.node(name)) as [LabNode, LabNode];
      const service = { address: "fd00::100", prefixLength: 128, interface: "eth0" };
      const lines = `
        import { execFileSync } from "node:child_process";
        const fd = takeover.openUdpSender("ipv6", null, 9999);
        const shown = () => execFileSync("ip", ["-6", "neighbor", "show"]).toString();
        for (const address of [${JSON.stringify(peer.address6)}, "fd00::dead"]) {
          takeover.sendUdp(fd, { address, port: 9 }, Buffer.from("x"));
          while (!shown().includes(address));
        }
        if (!/fd00::dead.*INCOMPLETE/.test(shown())) throw new Error(shown());
        takeover.addAddresses([${JSON.stringify(service)}]);
        console.log(shown());`;
      const left = await run(host, lines);
      expect(left).not.toContain("fd00::dead");
      expect(left).toContain(peer.address6);
    });

    test("on an interface that does not exist is an error with its name", async () => {
      lab = createLab();
      const node = lab.node("only");
      const service = JSON.stringify({
        address: "192.0.2.1",
        prefixLength: 32,
        interface: "eth7",
      });
      await expect(run(node, `takeover.addAddresses([${service}]);`)).rejects.toThrow(/eth7/);
    });
  },
);
