/** BIRD and FRR of the compose files, and what `docker/clients` has them announce. */

import { readFileSync, writeFileSync } from "node:fs";
import { askBird, staticProtocols } from "../lab/bird.ts";
import type { AskedDaemon, DaemonSpec, Route, SessionSpec } from "../lab/daemon.ts";
import { askFrr } from "../lab/frr.ts";
import type { LabNode } from "../lab/netns.ts";
import { FAMILIES } from "../lab/scene.ts";
import { type Deployment, RS_AS, SERVICE } from "./deployment.ts";

const BIRD_CONF = "clients/bird.conf";
const LAB_ROUTES = 20;

export interface Client {
  readonly name: "bird" | "frr";
  readonly as: number;
  readonly address4: string;
  readonly address6: string;
  /** How all its sessions are protected. */
  readonly protection: "md5" | "gtsm";
  /** What its file in `docker/clients` originates. */
  readonly shipped: readonly Route[];
  /** What a test has it originate beside that. */
  readonly added: readonly Route[];
}

const BIRD: Client = {
  name: "bird",
  as: 64511,
  ...{ address4: "10.89.0.11", address6: "fd89::11" },
  protection: "md5",
  shipped: [
    {
      ...{ prefix: "10.11.0.0/24", asPath: [64511], med: 10 },
      communities: ["64511:100", "64511:101"],
      extCommunities: ["rt:64511:4"],
      largeCommunities: ["64511:1:2"],
    },
    {
      prefix: "10.11.1.0/24",
      communities: ["64511:200"],
      extCommunities: ["soo:64511:5"],
      largeCommunities: ["64511:3:4"],
    },
    { prefix: "10.11.2.0/23" },
    {
      ...{ prefix: "2001:db8:1100::/48", asPath: [64511], med: 10 },
      communities: ["64511:100"],
      extCommunities: ["rt:64511:6"],
      largeCommunities: ["64511:1:6"],
    },
    {
      prefix: "2001:db8:1101::/48",
      communities: ["64511:200"],
      largeCommunities: ["64511:3:6"],
    },
  ],
  added: addedRoutes("11", {}),
};

/** It announces a MED of 0 where none is set. */
const FRR: Client = {
  name: "frr",
  as: 64512,
  ...{ address4: "10.89.0.12", address6: "fd89::12" },
  protection: "gtsm",
  shipped: [
    {
      ...{ prefix: "10.12.0.0/24", asPath: [64512], med: 20 },
      communities: ["64512:100", "64512:101"],
      extCommunities: ["rt:64512:4"],
      largeCommunities: ["64512:1:2"],
    },
    {
      ...{ prefix: "10.12.1.0/24", med: 0 },
      communities: ["64512:200"],
      extCommunities: ["soo:64512:5"],
      largeCommunities: ["64512:3:4"],
    },
    { prefix: "10.12.2.0/23", med: 0 },
    {
      ...{ prefix: "2001:db8:1200::/48", asPath: [64512], med: 20 },
      communities: ["64512:100"],
      extCommunities: ["rt:64512:6"],
      largeCommunities: ["64512:1:6"],
    },
    {
      ...{ prefix: "2001:db8:1201::/48", med: 0 },
      communities: ["64512:200"],
      largeCommunities: ["64512:3:6"],
    },
  ],
  added: addedRoutes("12", { med: 0 }),
};

export const CLIENTS: readonly Client[] = [BIRD, FRR];

function addedRoutes(net: string, common: Partial<Route>): Route[] {
  return Array.from({ length: LAB_ROUTES }, (_, i) => ({
    ...common,
    prefix: i % 2 === 0 ? `10.1${net}.${i}.0/24` : `fd${net}:${i}::/48`,
    communities: [`65001:${i}`],
    largeCommunities: [`65001:${i}:1`],
  }));
}

/** Have what the tests read of it be in BIRD's log; before it is started. */
export function prepareBird(deployment: Deployment): void {
  deployment.edit(BIRD_CONF, (text) => `debug protocols { states, events };\n${text}`);
}

/** @param logs - what its container has written so far */
export function clientDaemon(
  deployment: Deployment,
  client: Client,
  node: LabNode,
  logs: () => string,
): AskedDaemon {
  const spec = specOf(client);
  if (client.name === "frr")
    return askFrr(node, spec, { vtysh: ["vtysh", "-d", "bgpd"], log: logs });
  const path = deployment.path(BIRD_CONF);
  const text = readFileSync(path, "utf8");
  const shipped = new Set(client.shipped.map(({ prefix }) => prefix));
  return askBird(node, spec, {
    birdc: ["birdc"],
    protocols: ["rs4", "rs6"],
    configure: (routes) => {
      const others = routes.filter(({ prefix }) => !shipped.has(prefix));
      writeFileSync(path, `${text}\n${staticProtocols("added", others).join("\n")}\n`);
    },
    log: logs,
  });
}

function specOf(client: Client): DaemonSpec {
  const sessions = FAMILIES.map((family): SessionSpec => {
    const field = family === "ipv4-unicast" ? "address4" : "address6";
    return {
      families: [family],
      localAddress: client[field],
      peerAddress: SERVICE[field],
      peerAs: RS_AS,
      routeServer: true,
    };
  });
  return { as: client.as, routerId: client.address4, sessions, originate: client.shipped };
}
