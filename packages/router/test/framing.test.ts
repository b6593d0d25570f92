/** Octets to messages: wherever TCP cuts the stream, the router sees the same. */

import {
  EXTENDED_MESSAGE_OCTETS_MAX,
  encodeUpdate,
  Fault,
  KEEPALIVE_OCTETS,
  MESSAGE_OCTETS_MAX,
} from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { InputQueue } from "../src/input-queue.ts";

const YAML = yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: 192.0.2.1, as: 65001 }
  - { address: 192.0.2.2, as: 65002 }
`);

/** Octets of a session with a bit of everything. */
function script(peer: Peer): Uint8Array {
  const parts = [
    peer.open,
    KEEPALIVE_OCTETS,
    peer.updateOf(["10.1.0.0/16", "10.2.0.0/16"], { communities: ["65001:1"] }),
    KEEPALIVE_OCTETS,
    peer.updateOf(["10.2.0.0/16"], { path: [65001, 64999], med: 5 }),
    peer.encode(["10.1.0.0/16"], [], []),
    peer.updateOf(["10.3.0.0/16"], { more: [{ type: 200, value: "00".repeat(300) }] }),
    peer.encode([], [], []),
  ];
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** What comes of the script, for the peer and for another one. */
function outcome(cut: (octets: Uint8Array) => Uint8Array[], slicesBetween: boolean): unknown {
  const lab = new Lab(YAML);
  const b = lab.peer("192.0.2.2", { as: 65002 }).up();
  const a = lab.peer("192.0.2.1", { as: 65001 });
  const wire = a.connect(false);
  for (const piece of cut(script(a))) {
    wire.feed(piece);
    if (slicesBetween) lab.run();
  }
  lab.run();
  const sent = wire.messages.map(({ type }) => type);
  const { received } = lab.neighbor(a.address);
  return { sent, received, table: b.table };
}

function cutAt(places: readonly number[]): (octets: Uint8Array) => Uint8Array[] {
  return (octets) => {
    const ends = [...new Set([...places, octets.length])].sort((x, y) => x - y);
    return ends.map((end, i) => octets.slice(i === 0 ? 0 : ends[i - 1]!, end));
  };
}

describe("a stream of messages gives the same result", () => {
  const whole = outcome((octets) => [octets], false);
  const lab = new Lab(YAML);
  const { length } = script(lab.peer("192.0.2.1", { as: 65001 }));

  test("which is what it says", () => {
    expect(whole).toMatchObject({
      sent: ["OPEN", "KEEPALIVE", "UPDATE"],
      received: { open: 1, keepalive: 2, update: 5 },
      table: {
        "10.2.0.0/16": { path: "64500 65001 64999" },
        "10.3.0.0/16": { UNKNOWN: "00".repeat(300) },
      },
    });
  });

  test("cut at any one octet", () => {
    for (let place = 1; place < length; place++) {
      expect(outcome(cutAt([place]), place % 2 === 0), `cut at ${place}`).toEqual(whole);
    }
  });

  test("octet by octet", () => {
    const every = Array.from({ length }, (_, i) => i);
    expect(outcome(cutAt(every), false)).toEqual(whole);
    expect(outcome(cutAt(every), true)).toEqual(whole);
  });

  test("cut anywhere, any number of times", () => {
    const places = fc.array(fc.integer({ min: 1, max: length - 1 }), { maxLength: 12 });
    fc.assert(
      fc.property(places, fc.boolean(), (cuts, slices) => {
        expect(outcome(cutAt(cuts), slices)).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });
});

describe("the input queue", () => {
  test("finds messages of every length, cut anywhere, and counts what is left", () => {
    const update = (attributes: number) =>
      encodeUpdate({ attributes: [{ type: 200, value: "ab".repeat(attributes) }] });
    const message = fc.oneof(
      fc.constant(KEEPALIVE_OCTETS),
      fc.integer({ min: 0, max: 2000 }).map(update),
      fc.integer({ min: 60_000, max: 65_400 }).map(update),
    );
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (messages, sizes, readsBetween) => {
          const queue = new InputQueue();
          const found: Uint8Array[] = [];
          const read = () => {
            while (queue.next(EXTENDED_MESSAGE_OCTETS_MAX) !== 0) {
              found.push(queue.buf.slice(queue.at, queue.end));
            }
          };
          const stream = messages.flatMap((octets) => [...octets]);
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = sizes[i % sizes.length]!;
            queue.push(Uint8Array.from(stream.slice(at, at + size)));
            at += size;
            if (readsBetween) read();
          }
          read();
          expect(found.map((octets) => octets.length)).toEqual(messages.map((m) => m.length));
          expect(found.every((octets, i) => octets.every((o, k) => o === messages[i]![k]))).toBe(
            true,
          );
          expect(queue.octets).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("keeps what is not a whole message, in one piece for whoever asks", () => {
    const queue = new InputQueue();
    for (const octet of KEEPALIVE_OCTETS.subarray(0, 18)) queue.push(Uint8Array.of(octet));
    expect(queue.next(MESSAGE_OCTETS_MAX)).toBe(0);
    expect(queue.unread()).toEqual(KEEPALIVE_OCTETS.slice(0, 18));
    expect(queue.octets).toBe(18);
    queue.clear();
    expect(queue.octets).toBe(0);
    expect(queue.next(MESSAGE_OCTETS_MAX)).toBe(0);
  });

  test("tells a bad header as soon as it is there, in one chunk or several", () => {
    const bad = KEEPALIVE_OCTETS.slice();
    bad[16] = 0xff;
    for (const cut of [0, 1, 10, 18]) {
      const queue = new InputQueue();
      queue.push(bad.slice(0, cut));
      queue.push(bad.slice(cut));
      expect(queue.next(MESSAGE_OCTETS_MAX)).toBeInstanceOf(Fault);
    }
  });

  test("does not hold on to large chunks for the sake of a few octets", () => {
    const queue = new InputQueue();
    const chunk = new Uint8Array(19 * 1000 + 5);
    for (let i = 0; i < 1000; i++) chunk.set(KEEPALIVE_OCTETS, 19 * i);
    chunk.fill(0xff, 19_000);
    queue.push(chunk);
    while (queue.next(MESSAGE_OCTETS_MAX) !== 0);
    expect(queue.unread().buffer.byteLength).toBe(5);
    queue.push(KEEPALIVE_OCTETS.slice(5));
    expect(queue.next(MESSAGE_OCTETS_MAX)).toBe(19);
  });
});
