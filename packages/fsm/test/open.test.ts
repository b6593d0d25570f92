import { type Capability, decodeOpen, encodeOpen, type OpenMessage } from "@ts-bgp/wire-codec";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildOpen, type FsmConfig, openFault, ROLES, type Role } from "../src/index.ts";
import { CONFIG, LOCAL_AS, LOCAL_ID, MP_IPV4, MP_IPV6, PEER_AS, peerOpen } from "./model.ts";

const as4 = (as: number): Capability => ({ code: 65, name: "four-octet-as", as });
const role = (value: number): Capability => ({ code: 9, name: "role", role: value });
const ipv6Multicast: Capability = { code: 1, name: "multiprotocol", afi: 2, safi: 2 };

function verdict(config: Partial<FsmConfig>, open: Partial<OpenMessage>): string {
  const whole = { ...CONFIG, ...config };
  const fault = openFault(whole, buildOpen(whole), peerOpen(open));
  return fault === null ? "good" : `2/${fault.subcode} [${fault.data.join(" ")}]`;
}

describe("an OPEN is judged", () => {
  const wide = { capabilities: [MP_IPV4, as4(4200000001)] };
  const narrow = { capabilities: [MP_IPV4] };
  const rows: [string, Partial<FsmConfig>, Partial<OpenMessage>, string][] = [
    ["the AS number expected", {}, {}, "good"],
    ["a two-octet speaker", {}, narrow, "good"],
    ["another AS number", { peerAs: 65002 }, {}, "2/2 [0 0 253 233]"],
    ["another AS number of a two-octet speaker", { peerAs: 65002 }, narrow, "2/2 [253 233]"],
    ["a four-octet AS number", { peerAs: 4200000001 }, { as: 23456, ...wide }, "good"],
    ["a four-octet AS number not expected", {}, { as: 23456, ...wide }, "2/2 [250 86 234 1]"],
    ["fields that contradict each other", { peerAs: 4200000001 }, wide, "2/2 [250 86 234 1]"],
    ["AS_TRANS beside a small number", {}, { as: 23456 }, "good"],
    ["AS_TRANS alone", { peerAs: "any" }, { as: 23456, ...narrow }, "2/2 [91 160]"],
    ["AS 0", { peerAs: "any" }, { as: 0, ...narrow }, "2/2 [0 0]"],
    [
      "AS 0 in the capability",
      { peerAs: "any" },
      { as: 23456, capabilities: [MP_IPV4, as4(0)] },
      "2/2 [0 0 0 0]",
    ],
    ["any AS number", { peerAs: "any" }, {}, "good"],
    ["an external AS number", { peerAs: "external" }, {}, "good"],
    ["an external AS number for internal", { peerAs: "internal" }, {}, "2/2 [0 0 253 233]"],
    ["our AS number", { peerAs: "internal" }, { as: LOCAL_AS, ...narrow }, "good"],
    ["ours for external", { peerAs: "external" }, { as: LOCAL_AS, ...narrow }, "2/2 [253 232]"],
    ["hold time 0", {}, { holdTimeSeconds: 0 }, "good"],
    ["hold time 3", {}, { holdTimeSeconds: 3 }, "good"],
    ["the shortest hold time", { holdTimeMinSeconds: 30 }, { holdTimeSeconds: 30 }, "good"],
    ["a shorter one", { holdTimeMinSeconds: 30 }, { holdTimeSeconds: 29 }, "2/6 []"],
    [
      "none, where short ones are refused",
      { holdTimeMinSeconds: 30 },
      { holdTimeSeconds: 0 },
      "good",
    ],
    [
      "one of ranges of AS numbers",
      {
        peerAs: [
          [1, 9],
          [PEER_AS, PEER_AS + 1],
        ],
      },
      {},
      "good",
    ],
    ["none of the ranges", { peerAs: [[1, 9]] }, {}, "2/2 [0 0 253 233]"],
    ["our identifier, external", {}, { bgpIdentifier: LOCAL_ID }, "good"],
    [
      "our identifier, internal",
      { peerAs: "any" },
      { as: LOCAL_AS, bgpIdentifier: LOCAL_ID, ...narrow },
      "2/3 [10 0 0 1]",
    ],
    ["no capability at all is IPv4 unicast", { families: 1 }, { capabilities: [] }, "good"],
    ["no capability at all for IPv6", { families: 2 }, { capabilities: [] }, "2/7 [1 4 0 2 0 1]"],
    [
      "no family in common",
      {},
      { capabilities: [as4(PEER_AS), ipv6Multicast] },
      "2/7 [1 4 0 1 0 1 1 4 0 2 0 1]",
    ],
    ["a family that is required", { required: { names: [], families: 1 } }, {}, "good"],
    [
      "without a family that is required",
      { required: { names: [], families: 3 } },
      { capabilities: [MP_IPV4, as4(PEER_AS)] },
      "2/7 [1 4 0 2 0 1]",
    ],
    [
      "a capability that is required",
      { required: { names: ["four-octet-as"], families: 0 } },
      {},
      "good",
    ],
    [
      "without two that are required, as our OPEN has them",
      {
        capabilities: [{ code: 2, name: "route-refresh" }],
        required: { names: ["four-octet-as", "route-refresh"], families: 1 },
      },
      narrow,
      "2/7 [2 0 65 4 0 0 253 232]",
    ],
    ["one family of two", {}, { capabilities: [as4(PEER_AS), MP_IPV6] }, "good"],
  ];
  test.each(rows)("%s", (_, config, open, expected) => {
    expect(verdict(config, open)).toBe(expected);
  });
});

