/**
 * Two takeovers between two programs, there and back, among daemons of others: BIRD, FRR and GoBGP, each
 * with a session of IPv4 and one of IPv6. By their own counts no session may have ended, and each of them
 * has what the others announce, before, between and afterwards.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { MAIN } from "../../testkit/speaker.ts";
import { askSpeaker, type NsrStatus, nsrStatus } from "../lab/ask.ts";
import { bird } from "../lab/bird.ts";
import {
  type DaemonKind,
  familyOf,
  type Route,
  type RouteView,
  sortRoutes,
  viewOf,
} from "../lab/daemon.ts";
import { frr } from "../lab/frr.ts";
import { gobgp } from "../lab/gobgp.ts";
import { type Lab, type LabNode, type LabProcess, withLab } from "../lab/netns.ts";
import { sampleRoutes } from "../lab/sample-routes.ts";
import { addressOf, type End, FAMILIES, features } from "../lab/scene.ts";
import { until } from "../lab/until.ts";

const KINDS: readonly DaemonKind[] = [bird, frr, gobgp];
const SPEAKER_AS = 65_500;
const FIRST_AS = 65_001;
const PASSWORD = "correct-horse";
const READY_MS = 30_000;
const SWITCHOVER_MS = 30_000;
const CHANGED = 20;

/** Null stands for the present program. */
export interface Programs {
  /** Of side a, which is active first and in the end. */
  readonly first: string | null;
  /** Of side b, which takes over when a is killed, and gives back in a switchover. */
  readonly second: string | null;
}

/** Throws what was not as it should be. */
export async function runAmongDaemons({ first, second }: Programs): Promise<void> {
  await withLab("versions", async (lab) => {
    const node = lab.node("pair");
    const ends = KINDS.map((kind, k) => createEnd(lab, kind, k, node));
    const a = new Side(node, "a", first ?? MAIN, ends);
    const b = new Side(node, "b", second ?? MAIN, ends);
    await a.start("active");
    await Promise.all(ends.map(({ daemon }) => daemon.start()));
    const scene = new Scene(node, ends);
    const counts = await scene.untilUp();
    await scene.untilAgreed();
    await b.start("standby");
    await a.untilProtected(counts.length);

    // What is announced now may be anywhere between the peers and the two sides.
    await scene.announce(0);
    a.kill();
    await b.until("active", ({ role }) => role === "active");
    await scene.withdraw(0);
    await scene.announce(1);
    await scene.untilAgreed();
    await scene.expectCounts(counts);

    await a.start("standby");
    await b.untilProtected(counts.length);
    await scene.announce(2);
    await b.switchOver();
    await a.until("active", ({ role }) => role === "active");
    await scene.withdraw(1);
    await scene.untilAgreed();
    await scene.expectCounts(counts);
  });
}

/** A side of the pair, on the node that it has in common with the other one. */
class Side {
  private readonly node: LabNode;
  private readonly argv: readonly string[];
  private readonly socket: string;
  private running: LabProcess | null = null;

  constructor(node: LabNode, name: string, main: string, ends: readonly End[]) {
    const file = join(node.directory, `${name}.yaml`);
    const link = join(node.directory, "nsr.sock");
    this.node = node;
    this.argv = [process.execPath, main, "run", "-c", file];
    this.socket = join(node.directory, `${name}.sock`);
    const config = {
      router: { as: SPEAKER_AS, id: node.address4 },
      control: { socket: this.socket },
      log: { file: join(node.directory, `${name}.log`) },
      defaults: {
        ...{ import: "accept-all", export: "accept-all", passive: true },
        "route-server-client": true,
      },
      neighbors: ends.flatMap(neighborsOf),
      nsr: {
        ...{ cluster: "versions", self: name, mode: "shared", listen: link, peer: link },
        // A busy machine keeps a process waiting for longer than one of the field would.
        ...{ "heartbeat-ms": 100, "heartbeat-misses": 10, "patience-ms": 5000 },
      },
    };
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config));
  }

  /** Returns when it is the active one, or a standby that may take over. */
  async start(role: "active" | "standby"): Promise<void> {
    this.running = this.node.spawn(this.argv);
    await this.until(role, (shown) => shown.role === role && (role === "active" || shown.ready));
  }

  kill(): void {
    this.running?.signal("SIGKILL");
  }

  async switchOver(): Promise<void> {
    const answer = await askSpeaker(this.socket, { command: "switchover" }, SWITCHOVER_MS);
    if (answer === null) throw new Error("the switchover was refused");
  }

  async untilProtected(count: number): Promise<void> {
    await this.until(
      `protected: ${count}`,
      (shown) => shown.ready && shown.sessions === count && shown.protected === count,
    );
  }

  async until(what: string, matches: (shown: NsrStatus) => boolean): Promise<void> {
    const isSo = async () => {
      const shown = await nsrStatus(this.socket);
      if (shown === null || !matches(shown)) throw new Error(JSON.stringify(shown));
      return true;
    };
    await until(isSo, READY_MS, `${this.socket} is ${what}`);
  }
}

