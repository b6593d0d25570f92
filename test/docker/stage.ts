/** A deployment that is up, its clients, captures at each of them, and traffic when it is asked for. */
import { type Capture, startCapture } from "../../chaos/capture.ts";
import { makeFeeds } from "../../chaos/feed.ts";
import {
  createFeedEnds,
  createScene,
  type DaemonEnd,
  fillScene,
  type Scene,
  shown,
  startFeeder,
} from "../../chaos/scene.ts";
import { activeOf, makeReady, type Side } from "../../chaos/sides.ts";
import { WireWatch } from "../../chaos/wire-watch.ts";
import type { AskedDaemon } from "../lab/daemon.ts";
import type { EnteredNode, LabNode } from "../lab/netns.ts";
import { addressOf, FAMILIES } from "../lab/scene.ts";
import { CLIENTS, type Client, clientDaemon, prepareBird } from "./clients.ts";
import { type Deployment, SERVICE, STREAM_ADDRESS } from "./deployment.ts";

const PREFIXES = 2000;
const SEED = 20_261_121;
const READY_MS = 30_000;

export interface ClientEnd {
  readonly client: Client;
  readonly daemon: AskedDaemon;
  /** With this machine's files. */
  readonly node: LabNode;
}

export class Stage {
  readonly deployment: Deployment;
  readonly clients: readonly ClientEnd[];
  private readonly watch: WireWatch;
  private readonly captures: Capture[];
  private readonly nodes: EnteredNode[];
  private filled: Promise<Scene> | null = null;
  /** Counts the trials. */
  trials = 0;

  private constructor(
    deployment: Deployment,
    clients: readonly ClientEnd[],
    watch: WireWatch,
    captures: Capture[],
    nodes: EnteredNode[],
  ) {
    this.deployment = deployment;
    this.clients = clients;
    this.watch = watch;
    this.captures = captures;
    this.nodes = nodes;
  }

  /** Starts the clients, a capture at each, then the rest; returns when all of it is healthy. */
  static async set(deployment: Deployment): Promise<Stage> {
    prepareBird(deployment);
    await deployment.up(...CLIENTS.map(({ name }) => name));
    const watch = new WireWatch(Object.values(SERVICE));
    const nodes: EnteredNode[] = [];
    const captures: Capture[] = [];
    const ends = await Promise.all(
      CLIENTS.map(async (client): Promise<ClientEnd> => {
        const node = await deployment.namespaceNode(client.name, client);
        nodes.push(node);
        captures.push(await startCapture(node, watch));
        const follow = ["docker", "logs", "--follow", deployment.container(client.name)];
        const logs = node.spawn(follow);
        const inside = deployment.containerNode(client.name, client);
        const daemon = clientDaemon(deployment, client, inside, () => logs.output());
        return { client, daemon, node };
      }),
    );
    await deployment.up();
    return new Stage(deployment, ends, watch, captures, nodes);
  }

  /** @throws Error when there is none */
  async active(): Promise<Side> {
    const side = await activeOf(this.deployment);
    if (side === null) throw new Error("no side, or more than one, is active");
    return side;
  }

  async standby(): Promise<Side> {
    const active = await this.active();
    return this.deployment.sides.find((side) => side !== active)!;
  }

  /** Waits until a standby can take over every session. */
  async ready(): Promise<void> {
    if (await makeReady(this.deployment, READY_MS)) return;
    const active = await activeOf(this.deployment);
    throw new Error(`no ready standby: ${(await active?.status())?.reason ?? "no active side"}`);
  }

  /** Everyone who announces something, with tables announced; made at the first call. */
  scene(): Promise<Scene> {
    this.filled ??= this.fill();
    return this.filled;
  }

  close(): void {
    for (const capture of this.captures) capture.close();
    for (const node of this.nodes) node.end();
  }

  private async fill(): Promise<Scene> {
    const { deployment, clients, watch, captures } = this;
    const feederNode = await deployment.startFeederNamespace();
    this.nodes.push(feederNode);
    captures.push(await startCapture(feederNode, watch));
    const feeds = await createFeedEnds(feederNode, makeFeeds(PREFIXES, SEED), STREAM_ADDRESS);
    deployment.addNeighbors(feeds.map(({ address, feed }) => ({ address, as: feed.as })));
    await (await this.active()).tsbgp("reload");
    const daemons = clients.map(({ client, daemon, node }): DaemonEnd => {
      return { node, daemon, routes: new Map(client.added.map((route) => [route.prefix, route])) };
    });
    for (const { client, daemon } of clients) await daemon.announce(client.added);
    const feeder = await startFeeder(feederNode, feeds, deployment);
    const scene = createScene({
      ...{ pair: deployment, daemons, feeds, feeder, watch, captures },
      restarter: null,
    });
    for (const { client, daemon, node } of clients) {
      for (const family of FAMILIES) {
        const routes = client.shipped.map((route): [string, string] => {
          const path = [client.as, ...(route.asPath ?? [])].join(" ");
          return [route.prefix, shown(daemon, node, route, path)];
        });
        scene.expectation.addDaemon(addressOf(node, family), family, () => routes);
      }
    }
    await fillScene(scene);
    await this.ready();
    return scene;
  }
}
