/**
 * Services of an exchange, as members see them.
 *
 *     witness (BIRD) ---- speaker ---- member: daemon under test
 *
 * The speaker is a route server; the IPv6 sessions use TCP MD5. Everything that is sent of the services is looked at where it arrives.
 */

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { parse } from "yaml";
import { bird } from "./bird.ts";
import type { Daemon, DaemonKind, Route, RouteView } from "./daemon.ts";
import type { Lab, LabNode } from "./netns.ts";
import { addressOf, FAMILIES } from "./scene.ts";
import { createSpeaker, type Speaker } from "./speaker.ts";
import { until } from "./until.ts";

const LAB_CONFIG = new URL("../../configs/lab.yaml", import.meta.url);
const SPEAKER_AS = 65500;
const PASSWORD = "correct-horse";
const WAIT_MS = 60_000;

export interface End {
  readonly node: LabNode;
  readonly daemon: Daemon;
  /** A prefix for each family. */
  readonly prefixes: readonly string[];
}

export interface ServiceScene {
  readonly speaker: Speaker;
  readonly member: End;
  readonly witness: End;
  /** Sections of the configuration that differ from the beginning, and a reload. */
  reconfigure(sections: Readonly<Record<string, unknown>>): Promise<void>;
}

export async function setServiceScene(lab: Lab, kind: DaemonKind): Promise<ServiceScene> {
  const speaker = createSpeaker(lab.node("tsbgp"), SPEAKER_AS);
  const witness = createEnd(bird, lab.node("witness"), 1, speaker);
  const member = createEnd(kind, lab.node(kind.name), 2, speaker);
  const configure = (sections: Readonly<Record<string, unknown>>) =>
    speaker.configure(JSON.stringify({ ...plainConfig(speaker, [witness, member]), ...sections }));
  configure({});
  await Promise.all([speaker, witness.daemon, member.daemon].map((each) => each.start()));
  const scene: ServiceScene = {
    speaker,
    member,
    witness,
    async reconfigure(sections) {
      configure(sections);
      await speaker.reload();
    },
  };
  await expectPlain(scene);
  return scene;
}

function createEnd(kind: DaemonKind, node: LabNode, net: number, peer: Speaker): End {
  const prefixes = [`10.${net}.0.0/16`, `fd${net}0::/32`];
  const originate = prefixes.map((prefix) => ({ prefix, med: net }));
  const sessions = FAMILIES.map((family) => ({
    families: [family],
    localAddress: addressOf(node, family),
    peerAddress: addressOf(peer, family),
    peerAs: SPEAKER_AS,
    routeServer: true,
    ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
  }));
  const spec = { as: 65000 + net, routerId: node.address4, sessions, originate };
  return { node, daemon: kind.create(node, spec), prefixes };
}

/** Neighbors of an end, by family; with more options. */
export function neighborsOf({ node, daemon }: End, more: object = {}): object[] {
  return FAMILIES.map((family) => ({
    address: addressOf(node, family),
    as: daemon.spec.as,
    group: "route-server-client",
    passive: true,
    ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
    ...more,
  }));
}

function plainConfig(speaker: Speaker, ends: readonly End[]): Record<string, unknown> {
  return {
    ...parse(readFileSync(LAB_CONFIG, "utf8")),
    router: { as: speaker.as, id: speaker.address4 },
    control: { socket: speaker.socket },
    neighbors: ends.flatMap((end) => neighborsOf(end)),
  };
}

/** What an end has of the speaker, of some prefixes. */
export async function held(
  scene: ServiceScene,
  at: End,
  prefixes: readonly string[],
): Promise<RouteView[]> {
  const tables = await Promise.all(FAMILIES.map((family) => at.daemon.routes(family)));
  const from = FAMILIES.map((family) => addressOf(scene.speaker, family));
  return tables
    .flat()
    .filter((route) => from.includes(route.from) && prefixes.includes(route.prefix));
}

/** Waits until an end has all of these routes, each with these communities. */
export async function untilHeld(
  scene: ServiceScene,
  at: End,
  prefixes: readonly string[],
  communities: readonly string[],
  what: string,
): Promise<RouteView[]> {
  let routes: RouteView[] = [];
  await until(
    async () => {
      routes = await held(scene, at, prefixes);
      expect(routes.map(({ prefix }) => prefix).sort()).toEqual([...prefixes].sort());
      for (const route of routes) expect(route.communities).toEqual(communities);
      return true;
    },
    WAIT_MS,
    `${at.node.name}: ${what}`,
  );
  return routes;
}

