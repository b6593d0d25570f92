import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Capability,
  CEASE,
  decodeNotification,
  decodeOpen,
  decodeRouteRefresh,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  Fault,
  formatHex,
  KEEPALIVE_OCTETS,
  MESSAGE,
  messageLength,
  notificationName,
  type OpenMessage,
  shutdownData,
  shutdownText,
} from "../src/index.ts";
import { hex, messageOf } from "./support.ts";

const MARKER = "ff".repeat(16);

/** The subcode of a fault, or the value that is none. */
const result = (found: number | Fault) =>
  found instanceof Fault ? `${found.code},${found.subcode} ${formatHex(found.data)}` : found;

describe("message lengths", () => {
  /** Name, octets behind the marker, octets there are beside the header, limit, result. */
  test.each([
    ["a KEEPALIVE", "0013 04", 0, 4096, 19],
    ["an UPDATE that is not all there", "0017 02", 3, 4096, 0],
    ["an UPDATE", "0017 02", 4, 4096, 23],
    ["an UPDATE with more behind it", "0017 02", 99, 4096, 23],
    ["length 18", "0012 04", 0, 4096, "1,2 0012"],
    ["length 0", "0000 02", 0, 4096, "1,2 0000"],
    ["length 4097", "1001 02", 0, 4096, "1,2 1001"],
    ["length 4097 of an extended message", "1001 02", 0, 65535, 0],
    ["length 65535 of an extended message", "ffff 02", 65516, 65535, 65535],
    ["an OPEN of 4097 octets", "1001 01", 0, 65535, "1,2 1001"],
    ["an OPEN of 28 octets", "001c 01", 0, 4096, "1,2 001c"],
    ["an UPDATE of 22 octets", "0016 02", 0, 4096, "1,2 0016"],
    ["a NOTIFICATION of 20 octets", "0014 03", 0, 4096, "1,2 0014"],
    ["a KEEPALIVE of 20 octets", "0014 04", 0, 4096, "1,2 0014"],
    ["a ROUTE-REFRESH of 22 octets", "0016 05", 0, 4096, "1,2 0016"],
    ["type 0", "0013 00", 0, 4096, "1,3 00"],
    ["type 6", "0013 06", 0, 4096, "1,3 06"],
    ["type 255", "0013 ff", 0, 4096, "1,3 ff"],
  ])("%s", (_name, head, more, octetsMax, expected) => {
    const header = hex(MARKER + head);
    // Two octets of something else in front, as in a receive buffer.
    const buf = new Uint8Array(2 + header.length + more);
    buf.set(header, 2);
    expect(result(messageLength(buf, 2, buf.length, octetsMax))).toBe(expected);
  });

  test("nothing is said of fewer than 19 octets", () => {
    const header = hex(`00${MARKER.slice(2)}0000ff`);
    for (let end = 0; end < 19; end++) expect(messageLength(header, 0, end, 4096)).toBe(0);
  });

  test("each octet of the marker matters", () => {
    for (let at = 0; at < 16; at++) {
      const message = KEEPALIVE_OCTETS.slice();
      message[at] = 0xfe;
      expect(result(messageLength(message, 0, 19, 4096))).toBe("1,1 ");
    }
  });
});

const open = (capabilities: Capability[]): OpenMessage => ({
  version: 4,
  as: 65001,
  holdTimeSeconds: 90,
  bgpIdentifier: 0xc0000201,
  capabilities,
});

const FIXED = "04 fde9 005a c0000201";

