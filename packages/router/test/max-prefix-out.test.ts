/** The brake on what a neighbor is sent. */

import { showNeighbor } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { explain } from "../../../testkit/asking.ts";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const C = "192.0.2.3";

const yamlWith = (limit: string, more = "") =>
  yamlOf(`
defaults: { route-server-client: true, import: accept-all, export: accept-all, passive: true }
neighbors:
  - { address: ${A}, as: 65001 }
  - { address: ${B}, as: 65002, max-prefix-out: ${limit} ${more} }
  - { address: ${C}, as: 65003 }
`);

function three(limit: string): { lab: Lab; a: Peer; b: Peer; c: Peer } {
  const lab = new Lab(yamlWith(limit));
  const up = (address: string, as: number) => lab.peer(address, { as }).up();
  return { lab, a: up(A, 65001), b: up(B, 65002), c: up(C, 65003) };
}

const prefixes = (from: number, count: number) =>
  Array.from({ length: count }, (_, k) => `10.${from + k}.0.0/16`);
const logged = (lab: Lab) =>
  lab.logsOf("max-prefix-out").map(({ level, fields }) => [level, fields["limit"]]);

describe("more routes than the neighbor may be sent", () => {
  test("end its session before they leave, and no other one", () => {
    const { lab, a, b, c } = three("10");
    a.announce(prefixes(0, 10));
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(10);
    expect(b.isUp).toBe(true);
    a.announce(prefixes(10, 5));
    lab.run();
    expect(b.isUp).toBe(false);
    expect(b.wire.table.size).toBe(10);
    expect(b.wire.notification).toBe("6/2 limit of 10 ipv4-unicast routes to be sent");
    expect(Object.keys(c.table)).toHaveLength(15);
    expect(logged(lab)).toEqual([["error", 10]]);
    lab.advance(3_600_000);
    expect(lab.neighbor(B).fsmState).toBe("idle");
  });

  test("end it as well when the session has only just begun", () => {
    const { lab, a, b } = three("10");
    b.hangUp();
    a.announce(prefixes(0, 11));
    lab.run().advance(10_000);
    b.connect();
    lab.run();
    expect(b.isUp).toBe(false);
    expect(b.wire.table.size).toBe(0);
  });

  test("count those alone that the neighbor is sent", () => {
    const { lab, a, b } = three("10");
    b.announce(prefixes(20, 30));
    a.announce(prefixes(0, 10));
    lab.run();
    expect(b.isUp).toBe(true);
    const [family] = showNeighbor(lab.neighbor(B)).families;
    expect(family!.max_prefix_out).toEqual({ limit: 10, action: "shutdown", count: 10 });
    a.withdraw(prefixes(0, 5)).announce(prefixes(60, 5));
    lab.run();
    expect(b.isUp).toBe(true);
  });

  test("begin anew after a while, where the action is restart", () => {
    const { lab, a, b } = three("{ ipv4-unicast: 10, action: restart, restart-after: 30 }");
    a.announce(prefixes(0, 11));
    lab.run();
    expect(b.isUp).toBe(false);
    expect(b.wire.notification).toBe("6/4 limit of 10 ipv4-unicast routes to be sent");
    a.withdraw(prefixes(0, 5));
    lab.run().advance(31_000);
    b.up();
    expect(Object.keys(b.table)).toHaveLength(6);
  });

  test("are sent and told once, where the action is warn", () => {
    const { lab, a, b } = three("{ ipv4-unicast: 10, action: warn }");
    for (const prefix of prefixes(0, 14)) {
      a.announce([prefix]);
      lab.run();
    }
    expect(Object.keys(b.table)).toHaveLength(14);
    expect(logged(lab)).toEqual([["warn", 10]]);
    a.withdraw(prefixes(0, 10));
    lab.run();
    a.announce(prefixes(0, 10));
    lab.run();
    expect(logged(lab)).toHaveLength(2);
  });
});

