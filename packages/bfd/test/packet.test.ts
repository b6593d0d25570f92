import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BFD_AUTH_TYPES,
  BFD_STATES,
  type BfdPacket,
  decodePacket,
  encodePacket,
  type ReadPacket,
  signPacket,
  verifyPacket,
} from "../src/index.ts";
import { digest, PACKET } from "./support.ts";

const u32 = fc.nat(0xffff_ffff);
const packet: fc.Arbitrary<BfdPacket> = fc.record({
  diagnostic: fc.nat(31),
  state: fc.constantFrom(...BFD_STATES),
  isPoll: fc.boolean(),
  isFinal: fc.boolean(),
  isControlIndependent: fc.boolean(),
  isDemand: fc.boolean(),
  multiplier: fc.integer({ min: 1, max: 255 }),
  myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  desiredMinTxUs: u32,
  requiredMinRxUs: u32,
});

test("what is encoded is decoded", () => {
  fc.assert(
    fc.property(packet, (one) => {
      const octets = encodePacket(one);
      expect(decodePacket(octets)).toEqual({ packet: one, hasAuth: false, octets: 24 });
    }),
  );
});

test("the octets are those of RFC 5880 section 4.1, with more behind them left alone", () => {
  const octets = Buffer.from("20c8031800000007000000010000c3500000c35000000000ff", "hex");
  expect(decodePacket(octets)).toEqual({
    packet: {
      ...PACKET,
      ...{ state: "up", isControlIndependent: true, yourDiscriminator: 1 },
      ...{ desiredMinTxUs: 50_000, requiredMinRxUs: 50_000 },
    },
    ...{ hasAuth: false, octets: 24 },
  });
});

test("octets at random never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (octets) => {
      const read = decodePacket(octets);
      if (typeof read === "string") return;
      const auth = { type: "keyed-md5", keyId: 1, secret: "x" } as const;
      const own = octets.subarray(0, read.octets);
      expect(verifyPacket(own, read, auth, { last: null }, digest)).not.toBeNull();
    }),
  );
});

test.each([
  ["too short", (octets: Buffer) => octets.subarray(0, 23)],
  ["not of version 1", (octets: Buffer) => octets.fill(0x40, 0, 1)],
  ["its length is too small", (octets: Buffer) => octets.fill(23, 3, 4)],
  ["its length is too small", (octets: Buffer) => octets.fill(0x44, 1, 2).fill(25, 3, 4)],
  ["cut short", (octets: Buffer) => octets.fill(25, 3, 4)],
  ["its detection multiplier is 0", (octets: Buffer) => octets.fill(0, 2, 3)],
  ["of multipoint", (octets: Buffer) => octets.fill(0x41, 1, 2)],
  ["it has no discriminator of the sender", (octets: Buffer) => octets.fill(0, 4, 8)],
  ["it has no discriminator of the receiver", (octets: Buffer) => octets.fill(0x80, 1, 2)],
])("%s: discarded", (why, change) => {
  expect(decodePacket(change(Buffer.from(encodePacket(PACKET))))).toBe(why);
});

describe.each(BFD_AUTH_TYPES)("authentication %s", (type) => {
  const auth = { type, keyId: 7, secret: "swordfish" };
  const read = (octets: Uint8Array) => decodePacket(octets) as ReadPacket;
  const signed = signPacket(PACKET, auth, 5, digest);
  const why = (octets: Uint8Array, other = auth, last: number | null = null) =>
    verifyPacket(octets, read(octets), other, { last }, digest);

  test("is accepted, and nothing else is", () => {
    expect(why(signed)).toBeNull();
    expect(why(signed, { ...auth, secret: "sword" })).not.toBeNull();
    expect(why(signed, { ...auth, keyId: 8 })).toBe("authenticated with another key");
    const other = type === "simple" ? "keyed-md5" : "simple";
    expect(why(signed, { ...auth, type: other })).toBe("authenticated in another way");
    expect(why(encodePacket(PACKET))).toBe("it is not authenticated");
    expect(verifyPacket(signed, read(signed), null, { last: null }, digest)).not.toBeNull();
  });

  test.runIf(type !== "simple")("covers every octet", () => {
    for (let at = 0; at < signed.length; at++) {
      const changed = Uint8Array.from(signed);
      changed[at]! ^= 1;
      const decoded = decodePacket(changed);
      if (typeof decoded === "string") continue;
      const verdict = verifyPacket(
        changed.subarray(0, decoded.octets),
        decoded,
        auth,
        { last: null },
        digest,
      );
      // The reserved octet is covered as well.
      expect(verdict, `octet ${at}`).not.toBeNull();
    }
  });

  test.runIf(type !== "simple")("takes numbers ahead, and not those of before", () => {
    const isMeticulous = type.startsWith("meticulous");
    expect(why(signed, auth, 4)).toBeNull();
    expect(why(signed, auth, 5) === null).toBe(!isMeticulous);
    expect(why(signed, auth, 6)).toBe("its sequence number is wrong");
    expect(why(signed, auth, 5 - 3 * PACKET.multiplier)).toBeNull();
    expect(why(signed, auth, (5 - 3 * PACKET.multiplier - 1) >>> 0)).toBe(
      "its sequence number is wrong",
    );
  });
});
