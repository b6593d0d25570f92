/**
 * Graceful restart and the long-lived one, in both directions, with real daemons.
 *
 *     witness (BIRD) ---- speaker ---- daemon under test
 *                            |
 *                  bystander: knows neither
 *
 * The speaker is a route server. Whoever goes is killed, and leaves no word: what the others hold in the
 * meantime, by their own account, is looked at all the time.
 */

import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { parse } from "yaml";
import { bird } from "./bird.ts";
import type { Daemon, DaemonKind, Route, RouteView, SessionRestart } from "./daemon.ts";
import type { Lab, LabNode } from "./netns.ts";
import { addressOf, FAMILIES } from "./scene.ts";
import { createSpeaker, type Speaker } from "./speaker.ts";
import { until } from "./until.ts";

const LAB_CONFIG = new URL("../../configs/lab.yaml", import.meta.url);
const SPEAKER_AS = 65500;
/** Of both sides: long enough for a start, short enough to wait for its end. */
const RESTART: SessionRestart = { seconds: 12, staleSeconds: 600 };
const LLGR_STALE = "65535:6";
/** A start, a restart time, and half a minute in which daemons defer what they say. */
const WAIT_MS = 90_000;
/** Between two looks at a table. */
const LOOK_MS = 100;
const FAILED_LOOKS_MAX = 5;

export interface End {
  readonly node: LabNode;
  readonly daemon: Daemon;
  readonly prefixes: readonly string[];
}

/** The speaker, as one process or as two. */
export type Subject = Pick<
  Speaker,
  "as" | "address4" | "address6" | "start" | "stop" | "kill" | "ended"
> & {
  /** Write the configuration: these sections, and what is its own. */
  configure(sections: Readonly<Record<string, unknown>>): void;
  /** What `tsbgp ... --json` says. */
  askJson(...words: string[]): Promise<unknown>;
  order(...words: string[]): Promise<unknown>;
};

export interface RestartScene {
  readonly speaker: Subject;
  readonly daemon: End;
  readonly witness: End;
  readonly bystander: End;
}

/** A speaker that runs alone. */
export function loneSubject(lab: Lab): Subject {
  const speaker = createSpeaker(lab.node("tsbgp"), SPEAKER_AS);
  return {
    ...speaker,
    configure(sections) {
      speaker.configure(JSON.stringify({ ...sections, control: { socket: speaker.socket } }));
    },
    askJson: async (...words) => (await speaker.cli([...words, "--json"])).json,
    order: (...words) => speaker.cli(words),
  };
}

/**
 * Build the scene; return when everybody has what the others announce.
 *
 * @param restart - of the daemon and of the speaker
 * @param options - of the speaker's sessions with the daemon
 */
export async function setRestartScene(
  lab: Lab,
  kind: DaemonKind,
  speaker: Subject = loneSubject(lab),
  restart: SessionRestart = RESTART,
  options: object = {},
): Promise<RestartScene> {
  const witness = createEnd(bird, lab.node("witness"), 1, speaker, RESTART);
  const daemon = createEnd(kind, lab.node(kind.name), 2, speaker, restart);
  const bystander = createEnd(bird, lab.node("bystander"), 3, speaker, null);
  const scene = { speaker, daemon, witness, bystander };
  speaker.configure(speakerConfig(scene, options));
  const ends = [witness, daemon, bystander];
  await Promise.all([speaker.start(), ...ends.map((end) => end.daemon.start())]);
  await expectFresh(scene);
  return scene;
}

function createEnd(
  kind: DaemonKind,
  node: LabNode,
  net: number,
  peer: Subject,
  restart: SessionRestart | null,
): End {
  const originate: Route[] = [1, 2, 3].flatMap((i) => [
    { prefix: `10.${net}.${i}.0/24`, med: i },
    { prefix: `fd${net}0:${i}::/48`, med: i },
  ]);
  const sessions = FAMILIES.map((family) => ({
    families: [family],
    localAddress: addressOf(node, family),
    peerAddress: addressOf(peer, family),
    peerAs: SPEAKER_AS,
    routeServer: true,
    restart,
  }));
  const spec = { as: 65000 + net, routerId: node.address4, sessions, originate };
  return { node, daemon: kind.create(node, spec), prefixes: originate.map(({ prefix }) => prefix) };
}

function speakerConfig(
  { speaker, ...ends }: RestartScene,
  ofDaemon: object,
): Readonly<Record<string, unknown>> {
  const neighbors = Object.values(ends).flatMap((end) =>
    FAMILIES.map((family) => ({
      address: addressOf(end.node, family),
      as: end.daemon.spec.as,
      group: "route-server-client",
      ...restartOptions(end.daemon.spec.sessions[0]!.restart ?? null),
      ...(end === ends.daemon ? ofDaemon : {}),
    })),
  );
  return {
    ...parse(readFileSync(LAB_CONFIG, "utf8")),
    router: { as: speaker.as, id: speaker.address4 },
    neighbors,
  };
}

function restartOptions(restart: SessionRestart | null): object {
  if (restart === null) return {};
  const { seconds, staleSeconds } = restart;
  const full = { mode: "full", "restart-time": seconds, "defer-limit": 20 };
  if (staleSeconds === 0) return { "graceful-restart": full };
  const longLived = { mode: "full", "stale-time": staleSeconds };
  return { "graceful-restart": full, "long-lived-graceful-restart": longLived };
}

/** What an end has of another one's routes. */
export async function held(scene: RestartScene, at: End, of: End): Promise<RouteView[]> {
  const tables = await Promise.all(FAMILIES.map((family) => at.daemon.routes(family)));
  const from = FAMILIES.map((family) => addressOf(scene.speaker, family));
  return tables
    .flat()
    .filter((route) => from.includes(route.from) && of.prefixes.includes(route.prefix));
}

