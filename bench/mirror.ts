/**
 * `node bench/mirror.ts [UPDATES_PER_SECOND]...`: a speaker with 400,000 routes and 4 neighbors, and a mirror of it:
 * processor time of both, and how old what the mirror shows is. Turns without and with the mirror follow each other, so that
 * what the machine does beside counts for both.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectory, removeLeftovers } from "./leftovers.ts";
import { buildLoad, Load, RunError } from "./load.ts";
import { Namespaces } from "./namespaces.ts";
import { DAEMON_ADDRESS, DAEMON_AS, type Peer } from "./scenarios.ts";
import { FIRST_AS, prepareStreams, SCALE } from "./streams.ts";
import { runMsOf, sessionPids, usageOf } from "./usage.ts";

const TSBGP = join(import.meta.dirname, "../packages/cli/bin/tsbgp.mjs");
const ROUTES = 400_000;
const RECEIVERS = 3;
const TURNS = 5;
const TURN_MS = 30_000;
/** After a mirror has joined, and before anything is measured. */
const SETTLE_MS = 5000;
const LOOK_MS = 1000;
const SECONDS_MAX = 120;
const RATES = [0, 200, 5000];

interface Turn {
  readonly serverMs: number;
  readonly mirrorMs: number;
}

/** What is measured in a run. */
class Scene {
  private readonly directory: string = makeDirectory();
  private readonly namespaces: Namespaces = new Namespaces();
  private readonly processes: ChildProcess[] = [];
  private readonly rate: number;
  private load: Load | null = null;
  private server: ChildProcess | null = null;

  constructor(rate: number) {
    this.rate = rate;
  }

  async begin(): Promise<void> {
    const { rate, directory, namespaces } = this;
    const updates = Math.max(1, Math.ceil((rate * (TURN_MS + 2 * SETTLE_MS)) / 1000));
    const scale = { ...SCALE, table: ROUTES, churn: updates, pacedChurn: updates };
    const streams = prepareStreams(["table", "churn"], console.error, scale);
    // Of two streams, each of which changes what the other one has announced.
    const names = ["table.updates", "churn.updates", "churn-paced.updates"];
    const files = names.map((name) => join(streams, name));
    const peers = Array.from({ length: 1 + RECEIVERS }, (_, i): Peer => {
      const address = `10.99.1.${1 + i}`;
      const side = { address, as: FIRST_AS + i, win: 0, receives: i > 0 };
      return { ...side, name: i === 0 ? "in" : `out${i}`, files: i === 0 ? files : [] };
    });
    namespaces.make(
      DAEMON_ADDRESS,
      peers.map(({ address }) => address),
    );
    const mirrors = { cluster: "bench-mirrors", listen: join(directory, "mirrors.sock") };
    const defaults = { passive: true, "route-server-client": true, "enforce-first-as": false };
    const neighbors = peers.map(({ address, as }) => ({ address, as }));
    this.server = this.start("server", "run", {
      ...{ router: { as: DAEMON_AS, id: DAEMON_ADDRESS }, listen: [DAEMON_ADDRESS], mirrors },
      control: { socket: this.socketOf("server") },
      defaults: { ...defaults, "hold-time": 240, import: "accept-all", export: "accept-all" },
      neighbors,
    });
    this.load = new Load(buildLoad(directory), namespaces.load, peers, directory);
    await this.load.expect("ready", SECONDS_MAX, "the load generator does not begin");
    this.load.command("connect");
    await this.load.expect("up", SECONDS_MAX, "the sessions do not come up");
    this.load.command("send in 0");
    await this.load.quiet(3, SECONDS_MAX);
  }

  /** @param ages - how old what the mirror shows is, in ms: added to; null without a mirror */
  async turn(ages: number[] | null): Promise<Turn> {
    const mirror = ages === null ? null : this.start("mirror", "mirror", this.mirrorConfig());
    if (mirror !== null) await this.follows();
    if (this.rate > 0) this.load!.command(`send in ${mirror === null ? 1 : 2} ${this.rate}`);
    await sleep(SETTLE_MS);
    const before = [runMs(this.server), runMs(mirror)];
    const endMs = performance.now() + TURN_MS;
    while (performance.now() < endMs) {
      const age = mirror === null ? null : this.following()?.age_ms;
      if (typeof age === "number") ages!.push(age);
      await sleep(Math.min(LOOK_MS, Math.max(0, endMs - performance.now())));
    }
    const after = [runMs(this.server), runMs(mirror)];
    const [serverMs = 0, mirrorMs = 0] = after.map((ms, i) => ms - before[i]!);
    if (mirror !== null) await end(mirror);
    await sleep(SETTLE_MS);
    await this.load!.quiet(1, SECONDS_MAX);
    const what = mirror === null ? "alone" : `with a mirror, which takes ${percent(mirrorMs)}`;
    console.error(`speaker ${what}: ${percent(serverMs)}`);
    return { serverMs, mirrorMs };
  }

