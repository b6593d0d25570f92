/** A BMP station of a pair: the side that acts tells it, and one that has taken over tells it everything anew. */
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { BmpReader } from "../../../testkit/bmp-reader.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { isUndisturbed, nsrOf, untilProtected, withPair } from "../../../testkit/pair.ts";
import { WAIT_MS } from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const PORT = 11019;
const ROUTES = 500;
const INITIATION = 4;
const PEER_UP = 3;
const LOC_RIB = "3 00000000";
const TABLES = ["adj-in-pre", "adj-in-post", "loc-rib", "adj-out-post"];

const CONFIG = {
  bmp: { stations: [{ address: "127.0.0.1", port: PORT, tables: TABLES }] },
};

describe.skipIf(REASON !== null)(`BMP in a pair (${REASON ?? "on one host"})`, () => {
  test("the side that takes over says so, and tells everything anew; both sides stay equal", async () => {
    const readers: BmpReader[] = [];
    const server = createServer((socket) => {
      const reader = new BmpReader();
      readers.push(reader);
      socket.on("data", (octets) => reader.push(octets));
      socket.on("error", () => {});
    }).listen(PORT, "127.0.0.1");
    const isWhole = (reader: BmpReader | undefined) =>
      reader?.table(LOC_RIB, 0).prefixes.size === ROUTES &&
      reader.table(LOC_RIB, 0).ends.size === 2;
    try {
      await withPair({ config: CONFIG }, async (pair) => {
        const { a, b } = await pair.start();
        const [first, second] = [await pair.peer(1), await pair.peer(2)];
        await first.sendAll(manyRoutes({ as: 65_001, count: ROUTES }));
        await untilProtected(a, 2);
        await until(() => readers.length === 1 && isWhole(readers[0]), WAIT_MS, "a tells all");
        // What observers are told is no part of what both sides compare.
        expect((await nsrOf(a)).ready).toBe(true);
        a.signal("SIGKILL");
        await until(() => readers.length === 2 && isWhole(readers[1]), WAIT_MS, "b tells all");
        const [initiation] = readers[1]!.messages;
        expect(initiation?.type).toBe(INITIATION);
        const text = BmpReader.infos(initiation!.body).get(0);
        expect(text).toBe(`side b of test is active, epoch ${(await nsrOf(b)).epoch}`);
        // The sessions are those that were, with the OPENs that the other side had exchanged.
        const ups = ([reader]: readonly (BmpReader | undefined)[]) =>
          reader!.messages
            .filter(({ type, peer }) => type === PEER_UP && peer !== LOC_RIB)
            .map(({ peer, body }) => `${peer} ${Buffer.from(body.subarray(20)).toString("hex")}`);
        expect(ups([readers[1]]).sort()).toEqual(ups([readers[0]]).sort());
        expect([first, second].map(isUndisturbed)).toEqual([true, true]);
      });
    } finally {
      server.close();
    }
  });
});
