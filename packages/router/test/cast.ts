/** A router with the neighbors that a test names, and what one of them is sent of another. */

import { Lab, type Peer, yamlOf } from "../../../testkit/router.ts";
import { type PeerOptions, ROUTER_AS } from "../../../testkit/sketch.ts";
import type { Seen } from "../../../testkit/wire.ts";

export const OUTSIDE = "192.0.2.1";
export const OTHER = "192.0.2.2";

export interface Cast {
  /** Options in the configuration, and what the peer offers. */
  readonly [address: string]: readonly [config: string, options: PeerOptions];
}

export const ROUTER = `{ as: ${ROUTER_AS}, id: 192.0.2.254, cluster-id: 10.0.0.9 }`;
export const EBGP: readonly [string, PeerOptions] = ["as: 65001", { as: 65001 }];
export const EBGP2: readonly [string, PeerOptions] = ["as: 65002", { as: 65002 }];
export const EBGP3: readonly [string, PeerOptions] = ["as: 65003", { as: 65003 }];
export const IBGP: readonly [string, PeerOptions] = [`as: ${ROUTER_AS}`, { as: ROUTER_AS }];
export const CLIENT: readonly [string, PeerOptions] = [
  `as: ${ROUTER_AS}, route-reflector-client: true`,
  { as: ROUTER_AS },
];

export function labOf(cast: Cast, rest = ""): { lab: Lab; peers: Record<string, Peer> } {
  const lines = Object.entries(cast).map(
    ([address, [config]]) => `  - { address: "${address}", ${config} }`,
  );
  const lab = new Lab(
    yamlOf(
      `defaults: { import: accept-all, export: accept-all, passive: true }\nneighbors:\n${lines.join("\n")}\n${rest}`,
      ROUTER,
    ),
  );
  const peers: Record<string, Peer> = {};
  for (const [address, [, options]] of Object.entries(cast)) {
    peers[address] = lab.peer(address, options).up();
  }
  return { lab, peers };
}

/** What `to` is sent of a route that `from` announces. */
export function sent(
  from: readonly [string, PeerOptions],
  to: readonly [string, PeerOptions],
  sketch: Parameters<Peer["announce"]>[1],
  rest = "",
): Seen | undefined {
  const { lab, peers } = labOf({ [OUTSIDE]: from, [OTHER]: to }, rest);
  peers[OUTSIDE]!.announce(["10.1.0.0/16"], sketch);
  lab.run();
  return peers[OTHER]!.table["10.1.0.0/16"];
}
