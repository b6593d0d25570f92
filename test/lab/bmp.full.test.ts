/** BMP as Debian's pmacct and tshark understand it. */
import { fileURLToPath } from "node:url";
import type { ShownFeeds } from "@ts-bgp/daemon";
import { describe, expect, test } from "vitest";
import { routesOf, setFeedsScene, startFeedsScene, WAIT_MS } from "./feeds-scene.ts";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import { BMP_PORT, Pmbmpd } from "./pmacct.ts";
import { speakerAvailable } from "./speaker.ts";
import { Capture } from "./tshark.ts";
import { until } from "./until.ts";

const REASON = speakerAvailable() ?? labAvailable();

const VIEWS = [
  ["adj-in-pre", "--received"],
  ["adj-in-post", "--accepted"],
  ["adj-out-post", "--advertised"],
] as const;

const MAIN = fileURLToPath(new URL("../../packages/cli/bin/tsbgp.mjs", import.meta.url));
/** So many that most is told in parts of blocks, and much waits for one that does not read. */
const MANY = 10_000;
const LONG_MS = 15_000;
const OUT_TABLES = ["adj-out-pre", "adj-out-post"] as const;

describe.skipIf(REASON !== null)(`BMP${REASON === null ? "" : ` (${REASON})`}`, () => {
  test("pmacct has the tables that the speaker has", async () => {
    await withLab("bmp", async (lab) => {
      const station = new Pmbmpd(lab.node("station"));
      const capture = new Capture(station.node, BMP_PORT);
      await capture.started();
      station.start();
      const scene = setFeedsScene(
        lab,
        () => `bmp:
  stations:
    - address: ${station.node.address4}
      port: ${BMP_PORT}
      tables: [ adj-in-pre, adj-in-post, loc-rib, adj-out-pre, adj-out-post ]
      statistics: 1`,
      );
      const { speaker, source, receiver, neighbors } = scene;
      await startFeedsScene(scene);
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
      await until(expectTables, WAIT_MS, "pmacct has the tables");
      expect(station.table("adj-in-post", source.spec.routerId)).toHaveLength(2);
      expect(station.table("adj-out-pre", receiver.spec.routerId)).toEqual(
        station.table("adj-out-post", receiver.spec.routerId),
      );
      expect(station.table("adj-out-pre", source.spec.routerId)).toEqual([]);

      // A neighbor that comes later could be sent what is there already.
      const downOf = (peer: string) =>
        station.lines().find((line) => line.bmp_msg_type === "peer_down" && line.peer_ip === peer);
      const later = receiver.spec.routerId;
      await speaker.disable(later, "for a test");
      await until(() => downOf(later), WAIT_MS, "the end of a session is told");
      expect(station.table("adj-out-pre", later)).toEqual([]);
      await speaker.enable(later);
      const expectExported = async () => {
        expect(station.table("adj-out-pre", later)).toHaveLength(2);
        expect(station.table("adj-out-post", later)).toEqual(station.table("adj-out-pre", later));
        return expectTables();
      };
      await until(expectExported, WAIT_MS, "pmacct has what the neighbor could be sent");

      // A station that comes later is told all that there is.
      await station.stop();
      await station.start();
      await until(expectTables, WAIT_MS, "pmacct has the tables again");
      await speaker.disable(source.spec.routerId, "for a test");
      await until(() => downOf(source.spec.routerId), WAIT_MS, "the end of a session is told");
      await until(expectTables, WAIT_MS, "pmacct has no routes of it");
      expect(downOf(source.spec.routerId)).toMatchObject({ reason_type: 1 });
      await capture.stop();
      await expectDissected(capture);
    });
  });

  test("many routes to several neighbors are the same for a station that reads and one that does not", async () => {
    await withLab("bmpmany", async (lab) => {
      const stations = ["quick", "slow"].map((name) => new Pmbmpd(lab.node(name)));
      const [, slow] = stations as [Pmbmpd, Pmbmpd];
      const stationOf = ({ node }: Pmbmpd) =>
        `{ address: ${node.address4}, port: ${BMP_PORT}, tables: [ ${OUT_TABLES.join(", ")} ] }`;
      const scene = setFeedsScene(
        lab,
        () => `bmp: { stations: [ ${stations.map(stationOf).join(", ")} ] }`,
      );
      const { speaker, source, receiver, replay, node } = scene;
      // The system itself keeps little of what is not read.
      await node.run(["sysctl", "-qw", "net.ipv4.tcp_wmem=4096 65536 65536"]);
      await slow.node.run(["sysctl", "-qw", "net.ipv4.tcp_rmem=4096 65536 65536"]);
      for (const station of stations) station.start();
      await startFeedsScene(scene);
      const feeds = async () => {
        const { json } = await speaker.cli(["show", "feeds", "--json"]);
        return (json as ShownFeeds).stations;
      };
      await until(
        async () => (await feeds()).every(({ complete }) => complete),
        WAIT_MS,
        "all is told",
      );
      slow.signal("SIGSTOP");
      const words = ["--synthetic", String(MANY), "--as", "65001"];
      replay.spawn([process.execPath, MAIN, "inject", node.address4, ...words]);
      const expectTables = async () => {
        const shown = await routesOf(speaker, [
          "--neighbor",
          receiver.spec.routerId,
          "--advertised",
        ]);
        const own = new Set(
          await routesOf(speaker, ["--neighbor", source.spec.routerId, "--accepted"]),
        );
        const ofOthers = shown.filter((route) => !own.has(route));
        expect([shown.length, ofOthers.length]).toEqual([MANY + own.size, MANY]);
        for (const station of stations) {
          for (const [table, { spec }, routes] of [
            ["adj-out-post", receiver, shown],
            ["adj-out-pre", receiver, shown],
            // What comes from its own AS is not sent to it, but it could be by its policy.
            ["adj-out-pre", source, ofOthers],
          ] as const) {
            const told = station.table(table, spec.routerId);
            expect([table, told.length]).toEqual([table, routes.length]);
            const expected = new Set(routes.map(pathText));
            expect(told.filter((route) => !expected.has(pathText(route)))).toEqual([]);
          }
        }
        return true;
      };
      await until(
        async () => (await feeds())[1]!.queued_octets > 1 << 19,
        WAIT_MS,
        "much waits for the slow one",
      );
      slow.signal("SIGCONT");
      await until(expectTables, LONG_MS, "both have the tables");

      // One that is gone, and comes again while the other has all, is told the tables in pieces.
      await slow.stop();
      slow.start();
      await until(expectTables, LONG_MS, "both have the tables again");
      expect((await feeds()).map(({ missed }) => missed)).toEqual([0, 0]);
    });
  });
});

