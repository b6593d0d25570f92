/** What is let into another AS and out of it, and what fits into a message to it. */

import { showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS, type Sketch } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const INSIDE = "192.0.2.9";

type Offer = Partial<PeerOptions>;

/** An external peer A that announces, an external one B, and one inside. */
function exchange(
  { a = "", b = "", rest = "" }: { a?: string; b?: string; rest?: string } = {},
  offers: { a?: Offer; b?: Offer } = {},
): { lab: Lab; a: Peer; b: Peer; inside: Peer } {
  const lab = new Lab(
    yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true, next-hop: unchanged }
neighbors:
  - { address: ${A}, as: 65001, ${a} }
  - { address: ${B}, as: 65002, ${b} }
  - { address: ${INSIDE}, as: ${ROUTER_AS} }
${rest}`),
  );
  return {
    lab,
    inside: lab.peer(INSIDE, { as: ROUTER_AS }).up(),
    b: lab.peer(B, { as: 65002, ...offers.b }).up(),
    a: lab.peer(A, { as: 65001, ...offers.a }).up(),
  };
}

const ROUTE = "10.1.0.0/16";
const RT = "rt:65001:1";
const RT6 = "rt:[2001:db8::1]:1";
const INSIDE6 = `0x4002${"00".repeat(18)}`;
const OV_VALID = "0x4300000000000000";
const MIXED: Sketch = {
  extended: ["ov:valid", RT, "lb:65001:125000"],
  more: [{ type: 25, value: [INSIDE6, RT6] }],
};

describe("extended communities that are not transitive (RFC 4360 section 6)", () => {
  const seen = (peer: Peer) => {
    const { extended, IPV6_EXTENDED_COMMUNITIES } = peer.table[ROUTE] ?? {};
    return { extended, ipv6: IPV6_EXTENDED_COMMUNITIES };
  };
  const without = { extended: [RT], ipv6: [RT6] };

  test.each(["", "route-server-client: true"])(
    "are not taken from another AS: { %s }",
    (option) => {
      const { lab, a, b, inside } = exchange({ a: option, b: option });
      a.announce([ROUTE], MIXED);
      lab.run();
      expect(seen(b)).toEqual(without);
      expect(seen(inside)).toEqual(without);
    },
  );

  test.each(["", "route-server-client: true"])("are not sent to another AS: { %s }", (option) => {
    const { lab, b, inside } = exchange({ b: option });
    inside.announce([ROUTE], MIXED);
    lab.run();
    expect(seen(b)).toEqual(without);
    const { steps } = explain(lab, "export", ROUTE, B).paths[0]!;
    expect(steps.map(({ text }) => text)).toEqual([
      "accepted by policy",
      `sent without what is not for another AS (RFC 4360): ov:valid, lb:65001:125000, ${INSIDE6}`,
      "sent to this neighbor, or on its way",
    ]);
  });

  test("stay within the own AS", () => {
    const lab = new Lab(
      yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true, as: ${ROUTER_AS} }
neighbors: [{ address: ${A}, route-reflector-client: true }, { address: ${B} }]`),
    );
    const to = lab.peer(B, { as: ROUTER_AS }).up();
    lab.peer(A, { as: ROUTER_AS }).up().announce([ROUTE], MIXED);
    lab.run();
    expect(seen(to)).toEqual({
      extended: [OV_VALID, RT, "lb:65001:125000"],
      ipv6: [INSIDE6, RT6],
    });
  });

  const policies = `
policies:
  valid-only:
    - { if: { extended-community: "ov:valid" }, then: accept }
  mark:
    - { set: { extended-community: { add: [ "ov:valid", "lb:64500:1" ] } }, then: accept }
`;

  test("do not satisfy an import policy, unless the neighbor is one of ours (RFC 8097)", () => {
    const forged = exchange({ a: "import: valid-only", rest: policies });
    forged.a.announce([ROUTE], MIXED);
    forged.lab.run();
    expect(forged.b.table).toEqual({});
    expect(explain(forged.lab, "import", ROUTE, A).paths[0]!.path).toMatchObject({
      status: "rejected",
      extended_communities: [RT],
    });

    const ours = exchange({ a: "import: valid-only, accept-rpki-state: true", rest: policies });
    ours.a.announce([ROUTE], MIXED);
    ours.lab.run();
    expect(seen(ours.b)).toEqual(without);
    expect(seen(ours.inside)).toEqual({ ...without, extended: [OV_VALID, RT] });
  });

  test("that export policy sets are sent where the option says so, the validation state alone", () => {
    for (const [option, expected] of [
      ["", undefined],
      ["send-rpki-state: true", [OV_VALID]],
    ] as const) {
      const { lab, a, b } = exchange({ b: `export: mark, ${option}`, rest: policies });
      a.announce([ROUTE]);
      lab.run();
      expect(b.table[ROUTE]).toMatchObject({ path: "64500 65001" });
      expect(seen(b).extended).toEqual(expected);
      const query = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
      const [route] = showRoutes(
        lab.router,
        { ...query, neighbor: B, view: "advertised" },
        null,
      ).routes;
      expect(route!.extended_communities).toEqual(expected);
      expect(route!.community_names).toEqual(expected && { [OV_VALID]: "ov:valid" });
    }
  });
});

