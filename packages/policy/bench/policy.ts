/**
 * What prefix lists and filters cost: `node packages/policy/bench/policy.ts`.
 *
 * Prints nanoseconds per question or route; the machine's noise is part of the figures.
 */

import { ATTR, writeU16, writeU32 } from "@ts-bgp/wire-codec";
import { type PeerFacts, Policies, type Policy, PrefixSet, ReasonTable } from "../src/index.ts";

let seed = 1;
function random(limit: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
}

function timed(name: string, count: number, run: () => void): void {
  run();
  const start = process.hrtime.bigint();
  run();
  const ns = Number(process.hrtime.bigint() - start);
  console.log(`${name.padEnd(58)} ${(ns / count).toFixed(0).padStart(7)} ns each`);
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".");
}

const COUNT = 1_000_000;
const addresses = Array.from({ length: COUNT }, (_, k) => Math.imul(k, 0x9e3779b1) & 0xffffff00);

for (const suffix of ["", " le 32"]) {
  const entries = addresses.map((address) => `${dotted(address)}/24${suffix}`);
  let set!: PrefixSet;
  timed(`load 10^6 entries "/24${suffix}"`, COUNT, () => {
    set = new PrefixSet(entries);
  });
  let hits = 0;
  timed("  questions, half of them hits", COUNT, () => {
    hits = 0;
    for (let k = 0; k < COUNT; k++) {
      if (set.has(1, addresses[k]! + ((k & 1) << 31), 0, 0, 0, 24)) hits++;
    }
  });
  console.log(`  ${hits} hits; the set takes ${(set.octets / 1e6).toFixed(0)} MB`);
}

/** A route server's hygiene: what an exchange asks of every route. */
const source = { file: "bench.yaml", line: 1 };
const rule = (name: string, when: Policy["rules"][0]["if"], action: "accept" | "reject") => ({
  name,
  source,
  if: when,
  set: {},
  action,
});
const attributeRules = [
  rule("path too long", { asPath: { length: { min: 65 } } }, "reject"),
  rule("first AS", { not: { asPath: { first: ["$peer-as"] } } }, "reject"),
  rule("bogon AS", { asPath: { contains: ["0", "23456", "64496-131071"] } }, "reject"),
  rule("transit-free", { asPath: { contains: ["174", "701", "1299", "2914", "3257"] } }, "reject"),
  rule("too many", { communityCount: { min: 100 } }, "reject"),
  rule("next hop", { not: { nextHop: ["peer-address"] } }, "reject"),
];
const prefixRules = [
  rule("too long", { family: "ipv4-unicast", prefixLength: { min: 25 } }, "reject"),
  rule("bogons", { prefix: ["bogons"] }, "reject"),
];
const policies: Record<string, Policy> = {
  attributes: { name: "attributes", source, default: "accept", rules: attributeRules },
  both: { name: "both", source, default: "accept", rules: [...attributeRules, ...prefixRules] },
};
const lists = {
  prefixLists: {
    bogons: ["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "192.168.0.0/16"].map(
      (p) => `${p} le 32`,
    ),
  },
  asLists: {},
  communityLists: {},
};

/** Sets one behind the other in a page, never released. */
class Sets {
  readonly page = new Uint8Array(100_000 * 64);
  bytesOf(): Uint8Array {
    return this.page;
  }
  offsetOf(id: number): number {
    return id * 64;
  }
  lengthOf(): number {
    return 51;
  }
  serialOf(): number {
    return 1;
  }
  intern(): number {
    throw new Error("nothing is modified here");
  }
  hold(): void {}
  release(): void {}
}

const SETS = 50_000;
const sets = new Sets();
for (let id = 1; id <= SETS; id++) {
  let i = id * 64;
  sets.page.set([0x40, ATTR.ORIGIN, 1, 0, 0x40, ATTR.AS_PATH, 18, 2, 4], i);
  i = writeU32(sets.page, i + 9, 3333);
  for (let k = 0; k < 3; k++) i = writeU32(sets.page, i, 200_000 + random(10_000));
  sets.page.set([0x40, ATTR.NEXT_HOP, 4, 192, 0, 2, 1, 0xc0, ATTR.COMMUNITIES, 12], i);
  for (let k = 0; k < 6; k++) writeU16(sets.page, i + 10 + 2 * k, 3000 + random(60_000));
}
const peer: PeerFacts = {
  number: 1,
  as: 3333,
  localAs: 64500,
  routeType: "ebgp",
  group: "",
  address: "192.0.2.1",
  addressOctets: Uint8Array.of(192, 0, 2, 1),
  sameAsAddresses: [],
  localAddress4: null,
  localAddress6: null,
  role: null,
  anyPeer: false,
};
const all = new Policies({ ...lists, policies }, sets, new ReasonTable());
for (const name of ["attributes", "both"]) {
  const filter = all.filter([name], 64500);
  for (const routesPerSet of [1, 4]) {
    let accepted = 0;
    timed(`${name}: ${routesPerSet} route(s) of each of ${SETS} sets`, SETS * routesPerSet, () => {
      accepted = 0;
      for (let id = 1; id <= SETS; id++) {
        for (let k = 0; k < routesPerSet; k++) {
          const address = addresses[(4 * id + k) % COUNT]!;
          if (filter.decide(id, peer, peer, 1, address, 0, 0, 0, 24).accept) accepted++;
        }
      }
    });
    console.log(`  ${accepted} accepted`);
  }
}
