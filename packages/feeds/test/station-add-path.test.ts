/** What a station is told of neighbors with ADD-PATH in one direction. */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { BmpStationConfig } from "@ts-bgp/config";
import { TABLE } from "@ts-bgp/feeds-codec";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";
import { Station } from "../src/station.ts";
import { TableWalk } from "../src/table-walk.ts";

function sink(): Socket {
  const ignore = () => {};
  const calls = { cork: ignore, uncork: ignore, write: ignore, end: ignore, destroy: ignore };
  return Object.assign(new EventEmitter(), {
    writable: true,
    writableLength: 0,
    ...calls,
  }) as unknown as Socket;
}

test.each(["", "add-path: { send: all }"])("routes to a neighbor (%s) are told", (addPath) => {
  const lab = new Lab(
    yamlOf(`
bmp: { stations: [ { address: 192.0.2.60, port: 11019, tables: [ adj-out-post ] } ] }
defaults: { passive: true, route-server-client: true, import: accept-all, export: accept-all }
neighbors: [ { address: 192.0.2.1, as: 65001 }, { address: 192.0.2.2, as: 65002, ${addPath} } ]
`),
  );
  const sender = lab.peer("192.0.2.1", { as: 65001 }).up();
  lab.peer("192.0.2.2", { as: 65002, ...(addPath === "" ? {} : { addPath: "receive" }) }).up();
  sender.announce(["10.1.0.0/16"], { path: [65001] });
  lab.run();
  const up = new Map(
    lab.observed.flatMap((event) => (event.kind === "up" ? [[event.peer, event]] : [])),
  );
  expect(up.size).toBe(2);
  const config = {
    ...{ name: "station", tables: ["adj-out-post"], neighbors: [], queueOctetsMax: 1e6 },
    mirrorMalformed: false,
    version: 3,
  } as unknown as BmpStationConfig;
  const identity = { hostname: "host", version: "1", as: 65000, id: "1.1.1.1" };
  const station = new Station(config, {
    ...{ peers: { up }, identity, text: "", now: () => 0, newWalk: () => 1 },
    ...{ walk: () => {}, endWalk: () => {}, say: () => {} },
  } as unknown as ConstructorParameters<typeof Station>[1]);
  station.begin(sink());
  const before = station.show().messages;
  const walk = new TableWalk(lab.router, [TABLE.ADJ_OUT_POST], null);
  for (let octets = walk.next(() => true); octets !== null; octets = walk.next(() => true)) {
    station.walked(octets);
  }
  expect(station.show().messages).toBeGreaterThan(before);
});
