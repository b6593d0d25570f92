/** The profiles of compose.yml that follow the pair: a mirror, and routes in a kernel. */
import assert from "node:assert/strict";
import type { ShownForward, ShownMirrors } from "@ts-bgp/daemon";
import { type Family, familyOf } from "../lab/daemon.ts";
import { addressOf, FAMILIES } from "../lab/scene.ts";
import { until } from "../lab/until.ts";
import type { Check } from "./checks.ts";
import type { Stage } from "./stage.ts";

const WAIT_MS = 20_000;
/** One that has begun with a later server of its list goes back to the first one after half a minute. */
const WAY_MS = 60_000;

export const OBSERVERS: readonly Check[] = [
  {
    name: "a mirror and one of that, through a switchover",
    run: (stage) => beside(stage, "mirror", ["mirror", "mirror-2"], checkMirrors),
  },
  {
    name: "routes in a kernel, through a switchover",
    run: (stage) => beside(stage, "forward", ["forwarder"], checkForwarder),
  },
];

/** Starts services of a profile as an operator does, for as long as they are looked at. */
async function beside(
  stage: Stage,
  profile: "mirror" | "forward",
  services: readonly string[],
  body: (stage: Stage) => Promise<string>,
): Promise<string> {
  const { deployment } = stage;
  const words = services.join(" ");
  const compose = `docker compose -f docker/compose.yml --profile ${profile}`;
  try {
    await deployment.shell(`${compose} up -d --wait --no-deps ${words}`);
    return await body(stage);
  } finally {
    await deployment.shell(`${compose} rm --stop --force ${words}`);
  }
}

/** Both show what the active side does, and go on with the other one where they are. */
async function checkMirrors(stage: Stage): Promise<string> {
  const { deployment } = stage;
  const shown = async (service: string) => {
    const text = await deployment.exec(service, "tsbgp", "show", "mirrors", "--json");
    return (JSON.parse(text) as ShownMirrors).following!;
  };
  const tiers = [
    { service: "mirror", behind: ["m1"] },
    { service: "mirror-2", behind: ["m1", "m2"] },
  ];
  const follow = async () => {
    const active = await stage.active();
    const routes = ["show", "routes", "--json"];
    const wanted = await active.tsbgp(...routes);
    assert.notEqual(wanted, "", "routes of the active side");
    for (const { service, behind } of tiers) {
      const way = [active.name.replace("rs-", ""), ...behind];
      await until(
        async () => {
          const { state, path, age_ms } = await shown(service);
          return state === "following" && age_ms !== null && path.join() === way.join();
        },
        WAY_MS,
        `${service} follows ${way.join(", ")}`,
      );
      await until(
        async () => (await deployment.exec(service, "tsbgp", ...routes)) === wanted,
        WAIT_MS,
        `${service} shows the routes of ${active.name}`,
      );
    }
  };
  await follow();
  const before = (await shown("mirror-2")).states;
  await (await stage.active()).tsbgp("switchover");
  await stage.ready();
  await follow();
  const [first, second] = [await shown("mirror"), await shown("mirror-2")];
  assert.deepEqual([first.states, second.states], [1, before], "full copies of the state");
  return `${first.age_ms} and ${second.age_ms} ms old`;
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
