/** What a forwarding module goes through without a route that does not change being touched. */
import { join } from "node:path";
import { expect } from "vitest";
import { attribute, four } from "../../../../test/lab/raw-peer.ts";
import { until } from "../../../../test/lab/until.ts";
import { cases } from "../../../../test/mode.ts";
import { type TestPair, untilReady, withPair } from "../../../../testkit/pair.ts";
import type { Peer } from "../../../../testkit/peer.ts";
import { WAIT_MS } from "../../../../testkit/speaker.ts";
import {
  manyRoutes,
  manyWithdrawals,
  routeOctets,
  updateMessage,
} from "../../../../testkit/updates.ts";
import { bgpRoutes, Hosts, Module, RouteWatch, Wire } from "./forwarding.ts";

/** In the first of the routes. */
const DESTINATION = "16.0.0.1";
const AS = 65_001;

/** A route with another next hop than the others. */
const other = (n: number) =>
  updateMessage(
    [],
    [
      ...attribute(0x40, 1, [0]),
      ...attribute(0x40, 2, [2, 1, ...four(AS)]),
      ...attribute(0x40, 3, [192, 0, 2, 98]),
    ],
    routeOctets(n),
  );

class Story {
  private readonly pair: TestPair;
  private readonly count: number;
  readonly hosts: Hosts = new Hosts(DESTINATION);
  readonly wires: Wire[];
  readonly module: Module;
  /** Begun when all routes are there: so many at once are more than it is told. */
  private watch: RouteWatch | null = null;
  private peer: Peer | null = null;

  constructor(pair: TestPair, count: number) {
    this.pair = pair;
    this.count = count;
    this.wires = ["a", "b"].map((side) => new Wire(this.path(`wire-${side}`), this.path(side)));
    const servers = ["a", "b"].map((side) => this.path(`wire-${side}`));
    this.module = new Module(pair.directory, { servers });
  }

  async tell(): Promise<void> {
    await this.begin();
    await this.takeover();
    await this.restarts();
    await this.cut();
    await this.changes();
    await this.switchover();
    const { sent, come } = await this.hosts.counts();
    expect(sent).toBeGreaterThan(100);
    expect(come).toBe(sent);
    await this.end();
  }

  remove(): void {
    this.hosts.remove();
    this.watch?.kill();
    this.module.kill();
    for (const wire of this.wires) wire.cut();
  }

  private path(name: string): string {
    return join(this.pair.directory, `${name}.sock`);
  }

  private async begin(): Promise<void> {
    const { pair, count, module } = this;
    for (const name of ["a", "b"] as const) {
      const side = await pair.side(name);
      side.configure(pair.config(name, { followers: { listen: this.path(name) } }));
    }
    const { a } = await pair.start();
    this.peer = await pair.peer(1);
    await this.peer.sendAll(manyRoutes({ as: AS, count }));
    module.start();
    await this.untilInKernel(count);
    expect(bgpRoutes()[0]).toMatch(
      /^16\.0\.0\.0\/24 (nhid \d+ )?via 192\.0\.2\.99 dev dst0 metric 32 $/,
    );
    await untilReady(a, "active");
    this.watch = new RouteWatch();
    await this.watch.take();
    this.hosts.send(DESTINATION);
  }

  private async takeover(): Promise<void> {
    (await this.pair.side("a")).signal("SIGKILL");
    await this.untilTold(1);
    await this.expectSilence("the server was killed");
  }

  private async restarts(): Promise<void> {
    for (const signal of cases(["SIGKILL", "SIGTERM"] as const, 1)) {
      await this.module.end(signal);
      this.module.start();
      await this.untilTold(1);
      await this.expectSilence(`the module was ended by ${signal}`);
    }
  }

  private async cut(): Promise<void> {
    this.wires[1]!.cut();
    await this.module.until("no server", ({ source }) => source === null);
    this.wires[1]!.mend();
    await this.untilTold(1);
    await this.expectSilence("the link was cut");
  }

  private async changes(): Promise<void> {
    const { peer, count } = this;
    peer!.send([...manyWithdrawals(100, count - 100)]);
    peer!.send(other(1));
    await peer!.sendAll(manyRoutes({ as: AS, count: 50, from: count }));
    await this.untilInKernel(count - 50);
    await until(
      () => bgpRoutes().some((line) => /^16\.0\.1\.0\/24 .*via 192\.0\.2\.98 /.test(line)),
      WAIT_MS,
      "the route has its other next hop",
    );
    const told = await this.watch!.take();
    expect(told.filter((line) => line.startsWith("Deleted"))).toHaveLength(100);
    expect(told).toHaveLength(100 + 50 + 1);
  }

  private async switchover(): Promise<void> {
    const { pair } = this;
    await pair.startStandby("a");
    const b = await pair.side("b");
    await untilReady(b, "active");
    await b.ask({ command: "switchover" });
    await this.untilTold(0);
    await this.expectSilence("the role was given to the other side");
  }

  /** Nobody is there any more. */
  private async end(): Promise<void> {
    const { pair, module, count } = this;
    for (const name of ["a", "b"] as const) (await pair.side(name)).signal("SIGKILL");
    await module.until("no server", ({ source }) => source === null);
    expect(bgpRoutes()).toHaveLength(count - 50);
    await module.end("SIGTERM");
    await this.expectSilence("all servers were killed");
    module.configure({
      servers: this.path("wire-a"),
      forward: { "keep-seconds": 1 },
    });
    module.start();
    await until(() => bgpRoutes().length === 0, WAIT_MS, "routes go");
  }

  private async untilTold(server: number): Promise<void> {
    await this.module.until(
      `server ${server} has told everything`,
      ({ servers, complete, families }) =>
        complete &&
        servers[server]?.state === "listened to" &&
        families[0]!.routes === families[0]!.installed,
    );
  }

  private async untilInKernel(count: number): Promise<void> {
    await this.module.until(`${count} routes`, ({ families, complete }) => {
      const [ipv4] = families;
      return complete && ipv4!.routes === count && ipv4!.installed === count;
    });
    expect(bgpRoutes()).toHaveLength(count);
  }

  private async expectSilence(when: string): Promise<void> {
    expect(await this.watch!.take(), when).toEqual([]);
  }
}

/** @param count - routes */
export async function tellForwardStory(count: number): Promise<void> {
  await withPair({}, async (pair) => {
    const story = new Story(pair, count);
    try {
      await story.tell();
    } finally {
      story.remove();
    }
  });
}
