/** A policy of all that sets another community: who is told what, and in how many messages. */

import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";

const ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
const PREFIXES = 200;

function yaml(value: number, direction: "import" | "export"): string {
  const other = direction === "import" ? "export" : "import";
  const neighbors = ADDRESSES.map((address, k) => `{ address: ${address}, as: ${65001 + k} }`);
  return yamlOf(`
defaults: { passive: true, route-server-client: true, ${direction}: marked, ${other}: accept-all }
neighbors: [${neighbors.join(", ")}]
policies: { marked: [{ set: { community: { add: ["64500:${value}"] } }, then: accept }] }
`);
}

test.each(["import", "export"] as const)(
  "on %s: each route once, all of an attribute set in one UPDATE",
  (direction) => {
    const lab = new Lab(yaml(1, direction));
    const peers = ADDRESSES.map((address, k) => lab.peer(address, { as: 65001 + k }).up());
    for (const [k, peer] of peers.entries()) {
      peer.announce(Array.from({ length: PREFIXES }, (_, i) => `10.${k}.${i}.0/24`));
    }
    lab.run();
    for (const { wire } of peers) wire.forget();
    lab.reload(yaml(2, direction)).run();
    const others = PREFIXES * (peers.length - 1);
    for (const { wire, table } of peers) {
      expect(wire.changes.length).toBe(others);
      expect(new Set(wire.changes).size).toBe(others);
      const marked = Object.values(table).filter((seen) =>
        JSON.stringify(seen).includes("64500:2"),
      );
      expect(marked.length).toBe(others);
      expect(wire.of("UPDATE").length).toBe(peers.length - 1);
    }
    for (const { wire } of peers) wire.forget();
    lab.reload(yaml(2, direction)).run();
    expect(peers.map(({ wire }) => wire.octets)).toEqual([0, 0, 0]);
  },
);
