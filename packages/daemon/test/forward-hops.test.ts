/** Where packets of a route go: to several next hops, to those that other routes lead to, and to link-local ones. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attribute, four } from "../../../test/lab/raw-peer.ts";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { Peer } from "../../../testkit/peer.ts";
import { SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { updateMessage } from "../../../testkit/updates.ts";
import { Module, RouteWatch, run } from "./support/forwarding.ts";

const PEERS = [
  { localAddress: "127.1.0.1", as: 65_001 },
  { localAddress: "127.1.0.2", as: 65_002 },
] as const;
const reason = enterOwnNetwork();

interface KernelHops {
  readonly gateway?: string;
  readonly dev?: string;
  readonly nexthops?: readonly KernelHops[];
}

/** @returns gateways and interfaces of a route of the module's; empty when there is none */
function hopsOf(prefix: string): string {
  const family = prefix.includes(":") ? "-6" : "-4";
  const [route] = JSON.parse(run(`ip ${family} -j route show ${prefix} proto bgp`)) as KernelHops[];
  const hops = route?.nexthops ?? (route === undefined ? [] : [route]);
  return hops
    .map(({ gateway, dev }) => `${gateway} ${dev}`)
    .sort()
    .join(", ");
}

function untilHops(prefix: string, expected: string): Promise<unknown> {
  return until(() => hopsOf(prefix) === expected, WAIT_MS, `${prefix} by ${expected || "nothing"}`);
}

const octetsOf = (prefix: string) => {
  const [address = "", bits = ""] = prefix.split("/");
  return [
    Number(bits),
    ...address
      .split(".")
      .map(Number)
      .slice(0, Number(bits) >> 3),
  ];
};

const announced = (as: number, prefix: string, hop: string) =>
  updateMessage(
    [],
    [
      ...attribute(0x40, 1, [0]),
      ...attribute(0x40, 2, [2, 1, ...four(as)]),
      ...attribute(0x40, 3, hop.split(".").map(Number)),
    ],
    octetsOf(prefix),
  );

/** 2001:db8:N::/48 with next hops of 16 octets each. */
const announced6 = (as: number, n: number, ...hops: readonly (readonly number[])[]) =>
  updateMessage(
    [],
    [
      ...attribute(0x40, 1, [0]),
      ...attribute(0x40, 2, [2, 1, ...four(as)]),
      ...attribute(0x80, 14, [
        ...[0, 2, 1, 16 * hops.length, ...hops.flat(), 0],
        ...[48, 0x20, 1, 0xd, 0xb8, 0, n],
      ]),
    ],
    [],
  );

const address6 = (first: readonly number[], last: number) => [
  ...first,
  ...Array<number>(15 - first.length).fill(0),
  last,
];
const GLOBAL = address6([0x20, 1, 0xd, 0xb8, 2], 9);
const LINK_LOCAL = address6([0xfe, 0x80], 9);

