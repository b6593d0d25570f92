import { describe, expect, test } from "vitest";
import { type Fault, type UpdateContext, UpdateReader } from "../src/index.ts";
import {
  AS2,
  EBGP,
  IBGP,
  LOCAL_PREF,
  MANDATORY,
  MP_REACH,
  ROUTE,
  type UpdateParts,
  updateOf,
  WITHOUT_NEXT_HOP,
} from "./support.ts";

/** MP_REACH_NLRI with "::" and a second address as next hops. */
const mpReachAfterUnspecified = (second: string) =>
  `800e2a 0002 01 20 ${"00".repeat(16)} ${second} 00 20 20010db8`;

const DISCARD = "attribute-discard";
const WITHDRAW = "treat-as-withdraw";
const RESET = "session-reset";

type Verdict = Fault["action"] | "none";
/** What is tried, octets behind the mandatory attributes, action, subcode, reason. */
type AttributeRow = readonly [string, string, Verdict, number?, RegExp?];

const reader = new UpdateReader();

function heaviest(parts: UpdateParts, context: UpdateContext): Fault | undefined {
  const message = updateOf(parts);
  reader.read(message, 0, message.length, context);
  const weight = { [DISCARD]: 1, [WITHDRAW]: 2, [RESET]: 3 };
  return reader.faults.find(({ action }) => weight[action] === reader.action);
}

function expectVerdict(
  parts: UpdateParts,
  context: UpdateContext,
  action: Verdict,
  subcode?: number,
  reason?: RegExp,
): void {
  const fault = heaviest(parts, context);
  expect(fault?.action ?? "none", fault?.reason).toBe(action);
  if (subcode !== undefined) expect([fault?.code, fault?.subcode]).toEqual([3, subcode]);
  if (reason !== undefined) expect(fault?.reason).toMatch(reason);
}

/** An iBGP message also has LOCAL_PREF. */
const parts = (attributes: string, context: UpdateContext): UpdateParts => ({
  attributes: `${MANDATORY} ${context.external ? "" : LOCAL_PREF} ${attributes}`,
  nlri: ROUTE,
});

