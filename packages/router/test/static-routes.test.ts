/** Routes that the speaker originates. */

import { explainRoute, showRoutes } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { ROUTER_ADDRESS, ROUTER_AS } from "../../../testkit/sketch.ts";

const CLIENT = "192.0.2.1";
const CUSTOMER = "192.0.2.2";
const INTERNAL = "192.0.2.3";
const HOP = "192.0.2.99";
const ONE = "10.1.0.0/16";
const TWO = "10.2.0.0/16";
const SIX = "2001:db8:1::/48";

const yaml = (routes: string, more = "", out = "accept-all") =>
  yamlOf(`
defaults: { import: accept-all, export: ${out} }
neighbors:
  - { address: ${CLIENT}, as: 65001, route-server-client: true }
  - { address: ${CUSTOMER}, as: 65002 }
  - { address: ${INTERNAL}, as: ${ROUTER_AS} }
static: [ ${routes} ]
${more}`);
const route = (prefix: string, more = "") =>
  `{ prefix: "${prefix}", next-hop: "${prefix === SIX ? "2001:db8::9" : HOP}" ${more} }`;

function three(text: string) {
  const lab = new Lab(text);
  const client = lab.peer(CLIENT, { as: 65001 }).up();
  const customer = lab.peer(CUSTOMER, { as: 65002 }).up();
  const internal = lab.peer(INTERNAL, { as: ROUTER_AS }).up();
  lab.run();
  return { lab, client, customer, internal };
}

const all = { family: 1, prefix: null, match: "exact", bestOnly: false } as const;

describe("a route of the configuration", () => {
  test("is sent with the own AS in front to all external neighbors, clients of a route server too", () => {
    const { client, customer, internal } = three(yaml(route(ONE)));
    expect(client.table[ONE]).toEqual({ path: `${ROUTER_AS}`, nextHop: HOP });
    expect(customer.table[ONE]).toEqual({ path: `${ROUTER_AS}`, nextHop: ROUTER_ADDRESS });
    expect(internal.table[ONE]).toMatchObject({ path: "", nextHop: HOP, localPref: 100 });
  });

  test("has the attributes that it is given", () => {
    const more = ", as-path: [64510, 64511], med: 7, local-pref: 90, community: [no-export-x]";
    const text = yaml(route(ONE, more.replace("no-export-x", "65000:1, $local-as:2")));
    const { client, customer, internal } = three(text);
    const communities = ["65000:1", `${ROUTER_AS}:2`];
    const path = `${ROUTER_AS} 64510 64511`;
    expect(client.table[ONE]).toEqual({ path, nextHop: HOP, med: 7, communities });
    expect(customer.table[ONE]).toEqual({ path, nextHop: ROUTER_ADDRESS, communities });
    expect(internal.table[ONE]).toMatchObject({ path: "64510 64511", med: 7, localPref: 90 });
  });

  test("is sent to all when its lists are as long as they may be", () => {
    const communities = Array.from({ length: 875 }, (_, k) => `65000:${k}`);
    const prepend = "policies: { out: [ { set: { prepend: 10 }, then: accept } ] }";
    const { client, internal } = three(
      yaml(route(ONE, `, med: 7, community: [${communities}]`), prepend, "out"),
    );
    for (const peer of [client, internal]) expect(peer.table[ONE]).toMatchObject({ communities });
  });

  test("has the local-as of a client in front, where there is one", () => {
    const text = yaml(route(ONE)).replace("route-server-client: true", "$&, local-as: 65099");
    expect(three(text).client.table[ONE]).toMatchObject({ path: "65099" });
  });

  test("is preferred to what neighbors say, unless LOCAL_PREF says otherwise", () => {
    const text = yaml(
      `${route(ONE, ", as-path: [64510, 64511, 64512]")},${route(TWO, ", local-pref: 99")}`,
    );
    const { lab, client, customer } = three(text);
    customer.announce([ONE, TWO]);
    lab.run();
    expect(client.table[ONE]).toMatchObject({ path: `${ROUTER_AS} 64510 64511 64512` });
    expect(client.table[TWO]).toMatchObject({ path: "65002" });
    const asked = { direction: "import", family: 1, text: ONE, neighbor: CUSTOMER } as const;
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const { paths } = explainRoute(lab.router, { ...asked, key });
    expect(paths[0]!.steps.at(-1)).toMatchObject({
      text: "the path of static is preferred: origin (this speaker against a neighbor)",
    });
  });

  test("goes through export policy, which can ask where it is from", () => {
    const policies =
      "policies: { out: [ { if: { route-type: static }, then: reject }, { then: accept } ] }";
    const { lab, client, customer } = three(yaml(route(ONE), policies, "out"));
    customer.announce([TWO]);
    lab.run();
    expect(Object.keys(client.table)).toEqual([TWO]);
    const key = { words: [0x0a010000, 0, 0, 0], bits: 16 } as const;
    const question = { direction: "export", family: 1, text: ONE, neighbor: CLIENT, key } as const;
    const { verdict, paths } = explainRoute(lab.router, question);
    expect(verdict).toBe("not advertised");
    expect(paths[0]!.steps.at(-1)).toMatchObject({ step: "policy", passed: false });
  });

  test("is shown as one of the configuration", () => {
    const { lab } = three(
      yaml(`${route(ONE)}, { prefix: "2001:db8:1::/48", next-hop: "2001:db8::9" }`),
    );
    const shown = { neighbor: "static", neighbor_as: ROUTER_AS, status: "best", as_path: "" };
    const { routes } = showRoutes(lab.router, { ...all, neighbor: null, view: "accepted" }, null);
    expect(routes).toMatchObject([{ prefix: ONE, ...shown, next_hop: HOP, origin: "IGP" }]);
    for (const view of ["received", "accepted"] as const) {
      const asked = { ...all, family: 2, neighbor: "static", view } as const;
      expect(showRoutes(lab.router, asked, null).routes).toMatchObject([
        { prefix: "2001:db8:1::/48", ...shown },
      ]);
    }
  });
});

