/** BMP as Debian's pmacct understands it. */
import { describe, expect, test } from "vitest";
import { routesOf, setFeedsScene, startFeedsScene, WAIT_MS } from "./feeds-scene.ts";
import { labAvailable } from "./install.ts";
import { withLab } from "./netns.ts";
import { BMP_PORT, Pmbmpd } from "./pmacct.ts";
import { speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const REASON = speakerAvailable() ?? labAvailable();

const VIEWS = [
  ["adj-in-pre", "--received"],
  ["adj-in-post", "--accepted"],
  ["adj-out-post", "--advertised"],
] as const;

describe.skipIf(REASON !== null)(`BMP${REASON === null ? "" : ` (${REASON})`}`, () => {
  test("pmacct has the tables that the speaker has", async () => {
    await withLab("bmp", async (lab) => {
      const station = new Pmbmpd(lab.node("station"));
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
