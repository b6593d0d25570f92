/** What a neighbor has said that came to nothing, as it is counted for BMP (RFC 7854 section 4.8). */

import { expect, test } from "vitest";
import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { ROUTER_AS } from "../../../testkit/sketch.ts";
import { type HeardCounts, nothingHeard } from "../src/index.ts";

const A = "192.0.2.1";
const ROUTES = ["10.1.0.0/16", "10.2.0.0/16"];

const EXTERNAL = "as: 65001";
const INTERNAL = `as: ${ROUTER_AS}`;

/** What is counted once a peer has said something. */
function heard(neighbor: string, say: (peer: Peer) => void): HeardCounts {
  const lab = new Lab(
    yamlOf(
      `
policies:
  some: [ { if: { prefix: 10.1.0.0/16 }, then: reject }, { then: accept } ]
neighbors: [ { address: ${A}, passive: true, families: [ipv4-unicast, ipv6-unicast], ${neighbor} } ]`,
      `{ as: ${ROUTER_AS}, id: 192.0.2.254, cluster-id: 10.0.0.9 }`,
    ),
  );
  const as = neighbor.startsWith(INTERNAL) ? ROUTER_AS : 65001;
  const peer = lab.peer(A, { as, families: ["ipv4", "ipv6"] }).up();
  say(peer);
  lab.run();
  return lab.neighbor(A).heard;
}

const ALL = `${EXTERNAL}, import: accept-all`;
const REFLECTED = `${INTERNAL}, import: accept-all`;

test.each<[string, string, (peer: Peer) => void, Partial<HeardCounts>]>([
  ["nothing of what is new", ALL, (peer) => peer.announce(ROUTES).withdraw(ROUTES), {}],
  ["no End-of-RIB", ALL, (peer) => peer.endOfRib().endOfRib("ipv6"), {}],
  [
    "routes that are announced again",
    ALL,
    (peer) => peer.announce(ROUTES).announce([ROUTES[0]!]).announce(ROUTES, { med: 1 }),
    { duplicateRoutes: 1, duplicateUpdates: 1 },
  ],
  [
    "routes that are announced again with one that is new",
    ALL,
    (peer) => peer.announce([ROUTES[0]!]).announce(ROUTES),
    { duplicateRoutes: 1 },
  ],
  [
    "routes that are withdrawn and not there, of both families",
    ALL,
    (peer) =>
      peer
        .announce([ROUTES[0]!])
        .withdraw(ROUTES)
        .withdraw([...ROUTES, "2001:db8::/32"]),
    { duplicateWithdrawals: 4, duplicateUpdates: 1 },
  ],
  [
    "routes that policy rejects, each time",
    `${EXTERNAL}, import: some`,
    (peer) => peer.announce(ROUTES).announce([ROUTES[0]!], { med: 1 }),
    { rejected: 2 },
  ],
  [
    "routes that are rejected and not kept",
    `${EXTERNAL}, import: some, keep-rejected: false`,
    (peer) => peer.announce(ROUTES).announce(ROUTES),
    { rejected: 2, duplicateRoutes: 1 },
  ],
  [
    "routes that checks reject",
    ALL,
    (peer) => peer.announce(ROUTES, { path: [65009] }),
    { rejected: 2 },
  ],
  [
    "UPDATEs with our AS in their path",
    ALL,
    (peer) => peer.announce(ROUTES, { path: [65001, ROUTER_AS] }),
    { asPathLoops: 1 },
  ],
  [
    "UPDATEs that this speaker has originated",
    REFLECTED,
    (peer) => peer.announce(ROUTES, { originator: "192.0.2.254" }),
    { originatorLoops: 1 },
  ],
  [
    "UPDATEs that were in our cluster",
    REFLECTED,
    (peer) => peer.announce(ROUTES, { clusters: ["10.0.0.9"] }),
    { clusterLoops: 1 },
  ],
])("counts %s", (_title, neighbor, say, expected) => {
  expect(heard(neighbor, say)).toEqual({ ...nothingHeard(), ...expected });
});

test("counts routes of UPDATEs with faults", () => {
  const say = (peer: Peer) => {
    const octets = peer.updateOf(ROUTES, {});
    // An ORIGIN that is none (RFC 4271 section 4.3): flags, type, length, value.
    const at = octets.findIndex((_, i) => octets[i] === 0x40 && octets[i + 1] === 1);
    octets[at + 3] = 7;
    peer.send(octets);
  };
  expect(heard(ALL, say)).toEqual({ ...nothingHeard(), treatedAsWithdraw: 2 });
});