describe("a reload", () => {
  test("brings and takes the difference, and nothing else is sent", () => {
    const { lab, client } = three(yaml(`${route(ONE)}, ${route(TWO)}`));
    client.wire.forget();
    lab.reload(yaml(`${route(ONE)}, ${route("10.3.0.0/16")}`)).run();
    expect(client.wire.changes.sort()).toEqual([`-${TWO}`, "10.3.0.0/16"]);
    client.wire.forget();
    lab.reload(yaml(`${route("10.3.0.0/16")}, ${route(ONE)}`)).run();
    expect(client.wire.changes).toEqual([]);
    lab.reload(yaml("")).run();
    expect(client.table).toEqual({});
    lab.reload(yaml(route(TWO))).run();
    expect(Object.keys(client.table)).toEqual([TWO]);
  });

  test("looks at no more of the tables than what differs", () => {
    const { lab, client } = three(yaml(`${route(ONE)}, ${route(TWO)}, ${route(SIX)}`));
    const { tables } = lab.router;
    const { counts } = tables.rib(1);
    const known = () => ({ ...counts });
    const before = known();
    client.wire.forget();
    lab.reload(yaml(`${route(ONE)}, ${route(TWO, ", med: 7")}, ${route(SIX)}`)).run();
    const after = known();
    expect([after.unchanged - before.unchanged, after.changed - before.changed]).toEqual([0, 1]);
    expect(client.wire.changes).toEqual([TWO]);
    expect(client.table[TWO]).toMatchObject({ med: 7 });
    lab.reload(yaml(`${route(ONE)}, ${route(TWO, ", med: 7")}`)).run();
    expect(tables.rib(2).prefixes.size).toBe(0);
  });
});
