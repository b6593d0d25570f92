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
        const add = `takeover.addAddress(${service}); takeover.announceAddresses([${service}]);`;
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

    test("on an interface that does not exist is an error with its name", async () => {
      lab = createLab();
      const node = lab.node("only");
      const service = JSON.stringify({
        address: "192.0.2.1",
        prefixLength: 32,
        interface: "eth7",
      });
      await expect(run(node, `takeover.addAddress(${service});`)).rejects.toThrow(/eth7/);
    });
  },
);
