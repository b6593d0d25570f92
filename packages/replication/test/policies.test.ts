/** A machine made from an image goes on with policies that take values from neighbors. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Followed } from "./followed-router.ts";

const fileOf = (alias: number, more = "") =>
  yamlOf(`
defaults: { route-server-client: true, import: in, export: out }
neighbors:
  - { address: 192.0.2.1, as: 65001, vars: { alias: 1, nets: one, site: fra } }
  - { address: 192.0.2.2, as: 65002, vars: { alias: ${alias}, nets: [ one, two ], site: ber } }
  - { address: 192.0.2.3, as: 65003, vars: { alias: 3, nets: two, site: fra } }
${more}
prefix-lists: { one: [ 10.1.0.0/16 le 24 ], two: [ 10.2.0.0/16 le 24 ] }
route-lists: { objects: [ 10.1.1.0/24 65001 ] }
policies:
  in:
    - { if: { not: { prefix: $nets } }, set: { med: 7 }, then: reject, reason: irr-prefix }
    - { if: { route: objects }, set: { med: { add: 5 } } }
    - { name: seen, log: true, then: accept }
  out:
    - { if: { community: "0:$alias" }, then: reject }
    - { if: { source: { vars: { site: $site } } }, set: { prepend: 1 }, then: accept }
    - then: return
    - then: reject
  last: [ { then: accept } ]
`).replace("export: out", "export: [ out, last ]");

test("and does the same as the one that it was made from", () => {
  let followed!: Followed;
  const routerOf = (...rest: ConstructorParameters<typeof Followed>) => {
    followed = new Followed(...rest);
    return followed.router;
  };
  const lab = new Lab(fileOf(2), { routerOf });
  const [a, b, c] = [1, 2, 3].map((n) => lab.peer(`192.0.2.${n}`, { as: 65000 + n }).up());
  const routes = [0, 1, 2, 3, 4].flatMap((n) => [`10.1.${n}.0/24`, `10.2.${n}.0/24`]);
  const announce = (shift: number) => {
    for (const [k, prefix] of routes.entries()) {
      const communities = [`0:${1 + ((k + shift) % 4)}`];
      for (const peer of [a!, b!, c!]) peer.announce([prefix], { communities });
    }
    lab.run();
  };
  announce(0);
  followed.join();
  announce(1);
  followed.compare();
  lab.reload(fileOf(4));
  lab.run();
  followed.join();
  announce(2);
  lab.reload(fileOf(2, "  - { address: 192.0.2.4, as: 65004, vars: { alias: 4, nets: one } }"));
  const d = lab.peer("192.0.2.4", { as: 65004 }).up();
  announce(3);
  followed.compare();
  expect(Object.keys(d.table).length).toBeGreaterThan(0);
  expect(lab.router.tables.groups.entries).toHaveLength(1);
});

/** Two neighbors whose export policy has the name of a list from each of them. */
const listFileOf = (list: string, mine = "10.0.0.0/8 le 32", hasSecond = true) =>
  yamlOf(`
prefix-lists: { mine: [ ${mine} ], other: [ 20.0.0.0/8 le 32 ] }
defaults: { passive: true, import: accept-all }
neighbors:
  - { address: 192.0.2.1, as: 65001, export: out, vars: { l: ${list} } }
${hasSecond ? "  - { address: 192.0.2.2, as: 65002, export: out, vars: { l: mine } }" : ""}
  - { address: 192.0.2.8, as: 65008, export: accept-all }
policies:
  out:
    - { if: { not: { prefix: $l } }, then: reject }
    - { set: { community: { add: ["64500:1"] } }, then: accept }
`);

function followedLab(text: string) {
  let followed!: Followed;
  const lab = new Lab(text, {
    routerOf: (...rest) => {
      followed = new Followed(...rest);
      return followed.router;
    },
  });
  return { lab, followed };
}

test("and gives up what it holds, also for a neighbor that a reload let be", () => {
  const { lab, followed } = followedLab(listFileOf("mine"));
  const source = lab.peer("192.0.2.8", { as: 65008 }).up();
  for (const n of [1, 2]) lab.peer(`192.0.2.${n}`, { as: 65000 + n }).up();
  source.announce(["10.1.0.0/16"]);
  lab.run();
  lab.reload(listFileOf("other"));
  lab.run().advance(1000);
  const { groups } = lab.router.tables;
  expect(groups.entries.map((entry) => groups.isOpen(entry))).not.toContain(false);
  while (lab.deliver());
  followed.join();
  for (let n = 0; n < 4; n++) {
    source.announce(["10.1.0.0/16"], { path: [65008, 65100 + n] });
    lab.run();
  }
  while (lab.deliver());
  followed.compare();
});

test("and asks the list of now for a neighbor that has come again", () => {
  const { lab } = followedLab(listFileOf("other"));
  const source = lab.peer("192.0.2.8", { as: 65008 }).up();
  lab.peer("192.0.2.2", { as: 65002 }).up();
  source.announce(["10.1.0.0/16", "30.1.0.0/16"]);
  lab.run();
  lab.reload(listFileOf("other", "10.0.0.0/8 le 32", false));
  lab.run();
  lab.reload(listFileOf("other", "30.0.0.0/8 le 32", false));
  lab.run();
  lab.reload(listFileOf("other", "30.0.0.0/8 le 32"));
  lab.run();
  const again = lab.peer("192.0.2.2", { as: 65002 }).up();
  lab.run();
  expect(Object.keys(again.table)).toEqual(["30.1.0.0/16"]);
});
