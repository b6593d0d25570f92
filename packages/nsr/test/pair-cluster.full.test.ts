/** A pair that is one member of a cluster, when its active side dies: the other member and all clients see nothing of it. */
import { join } from "node:path";
import type { ShownCluster } from "@ts-bgp/daemon";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import {
  isUndisturbed,
  PEER_AS,
  untilProtected,
  untilReady,
  withPair,
} from "../../../testkit/pair.ts";
import { Peer } from "../../../testkit/peer.ts";
import {
  type ConfigFile,
  neighborAddress,
  SpeakerProcess,
  WAIT_MS,
} from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork();
const ROUTES = 300;
const OTHER_AS = PEER_AS + 1;
const UPDATE = 2;

async function clusterOf(speaker: SpeakerProcess): Promise<ShownCluster> {
  return (await speaker.ask({ command: "show-cluster" })).items[0] as ShownCluster;
}

function untilTold(speaker: SpeakerProcess, routes: number, source?: string): Promise<unknown> {
  const isTold = async () => {
    const [member] = (await clusterOf(speaker)).members;
    expect(member).toMatchObject({ state: "up to date", routes, ...(source && { source }) });
    return true;
  };
  return until(isTold, WAIT_MS, "the other member has told all");
}

describe.skipIf(REASON !== null)(`a member that is a pair (${REASON ?? "on one host"})`, () => {
  test("loses its active side, and nobody but its standby notices", () =>
    withPair({}, async (pair) => {
      const place = (name: string) => join(pair.directory, `${name}.sock`);
      const neighbors = ["pair", "other"].map((speaker, k) => {
        return { address: neighborAddress(k + 1), as: PEER_AS + k, speaker };
      });
      const defaults = {
        ...{ passive: true, "route-server-client": true },
        ...{ import: "accept-all", export: "accept-all" },
      };
      const sections = (self: string, more: object): ConfigFile => ({
        ...{ defaults, neighbors },
        cluster: {
          ...{ self, members: { pair: [place("a"), place("b")], other: place("other") } },
          ...{ "hold-seconds": 600, ...more },
        },
      });
      for (const name of ["a", "b"] as const) {
        const side = await pair.side(name);
        side.configure(pair.config(name, sections("pair", { listen: place(name) })));
      }
      const other = await SpeakerProcess.create(sections("other", {}));
      try {
        await other.start();
        const { a, b } = await pair.start();
        const session = { port: other.port, localAddress: neighborAddress(2), as: OTHER_AS };
        const [first, second] = [await pair.peer(1), await Peer.establish(session)];
        await untilProtected(a, 1);
        await first.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
        await second.sendAll(manyRoutes({ as: OTHER_AS, count: 2 * ROUTES }));
        await untilTold(other, ROUTES, place("a"));
        await untilTold(a, 2 * ROUTES);
        const sent = async (speaker: SpeakerProcess, k: number) =>
          (await speaker.neighbor(neighborAddress(k))).families[0]!.advertised;
        const isSent = async () =>
          (await sent(other, 2)) === ROUTES && (await sent(a, 1)) === 2 * ROUTES;
        await until(isSent, WAIT_MS, "each client has the routes of the other one");
        await untilReady(b, "standby");
        const before = [first, second].map((each) => each.count(UPDATE));

        a.signal("SIGKILL");
        await until(
          async () => (await b.neighbor(neighborAddress(1))).state === "Established",
          WAIT_MS,
          "b acts",
        );
        await untilTold(other, ROUTES, place("b"));
        await untilTold(b, 2 * ROUTES);
        expect([first, second].map((each) => each.count(UPDATE))).toEqual(before);
        expect([first, second].map(isUndisturbed)).toEqual([true, true]);

        // What changes is told as before.
        await first.sendAll(manyRoutes({ as: PEER_AS, count: 3 * ROUTES }));
        await untilTold(other, 3 * ROUTES, place("b"));
        await until(
          async () => (await sent(other, 2)) === 3 * ROUTES,
          WAIT_MS,
          "new routes are sent",
        );
        expect([first, second].map(isUndisturbed)).toEqual([true, true]);
        second.end();
      } finally {
        other.remove();
      }
    }));
});
