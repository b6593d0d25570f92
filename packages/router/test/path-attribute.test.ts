/** Attributes that are not looked at when messages of a neighbor are read. */

import { showNeighbor, showRoutes } from "@ts-bgp/views";
import { ATTR } from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import type { Sketch } from "../../../testkit/sketch.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";
const ONE = "10.1.0.0/16";
const TWO = "10.2.0.0/16";

const yamlWith = (brakes: string) =>
  yamlOf(`
defaults: { route-server-client: true, import: accept-all, export: accept-all, passive: true }
neighbors: [ { address: ${A}, as: 65001, ${brakes} }, { address: ${B}, as: 65002 } ]
`);

function two(brakes: string): { lab: Lab; a: Peer; b: Peer } {
  const lab = new Lab(yamlWith(brakes));
  const a = lab.peer(A, { as: 65001, routeRefresh: true }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  return { lab, a, b };
}

/** @returns an UPDATE with these octets behind its path attributes */
function withOctets(update: Uint8Array, octets: readonly number[]): Uint8Array {
  const view = new DataView(update.buffer, update.byteOffset);
  const withdrawn = view.getUint16(19);
  const lengthAt = 21 + withdrawn;
  const end = lengthAt + 2 + view.getUint16(lengthAt);
  const out = Uint8Array.from([...update.slice(0, end), ...octets, ...update.slice(end)]);
  const changed = new DataView(out.buffer);
  changed.setUint16(16, out.length);
  changed.setUint16(lengthAt, view.getUint16(lengthAt) + octets.length);
  return out;
}

const unknown: Sketch = { more: [{ type: 200, value: "01" }] };
const faults = (lab: Lab) => showNeighbor(lab.neighbor(A)).update_faults_by_action;
const reasons = (lab: Lab) =>
  showRoutes(
    lab.router,
    { family: 1, prefix: null, match: "exact", neighbor: A, view: "rejected", bestOnly: false },
    null,
  ).routes.map(({ prefix, reason }) => [prefix, reason!.code, reason!.detail]);

describe("an attribute", () => {
  test("that is discarded is left out, and its route is used", () => {
    const { lab, a, b } = two("path-attribute: { discard: [40, 200] }");
    a.announce([ONE], unknown);
    a.announce([TWO]);
    lab.run();
    expect(b.table[ONE]).toEqual({ path: "65001", nextHop: A });
    expect(faults(lab)).toMatchObject({ "attribute-discard": 1, "treat-as-withdraw": 0 });
    expect(lab.logsOf("update-fault").map(({ message }) => message)).toEqual([
      expect.stringContaining("attribute 200 is left out, as path-attribute says"),
    ]);
  });

  test("that is treated as a withdrawal takes its routes away, and no others", () => {
    const { lab, a, b } = two("path-attribute: { treat-as-withdraw: 200 }");
    a.announce([ONE, TWO]);
    lab.run();
    a.announce([ONE], unknown);
    lab.run();
    expect(Object.keys(b.table)).toEqual([TWO]);
    const detail = "attribute 200 is treated as a withdrawal, as path-attribute says";
    expect(reasons(lab)).toEqual([[ONE, "malformed", detail]]);
    expect(faults(lab)).toMatchObject({ "treat-as-withdraw": 1 });
  });

  test("that is not looked at cannot be wrong", () => {
    // OTC of no octets would have the route withdrawn, and an unknown well-known one ends sessions.
    const { lab, a, b } = two("path-attribute: { discard: [35, 200] }");
    a.send(withOctets(a.updateOf([ONE], {}), [0xc0, ATTR.OTC, 0, 0x40, 200, 1, 7]));
    lab.run();
    expect(a.isUp).toBe(true);
    expect(b.table[ONE]).toEqual({ path: "65001", nextHop: A });
  });

  test("in a message without routes ends no session", () => {
    const { lab, a } = two("path-attribute: { treat-as-withdraw: 200 }");
    a.send(withOctets(a.encode([ONE], [], []), [0xc0, 200, 1, 7]));
    lab.run();
    expect(a.isUp).toBe(true);
    expect(faults(lab)).toMatchObject({ "treat-as-withdraw": 0 });
  });
});

test("a reload has the neighbor send its routes again, on the same session", () => {
  const { lab, a, b } = two("");
  a.asked = () => void a.announce([ONE], unknown);
  a.announce([ONE], unknown);
  lab.run();
  const attributes = () => Object.keys(b.table[ONE] ?? {}).length;
  expect(attributes()).toBe(3);
  const ups = () => lab.neighbor(A).establishedCount;
  const before = ups();
  lab.reload(yamlWith("path-attribute: { discard: 200 }")).run();
  expect(b.table[ONE]).toEqual({ path: "65001", nextHop: A });
  lab.reload(yamlWith("path-attribute: { treat-as-withdraw: 200 }")).run();
  expect(b.table).toEqual({});
  lab.reload(yamlWith("")).run();
  expect(attributes()).toBe(3);
  expect(ups()).toBe(before);
});
