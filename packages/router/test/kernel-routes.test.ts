/** Routes of the host's kernel. */

import { explainRoute, showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { kernelRuns, tellKernel } from "../../../testkit/kernel-routes.ts";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { ROUTER_ADDRESS, ROUTER_ADDRESS6, ROUTER_AS } from "../../../testkit/sketch.ts";

const CLIENT = "192.0.2.1";
const CUSTOMER = "192.0.2.2";
const INTERNAL = "192.0.2.3";
const [INTERNAL_SELF, UNCHANGED] = ["192.0.2.4", "192.0.2.5"];
const ONE = "10.1.0.0/16";
const TWO = "10.2.0.0/16";
const THREE = "10.3.0.0/16";
const SIX = "2001:db8:1::/48";
const NONE = new Uint8Array(0);
const FAMILIES = "[ipv4-unicast, ipv6-unicast]";

const yaml = (kernel = "{ protocols: static, import: accept-all }", more = "") =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, families: ${FAMILIES} }
neighbors:
  - { address: ${CLIENT}, as: 65001, route-server-client: true }
  - { address: ${CUSTOMER}, as: 65002 }
  - { address: ${INTERNAL}, as: ${ROUTER_AS} }
${kernel === "" ? "" : `kernel: ${kernel}`}
${more}`);

function three(text = yaml()) {
  const lab = new Lab(text);
  const families = ["ipv4", "ipv6"] as const;
  const peer = (address: string, as: number) => {
    const made = lab.peer(address, { as, families });
    made.otherAddress = ROUTER_ADDRESS6;
    return made.up();
  };
  const [client, customer, internal] = [
    peer(CLIENT, 65001),
    peer(CUSTOMER, 65002),
    peer(INTERNAL, ROUTER_AS),
  ] as const;
  lab.run();
  const tell = (...prefixes: string[]) => {
    tellKernel(lab.router, prefixes, lab.nowMs);
    lab.run();
  };
  return { lab, client, customer, internal, tell };
}

describe("a route of the kernel", () => {
  test("is sent to all with the own address towards each as its next hop", () => {
    const { client, customer, internal, tell } = three();
    tell(ONE, SIX);
    for (const { table } of [client, customer]) {
      expect(table[ONE]).toEqual({
        path: `${ROUTER_AS}`,
        nextHop: ROUTER_ADDRESS,
        origin: "INCOMPLETE",
      });
      expect(table[SIX]).toMatchObject({ path: `${ROUTER_AS}`, nextHop: ROUTER_ADDRESS6 });
    }
    expect(internal.table[ONE]).toMatchObject({ path: "", nextHop: ROUTER_ADDRESS });
    expect(internal.table[SIX]).toMatchObject({ nextHop: ROUTER_ADDRESS6, localPref: 100 });
  });

  test("goes through its import policy, and export policies tell it by its type", () => {
    const policies = `policies:
  in: [ { if: { prefix: ${ONE} }, set: { community: { add: ["65000:1"] } }, then: accept } ]
  out: [ { if: { route-type: kernel, community: "65000:1" }, then: accept } ]`;
    const text = yaml("{ protocols: static, import: in }", policies);
    const { lab, client, tell } = three(text.replace("export: accept-all", "export: out"));
    tell(ONE, TWO);
    expect(client.table).toEqual({ [ONE]: expect.objectContaining({ communities: ["65000:1"] }) });
    const asked = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;
    const shown = (view: "accepted" | "rejected") =>
      showRoutes(lab.router, { ...asked, neighbor: "kernel", view }, null).routes;
    expect(shown("accepted")).toMatchObject([
      { prefix: ONE, neighbor: "kernel", neighbor_as: ROUTER_AS, next_hop: "0.0.0.0" },
    ]);
    expect(shown("rejected")).toMatchObject([{ prefix: TWO, neighbor: "kernel" }]);
  });

  test("goes with the next hop that import gives it where others' routes do with theirs", () => {
    const policies = "policies: { in: [ { set: { next-hop: 192.0.2.77 }, then: accept } ] }";
    const neighbors = `  - { address: ${INTERNAL_SELF}, as: ${ROUTER_AS}, next-hop: self }
  - { address: ${UNCHANGED}, as: 65005, next-hop: unchanged }