/** Capabilities and their octets with code and length. */
const CAPABILITIES: readonly [string, Capability][] = [
  ["01 04 00010001", { code: 1, name: "multiprotocol", afi: 1, safi: 1 }],
  ["02 00", { code: 2, name: "route-refresh" }],
  [
    "05 06 000100010002",
    { code: 5, name: "extended-next-hop", families: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
  ],
  ["06 00", { code: 6, name: "extended-message" }],
  ["09 01 02", { code: 9, name: "role", role: 2 }],
  [
    "40 0a c078 00010180 00020100",
    {
      code: 64,
      name: "graceful-restart",
      restarting: true,
      notification: true,
      restartTimeSeconds: 120,
      families: [
        { afi: 1, safi: 1, forwarding: true },
        { afi: 2, safi: 1, forwarding: false },
      ],
    },
  ],
  ["41 04 ffffffff", { code: 65, name: "four-octet-as", as: 4294967295 }],
  [
    "45 08 00010101 00020103",
    {
      code: 69,
      name: "add-path",
      families: [
        { afi: 1, safi: 1, receive: true, send: false },
        { afi: 2, safi: 1, receive: true, send: true },
      ],
    },
  ],
  ["46 00", { code: 70, name: "enhanced-route-refresh" }],
  [
    "47 07 000101 80 015180",
    {
      code: 71,
      name: "long-lived-graceful-restart",
      families: [{ afi: 1, safi: 1, forwarding: true, staleTimeSeconds: 86400 }],
    },
  ],
  ["49 06 02 7273 02 6978", { code: 73, name: "fqdn", host: "rs", domain: "ix" }],
  ["4b 04 03 312e30", { code: 75, name: "software-version", version: "1.0" }],
  ["80 02 abcd", { code: 128, name: "unknown", value: Uint8Array.of(0xab, 0xcd) }],
];

const two = (value: number) => value.toString(16).padStart(2, "0");

/** An OPEN with capabilities in one optional parameter. */
const withCapabilities = (octets: string) => {
  const { length } = hex(octets);
  return messageOf(MESSAGE.OPEN, hex(`${FIXED} ${two(length + 2)} 02 ${two(length)} ${octets}`));
};

const decode = (message: Uint8Array) => decodeOpen(message, 0, message.length);

describe("OPEN", () => {
  for (const [octets, capability] of CAPABILITIES) {
    test(`capability ${capability.code} is read and written`, () => {
      expect(decode(withCapabilities(octets))).toEqual(open([capability]));
      expect(formatHex(encodeOpen(open([capability])))).toBe(formatHex(withCapabilities(octets)));
    });
  }

  test("no capabilities are no optional parameters", () => {
    const message = messageOf(MESSAGE.OPEN, hex(`${FIXED} 00`));
    expect(decode(message)).toEqual(open([]));
    expect(encodeOpen(open([]))).toEqual(message);
  });

  test("capabilities may come in several optional parameters", () => {
    const message = messageOf(MESSAGE.OPEN, hex(`${FIXED} 08 02 02 0200 02 02 4600`));
    expect(decode(message)).toEqual(
      open([
        { code: 2, name: "route-refresh" },
        { code: 70, name: "enhanced-route-refresh" },
      ]),
    );
  });

  test("lengths of two octets are used when, and only when, they are needed", () => {
    for (const octets of [249, 250, 251, 252, 253, 254, 255]) {
      const value = new Uint8Array(octets).fill(7);
      const message = encodeOpen(open([{ code: 200, name: "unknown", value }]));
      expect([octets, message[29] === 255]).toEqual([octets, octets > 251]);
      expect(decode(message)).toEqual(open([{ code: 200, name: "unknown", value }]));
    }
  });

  test("extended lengths are read whatever the first length octet says, save 0", () => {
    const extended = (length: string) =>
      decode(messageOf(MESSAGE.OPEN, hex(`${FIXED} ${length} ff 0005 02 0002 0200`)));
    for (const length of ["ff", "08", "01"]) {
      expect(extended(length)).toEqual(open([{ code: 2, name: "route-refresh" }]));
    }
    expect(extended("00")).toBeInstanceOf(Fault);
  });

  test.each([
    ["version 3", `03 ${FIXED.slice(3)} 00`, "2,1 0004"],
    ["AS 0", "04 0000 005a c0000201 00", "2,2 "],
    ["AS 0 in four octets", `${FIXED} 08 02 06 4104 00000000`, "2,2 "],
    ["identifier 0", "04 fde9 005a 00000000 00", "2,3 00000000"],
    ["hold time 1", "04 fde9 0001 c0000201 00", "2,6 0001"],
    ["hold time 2", "04 fde9 0002 c0000201 00", "2,6 0002"],
    ["an authentication parameter", `${FIXED} 03 01 01 00`, "2,4 "],
    ["parameters that overrun", `${FIXED} 05 02 00`, "2,0 "],
    ["octets behind the parameters", `${FIXED} 00 00`, "2,0 "],
    ["a parameter without length", `${FIXED} 01 02`, "2,0 "],
    ["a parameter that overruns", `${FIXED} 04 02 03 0200`, "2,0 "],
    ["a capability without length", `${FIXED} 03 02 01 02`, "2,0 "],
    ["a capability that overruns", `${FIXED} 04 02 02 0201`, "2,0 "],
    ["an extended parameter that overruns", `${FIXED} ff ff 0003 02 0001`, "2,0 "],
    ["an extended parameter without length", `${FIXED} ff ff 0002 02 00`, "2,0 "],
    ["multiprotocol of 3 octets", `${FIXED} 07 02 05 0103 000100`, "2,0 "],
    ["extended next hop of 5 octets", `${FIXED} 09 02 07 0505 0001000100`, "2,0 "],
    ["a role of 2 octets", `${FIXED} 06 02 04 0902 0000`, "2,0 "],
    ["a role without octets", `${FIXED} 04 02 02 0900`, "2,0 "],
    ["graceful restart without octets", `${FIXED} 04 02 02 4000`, "2,0 "],
    ["graceful restart of 4 octets", `${FIXED} 08 02 06 4004 00000000`, "2,0 "],
    ["four-octet AS of 2 octets", `${FIXED} 06 02 04 4102 fde9`, "2,0 "],
    ["ADD-PATH of 3 octets", `${FIXED} 07 02 05 4503 000101`, "2,0 "],
    ["long-lived graceful restart of 6 octets", `${FIXED} 0a 02 08 4706 000101800000`, "2,0 "],
  ])("%s is a fault", (_name, body, expected) => {
    const found = decode(messageOf(MESSAGE.OPEN, hex(body)));
    expect(found).toBeInstanceOf(Fault);
    expect(result(found as Fault)).toBe(expected);
  });

  test("hold time 0 is none", () => {
    const message = messageOf(MESSAGE.OPEN, hex("04 fde9 0000 c0000201 00"));
    expect(decode(message)).toMatchObject({ holdTimeSeconds: 0 });
  });

  test.each([
    ["a name that overruns", "49 03 05 7273", 73],
    ["an empty name", "49 00", 73],
    ["a version that overruns", "4b 02 09 31", 75],
  ])("a malformed capability that only informs is shown as it is: %s", (_name, octets, code) => {
    expect(decode(withCapabilities(octets))).toMatchObject({
      capabilities: [{ code, name: "unknown", value: hex(octets).slice(2) }],
    });
  });

  test("an ADD-PATH entry with an unknown direction is ignored", () => {
    expect(decode(withCapabilities("45 08 00010104 00020102"))).toEqual(
      open([
        { code: 69, name: "add-path", families: [{ afi: 2, safi: 1, receive: false, send: true }] },
      ]),
    );
  });

  test("what does not fit cannot be written", () => {
    const value = new Uint8Array(256);
    expect(() => encodeOpen(open([{ code: 200, name: "unknown", value }]))).toThrow(RangeError);
    const many = Array.from({ length: 17 }, (): Capability => {
      return { code: 200, name: "unknown", value: new Uint8Array(255) };
    });
    expect(() => encodeOpen(open(many))).toThrow(RangeError);
  });

  test("any set of capabilities is written and read", () => {
    const capability = fc.constantFrom(...CAPABILITIES.map(([, found]) => found));
    fc.assert(
      fc.property(fc.array(capability, { maxLength: 80 }), (capabilities) => {
        expect(decode(encodeOpen(open(capabilities)))).toEqual(open(capabilities));
      }),
    );
  });
});

describe("NOTIFICATION", () => {
  test.each([
    [6, 2, "Cease/Administrative Shutdown"],
    [6, 9, "Cease/Hard Reset"],
    [6, 10, "Cease/BFD Down"],
    [2, 11, "OPEN Message Error/Role Mismatch"],
    [3, 11, "UPDATE Message Error/Malformed AS_PATH"],
    [4, 0, "Hold Timer Expired"],
    [5, 3, "Finite State Machine Error/Receive Unexpected Message in Established State"],
    [7, 1, "ROUTE-REFRESH Message Error/Invalid Message Length"],
    [8, 0, "Send Hold Timer Expired"],
    [2, 9, "OPEN Message Error/9"],
    [6, 99, "Cease/99"],
    [0, 0, "Error 0"],
    [77, 5, "Error 77/5"],
  ])("%i, %i is %s", (code, subcode, name) => expect(notificationName(code, subcode)).toBe(name));

  test("any is written and read", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), fc.uint8Array(), (code, subcode, data) => {
        const message = encodeNotification(code, subcode, data);
        expect(messageLength(message, 0, message.length, 4096)).toBe(message.length);
        expect(decodeNotification(message, 0, message.length)).toEqual({ code, subcode, data });
      }),
    );
  });

  test("data beyond 4096 octets are cut off", () => {
    expect(encodeNotification(3, 1, new Uint8Array(5000))).toHaveLength(4096);
    expect(encodeNotification(6, 4)).toHaveLength(21);
  });

  const shutdown = (text: string) => ({
    code: 6,
    subcode: CEASE.ADMINISTRATIVE_SHUTDOWN,
    data: shutdownData(text),
  });

  test("a shutdown communication is written and read", () => {
    for (const text of ["x", "maintenance, back at 10:00", "Wartung für IX"]) {
      expect(shutdownText(shutdown(text))).toBe(text);
      expect(shutdownText({ ...shutdown(text), subcode: CEASE.ADMINISTRATIVE_RESET })).toBe(text);
    }
  });

  test("a long one is cut at 255 octets, between characters", () => {
    expect(shutdownText(shutdown("a".repeat(300)))).toBe("a".repeat(255));
    expect(shutdownText(shutdown("ü".repeat(200)))).toBe("ü".repeat(127));
    expect(shutdownText(shutdown(`a${"€".repeat(100)}`))).toBe(`a${"€".repeat(84)}`);
  });

  test("one inside a hard reset is found", () => {
    const data = Uint8Array.of(6, 2, ...shutdownData("bye"));
    expect(shutdownText({ code: 6, subcode: CEASE.HARD_RESET, data })).toBe("bye");
    expect(shutdownText({ code: 6, subcode: 9, data: Uint8Array.of(6, 9, 6, 9) })).toBeNull();
    expect(shutdownText({ code: 6, subcode: 9, data: Uint8Array.of(6) })).toBeNull();
  });

  test.each([
    ["none", 6, 2, ""],
    ["an empty one", 6, 2, "00"],
    ["one that overruns", 6, 2, "0541"],
    ["one that is not UTF-8", 6, 2, "02c328"],
    ["one with another subcode", 6, 3, "0141"],
    ["one with another code", 3, 2, "0141"],
  ])("there is no text in %s", (_name, code, subcode, data) => {
    expect(shutdownText({ code, subcode, data: hex(data) })).toBeNull();
  });
});