describe.skipIf(reason !== null)(`packets${reason === null ? "" : ` (${reason})`}`, () => {
  let speaker: SpeakerProcess;
  let module: Module;
  let peers: Peer[];
  let watch: RouteWatch;

  function configure(paths: number): void {
    speaker.configure({
      followers: { listen: `${speaker.directory}/followers.sock`, paths },
      defaults: {
        ...{ passive: true, import: "accept-all", export: "accept-all" },
        families: ["ipv4-unicast", "ipv6-unicast"],
      },
      neighbors: PEERS.map(({ localAddress: address, as }) => ({ address, as })),
    });
  }

  beforeAll(async () => {
    run(
      "ip -batch -",
      `link add p0 type veth peer name p1
link add q0 type veth peer name q1
address add 192.0.2.1/24 dev p0
address add 198.51.100.1/24 dev q0
address add 2001:db8:200::1/40 dev p0 nodad
link set p0 up
link set p1 up
link set q0 up
link set q1 up
`,
    );
    speaker = await SpeakerProcess.create({});
    configure(4);
    await speaker.start();
    module = new Module(speaker.directory, {
      servers: `${speaker.directory}/followers.sock`,
      forward: { "link-local-interface": "q0" },
    });
    module.start();
    const options = { port: speaker.port, families: ["ipv4", "ipv6"] as const };
    peers = await Promise.all(PEERS.map((own) => Peer.establish({ ...options, ...own })));
    watch = new RouteWatch();
    await watch.take();
  });

  afterAll(() => {
    watch?.kill();
    for (const peer of peers ?? []) peer.end();
    module?.kill();
    speaker?.remove();
  });

  async function announce(n: number, prefix: string, hop: string): Promise<void> {
    peers[n]!.send(announced(PEERS[n]!.as, prefix, hop));
  }

  const BOTH = "192.0.2.9 p0, 198.51.100.9 q0";

  test("go to all next hops that are equal, and to those alone that there still are", async () => {
    announce(0, "10.1.0.0/16", "192.0.2.9");
    await untilHops("10.1.0.0/16", "192.0.2.9 p0");
    announce(1, "10.1.0.0/16", "198.51.100.9");
    await untilHops("10.1.0.0/16", BOTH);
    run("ip link set q0 down");
    await untilHops("10.1.0.0/16", "192.0.2.9 p0");
    run("ip link set q0 up");
    await untilHops("10.1.0.0/16", BOTH);
    peers[0]!.send(updateMessage(octetsOf("10.1.0.0/16"), [], []));
    await untilHops("10.1.0.0/16", "198.51.100.9 q0");
    announce(0, "10.1.0.0/16", "192.0.2.9");
    await untilHops("10.1.0.0/16", BOTH);
  });

  test("go on by several next hops while the module restarts", async () => {
    await watch.take();
    await module.end("SIGKILL");
    module.start();
    const isTold = { complete: true, routes: 1 };
    await module.until("all is told", ({ complete, families }) => {
      return complete === isTold.complete && families[0]!.installed === isTold.routes;
    });
    expect(await watch.take()).toEqual([]);
    expect(hopsOf("10.1.0.0/16")).toBe(BOTH);
  });

  test("go to as many as the speaker's file says, by a reload", async () => {
    for (const [paths, expected] of [
      [1, "192.0.2.9 p0"],
      [4, BOTH],
    ] as const) {
      configure(paths);
      await speaker.ask({ command: "reload" });
      await untilHops("10.1.0.0/16", expected);
    }
  });

  test("go where other routes lead to, those of the kernel first", async () => {
    announce(0, "10.2.0.0/16", "203.0.113.5");
    await module.until("it leads nowhere", ({ families }) => {
      return families[0]!.unresolved["no-route"] === 1;
    });
    announce(0, "203.0.113.0/24", "192.0.2.9");
    await untilHops("10.2.0.0/16", "192.0.2.9 p0");
    announce(1, "203.0.113.0/24", "198.51.100.9");
    await untilHops("10.2.0.0/16", BOTH);
    run("ip route add 203.0.113.0/25 proto static nexthop via 192.0.2.7 nexthop via 198.51.100.7");
    await untilHops("10.2.0.0/16", "192.0.2.7 p0, 198.51.100.7 q0");
    run("ip route del 203.0.113.0/25");
    await untilHops("10.2.0.0/16", BOTH);
    for (const peer of peers) peer.send(updateMessage(octetsOf("203.0.113.0/24"), [], []));
    await untilHops("10.2.0.0/16", "");
  });

  test("go to link-local next hops on the interface of the global one, or that of the file", async () => {
    peers[0]!.send(announced6(PEERS[0].as, 1, GLOBAL, LINK_LOCAL));
    await untilHops("2001:db8:1::/48", "fe80::9 p0");
    peers[1]!.send(announced6(PEERS[1].as, 1, address6([], 0), LINK_LOCAL));
    await untilHops("2001:db8:1::/48", "fe80::9 p0, fe80::9 q0");
    peers[0]!.send(announced6(PEERS[0].as, 1, GLOBAL));
    await untilHops("2001:db8:1::/48", "2001:db8:200::9 p0, fe80::9 q0");
  });
});
