/** The parts of the gate that need no kernel: reading packets, and the table of flows. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FLAG_ACK, FLAG_FIN, packet, readPacket } from "../src/gate-packet.ts";
import {
  addFlow,
  createFlowTable,
  findFlow,
  flowKey,
  flowState,
  isReleased,
  NO_SLOT,
  releaseFlow,
  removeFlow,
} from "../src/gate-table.ts";

const TCP = "00b3c351 11111111 fedcba98 5011 ffff 0000 0000";
const IPV4 = (headerWords: number, options = "", fragment = "4000") =>
  `4${headerWords.toString(16)}00 0000 0000 ${fragment} 40 06 0000 0a000001 0a000002 ${options}`;
const IPV6 = (next: string, headers = "") =>
  `60000000 0000 ${next} 40 fd${"00".repeat(14)}01 fd${"00".repeat(14)}02 ${headers}`;

const flow4 = [
  { address: "10.0.0.1", port: 179 },
  { address: "10.0.0.2", port: 50_001 },
] as const;
const flow6 = [
  { address: "fd00::1", port: 179 },
  { address: "fd00::2", port: 50_001 },
] as const;

const PACKETS = [
  ["IPv4", IPV4(5) + TCP, flow4],
  ["IPv4 with options", IPV4(7, "0102030405060708") + TCP, flow4],
  ["IPv4, first fragment", IPV4(5, "", "2000") + TCP, flow4],
  ["IPv6", IPV6("06") + TCP, flow6],
  ["IPv6 with hop-by-hop options", IPV6("00", "0600010400000000") + TCP, flow6],
  ["IPv6 with long options", IPV6("3c", `0601${"00".repeat(14)}`) + TCP, flow6],
  ["IPv6 with routing and options", IPV6("2b", "3c00000000000000 0600000000000000") + TCP, flow6],
  ["IPv6 with authentication", IPV6("33", `0604${"00".repeat(22)}`) + TCP, flow6],
  ["IPv6, first fragment", IPV6("2c", "0600000100000001") + TCP, flow6],
] as const;

const NOT_TCP = [
  ["nothing", ""],
  ["IPv4, UDP", IPV4(5).replace("40 06", "40 11") + TCP],
  ["IPv4, later fragment", IPV4(5, "", "0010") + TCP],
  ["IPv4, header too short", IPV4(4) + TCP],
  ["IPv4, cut off", IPV4(5) + TCP.slice(0, 24)],
  ["IPv6, ICMPv6", IPV6("3a") + TCP],
  ["IPv6, later fragment", IPV6("2c", "0600010000000001") + TCP],
  ["IPv6, no next header", IPV6("3b")],
  ["version 5", `55${IPV4(5).slice(2)}${TCP}`],
] as const;

function view(hex: string): DataView {
  const octets = Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  return new DataView(octets.buffer);
}

describe("a packet", () => {
  test.each(PACKETS)("is read: %s", (_, hex, [local, remote]) => {
    const octets = view(hex);
    expect(readPacket(octets, 0, octets.byteLength)).toBe(true);
    expect([...packet.key]).toEqual([...flowKey(local, remote)]);
    expect(packet.acknowledgement >>> 0).toBe(0xfedc_ba98);
    expect(packet.flags).toBe(FLAG_ACK | FLAG_FIN);
  });

  test.each(NOT_TCP)("is not taken for TCP: %s", (_, hex) => {
    const octets = view(hex);
    expect(readPacket(octets, 0, octets.byteLength)).toBe(false);
  });

  test.each(PACKETS)("cut off anywhere is not read beyond its end: %s", (_, hex) => {
    const whole = Buffer.from(hex.replaceAll(" ", ""), "hex");
    for (let length = 0; length < whole.length; length++) {
      const cut = view(whole.subarray(0, length).toString("hex"));
      readPacket(cut, 0, length);
    }
  });

  test("of arbitrary octets does not throw", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 160 }),
        fc.constantFrom(0x45, 0x60),
        (octets, first) => {
          if (octets.length > 0) octets[0] = first;
          readPacket(new DataView(octets.buffer), 0, octets.length);
        },
      ),
    );
  });
});

describe("the table of flows", () => {
  const flows = Array.from({ length: 24 }, (_, index) =>
    flowKey({ address: "10.0.0.1", port: 179 }, { address: `10.0.0.${index % 5}`, port: index }),
  );

  test("is a map, whatever is added and removed in whatever order", () => {
    const step = fc.record({
      flow: fc.nat(flows.length - 1),
      kind: fc.constantFrom("add", "remove", "release"),
      released: fc.integer({ min: 0, max: 0xffff_ffff }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = createFlowTable(flows.length);
        const model = new Map<number, number>();
        for (const { flow, kind, released } of steps) {
          const slot = findFlow(table, flows[flow]!);
          expect(slot === NO_SLOT).toBe(!model.has(flow));
          if (kind === "add") {
            addFlow(table, flows[flow]!, released);
            model.set(flow, released);
          } else if (slot !== NO_SLOT && kind === "remove") {
            removeFlow(table, slot);
            model.delete(flow);
          } else if (slot !== NO_SLOT) {
            releaseFlow(table, slot, released);
            model.set(flow, released);
          }
        }
        for (const [flow, released] of model) {
          const slot = findFlow(table, flows[flow]!);
          expect(isReleased(table, slot, released | 0)).toBe(true);
          expect(isReleased(table, slot, (released + 1) | 0)).toBe(false);
          expect(isReleased(table, slot, (released - 1) | 0)).toBe(true);
        }
      }),
    );
  });

  test("tells a flow from a later one in the same slot", () => {
    const table = createFlowTable(4);
    const slot = addFlow(table, flows[0]!, 0);
    const before = flowState(table, slot);
    removeFlow(table, slot);
    expect(flowState(table, slot)).not.toBe(before);
    expect(addFlow(table, flows[0]!, 0)).toBe(slot);
    expect(flowState(table, slot)).not.toBe(before);
  });

  test("that is full says so", () => {
    const table = createFlowTable(1);
    addFlow(table, flows[0]!, 0);
    addFlow(table, flows[1]!, 0);
    expect(() => addFlow(table, flows[2]!, 0)).toThrow(/no room/);
    expect(findFlow(table, flows[2]!)).toBe(NO_SLOT);
  });
});