/** The daemons, and what each of them has to have. */
class Scene {
  private readonly node: LabNode;
  private readonly ends: readonly End[];
  private readonly originated: readonly Map<string, Route>[];

  constructor(node: LabNode, ends: readonly End[]) {
    this.node = node;
    this.ends = ends;
    this.originated = ends.map(({ routes }) => byPrefix(routes));
  }

  /** @returns how often each session has come up, by the daemon's own count */
  async untilUp(): Promise<number[]> {
    await until(async () => (await this.counts()).every(Boolean), READY_MS, "sessions are up");
    return this.counts();
  }

  async expectCounts(counts: readonly number[]): Promise<void> {
    expect(await this.counts(), "sessions have ended").toEqual(counts);
  }

  /** Has all daemons announce routes at once. @param round - tells these routes from others */
  async announce(round: number): Promise<void> {
    await this.each(async ({ daemon }, k) => {
      const routes = roundOf(k, round);
      await daemon.announce(routes);
      for (const route of routes) this.originated[k]!.set(route.prefix, route);
    });
  }

  async withdraw(round: number): Promise<void> {
    await this.each(async ({ daemon }, k) => {
      const prefixes = roundOf(k, round).map(({ prefix }) => prefix);
      await daemon.withdraw(prefixes);
      for (const prefix of prefixes) this.originated[k]!.delete(prefix);
    });
  }

  /** Waits until each daemon has what the others announce, and nothing else. */
  async untilAgreed(): Promise<void> {
    await this.each(async ({ daemon }, k) => {
      for (const family of FAMILIES) {
        const isSame = async () => {
          expect((await daemon.routes(family)).map(plain)).toEqual(this.expected(k, family));
          return true;
        };
        await until(isSame, READY_MS, `${daemon.kind.name} has the ${family} routes of the others`);
      }
    });
  }

  /** 0 stands for a session that is not up. */
  private async counts(): Promise<number[]> {
    const sessions = this.ends.flatMap(({ daemon }) =>
      FAMILIES.map((family) => daemon.session(addressOf(this.node, family))),
    );
    const shown = await Promise.all(sessions);
    return shown.map(({ state, upCount }) => (state === "established" ? upCount : 0));
  }

  private expected(receiver: number, family: (typeof FAMILIES)[number]): RouteView[] {
    const from = addressOf(this.node, family);
    const views = this.ends.flatMap(({ node, as }, k) => {
      if (k === receiver) return [];
      const routes = [...this.originated[k]!.values()];
      return routes
        .filter(({ prefix }) => familyOf(prefix) === family)
        .map((route) => {
          const asPath = [as, ...(route.asPath ?? [])].join(" ");
          return plain(viewOf(route, { from, nextHop: addressOf(node, family), asPath }));
        });
    });
    return sortRoutes(views);
  }

  private async each(act: (end: End, k: number) => Promise<void>): Promise<void> {
    await Promise.all(this.ends.map(act));
  }
}

/** Not every daemon tells a MED of 0 from none. */
function plain(view: RouteView): RouteView {
  return { ...view, med: view.med === 0 ? null : view.med };
}

function createEnd(lab: Lab, kind: DaemonKind, k: number, pair: LabNode): End {
  const node = lab.node(kind.name);
  const as = FIRST_AS + k;
  const routes = sampleRoutes(as, k + 1, kind);
  const sessions = FAMILIES.map((family) => ({
    families: [family],
    localAddress: addressOf(node, family),
    peerAddress: addressOf(pair, family),
    peerAs: SPEAKER_AS,
    routeServer: true,
    ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
    ...(features(kind, "route-server-client", family).ttlSecurity ? { ttlSecurity: true } : {}),
  }));
  const daemon = kind.create(node, { as, routerId: node.address4, sessions, originate: routes });
  return { node, as, daemon, routes };
}

function neighborsOf({ node, as, daemon }: End) {
  return FAMILIES.map((family) => ({
    address: addressOf(node, family),
    as,
    families: [family],
    ...(family === "ipv6-unicast" ? { password: PASSWORD } : {}),
    ...(features(daemon.kind, "route-server-client", family).ttlSecurity
      ? { "ttl-security": 1 }
      : {}),
  }));
}

function roundOf(k: number, round: number): Route[] {
  return Array.from({ length: CHANGED }, (_, i): Route => {
    const prefix =
      i % 2 === 0 ? `10.${10 * (k + 1) + round}.${i}.0/24` : `fd${k + 1}${round}:${i}::/48`;
    return { prefix, med: i + 1, communities: [`${FIRST_AS + k}:${round}`] };
  });
}

function byPrefix(routes: readonly Route[]): Map<string, Route> {
  return new Map(routes.map((route) => [route.prefix, route]));
}
