/**
 * Three speakers that are one route server, with certificates between them:
 *
 *     first (BIRD) ---- a ==== b ---- second (BIRD)
 *                        \\   //
 *                           c ------- third (BIRD)
 *
 * What is looked at is what members of the exchange have: each would take its session to any speaker.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownCluster } from "@ts-bgp/daemon";
import type { ShownNeighbor } from "@ts-bgp/views";
import { expect, test } from "vitest";
import { bird } from "./bird.ts";
import type { Daemon, Route } from "./daemon.ts";
import { labAvailable } from "./install.ts";
import { type Lab, type LabNode, withLab } from "./netns.ts";
import { createSpeaker, type Speaker, speakerAvailable, TSBGP } from "./speaker.ts";
import { until } from "./until.ts";

const AS = 65_500;
const MEMBERS = ["a", "b", "c"] as const;
const WAIT_MS = 30_000;
const HOLD_SECONDS = 5;
const ID = "192.0.2.100";
/** Announced by the first and, by a longer path, by the second; the third is to have none of the first's. */
const SHARED = "10.9.0.0/16";

const POLICIES = `
policies:
  actions: [ { if: { community: "0:$peer-as" }, then: reject }, { then: accept } ]
`;

interface Client {
  readonly node: LabNode;
  readonly daemon: Daemon;
}

class Scene {
  readonly nodes: readonly LabNode[];
  readonly speakers: readonly Speaker[];
  readonly clients: readonly Client[];
  private readonly lab: Lab;

  constructor(lab: Lab) {
    this.lab = lab;
    this.nodes = MEMBERS.map((name) => lab.node(name));
    this.speakers = this.nodes.map((node) => createSpeaker(node, AS));
    const routes: readonly (readonly Route[])[] = [
      [{ prefix: "10.1.0.0/16" }, { prefix: SHARED, communities: ["0:65003"] }],
      [{ prefix: "10.2.0.0/16" }, { prefix: SHARED, asPath: [65_100] }],
      [{ prefix: "10.3.0.0/16" }],
    ];
    this.clients = routes.map((originate, i) => {
      const node = lab.node(`client${i + 1}`);
      const sessions = this.nodes.map(({ address4 }) => ({
        ...{ families: ["ipv4-unicast"] as const, localAddress: node.address4 },
        ...{ peerAddress: address4, peerAs: AS, routeServer: true },
      }));
      const spec = { as: 65_001 + i, routerId: node.address4, sessions, originate };
      return { node, daemon: bird.create(node, spec) };
    });
  }

  /** Writes the file of all members and that of each; `members`: who has the session of each client. */
  configure(members: string): void {
    const { lab, nodes, speakers, clients } = this;
    const shared = join(lab.directory, "clients.yaml");
    const neighbors = clients.map(({ node, daemon }, i) => {
      return { address: node.address4, as: daemon.spec.as, group: "rs", speaker: members[i] };
    });
    const options = { "route-server-client": true, "connect-retry": 1 };
    const rs = { ...options, import: "accept-all", export: "actions" };
    writeFileSync(
      shared,
      `groups: ${JSON.stringify({ rs })}\nneighbors: ${JSON.stringify(neighbors)}${POLICIES}`,
    );
    const links = nodes.map(({ address4: address }, i) => [MEMBERS[i], { address, port: 1795 }]);
    for (const [i, speaker] of speakers.entries()) {
      const self = MEMBERS[i]!;
      const key = (kind: string) => join(lab.directory, "keys", kind);
      const tls = { cert: key(`${self}.crt`), key: key(`${self}.key`), ca: key("ca.crt") };
      const cluster = { self, members: Object.fromEntries(links), tls };
      speaker.configure(
        JSON.stringify({
          ...{ router: { as: AS, id: ID }, control: { socket: speaker.socket } },
          ...{ include: shared, cluster: { ...cluster, "hold-seconds": HOLD_SECONDS } },
        }),
      );
    }
  }

  async start(): Promise<void> {
    const { lab, nodes, speakers, clients } = this;
    const words = ["keys", join(lab.directory, "keys"), "--cluster", "cluster"];
    const sides = MEMBERS.flatMap((name) => ["--side", name]);
    const made = await nodes[0]!.run([...TSBGP, ...words, ...sides]);
    expect(made).toMatchObject({ code: 0 });
    this.configure("abc");
    await Promise.all(
      [...speakers, ...clients.map(({ daemon }) => daemon)].map((each) => each.start()),
    );
  }

