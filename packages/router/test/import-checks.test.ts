/** What the speaker itself has against a route, before policy is asked. */

import { showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS, type Sketch } from "../../../testkit/sketch.ts";
import { isRoutable } from "../src/importer.ts";

const A = "192.0.2.1";

/** What becomes of one route: the reason why it is rejected, "accepted", or "not stored". */
function fate(
  neighbor: string,
  options: PeerOptions,
  sketch: Sketch,
  prefix = "10.1.0.0/16",
): string {
  const lab = new Lab(
    yamlOf(
      `neighbors: [{ address: ${A}, import: accept-all, passive: true, ${neighbor} }]`,
      ROUTER,
    ),
  );
  const peer = lab.peer(A, { families: ["ipv4", "ipv6"], ...options }).up();
  peer.announce([prefix], sketch);
  lab.run();
  if (!peer.isUp) return "session lost";
  const query = { prefix: null, match: "exact", neighbor: A, view: "received", bestOnly: false };
  const { routes } = showRoutes(
    lab.router,
    { ...query, family: prefix.includes(":") ? 2 : 1 } as Parameters<typeof showRoutes>[1],
    null,
  );
  return routes[0] === undefined ? "not stored" : (routes[0].reason?.code ?? "accepted");
}

const ROUTER = `{ as: ${ROUTER_AS}, id: 192.0.2.254, cluster-id: 10.0.0.9 }`;
const EBGP = "as: 65001, families: [ipv4-unicast, ipv6-unicast]";
const IBGP = `as: ${ROUTER_AS}, families: [ipv4-unicast, ipv6-unicast]`;

describe("a route from an external peer", () => {
  test.each<[string, string, Sketch, string]>([
    ["is accepted", "", {}, "accepted"],
    ["has looped when our AS is in its path", "", { path: [65001, ROUTER_AS] }, "as-path-loop"],
    [
      "may have our AS as often as allow-own-as says",
      "allow-own-as: 1",
      { path: [65001, ROUTER_AS] },
      "accepted",
    ],
    [
      "and no more often",
      "allow-own-as: 1",
      { path: [65001, ROUTER_AS, ROUTER_AS] },
      "as-path-loop",
    ],
    [
      "has looped when the AS that we show the peer is in its path",
      "local-as: 64999",
      { path: [65001, 64999] },
      "as-path-loop",
    ],
    [
      "has looped when our real AS is in its path",
      "local-as: 64999",
      { path: [65001, ROUTER_AS] },
      "as-path-loop",
    ],
    ["must begin with the peer's AS", "", { path: [65009] }, "first-as-mismatch"],
    ["must have a path", "", { path: [] }, "first-as-mismatch"],
    [
      "need not begin with it where the configuration says so",
      "enforce-first-as: false",
      { path: [65009] },
      "accepted",
    ],
    ["must not point at us", "", { nextHop: "192.0.2.254" }, "next-hop-self"],
    ["may point at someone else", "", { nextHop: "192.0.2.77" }, "accepted"],
  ])("%s", (_title, options, sketch, expected) => {
    expect(fate(`${EBGP}, ${options}`, { as: 65001 }, sketch)).toBe(expected);
  });
});

describe("a route from an internal peer", () => {
  test.each<[string, Sketch, string]>([
    ["needs no path", {}, "accepted"],
    ["may begin with any AS", { path: [65009] }, "accepted"],
    ["has looped when our AS is in its path", { path: [65009, ROUTER_AS] }, "as-path-loop"],
    ["is ours when ORIGINATOR_ID says so", { originator: "192.0.2.254" }, "originator-loop"],
    ["is another's when it says so", { originator: "192.0.2.253" }, "accepted"],
    ["was in our cluster before", { clusters: ["10.0.0.7", "10.0.0.9"] }, "cluster-loop"],
    ["was in other clusters", { clusters: ["10.0.0.7", "192.0.2.254"] }, "accepted"],
    ["must not point at us", { nextHop: "192.0.2.254" }, "next-hop-self"],
  ])("%s", (_title, sketch, expected) => {
    expect(fate(IBGP, { as: ROUTER_AS }, sketch)).toBe(expected);
  });
});

