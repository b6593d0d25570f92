/** What waits as parts of blocks is sent as if each part had been copied at once. */

import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { BmpBlock, BmpWriter, TABLE, toVersion4 } from "@ts-bgp/feeds-codec";
import { encodeUpdate } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { mayWait, Outbox } from "../src/outbox.ts";
import type { BlockPart } from "../src/wait-queue.ts";

const UPDATE = encodeUpdate({ withdrawn: ["10.1.1.0/24"] });
const LARGE = encodeUpdate({
  withdrawn: Array.from({ length: 900 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`),
});

/** A socket that reads buffers when it takes them, and gives them back filled with something else. */
class SlowSocket extends EventEmitter {
  writable = true;
  writableLength = 0;
  readonly taken: Buffer[] = [];
  /** The most that were there at one time. */
  buffersMax = 0;
  private written: { octets: Uint8Array; done: () => void }[] = [];

  cork(): void {}
  uncork(): void {}

  write(octets: Uint8Array, done: () => void): void {
    this.writableLength += octets.length;
    this.written.push({ octets, done });
    this.buffersMax = Math.max(this.buffersMax, this.written.length);
  }

  end(last: Uint8Array): void {
    this.write(last, () => {});
    this.drain();
  }

  /** As Node.js does that: `drain` comes before the buffers are given back. */
  drain(): void {
    const { written } = this;
    this.written = [];
    this.writableLength = 0;
    for (const { octets } of written) this.taken.push(Buffer.from(octets));
    this.emit("drain");
    for (const { octets, done } of written) {
      octets.fill(0xee);
      done();
    }
  }
}

/** More often than any of these tests needs. */
function drainAll(socket: SlowSocket): void {
  for (let i = 0; i < 2000; i++) socket.drain();
}

function blockOf(messages: number, isLarge: boolean): BmpBlock {
  const block = new BmpBlock(TABLE.ADJ_OUT_POST, 1);
  const update = isLarge ? LARGE : UPDATE;
  for (let i = 0; i < messages; i++) block.update(update, 0, update.length);
  return block;
}

function copied({ peer, block, from, to, twoOctetAs }: BlockPart): Uint8Array {
  const writer = new BmpWriter();
  writer.block(peer, block, from, to, Number.POSITIVE_INFINITY, twoOctetAs);
  return writer.take();
}

const parts = fc
  .tuple(
    fc.integer({ min: 1, max: 300 }),
    fc.boolean(),
    fc.nat(),
    fc.nat(),
    fc.boolean(),
    fc.nat(255),
  )
  .map(([messages, isLarge, a, b, twoOctetAs, number]): BlockPart => {
    const from = a % messages;
    const to = from + 1 + (b % (messages - from));
    const address = Uint8Array.of(192, 0, 2, number);
    const peer = { type: 0, address, as: 65_000 + number, identifier: number } as const;
    return { peer, block: blockOf(messages, isLarge), from, to, twoOctetAs };
  });
const steps = fc.array(
  fc.oneof(
    fc.record({ part: parts }),
    fc.record({ octets: fc.uint8Array({ minLength: 1, maxLength: 50 }) }),
    fc.constant("flush" as const),
    fc.constant("drain" as const),
  ),
  { maxLength: 30 },
);

test("in order, with all that is counted, whenever the socket takes it", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const socket = new SlowSocket();
      const outbox = new Outbox(socket as unknown as Socket, Number.POSITIVE_INFINITY);
      const expected: Uint8Array[] = [];
      const octetsOf = (some: readonly Uint8Array[]) =>
        some.reduce((sum, { length }) => sum + length, 0);
      for (const step of all) {
        if (step === "drain") socket.drain();
        else if (step === "flush") outbox.push(new Uint8Array(0), false);
        else if ("part" in step) {
          expected.push(copied(step.part));
          outbox.pushPart(step.part);
        } else {
          expected.push(Uint8Array.from(step.octets));
          outbox.push(step.octets, true);
        }
        expect(outbox.octets + octetsOf(socket.taken)).toBe(octetsOf(expected));
      }
      outbox.push(new Uint8Array(0), false);
      drainAll(socket);
      expect(Buffer.concat(socket.taken).equals(Buffer.concat(expected))).toBe(true);
      expect(outbox.octetsSent).toBe(octetsOf(expected));
    }),
    { numRuns: 100 },
  );
});

test("much that waits is copied into a few buffers", () => {
  const socket = new SlowSocket();
  const outbox = new Outbox(socket as unknown as Socket, 1 << 20);
  const peer = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 1, identifier: 1 } as const;
  const block = blockOf(300, true);
  const part = { peer, block, from: 0, to: block.length, twoOctetAs: false };
  // All of one turn has room, and what follows while it waits has none.
  for (let i = 0; i < 20; i++) expect(outbox.pushPart(part)).toBe(true);
  outbox.push(new Uint8Array(0), false);
  expect(outbox.octets).toBe(20 * block.octetsOf(0, block.length));
  // Its memory is there once.
  expect(outbox.heldOctets).toBeLessThan(3 * block.octetsOf(0, block.length));
  expect(outbox.pushPart(part)).toBe(false);
  drainAll(socket);
  expect(outbox.octets).toBe(0);
  expect(socket.buffersMax).toBeLessThanOrEqual(3);
});

test("what waits as a part has at least half of what is kept for it", () => {
  fc.assert(
    fc.property(parts, (part) => {
      const octets = part.block.octetsOf(part.from, part.to);
      expect(octets).toBe(copied(part).length);
      const isMuch = octets >= part.block.octetsOf(0, part.block.length) / 2;
      expect(mayWait(part)).toBe(isMuch && octets >= 4096);
    }),
  );
});

test("a station of version 4 is told the same, in messages of that", () => {
  const told = ([3, 4] as const).map((version) => {
    const socket = new SlowSocket();
    const outbox = new Outbox(socket as unknown as Socket, 1 << 30, version);
    const writer = new BmpWriter();
    const peer = {
      type: 0,
      address: Uint8Array.of(192, 0, 2, 1),
      as: 65001,
      identifier: 1,
    } as const;
    const block = blockOf(300, true);
    for (let i = 0; i < 4; i++) {
      writer.statistics(peer, 1, [{ type: 7, value: i, family: null }]);
      outbox.push(writer.take(), true);
      outbox.pushPart({ peer, block, from: 0, to: block.length, twoOctetAs: false });
      outbox.push(new Uint8Array(0), false);
    }
    drainAll(socket);
    writer.termination(0, "over");
    outbox.end(writer.take());
    expect(outbox.octetsSent).toBeGreaterThan(1e6);
    return Buffer.concat(socket.taken);
  });
  expect(told[1]!.equals(toVersion4(told[0]!))).toBe(true);
});

test("parts with a few octets between them share buffers as well", () => {
  const socket = new SlowSocket();
  const outbox = new Outbox(socket as unknown as Socket, 1 << 30);
  const peer = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 65001, identifier: 1 } as const;
  const block = blockOf(2, true);
  for (let i = 0; i < 200; i++) {
    outbox.push(new Uint8Array(100), true);
    outbox.pushPart({ peer, block, from: 0, to: block.length, twoOctetAs: false });
  }
  outbox.push(new Uint8Array(0), false);
  drainAll(socket);
  expect(socket.taken.reduce((sum, { length }) => sum + length, 0)).toBe(outbox.octetsSent);
  expect(outbox.octets).toBe(0);
  expect(socket.buffersMax).toBeLessThanOrEqual(4);
});

test("a connection that ends is given nothing of what waits", () => {
  const socket = new SlowSocket();
  const outbox = new Outbox(socket as unknown as Socket, 1 << 30);
  const peer = { type: 0, address: Uint8Array.of(192, 0, 2, 1), as: 65001, identifier: 1 } as const;
  const block = blockOf(300, true);
  for (let i = 0; i < 8; i++) {
    outbox.pushPart({ peer, block, from: 0, to: block.length, twoOctetAs: false });
  }
  outbox.push(new Uint8Array(0), false);
  const { octetsSent } = outbox;
  socket.writable = false;
  socket.writableLength = 0;
  outbox.push(Uint8Array.of(1), false);
  socket.emit("drain");
  expect(outbox.octetsSent).toBe(octetsSent);
});