/** Both have what the other one announces, as it is. */
async function expectPlain(scene: ServiceScene): Promise<void> {
  const { member, witness } = scene;
  await untilHeld(scene, member, witness.prefixes, [], "has the witness's routes");
  await untilHeld(scene, witness, member.prefixes, [], "has the member's routes");
}

/** How often sessions of an end came up. */
export const upCounts = ({ speaker, member }: ServiceScene): Promise<number[]> =>
  Promise.all(
    FAMILIES.map(async (family) => {
      const { upCount } = await member.daemon.session(addressOf(speaker, family));
      return upCount;
    }),
  );

/** Maintenance of the speaker: all are told, and no session ends (RFC 8326). */
export async function checkShutdownSent(scene: ServiceScene): Promise<void> {
  const { speaker, member, witness } = scene;
  const before = await upCounts(scene);
  await speaker.cli(["graceful-shutdown", "on"]);
  await untilHeld(scene, member, witness.prefixes, ["65535:0"], "is told of the shutdown");
  await untilHeld(scene, witness, member.prefixes, ["65535:0"], "is told of the shutdown");
  expect((await speaker.cli(["show", "status"])).stdout).toContain("Graceful shutdown: on");
  await speaker.cli(["graceful-shutdown", "off"]);
  await expectPlain(scene);
  expect(await upCounts(scene)).toEqual(before);
}

/** Maintenance of a member: passed on by a route server, honored by an ordinary router. */
export async function checkShutdownReceived(scene: ServiceScene): Promise<void> {
  const { speaker, member, witness } = scene;
  const plain: Route[] = member.prefixes.map((prefix) => ({ prefix, med: 2 }));
  const shuts = plain.map((route) => ({ ...route, communities: ["65535:0"] }));
  const preferences = async () => {
    const { json } = await speaker.cli([
      "show",
      "routes",
      "--neighbor",
      addressOf(member.node, "ipv4-unicast"),
      "--json",
    ]);
    return (json as { prefix: string; local_pref?: number }[]).map(
      (route) => route.local_pref ?? 100,
    );
  };
  await member.daemon.announce(shuts);
  await untilHeld(scene, witness, member.prefixes, ["65535:0"], "is told what the member says");
  expect(await preferences()).toEqual([100]);
  const honors = { "honor-graceful-shutdown": true };
  await scene.reconfigure({ neighbors: [...neighborsOf(witness), ...neighborsOf(member, honors)] });
  await until(async () => (await preferences())[0] === 0, WAIT_MS, "the route is the last one");
  await member.daemon.announce(plain);
  await until(async () => (await preferences())[0] === 100, WAIT_MS, "the route is as before");
  await scene.reconfigure({});
  await expectPlain(scene);
}

const BLACKHOLE = "65535:666";
const NO_EXPORT = "65535:65281";
/** Where an exchange throws traffic away. */
const BIN = { "ipv4-unicast": "10.0.0.66", "ipv6-unicast": "fd00::66" } as const;

/** Blackholing (RFC 7999), both ways: of hosts within the prefixes of who asks, and of no others. */
export async function checkBlackholes(scene: ServiceScene): Promise<void> {
  const { member, witness } = scene;
  const blackhole = { "next-hop": Object.values(BIN) };
  await scene.reconfigure({
    "prefix-lists": { member: member.prefixes, witness: witness.prefixes },
    policies: parse("short: [{ if: { prefix: ['0.0.0.0/0 le 24', '::/0 le 48'] }, then: accept }]"),
    neighbors: [
      ...neighborsOf(member, { import: "short", blackhole: { ...blackhole, prefixes: "member" } }),
      ...neighborsOf(witness, {
        import: "short",
        blackhole: { ...blackhole, prefixes: "witness" },
      }),
    ],
  });
  for (const [from, to] of [
    [member, witness],
    [witness, member],
  ] as const) {
    const hosts = [
      from.prefixes[0]!.replace("0.0/16", "2.3/32"),
      from.prefixes[1]!.replace("::/32", "::3/128"),
    ];
    const others = ["10.99.0.1/32", "fd99::1/128"];
    const announced = [...hosts, ...others].map((prefix) => ({ prefix, communities: [BLACKHOLE] }));
    await from.daemon.announce(announced);
    const routes = await untilHeld(scene, to, hosts, [NO_EXPORT, BLACKHOLE], "throws traffic away");
    expect(routes.map(({ nextHop }) => nextHop)).toEqual(Object.values(BIN));
    expect(await held(scene, to, others)).toEqual([]);
    await from.daemon.withdraw([...hosts, ...others]);
    await until(
      async () => (await held(scene, to, hosts)).length === 0,
      WAIT_MS,
      `${to.node.name} forwards again`,
    );
  }
  await scene.reconfigure({});
  await expectPlain(scene);
}