const ON_EBGP: readonly AttributeRow[] = [
  ["nothing more", "", "none"],
  ["MED", "800404 00000001", "none"],
  ["MED of 3 octets", "800403 000001", WITHDRAW, 5, /MULTI_EXIT_DISC length 3 is not 4/],
  ["MED without octets", "800400", WITHDRAW, 5],
  ["MED as a well-known attribute", "400404 00000001", WITHDRAW, 4, /flags 0x40 are not 0x80/],
  ["MED with the Partial bit, which says nothing", "a00404 00000001", "none"],
  ["LOCAL_PREF", LOCAL_PREF, DISCARD, 9, /LOCAL_PREF from an external peer/],
  ["LOCAL_PREF of 3 octets", "400503 000064", DISCARD],
  ["ORIGINATOR_ID", "800904 0a000001", DISCARD],
  ["CLUSTER_LIST of 5 octets", "800a05 0a00000100", DISCARD],
  ["ATOMIC_AGGREGATE", "400600", "none"],
  ["ATOMIC_AGGREGATE of 1 octet", "400601 00", DISCARD, 5],
  ["ATOMIC_AGGREGATE as an optional attribute", "c00600", WITHDRAW, 4, /flags 0xc0 are not/],
  ["AGGREGATOR", "c00708 0000fde9 0a000001", "none"],
  ["AGGREGATOR of 6 octets", "c00706 fde9 0a000001", DISCARD, 5, /AGGREGATOR length 6 is not 8/],
  ["AGGREGATOR of AS 0", "c00708 00000000 0a000001", DISCARD, 9],
  ["AGGREGATOR, not transitive", "800708 0000fde9 0a000001", WITHDRAW, 4],
  ["AGGREGATOR, not optional", "400708 0000fde9 0a000001", WITHDRAW, 4],
  ["COMMUNITIES", "c00808 fde90001 fde90002", "none"],
  ["COMMUNITIES, partial", "e00804 fde90001", "none"],
  [
    "COMMUNITIES of 5 octets",
    "c00805 fde9000100",
    WITHDRAW,
    5,
    /COMMUNITIES length 5 is not a non-zero multiple of 4/,
  ],
  ["COMMUNITIES without octets", "c00800", WITHDRAW, 5],
  ["COMMUNITIES, not transitive", "800804 fde90001", WITHDRAW, 4],
  ["EXTENDED_COMMUNITIES", "c01008 0002fde900000001", "none"],
  ["EXTENDED_COMMUNITIES of 9 octets", "c01009 0002fde90000000100", WITHDRAW, 5],
  ["EXTENDED_COMMUNITIES without octets", "c01000", WITHDRAW, 5],
  ["IPV6_EXTENDED_COMMUNITIES of 21 octets", `c01915 ${"00".repeat(21)}`, WITHDRAW, 5],
  ["LARGE_COMMUNITIES", `c0200c ${"00000001".repeat(3)}`, "none"],
  ["LARGE_COMMUNITIES of 11 octets", `c0200b ${"00".repeat(11)}`, WITHDRAW, 5],
  ["OTC", "c02304 0000fde9", "none"],
  ["OTC of 3 octets", "c02303 00fde9", WITHDRAW, 5],
  ["OTC of AS 0", "c02304 00000000", WITHDRAW],
  ["AS4_PATH", "c01106 0201 0000fde9", "none"],
  ["AS4_PATH with segment type 0, which nobody looks at", "c01106 0001 0000fde9", "none"],
  ["AS4_PATH, not transitive, which nobody looks at", "801106 0201 0000fde9", "none"],
  ["AS4_PATH with a set, which nobody looks at", "c01106 0101 0000fde9", "none"],
  ["AS4_PATH without a segment, which nobody looks at", "c01100", "none"],
  ["AS4_AGGREGATOR of 7 octets, which nobody looks at", "c01207 0000fde9 0a0000", "none"],
  ["AIGP", "801a0b 01000b 0000000000000064", "none"],
  ["AIGP with the Transitive bit", "c01a0b 01000b 0000000000000064", DISCARD, 4],
  ["AIGP without a TLV", "801a00", DISCARD],
  ["AIGP whose metric has 2 octets", "801a05 010005 0064", DISCARD],
  ["AIGP with a TLV of length 2", "801a03 090002", DISCARD],
  ["AIGP with another TLV only", "801a04 090004 00", DISCARD, 9, /no metric/],
  ["PMSI_TUNNEL of 4 octets", "c01604 00060000", WITHDRAW, 5],
  ["PMSI_TUNNEL of type 8", "c01605 0008000000", WITHDRAW],
  ["PMSI_TUNNEL by ingress replication", "c01609 00060000000a000001", "none"],
  ["TUNNEL_ENCAPSULATION", "c01708 0008 0004 0602ffff", "none"],
  ["TUNNEL_ENCAPSULATION with a long sub-TLV", "c01707 0008 0003 800000", "none"],
  ["TUNNEL_ENCAPSULATION cut short", "c01703 000800", WITHDRAW],
  ["TUNNEL_ENCAPSULATION that overruns", "c01705 0008 0004 06", WITHDRAW],
  ["TUNNEL_ENCAPSULATION whose sub-TLV overruns", "c01706 0008 0002 06ff", WITHDRAW],
  ["BGP_LS", "801d05 0400 0001 00", "none"],
  ["BGP_LS that overruns", "801d05 0400 00ff 00", DISCARD],
  ["NEXT_HOP_CHARACTERISTICS", "c0270c 0001 01 04 0a000001 0001 0000", "none"],
  ["NEXT_HOP_CHARACTERISTICS that overruns", "c0270c 0001 01 04 0a000001 0001 00ff", DISCARD],
  ["NEXT_HOP_CHARACTERISTICS without next hop", "c02708 0001 01 00 00000000", DISCARD],
  ["PREFIX_SID", "c0280a 010007 00000000000064", "none"],
  ["PREFIX_SID with a short label index", "c02804 010001 00", DISCARD],
  ["PREFIX_SID with a bad SRGB", "c0280a 030007 00000000000000", DISCARD],
  ["PREFIX_SID that overruns", "c02806 0100ff 000000", DISCARD],
  ["PREFIX_SID, not transitive", "80280a 010007 00000000000064", DISCARD, 4],
  ["an unknown optional attribute", "80fd01 00", "none"],
  ["an unknown transitive attribute", "c0fe01 00", "none"],
  ["an unknown well-known attribute", "406301 00", RESET, 2, /well-known attribute 99/],
  ["an attribute twice", "800404 00000001 800404 00000002", DISCARD, 1, /more than once/],
  ["MP_REACH_NLRI twice", `${MP_REACH} ${MP_REACH}`, RESET, 1],
  ["two octets too many", "4001", WITHDRAW, 5, /2 octets are left/],
  ["three octets with extended length", "500800", WITHDRAW, 5],
  ["an attribute that overruns", "c00808 fde90001", WITHDRAW, 5, /8 has length 8, 4 octets left/],
  ["AIGP on a session without it", "801a05 010005 0064", "none"],
];

