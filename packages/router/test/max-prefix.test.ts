/** The limit on a peer's prefixes: what counts, what it does, what the peer and the log are told. */

import { showNeighbor, showRoutes } from "@ts-bgp/views";
import { CEASE } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

function yaml(limit: string, rest = ""): string {
  return yamlOf(`
defaults: { import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001, max-prefix: ${limit}, ${rest} }
  - { address: ${B}, as: 65002 }
policies:
  low: [{ if: { med: { max: 2 } }, then: accept }]
  some: [{ if: { prefix: 10.128.0.0/9 le 24 }, then: reject }, { then: accept }]
`);
}

function two(limit: string, rest = ""): { lab: Lab; a: Peer; b: Peer } {
  const lab = new Lab(yaml(limit, rest));
  const b = lab.peer(B, { as: 65002 }).up();
  const a = lab.peer(A, { as: 65001 }).up();
  return { lab, a, b };
}

const prefix = (n: number) => `10.${n}.0.0/16`;
const prefixes = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => prefix(from + i));

function events(lab: Lab): string[] {
  return lab.logs
    .filter(({ id }) => id.startsWith("max-prefix"))
    .map(({ id, fields }) => `${id} ${fields["count"]}/${fields["limit"]}`);
}

describe("the action", () => {
  test("warn logs and goes on", () => {
    const { lab, a, b } = two("{ ipv4-unicast: 10, action: warn }");
    for (let n = 0; n < 12; n++) a.announce([prefix(n)]);
    lab.run();
    expect(events(lab)).toEqual(["max-prefix-warning 8/10", "max-prefix-reached 11/10"]);
    expect(Object.keys(b.table)).toHaveLength(12);
  });

  test("block takes no further prefix, and further ones again after some are gone", () => {
    const { lab, a, b } = two("{ ipv4-unicast: 10, action: block, warn-percent: 0 }");
    a.announce(prefixes(0, 12));
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(10);
    expect(events(lab)).toEqual(["max-prefix-reached 10/10"]);
    expect(a.isUp).toBe(true);
    // Known prefixes may change, and the log is not told again and again.
    a.announce(prefixes(0, 10), { med: 5 });
    for (let n = 20; n < 40; n++) a.announce([prefix(n)]).announce([prefix(0)]);
    lab.run();
    expect(events(lab)).toHaveLength(1);
    a.withdraw([prefix(0), prefix(1)]).announce([prefix(50)]);
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(9);
    expect(b.table).toHaveProperty([prefix(50)]);
  });

  test("restart ends the session, and lets the peer in again after the time", () => {
    const { lab, a, b } = two("{ ipv4-unicast: 10, action: restart, restart-after: 30 }");
    a.announce(prefixes(0, 11));
    lab.run();
    expect(a.isUp).toBe(false);
    expect(b.table).toEqual({});
    const [notification] = a.wire.of("NOTIFICATION");
    expect(notification).toMatchObject({ code: 6, subcode: CEASE.MAX_PREFIXES });
    // AFI 1, SAFI 1, and the limit (RFC 4486 section 4).
    expect(notification!["data"]).toBe("0001010000000a");
    lab.advance(25_000);
    const early = a.connect();
    lab.run();
    expect(early.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    lab.advance(10_000);
    expect(a.up().isUp).toBe(true);
  });

  test("shutdown ends it until an operator enables the neighbor", () => {
    const { lab, a } = two("{ ipv4-unicast: 10 }");
    a.announce(prefixes(0, 11));
    lab.run().advance(3_600_000);
    const late = a.connect();
    lab.run();
    expect(late.notification).toBe(`6/${CEASE.CONNECTION_REJECTED}`);
    lab.reload(yaml("{ ipv4-unicast: 100 }")).run().advance(60_000);
    expect(lab.neighbor(A).fsmState).toBe("idle");
    lab.operate(A, { do: "enable" });
    expect(a.up().isUp).toBe(true);
  });
});

describe("what counts", () => {
  test("received counts rejected prefixes too", () => {
    const { lab, a } = two("{ ipv4-unicast: 10 }", "import: some");
    a.announce(prefixes(0, 5)).announce(prefixes(128, 5));
    lab.run();
    expect(a.isUp).toBe(true);
    a.announce([prefix(200)]);
    lab.run();
    expect(a.isUp).toBe(false);
  });

  test("accepted counts those that policy accepts", () => {
    const { lab, a } = two("{ ipv4-unicast: 10, count: accepted }", "import: some");
    a.announce(prefixes(0, 10)).announce(prefixes(128, 50));
    lab.run();
    expect(a.isUp).toBe(true);
    a.announce([prefix(20)]);
    lab.run();
    expect(a.isUp).toBe(false);
  });

  test("accepted with block keeps what is over as rejected, with the reason", () => {
    const { lab, a, b } = two(
      "{ ipv4-unicast: 3, count: accepted, action: block }",
      "import: some",
    );
    a.announce(prefixes(126, 6));
    lab.run();
    a.announce(prefixes(0, 3));
    lab.run();
    expect(Object.keys(b.table).sort()).toEqual([prefix(0), prefix(126), prefix(127)].sort());
    const query = { family: 1, prefix: null, match: "exact", neighbor: A } as const;
    const { routes } = showRoutes(
      lab.router,
      { ...query, view: "rejected", bestOnly: false },
      null,
    );
    const over = routes.filter(({ reason }) => reason!.code === "max-prefix");
    expect(over.map((route) => route.prefix)).toEqual([prefix(1), prefix(2)]);
  });

  test("each family by itself", () => {
    const lab = new Lab(
      yamlOf(`
neighbors:
  - address: ${A}
    as: 65001
    import: accept-all
    passive: true
    families: [ipv4-unicast, ipv6-unicast]
    max-prefix: { ipv6-unicast: 2 }
`),
    );
    const a = lab.peer(A, { as: 65001, families: ["ipv4", "ipv6"] }).up();
    a.announce(prefixes(0, 100)).announce(["2001:db8:1::/48", "2001:db8:2::/48"]);
    lab.run();
    expect(a.isUp).toBe(true);
    a.announce(["2001:db8:3::/48"]);
    lab.run();
    expect(a.wire.of("NOTIFICATION")[0]!["data"]).toBe("00020100000002");
  });
});

describe("several paths of one prefix are one, with ADD-PATH", () => {
  const route = (n: number, pathId: number) => ({ prefix: prefix(n), path_id: pathId });
  const ADD_PATH = "add-path: { receive: true }";
  function withPaths(limit: string, rest = "") {
    const lab = new Lab(yaml(limit, [ADD_PATH, rest].filter(Boolean).join(", ")));
    const b = lab.peer(B, { as: 65002 }).up();
    const a = lab.peer(A, { as: 65001, addPath: "send" }).up();
    const paths = (n: number, from: number, to: number) => {
      for (let id = from; id < to; id++) a.announce([route(n, id)], { med: id });
      lab.run();
    };
    return { lab, a, b, paths };
  }

  test("received: further paths may come, a further prefix may not", () => {
    const { lab, a, paths } = withPaths("{ ipv4-unicast: 2 }");
    paths(0, 0, 20);
    paths(1, 0, 20);
    expect(a.isUp).toBe(true);
    const [shown] = showNeighbor(lab.neighbor(A)).families;
    expect(shown).toMatchObject({ received: 40, max_prefix: { limit: 2, count: 2 } });
    paths(2, 0, 1);
    expect(a.wire.notification).toBe(`6/${CEASE.MAX_PREFIXES}`);
  });

  test("a prefix is gone with its last path", () => {
    const { lab, a, paths } = withPaths("{ ipv4-unicast: 2 }");
    paths(0, 0, 3);
    paths(1, 0, 1);
    for (const id of [0, 2, 1]) a.withdraw([route(0, id)]);
    paths(2, 5, 8);
    expect(a.isUp).toBe(true);
    paths(3, 0, 1);
    expect(a.isUp).toBe(false);
    lab.run();
  });

  test("block: paths of a known prefix are taken, a further prefix is not", () => {
    const { lab, b, paths } = withPaths("{ ipv4-unicast: 2, action: block }");
    paths(0, 0, 3);
    paths(1, 0, 3);
    paths(2, 0, 3);
    paths(1, 3, 6);
    expect(Object.keys(b.table)).toEqual([prefix(0), prefix(1)]);
    expect(showNeighbor(lab.neighbor(A)).families[0]).toMatchObject({ received: 9 });
  });

  test("accepted: a prefix counts while one of its paths is accepted", () => {
    const { a, b, lab, paths } = withPaths(
      "{ ipv4-unicast: 1, action: block, count: accepted }",
      "import: low",
    );
    paths(0, 0, 6);
    paths(1, 0, 6);
    const counts = () => showNeighbor(lab.neighbor(A)).families[0];
    expect(counts()).toMatchObject({ received: 12, accepted: 3, max_prefix: { count: 1 } });
    for (const id of [0, 1]) a.withdraw([route(0, id)]);
    a.announce([route(1, 1)], { med: 0 });
    lab.run();
    expect(Object.keys(b.table)).toEqual([prefix(0)]);
    a.announce([route(0, 2)], { med: 9 });
    lab.run();
    expect(counts()).toMatchObject({ accepted: 0, max_prefix: { count: 0 } });
    a.announce([route(1, 1)], { med: 1 }).announce([route(1, 2)], { med: 2 });
    lab.run();
    expect(Object.keys(b.table)).toEqual([prefix(1)]);
    expect(counts()).toMatchObject({ accepted: 2, max_prefix: { count: 1 } });
  });
});

describe("a reload", () => {
  test("with a lower limit acts on the prefixes that are there", () => {
    const { lab, a } = two("{ ipv4-unicast: 100, action: shutdown }");
    a.announce(prefixes(0, 20));
    lab.run();
    lab.reload(yaml("{ ipv4-unicast: 10, action: shutdown }")).run();
    expect(a.wire.notification).toMatch(`6/${CEASE.MAX_PREFIXES}`);
  });

  test("with another action acts on a limit that was reached before", () => {
    const { lab, a } = two("{ ipv4-unicast: 10, action: warn }");
    a.announce(prefixes(0, 20));
    lab.run();
    lab.reload(yaml("{ ipv4-unicast: 10, action: shutdown }")).run();
    expect(a.isUp).toBe(false);
  });

  test("with the same limit does not warn again", () => {
    const { lab, a } = two("{ ipv4-unicast: 10, action: warn }");
    a.announce(prefixes(0, 20));
    lab.run();
    const before = events(lab).length;
    lab.reload(yaml("{ ipv4-unicast: 10, action: warn }", "description: other")).run();
    a.announce([prefix(30)]);
    lab.run();
    expect(events(lab)).toHaveLength(before);
  });

  test("with a policy that accepts more acts on the number of accepted prefixes", () => {
    const limit = "{ ipv4-unicast: 10, count: accepted, action: shutdown }";
    const { lab, a } = two(limit, "import: some");
    a.announce(prefixes(120, 20));
    lab.run();
    expect(a.isUp).toBe(true);
    lab.reload(yaml(limit)).run();
    expect(a.isUp).toBe(false);
  });

  test("with a higher limit asks the peer for the prefixes that were blocked", () => {
    const { lab, a, b } = two("{ ipv4-unicast: 10, action: block }");
    a.announce(prefixes(0, 20));
    lab.run();
    a.asked = () => a.announce(prefixes(0, 20));
    lab.reload(yaml("{ ipv4-unicast: 10, action: block }", "description: other")).run();
    expect(Object.keys(b.table)).toHaveLength(10);
    lab.reload(yaml("{ ipv4-unicast: 15, action: block }")).run();
    expect(Object.keys(b.table)).toHaveLength(15);
  });

  test("does not put one neighbor's blocked routes to another's account", () => {
    const { lab, a, b } = two(
      "{ ipv4-unicast: 5, count: accepted, action: block }",
      "import: some",
    );
    a.announce(prefixes(123, 10));
    lab.run();
    lab.logs.length = 0;
    lab.reload(yaml("{ ipv4-unicast: 5, count: accepted, action: block }")).run();
    b.announce(["172.16.0.0/16"]);
    lab.run();
    expect(lab.logs.filter(({ neighbor }) => neighbor === B && true)).toEqual([]);
  });
});

test("a peer that goes over the limit and back is told of in bounds", () => {
  const { lab, a } = two("{ ipv4-unicast: 10, action: warn, warn-percent: 100 }");
  a.announce(prefixes(0, 9));
  for (let n = 0; n < 200; n++) a.announce(prefixes(9, 3)).withdraw(prefixes(9, 3));
  lab.run();
  expect(events(lab).length).toBeLessThanOrEqual(20);
});

describe("a limit on accepted prefixes beside that on received ones", () => {
  const accepted = (limit: string) => `import: some, max-prefix-accepted: ${limit}`;
  const bad = (count: number) => Array.from({ length: count }, (_, k) => `10.${128 + k}.0.0/16`);

  test("each acts by itself", () => {
    const limits = ["{ ipv4-unicast: 10, action: warn, warn-percent: 0 }", "4"] as const;
    const { lab, a } = two(limits[0], accepted(limits[1]));
    a.announce(bad(11));
    lab.run();
    expect(events(lab)).toEqual(["max-prefix-reached 11/10"]);
    expect(a.isUp).toBe(true);
    const [family] = showNeighbor(lab.neighbor(A)).families;
    expect(family).toMatchObject({
      max_prefix: { limit: 10, count: 11 },
      max_prefix_accepted: { limit: 4, action: "shutdown", count: 0 },
    });
    a.announce(prefixes(0, 5));
    lab.run();
    expect(a.isUp).toBe(false);
    expect(a.wire.of("NOTIFICATION")[0]!["data"]).toBe("00010100000004");
  });

  test("both may block, and it is told which one does", () => {
    const block = (limit: number) => `{ ipv4-unicast: ${limit}, action: block, warn-percent: 0 }`;
    const { lab, a, b } = two(block(10), accepted(block(4)));
    a.announce(prefixes(0, 6));
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(4);
    expect(events(lab)).toEqual(["max-prefix-reached 4/4"]);
    a.announce(bad(8));
    lab.run();
    expect(events(lab)).toEqual(["max-prefix-reached 4/4", "max-prefix-reached 10/10"]);
    const [family] = showNeighbor(lab.neighbor(A)).families;
    expect(family).toMatchObject({ received: 10, accepted: 4 });
  });
});