/** Routes of the configuration: with the own AS in front, and gone when a reload takes them away. */
export async function checkStaticRoutes(scene: ServiceScene): Promise<void> {
  const { speaker, member } = scene;
  const prefixes = ["10.77.0.0/16", "fd77::/32"];
  const hops = [speaker.address4, speaker.address6];
  const before = await upCounts(scene);
  await scene.reconfigure({
    static: prefixes.map((prefix, k) => ({
      prefix,
      "next-hop": hops[k],
      med: 5,
      community: ["$local-as:1"],
      "large-community": ["$local-as:1:2"],
    })),
  });
  const routes = await untilHeld(scene, member, prefixes, [`${SPEAKER_AS}:1`], "is told of them");
  for (const [k, { asPath, med, nextHop, largeCommunities }] of routes.entries()) {
    expect([asPath, med, nextHop]).toEqual([`${SPEAKER_AS}`, 5, hops[k]]);
    expect(largeCommunities).toEqual([`${SPEAKER_AS}:1:2`]);
  }
  const { json } = await speaker.cli(["show", "routes", "--neighbor", "static", "--json"]);
  expect((json as { prefix: string }[]).map(({ prefix }) => prefix)).toEqual(prefixes);
  await scene.reconfigure({});
  await until(
    async () => (await held(scene, member, prefixes)).length === 0,
    WAIT_MS,
    "the routes are gone",
  );
  expect(await upCounts(scene)).toEqual(before);
}

/** A member is sent too much, and one does not offer what is required: what they are told. */
export async function checkBrakes(scene: ServiceScene): Promise<void> {
  const { speaker, member, witness } = scene;
  const withOptions = (options: object) => {
    const [ipv4, ipv6] = neighborsOf(member);
    return { neighbors: [...neighborsOf(witness), { ...ipv4, ...options }, ipv6] };
  };
  const told = async () => member.daemon.lastNotification(addressOf(speaker, "ipv4-unicast"));
  const limit = { "ipv4-unicast": 1, action: "restart", "restart-after": 1 };
  await scene.reconfigure(withOptions({ "max-prefix-out": limit }));
  await expectPlain(scene);
  const more = ["10.81.0.0/16", "10.82.0.0/16"];
  await witness.daemon.announce(more.map((prefix) => ({ prefix })));
  const text = "limit of 1 ipv4-unicast routes to be sent";
  await until(
    async () => {
      expect(await told()).toEqual({ code: 6, subcode: 4, text });
      return true;
    },
    WAIT_MS,
    "the member is told why its session ends",
  );
  await witness.daemon.withdraw(more);
  await scene.reconfigure(
    withOptions({ "extended-next-hop": true, "require-capabilities": ["extended-next-hop"] }),
  );
  await until(
    async () => {
      expect(await told()).toMatchObject({ code: 2, subcode: 7 });
      return true;
    },
    WAIT_MS,
    "the member is told what it lacks",
  );
  await scene.reconfigure({});
  await expectPlain(scene);
}

/** Neighbors that are not listed: by prefix, with a password for one of them, and by AS number. */
export async function checkDynamicNeighbors(scene: ServiceScene): Promise<void> {
  const { speaker, member, witness } = scene;
  const dynamic = (asNumbers: string) => ({
    neighbors: [],
    "dynamic-neighbors": [
      { prefix: "10.0.0.0/24", group: "route-server-client", "as-numbers": asNumbers },
      {
        prefix: "fd00::/64",
        group: "route-server-client",
        "as-numbers": asNumbers,
        password: PASSWORD,
      },
    ],
  });
  await scene.reconfigure(dynamic("65001-65009"));
  await expectPlain(scene);
  const shown = async () => {
    const { json } = await speaker.cli(["show", "neighbors", "--json"]);
    return (json as { address: string; dynamic: string | null }[]).map((one) => [
      one.address,
      one.dynamic,
    ]);
  };
  const rangesOf = ({ node }: End) => [
    [node.address4, "10.0.0.0/24"],
    [node.address6, "fd00::/64"],
  ];
  expect((await shown()).sort()).toEqual([...rangesOf(witness), ...rangesOf(member)].sort());
  const before = await upCounts(scene);
  // One that may no more be a neighbor goes, and the others do not notice.
  await scene.reconfigure(dynamic("65002-65009"));
  await until(
    async () => (await held(scene, member, witness.prefixes)).length === 0,
    WAIT_MS,
    "the witness's routes are gone",
  );
  expect(await upCounts(scene)).toEqual(before);
  await scene.reconfigure({});
  await expectPlain(scene);
  expect((await shown()).map(([, range]) => range)).toEqual([null, null, null, null]);
}