const ON_IBGP: readonly AttributeRow[] = [
  ["nothing more", "", "none"],
  ["ORIGINATOR_ID", "800904 0a000001", "none"],
  ["ORIGINATOR_ID of 3 octets", "800903 0a0000", WITHDRAW, 5],
  ["CLUSTER_LIST", "800a08 0a000001 0a000002", "none"],
  ["CLUSTER_LIST of 5 octets", "800a05 0a00000100", WITHDRAW, 5],
  ["CLUSTER_LIST without octets", "800a00", WITHDRAW, 5],
  ["CLUSTER_LIST with the Transitive bit", "c00a04 0a000001", WITHDRAW, 4],
];

describe("an attribute behind the mandatory ones", () => {
  for (const [name, octets, ...verdict] of ON_EBGP) {
    test(`from an external peer: ${name}`, () => {
      const context = name.includes("without it") ? { ...EBGP, aigp: false } : EBGP;
      expectVerdict(parts(octets, EBGP), context, ...verdict);
    });
  }

  for (const [name, octets, ...verdict] of ON_IBGP) {
    test(`from an internal peer: ${name}`, () => {
      expectVerdict(parts(octets, IBGP), IBGP, ...verdict);
    });
  }
});

/** From an external peer with AS numbers of 2 octets, where AS4_* mean something. */
const ON_AS2: readonly AttributeRow[] = [
  ["AS4_PATH", "c01106 0201 0000fde9", "none"],
  ["AS4_PATH without a segment", "c01100", DISCARD, 5, /AS4_PATH length 0 is not at least 6/],
  ["AS4_PATH of 1 octet", "c01101 02", DISCARD, 5],
  ["AS4_PATH with an empty segment", "c01106 0200 0201 fde9", DISCARD, 11],
  ["AS4_PATH with segment type 0", "c01106 0001 0000fde9", DISCARD, 11],
  ["AS4_PATH with segment type 9", "c01106 0901 0000fde9", DISCARD, 11],
  ["AS4_PATH with a segment that overruns", "c01106 0202 0000fde9", DISCARD, 11, /overruns/],
  ["AS4_PATH with half a segment", "c01107 0201 0000fde9 02", DISCARD, 11],
  ["AS4_PATH of AS 0", "c01106 0201 00000000", DISCARD, 11, /AS number 0/],
  ["AS4_PATH with a malformed set", "c01106 0102 0000fde9", DISCARD, 11],
  [
    "AS4_PATH with a set (RFC 9774)",
    "c01106 0101 0000fde9",
    WITHDRAW,
    11,
    /AS4_PATH has an AS_SET/,
  ],
  ["AS4_PATH with a confederation", "c0110c 0301 0000fde9 0201 0000fde9", "none"],
  ["AS4_PATH, not transitive", "801106 0201 0000fde9", WITHDRAW, 4],
  ["AS4_AGGREGATOR", "c01208 0000fde9 0a000001", "none"],
  ["AS4_AGGREGATOR of 7 octets", "c01207 0000fde9 0a0000", DISCARD, 5],
  ["AS4_AGGREGATOR without octets", "c01200", DISCARD, 5],
  ["AS4_AGGREGATOR of AS 0", "c01208 00000000 0a000001", DISCARD, 9],
  ["AS4_AGGREGATOR, not optional", "401208 0000fde9 0a000001", WITHDRAW, 4],
  ["AGGREGATOR, not transitive", "800706 fde9 0a000001", WITHDRAW, 4],
];

