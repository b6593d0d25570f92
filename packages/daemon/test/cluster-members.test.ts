/** What one member of a cluster has of another one's neighbors, after what may happen to these. */

import { expect, test } from "vitest";
import { Lab } from "../../../testkit/router.ts";
import { member, Telling } from "./support/telling.ts";

const BOTH = `
  - { address: 192.0.2.1, as: 65001, speaker: a }
  - { address: 192.0.2.2, as: 65002, speaker: b }
`;

test.each([
  ["off", {}],
  ["helper", { gracefulRestart: {} }],
])("paths of a session that has ended go (graceful restart: %s)", (mode, restarts) => {
  const options = `add-path: { receive: true, send: all }, graceful-restart: { mode: ${mode} }`;
  const a = new Lab(member("a", BOTH, options));
  const b = new Lab(member("b", BOTH, options));
  const telling = new Telling(a, "a", b);
  const x = a.peer("192.0.2.1", { as: 65001, addPath: "both", ...restarts }).up();
  const paths = [1, 2].map((path_id) => ({ prefix: "10.1.0.0/16", path_id }));
  x.announce([...paths, { prefix: "10.2.0.0/16", path_id: 7 }]);
  telling.pass();
  const all = ["10.1.0.0/16 1", "10.1.0.0/16 2", "10.2.0.0/16 7"];
  expect(telling.routesOf("192.0.2.1")).toEqual(all);
  x.hangUp();
  telling.pass();
  expect(telling.routesOf("192.0.2.1")).toEqual(mode === "off" ? [] : all);
  if (mode === "helper") telling.copy();
  expect(telling.routesOf("192.0.2.1")).toEqual(mode === "off" ? [] : all);
  a.advance(400_000);
  telling.pass();
  expect(telling.routesOf("192.0.2.1")).toEqual([]);
});

const file = (as: number) => `
  - { address: 192.0.2.1, as: ${as}, speaker: a }
  - { address: 192.0.2.2, as: 65002, speaker: b }
`;

test("a neighbor that is another one now has no routes of the one before, nor others' of its number", () => {
  const a = new Lab(member("a", file(65001)));
  const b = new Lab(member("b", file(65001)));
  const telling = new Telling(a, "a", b);
  a.peer("192.0.2.1", { as: 65001 }).up().announce(["10.1.0.0/16", "10.3.0.0/16"]);
  telling.pass();
  b.reload(member("b", file(65009)));
  telling.copy();
  expect(telling.routesOf("192.0.2.1")).toEqual(["10.1.0.0/16 0", "10.3.0.0/16 0"]);
  a.reload(member("a", file(65009)));
  a.run();
  const removal = telling.untold();
  expect(removal.map(({ news }) => news.what)).toEqual(["routes"]);
  a.peer("192.0.2.1", { as: 65009 }).up().announce(["10.1.0.0/16", "10.2.0.0/16"]);
  telling.pass();
  // It takes a while to remove many routes: a session may be up before that is told.
  for (const each of removal) telling.tell(each);
  b.run();
  expect(telling.routesOf("192.0.2.1")).toEqual(["10.1.0.0/16 0", "10.2.0.0/16 0"]);
  const routes = "static: [ { prefix: 10.77.0.0/16, next-hop: 192.0.2.250 } ]";
  a.reload(member("a", file(65009), "", routes));
  telling.pass();
  expect(telling.routesOf("192.0.2.1")).toEqual(["10.1.0.0/16 0", "10.2.0.0/16 0"]);
});

test("routes of the configuration are not told", () => {
  const a = new Lab(member("a", BOTH));
  const telling = new Telling(a, "a", new Lab(member("b", BOTH)));
  a.reload(member("a", BOTH, "", "static: [ { prefix: 10.77.0.0/16, next-hop: 192.0.2.250 } ]"));
  a.run();
  expect(telling.untold()).toEqual([]);
});

test("after 256 copies that were cut, routes that are told no more go", () => {
  const a = new Lab(member("a", BOTH));
  const b = new Lab(member("b", BOTH));
  const telling = new Telling(a, "a", b);
  const x = a.peer("192.0.2.1", { as: 65001 }).up();
  x.announce(["10.1.0.0/16", "10.2.0.0/16"]);
  telling.pass();
  for (let n = 0; n < 255; n++) telling.begin();
  x.withdraw(["10.1.0.0/16"]);
  a.run();
  telling.copy();
  expect(telling.routesOf("192.0.2.1")).toEqual(["10.2.0.0/16 0"]);
});

test("routes of another member's neighbor that is removed are not told as own ones", () => {
  const own = "\n  - { address: 192.0.2.2, as: 65002, speaker: b }\n";
  const a = new Lab(member("a", BOTH));
  const b = new Lab(member("b", BOTH));
  const telling = new Telling(a, "a", b);
  const back = new Telling(b, "b", a);
  a.peer("192.0.2.1", { as: 65001 }).up().announce(["10.1.0.0/16"]);
  telling.pass();
  const { row } = b.neighbor("192.0.2.1");
  b.reload(member("b", own));
  b.run();
  expect(back.untold()).toEqual([]);
  // Its number is free again.
  b.reload(member("b", BOTH));
  expect(b.neighbor("192.0.2.1").row).toBe(row);
});

test("another BGP Identifier may make another path the best one", () => {
  const neighbors = `${BOTH}  - { address: 192.0.2.3, as: 65003, speaker: a }\n`;
  const a = new Lab(member("a", neighbors));
  const b = new Lab(member("b", neighbors));
  const telling = new Telling(a, "a", b);
  const client = b.peer("192.0.2.2", { as: 65002 }).up();
  const [x, y] = [
    a.peer("192.0.2.1", { as: 65001, id: "1.1.1.1" }).up(),
    a.peer("192.0.2.3", { as: 65003, id: "2.2.2.2" }).up(),
  ];
  for (const each of [x, y]) each.announce(["10.1.0.0/16"]);
  telling.pass();
  expect(client.table["10.1.0.0/16"]?.path).toBe("65001");
  x.hangUp();
  a.run();
  x.up({ id: "3.3.3.3" }).announce(["10.1.0.0/16"]);
  a.run();
  // What happened was not told: the link was cut.
  telling.copy();
  expect(client.table["10.1.0.0/16"]?.path).toBe("65003");
});

test("a member that starts anew and knows no identifier yet is as it was", () => {
  const neighbors = `${BOTH}  - { address: 192.0.2.3, as: 65003, speaker: a }\n`;
  const a = new Lab(member("a", neighbors));
  const b = new Lab(member("b", neighbors));
  const telling = new Telling(a, "a", b);
  const client = b.peer("192.0.2.2", { as: 65002 }).up();
  for (const [address, as, id] of [
    ["192.0.2.1", 65001, "1.1.1.1"],
    ["192.0.2.3", 65003, "2.2.2.2"],
  ] as const) {
    a.peer(address, { as, id }).up().announce(["10.1.0.0/16"]);
  }
  telling.pass();
  expect(client.table["10.1.0.0/16"]?.path).toBe("65001");
  const { row } = b.router.neighbors.get("192.0.2.3")!;
  const peer = a.router.neighbors.get("192.0.2.3")!.row;
  b.router.member(
    "a",
    { what: "peer", peer, address: "192.0.2.3", identifier: 0 },
    new Uint8Array(0),
    b.nowMs,
  );
  b.run();
  expect(b.router.tables.peers.identifier[row]).toBe(0x02020202);
  expect(client.table["10.1.0.0/16"]?.path).toBe("65001");
});