describe("a prefix that cannot be routed is rejected", () => {
  test.each([
    ["0.0.0.0/0", "accepted"],
    ["0.0.0.0/8", "prefix-invalid"],
    ["10.0.0.0/8", "accepted"],
    ["126.0.0.0/8", "accepted"],
    ["127.0.0.0/8", "prefix-invalid"],
    ["127.1.0.0/16", "prefix-invalid"],
    ["128.0.0.0/1", "accepted"],
    ["192.0.2.1/32", "accepted"],
    ["223.255.255.0/24", "accepted"],
    ["224.0.0.0/4", "prefix-invalid"],
    ["239.1.1.0/24", "prefix-invalid"],
    ["240.0.0.0/4", "prefix-invalid"],
    ["255.255.255.255/32", "prefix-invalid"],
    ["::/0", "accepted"],
    ["::/128", "prefix-invalid"],
    ["::1/128", "prefix-invalid"],
    ["2001:db8::/32", "accepted"],
    ["fc00::/7", "accepted"],
    ["fe80::/10", "prefix-invalid"],
    ["febf::/16", "prefix-invalid"],
    ["fec0::/10", "accepted"],
    ["ff00::/8", "prefix-invalid"],
    ["ff02::1/128", "prefix-invalid"],
  ])("%s: %s", (prefix, expected) => {
    expect(fate(EBGP, { as: 65001 }, {}, prefix)).toBe(expected);
  });

  test("whole and in part alike", () => {
    expect(isRoutable(1, 0x7f000000, 0, 0, 0, 8)).toBe(false);
    expect(isRoutable(2, 0, 0, 0, 1, 127)).toBe(true);
  });
});

describe("RFC 9234, what comes in", () => {
  // Our role, the peer's as the number of its capability (null: it states none).
  const ROLES = [
    ["provider", 3],
    ["rs", 2],
    ["rs-client", 1],
    ["customer", 0],
    ["peer", 4],
  ] as const;
  const FATES: Readonly<Record<string, [none: string, own: string, other: string]>> = {
    provider: ["accepted", "route-leak", "route-leak"],
    rs: ["accepted", "route-leak", "route-leak"],
    "rs-client": ["accepted", "accepted", "accepted"],
    customer: ["accepted", "accepted", "accepted"],
    peer: ["accepted", "accepted", "route-leak"],
  };
  const cases = ROLES.flatMap(([role, number]) =>
    [undefined, 65001, 65777].flatMap((otc, i) =>
      [number, undefined].map((stated) => [role, stated, otc, FATES[role]![i]!] as const),
    ),
  );
  test.each(cases)("as %s of a peer with role %s, OTC %s: %s", (role, stated, otc, expected) => {
    const options = { as: 65001, ...(stated === undefined ? {} : { role: stated }) };
    const sketch = otc === undefined ? {} : { otc };
    expect(fate(`${EBGP}, role: ${role}`, options, sketch)).toBe(expected);
  });

  test.each([
    ["provider", 3, undefined],
    ["rs", 2, undefined],
    ["rs-client", 1, 65001],
    ["customer", 0, 65001],
    ["peer", 4, 65001],
  ] as const)("as %s, a route without OTC gets the peer's AS: %s %s", (role, stated, otc) => {
    const lab = new Lab(
      yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001, role: ${role} }
  - { address: 192.0.2.3, as: ${ROUTER_AS} }
`),
    );
    const inside = lab.peer("192.0.2.3", { as: ROUTER_AS }).up();
    lab.peer(A, { as: 65001, role: stated }).up().announce(["10.1.0.0/16"]);
    lab.run();
    expect(inside.table["10.1.0.0/16"]?.["otc"]).toBe(otc);
  });

  test("a peer with a role that does not fit ours is refused", () => {
    const lab = new Lab(
      yamlOf(`neighbors: [{ address: ${A}, as: 65001, passive: true, role: provider }]`),
    );
    const wire = lab.peer(A, { as: 65001, role: 0 }).connect();
    lab.run();
    expect(wire.notification).toBe("2/11");
  });

  test("a peer without a role is refused where roles are strict", () => {
    const lab = new Lab(
      yamlOf(
        `neighbors: [{ address: ${A}, as: 65001, passive: true, role: provider, strict-role: true }]`,
      ),
    );
    const wire = lab.peer(A, { as: 65001 }).connect();
    lab.run();
    expect(wire.notification).toBe("2/11");
  });
});

test("a route that is marked with OTC and then too long for any message is rejected", () => {
  const big = { type: 200, value: "00".repeat(65_480) };
  const options = { as: 65001, extendedMessage: true, role: 0 };
  const sketch = { more: [big], path: [65001] };
  const neighbor = `${EBGP}, extended-message: true, role: customer`;
  expect(["accepted", "attributes-too-long"]).toContain(
    fate(neighbor, options, sketch, "0.0.0.0/0"),
  );
});
