/** What arouteserver wrote of the sample's options, executed. `suite/run.py` sees that it would write it again. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "@ts-bgp/config";
import { addReasons, type PeerFacts, Policies, ReasonTable } from "@ts-bgp/policy";
import { AttrStore } from "@ts-bgp/rib";
import {
  encodeUpdate,
  FAMILY,
  parseAddress,
  parsePrefix,
  readU16,
  readU32,
} from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";

const FILE = join(import.meta.dirname, "../sample/ts-bgp.yaml");

const loaded = loadConfig(FILE, readFileSync(FILE, "utf8"), {
  readFile: (path) => readFileSync(path, "utf8"),
  env: () => undefined,
});
const config = loaded.config!;
const attrs = new AttrStore(7);
const reasons = new ReasonTable();
addReasons(config, reasons);
const policies = new Policies(config, attrs, reasons);

interface RouteSketch {
  readonly prefix?: string;
  readonly path?: readonly number[];
  readonly nextHop?: string;
  readonly communities?: readonly string[];
  readonly large?: readonly string[];
}

/** The neighbors that the sample's clients are, by their place in it. */
function factsOf(place: number): PeerFacts {
  const { address, as, vars } = config.neighbors[place]!;
  const octets = parseAddress(address)!;
  return {
    number: place,
    as,
    localAs: config.router.as,
    routeType: "ebgp",
    group: "clients",
    address,
    addressOctets: octets,
    sameAsAddresses: [octets],
    localAddress4: null,
    localAddress6: null,
    role: null,
    anyPeer: false,
    vars,
  };
}
const [ONE, , TWO, WIDE] = [0, 1, 2, 3].map(factsOf);

function attrOf(route: RouteSketch, from: PeerFacts): number {
  const { path = [from.as], nextHop = from.address, communities, large } = route;
  const message = encodeUpdate({
    attributes: [
      { type: 1, value: "IGP" },
      { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: [...path] }] } },
      { type: 3, value: nextHop },
      ...(communities === undefined ? [] : [{ type: 8, value: [...communities] }]),
      ...(large === undefined ? [] : [{ type: 32, value: [...large] }]),
    ],
  });
  return attrs.intern(message, 23, 23 + readU16(message, 21));
}

/** @returns the rule that rejects the route; null when it is accepted */
function rejectedBy(
  direction: "import" | "export",
  route: RouteSketch,
  from: PeerFacts,
  to: PeerFacts,
): string | null {
  const chain = config.neighbors[to.number]![direction];
  const { afi, address, bits } = parsePrefix(route.prefix ?? "198.18.0.0/16")!;
  const word = (k: number) => (4 * k < address.length ? readU32(address, 4 * k) : 0);
  const family = afi === 1 ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
  const filter = policies.filter(chain, config.router.as, to.vars);
  const attr = attrOf(route, from);
  const verdict = filter.decide(attr, from, to, family, word(0), word(1), word(2), word(3), bits);
  return verdict.accept ? null : reasons.get(verdict.reason).rule!;
}

test("has no mistake, and nothing to warn of", () => {
  expect(loaded.mistakes).toEqual([]);
  expect(loaded.warnings).toEqual([]);
});

test("has one policy of each kind for all clients whose switches are alike", () => {
  const own = config.neighbors.map(({ import: chain }) => chain.join(" "));
  expect(new Set(own).size).toBe(3);
  for (const { import: chain } of config.neighbors) expect(chain).toContain("irr");
});

describe("a route of a client", () => {
  test.each<[RouteSketch, PeerFacts, string | null]>([
    [{ path: [64501, 64503] }, ONE!, null],
    [{ path: [64501, 64503], prefix: "198.18.7.0/24" }, ONE!, null],
    [{ path: [64501, 64503], prefix: "198.18.7.0/25" }, ONE!, "13 prefix too long"],
    [{ path: [64501, 64504] }, ONE!, "9 origin is not in the AS-SET"],
    [{ prefix: "198.19.0.0/19" }, ONE!, "12 prefix is not in the AS-SET"],
    [{ prefix: "198.19.0.0/19" }, TWO!, null],
    [{ prefix: "198.19.0.0/25" }, TWO!, null],
    [{ prefix: "198.51.100.0/24", path: [64502, 64510] }, TWO!, null],
    [{ prefix: "198.51.100.0/24", path: [64502, 64505] }, TWO!, "12 prefix is not in the AS-SET"],
    [{ prefix: "203.0.113.0/24" }, TWO!, "11 prefix on the client's blacklist"],
    [{ prefix: "192.0.2.0/25" }, ONE!, "3 prefix on the blacklist"],
    [{ prefix: "10.0.0.0/24" }, ONE!, "2 bogon prefix"],
    [{ path: [64502] }, ONE!, "6 first AS is not the client's"],
    [{ path: [64501, 174] }, ONE!, "8 behind a transit-free AS"],
    [{ path: new Array(33).fill(64501) }, ONE!, "1 AS path too long"],
    [{ nextHop: "192.0.2.13" }, ONE!, "5 next hop"],
    [{ nextHop: "192.0.2.13", prefix: "198.19.0.0/19" }, TWO!, null],
    [{ prefix: "198.18.0.1/32", communities: ["blackhole"] }, ONE!, null],
    [
      { prefix: "198.19.0.1/32", communities: ["blackhole"] },
      ONE!,
      "12 prefix is not in the AS-SET",
    ],
    [{}, WIDE!, "12 prefix is not in the AS-SET"],
  ])("%j is rejected by the rule that it deserves", (route, from, rule) => {
    expect(rejectedBy("import", route, from, from)).toBe(rule);
  });
});

describe("a route for a client", () => {
  test.each<[RouteSketch, PeerFacts, string | null]>([
    [{}, TWO!, null],
    [{ communities: ["0:64502"] }, TWO!, "do not announce to peer"],
    [{ communities: ["0:64502"] }, WIDE!, null],
    [{ communities: ["0:64701"] }, WIDE!, "do not announce to peer"],
    [{ communities: ["0:64500"] }, WIDE!, "do not announce to any"],
    [{ communities: ["0:64500", "64500:64701"] }, WIDE!, null],
    [{ large: ["64500:15:50"] }, WIDE!, "do not announce to peers with rtt higher than"],
    [{ large: ["64500:15:50"] }, TWO!, null],
    [{ large: ["64500:15:10"] }, TWO!, "do not announce to peers with rtt higher than"],
    [{ communities: ["blackhole"] }, TWO!, null],
    [{ communities: ["blackhole"] }, WIDE!, "no blackholes for this client"],
    [{ large: ["64500:65520:0"] }, TWO!, "rejected when it came"],
  ])("%j goes to whom it is meant for", (route, to, rule) => {
    expect(rejectedBy("export", route, ONE!, to)).toBe(rule);
  });
});