describe("RFC 8950: an IPv4 route with an IPv6 next hop", () => {
  const nextHop = "2001:db8::1";
  test.each([
    ["is used where both sides said so", "extended-next-hop: true", true, true],
    ["is not where we did not", "", true, false],
    ["is not where the peer did not", "extended-next-hop: true", false, false],
  ])("%s", (_title, option, extendedNextHop, used) => {
    const { lab, a, b } = exchange(
      { a: option, b: "extended-next-hop: true" },
      { a: { extendedNextHop }, b: { extendedNextHop: true } },
    );
    a.announce([ROUTE], { nextHop });
    lab.run();
    expect(a.isUp).toBe(true);
    expect(Object.keys(b.table)).toEqual(used ? [ROUTE] : []);
    if (used) return;
    const { path } = explain(lab, "import", ROUTE, A).paths[0]!;
    expect(path.reason).toMatchObject({
      code: "malformed",
      detail: "next hop 2001:db8::1 of IPv4 routes, and RFC 8950 was not negotiated",
    });
    expect(path.next_hop).toBe(nextHop);
  });
});

describe("a route that fits into a message", () => {
  const families = "families: [ipv4-unicast, ipv6-unicast]";
  const both = ["ipv4", "ipv6"] as const;

  test.each([
    [1, ["10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24", "10.1.1.1/32"], A],
    [2, ["2001:d00::/24", "2001:db8::/32", "2001:db8::/64", "2001:db8::1/128"], "2001:db8::1"],
  ] as const)("is sent, by the length of its prefix: family %i", (_family, prefixes, nextHop) => {
    const { lab, a, b } = exchange(
      { a: `${families}, extended-message: true`, b: families },
      { a: { families: both, extendedMessage: true }, b: { families: both } },
    );
    const counts = new Set<number>();
    for (let pad = 3940; pad < 4060; pad++) {
      a.announce(prefixes, { nextHop, more: [{ type: 200, value: "00".repeat(pad) }] });
      lab.run();
      const sent = prefixes.filter((prefix) => prefix in b.table);
      expect(sent).toEqual(prefixes.slice(0, sent.length));
      counts.add(sent.length);
      const next = prefixes[sent.length];
      if (next === undefined) continue;
      const steps = explain(lab, "export", next, B).paths[0]!.steps;
      expect(steps.at(-1)!.reason?.code).toBe("attributes-too-long");
    }
    // Up to the longest prefix that still fits, then the next one, and in the end none.
    expect([...counts]).toEqual([4, 3, 2, 1, 0]);
    expect(Math.max(...b.wire.of("UPDATE").map(({ length }) => length))).toBe(4096);
  });

  test("is withdrawn when its attributes grow out of it", () => {
    const { lab, a, b } = exchange(
      { a: "extended-message: true" },
      { a: { extendedMessage: true } },
    );
    for (const [pad, there] of [
      [100, true],
      [5000, false],
      [3900, true],
      [4060, false],
    ] as const) {
      a.announce([ROUTE], { more: [{ type: 200, value: "00".repeat(pad) }] });
      lab.run();
      expect([pad, ROUTE in b.table]).toEqual([pad, there]);
    }
  });

  test("of many short segments, which grow for 2-octet AS numbers, and no other", () => {
    const { lab, a } = exchange(
      { a: "extended-message: true", b: "extended-message: true" },
      {
        a: { extendedMessage: true },
        b: { extendedMessage: true, fourOctetAs: false },
      },
    );
    // Each segment takes 6 octets here, and 4 in AS_PATH and 6 in AS4_PATH of that session.
    const counts = [10, 400, 6000, 6500, 6540, 6560, 7000, 8000, 10_000];
    for (const [i, count] of counts.entries()) {
      const segment = { type: "AS_SEQUENCE", as: [4_200_065_001] };
      const segments = [
        { type: "AS_SEQUENCE", as: [65001] },
        ...Array.from({ length: count }, () => segment),
      ];
      a.announce([`10.${i}.0.0/16`], { more: [{ type: 2, value: { segments } }] });
    }
    lab.run();
    expect(a.isUp).toBe(true);
    expect(lab.neighbor(B).fsmState).toBe("established");
    const fitting = counts.filter((count) => 23 + 10 * (count + 1) + 30 < 65535).length;
    const query = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
    const { routes } = showRoutes(lab.router, { ...query, neighbor: B, view: "advertised" }, null);
    expect(routes.length).toBe(fitting);
  });
});

