/** The profiles of compose.yml that follow the pair: a mirror, and routes in a kernel. */
import assert from "node:assert/strict";
import type { ShownForward, ShownMirrors } from "@ts-bgp/daemon";
import { type Family, familyOf } from "../lab/daemon.ts";
import { addressOf, FAMILIES } from "../lab/scene.ts";
import { until } from "../lab/until.ts";
import type { Check } from "./checks.ts";
import type { Stage } from "./stage.ts";

const WAIT_MS = 20_000;

export const OBSERVERS: readonly Check[] = [
  { name: "a mirror, through a switchover", run: (stage) => beside(stage, "mirror", checkMirror) },
  {
    name: "routes in a kernel, through a switchover",
    run: (stage) => beside(stage, "forwarder", checkForwarder),
  },
];

/** Starts a service of a profile as an operator does, for as long as it is looked at. */
async function beside(
  stage: Stage,
  service: "mirror" | "forwarder",
  body: (stage: Stage) => Promise<string>,
): Promise<string> {
  const { deployment } = stage;
  const profile = service === "mirror" ? service : "forward";
  const compose = `docker compose -f docker/compose.yml --profile ${profile}`;
  try {
    await deployment.shell(`${compose} up -d --wait --no-deps ${service}`);
    return await body(stage);
  } finally {
    await deployment.shell(`${compose} rm --stop --force ${service}`);
  }
}

/** It shows what the active side does, and goes on with the other one where it is. */
async function checkMirror(stage: Stage): Promise<string> {
  const { deployment } = stage;
  const shown = async () => {
    const text = await deployment.exec("mirror", "tsbgp", "show", "mirrors", "--json");
    return (JSON.parse(text) as ShownMirrors).following!;
  };
  const follows = async () => {
    const active = await stage.active();
    await until(
      async () => {
        const { state, side, age_ms } = await shown();
        return state === "following" && active.name === `rs-${side}` && age_ms !== null;
      },
      WAIT_MS,
      `the mirror follows ${active.name}`,
    );
    const routes = ["show", "routes", "--json"];
    const wanted = await active.tsbgp(...routes);
    assert.notEqual(wanted, "", "routes of the active side");
    await until(
      async () => (await deployment.exec("mirror", "tsbgp", ...routes)) === wanted,
      WAIT_MS,
      `the mirror shows the routes of ${active.name}`,
    );
  };
  await follows();
  await (await stage.active()).tsbgp("switchover");
  await stage.ready();
  await follows();
  const { states, age_ms } = await shown();
  assert.equal(states, 1, "full copies of the state");
  return `${age_ms} ms old`;
}

/** A next hop on the link is used by its link-local address, which Docker makes of the IPv4 one. */
function gatewayOf(client: Parameters<typeof addressOf>[0], family: Family): string {
  const address4 = addressOf(client, "ipv4-unicast");
  if (family === "ipv4-unicast") return address4;
  const [a = 0, b = 0, c = 0, d = 0] = address4.split(".").map(Number);
  const hex = (value: number) => value.toString(16);
  return `fe80::42:${hex((a << 8) | 0xff)}:fe${hex(b).padStart(2, "0")}:${hex((c << 8) | d)}`;
}

interface KernelRoute {
  readonly dst: string;
  readonly metric: number;
  readonly gateway?: string;
  /** In the place of one gateway, where it is a group. */
  readonly nexthops?: readonly { readonly gateway: string }[];
}

function viaOf({ gateway, nexthops = [] }: KernelRoute): string {
  return gateway ?? nexthops.map((hop) => hop.gateway).join(" ");
}

/** The clients' routes are in the container's kernel, by the clients' next hops, whoever is active. */
async function checkForwarder(stage: Stage): Promise<string> {
  const { deployment, clients } = stage;
  const node = await deployment.namespaceNode("forwarder", {
    ...{ address4: "10.89.0.41", address6: "fd89::41" },
  });
  const inKernel = async (family: Family) => {
    const version = family === "ipv4-unicast" ? "-4" : "-6";
    const { stdout } = await node.run(["ip", "-j", version, "route", "show", "proto", "bgp"]);
    const routes = JSON.parse(stdout) as KernelRoute[];
    return routes.map((route) => `${route.dst} via ${viaOf(route)} metric ${route.metric}`).sort();
  };
  const isAsTold = async () => {
    for (const family of FAMILIES) {
      const expected = clients.flatMap(({ client }) =>
        client.shipped
          .filter(({ prefix }) => familyOf(prefix) === family)
          .map(({ prefix }) => `${prefix} via ${gatewayOf(client, family)} metric 32`),
      );
      await until(
        async () => {
          assert.deepEqual(await inKernel(family), expected.sort());
          return true;
        },
        WAIT_MS,
        `the kernel has the ${family} routes`,
      );
    }
  };
  const source = async () => {
    const text = await deployment.exec("forwarder", "tsbgp", "show", "forward", "--json");
    const { source, complete } = JSON.parse(text) as ShownForward;
    return complete ? source : null;
  };
  try {
    await isAsTold();
    const before = await until(source, WAIT_MS, "a side has told all");
    const changes = node.spawn(["ip", "monitor", "route"]);
    await (await stage.active()).tsbgp("switchover");
    await stage.ready();
    const after = await until(
      async () => {
        const now = await source();
        return now === before ? null : now;
      },
      WAIT_MS,
      "the other side has told all",
    );
    await isAsTold();
    const touched = changes
      .output()
      .split("\n")
      .filter((line) => /proto bgp/.test(line));
    assert.deepEqual(touched, [], "routes that were touched");
    return after;
  } finally {
    node.end();
  }
}