/** Prefix, next hop and AS_PATH: of many communities pmacct logs the first few. */
function pathText(route: string): string {
  return route.split("|", 3).join("|");
}

/** Types of messages (RFC 7854 section 4.1): Route Monitoring, Statistics, Peer Down, Peer Up, Initiation. */
const TYPES = ["0", "1", "2", "3", "4"];
const [, , , PEER_UP, INITIATION] = TYPES;
/** Type of peer (RFC 9069 section 4.1). */
const LOC_RIB = "3";

/**
 * tshark finds messages of all types in what went to the station, and can read them: but for the name of the table
 * behind the OPENs of the Loc-RIB's Peer Up, which RFC 9069 section 5.2 asks for and 4.0 takes for one more of BGP.
 */
async function expectDissected(capture: Capture): Promise<void> {
  const fields = ["bmp.type", "bmp.peer.type", "_ws.expert.message"];
  const found = new Set<string>();
  let tables = 0;
  for (const [list = "", peers = "", minded = ""] of await capture.dissected(
    "bmp",
    "bmp",
    fields,
  )) {
    const types = list.split(",");
    for (const type of types) found.add(type);
    const peerOf = peers.split(",");
    const named = types
      .filter((type) => type !== INITIATION)
      .filter((type, k) => type === PEER_UP && peerOf[k] === LOC_RIB);
    expect(minded.split("Malformed Packet").length - 1, `${list}: ${minded}`).toBe(named.length);
    tables += named.length;
  }
  expect([...found].sort()).toEqual(TYPES);
  expect(tables).toBe(2);
}