kernel:`;
    const text = yaml("{ protocols: static, import: in }", policies).replace("kernel:", neighbors);
    const { lab, client, customer, internal, tell } = three(text);
    const internalSelf = lab.peer(INTERNAL_SELF, { as: ROUTER_AS }).up();
    const unchanged = lab.peer(UNCHANGED, { as: 65005 }).up();
    lab.run();
    tell(ONE);
    for (const { table } of [client, internal, unchanged]) {
      expect(table[ONE]).toMatchObject({ nextHop: "192.0.2.77" });
    }
    for (const { table } of [customer, internalSelf]) {
      expect(table[ONE]).toMatchObject({ nextHop: ROUTER_ADDRESS });
    }
  });

  test("goes with the next hop that export gives it", () => {
    const policies = "policies: { out: [ { set: { next-hop: 192.0.2.77 }, then: accept } ] }";
    const text = yaml(undefined, policies).replace("export: accept-all", "export: out");
    const { client, customer, internal, tell } = three(text);
    tell(ONE);
    for (const { table } of [client, customer, internal]) {
      expect(table[ONE]).toMatchObject({ nextHop: "192.0.2.77" });
    }
  });

  test("that cannot be routed is rejected", () => {
    const { client, tell } = three();
    tell("fe80::/64", "224.0.0.0/4", SIX);
    expect(Object.keys(client.table)).toEqual([SIX]);
  });

  test("is preferred to a neighbor's, and one of the configuration to it", () => {
    const statics = `static: [ { prefix: ${TWO}, next-hop: 192.0.2.9, as-path: [64510] } ]`;
    const { lab, client, internal, tell } = three(yaml(undefined, statics));
    internal.announce([ONE, TWO], { path: [] });
    lab.run();
    expect(client.table[ONE]).toMatchObject({ path: "" });
    tell(ONE, TWO);
    expect(client.table[ONE]).toMatchObject({ path: `${ROUTER_AS}` });
    expect(client.table[TWO]).toMatchObject({ path: `${ROUTER_AS} 64510` });
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const asked = { direction: "import", family: 1, text: ONE, neighbor: INTERNAL, key } as const;
    expect(explainRoute(lab.router, asked).paths[0]!.steps.at(-1)).toMatchObject({
      text: "the path of kernel is preferred: origin (the kernel against a neighbor)",
    });
  });

  test("comes and goes by itself", () => {
    const { lab, client, tell } = three();
    tell(ONE);
    lab.router.kernel("routes", kernelRuns([TWO]), lab.nowMs);
    lab.run();
    expect(Object.keys(client.table)).toEqual([ONE, TWO]);
    lab.router.kernel("routes", kernelRuns([ONE], true), lab.nowMs);
    lab.run();
    expect(Object.keys(client.table)).toEqual([TWO]);
  });

  test("is nobody's where no section kernel asks for it", () => {
    const { lab, tell } = three(yaml(""));
    tell(ONE);
    expect(lab.router.tables.kernelPeer).toBeNull();
    expect(lab.router.tables.rib(1).prefixes.size).toBe(0);
  });
});

describe("a copy", () => {
  test("is the difference, once it is complete", () => {
    const { lab, client, tell } = three();
    tell(ONE, TWO);
    client.wire.forget();
    lab.router.kernel("begin", NONE, lab.nowMs);
    lab.router.kernel("routes", kernelRuns([TWO, THREE]), lab.nowMs);
    lab.run();
    expect(client.wire.changes).toEqual([THREE]);
    lab.router.kernel("complete", NONE, lab.nowMs);
    lab.run();
    expect(client.wire.changes).toEqual([THREE, `-${ONE}`]);
  });

  test("is the difference however many were begun since", () => {
    const { lab, client, tell } = three();
    tell(ONE, TWO);
    for (let n = 0; n < 255; n++) lab.router.kernel("begin", NONE, lab.nowMs);
    client.wire.forget();
    tell(TWO);
    expect(client.wire.changes).toEqual([`-${ONE}`]);
  });
});

describe("a reload", () => {
  const policy = (prefix: string) =>
    `policies: { in: [ { if: { prefix: ${prefix} }, then: accept } ] }`;
  const text = (prefix: string) => yaml("{ protocols: static, import: in }", policy(prefix));
  const wants = (lab: Lab) => lab.router.tables.kernelPeer?.wantsCopy;

  test("with another import policy has all told again, and the difference is sent", () => {
    const { lab, client, tell } = three(text(ONE));
    tell(ONE, TWO);
    expect(Object.keys(client.table)).toEqual([ONE]);
    lab.reload(text(ONE)).run();
    expect(wants(lab)).toBe(false);
    lab.reload(text(TWO)).run();
    expect(wants(lab)).toBe(true);
    expect(Object.keys(client.table)).toEqual([ONE]);
    tell(ONE, TWO);
    expect(wants(lab)).toBe(false);
    expect(Object.keys(client.table)).toEqual([TWO]);
  });

  test("with another table has all told again, and without the section all go", () => {
    const { lab, client, tell } = three();
    tell(ONE, SIX);
    client.wire.forget();
    lab.reload(yaml("{ table: 100, protocols: static, import: accept-all }")).run();
    expect(wants(lab)).toBe(true);
    expect(client.wire.changes).toEqual([]);
    lab.reload(yaml("")).run();
    expect(client.table).toEqual({});
    tell(ONE);
    expect(client.table).toEqual({});
    lab.reload(yaml()).run();
    tell(TWO);
    expect(Object.keys(client.table)).toEqual([TWO]);
  });

  test("that brings the section has sessions send its routes", () => {
    const { lab, client, customer, internal, tell } = three(yaml(""));
    customer.announce([THREE]);
    lab.run();
    for (const peer of [client, internal]) peer.wire.forget();
    lab.reload(yaml()).run();
    tell(ONE);
    for (const peer of [client, internal]) {
      expect(peer.wire.changes).toEqual([ONE]);
      expect(peer.table[ONE]).toMatchObject({ nextHop: ROUTER_ADDRESS });
    }
  });
});
