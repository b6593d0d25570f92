import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CanonicalRoutes } from "../src/canonical-routes.ts";
import { MrtReader } from "../src/mrt.ts";
import { MrtSplitter } from "../src/mrt-records.ts";
import {
  attributes,
  attributes6,
  message,
  peerIndexTable,
  record,
  rib,
  tableDump,
  u16,
  u32,
  update,
} from "./mrt-octets.ts";

const PEERS = [
  { address: "192.0.2.1", as: 64500 },
  { address: "2001:db8::2", as: 4_200_000_000 },
];
const AS2 = { fourOctetAs: false, addPath: false };
const AS4 = { fourOctetAs: true, addPath: false };

/** One record of every kind, and what is read from it. */
const KINDS: [name: string, octets: number[], read: string[]][] = [
  ["a peer index table", peerIndexTable(PEERS), []],
  [
    "a RIB entry of IPv4",
    rib("10.1.0.0/16", [
      { peer: 0, attributes: attributes([64500, 1], "192.0.2.1") },
      { peer: 1, attributes: attributes([64501], "192.0.2.2") },
    ]),
    ["route 0 16,10,1", "route 1 16,10,1"],
  ],
  [
    "a RIB entry of IPv6",
    rib("2001:db8::/32", [{ peer: 1, attributes: attributes6([1], "2001:db8::2") }]),
    ["route 1 32,32,1,13,184"],
  ],
  [
    "a RIB entry of IPv6 with the whole of MP_REACH_NLRI",
    rib("2001:db8::/32", [
      { peer: 1, attributes: attributes6([1], "2001:db8::2", "2001:db8::/32") },
    ]),
    ["route 1 32,32,1,13,184"],
  ],
  [
    "a RIB entry with path identifiers",
    rib("10.2.0.0/15", [
      { peer: 0, attributes: attributes([64500], "192.0.2.1"), pathId: 7 },
      { peer: 0, attributes: attributes([64500, 2], "192.0.2.1"), pathId: 4_000_000_000 },
    ]),
    ["route 0 15,10,2 path 7", "route 0 15,10,2 path 4000000000"],
  ],
  [
    "a RIB entry of IPv6 with path identifiers",
    rib("2001:db8::/33", [{ peer: 1, attributes: attributes6([1], "2001:db8::2"), pathId: 1 }]),
    ["route 1 33,32,1,13,184,0 path 1"],
  ],
  [
    "a RIB entry of the default route",
    rib("0.0.0.0/0", [{ peer: 0, attributes: attributes([64500], "192.0.2.1") }]),
    ["route 0 0"],
  ],
  [
    "a message with 2-octet AS numbers",
    message(PEERS[0]!, update([64500], ["10.0.0.0/8"]), AS2),
    ["update 0 as2"],
  ],
  [
    "a message with 4-octet AS numbers",
    message(PEERS[1]!, update([64500], ["10.0.0.0/8"]), AS4),
    ["update 1 as4"],
  ],
  [
    "a message with path identifiers",
    message(PEERS[0]!, update([64500], []), { ...AS4, addPath: true }),
    ["update 0 as4 add-path"],
  ],
  [
    "a message with microseconds",
    message(PEERS[0]!, update([64500], ["10.0.0.0/8"]), { ...AS4, extendedTime: true }),
    ["update 0 as4"],
  ],
  ["a state change", record(16, 5, [...u32(1), ...u32(2), ...u16(0), ...u16(1)]), []],
  ["a multicast RIB entry", record(13, 3, [...u32(0), 8, 10, ...u16(0)]), []],
  ["a record of another protocol", record(11, 0, [1, 2, 3]), []],
];

interface Reading {
  events: string[];
  fault: { offset: number; reason: string } | null;
  reader: MrtReader;
}

/** Reads a file in pieces. */
function read(pieces: readonly Uint8Array[]): Omit<Reading, "reader"> {
  const { events, fault } = readAll(pieces);
  return { events, fault };
}

function readAll(pieces: readonly Uint8Array[]): Reading {
  const events: string[] = [];
  const canonical = new CanonicalRoutes();
  const splitter = new MrtSplitter();
  const reader = new MrtReader({
    route(route) {
      const nlri = route.nlri.subarray(0, 1 + ((route.nlri[0]! + 7) >> 3));
      const path = route.pathId === 0 ? "" : ` path ${route.pathId}`;
      events.push(`route ${route.peer} ${nlri.join()}${path}`);
      // Whatever stands in there must be judged, not thrown.
      canonical.readRoute(route, reader.peers[route.peer]!.address);
    },
    update({ peer, fourOctetAs, addPath }) {
      const as = fourOctetAs ? "as4" : "as2";
      events.push(`update ${peer} ${as}${addPath ? " add-path" : ""}`);
    },
  });
  for (const piece of pieces) {
    splitter.octets.push(piece);
    for (let found = splitter.next(); found !== null; found = splitter.next()) {
      const fault = "reason" in found ? found : reader.read(found);
      if (fault !== null) return { events, fault, reader };
    }
  }
  return { events, fault: splitter.end(), reader };
}

const WHOLE = Uint8Array.from(KINDS.flatMap(([, octets]) => octets));
const ALL_EVENTS = KINDS.flatMap(([, , events]) => events);

