/** What is said to be advertised is what was sent, be a next hop the neighbor's own address or not. */

import { advertised } from "@ts-bgp/rib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Lab, yamlOf } from "../../../testkit/router.ts";

const CLIENTS = [1, 2, 3];
const addressOf = (n: number) => `192.0.2.${n}`;
const PREFIXES = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];

const change = fc.record({
  from: fc.constantFrom(...CLIENTS),
  prefixes: fc.subarray(PREFIXES, { minLength: 1 }),
  /** Of a client, or of nobody; null withdraws. */
  hop: fc.option(fc.integer({ min: 1, max: 4 }), { freq: 4 }),
});

function labUp(): Lab {
  const neighbors = CLIENTS.map(
    (n) => `  - { address: ${addressOf(n)}, as: ${65000 + n}, route-server-client: true }`,
  );
  const lab = new Lab(
    yamlOf(
      `defaults: { passive: true, import: accept-all, export: accept-all }\nneighbors:\n${neighbors.join("\n")}\n`,
    ),
  );
  for (const n of CLIENTS) lab.peer(addressOf(n), { as: 65000 + n }).up();
  return lab;
}

test("after any changes", () => {
  let withheld = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
      const lab = labUp();
      for (const { from, prefixes, hop } of changes) {
        const peer = lab.peers.get(addressOf(from))!;
        if (hop === null) peer.withdraw(prefixes);
        else peer.announce(prefixes, { path: [65000 + from], nextHop: addressOf(hop) });
        lab.run();
        const { prefixes: table } = lab.router.tables.rib(1);
        for (const n of CLIENTS) {
          const { member } = lab.router.neighbors.get(addressOf(n))!.session!.family(1)!;
          const told = PREFIXES.filter((_, k) => {
            const row = table.find(0x0a010000 + 0x10000 * k, 0, 0, 0, 16);
            return row > 0 && advertised(member!.group, row, member!).length > 0;
          });
          const sent = Object.keys(lab.peers.get(addressOf(n))!.table);
          expect(told).toEqual(sent);
          if (n !== from && hop === n) withheld++;
        }
      }
    }),
    { numRuns: 60 },
  );
  expect(withheld).toBeGreaterThan(0);
});
