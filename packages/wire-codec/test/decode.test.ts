import { describe, expect, test } from "vitest";
import {
  type DecodeOptions,
  decodeMessages,
  encodeNotification,
  encodeUpdate,
  KEEPALIVE_OCTETS,
  MESSAGE,
  shutdownData,
  type UpdateValue,
} from "../src/index.ts";
import { hex, LOCAL_PREF, MANDATORY, messageOf, ROUTE, updateOf } from "./support.ts";

const OPTIONS: DecodeOptions = { fourOctetAs: true, addPath: false, external: null };
const decode = (octets: Uint8Array, options: Partial<DecodeOptions> = {}) =>
  decodeMessages(octets, { ...OPTIONS, ...options });

const flags = (text: string, extended = false) => ({
  optional: text.includes("o"),
  transitive: text.includes("t"),
  partial: text.includes("p"),
  extended_length: extended,
});

describe("messages as JSON", () => {
  test("an OPEN", () => {
    const message = messageOf(
      MESSAGE.OPEN,
      hex("04 5ba0 00b4 c0000201 14 02 12 010400020001 410400010000 9902abcd 0200"),
    );
    expect(decode(message)).toEqual([
      {
        type: "OPEN",
        length: 49,
        version: 4,
        as: 65536,
        my_as: 23456,
        hold_time: 180,
        bgp_identifier: "192.0.2.1",
        capabilities: [
          { code: 1, name: "multiprotocol", afi: 2, safi: 1, family: "ipv6-unicast" },
          { code: 65, name: "four-octet-as", as: 65536 },
          { code: 153, name: "unknown", value: "abcd" },
          { code: 2, name: "route-refresh" },
        ],
      },
    ]);
  });

  test("a faulty OPEN with what could be read", () => {
    const message = messageOf(MESSAGE.OPEN, hex("04 fde9 0001 c0000201 06 02 04 0200 0105"));
    expect(decode(message)).toMatchObject([
      {
        as: 65001,
        capabilities: [{ name: "route-refresh" }],
        error: { code: 2, subcode: 6, action: "session-reset", attribute: null },
      },
    ]);
  });

  test("an UPDATE", () => {
    const message = updateOf({ withdrawn: "10 0a02", attributes: MANDATORY, nlri: ROUTE });
    expect(decode(message)).toEqual([
      {
        type: "UPDATE",
        length: 50,
        withdrawn: ["10.2.0.0/16"],
        attributes: [
          { type: 1, name: "ORIGIN", flags: flags("t"), value: "IGP" },
          {
            type: 2,
            name: "AS_PATH",
            flags: flags("t"),
            value: { text: "65001", segments: [{ type: "AS_SEQUENCE", as: [65001] }] },
          },
          { type: 3, name: "NEXT_HOP", flags: flags("t"), value: "192.0.2.1" },
        ],
        nlri: ["10.1.0.0/24"],
      },
    ]);
  });

  test("an UPDATE with several faults, and the attributes before and after them", () => {
    const attributes = `c00805 fde9000100 ${MANDATORY} 400601 00 d0630001 ff`;
    expect(decode(updateOf({ attributes, nlri: ROUTE }))).toMatchObject([
      {
        attributes: [
          { name: "COMMUNITIES", flags: flags("ot"), raw: "fde9000100" },
          { name: "ORIGIN", value: "IGP" },
          { name: "AS_PATH" },
          { name: "NEXT_HOP" },
          { name: "ATOMIC_AGGREGATE", raw: "00" },
          { name: "UNKNOWN", flags: flags("ot", true), value: "ff" },
        ],
        nlri: ["10.1.0.0/24"],
        error: {
          code: 3,
          subcode: 5,
          action: "treat-as-withdraw",
          attribute: 8,
          reason: "COMMUNITIES length 5 is not a non-zero multiple of 4",
        },
        errors: [{ attribute: 8 }, { attribute: 6, action: "attribute-discard" }],
      },
    ]);
  });

  test("a value is shown where only the session is against it", () => {
    const attributes = "40010100 400206 0101 0000fde9 400304 7f000001";
    expect(decode(updateOf({ attributes, nlri: ROUTE }))).toMatchObject([
      {
        attributes: [{}, { value: { text: "{65001}" } }, { value: "127.0.0.1" }],
        errors: [{ attribute: 2 }, { attribute: 3 }],
      },
    ]);
    expect(decode(updateOf({ attributes, nlri: ROUTE }), { allowAsSet: true })).toMatchObject([
      { error: { attribute: 3 } },
    ]);
  });

  test("a repeated attribute is shown as octets", () => {
    const attributes = `${MANDATORY} 40010102`;
    const [message] = decode(updateOf({ attributes, nlri: ROUTE }));
    expect(message).toMatchObject({ error: { action: "attribute-discard", attribute: 1 } });
    expect((message!["attributes"] as unknown[])[3]).toMatchObject({ name: "ORIGIN", raw: "02" });
  });

  test("routes up to the bad one", () => {
    expect(decode(updateOf({ attributes: MANDATORY, nlri: `${ROUTE} 30 0a` }))).toMatchObject([
      { nlri: ["10.1.0.0/24"], error: { action: "session-reset", subcode: 10 } },
    ]);
  });

  test("lengths that contradict each other", () => {
    const message = updateOf({ attributes: MANDATORY, nlri: ROUTE });
    message[20] = 255;
    expect(decode(message)).toMatchObject([
      { withdrawn: [], attributes: [], nlri: [], error: { subcode: 1 } },
    ]);
  });

  test("path identifiers", () => {
    const message = updateOf({ withdrawn: `00000007 ${ROUTE}` });
    expect(decode(message, { addPath: true })).toMatchObject([
      { withdrawn: [{ path_id: 7, prefix: "10.1.0.0/24" }] },
    ]);
  });

  test("AS numbers of two octets", () => {
    const attributes = "40010100 400204 0201 fde9 400304 c0000201";
    const message = updateOf({ attributes, nlri: ROUTE });
    expect(decode(message)).toMatchObject([{ error: { attribute: 2 } }]);
    const [narrow] = decode(message, { fourOctetAs: false });
    expect(narrow!.error).toBeUndefined();
  });

  test("the session is internal when the message can only be from an internal peer", () => {
    const message = updateOf({ attributes: `${MANDATORY} ${LOCAL_PREF}`, nlri: ROUTE });
    expect(decode(message)[0]!.error).toBeUndefined();
    expect(decode(message, { external: true })).toMatchObject([
      { error: { action: "attribute-discard", attribute: 5 } },
    ]);
    const external = updateOf({ attributes: MANDATORY, nlri: ROUTE });
    expect(decode(external)[0]!.error).toBeUndefined();
    expect(decode(external, { external: false })).toMatchObject([
      { error: { action: "treat-as-withdraw", attribute: 5 } },
    ]);
  });

  test.each([
    ["ipv4-unicast", updateOf({})],
    ["ipv6-unicast", updateOf({ attributes: "800f03 000201" })],
  ])("the End-of-RIB marker of %s", (family, message) => {
    expect(decode(message)).toMatchObject([{ end_of_rib: family }]);
  });

  test("a NOTIFICATION", () => {
    expect(decode(encodeNotification(6, 2, shutdownData("bye")))).toEqual([
      {
        type: "NOTIFICATION",
        length: 25,
        code: 6,
        subcode: 2,
        name: "Cease/Administrative Shutdown",
        text: "bye",
        data: "03627965",
      },
    ]);
    expect(decode(encodeNotification(4, 0))[0]).not.toHaveProperty("text");
  });

  test("a ROUTE-REFRESH", () => {
    const head = { type: "ROUTE-REFRESH", length: 23, afi: 2, safi: 1, family: "ipv6-unicast" };
    for (const [subtype, subtype_name] of ["request", "BoRR", "EoRR", "unknown"].entries()) {
      const message = messageOf(MESSAGE.ROUTE_REFRESH, Uint8Array.of(0, 2, subtype, 1));
      expect(decode(message)).toEqual([{ ...head, subtype, subtype_name }]);
    }
    expect(decode(messageOf(MESSAGE.ROUTE_REFRESH, hex("0002 01 01 00")))).toMatchObject([
      { raw: "0002010100", error: { code: 7, subcode: 1 } },
    ]);
  });

  test("several messages back to back, and what is not one behind them", () => {
    const octets = Uint8Array.of(...KEEPALIVE_OCTETS, ...updateOf({}), 0xff, 0xff);
    expect(decode(octets)).toMatchObject([
      { type: "KEEPALIVE", length: 19 },
      { type: "UPDATE" },
      { type: "UNKNOWN", length: 2, raw: "ffff", error: { code: 1, subcode: 2 } },
    ]);
    expect(decode(Uint8Array.of())).toEqual([]);
  });

  test("a message that is cut short", () => {
    expect(decode(updateOf({}).subarray(0, 22))).toMatchObject([
      { type: "UNKNOWN", error: { code: 1, subcode: 2, reason: "22 octets are there of 23" } },
    ]);
    expect(decode(messageOf(9, hex("00")))).toMatchObject([
      { type: "UNKNOWN", error: { code: 1, subcode: 3 } },
    ]);
  });
});