  get serverMb(): number {
    return usageOf(sessionPids(this.server!.pid!)).peakRssMb;
  }

  async finish(): Promise<void> {
    this.load?.close();
    await Promise.all(this.processes.map(end));
    this.namespaces.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private mirrorConfig(): object {
    const servers = join(this.directory, "mirrors.sock");
    return {
      follow: { cluster: "bench-mirrors", self: "m", servers },
      control: { socket: this.socketOf("mirror") },
    };
  }

  private start(name: string, command: string, config: object): ChildProcess {
    const file = join(this.directory, `${name}.yaml`);
    writeFileSync(file, JSON.stringify(config));
    const argv = ["netns", "exec", this.namespaces.daemon, process.execPath, TSBGP];
    const child = spawn("ip", [...argv, command, "-c", file], {
      ...{ detached: true, stdio: ["ignore", "ignore", "inherit"] },
    });
    this.processes.push(child);
    return child;
  }

  private socketOf(name: string): string {
    return join(this.directory, `${name}.control`);
  }

  private following(): {
    readonly state: string;
    readonly age_ms: number | null;
    readonly reason: string;
  } | null {
    const words = [TSBGP, "show", "mirrors", "--json", "-s", this.socketOf("mirror")];
    const { status, stdout } = spawnSync(process.execPath, words, { encoding: "utf8" });
    return status === 0 ? JSON.parse(stdout).following : null;
  }

  private async follows(): Promise<void> {
    const endMs = performance.now() + 1000 * SECONDS_MAX;
    let following = this.following();
    while (performance.now() < endMs) {
      if (following?.state === "following" && following.age_ms !== null) return;
      await sleep(LOOK_MS);
      following = this.following();
    }
    throw new RunError(`the mirror does not follow: ${following?.reason ?? "it does not answer"}`);
  }
}

function runMs(child: ChildProcess | null): number {
  return child === null ? 0 : runMsOf(sessionPids(child.pid!));
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  for (const pid of sessionPids(child.pid!)) process.kill(pid, "SIGKILL");
  await exited;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** @returns processor time as a part of a core */
function percent(ms: number): string {
  return `${((100 * ms) / TURN_MS).toFixed(2)} %`;
}

const rates = process.argv.slice(2).map(Number);
removeLeftovers();
for (const rate of rates.length === 0 ? RATES : rates) {
  const scene = new Scene(rate);
  const turns: { without: Turn; with: Turn }[] = [];
  const ages: number[] = [];
  try {
    await scene.begin();
    for (let k = 0; k < TURNS; k++) {
      turns.push({ without: await scene.turn(null), with: await scene.turn(ages) });
    }
    const [alone, mirrored, mirror] = [
      turns.map((turn) => turn.without.serverMs),
      turns.map((turn) => turn.with.serverMs),
      turns.map((turn) => turn.with.mirrorMs),
    ];
    const more = median(mirrored) - median(alone);
    const sorted = ages.toSorted((a, b) => a - b);
    const oldest = sorted[Math.floor(0.99 * (sorted.length - 1))]!;
    console.log(`${rate} updates a second, medians of ${TURNS} turns of ${TURN_MS / 1000} s each`);
    console.log(`  speaker alone ${percent(median(alone))} of a core (${alone.map(percent)})`);
    console.log(`  with a mirror ${percent(median(mirrored))} (${mirrored.map(percent)})`);
    console.log(`  so the mirror takes ${((100 * more) / median(alone)).toFixed(1)} % more`);
    console.log(
      `  the mirror    ${percent(median(mirror))}; speaker ${scene.serverMb.toFixed(0)} MB`,
    );
    console.log(`  age ${median(ages)} ms (median), ${oldest} ms (99 %)`);
  } finally {
    await scene.finish();
  }
}