const isStale = ({ communities }: RouteView) => communities.includes(LLGR_STALE);

/** All have what the others announce, none of it is a last resort, and nothing of it is kept. */
export async function expectFresh(scene: RestartScene): Promise<void> {
  const ends = [scene.daemon, scene.witness, scene.bystander];
  for (const at of ends) {
    for (const of of ends.filter((end) => end !== at)) {
      await until(
        async () => {
          const routes = await held(scene, at, of);
          expect(routes.map(({ prefix }) => prefix).sort()).toEqual([...of.prefixes].sort());
          expect(routes.filter(isStale)).toEqual([]);
          return true;
        },
        WAIT_MS,
        `${at.node.name} has what ${of.node.name} announces`,
      );
    }
  }
  await until(
    async () => {
      const shown = await scene.speaker.askJson("show", "neighbors");
      const neighbors = shown as { families: { stale: string | null; held: boolean }[] }[];
      const families = neighbors.flatMap((neighbor) => neighbor.families);
      expect(families.filter(({ stale, held }) => stale !== null || held)).toEqual([]);
      return families.length === 2 * ends.length;
    },
    WAIT_MS,
    "the speaker keeps nothing of an ended session",
  );
}

/** Looks at what an end has of another one's routes until the end: whatever happens, they are all there. */
export class Watch {
  /** Looks at which something was missing. */
  readonly missing: string[] = [];
  looks = 0;
  /** Looks in sequence to which the daemon did not answer, and the last one's error. */
  private failed = 0;
  private error: unknown = null;
  private isOver = false;
  private readonly done: Promise<void>;

  constructor(scene: RestartScene, at: End, of: End) {
    this.done = this.look(scene, at, of);
  }

  private async look(scene: RestartScene, at: End, of: End): Promise<void> {
    while (!this.isOver && this.failed < FAILED_LOOKS_MAX) {
      try {
        const there = new Set((await held(scene, at, of)).map(({ prefix }) => prefix));
        const lost = of.prefixes.filter((prefix) => !there.has(prefix));
        if (lost.length > 0) this.missing.push(`look ${this.looks}: ${lost.join(" ")}`);
        this.looks++;
        this.failed = 0;
      } catch (error) {
        // The client of a daemon that has much to do may not be answered. And nobody awaits this here.
        this.failed++;
        this.error = error;
      }
      await delay(LOOK_MS);
    }
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.done;
  }

  async expectNone(): Promise<void> {
    await this.end();
    if (this.failed >= FAILED_LOOKS_MAX) throw this.error;
    expect(this.looks).toBeGreaterThan(0);
    expect(this.missing).toEqual([]);
  }
}

/** Waits until all that an end has of another one is marked as a last resort. */
async function untilStale(scene: RestartScene, at: End, of: End): Promise<void> {
  await until(
    async () => {
      const routes = await held(scene, at, of);
      return routes.length === of.prefixes.length && routes.every(isStale);
    },
    WAIT_MS,
    `${at.node.name} has the routes of ${of.node.name} as a last resort`,
  );
}

/** The daemon restarts: nobody sees it. */
export async function checkDaemonRestarts(scene: RestartScene): Promise<void> {
  const { daemon, witness } = scene;
  const watch = new Watch(scene, witness, daemon);
  await daemon.daemon.kill();
  await daemon.daemon.start(true);
  await expectFresh(scene);
  // GoBGP is told its routes once it runs: its End-of-RIB may come before them, and ends what was kept.
  if (daemon.daemon.kind.name === "gobgp") await watch.end();
  else await watch.expectNone();
}

/** It stays away for longer: what it had goes to who knows of such routes, and not to others. */
export async function checkDaemonAway(scene: RestartScene): Promise<void> {
  const { daemon, witness, bystander } = scene;
  const watch = new Watch(scene, witness, daemon);
  await daemon.daemon.kill();
  await untilStale(scene, witness, daemon);
  const isGone = async () => (await held(scene, bystander, daemon)).length === 0;
  await until(isGone, WAIT_MS, "the bystander has nothing of the daemon");
  await daemon.daemon.start(true);
  await expectFresh(scene);
  await watch.expectNone();
}

/** The speaker restarts, killed or ordered to: the daemon keeps all. */
export async function checkSpeakerRestarts(scene: RestartScene, isKilled: boolean): Promise<void> {
  const { daemon, witness, speaker } = scene;
  const watches = [new Watch(scene, daemon, witness), new Watch(scene, witness, daemon)];
  if (isKilled) await speaker.kill();
  else {
    await speaker.order("stop", "--graceful");
    await speaker.ended();
  }
  await speaker.start();
  await expectFresh(scene);
  for (const watch of watches) await watch.expectNone();
}

/** It stays away for longer: the daemon keeps all as a last resort. */
export async function checkSpeakerAway(scene: RestartScene): Promise<void> {
  const { daemon, witness, speaker } = scene;
  const watch = new Watch(scene, daemon, witness);
  await speaker.kill();
  await untilStale(scene, daemon, witness);
  await speaker.start();
  await expectFresh(scene);
  await watch.expectNone();
}

/** It is stopped for good: nobody keeps anything. */
export async function checkSpeakerStops(scene: RestartScene): Promise<void> {
  const { daemon, witness, speaker } = scene;
  await speaker.stop();
  const isGone = async () => (await held(scene, daemon, witness)).length === 0;
  await until(isGone, WAIT_MS, "the daemon has nothing of the speaker");
  await speaker.start();
  await expectFresh(scene);
}
