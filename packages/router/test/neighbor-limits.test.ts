/** Limits of a neighbor that are the operator's choice: AS paths, communities, hold times. */

import { showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { Sketch } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

const yamlWith = (options: string) =>
  yamlOf(`
defaults: { route-server-client: true, import: accept-all, export: accept-all, passive: true }
neighbors: [{ address: ${A}, as: 65001, ${options} }, { address: ${B}, as: 65002 }]
`);

function two(options: string): { lab: Lab; a: Peer; b: Peer } {
  const lab = new Lab(yamlWith(options));
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  return { lab, a, b };
}

const rejected = (lab: Lab) =>
  showRoutes(
    lab.router,
    { family: 1, prefix: null, match: "exact", neighbor: A, view: "rejected", bestOnly: false },
    null,
  ).routes.map(({ reason }) => reason!.code);

const LIMITS = "max-as-path: 3, max-communities: 4";
const FOUR: Sketch = {
  communities: ["65001:1", "65001:2"],
  large: ["65001:1:1"],
  extended: ["rt:65001:1"],
};

describe("a route", () => {
  test.each<[string, string, Sketch, string[]]>([
    ["with as long an AS path as may be", LIMITS, { path: [65001, 1, 2] }, []],
    ["with a longer one", LIMITS, { path: [65001, 1, 2, 3] }, ["as-path-too-long"]],
    ["with as many communities as may be", LIMITS, FOUR, []],
    [
      "with one more",
      LIMITS,
      { ...FOUR, large: ["65001:1:1", "65001:1:2"] },
      ["too-many-communities"],
    ],
    [
      "with one where none may be",
      "max-communities: 0",
      { large: ["1:1:1"] },
      ["too-many-communities"],
    ],
    [
      "without limits",
      "max-as-path: none",
      { path: [65001, ...Array(200).keys()].map((n) => n || 1) },
      [],
    ],
  ])("%s", (_title, options, sketch, codes) => {
    const { lab, a, b } = two(options);
    a.announce(["10.1.0.0/16"], sketch);
    lab.run();
    expect(rejected(lab)).toEqual(codes);
    expect(Object.keys(b.table)).toHaveLength(codes.length === 0 ? 1 : 0);
  });

  test("is judged again when a limit changes", () => {
    const { lab, a, b } = two("max-as-path: 2");
    a.announce(["10.1.0.0/16"], { path: [65001, 1, 2] });
    lab.run();
    expect(b.table).toEqual({});
    lab.reload(yamlWith("max-as-path: 3")).run();
    expect(Object.keys(b.table)).toEqual(["10.1.0.0/16"]);
    lab.reload(yamlWith("max-communities: 0, max-as-path: 1")).run();
    expect(b.table).toEqual({});
    expect(lab.neighbor(A).establishedCount).toBe(1);
  });
});

test.each([
  [29, "2/6"],
  [30, null],
  [0, null],
])("with hold-time-min: 30, hold time %i comes to %s", (holdTime, notification) => {
  const lab = new Lab(yamlWith("hold-time-min: 30"));
  const wire = lab.peer(A, { as: 65001, holdTime }).connect();
  lab.run();
  expect(wire.notification).toBe(notification);
});
