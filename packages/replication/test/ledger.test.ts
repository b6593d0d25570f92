/** What is kept of a connection, against models that keep everything. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Ledger, SendBuffer } from "../src/index.ts";

const step = fc.oneof(
  fc.record({ append: fc.uint8Array({ maxLength: 9 }) }),
  // Also less than before, and more than there is.
  fc.record({ acknowledge: fc.integer({ min: -5, max: 40 }) }),
  fc.record({ from: fc.nat(30) }),
);

const octetsFrom = (buffer: SendBuffer, total: number) =>
  buffer.from(total).flatMap((piece) => [...piece]);

describe("a send buffer", () => {
  test("has the octets that are not acknowledged, as a list of all of them would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buffer = new SendBuffer(true);
        const all: number[] = [];
        let acked = 0;
        for (const each of steps) {
          if ("append" in each) {
            buffer.append(each.append);
            all.push(...each.append);
          } else if ("acknowledge" in each) {
            const total = acked + each.acknowledge;
            buffer.acknowledge(total);
            if (total > acked && total <= all.length) acked = total;
          } else {
            const from = Math.min(all.length, acked + each.from);
            expect(octetsFrom(buffer, from)).toEqual(all.slice(from));
          }
          expect([buffer.appended, buffer.acked]).toEqual([all.length, acked]);
        }
        expect(octetsFrom(buffer, acked)).toEqual(all.slice(acked));
      }),
    );
  });

  test("hands on what is large as it is, and what is small in pieces that are not", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(1, 60, 4095, 4096, 9000), { maxLength: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (lengths, share) => {
          const buffer = new SendBuffer(true);
          const appended = lengths.map((length, at) => new Uint8Array(length).fill(at));
          for (const octets of appended) buffer.append(octets);
          const all = appended.flatMap((octets) => [...octets]);
          const from = Math.floor(share * all.length);
          const pieces = buffer.from(from);
          expect(pieces.flatMap((octets) => [...octets])).toEqual(all.slice(from));
          const memories = new Set<ArrayBufferLike>(appended.map((octets) => octets.buffer));
          for (const [at, piece] of pieces.entries()) {
            if (memories.has(piece.buffer)) expect(piece.length).toBeGreaterThanOrEqual(4096);
            const next = pieces[at + 1];
            const isEnd = next === undefined || memories.has(next.buffer);
            if (!isEnd) expect(piece.length).toBeGreaterThanOrEqual(4096);
          }
        },
      ),
    );
  });

  test("that keeps nothing counts all the same", () => {
    const buffer = new SendBuffer(false);
    buffer.append(new Uint8Array(5));
    buffer.acknowledge(3);
    buffer.append(new Uint8Array(4));
    buffer.acknowledge(9);
    expect([buffer.appended, buffer.acked]).toEqual([9, 9]);
  });
});

describe("a ledger", () => {
  const target = { neighbor: "192.0.2.1", port: 179, localAddress: null };
  const write = (connection: number, count: number) =>
    ({ do: "write", connection, octets: new Uint8Array(count) }) as const;

  test("has an attempt from its begin to its answer, or to its end", () => {
    const ledger = new Ledger();
    ledger.note([
      { do: "connect", connection: 1, target },
      { do: "connect", connection: 2, target },
      { do: "connect", connection: 3, target },
    ]);
    ledger.answered(1);
    ledger.note([{ do: "close", connection: 2 }]);
    expect([...ledger.attempts]).toEqual([[3, target]]);
  });

  test("counts what is written until a connection is closing", () => {
    const ledger = new Ledger();
    ledger.opened(1, { port: 1 });
    ledger.note([write(1, 5), { do: "close", connection: 1 }, write(1, 7), write(9, 1)]);
    const connection = ledger.connections.get(1)!;
    expect([connection.send.appended, connection.closing]).toEqual([5, true]);
    ledger.closed(1);
    expect(ledger.connections.size).toBe(0);
  });

  test("does not take for sent what was not written (I2)", () => {
    const ledger = new Ledger();
    ledger.opened(1, { port: 1 });
    ledger.note([write(1, 5)]);
    ledger.sent(1, 5);
    expect(() => ledger.sent(1, 1)).toThrow("does not hold: what is sent was written 1 6 5");
  });

  test("takes no notice of what is said of connections that are gone", () => {
    const ledger = new Ledger();
    ledger.received(1, 5);
    ledger.acknowledged(1, 5);
    ledger.sent(1, 5);
    ledger.closed(1);
    ledger.answered(1);
    expect([ledger.connections.size, ledger.attempts.size]).toEqual([0, 0]);
  });
});
