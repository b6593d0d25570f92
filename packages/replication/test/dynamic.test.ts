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

test("one that comes while its group looks at the table again", () => {
  let followed!: Followed;
  let budget = 1000;
  const yaml = YAML.replace("export: accept-all", "export: out")
    .replace("route-server-client: true", "$&, vars: { x: 7 }")
    .replace(
      "neighbors: []",
      `neighbors:
  - { address: 192.0.2.8, as: 65008, group: clients, passive: true, vars: { x: 8 } }
  - { address: 192.0.2.7, as: 65001, group: clients, passive: true, vars: { x: 9 } }
policies:
  out:
    - { if: { community: "0:$x" }, then: reject }
    - { if: { community: "0:$peer-as" }, then: reject }
    - { then: accept }`,
    );
  const lab = new Lab(yaml, {
    budget: () => budget,
    routerOf: (...args) => {
      followed = new Followed(...args);
      return followed.router;
    },
  });
  const sync = () => {
    while (lab.deliver());
  };
  const source = lab.peer("192.0.2.8", { as: 65008 }).up();
  lab.peer("192.0.2.5", { as: 65005 }).up();
  const routes = Array.from({ length: 9000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  for (let i = 0; i < routes.length; i += 500) {
    source.announce(routes.slice(i, i + 500), { path: [65008], communities: ["0:65002"] });
  }
  source.announce(["192.168.0.0/16"], { path: [65008] });
  lab.run();
  sync();
  const guest = lab.peer("192.0.2.2", { as: 65002 });
  const before = followed.join();
  budget = 0;
  guest.connect();
  const member = () => lab.router.neighbors.get("192.0.2.2")?.session?.families[0]?.member;
  while (member() === undefined) lab.slice();
  sync();
  expect(member()!.group.isComplete).toBe(false);
  const amid = followed.join();
  expect(difference(before, amid)).toBeNull();
  budget = 1000;
  lab.run();
  sync();
  followed.compare();
  expect(Object.keys(guest.table)).toEqual(["192.168.0.0/16"]);
  expect(member()!.messages).toBe(1);
  const other = lab.peer("192.0.2.1", { as: 65001 }).up();
  lab.run();
  sync();
  followed.compare();
  expect(Object.keys(other.table)).toHaveLength(9001);
  for (const { router } of [before, amid]) {
    const { sameAsVars } = router.neighbors.get("192.0.2.1")!.facts;
    expect(sameAsVars).toHaveLength(2);
  }
});
