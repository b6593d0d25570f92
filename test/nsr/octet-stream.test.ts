import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OctetStream } from "../../chaos/octet-stream.ts";
import { PcapReader, type Segment } from "../../chaos/pcap.ts";
import { captureFile, frame } from "./packets.ts";

describe("a capture file", () => {
  const packets = [
    { from: "10.0.0.1", to: "10.0.0.2", ports: [179, 4000], payload: Uint8Array.of(1, 2, 3) },
    { from: "fd00:0:0:0:0:0:0:1", to: "fd00:0:0:0:0:0:0:2", ports: [4001, 179], payload: [9] },
    { from: "10.0.0.2", to: "10.0.0.1", ports: [4000, 179], payload: [] },
  ].map(({ from, to, ports, payload }, i) => {
    const timeMs = 1_700_000_000_000 + 10 * i;
    const both = ports as [number, number];
    const octets = Uint8Array.from(payload);
    const segment = { timeMs, from, to, ports: both, sequence: 0xfffffff0 + i, flags: 16 };
    return { timeMs, frame: frame({ ...segment, payload: octets }) };
  });
  const shown = ({ from, to, fromPort, toPort, sequence, payload, timeMs }: Segment) =>
    `${timeMs % 1000} ${from} ${fromPort} ${to} ${toPort} ${sequence} ${[...payload]}`;
  const expected = [
    "0 10.0.0.1 179 10.0.0.2 4000 4294967280 1,2,3",
    "10 fd00::1 4001 fd00::2 179 4294967281 9",
    "20 10.0.0.2 4000 10.0.0.1 179 4294967282 ",
  ];

  test.each([false, true])("is read, with nanoseconds: %s", (nanoseconds) => {
    const read = [...new PcapReader().read(captureFile(packets, nanoseconds))];
    expect(read.map(shown)).toEqual(expected);
  });

  test("may grow by any number of octets at a time", () => {
    const file = captureFile(packets);
    fc.assert(
      fc.property(fc.array(fc.nat(file.length), { maxLength: 8 }), (cuts) => {
        const reader = new PcapReader();
        const ends = [...cuts, file.length].sort((a, b) => a - b);
        const read: string[] = [];
        let at = 0;
        for (const end of ends) {
          for (const segment of reader.read(file.subarray(at, end))) read.push(shown(segment));
          at = end;
        }
        expect(read).toEqual(expected);
      }),
    );
  });

  test("has frames that are no TCP, which are left out", () => {
    const udp = Uint8Array.from(packets[0]!.frame);
    udp[23] = 17;
    const arp = Uint8Array.from(packets[0]!.frame);
    arp[13] = 6;
    const cut = packets[0]!.frame.subarray(0, 40);
    const frames = [udp, arp, cut, new Uint8Array(3)].map((one) => ({ timeMs: 0, frame: one }));
    expect([...new PcapReader().read(captureFile(frames))]).toEqual([]);
  });

  test("of another kind is refused", () => {
    expect(() => [...new PcapReader().read(Buffer.alloc(24))]).toThrow("Ethernet");
  });
});

describe("a stream of octets", () => {
  test("comes out whole and once, however it is cut, repeated and put out of order", () => {
    const pieces = fc.array(fc.tuple(fc.nat(99), fc.integer({ min: 1, max: 30 })), {
      maxLength: 40,
    });
    // Around the place where sequence numbers wrap, too.
    const firsts = fc.oneof(fc.constant(0xffff_ffd0), fc.nat(0xffff_ffff));
    fc.assert(
      fc.property(pieces, firsts, (cuts, first) => {
        const text = Uint8Array.from({ length: 100 }, (_, i) => (i * 7) & 0xff);
        const out: number[] = [];
        const stream = new OctetStream((octets) => out.push(...octets));
        stream.begin(first);
        const everything = Array.from({ length: 10 }, (_, i): [number, number] => [10 * i, 10]);
        for (const [at, length] of [...cuts, ...everything]) {
          stream.take((first + at) >>> 0, text.subarray(at, at + length));
        }
        expect(out).toEqual([...text]);
        expect(stream.rewrittenAt).toBeNull();
        expect(stream.waitingOctets).toBe(0);
      }),
    );
  });

  test("that says something else the second time is found out, at the very octet", () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(20), fc.integer({ min: 1, max: 255 }), (at, before, by) => {
        const text = Uint8Array.from({ length: 100 }, (_, i) => i);
        const stream = new OctetStream(() => {});
        stream.begin(5);
        stream.take(5, text);
        const again = Uint8Array.from(text);
        again[at] = again[at]! ^ by;
        const from = Math.max(0, at - before);
        stream.take(5 + from, again.subarray(from));
        expect(stream.rewrittenAt).toBe(at);
      }),
    );
  });

  test("with a hole stops at it", () => {
    const stream = new OctetStream(() => {});
    stream.begin(0);
    stream.take(0, new Uint8Array(10));
    stream.take(11, new Uint8Array(10));
    expect([stream.position, stream.waitingOctets, stream.jumps]).toEqual([10, 10, 1]);
  });
});
