/**
 * Two speakers that are one route server, on one host and at one address:
 *
 *     first, second, third (BIRD) ---- one address ---- a, b
 *
 * A connection comes to either of them, and is handed to the one that has the client.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ShownCluster } from "@ts-bgp/daemon";
import { expect, test } from "vitest";
import { bird } from "./bird.ts";
import type { Daemon } from "./daemon.ts";
import { labAvailable } from "./install.ts";
import { type Lab, type LabNode, withLab } from "./netns.ts";
import { createSpeaker, type Speaker, speakerAvailable } from "./speaker.ts";
import { until } from "./until.ts";

const AS = 65_500;
const MEMBERS = ["a", "b"] as const;
const WAIT_MS = 60_000;
const PASSWORD = "swordfish";
/** Either member gets each connection with the same chance: of so many each has had some. */
const RESETS_MAX = 60;

class Scene {
  readonly node: LabNode;
  readonly speakers: readonly [Speaker, Speaker];
  readonly clients: readonly { readonly node: LabNode; readonly daemon: Daemon }[];
  private readonly lab: Lab;

  constructor(lab: Lab) {
    this.lab = lab;
    const node = lab.node("rs");
    this.node = node;
    this.speakers = [createSpeaker(node, AS, "a"), createSpeaker(node, AS, "b")];
    this.clients = [1, 2, 3].map((k) => {
      const own = lab.node(`client${k}`);
      const session = {
        ...{ families: ["ipv4-unicast"] as const, localAddress: own.address4 },
        ...{ peerAddress: node.address4, peerAs: AS, routeServer: true },
        ...(k === 2 ? { ttlSecurity: true } : {}),
        ...(k === 3 ? { password: PASSWORD } : {}),
      };
      const originate = [{ prefix: `10.${k}.0.0/16` }];
      const spec = { as: 65_000 + k, routerId: own.address4, sessions: [session], originate };
      return { node: own, daemon: bird.create(own, spec) };
    });
  }

  /** @param owners - member of each client; null where a is no cluster @param isShared - as the files say it */
  configure(owners: string | null, isShared = true): void {
    const members = Object.fromEntries(
      MEMBERS.map((name) => [name, join(this.lab.directory, name, "cluster.sock")]),
    );
    const neighbors = this.clients.map(({ node, daemon }, i) => ({
      ...{ address: node.address4, as: daemon.spec.as, passive: true },
      ...{ "route-server-client": true, import: "accept-all", export: "accept-all" },
      ...(i === 1 ? { "ttl-security": 1 } : {}),
      ...(i === 2 ? { password: PASSWORD } : {}),
      ...(owners === null ? {} : { speaker: owners[i] }),
    }));
    const shared = join(this.lab.directory, "clients.yaml");
    writeFileSync(shared, JSON.stringify({ neighbors }));
    for (const [i, speaker] of this.speakers.entries()) {
      const cluster = { self: MEMBERS[i], members, "share-address": isShared };
      speaker.configure(
        JSON.stringify({
          ...{ router: { as: AS, id: "192.0.2.100" }, listen: [this.node.address4] },
          ...{ control: { socket: speaker.socket }, include: shared },
          ...(owners === null ? {} : { cluster }),
        }),
      );
    }
  }

  /** Waits until each client has the routes of the two others. */
  async haveAll(what: string): Promise<void> {
    for (const [i, { daemon }] of this.clients.entries()) {
      const expected = [1, 2, 3].filter((k) => k !== i + 1).map((k) => `10.${k}.0.0/16`);
      await until(
        async () => {
          const routes = await daemon.routes("ipv4-unicast");
          expect(routes.map(({ prefix }) => prefix).sort()).toEqual(expected);
          return true;
        },
        WAIT_MS,
        `client ${i + 1} has all routes: ${what}`,
      );
    }
  }

  async counts(member: number): Promise<NonNullable<ShownCluster["clients"]>> {
    const { json } = await this.speakers[member]!.cli(["show", "cluster", "--json"]);
    return (json as ShownCluster).clients!;
  }

  /** How often the session of each client came up, by the member that has it. */
  async established(owners: string): Promise<number[]> {
    return Promise.all(
      this.clients.map(async ({ node }, i) => {
        const speaker = this.speakers[MEMBERS.indexOf(owners[i] as "a")]!;
        return (await speaker.neighbor(node.address4)).established;
      }),
    );
  }
}

const reason = labAvailable() ?? speakerAvailable();

test.skipIf(reason !== null)("members of one host have one address for clients", async () => {
  await withLab("cluster-address", async (lab) => {
    const scene = new Scene(lab);
    const { speakers, clients } = scene;
    const [a, b] = speakers;
    // A speaker that is alone becomes a member by a reload; who stays with it notices nothing.
    scene.configure(null);
    await Promise.all([a.start(), ...clients.map(({ daemon }) => daemon.start())]);
    await scene.haveAll("of one speaker");
    scene.configure("abb");
    await a.reload();
    await b.start();
    await scene.haveAll("of both");
    expect(await scene.established("abb")).toEqual([1, 1, 1]);

    // Of each client some connection comes to the other member: with a password and a limit of TTL as well.
    for (const [i, { node }] of clients.entries()) {
      const [own, other] = i === 0 ? [0, 1] : [1, 0];
      const given = async () => (await scene.counts(other)).given;
      const before = await given();
      for (let k = 0; k < RESETS_MAX && (await given()) === before; k++) {
        const { code, stderr } = await speakers[own]!.cli(["reset", node.address4]);
        expect([code, stderr]).toEqual([0, ""]);
        await scene.haveAll(`after reset ${k + 1} of client ${i + 1}`);
      }
      expect(await given()).toBeGreaterThan(before);
    }
    const [ofA, ofB] = [await scene.counts(0), await scene.counts(1)];
    expect([ofA.given, ofB.given]).toEqual([ofB.taken, ofA.taken]);

    // A member that is lost takes its own clients along, and no others; they come back to it alone.
    const before = await scene.established("abb");
    await a.kill();
    for (const { node } of clients.slice(1))
      expect((await b.neighbor(node.address4)).state).toBe("established");
    await a.start();
    await scene.haveAll("after a member was lost");
    expect((await scene.established("abb")).slice(1)).toEqual(before.slice(1));

    // A client that is moved comes to the same address.
    scene.configure("bbb");
    await Promise.all(speakers.map((each) => each.reload()));
    await scene.haveAll("after a move");
    expect((await scene.established("bbb")).slice(1)).toEqual(before.slice(1));

    // As long as another one listens there nobody can have the address alone.
    scene.configure("bbb", false);
    await expect(a.reload()).rejects.toThrow("something else is listening there");
    scene.configure("abb");
    await Promise.all(speakers.map((each) => each.reload()));
    await scene.haveAll("after a file that was refused");
    expect((await scene.established("abb")).slice(1)).toEqual(before.slice(1));
    await Promise.all([a.stop(), b.stop()]);
  });
});