  /** Waits until a client has exactly these routes, each `PREFIX via FIRST_AS`. */
  async has(client: number, routes: readonly string[], what: string): Promise<void> {
    const { daemon } = this.clients[client]!;
    await until(
      async () => {
        const all = await daemon.routes("ipv4-unicast");
        const found = all
          .map(({ prefix, asPath }) => `${prefix} via ${asPath.split(" ")[0]}`)
          .sort();
        expect(found).toEqual(routes);
        return true;
      },
      WAIT_MS,
      `client ${client + 1} ${what}`,
    );
  }

  async shown(speaker: number): Promise<ShownCluster> {
    return (await this.speakers[speaker]!.cli(["show", "cluster", "--json"])).json as ShownCluster;
  }
}

const reason = labAvailable() ?? speakerAvailable();

test.skipIf(reason !== null)(
  "clients of three speakers have what one would send them",
  async () => {
    await withLab("cluster", async (lab) => {
      const scene = new Scene(lab);
      const { speakers, clients } = scene;
      const [a, b, c] = speakers as [Speaker, Speaker, Speaker];
      await scene.start();
      await scene.has(
        0,
        ["10.2.0.0/16 via 65002", "10.3.0.0/16 via 65003", `${SHARED} via 65002`],
        "has",
      );
      await scene.has(
        1,
        ["10.1.0.0/16 via 65001", "10.3.0.0/16 via 65003", `${SHARED} via 65001`],
        "has",
      );
      const third = ["10.1.0.0/16 via 65001", "10.2.0.0/16 via 65002", `${SHARED} via 65002`];
      await scene.has(2, third, "is sent the next path in place of the hidden one");
      const { json } = await b.cli(["show", "neighbors", "--json"]);
      const withA = { speaker: "a", since_ms: null, families: [{ accepted: 2, advertised: 0 }] };
      expect((json as ShownNeighbor[])[0]).toMatchObject(withA);
      expect(await scene.shown(1)).toMatchObject({
        self: "b",
        members: [
          { name: "a", state: "up to date", neighbors: 1, routes: 2 },
          { name: "c", state: "up to date", neighbors: 1, routes: 1 },
        ],
        followers: [{ state: "up to date" }, { state: "up to date" }],
      });
      const all = (await c.cli(["show", "neighbors", "--cluster", "--json"])).json;
      const found = (all as (ShownNeighbor & { member: string })[]).map(
        ({ member, address, state }) => `${member} ${address} ${state}`,
      );
      const expected = clients.map(({ node }, i) => `${MEMBERS[i]} ${node.address4} Established`);
      expect(found.sort()).toEqual(expected.sort());
      const refused = await b.cli(["reset", clients[0]!.node.address4]);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain("is with member a: ask that");

      await clients[0]!.daemon.withdraw(["10.1.0.0/16"]);
      await scene.has(2, third.slice(1), "hears of a withdrawal");
      await clients[0]!.daemon.announce([{ prefix: "10.1.0.0/16" }]);
      await scene.has(2, third, "has it again");

      // A member is lost: its clients' routes stay for a while, and the others' as ever.
      await a.kill();
      await until(
        async () => (await scene.shown(1)).members[0]?.state === "away",
        WAIT_MS,
        "a is away",
      );
      await scene.has(2, third, "keeps what it had");
      await scene.has(2, third.slice(1), "loses what nobody stands by");
      await scene.has(1, ["10.3.0.0/16 via 65003"], "loses it as well");
      await a.start();
      await scene.has(2, third, "has all again");

      // One word moves a client.
      scene.configure("bbc");
      await Promise.all(speakers.map((each) => each.reload()));
      const isThere = async () =>
        (await b.neighbor(clients[0]!.node.address4)).state === "established";
      await until(isThere, WAIT_MS, "the first client is with b");
      await scene.has(2, third, "has its routes as before");
      await scene.has(
        0,
        ["10.2.0.0/16 via 65002", "10.3.0.0/16 via 65003", `${SHARED} via 65002`],
        "has",
      );
      scene.configure("bac");
      await Promise.all(speakers.map((each) => each.reload()));
      await scene.has(2, third, "is with another one, and has all");
      const { established } = await b.neighbor(clients[0]!.node.address4);
      expect(established).toBe(1);
    });
  },
);