describe("with the action block", () => {
  const BLOCK = "{ ipv4-unicast: 10, action: block }";

  test("no more are sent, and others come where some go", () => {
    const { lab, a, b, c } = three(BLOCK);
    a.announce(prefixes(0, 15));
    lab.run();
    const first = Object.keys(b.table);
    expect(first).toHaveLength(10);
    expect(Object.keys(c.table)).toHaveLength(15);
    const [family] = showNeighbor(lab.neighbor(B)).families;
    expect(family!.max_prefix_out).toEqual({ limit: 10, action: "block", count: 10 });
    expect(logged(lab)).toEqual([["warn", 10]]);
    b.wire.forget();
    a.withdraw(first.slice(0, 3));
    lab.run();
    expect(b.wire.changes.filter((change) => change.startsWith("-"))).toHaveLength(3);
    expect(Object.keys(b.table)).toEqual(expect.arrayContaining(first.slice(3)));
    expect(Object.keys(b.table)).toHaveLength(10);
    a.withdraw(first.slice(3, 6));
    lab.run();
    expect(Object.keys(b.table)).toHaveLength(9);
    expect(b.isUp).toBe(true);
    a.announce(prefixes(20, 2));
    lab.run();
    expect(logged(lab)).toHaveLength(2);
  });

  test("routes that are sent change as ever, and own ones take no room", () => {
    const { lab, a, b } = three(BLOCK);
    b.announce(prefixes(40, 20));
    a.announce(prefixes(0, 12));
    lab.run();
    a.announce(prefixes(0, 12), { path: [65001, 65009] });
    lab.run();
    expect(Object.values(b.table).map(({ path }) => path)).toEqual(
      Array.from({ length: 10 }, () => "65001 65009"),
    );
  });

  test("a reload may change the limit, take it away, and bring it", () => {
    const { lab, a, b } = three(BLOCK);
    a.announce(prefixes(0, 15));
    lab.run();
    const count = (limit: string) => {
      lab.reload(yamlWith(limit)).run();
      return Object.keys(b.table).length;
    };
    expect(count("{ ipv4-unicast: 12, action: block }")).toBe(12);
    expect(count("{ ipv4-unicast: 4, action: block }")).toBe(4);
    expect(count("20")).toBe(15);
    expect(count(BLOCK)).toBe(10);
    expect(b.isUp).toBe(true);
  });

  test("the log says so as well of a limit that a reload brings, and takes away and brings again", () => {
    const { lab, a } = three("1000");
    a.announce(prefixes(0, 15));
    lab.run();
    lab.reload(yamlWith(BLOCK)).run();
    expect(logged(lab)).toEqual([["warn", 10]]);
    lab.reload(yamlWith("{ ipv6-unicast: 5 }")).run();
    lab.reload(yamlWith(BLOCK)).run();
    expect(logged(lab)).toHaveLength(2);
  });

  test("the log says so of each session of an AS", () => {
    const neighbors = [A, B, C].map(
      (address, k) =>
        `{ address: ${address}, as: ${k === 0 ? 65001 : 65002}, max-prefix-out: ${BLOCK} }`,
    );
    const lab = new Lab(
      yamlOf(`
defaults: { route-server-client: true, import: accept-all, export: accept-all, passive: true }
neighbors: [ ${neighbors.join(", ")} ]
`),
    );
    lab.peer(A, { as: 65001 }).up().announce(prefixes(0, 15));
    lab.run();
    lab.peer(B, { as: 65002 }).up();
    lab.run();
    expect(logged(lab)).toEqual([["warn", 10]]);
    lab.peer(C, { as: 65002 }).up();
    lab.run();
    expect(logged(lab)).toHaveLength(2);
  });

  test("explain says of a route that there is no room for it", () => {
    const { lab, a, b } = three(BLOCK);
    a.announce(prefixes(0, 11));
    lab.run();
    const waiting = prefixes(0, 11).filter((prefix) => !(prefix in b.table));
    const { paths } = explain(lab, "export", waiting[0]!, B);
    expect(paths[0]!.steps.at(-1)!.reason!.code).toBe("max-prefix-out");
  });
});

test("a limit that a reload brings is looked at at once", () => {
  const { lab, a, b } = three("50");
  a.announce(prefixes(0, 20));
  lab.run();
  lab.reload(yamlWith("20")).run();
  expect(b.isUp).toBe(true);
  lab.reload(yamlWith("19")).run();
  expect(b.isUp).toBe(false);
});