describe("from a peer with 2-octet AS numbers", () => {
  for (const [name, octets, ...verdict] of ON_AS2) {
    test.each([AS2, { ...AS2, external: false }])(`${name} (external: $external)`, (context) => {
      const localPref = context.external ? "" : LOCAL_PREF;
      const attributes = `${ORIGIN} 400204 0201 fde9 ${NEXT_HOP} ${localPref} ${octets}`;
      expectVerdict({ attributes, nlri: ROUTE }, context, ...verdict);
    });
  }
});

const ORIGIN = "40010100";
const NEXT_HOP = "400304 c0000201";
const asPath = (value: string) => {
  const length = (value.replaceAll(" ", "").length / 2).toString(16).padStart(2, "0");
  return `${ORIGIN} 4002${length} ${value} ${NEXT_HOP}`;
};

/** What is tried, session, parts of the message, action, subcode, reason. */
type MessageRow = readonly [string, UpdateContext, UpdateParts, Verdict, number?, RegExp?];

const ALLOWING: UpdateContext = { ...EBGP, allowAsSet: true, allowConfed: true };
const ADD_PATH: UpdateContext = { ...EBGP, addPath: 3 };
const IPV4_ONLY: UpdateContext = { ...EBGP, families: 1 };
const PATH = "4002060201 0000fde9";

const route = (attributes: string): UpdateParts => ({ attributes, nlri: ROUTE });

const NO_8950: UpdateContext = { ...EBGP, extendedNextHop: 0 };
const mpReach4 = (nextHop: string) => {
  const length = nextHop.length / 2;
  const octets = (2 + 1 + 1 + length + 1 + 4).toString(16).padStart(2, "0");
  const head = `0001 01 ${length.toString(16).padStart(2, "0")}`;
  return { attributes: `${ORIGIN} ${PATH} 800e${octets} ${head} ${nextHop} 00 18 0a0100` };
};
const NEXT_HOP_6 = "20010db8000000000000000000000001";

