/** A pair that is one member of a cluster, whose members come to be those of a list in etcd: both sides are in it. */
import { describe, expect, test } from "vitest";
import { labAvailable } from "../../../test/lab/install.ts";
import { until } from "../../../test/lab/until.ts";
import {
  clusterOf,
  LIST,
  memberOf,
  newPlace,
  Papers,
  TTL_SECONDS,
  untilTold,
} from "../../../testkit/etcd-members.ts";
import { enterOwnNetwork } from "../../../testkit/own-network.ts";
import { isUndisturbed, PEER_AS, untilReady, withPair } from "../../../testkit/pair.ts";
import { RealEtcd } from "../../../testkit/real-etcd.ts";
import {
  type ConfigFile,
  neighborAddress,
  SpeakerProcess,
  WAIT_MS,
} from "../../../testkit/speaker.ts";
import { manyRoutes } from "../../../testkit/updates.ts";

const REASON = enterOwnNetwork() ?? labAvailable();
const ROUTES = 300;
const NAMES = ["pair", "other"];

describe.skipIf(REASON !== null)(`a member that is a pair (${REASON ?? "on one host"})`, () => {
  test("is found with both sides, once each was reloaded", () =>
    withPair({}, async (pair) => {
      const papers = new Papers(NAMES);
      const etcd = new RealEtcd();
      const places = { a: await newPlace(), b: await newPlace(), other: await newPlace() };
      const neighbors = NAMES.map((speaker, k) => {
        return { address: neighborAddress(k + 1), as: PEER_AS + k, speaker };
      });
      const defaults = {
        ...{ passive: true, "route-server-client": true },
        ...{ import: "accept-all", export: "accept-all" },
      };
      const inFile = { members: { pair: [places.a, places.b], other: places.other } };
      const section = (self: string, place: keyof typeof places, more: object): ConfigFile => ({
        ...{ defaults, neighbors },
        cluster: {
          ...{ self, listen: places[place], tls: papers.of(self), "hold-seconds": 600, ...more },
        },
      });
      const sides = [await pair.side("a"), await pair.side("b")] as const;
      for (const [k, name] of (["a", "b"] as const).entries()) {
        sides[k]!.configure(pair.config(name, section("pair", name, inFile)));
      }
      const other = await SpeakerProcess.create(section("other", "other", inFile));
      try {
        await etcd.start("http");
        await other.start();
        const { a, b } = await pair.start();
        const client = await pair.peer(1);
        await client.sendAll(manyRoutes({ as: PEER_AS, count: ROUTES }));
        await untilTold(other, "pair", ROUTES);

        const list = { endpoints: etcd.endpoint, prefix: LIST, "ttl-seconds": TTL_SECONDS };
        other.configure(section("other", "other", { etcd: list }));
        await other.ask({ command: "reload" });
        a.configure(pair.config("a", section("pair", "a", { etcd: list })));
        b.configure(pair.config("b", section("pair", "b", { etcd: list })));
        await a.ask({ command: "reload" });
        const lacks = async () =>
          (await clusterOf(a)).membership?.problems[0]?.startsWith("1 of 2 sides of pair");
        await until(lacks, WAIT_MS, "it is told that a side is not there");
        await expect(b.ask({ command: "reload" })).rejects.toThrow(
          /this side is the standby: reload the active side .*section cluster counts from now on/,
        );
        const areListed = async () => {
          const keys = (await etcd.keys()).filter((key) => key.startsWith(`${LIST}/pair/`));
          return keys.length === 2 && (await clusterOf(a)).membership?.problems.length === 0;
        };
        await until(areListed, WAIT_MS, "both sides are listed");
        expect((await clusterOf(b)).membership).toMatchObject({ by: "etcd", has_entry: true });
        expect(other.log().filter(({ msg }) => / is away/.test(msg))).toEqual([]);
        await untilReady(b, "standby");

        a.signal("SIGKILL");
        const acts = async () => (await b.neighbor(neighborAddress(1))).state === "Established";
        await until(acts, WAIT_MS, "b acts");
        await untilTold(other, "pair", ROUTES);
        // It goes on although the other side's entry is gone.
        const isOut = async () => (await etcd.keys()).length === 2;
        await until(isOut, WAIT_MS, "the entry of a is gone");
        const source = `127.0.0.1 port ${places.b.port}`;
        const isAlone = async () => {
          const { links } = (await memberOf(other, "pair"))!;
          return links.length === 1 && links[0]!.address === source;
        };
        await until(isAlone, WAIT_MS, "the link to a is given up");
        expect(await memberOf(other, "pair")).toMatchObject({ source, routes: ROUTES });
        expect(isUndisturbed(client)).toBe(true);
      } finally {
        other.remove();
        etcd.end();
        papers.remove();
      }
    }));
});