describe("a MRT file", () => {
  test.each(KINDS)("is read: %s", (_, octets, events) => {
    const index = Uint8Array.from(peerIndexTable(PEERS));
    expect(read([index, Uint8Array.from(octets)])).toEqual({ events, fault: null });
  });

  test("is read with routes of the old table dumps", () => {
    const peer = { address: "192.0.2.1", as: 64500 };
    const entry = attributes([64500], "192.0.2.1");
    const octets = tableDump("10.1.0.0/16", peer, entry);
    expect(read([Uint8Array.from(octets)])).toEqual({ events: ["route 0 16,10,1"], fault: null });
  });

  test("is read the same whatever pieces it comes in", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(WHOLE.length)), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), WHOLE.length];
        const pieces = at.slice(1).map((end, i) => WHOLE.slice(at[i], end));
        expect(read(pieces)).toEqual({ events: ALL_EVENTS, fault: null });
      }),
    );
  });

  test("that is cut at any octet gives what came before, and where it was cut", () => {
    const ends = new Set<number>([0]);
    for (const [, octets] of KINDS) ends.add(Math.max(...ends) + octets.length);
    for (let end = 0; end <= WHOLE.length; end++) {
      const { events, fault } = read([WHOLE.slice(0, end)]);
      const start = Math.max(...[...ends].filter((at) => at <= end));
      expect(ALL_EVENTS.slice(0, events.length)).toEqual(events);
      if (ends.has(end)) expect(fault).toBeNull();
      else expect(fault).toEqual({ offset: start, reason: expect.stringContaining("file ends") });
    }
  });

  test("with any octet changed is read or refused, and never throws", () => {
    for (let at = 0; at < WHOLE.length; at++) {
      for (const flip of [0xff, 0x01, 0x80]) {
        const octets = WHOLE.slice();
        octets[at]! ^= flip;
        const { fault } = read([octets]);
        if (fault !== null) expect(fault.offset).toBeLessThan(WHOLE.length);
      }
    }
  });

  test("of any octets at all is read or refused, and never throws", () => {
    const types = fc.constantFrom(12, 13, 16, 17);
    const records = fc.tuple(types, fc.nat(12), fc.uint8Array({ maxLength: 80 }));
    fc.assert(
      fc.property(fc.array(records, { maxLength: 5 }), (list) => {
        const octets = list.flatMap(([type, subtype, body]) => record(type, subtype, [...body]));
        read([Uint8Array.from([...peerIndexTable(PEERS), ...octets])]);
      }),
    );
  });

  const unknown: [name: string, octets: number[], kind: string][] = [
    ["a type between those that there are", record(14, 0, [1, 2, 3]), "type 14"],
    ["a type beyond those that there are", record(64, 4, []), "type 64"],
    ["the last type", record(65535, 1, [...u32(7)]), "type 65535"],
    ["a subtype of TABLE_DUMP", record(12, 3, [1]), "type 12 subtype 3"],
    ["a subtype of TABLE_DUMP_V2", record(13, 13, [1]), "type 13 subtype 13"],
    ["a subtype of BGP4MP", record(16, 12, []), "type 16 subtype 12"],
    ["a subtype of BGP4MP_ET", record(17, 12, [...u32(0)]), "type 17 subtype 12"],
    [
      "a peer address of family 9",
      record(16, 4, [...u32(1), ...u32(2), ...u32(9)]),
      "BGP message of a peer with an address of family 9",
    ],
  ];
  test.each(unknown)("passes over %s, counts it, and goes on", (_, octets, kind) => {
    const all = Uint8Array.from([...octets, ...WHOLE, ...octets]);
    const { events, fault, reader } = readAll([all]);
    expect(fault).toBeNull();
    expect(events).toEqual(ALL_EVENTS);
    expect([...reader.unknown]).toEqual([[kind, 2]]);
    if (octets.length === 12) return;
    const cut = read([all.slice(0, -1)]).fault;
    const offset = all.length - octets.length;
    expect(cut).toEqual({ offset, reason: expect.stringContaining("file ends") });
  });

  test("does not count what it knows and has no routes", () => {
    const known = [record(16, 0, [1]), record(16, 5, []), record(13, 7, []), record(11, 9, [])];
    const octets = [...known, record(32, 0, []), record(49, 3, [])].flat();
    const { fault, reader } = readAll([Uint8Array.from(octets)]);
    expect(fault).toBeNull();
    expect(reader.unknown.size).toBe(0);
  });

  const faults: [name: string, octets: number[], reason: string][] = [
    ["no MRT at all", [...new TextEncoder().encode("# a text file\n")], "not a type of MRT"],
    ["a record of 4 GB", [...record(13, 2, []).slice(0, 8), ...u32(0xffffffff)], "cannot be"],
    ["no room for microseconds", record(17, 4, [1, 2]), "microseconds"],
    ["a peer out of nowhere", rib("10.0.0.0/8", [{ peer: 9, attributes: [] }]), "peer 9"],
    ["a prefix of 33 bits", record(13, 2, [...u32(0), 33, 1, 2, 3, 4, 5]), "33 is more than 32"],
    ["a record too short for its entry", record(13, 2, [...u32(0), 8]), "shorter than"],
    ["a broken message", record(16, 4, [...u32(1), ...u32(2), ...u16(0), ...u16(1)]), "shorter"],
  ];
  test.each(faults)("is refused for %s", (_, octets, reason) => {
    const index = peerIndexTable(PEERS);
    const { fault } = read([Uint8Array.from([...index, ...octets])]);
    expect(fault).toEqual({ offset: index.length, reason: expect.stringContaining(reason) });
  });
});