const MESSAGES: readonly MessageRow[] = [
  ["IPv4 with an IPv6 next hop (RFC 8950)", EBGP, mpReach4(NEXT_HOP_6), "none"],
  ["IPv4 with one that was not agreed on", NO_8950, mpReach4(NEXT_HOP_6), WITHDRAW, 9, /RFC 8950/],
  [
    "IPv4 with two that were not agreed on",
    NO_8950,
    mpReach4(`${NEXT_HOP_6}fe80${"00".repeat(13)}01`),
    WITHDRAW,
    9,
    /next hop 2001:db8::1 fe80::1 of IPv4 routes/,
  ],
  ["IPv4 in MP_REACH_NLRI with an IPv4 next hop", NO_8950, mpReach4("c0000201"), "none"],
  [
    "IPv6 with its next hop, RFC 8950 or not",
    NO_8950,
    { attributes: `${MP_REACH} ${ORIGIN} ${PATH}` },
    "none",
  ],
  ["ORIGIN of 2 octets", EBGP, route(`4001020000 ${PATH} ${NEXT_HOP}`), WITHDRAW, 5],
  ["ORIGIN 3", EBGP, route(`40010103 ${PATH} ${NEXT_HOP}`), WITHDRAW, 6, /3 is not 0, 1 or 2/],
  ["ORIGIN as optional", EBGP, route(`c0010100 ${PATH} ${NEXT_HOP}`), WITHDRAW, 4],
  ["no ORIGIN", EBGP, route(`${PATH} ${NEXT_HOP}`), WITHDRAW, 3, /ORIGIN is missing/],
  ["no AS_PATH", EBGP, route(`${ORIGIN} ${NEXT_HOP}`), WITHDRAW, 3, /AS_PATH is missing/],
  ["no NEXT_HOP", EBGP, route(`${ORIGIN} ${PATH}`), WITHDRAW, 3, /NEXT_HOP is missing/],
  ["no LOCAL_PREF on iBGP", IBGP, route(MANDATORY), WITHDRAW, 3, /LOCAL_PREF is missing/],
  ["an empty AS_PATH", EBGP, route(asPath("")), "none"],
  [
    "AS_PATH with the Partial bit",
    EBGP,
    route(`${ORIGIN} 60020602010000fde9 ${NEXT_HOP}`),
    WITHDRAW,
    4,
  ],
  ["a segment of type 0", EBGP, route(asPath("0001 0000fde9")), WITHDRAW, 11, /type 0/],
  ["a segment of type 5", EBGP, route(asPath("0501 0000fde9")), WITHDRAW, 11],
  ["a segment without ASes", EBGP, route(asPath("0200")), WITHDRAW, 11],
  ["a segment that overruns", EBGP, route(asPath("0202 0000fde9")), WITHDRAW, 11, /overruns/],
  ["half a segment", EBGP, route(asPath("0201 0000fde9 02")), WITHDRAW, 11],
  ["AS 0", EBGP, route(asPath("0202 0000fde9 00000000")), WITHDRAW, 11, /AS number 0/],
  ["AS 0 in 2 octets", AS2, route(asPath("0202 fde9 0000")), WITHDRAW, 11, /AS number 0/],
  ["AS_SET", EBGP, route(asPath("0101 0000fde9")), WITHDRAW, 11, /AS_SET/],
  ["AS_SET where it is allowed", ALLOWING, route(asPath("0101 0000fde9")), "none"],
  ["AS_CONFED_SEQUENCE", EBGP, route(asPath("0301 0000fde9")), WITHDRAW, 11, /CONFED/],
  ["AS_CONFED_SEQUENCE where it is allowed", ALLOWING, route(asPath("0301 0000fde9")), "none"],
  [
    "AS_CONFED_SET among confederations without sets",
    { ...ALLOWING, allowAsSet: false },
    route(asPath("0401 0000fde9")),
    WITHDRAW,
    11,
  ],
  ["NEXT_HOP of 3 octets", EBGP, route(`${WITHOUT_NEXT_HOP} 400303 c00002`), WITHDRAW, 5],
  ["NEXT_HOP 0.0.0.0", EBGP, route(`${WITHOUT_NEXT_HOP} 400304 00000000`), WITHDRAW, 8],
  ["NEXT_HOP 127.0.0.1", EBGP, route(`${WITHOUT_NEXT_HOP} 400304 7f000001`), WITHDRAW, 8],
  ["NEXT_HOP 224.0.0.1", EBGP, route(`${WITHOUT_NEXT_HOP} 400304 e0000001`), WITHDRAW, 8],
  [
    "NEXT_HOP 0.0.0.0 with routes in MP_REACH_NLRI alone",
    EBGP,
    { attributes: `${WITHOUT_NEXT_HOP} 400304 00000000 ${MP_REACH}` },
    "none",
  ],
  ["MP_REACH_NLRI", EBGP, { attributes: `${MP_REACH} ${WITHOUT_NEXT_HOP}` }, "none"],
  ["MP_REACH_NLRI without ORIGIN", EBGP, { attributes: `${MP_REACH} ${PATH}` }, WITHDRAW, 3],
  [
    "MP_REACH_NLRI with wrong flags",
    EBGP,
    { attributes: `${MP_REACH.replace("80", "c0")} ${WITHOUT_NEXT_HOP}` },
    WITHDRAW,
    4,
    /MP_REACH_NLRI flags 0xc0 are not 0x80/,
  ],
  [
    "MP_REACH_NLRI with wrong flags whose routes cannot be read",
    EBGP,
    { attributes: "c00e04 0002 01 00" },
    RESET,
    9,
  ],
  [
    "MP_UNREACH_NLRI with wrong flags beside routes",
    EBGP,
    { attributes: `c00f08 0002 01 20 20010db8 ${MANDATORY}`, nlri: ROUTE },
    WITHDRAW,
    4,
  ],
  [
    "MP_UNREACH_NLRI with wrong flags and no reachable routes",
    EBGP,
    { attributes: "c00f08 0002 01 20 20010db8" },
    RESET,
    4,
    /no reachable/,
  ],
  [
    "MP_REACH_NLRI with the Partial bit, which costs no session",
    EBGP,
    { attributes: `${MP_REACH.replace("80", "a0")} ${WITHOUT_NEXT_HOP}` },
    "none",
  ],
  ["MP_REACH_NLRI of 4 octets", EBGP, { attributes: "800e04 0002 01 00" }, RESET, 9],
  [
    "MP_REACH_NLRI whose next hop overruns",
    EBGP,
    { attributes: "800e09 0002 01 10 20010db8 00" },
    RESET,
    9,
    /next hop length 16 overruns/,
  ],
  [
    "MP_REACH_NLRI with an IPv4 next hop for IPv6",
    EBGP,
    { attributes: "800e09 0002 01 04 0a000001 00" },
    RESET,
    9,
    /next hop length 4 is not one of ipv6-unicast/,
  ],
  [
    "MP_REACH_NLRI with a next hop of ::",
    EBGP,
    {
      attributes: `800e1a 0002 01 10 ${"00".repeat(16)} 00 20 20010db8 ${WITHOUT_NEXT_HOP}`,
    },
    WITHDRAW,
    8,
  ],
  [
    "MP_REACH_NLRI with next hops of :: and a link-local address",
    EBGP,
    { attributes: `${mpReachAfterUnspecified(`fe80${"00".repeat(13)}01`)} ${WITHOUT_NEXT_HOP}` },
    "none",
  ],
  [
    "MP_REACH_NLRI with next hops of :: and a global address",
    EBGP,
    {
      attributes: `${mpReachAfterUnspecified(`20010db8${"00".repeat(11)}01`)} ${WITHOUT_NEXT_HOP}`,
    },
    WITHDRAW,
    8,
  ],
  [
    "MP_REACH_NLRI with a prefix of 129 bits",
    EBGP,
    { attributes: `800e27 0002 01 10 20010db8000000000000000000000001 00 81 ${"00".repeat(17)}` },
    RESET,
    9,
    /129 is more than 128/,
  ],
  ["MP_UNREACH_NLRI", EBGP, { attributes: "800f08 0002 01 20 20010db8" }, "none"],
  ["MP_UNREACH_NLRI of 2 octets", EBGP, { attributes: "800f02 0002" }, RESET, 9],
  [
    "MP_UNREACH_NLRI whose prefix overruns",
    EBGP,
    { attributes: "800f06 0002 01 20 2001" },
    RESET,
    9,
  ],
  ["MP_UNREACH_NLRI of another family", EBGP, { attributes: "800f05 0019 46 ffff" }, "none"],
  ["IPv6 where it is not negotiated", IPV4_ONLY, { attributes: "800f06 0002 01 20 2001" }, "none"],
  ["IPv4 where it is not negotiated", { ...EBGP, families: 2 }, { nlri: "21 0a" }, "none"],
  ["EVPN without ORIGIN", EBGP, { attributes: "800e0b 0019 46 04 0a000001 00 0000" }, "none"],
  [
    "a prefix of 33 bits",
    EBGP,
    { attributes: MANDATORY, nlri: "21 0a01000000" },
    RESET,
    10,
    /33 is more/,
  ],
  [
    "a prefix that overruns",
    EBGP,
    { attributes: MANDATORY, nlri: "18 0a01" },
    RESET,
    10,
    /overruns/,
  ],
  ["a withdrawn prefix of 33 bits", EBGP, { withdrawn: "21 0a01000000" }, RESET, 10],
  ["half a path identifier", ADD_PATH, { withdrawn: "0000" }, RESET, 10, /path identifier/],
  ["a path identifier without a prefix", ADD_PATH, { withdrawn: "00000001" }, RESET, 10],
  ["a withdrawal", EBGP, { withdrawn: ROUTE }, "none"],
  [
    "a malformed attribute but no routes",
    EBGP,
    { attributes: "800403 000001" },
    RESET,
    5,
    /no reachable/,
  ],
  ["a discarded attribute and no routes", EBGP, { attributes: "400601 00" }, DISCARD, 5],
  [
    "a withdrawal with a malformed attribute",
    EBGP,
    { withdrawn: ROUTE, attributes: "800403 000001" },
    RESET,
    5,
  ],
];

