import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CORPUS_MISSING, readVectors } from "../../../testkit/corpus.ts";
import {
  type DecodeOptions,
  decodeMessages,
  findAttribute,
  formatHex,
  MESSAGE,
  messageLength,
  nextAttribute,
  parseHex,
  type UpdateContext,
  UpdateReader,
} from "../src/index.ts";
import {
  AS2,
  EBGP,
  hex,
  IBGP,
  MANDATORY,
  MP_REACH,
  messageOf,
  ROUTE,
  updateOf,
} from "./support.ts";

const OPTIONS: readonly DecodeOptions[] = [
  { fourOctetAs: true, addPath: false, external: null },
  { fourOctetAs: false, addPath: true, external: false },
];

const CONTEXTS: readonly UpdateContext[] = [
  EBGP,
  { ...IBGP, addPath: 3 },
  { ...AS2, allowAsSet: true, allowConfed: true },
];

const reader = new UpdateReader();

/** All that a session takes from an UPDATE. */
function readAll(buf: Uint8Array, at: number, end: number, context: UpdateContext) {
  reader.read(buf, at, end, context);
  const sections = [reader.withdrawn, reader.announced, reader.unreachable, reader.reachable].map(
    ({ family, addPath, at: from, end: to }) => {
      expect(from).toBeLessThanOrEqual(to);
      if (from < to) expect([from >= at, to <= end]).toEqual([true, true]);
      return { family, addPath, octets: formatHex(buf, from, to) };
    },
  );
  const faults = reader.faults.map(({ action, reason, data }) => [action, reason, formatHex(data)]);
  const attributes: string[] = [];
  if (reader.action < 2) {
    for (const which of ["field", "mp"] as const) {
      const section = which === "field" ? reader.announced : reader.reachable;
      if (section.at === section.end || section.family === 0) continue;
      reader.canonical(which);
      attributes.push(formatHex(reader.attrs, reader.attrsAt, reader.attrsEnd));
      expectWalkable(reader.attrs, reader.attrsAt, reader.attrsEnd);
    }
  }
  return { action: reader.action, sections, faults, attributes, endOfRib: reader.endOfRib };
}

/** Canonical octets end where their last attribute does, ascend, and have the mandatory three. */
function expectWalkable(buf: Uint8Array, at: number, end: number): void {
  let last = -1;
  let i = at;
  while (i < end) {
    expect(buf[i + 1]!).toBeGreaterThan(last);
    last = buf[i + 1]!;
    i = nextAttribute(buf, i);
  }
  expect(i).toBe(end);
  for (const type of [1, 2, 3])
    expect(findAttribute(buf, at, end, type)).toBeGreaterThanOrEqual(at);
}

/** Reads octets as everything, twice: what stands around a message must not matter. */
function tryAll(octets: Uint8Array): void {
  for (const options of OPTIONS) {
    const messages = decodeMessages(octets, options);
    JSON.stringify(messages);
    const length = messages.reduce((sum, message) => sum + message.length, 0);
    expect(length).toBe(octets.length);
  }
  const whole = messageLength(octets, 0, octets.length, 65535);
  if (typeof whole !== "number" || whole === 0 || octets[18] !== MESSAGE.UPDATE) return;
  for (const context of CONTEXTS) {
    const [zeros, ones] = [0, 255].map((around) => {
      const buf = new Uint8Array(whole + 20).fill(around);
      buf.set(octets.subarray(0, whole), 10);
      return readAll(buf, 10, 10 + whole, context);
    });
    expect(ones).toEqual(zeros);
  }
}

