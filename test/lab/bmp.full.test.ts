/** BMP as Debian's pmacct understands it. */
import type { ShownRoute } from "@ts-bgp/views";
import { describe, expect, test } from "vitest";
import { bird } from "./bird.ts";
import type { Route } from "./daemon.ts";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import { BMP_PORT, Pmbmpd } from "./pmacct.ts";
import { createSpeaker, type Speaker, speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const REASON = speakerAvailable() ?? labAvailable();
const WAIT_MS = 30_000;
const ROUTES: readonly Route[] = [
  { prefix: "192.0.2.0/24", communities: ["65001:7"] },
  { prefix: "198.51.100.0/24", asPath: [64999] },
  { prefix: "203.0.113.0/24", asPath: [64998] },
  { prefix: "2001:db8:1::/48" },
];

describe.skipIf(REASON !== null)(`BMP${REASON === null ? "" : ` (${REASON})`}`, () => {
  test("pmacct has the tables that the speaker has", async () => {
    await withLab("bmp", async (lab) => {
      const node = lab.node("tsbgp");
      const station = new Pmbmpd(lab.node("station"));
      station.start();
      const speaker = createSpeaker(node, 65500);
      const client = (name: string, as: number, originate: readonly Route[]) => {
        const own = lab.node(name);
        const sessions = (["ipv4-unicast", "ipv6-unicast"] as const).map((family) => ({
          families: [family],
          localAddress: family === "ipv4-unicast" ? own.address4 : own.address6,
          peerAddress: family === "ipv4-unicast" ? node.address4 : node.address6,
          peerAs: 65500,
          routeServer: true,
        }));
        return bird.create(own, { as, routerId: own.address4, sessions, originate });
      };
      const source = client("source", 65001, ROUTES);
      const receiver = client("receiver", 65002, []);
      const neighbors = [source, receiver].flatMap(({ spec }) =>
        spec.sessions.map(({ localAddress }) => ({ address: localAddress, as: spec.as })),
      );
      speaker.configure(
        `router: { as: 65500, id: ${node.address4} }
control: { socket: ${speaker.socket} }
bmp:
  stations:
    - address: ${station.node.address4}
      port: ${BMP_PORT}
      tables: [ adj-in-pre, adj-in-post, loc-rib, adj-out-pre, adj-out-post ]
      statistics: 1
defaults: { import: clean, export: accept-all, route-server-client: true, passive: true }
neighbors: ${JSON.stringify(neighbors)}
policies:
  clean:
    - { if: { prefix: [ 198.51.100.0/24 ] }, then: reject }
    - { set: { large-community: { add: [ "65500:1:1" ] } }, then: accept }
`,
      );
      await Promise.all([speaker.start(), source.start(), receiver.start()]);
      const expectTables = async () => {
        for (const { address } of neighbors) {
          for (const [table, view] of VIEWS) {
            const shown = await routesOf(speaker, ["--neighbor", address, view]);
            expect([address, table, station.table(table, address)]).toEqual([
              address,
              table,
              shown,
            ]);
          }
        }
        expect(station.table("loc-rib", "")).toEqual(await routesOf(speaker, ["--best"]));
        return true;
      };
      const isThere = async () => (await receiver.routes("ipv4-unicast")).length === 2;
      await until(isThere, WAIT_MS, "the receiver has the routes");
      await until(expectTables, WAIT_MS, "pmacct has the tables");
      expect(station.table("adj-in-post", source.spec.routerId)).toHaveLength(2);
      expect(station.table("adj-out-pre", receiver.spec.routerId)).toEqual(
        station.table("adj-out-post", receiver.spec.routerId),
      );
      expect(station.table("adj-out-pre", source.spec.routerId)).toEqual([]);

      // One that comes later is told all that there is.
      await station.stop();
      await station.start();
      await until(expectTables, WAIT_MS, "pmacct has the tables again");
      await speaker.disable(source.spec.routerId, "for a test");
      await until(
        () => station.lines().some(({ bmp_msg_type }) => bmp_msg_type === "peer_down"),
        WAIT_MS,
        "the end of a session is told",
      );
      await until(expectTables, WAIT_MS, "pmacct has no routes of it");
      expect(
        station.lines().find(({ bmp_msg_type }) => bmp_msg_type === "peer_down"),
      ).toMatchObject({
        peer_ip: source.spec.routerId,
        reason_type: 1,
      });
    });
  });
});

const VIEWS = [
  ["adj-in-pre", "--received"],
  ["adj-in-post", "--accepted"],
  ["adj-out-post", "--advertised"],
] as const;

/** @returns routes that the speaker shows, as texts in order */
async function routesOf(speaker: Speaker, args: readonly string[]): Promise<string[]> {
  const { json } = await speaker.cli(["show", "routes", ...args, "--json"]);
  const routes = (Array.isArray(json) ? json : []) as ShownRoute[];
  return routes
    .map(({ prefix, next_hop, as_path, communities = [], large_communities = [] }) =>
      // Of two next hops pmacct tells the global one.
      [
        prefix,
        next_hop?.split(" ")[0],
        as_path,
        communities.join(" "),
        large_communities.join(" "),
      ].join("|"),
    )
    .sort();
}