describe("a whole message", () => {
  for (const [name, context, message, ...verdict] of MESSAGES) {
    test(name, () => expectVerdict(message, context, ...verdict));
  }

  test("lengths that overrun the message reset the session", () => {
    const message = updateOf({ attributes: MANDATORY, nlri: ROUTE });
    for (const at of [20, 22]) {
      const broken = message.slice();
      broken[at] = 200;
      reader.read(broken, 0, broken.length, EBGP);
      expect([reader.action, reader.faults[0]?.subcode]).toEqual([3, 1]);
    }
  });

  test("routes of an MP_REACH_NLRI with wrong flags are there to be withdrawn", () => {
    const attributes = `${MP_REACH.replace("80", "c0")} ${WITHOUT_NEXT_HOP}`;
    const message = updateOf({ attributes });
    reader.read(message, 0, message.length, EBGP);
    const right = updateOf({ attributes: `${MP_REACH} ${WITHOUT_NEXT_HOP}` });
    const { at, end, family } = reader.reachable;
    expect(end).toBeGreaterThan(at);
    const read = [...message.subarray(at, end)];
    reader.read(right, 0, right.length, EBGP);
    expect([read, family]).toEqual([
      [...right.subarray(reader.reachable.at, reader.reachable.end)],
      reader.reachable.family,
    ]);
  });

  test("the heaviest fault decides, and all are told", () => {
    const fault = heaviest(parts("400601 00 800403 000001 406301 00", EBGP), EBGP);
    expect(fault?.subcode).toBe(2);
    expect(reader.faults.map(({ action }) => action)).toEqual([DISCARD, WITHDRAW, RESET]);
  });

  test("of very many faults the first are told, and the heaviest", () => {
    const fault = heaviest(parts(`${"800400".repeat(1000)} 406301 00`, EBGP), EBGP);
    expect([fault?.action, reader.faults.length < 20]).toEqual([RESET, true]);
  });

  test("a NOTIFICATION about an attribute carries the attribute", () => {
    expect(heaviest(parts("406301 00", EBGP), EBGP)?.data).toEqual(Uint8Array.of(0x40, 0x63, 1, 0));
  });

  test("routes are found in spite of a fault that withdraws them", () => {
    heaviest(parts("800403 000001", EBGP), EBGP);
    const { announced } = reader;
    expect([announced.family, announced.end - announced.at]).toEqual([1, 4]);
  });

  test.each([
    ["IPv4", updateOf({}), EBGP, 1],
    ["IPv6", updateOf({ attributes: "800f03 0002 01" }), EBGP, 2],
    ["IPv6 with extended length", updateOf({ attributes: "900f0003 0002 01" }), EBGP, 2],
    ["IPv6 where it is not negotiated", updateOf({ attributes: "800f03 0002 01" }), IPV4_ONLY, 0],
    ["IPv4 behind a withdrawal", updateOf({ withdrawn: ROUTE }), EBGP, 0],
    ["EVPN", updateOf({ attributes: "800f03 0019 46" }), EBGP, 0],
  ])("the End-of-RIB marker of %s is seen", (_name, message, context, family) => {
    reader.read(message, 0, message.length, context);
    expect(reader.endOfRib).toBe(family);
  });
});