test("a long message is taken by who said so, from whomever, and not sent (RFC 8654)", () => {
  const { lab, a, b } = exchange(
    { a: "extended-message: true", b: "extended-message: true" },
    { a: { extendedMessage: false }, b: { extendedMessage: true } },
  );
  const prefixes = Array.from({ length: 2000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  a.announce(prefixes);
  lab.run();
  expect(a.isUp).toBe(true);
  expect(Object.keys(b.table)).toHaveLength(2000);
  b.announce(prefixes.map((prefix) => prefix.replace("10.", "172.")));
  lab.run();
  expect(Object.keys(a.table)).toHaveLength(2000);
  const longest = (peer: Peer) => Math.max(...peer.wire.of("UPDATE").map(({ length }) => length));
  expect(longest(a)).toBeLessThanOrEqual(4096);
  expect(longest(b)).toBeGreaterThan(4096);
});

test("a prepending that has nothing to repeat says so", () => {
  const lab = new Lab(
    yamlOf(`
neighbors:
  - { address: ${A}, as: 65001, passive: true, import: twice, as-set: accept, enforce-first-as: false }
policies:
  twice: [ { set: { prepend: { as: first, count: 2 } }, then: accept } ]`),
  );
  const a = lab.peer(A, { as: 65001 }).up();
  const made = (segments: readonly object[]) => {
    a.announce([ROUTE], { more: [{ type: 2, value: { segments } }] });
    lab.run();
    const { steps } = explain(lab, "import", ROUTE, A).paths[0]!;
    return steps.find(({ step }) => step === "policy")!.rules![0]!.modifications;
  };
  expect(made([{ type: "AS_SET", as: [1, 2] }])).toEqual([
    "prepend: first 2 times: nothing, the AS path begins with an AS_SET",
  ]);
  expect(made([])).toEqual(["prepend: first 2 times: nothing, the AS path is empty"]);
  expect(made([{ type: "AS_SEQUENCE", as: [65001] }])).toEqual(["prepend: first 2 times"]);
});