describe("UPDATEs from values", () => {
  const value: UpdateValue = {
    withdrawn: ["10.2.0.0/16"],
    attributes: [
      { type: 1, value: "EGP" },
      { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [65001, 70000] }] } },
      { type: 3, value: "192.0.2.1" },
      { type: 32, value: ["65001:1:2"] },
    ],
    nlri: ["10.1.0.0/24", "0.0.0.0/0", "10.1.1.128/25"],
  };

  test("are decoded as what they were", () => {
    expect(decode(encodeUpdate(value))).toMatchObject([
      { ...value, attributes: value.attributes!.map(() => expect.anything()) },
    ]);
    const [message] = decode(encodeUpdate(value));
    for (const [k, { type, value: wanted }] of value.attributes!.entries()) {
      const found = (message!["attributes"] as { type: number; value: unknown }[])[k];
      if (typeof wanted === "string") expect(found).toMatchObject({ type, value: wanted });
      else expect(found).toMatchObject({ type, value: wanted as object });
    }
    // What was decoded can be encoded.
    expect(encodeUpdate(message as UpdateValue)).toEqual(encodeUpdate(value));
  });

  test("with path identifiers are, too", () => {
    const nlri = [{ path_id: 4294967295, prefix: "10.0.0.0/8" }];
    expect(decode(encodeUpdate({ nlri }), { addPath: true })).toMatchObject([{ nlri }]);
  });

  test("have the bits behind a prefix cleared", () => {
    expect(encodeUpdate({ nlri: ["10.1.255.255/17"] }).slice(-4)).toEqual(hex("110a0180"));
  });

  test("are refused when they are none", () => {
    expect(() => encodeUpdate({ nlri: ["::/0"] })).toThrow(RangeError);
    expect(() => encodeUpdate({ nlri: ["10.0.0.0"] })).toThrow(RangeError);
    const attributes = [{ type: 99, value: "00".repeat(65535) }];
    expect(() => encodeUpdate({ attributes })).toThrow(RangeError);
  });
});
