/** Policies for export that some neighbors get first: no others are sent anything, and these nothing twice. */

import { canaryConfig } from "@ts-bgp/config";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ADDRESSES, KINDS, type Variant, variant, yamlFor } from "../../../testkit/churn.ts";
import { configOf, Lab, type Peer } from "../../../testkit/router.ts";

const KIND = KINDS["a route server"]!;
const COMMUNITIES = ["0:65001", "0:65002", "64500:1"];

/** All are there, and what is taken from them is the same in each. */
function exporting({ neighbors, ...rest }: Variant): Variant {
  const plain = { enabled: true, sendSameAs: true, honors: true };
  const own = { export: "peers", keepsRejected: true };
  const options = neighbors.map((one) => ({ ...plain, ...own, ...one }));
  return {
    ...rest,
    neighbors: options.map((one) => ({ ...one, enabled: true, import: "accept-all" })),
  };
}

function sessions(lab: Lab): Peer[] {
  return ADDRESSES.map((address, i) => {
    const peer = lab.peer(address, { as: KIND.as[i]! }).up();
    for (let k = 0; k < 5; k++) {
      const communities = [COMMUNITIES[(i + k) % COMMUNITIES.length]!];
      peer.announce([`10.${k}.${i}.0/24`, `10.${k}.99.0/24`], { communities });
    }
    lab.run();
    return peer;
  });
}

function writes(lab: Lab, peer: Peer): number {
  const own = (id: number) => lab.wires.get(id as never) === peer.wire;
  return lab.outputs.filter((one) => one.do === "write" && own(one.connection)).length;
}

test("by random changes of policies and options", () => {
  fc.assert(
    fc.property(variant, variant, fc.subarray([0, 1, 2, 3]), (one, other, named) => {
      const [old, next] = [exporting(one), exporting(other)].map((each) => yamlFor(each, KIND));
      const lab = new Lab(old!);
      const peers = sessions(lab);
      const isNamed = (k: number) => named.includes(k);
      const before = peers.map((peer) => writes(lab, peer));
      const { router } = lab;
      const addresses = named.map((k) => ADDRESSES[k]!);
      const whole = configOf(next!);
      router.configure(canaryConfig(router.tables.config, whole, addresses), lab.nowMs);
      lab.run();
      const during = peers.map((peer) => writes(lab, peer));
      const tables = peers.map((peer) => JSON.stringify(peer.table));
      for (const k of ADDRESSES.keys()) if (!isNamed(k)) expect(during[k]).toBe(before[k]);
      router.configure(whole, lab.nowMs);
      lab.run();
      for (const [k, peer] of peers.entries()) {
        if (!isNamed(k)) continue;
        expect(writes(lab, peer)).toBe(during[k]);
        expect(JSON.stringify(peer.table)).toBe(tables[k]);
      }
      // It is what a router has that never had another one.
      const fresh = sessions(new Lab(next!));
      expect(peers.map(({ table }) => table)).toEqual(fresh.map(({ table }) => table));
    }),
    { numRuns: 60 },
  );
});