describe("roles", () => {
  // RFC 9234 section 4.2, table 2; ours in rows, the peer's in columns in the order of ROLES.
  const allowed: Record<Role, string> = {
    provider: "---y-",
    rs: "--y--",
    "rs-client": "-y---",
    customer: "y----",
    peer: "----y",
  };
  const pairs = ROLES.flatMap((ours) =>
    ROLES.map((theirs, value) => [ours, theirs, value, allowed[ours][value] === "y"] as const),
  );
  const stating = (...values: number[]) => ({
    capabilities: [MP_IPV4, as4(PEER_AS), ...values.map(role)],
  });
  const MISMATCH = "2/11 []";

  test.each(pairs)("%s and %s", (ours, _theirs, value, good) => {
    for (const strictRole of [false, true]) {
      const config = { role: ours, strictRole };
      expect(verdict(config, stating(value))).toBe(good ? "good" : MISMATCH);
      expect(verdict(config, stating(value, value))).toBe(good ? "good" : MISMATCH);
    }
  });

  test.each([
    ["the peer states none", { role: "rs" }, [], "good"],
    ["the peer states none and must", { role: "rs", strictRole: true }, [], MISMATCH],
    ["we have none", { role: null }, [1], "good"],
    ["we have none, the peer two", { role: null }, [1, 2], "good"],
    ["two that differ", { role: "rs" }, [2, 1], MISMATCH],
    ["two that differ, the good one last", { role: "rs" }, [1, 2], MISMATCH],
    ["one that is not assigned", { role: "rs" }, [5], MISMATCH],
  ] as const)("when %s", (_, config, values, expected) => {
    expect(verdict(config, stating(...values))).toBe(expected);
  });

  test("are not for internal sessions", () => {
    const open = { as: LOCAL_AS, capabilities: [MP_IPV4, role(0)] };
    expect(verdict({ role: "rs", strictRole: true, peerAs: "any" }, open)).toBe("good");
  });
});

describe("the OPEN we send", () => {
  test("states everything that the configuration has", () => {
    expect(buildOpen({ ...CONFIG, role: "rs", localAs: 4200000000 })).toEqual({
      version: 4,
      as: 23456,
      holdTimeSeconds: 90,
      bgpIdentifier: LOCAL_ID,
      capabilities: [
        MP_IPV4,
        MP_IPV6,
        { code: 2, name: "route-refresh" },
        role(1),
        as4(4200000000),
      ],
    });
  });

  test.each([
    ["external", true],
    ["any", true],
    [PEER_AS, true],
    ["internal", false],
    [LOCAL_AS, false],
  ] as const)("with peer AS %s states a role: %s", (peerAs, stated) => {
    const { capabilities } = buildOpen({ ...CONFIG, peerAs, role: "peer" });
    expect(capabilities.some(({ code }) => code === 9)).toBe(stated);
  });

  test("is good for a peer that is configured the other way round", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffffffff }),
        fc.integer({ min: 1, max: 0xffffffff }),
        fc.constantFrom(...ROLES),
        (ours, theirs, us) => {
          fc.pre(ours !== theirs && ours !== 23456 && theirs !== 23456);
          const them = ROLES[[3, 2, 1, 0, 4][ROLES.indexOf(us)]!]!;
          const here = { ...CONFIG, localAs: ours, peerAs: theirs, role: us, strictRole: true };
          const there = { ...here, localAs: theirs, peerAs: ours, role: them };
          const octets = encodeOpen(buildOpen(there));
          expect(decodeOpen(octets, 0, octets.length), "on the wire").toEqual(buildOpen(there));
          expect(openFault(here, buildOpen(here), buildOpen(there))).toBeNull();
          expect(openFault(there, buildOpen(there), buildOpen(here))).toBeNull();
        },
      ),
    );
  });
});
