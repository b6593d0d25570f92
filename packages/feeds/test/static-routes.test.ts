/** Routes of the configuration in a dump: of this speaker as a peer. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { ROUTER_ADDRESS, ROUTER_AS } from "../../../testkit/sketch.ts";
import { dumpedRoutes } from "../src/dumped-routes.ts";

const yaml = (routes: string) =>
  yamlOf(`
neighbors: [{ address: 192.0.2.1, as: 65001, import: accept-all, export: accept-all }]
static: [${routes}]
`);

const DUMP = { file: "", routes: "received", compress: "none", isTimed: false } as const;

test("there is a peer for them where there are any", () => {
  const peersOf = (routes: string) => {
    const { router } = new Lab(yaml(routes));
    return { router, peers: dumpedRoutes(router, DUMP).peers };
  };
  expect(peersOf("").peers.map(({ as }) => as)).toEqual([65001]);
  const { router, peers } = peersOf("{ prefix: 10.1.0.0/16, next-hop: 192.0.2.9 }");
  const [, own] = peers;
  const identifier = ROUTER_ADDRESS.split(".").reduce((all, octet) => 256 * all + Number(octet), 0);
  expect(own).toMatchObject({ as: ROUTER_AS, address: new Uint8Array(4), identifier });
  const { paths, prefixes } = router.tables.rib(1);
  const row = prefixes.find(0x0a010000, 0, 0, 0, 16);
  expect(paths.peer[prefixes.head[row]!]).toBe(own!.peer);
});
