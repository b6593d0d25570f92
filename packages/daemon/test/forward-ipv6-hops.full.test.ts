/** IPv4 routes with IPv6 next hops, as BIRD announces them: in the kernel, and packets go by them. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { SpeakerProcess, WAIT_MS } from "../../../testkit/speaker.ts";
import { Module, RouteWatch, run } from "./support/forwarding.ts";
import { BirdHost, type BirdSession, OWN } from "./support/unnumbered.ts";

const reason = enterOwnNetwork();
const IPV6 = { as: 65_001, local: "2001:db8:2::9", neighbor: "2001:db8:2::1" };
const LINK_LOCAL = { as: 65_003, local: "fe80::9%eth0", neighbor: "fe80::1" };
const IPV4 = { as: 65_002, local: "192.0.2.9", neighbor: "192.0.2.1" };
const FAR = "2001:db8:9::1";
/** BIRD says its link-local address beside the global one, as RFC 2545 has it. */
const NEIGHBOR = "inet6 fe80::9 u0";
const FURTHER = "2001:db8:a::1";
/** As many as a group is made for. */
const MANY: Readonly<Record<string, null>> = Object.fromEntries(
  Array.from({ length: 40 }, (_, k) => [`10.100.${k}.0/24`, null]),
);
/** Of IPv4, all that there are. */
const ROUTES = 6 + Object.keys(MANY).length;

interface Hop {
  readonly gateway?: string;
  readonly via?: { readonly family: string; readonly host: string };
  readonly dev?: string;
  readonly nexthops?: readonly Hop[];
}

/** @returns gateways of a route of the module's, as `ip route` shows them */
function hopsOf(prefix: string): string {
  const [route] = JSON.parse(
    run(`ip ${prefix.includes(":") ? "-6" : "-4"} -j route show ${prefix} proto bgp`),
  ) as Hop[];
  const hops = route?.nexthops ?? (route === undefined ? [] : [route]);
  return hops
    .map(({ gateway, via, dev }) => `${via ? `${via.family} ${via.host}` : gateway} ${dev}`)
    .sort()
    .join(", ");
}

function untilHops(prefix: string, expected: string): Promise<unknown> {
  const text = expected || "nothing";
  return until(() => hopsOf(prefix) === expected, WAIT_MS, `${prefix} by ${text}`);
}

/** @returns what comes of a connection to a port where nobody listens: that it is refused says that packets go there and back */
function answerOf(address: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host: address, port: 9, localAddress: OWN, timeout: WAIT_MS });
  socket.on("error", ({ message }) => resolve(message));
  socket.on("timeout", () => {
    resolve("nothing");
    socket.destroy();
  });
  return promise;
}

