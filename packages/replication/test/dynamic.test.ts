/** Neighbors that come by themselves, and a shutdown that was told, are on the side that follows as well. */

import { machineFromImage, machineImage } from "@ts-bgp/replication";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { difference } from "./difference.ts";
import { Followed } from "./followed-router.ts";

const YAML = yamlOf(`
groups: { clients: { route-server-client: true, import: accept-all, export: accept-all } }
neighbors: []
dynamic-neighbors:
  - { prefix: 192.0.2.0/24, group: clients, as-numbers: 65001-65009, limit: 3, forget-after: 10 }
`);

test("dynamic neighbors that came before and after the image, and went", () => {
  let followed!: Followed;
  const lab = new Lab(YAML, {
    routerOf: (...args) => {
      followed = new Followed(...args);
      return followed.router;
    },
  });
  const up = (k: number) => lab.peer(`192.0.2.${k}`, { as: 65000 + k }).up();
  const [a, b] = [up(1), up(2)];
  a.announce(["10.1.0.0/16"], { path: [65001] });
  lab.peer("192.0.2.3", { as: 65003 }).connect(false);
  lab.run();
  const sync = () => {
    while (lab.deliver());
  };
  sync();
  const follower = followed.join();
  lab.router.shutDownGracefully(true, lab.nowMs);
  lab.run().advance(7_000);
  const c = up(4);
  b.hangUp();
  lab.run().advance(12_000);
  sync();
  followed.compare();
  const there = ["192.0.2.1", "192.0.2.4"];
  expect([...follower.router.neighbors.keys()]).toEqual(there);
  expect(c.table["10.1.0.0/16"]).toMatchObject({ communities: ["65535:0"] });
  const again = machineFromImage(machineImage(follower));
  expect(difference(follower, again)).toBeNull();
  lab.reload(YAML.replace("65001-65009", "65002-65009")).run();
  sync();
  followed.compare();
  expect([...follower.router.neighbors.keys()]).toEqual(["192.0.2.4"]);
});
