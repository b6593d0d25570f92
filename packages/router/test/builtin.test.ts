/** Policies and lists that are built in. */

import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import type { Sketch } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const LAB = yamlOf(`
neighbors:
  - { address: ${A}, as: 3333, import: [ "@hygiene", rest ] }
policies:
  rest:
    - { name: mine, if: { as-path: { origin: "@bogon-as", regex: "_<@transit-free>_" } }, then: reject }
    - then: accept
`);

describe("@hygiene", () => {
  const long = (n: number) => Array.from({ length: n }, () => 3333);
  const many = (n: number) => Array.from({ length: n }, (_, k) => `1:${k}`);
  const rows: [string, Sketch, string | undefined][] = [
    ["193.0.0.0/21", {}, undefined],
    ["2001:67c:2e8::/48", {}, undefined],
    ["193.0.0.0/24", { path: [3333, 1103], communities: many(100) }, undefined],
    ["193.0.0.0/24", { communities: many(101) }, "too-many-communities"],
    ["193.0.0.0/25", {}, "prefix-too-long"],
    ["192.0.0.0/7", {}, "prefix-too-short"],
    ["2001:67c:2e8::/49", {}, "prefix-too-long"],
    ["2000::/4", {}, "prefix-too-short"],
    ["4000::/16", {}, "not-global-unicast"],
    ["10.1.0.0/16", {}, "bogon-prefix"],
    ["0.0.0.0/0", {}, "bogon-prefix"],
    ["2001:db8:1::/48", {}, "bogon-prefix"],
    ["193.0.0.0/21", { path: [3333, 64512] }, "bogon-as"],
    ["193.0.0.0/21", { path: [3333, 23456, 1103] }, "bogon-as"],
    ["193.0.0.0/21", { path: [3333, 174] }, "transit-free"],
    ["193.0.0.0/21", { path: long(64) }, undefined],
    ["193.0.0.0/21", { path: long(65) }, "as-path-too-long"],
    ["193.0.0.0/21", { nextHop: "192.0.2.77" }, "next-hop"],
  ];
  test.each(rows)("%s %j: %s", (prefix, sketch, why) => {
    const isWide = prefix.includes(":");
    const address = isWide ? "2001:db8::1" : A;
    const lab = new Lab(LAB.replace(`address: ${A}`, `address: ${address}`));
    const a = lab.peer(address, { as: 3333, families: [isWide ? "ipv6" : "ipv4"] }).up();
    a.announce([prefix], sketch);
    lab.run();
    const { tables } = lab.router;
    const reason = tables.rib(isWide ? 2 : 1).paths.reason[1]!;
    expect(reason === 0 ? undefined : tables.reasons.get(reason).why).toBe(why);
  });
});
