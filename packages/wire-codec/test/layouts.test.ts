import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ATTR_FLAG,
  attributeValueAt,
  attributeValueOctets,
  decodeOpen,
  decodeRouteRefresh,
  encodeAttributes,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  MESSAGE,
  messageLength,
} from "../src/index.ts";
import {
  ATTRIBUTE,
  CAPABILITY,
  EXTENDED_ATTRIBUTE,
  HEADER,
  OPEN,
  ROUTE_REFRESH,
} from "./layouts.ts";

const u8 = fc.nat(255);
const u16 = fc.nat(65535);
const MARKER = Buffer.alloc(16, 255);

describe("the codec agrees with the declared layouts", () => {
  test("message headers, written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const message = encodeNotification(6, 2, data);
        expect(HEADER.decode(Buffer.from(message))).toEqual({
          marker: MARKER,
          length: message.length,
          type: MESSAGE.NOTIFICATION,
        });
      }),
    );
  });

  test("message headers, read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 23, max: 4096 }), (length) => {
        const buf = Buffer.alloc(4096);
        HEADER.encode({ marker: MARKER, length, type: MESSAGE.UPDATE }, buf);
        expect(messageLength(buf, 0, buf.length, 4096)).toBe(length);
      }),
    );
  });

  const open = fc.record({
    version: fc.constant(4),
    as: fc.integer({ min: 1, max: 65535 }),
    holdTimeSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 65535 })),
    bgpIdentifier: fc.integer({ min: 1, max: 0xffffffff }),
  });

  test("OPEN and the head of a capability, both ways", () => {
    fc.assert(
      fc.property(
        open,
        fc.integer({ min: 128, max: 255 }),
        fc.uint8Array(),
        (fixed, code, value) => {
          const message = encodeOpen({
            ...fixed,
            capabilities: [{ code, name: "unknown", value }],
          });
          const parametersOctets = value.length + 4;
          expect(OPEN.decode(Buffer.from(message), 19)).toEqual({ ...fixed, parametersOctets });
          expect(CAPABILITY.decode(Buffer.from(message), 31)).toEqual({
            code,
            octets: value.length,
          });

          const declared = Buffer.alloc(message.length);
          HEADER.encode({ marker: MARKER, length: message.length, type: MESSAGE.OPEN }, declared);
          OPEN.encode({ ...fixed, parametersOctets }, declared, 19);
          declared.set([2, value.length + 2], 29);
          CAPABILITY.encode({ code, octets: value.length }, declared, 31);
          declared.set(value, 33);
          expect(decodeOpen(declared, 0, declared.length)).toEqual({
            ...fixed,
            capabilities: [{ code, name: "unknown", value: Buffer.from(value) }],
          });
        },
      ),
    );
  });

  test("ROUTE-REFRESH, both ways", () => {
    fc.assert(
      fc.property(fc.record({ afi: u16, subtype: u8, safi: u8 }), (value) => {
        const message = encodeRouteRefresh(value);
        expect(ROUTE_REFRESH.decode(Buffer.from(message), 19)).toEqual(value);
        const declared = Buffer.from(message).fill(0, 19);
        ROUTE_REFRESH.encode(value, declared, 19);
        expect(decodeRouteRefresh(declared, 0, declared.length)).toEqual(value);
      }),
    );
  });

  test("attribute heads, written and walked", () => {
    fc.assert(
      fc.property(fc.nat(600), (octets) => {
        const attribute = encodeAttributes([{ type: 99, value: "00".repeat(octets) }]);
        const layout = octets > 255 ? EXTENDED_ATTRIBUTE : ATTRIBUTE;
        const flags = octets > 255 ? 0xf0 : 0xe0;
        expect(layout.decode(Buffer.from(attribute))).toEqual({ flags, type: 99, octets });
        expect(attributeValueAt(attribute, 0)).toBe(layout.span);
        expect(attributeValueOctets(attribute, 0)).toBe(octets);
      }),
    );
  });

  test("attribute heads, read", () => {
    fc.assert(
      fc.property(u8, u8, u16, (flags, type, octets) => {
        const extended = (flags & ATTR_FLAG.EXTENDED_LENGTH) !== 0;
        const buf = Buffer.alloc(4);
        (extended ? EXTENDED_ATTRIBUTE : ATTRIBUTE).encode(
          { flags, type, octets: extended ? octets : octets & 255 },
          buf,
        );
        expect(attributeValueOctets(buf, 0)).toBe(extended ? octets : octets & 255);
      }),
    );
  });
});