describe("ROUTE-REFRESH", () => {
  test.each([
    ["0001 00 01", { afi: 1, safi: 1, subtype: 0 }],
    ["0002 01 01", { afi: 2, safi: 1, subtype: 1 }],
    ["0002 02 01", { afi: 2, safi: 1, subtype: 2 }],
    ["4004 63 46", { afi: 16388, safi: 70, subtype: 99 }],
  ])("%s is read and written", (octets, value) => {
    const message = messageOf(MESSAGE.ROUTE_REFRESH, hex(octets));
    expect(decodeRouteRefresh(message, 0, message.length)).toEqual(value);
    expect(encodeRouteRefresh(value)).toEqual(message);
  });

  test("filters behind a request are ignored", () => {
    const message = messageOf(MESSAGE.ROUTE_REFRESH, hex("0001 00 01 01 03 0000"));
    expect(decodeRouteRefresh(message, 0, message.length)).toMatchObject({ subtype: 0 });
  });

  test("a beginning or end of another length is a fault with the message in it", () => {
    for (const subtype of ["01", "02"]) {
      const message = messageOf(MESSAGE.ROUTE_REFRESH, hex(`0001 ${subtype} 01 00`));
      const found = decodeRouteRefresh(message, 0, message.length);
      expect(result(found as Fault)).toBe(`7,1 ${formatHex(message)}`);
    }
  });
});

test("KEEPALIVE is the header", () => {
  expect(formatHex(KEEPALIVE_OCTETS)).toBe(`${MARKER}001304`);
});
