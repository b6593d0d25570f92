/** Routes of the configuration are on the side that follows as well, and in the image. */

import { Machine, machineFromImage, machineImage } from "@ts-bgp/replication";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { difference } from "./difference.ts";
import { Followed } from "./followed-router.ts";

const yaml = (...routes: string[]) =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, route-server-client: true }
neighbors: [ { address: 192.0.2.1, as: 65001 }, { address: 192.0.2.2, as: 65002 } ]
static: [ ${routes.map((route) => `{ prefix: ${route}, next-hop: 192.0.2.99 }`).join(", ")} ]
`);

test("routes that came before and after the image, and went", () => {
  let followed!: Followed;
  const lab = new Lab(yaml("10.1.0.0/16", "10.2.0.0/16"), {
    routerOf: (...args) => {
      followed = new Followed(...args);
      return followed.router;
    },
  });
  const sync = () => {
    while (lab.deliver());
  };
  const a = lab.peer("192.0.2.1", { as: 65001 }).up();
  sync();
  const follower = followed.join();
  lab.reload(yaml("10.2.0.0/16", "10.3.0.0/16")).run();
  lab.peer("192.0.2.2", { as: 65002 }).up();
  sync();
  followed.compare();
  expect(Object.keys(a.table)).toEqual(["10.2.0.0/16", "10.3.0.0/16"]);
  expect(difference(follower, machineFromImage(machineImage(follower)))).toBeNull();
});

test("the state of a program that did not know of any gets those of the next configuration", () => {
  let machine!: Machine;
  const lab = new Lab(yaml(), {
    routerOf: (config, seed) => {
      machine = new Machine(config, seed);
      return machine.router;
    },
  });
  lab.peer("192.0.2.1", { as: 65001 }).up();
  const { tables } = machine.router as unknown as { tables: Record<string, unknown> };
  delete tables["staticPeer"];
  delete (tables["peers"] as Record<string, unknown>)["local"];
  delete (tables["config"] as Record<string, unknown>)["staticRoutes"];
  const { router } = machineFromImage(machineImage(machine));
  expect(router.tables.config.staticRoutes).toEqual([]);
  const next = new Machine(new Lab(yaml("10.1.0.0/16")).router.tables.config, 1).router.tables
    .config;
  router.configure(next, lab.nowMs);
  while (router.slice(lab.nowMs, () => true));
  expect(router.tables.rib(1).prefixes.size).toBe(1);
});
