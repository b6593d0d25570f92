/** What ends a session by a limit, and what is not looked at, is so on the side that follows. */

import { machineFromImage, machineImage } from "@ts-bgp/replication";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { difference } from "./difference.ts";
import { Followed } from "./followed-router.ts";

const A = "192.0.2.1";
const B = "192.0.2.2";

const yaml = (ofA: string, ofB: string) =>
  yamlOf(`
defaults: { import: accept-all, export: accept-all, route-server-client: true, passive: true }
neighbors: [ { address: ${A}, as: 65001, ${ofA} }, { address: ${B}, as: 65002, ${ofB} } ]
`);

test("limits of what is accepted and sent, and attributes by number, before and after the image", () => {
  let followed!: Followed;
  const accepted = "max-prefix-accepted: { ipv4-unicast: 8, action: block }";
  const lab = new Lab(yaml(accepted, "max-prefix-out: 5"), {
    routerOf: (...args) => {
      followed = new Followed(...args);
      return followed.router;
    },
  });
  const sync = () => {
    while (lab.deliver());
  };
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  const unknown = { more: [{ type: 200, value: "01" }] };
  const prefixes = (from: number, count: number) =>
    Array.from({ length: count }, (_, k) => `10.${from + k}.0.0/16`);
  a.announce(prefixes(0, 5), unknown);
  lab.run();
  sync();
  const follower = followed.join();
  lab.reload(yaml(`${accepted}, path-attribute: { discard: 200 }`, "max-prefix-out: 5")).run();
  a.announce(prefixes(0, 3), unknown);
  lab.run();
  sync();
  followed.compare();
  expect(difference(follower, machineFromImage(machineImage(follower)))).toBeNull();
  expect(b.table["10.0.0.0/16"]).toEqual({ path: "65001", nextHop: A });
  a.announce(prefixes(5, 6));
  lab.run();
  sync();
  followed.compare();
  expect(b.isUp).toBe(false);
  expect(b.wire.table.size).toBe(5);
  const { paths } = follower.router.tables.rib(1);
  expect(paths.accepted[follower.router.neighbors.get(A)!.row]).toBe(8);
});

test("routes that wait for room are sent by the side that takes over, the same ones", () => {
  let followed!: Followed;
  const lab = new Lab(yaml("", "max-prefix-out: { ipv4-unicast: 5, action: block }"), {
    routerOf: (...args) => {
      followed = new Followed(...args);
      return followed.router;
    },
  });
  const sync = () => {
    while (lab.deliver());
  };
  const a = lab.peer(A, { as: 65001 }).up();
  const b = lab.peer(B, { as: 65002 }).up();
  const prefixes = Array.from({ length: 12 }, (_, k) => `10.${k}.0.0/16`);
  a.announce(prefixes);
  lab.run();
  sync();
  const follower = followed.join();
  expect(difference(follower, machineFromImage(machineImage(follower)))).toBeNull();
  for (let k = 0; k < 3; k++) {
    a.withdraw([...b.wire.table.keys()].slice(0, 2));
    lab.run();
    sync();
    followed.compare();
    expect(b.wire.table.size).toBe(5);
  }
  const [group] = follower.router.tables.groups.entries.filter(({ settings }) => settings.limit);
  expect(group!.group.adjRibOut.beyond.size).toBe(1);
});