/** One message of each kind, with all that can be in it. */
const OWN: readonly Uint8Array[] = [
  updateOf({ withdrawn: ROUTE, attributes: `${MANDATORY} ${MP_REACH}`, nlri: ROUTE }),
  updateOf({
    attributes:
      `${MANDATORY} 80040400000001 40050400000064 400600 c0070800010000 0a000001 c00804fde90001` +
      "8009040a000001 800a080a0000010a000002 c010080002fde900000001 801a0b01000b0000000000000001" +
      "c0200c000000010000000200000003 c023040000fde9 c0fe02abcd",
    nlri: ROUTE,
  }),
  updateOf({
    attributes: "40010100 4002040201fde9 400304c0000201 c00706 5ba0 0a000001 c0110602010001000c",
    nlri: ROUTE,
  }),
  updateOf({
    attributes: "c01609 00060000000a000001 c01708 0008 0004 0602ffff c0280a 010007 00000000000064",
  }),
  updateOf({ attributes: "900f0008 0002 01 20 20010db8" }),
  messageOf(
    MESSAGE.OPEN,
    hex("04 fde9 005a c0000201 12 02 10 010400010001 4104 0000fde9 4b02 0131"),
  ),
  messageOf(MESSAGE.OPEN, hex("04 fde9 005a c0000201 ff ff 0009 02 0006 450400010103")),
  messageOf(MESSAGE.NOTIFICATION, hex("06 02 03 627965")),
  messageOf(MESSAGE.ROUTE_REFRESH, hex("0001 00 01")),
  messageOf(MESSAGE.KEEPALIVE, hex("")),
];

describe("no octets throw, loop or are read from beyond their message", () => {
  test("random ones behind a right header", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.uint8Array({ maxLength: 120 }), (type, body) =>
        tryAll(messageOf(type, body)),
      ),
      { numRuns: 3000 },
    );
  });

  test("random ones", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), tryAll), { numRuns: 1000 });
  });

  test("random attributes in an UPDATE", () => {
    const attribute = fc
      .tuple(
        fc.constantFrom(0x40, 0x80, 0xc0, 0xe0, 0x50, 0xd0),
        fc.oneof(fc.integer({ min: 1, max: 40 }), fc.nat(255)),
        fc.uint8Array({ maxLength: 30 }),
        fc.integer({ min: -2, max: 2 }),
      )
      .map(([flags, type, value, wrong]) => {
        const length = Math.max(0, value.length + (wrong === 2 ? 1 : 0));
        const head = (flags & 0x10) !== 0 ? [flags, type, 0, length] : [flags, type, length];
        return formatHex(Uint8Array.from([...head, ...value]));
      });
    fc.assert(
      fc.property(
        fc.array(attribute, { maxLength: 8 }),
        fc.uint8Array({ maxLength: 9 }),
        (parts, nlri) =>
          tryAll(updateOf({ attributes: MANDATORY + parts.join(""), nlri: formatHex(nlri) })),
      ),
      { numRuns: 3000 },
    );
  });

  test("each single-octet change and each beginning of a message of each kind", () => {
    for (const message of OWN) {
      for (let at = 0; at < message.length; at++) {
        tryAll(message.subarray(0, at));
        for (const value of [0, 1, 0x7f, 0x80, 0xff, message[at]! ^ 1, message[at]! + 1]) {
          const changed = message.slice();
          changed[at] = value;
          tryAll(changed);
        }
      }
    }
  });

  test("beginnings of an UPDATE whose header says so", () => {
    for (const message of OWN) {
      for (let length = 19; length < message.length; length++) {
        const cut = message.slice(0, length);
        cut[17] = length;
        tryAll(cut);
      }
    }
  });

  test.skipIf(CORPUS_MISSING !== null)(
    `a change of each octet and each beginning of the vectors (${CORPUS_MISSING ?? "there"})`,
    () => {
      let change = 1;
      for (const { message_hex } of readVectors()) {
        const octets = parseHex(message_hex)!;
        for (let at = 0; at < Math.min(octets.length, 250); at++) {
          // A different change at each place, the same in every run.
          change = (Math.imul(change, 69069) + 1) >>> 0;
          const changed = octets.slice();
          changed[at]! ^= (change >>> 24) | 1;
          decodeMessages(changed, OPTIONS[at & 1]!);
          const cut = octets.slice(0, at);
          cut[17] = at;
          decodeMessages(cut, OPTIONS[at & 1]!);
        }
      }
    },
    60_000,
  );
});
