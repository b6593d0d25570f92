/** What the example of a route server does with routes: its comments, executed. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { addReasons, type PeerFacts, Policies, ReasonTable, type Verdict } from "@ts-bgp/policy";
import { AttrStore } from "@ts-bgp/rib";
import {
  decodeMessages,
  encodeUpdate,
  FAMILY,
  parseAddress,
  parsePrefix,
  readU16,
  readU32,
} from "@ts-bgp/wire-codec";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../src/index.ts";

const FILE = join(import.meta.dirname, "../../../configs/route-server.yaml");

interface RouteSketch {
  prefix?: string;
  path?: number[];
  nextHop?: string;
  communities?: string[];
  large?: string[];
}

const setup = () => {
  const text = readFileSync(FILE, "utf8");
  const { config } = loadConfig("route-server.yaml", text, { readFile: () => "", env: () => "" });
  const attrs = new AttrStore(7);
  const reasons = new ReasonTable();
  addReasons(config!, reasons);
  return { config: config!, attrs, reasons, policies: new Policies(config!, attrs, reasons) };
};
const { config, attrs, reasons, policies } = setup();

function facts(number: number, as: number, address: string): PeerFacts {
  const octets = parseAddress(address)!;
  return {
    number,
    as,
    localAs: config.router.as,
    routeType: "ebgp",
    group: "clients",
    address,
    addressOctets: octets,
    sameAsAddresses: [octets, parseAddress("127.0.0.99")!],
    localAddress4: null,
    localAddress6: null,
    role: null,
    anyPeer: false,
  };
}
const ONE = facts(1, 64501, "127.0.0.11");
const TWO = facts(2, 64502, "127.0.0.12");
const WIDE = facts(3, 4200000001, "127.0.0.13");

/** Path attributes as they stand in an UPDATE without withdrawn routes. */
function attrOf({
  path = [64501],
  nextHop = "127.0.0.11",
  communities,
  large,
}: RouteSketch): number {
  const attributes = [
    { type: 1, value: "IGP" },
    { type: 2, value: { segments: [{ type: "AS_SEQUENCE", as: path }] } },
    { type: 3, value: nextHop },
    ...(communities === undefined ? [] : [{ type: 8, value: communities }]),
    ...(large === undefined ? [] : [{ type: 32, value: large }]),
  ];
  const message = encodeUpdate({ attributes });
  return attrs.intern(message, 23, 23 + readU16(message, 21));
}

function decide(direction: "import" | "export", route: RouteSketch, peer: PeerFacts): Verdict {
  const chain = config.neighbors[0]![direction];
  const { afi, address, bits } = parsePrefix(route.prefix ?? "193.0.0.0/21")!;
  const word = (k: number) => (4 * k < address.length ? readU32(address, 4 * k) : 0);
  const family = afi === 1 ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
  const filter = policies.filter(chain, config.router.as);
  return filter.decide(attrOf(route), ONE, peer, family, word(0), word(1), word(2), word(3), bits);
}

describe("the route server", () => {
  const imports: [RouteSketch, string][] = [
    [{}, ""],
    [{ prefix: "193.0.0.0/25" }, "IPv4 prefix longer than /24"],
    [{ prefix: "0.0.0.0/0" }, "IPv4 prefix shorter than /8"],
    [{ prefix: "2a00::/49" }, "IPv6 prefix longer than /48"],
    [{ prefix: "::/0" }, "IPv6 prefix shorter than /12"],
    [{ prefix: "2a00::/48" }, ""],
    [{ prefix: "10.1.0.0/16" }, "bogon prefix"],
    [{ prefix: "2001:db8:7::/48" }, "bogon prefix"],
    [{ path: new Array(33).fill(64501) }, "AS path longer than 32"],
    [{ path: [64502, 64501] }, "first AS is not the client's"],
    [{ path: [64501, 65000] }, "bogon AS in path"],
    [{ path: [64501, 3356] }, "transit-free AS behind the client"],
    [{ large: Array.from({ length: 101 }, (_, k) => `1:1:${k}`) }, "more than 100 communities"],
    [{ nextHop: "127.0.0.12" }, "next hop is not an address of the client"],
    [{ nextHop: "127.0.0.99" }, ""],
  ];
  test.each(imports)("takes %j from a client unless a rule forbids it: %s", (route, rule) => {
    const { accept, reason } = decide("import", route, ONE);
    expect(accept ? "" : reasons.get(reason).rule).toBe(rule);
  });

  const exports: [RouteSketch, PeerFacts, string | number[]][] = [
    [{}, TWO, [64501]],
    [{ communities: ["0:64502"] }, TWO, "not to this client"],
    [{ communities: ["0:64502"] }, WIDE, [64501]],
    [{ large: ["64500:0:4200000001"] }, WIDE, "not to this client"],
    [{ large: ["64500:0:4200000001"] }, TWO, [64501]],
    [{ communities: ["0:64500"] }, TWO, "only to chosen clients"],
    [{ communities: ["0:64500", "64500:64502"] }, TWO, [64501]],
    [{ communities: ["0:64500", "64500:64502"] }, WIDE, "only to chosen clients"],
    [{ large: ["64500:0:0", "64500:1:4200000001"] }, WIDE, [64501]],
    [{ large: ["64500:0:0", "64500:1:4200000001"] }, TWO, "only to chosen clients"],
    [{ large: ["64500:103:64502"] }, TWO, [64501, 64501, 64501, 64501]],
    [{ large: ["64500:103:64502"] }, WIDE, [64501]],
    [{ large: ["64500:102:0"] }, WIDE, [64501, 64501, 64501]],
  ];
  test.each(exports)("sends %j to client %j: %j", (route, peer, want) => {
    const verdict = decide("export", route, peer);
    if (!verdict.accept) expect(reasons.get(verdict.reason).rule).toBe(want);
    else {
      const octets = attrs.copyOf(verdict.attr);
      expect(attributesOf(octets)["AS_PATH"]).toMatchObject({ text: (want as number[]).join(" ") });
    }
  });

  test("takes away what was meant for it, and nothing else", () => {
    const communities = ["0:64509", "64500:64509", "64501:7", "no-export"];
    const route = { communities, large: ["64500:102:64509", "64501:1:1"] };
    const octets = attrs.copyOf(decide("export", route, TWO).attr);
    expect(attributesOf(octets)).toMatchObject({
      COMMUNITIES: ["64501:7", "65535:65281"],
      LARGE_COMMUNITIES: ["64501:1:1"],
    });
  });

  test("asks again only for the clients that a route names", () => {
    const everyone = { ...TWO, number: 99, anyPeer: true };
    expect(decide("export", {}, everyone).exceptions).toEqual([]);
    const named = decide("export", { communities: ["0:64509"], large: ["64500:101:7"] }, everyone);
    expect([...named.exceptions].sort()).toEqual([64509, 7]);
  });
});

/** Values of the attributes by name. */
function attributesOf(octets: Uint8Array): Record<string, unknown> {
  const message = encodeUpdate({ nlri: ["193.0.0.0/21"] });
  const whole = Uint8Array.of(...message.subarray(0, 23), ...octets, ...message.subarray(23));
  whole[16] = whole.length >> 8;
  whole[17] = whole.length & 255;
  whole[21] = octets.length >> 8;
  whole[22] = octets.length & 255;
  const [decoded] = decodeMessages(whole, { fourOctetAs: true, addPath: false, external: true });
  const list = (decoded as { attributes?: { name: string; value: unknown }[] }).attributes ?? [];
  return Object.fromEntries(list.map(({ name, value }) => [name, value]));
}
