/** A member of a cluster that is a pair: its standby hears of other members by the journal alone. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ADDRESSES, KINDS } from "../../../testkit/churn.ts";
import { Cluster, member, programs } from "../../../testkit/cluster.ts";
import { configOf, type LabOptions, yamlOf } from "../../../testkit/router.ts";
import { configFrom, configOctets, replicated } from "../src/index.ts";
import { Followed } from "./followed-router.ts";

test("a standby of a member does the same as its active side, and can join at any time", () => {
  fc.assert(
    fc.property(
      programs,
      fc.tuple(member, member, member, member),
      fc.nat(10),
      fc.constantFrom("a route server", "a route server that is sent several paths"),
      ({ first, steps }, owners, joinsAt, title) => {
        let side: Followed | null = null;
        const routerOf: LabOptions["routerOf"] = (config, seed) => {
          side = new Followed(config, seed);
          return side.router;
        };
        const kind = KINDS[title]!;
        const optionsOf = (m: number) => (m === 0 ? { routerOf } : {});
        const cluster = new Cluster(2, owners, first, kind, 1, optionsOf);
        const followed = side as unknown as Followed;
        for (const i of ADDRESSES.keys()) cluster.raise(i);
        for (const [k, each] of steps.entries()) {
          if (k === joinsAt || k === 2 * joinsAt) {
            cluster.worlds[0]!.lab.deliver();
            followed.join();
          }
          cluster.act(each);
        }
        cluster.settle();
        followed.compare();
      },
    ),
    { numRuns: 20 },
  );
});

test("where a side finds its cluster, and how it logs in there, is not told to others", () => {
  const members = "members: { a: /run/a.sock, b: /run/b.sock }";
  const config = configOf(yamlOf(`cluster: { self: a, ${members} }`));
  const etcd = {
    ...{ endpoints: ["https://192.0.2.101:2379"], prefix: "/x", ttlSeconds: 10, sides: 2 },
    tls: { ca: null, cert: "certificate", key: "secret key", serverName: null },
    user: { name: "ts-bgp", password: "secret password" },
  };
  const whole = { ...config, cluster: { ...config.cluster!, etcd } };
  const octets = configOctets(replicated(whole));
  expect(Buffer.from(octets).includes("secret")).toBe(false);
  expect(configFrom(octets).cluster).toMatchObject({ self: "a", etcd: null });
});