describe.skipIf(reason !== null).each(["off", "auto"])(
  `IPv4 routes with IPv6 next hops${reason === null ? "" : ` (${reason})`}, groups %s:`,
  (groups) => {
    let speaker: SpeakerProcess;
    let module: Module;
    let bird: BirdHost;
    let watch: RouteWatch;
    let sessions: BirdSession[];

    function startModule(as: readonly string[] = []): void {
      const forward = { "next-hop-groups": groups };
      module ??= new Module(speaker.directory, {
        ...{ servers: `${speaker.directory}/followers.sock`, forward },
      });
      module.start(as);
    }

    beforeAll(async () => {
      speaker = await SpeakerProcess.create({});
      speaker.configure({
        listen: [
          { address: "0.0.0.0", port: speaker.port },
          { address: "::", port: speaker.port },
        ],
        followers: { listen: `${speaker.directory}/followers.sock`, paths: 4 },
        defaults: {
          ...{ passive: true, import: "accept-all", export: "accept-all" },
          families: ["ipv4-unicast", "ipv6-unicast"],
        },
        neighbors: [
          { address: IPV6.local, as: IPV6.as, "extended-next-hop": true },
          { address: IPV4.local, as: IPV4.as },
          { address: "fe80::9%u0", as: LINK_LOCAL.as, "extended-next-hop": true },
        ],
        static: [{ prefix: "10.5.0.0/16", "next-hop": "2001:db8:2::8" }],
      });
      bird = new BirdHost(speaker.directory, speaker.port);
      await speaker.start();
      sessions = [
        {
          ...IPV6,
          routes: {
            ...MANY,
            "10.1.0.0/16": null,
            "10.2.0.0/16": null,
            "10.3.0.0/16": FAR,
            "10.4.0.0/16": FURTHER,
          },
        },
        { ...IPV4, routes: { "10.2.0.0/16": null } },
        { ...LINK_LOCAL, routes: { "10.6.0.0/16": null, "2001:db8:b::/48": null } },
      ];
      bird.configure(sessions);
      startModule();
      watch = new RouteWatch();
      await watch.take();
    });

    afterAll(() => {
      watch?.kill();
      module?.kill();
      bird?.remove();
      speaker?.remove();
      run("ip nexthop flush proto 186");
      run("ip route flush proto bgp");
    });

    test("lead to a neighbor on a link without IPv4, and packets go there", async () => {
      await untilHops("10.1.0.0/16", NEIGHBOR);
      expect(await answerOf("10.1.0.1")).toContain("ECONNREFUSED");
      const isByGroup = () => run("ip -4 route show 10.1.0.0/16").includes(" nhid ");
      const isAsAsked = async () => isByGroup() === (groups === "auto");
      await until(isAsAsked, WAIT_MS, "it goes by a group where that is asked for");
      await untilHops("10.5.0.0/16", "inet6 2001:db8:2::8 u0");
      expect(await answerOf("10.5.0.1")).toContain("ECONNREFUSED");
    });

    test("lead to an IPv4 and an IPv6 neighbor at once", async () => {
      await untilHops("10.2.0.0/16", `192.0.2.9 v0, ${NEIGHBOR}`);
      expect(await answerOf("10.2.0.1")).toContain("ECONNREFUSED");
    });

    test("lead to a neighbor without a global address, on the interface that its session is on", async () => {
      await untilHops("10.6.0.0/16", NEIGHBOR);
      expect(await answerOf("10.6.0.1")).toContain("ECONNREFUSED");
      await untilHops("2001:db8:b::/48", "fe80::9 u0");
    });

    test("follow the gateway of the kernel's IPv6 route that they resolve by", async () => {
      await module.until("two lead nowhere", ({ families }) => {
        return families[0]!.unresolved["no-route"] === 2;
      });
      run("ip -6 route add 2001:db8:9::/48 via 2001:db8:2::9 proto static");
      await untilHops("10.3.0.0/16", "inet6 2001:db8:2::9 u0");
      run("ip -6 route replace 2001:db8:9::/48 via 2001:db8:2::8 proto static");
      await untilHops("10.3.0.0/16", "inet6 2001:db8:2::8 u0");
      expect(await answerOf("10.3.0.1")).toContain("ECONNREFUSED");
      run("ip -6 route replace 2001:db8:9::/48 via fe80::9 dev u0 proto static");
      await untilHops("10.3.0.0/16", "inet6 fe80::9 u0");
      expect(await answerOf("10.3.0.1")).toContain("ECONNREFUSED");
      run("ip -6 route del 2001:db8:9::/48");
      await untilHops("10.3.0.0/16", "");
      run("ip -6 route add 2001:db8:9::/48 via 2001:db8:2::8 proto static");
      await untilHops("10.3.0.0/16", "inet6 2001:db8:2::8 u0");
    });

    test("follow the module's own IPv6 route that they resolve by", async () => {
      expect(hopsOf("10.4.0.0/16")).toBe("");
      const [first, ...others] = sessions;
      const routes = { ...first!.routes, "2001:db8:a::/48": null };
      bird.configure([{ ...first!, routes }, ...others]);
      await untilHops("10.4.0.0/16", NEIGHBOR);
      bird.configure([{ ...first!, routes: { ...routes, "2001:db8:a::/48": FAR } }, ...others]);
      await untilHops("10.4.0.0/16", "inet6 2001:db8:2::8 u0");
      expect(await answerOf("10.4.0.1")).toContain("ECONNREFUSED");
      bird.configure(sessions);
      await untilHops("10.4.0.0/16", "");
      bird.configure([{ ...first!, routes }, ...others]);
      await untilHops("10.4.0.0/16", NEIGHBOR);
    });

    test("stay untouched when the module ends and begins again", async () => {
      const before = run("ip -4 route show proto bgp");
      await watch.take();
      for (const signal of ["SIGKILL", "SIGTERM"] as const) {
        await module.end(signal);
        startModule();
        await module.until("all is told", ({ complete, families }) => {
          return complete && families[0]!.installed === ROUTES && families[0]!.routes === ROUTES;
        });
      }
      expect(await watch.take()).toEqual([]);
      expect(run("ip -4 route show proto bgp")).toBe(before);
      const { families } = await module.shown();
      expect(families[0]).toMatchObject({ added: 0, replaced: 0, deleted: 0, unresolved: {} });
    });

    test("lead nowhere from a host that has other interfaces, when they are link-local", async () => {
      await module.end("SIGTERM");
      startModule(bird.as);
      await module.until("it is told none", ({ complete, families }) => {
        return complete && families[0]!.unresolved["link-local"] === 1;
      });
      await module.end("SIGTERM");
      startModule();
      await module.until("all are there", ({ complete, families }) => {
        return complete && families[0]!.installed === ROUTES;
      });
    });

    test("are back when the kernel takes them with the last IPv4 address of their link", async () => {
      run("ip address add 203.0.113.1/32 dev u0");
      run("ip address del 203.0.113.1/32 dev u0");
      await untilHops("10.1.0.0/16", NEIGHBOR);
      await untilHops("10.5.0.0/16", "inet6 2001:db8:2::8 u0");
      await untilHops("10.2.0.0/16", `192.0.2.9 v0, ${NEIGHBOR}`);
    });

    test("are gone with their link, and back with it", async () => {
      bird.setLink("down");
      await untilHops("10.1.0.0/16", "");
      await untilHops("10.6.0.0/16", "");
      bird.setLink("up");
      await untilHops("10.1.0.0/16", NEIGHBOR);
      await untilHops("10.6.0.0/16", NEIGHBOR);
      run("ip link set u0 down");
      await untilHops("10.1.0.0/16", "");
      await untilHops("10.2.0.0/16", "192.0.2.9 v0");
      run("ip link set u0 up");
      run("ip address replace fe80::1/64 dev u0 nodad");
      await untilHops("10.6.0.0/16", NEIGHBOR);
      run("ip address replace 2001:db8:2::1/64 dev u0 nodad");
      await untilHops("10.1.0.0/16", NEIGHBOR);
      await untilHops("10.2.0.0/16", `192.0.2.9 v0, ${NEIGHBOR}`);
    });
  },
);
