/** BMP version 4: each message has what that of version 3 has. */

import { encodeUpdate } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BmpBlock, BmpWriter, TABLE, toVersion4 } from "../src/index.ts";

const PEER = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 65001, identifier: 7 } as const;
const AT_MS = 1_700_000_000_123;
const OPEN = Uint8Array.of(
  ...new Array(16).fill(255),
  0,
  29,
  1,
  4,
  0xfd,
  0xe9,
  0,
  90,
  1,
  2,
  3,
  4,
  0,
);

const WRITES: Readonly<Record<string, (writer: BmpWriter, size: number) => void>> = {
  initiation: (writer, size) => writer.initiation("a", "b".repeat(size), null),
  termination: (writer) => writer.termination(0, "over"),
  up: (writer) => {
    const ends = { localAddress: PEER.address, localPort: 179, remotePort: 1790 };
    writer.peerUp(PEER, AT_MS, { ...ends, sentOpen: OPEN, receivedOpen: OPEN }, null);
  },
  down: (writer) => writer.peerDown(PEER, AT_MS, { reason: 2, event: 18 }),
  statistics: (writer, size) => {
    const one = { type: 7, value: 5, family: null };
    writer.statistics(PEER, AT_MS, new Array(size).fill(one));
  },
  mirror: (writer, size) => writer.mirror(PEER, AT_MS, new Uint8Array(size)),
  end: (writer) => writer.endOfRib(PEER, AT_MS, TABLE.ADJ_IN_PRE, 1),
  routes: (writer, size) => {
    const block = new BmpBlock(TABLE.ADJ_IN_PRE, AT_MS);
    const withdrawn = Array.from({ length: size + 1 }, (_, i) => `10.0.${i}.0/24`);
    const update = encodeUpdate({ withdrawn });
    for (let i = 0; i < 3; i++) block.update(update, 0, update.length);
    writer.block(PEER, block, 0, 3, 1 << 20);
  },
};

/** @returns messages as version 3 has them; throws where one is none of version 4 */
function readVersion4(octets: Uint8Array): Buffer[] {
  const all = Buffer.from(octets);
  const found: Buffer[] = [];
  for (let at = 0; at < all.length; ) {
    const length = all.readUInt32BE(at + 1);
    const message = all.subarray(at, at + length);
    expect([message[0], message.length]).toEqual([4, length]);
    const type = message[5]!;
    const tlv = type === 0 ? 4 : type === 1 ? 1 : null;
    let body = message.subarray(6);
    if (tlv !== null) {
      const head = type === 0 ? 6 : 4;
      expect([message.readUInt16BE(48), message.readUInt16BE(50)]).toEqual([
        tlv,
        length - 48 - head,
      ]);
      if (type === 0) expect(message.readUInt16BE(52)).toBe(0);
      body = Buffer.concat([message.subarray(6, 48), message.subarray(48 + head)]);
    }
    const first = Buffer.alloc(6, 3);
    first.writeUInt32BE(6 + body.length, 1);
    first[5] = type;
    found.push(Buffer.concat([first, body]));
    at += length;
  }
  return found;
}

test("any messages, one after the other", () => {
  const one = fc.tuple(fc.constantFrom(...Object.keys(WRITES)), fc.nat({ max: 200 }));
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), (messages) => {
      const writer = new BmpWriter();
      for (const [kind, size] of messages) WRITES[kind]!(writer, size);
      const octets = writer.take();
      expect(Buffer.concat(readVersion4(toVersion4(octets))).equals(octets)).toBe(true);
    }),
  );
});

test("the UPDATE of Route Monitoring is in a BGP Message TLV of index 0, and counters are in a Stats TLV", () => {
  const writer = new BmpWriter();
  writer.endOfRib(PEER, AT_MS, TABLE.ADJ_IN_PRE, 1);
  writer.statistics(PEER, AT_MS, [{ type: 7, value: 5, family: null }]);
  const hex = Buffer.from(toVersion4(writer.take())).toString("hex");
  const peer =
    "00000000000000000000" +
    "000000000000000000000000c0000201" +
    "0000fde9" +
    "00000007" +
    "6553f100" +
    "0001e078";
  const routes = `040000004d00${peer}000400170000${"ff".repeat(16)}00170200000000`;
  const statistics = `040000004401${peer}00010010000000010007000800000000${"00000005"}`;
  expect(hex).toBe(routes + statistics);
});
