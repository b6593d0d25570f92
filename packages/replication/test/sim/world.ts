/** A pair, its peers, the net between them, and what befalls them: one run of the simulator. */

import type { Config } from "@ts-bgp/config";
import { configOf, yamlOf } from "../../../../testkit/router.ts";
import type { AnyRecord } from "../../src/index.ts";
import { difference } from "../difference.ts";
import { Arbiter, otherOf, SIDES } from "./arbiter.ts";
import { Chance } from "./chance.ts";
import { Checks } from "./checks.ts";
import { Clock } from "./clock.ts";
import { befall } from "./faults.ts";
import { type LinkEnd, linkOf } from "./link.ts";
import { BgpPeer, HOLD_SECONDS, type Place } from "./peer.ts";
import { Process } from "./process.ts";
import type { Sabotage } from "./sabotage.ts";
import { type End, HostTcp, type Net, PeerTcp, type Segment } from "./tcp.ts";

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  /** What the run was worth. */
  readonly declared: number;
  readonly takeovers: number;
  readonly begins: number;
  readonly resumes: number;
  readonly resets: number;
  /** Brackets in which a standby came to other outputs. */
  readonly deviations: number;
  readonly events: number;
}

/** Churn and faults end then. */
const TROUBLE_MS = 600;
/** What everything takes to be well again. */
const SETTLE_MS = 6000;

const configs: Map<string, Config> = new Map();

function configFor(listens: readonly boolean[], hiding: boolean, variant: number): Config {
  const key = JSON.stringify([listens, hiding, variant]);
  let config = configs.get(key);
  if (config === undefined) {
    const neighbors = listens.map(
      (listening, i) =>
        `  - { address: 192.0.2.${i + 1}, as: ${65001 + i}, passive: ${!listening} }`,
    );
    config = configOf(
      yamlOf(`
defaults: { route-server-client: true, path-hiding: ${hiding ? "mitigate" : "off"}, hold-time: ${HOLD_SECONDS},
  import: ${variant === 0 ? "accept-all" : "all"}, export: accept-all, connect-retry: 1 }
neighbors:
${neighbors.join("\n")}
policies:
  all: [{ name: all, then: accept }]
`),
    );
    configs.set(key, config);
  }
  return config;
}

export class World implements Net, Place {
  readonly seed: number;
  readonly clock: Clock = new Clock();
  readonly chance: Chance;
  readonly arbiter: Arbiter;
  readonly checks: Checks;
  readonly net: Net = this;
  readonly peers: BgpPeer[];
  readonly config: Config;
  readonly isShadowed: boolean;
  /** Octets of brackets that may be under way. With 1, a standby has none as long as it has any to run. */
  readonly windowOctets: number;
  /** There is more than one way between the sides. */
  readonly hasWays: boolean;
  readonly sabotage: Sabotage | null;
  /** One side runs another program. */
  readonly hasOther: boolean;
  /** Brackets in which a standby came to other outputs. */
  deviations = 0;
  readonly endpoints: Map<number, PeerTcp> = new Map();
  readonly trace: (line: () => string) => void;
  lossOneIn = 0;
  /** Nothing more befalls anybody. */
  isQuiet = false;
  declared = 0;
  takeovers = 0;
  begins = 0;
  /** Links that took the place of others. */
  resumes = 0;
  private readonly listens: boolean[];
  private readonly mitigates: boolean;
  private readonly processes: Map<string, Process> = new Map();
  private serving: Process | null = null;
  private starts = 0;

  constructor(
    seed: number,
    sabotage: Sabotage | null,
    trace: ((line: string) => void) | null,
    hasOther = false,
  ) {
    this.seed = seed;
    this.sabotage = sabotage;
    this.hasOther = hasOther;
    this.trace = (line) => trace?.(`${this.clock.nowMs.toFixed(1).padStart(8)}  ${line()}`);
    this.chance = new Chance(seed);
    const { chance, clock } = this;
    this.windowOctets = chance.pick([1 << 20, 1 << 20, 300, 1]);
    this.hasWays = !chance.oneIn(3);
    this.isShadowed = seed % 4 === 0 && !hasOther;
    this.checks = new Checks(this);
    this.arbiter = new Arbiter(chance.pick(["kill", "lease"] as const), clock, chance);
    this.arbiter.kill = (actor) => this.kill(actor as Process);
    sabotage?.arbiter?.(this.arbiter);
    this.arbiter.naming = (side) => this.checks.naming(this.processes.get(side)!);
    this.listens = Array.from({ length: chance.int(2, 3) }, () => chance.oneIn(3));
    this.mitigates = chance.oneIn(2);
    this.config = this.configOf(0);
    this.peers = this.listens.map((listens, i) => new BgpPeer(this, i, listens));
    for (const side of SIDES) this.start(side);
    this.lossOneIn = chance.pick([0, 0, 0, 10]);
    for (let n = chance.int(1, 4); n > 0; n--) {
      clock.after(chance.int(40, TROUBLE_MS), null, () => befall(this));
    }
    this.churn();
  }

  /** A configuration; other variants say the same in other words. */
  configOf(variant: number): Config {
    return configFor(this.listens, this.mitigates, variant);
  }

  violation(what: string): void {
    this.checks.violation(what);
  }

  run(): Outcome {
    const { clock, checks } = this;
    clock.runTo(TROUBLE_MS);
    this.heal();
    const endMs = TROUBLE_MS + SETTLE_MS;
    let wrong = this.whatIsWrong();
    while (wrong !== null && clock.nowMs < endMs && !clock.isStopped) {
      clock.runTo(clock.nowMs + 20);
      wrong = this.whatIsWrong();
    }
    if (wrong !== null && !clock.isStopped) checks.violation(`never well again: ${wrong}`);
    const { seed, declared, takeovers, begins, resumes, deviations } = this;
    const resets = this.peers.reduce((sum, peer) => sum + peer.resets, 0);
    const { violations } = checks;
    const counts = { declared, takeovers, begins, resumes, resets, deviations };
    return { seed, violations, ...counts, events: clock.count };
  }

  // What segments go through.

  register(endpoint: PeerTcp): number {
    const number = this.endpoints.size + 1;
    this.endpoints.set(number, endpoint);
    return number;
  }

  toHost(from: PeerTcp, segment: Segment): void {
    // A peer that is gone for good says so once: nobody would ever know.
    this.carry(from, !segment.rst, () => {
      const process = this.serving;
      if (process === null || process.isDead) return;
      const { kernel } = process;
      const socket = kernel.sockets.get(from);
      if (socket !== undefined && !socket.isGone) socket.segment(segment);
      else if (!segment.rst && !kernel.isTakingOver && kernel.letsOut) {
        const reset = new HostTcp(
          this,
          kernel,
          from,
          segment.seq + segment.octets.length,
          segment.ack,
        );
        reset.isProtected = false;
        reset.reset();
      }
    });
  }

  toPeer(from: HostTcp, segment: Segment): void {
    this.checks.leaving(from, segment, from.kernel.actor as Process);
    this.carry(from, true, () => from.peer.segment(segment));
  }

  dial(tcp: PeerTcp): void {
    this.carry(tcp, true, () => {
      const process = this.serving;
      if (process === null || process.isDead || process.shell?.isServing !== true) return;
      if (!process.kernel.letsOut) return;
      const socket = new HostTcp(this, process.kernel, tcp, 0, 0);
      process.kernel.sockets.set(tcp, socket);
      this.peers[tcp.peer]!.connected(tcp);
      process.shell.accept(socket);
    });
  }

  /** A connection that our side begins. */
  connect(process: Process, address: string, done: (tcp: HostTcp | null) => void): void {
    const { clock, chance, peers } = this;
    clock.after(chance.int(1, 6), process, () => {
      const peer = peers.find((each) => each.address === address)!;
      if (!peer.listens || !process.kernel.letsOut) {
        done(null);
        return;
      }
      const tcp = new PeerTcp(this, peer.index);
      const socket = new HostTcp(this, process.kernel, tcp, 0, 0);
      process.kernel.sockets.set(tcp, socket);
      peer.connected(tcp);
      clock.after(chance.int(0, 3), process, () => done(socket));
    });
  }

  // What the sides are to each other.

  /** Segments for our address come to a process from now on. */
  serve(process: Process): void {
    this.serving = process;
  }

  /** @returns the process of the other side, when it is alive and active */
  activeOf(process: Process): Process | null {
    const other = this.processes.get(process.side === "a" ? "b" : "a");
    return other === undefined || other.isDead || other.shell === null ? null : other;
  }

  /** Whether a side has all that a takeover needs. */
  couldTakeOver(side: string): boolean {
    const process = this.processes.get(side);
    return process?.isDead === false && process.standby?.follows != null;
  }

  /** Whether an active lets a standby join. */
  mayJoin(active: Process): boolean {
    const { shell } = active;
    return shell?.isServing === true && shell.active.state === "alone" && !active.isPaused;
  }

  /** A standby comes to an active that may have it. */
  join(standby: Process, active: Process): void {
    const shell = active.shell!;
    const { clock, chance } = this;
    const [here, there] = linkOf(active, standby, clock, chance);
    this.accept(active, here);
    standby.follow(there);
    shell.follower = standby.standby;
    clock.after(0, active, () => {
      if (shell.isOver) return;
      shell.active.join(standby.side, active.nowMs, { wantsOutputs: this.hasOther });
      while (shell.active.pump(standby.side));
    });
  }

  /** A standby that has lost its link comes with another one. @returns its end of that */
  comeBack(standby: Process, active: Process, next: number): LinkEnd {
    const { clock, chance } = this;
    const shell = active.shell!;
    const [here, there] = linkOf(active, standby, clock, chance);
    const { standby: follower } = standby;
    clock.after(chance.int(1, 6) / 2, active, () => {
      const isSame = active.shell === shell && shell.follower === follower && !shell.isOver;
      const frames = isSame ? shell.active.resume(standby.side, next, active.nowMs) : null;
      if (frames === null) {
        here.close();
        return;
      }
      this.trace(() => `${standby.side} comes back: bracket ${next} is next`);
      this.resumes++;
      const before = shell.link;
      this.accept(active, here);
      before?.close();
      for (const frame of frames) here.send(frame);
      shell.schedule();
    });
    return there;
  }

  private narrowed(record: AnyRecord): AnyRecord {
    if (record.record !== "ack") return record;
    const isFull = this.windowOctets === 1 && record.applied < record.number;
    return { ...record, window: isFull ? 0 : this.windowOctets };
  }

  /** The active has a link. */
  private accept(active: Process, here: LinkEnd): void {
    const shell = active.shell!;
    shell.link = here;
    here.app = {
      record: (record) => {
        active.point();
        if (record.record === "handoverTaken") active.heardTaken();
        // Some standbys have little room.
        shell.active.record(otherOf(active.side), this.narrowed(record), active.nowMs);
        shell.schedule();
      },
      idle: () => {},
      closed: () => {
        if (shell.link !== here || shell.isOver) return;
        shell.active.cut(otherOf(active.side), "the link is closed", this.hasWays && !shell.isOver);
        shell.schedule();
      },
    };
  }

  /** The role is about to be offered: at times there is nobody to take it. */
  handingOver(link: LinkEnd | null): void {
    const { standby, chance } = this;
    const what = this.isQuiet ? 0 : chance.int(0, 8);
    if (what === 1) link?.cut();
    else if (what === 2 && standby !== null) this.kill(standby);
    else if (what === 3 && standby !== null) this.pause(standby, 400);
  }

  pause(process: Process, ms: number): void {
    if (process.isPaused) return;
    process.isPaused = true;
    this.clock.after(ms, null, () => process.resume());
  }

  /** Ends a process now; it is started again later. */
  kill(process: Process): void {
    if (process.isDead) return;
    this.trace(() => `${process.side} dies${process.shell === null ? "" : " as the active"}`);
    process.die();
    const restartMs = this.isQuiet ? 20 : this.chance.pick([30, 100, 500, 1200]);
    this.clock.after(restartMs, null, () => this.start(process.side));
  }

  private start(side: string): void {
    if (this.processes.get(side)?.isDead === false) return;
    this.trace(() => `${side} starts`);
    const skewMs = this.chance.pick([0, 0, -700_000, 50_000]);
    this.processes.set(side, new Process(this, side, ++this.starts, skewMs));
  }

  private carry(from: End, mayBeLost: boolean, act: () => void): void {
    const { chance, clock, lossOneIn } = this;
    if (mayBeLost && lossOneIn > 0 && chance.oneIn(lossOneIn)) return;
    const atMs = clock.nowMs + chance.int(1, 8) / 4;
    // Few segments overtake others.
    if (!chance.oneIn(40)) from.arrivesMs = Math.max(from.arrivesMs, atMs);
    clock.after(Math.max(atMs, chance.oneIn(40) ? 0 : from.arrivesMs) - clock.nowMs, null, act);
  }

  // What befalls them.

  get active(): Process | null {
    for (const process of this.processes.values()) {
      if (!process.isDead && process.shell !== null) return process;
    }
    return null;
  }

  get standby(): Process | null {
    for (const process of this.processes.values()) {
      if (!process.isDead && process.shell === null) return process;
    }
    return null;
  }

  private churn(): void {
    const { chance, clock } = this;
    clock.after(chance.int(5, 160), null, () => {
      if (this.isQuiet) return;
      chance.pick(this.peers).churn();
      this.churn();
    });
  }

  // How it ends.

  private heal(): void {
    this.isQuiet = true;
    this.lossOneIn = 0;
    this.arbiter.away.clear();
    for (const process of this.processes.values()) {
      process.fuse = Number.POSITIVE_INFINITY;
      if (process.isPaused && !process.isDead) process.resume();
    }
    for (const side of SIDES) this.start(side);
  }

  /** @returns what is not as an undisturbed run leaves it, null when nothing is */
  private whatIsWrong(): string | null {
    const { active, standby } = this;
    const shell = active?.shell;
    if (active == null || shell == null) return "no side is active";
    if (shell.active.state !== "declared") return `the active is ${shell.active.state}`;
    for (const peer of this.peers) {
      if (!peer.isUp) return `peer ${peer.index} has no session`;
      const seen = JSON.stringify(peer.table);
      const expected = JSON.stringify(this.expected(peer));
      if (seen !== expected) return `peer ${peer.index} has ${seen} in place of ${expected}`;
    }
    const follower = standby?.standby;
    if (follower?.follows == null) return "nobody follows";
    const isLevel =
      !shell.isDirty && follower.applied === shell.active.number && follower.behind.brackets === 0;
    if (!isLevel) return "the standby is behind";
    // What the two would do next is not the same.
    return this.hasOther ? null : difference(shell.journal.machine, follower.follows);
  }

  /** What a peer should have: of each prefix the shortest path of another one. */
  private expected(peer: BgpPeer): Record<string, string> {
    const routes: [string, string][] = [];
    const prefixes = new Set(this.peers.flatMap((each) => [...each.routes.keys()]));
    for (const prefix of [...prefixes].sort()) {
      const paths = this.peers
        .filter((each) => each.routes.has(prefix) && (each !== peer || !this.mitigates))
        .map((each) => ({ each, ...each.routes.get(prefix)! }))
        .sort((a, b) => a.path.length - b.path.length);
      const best = paths[0];
      if (best === undefined || best.each === peer) continue;
      routes.push([prefix, `${best.path.join(" ")} ${best.version}`]);
    }
    return Object.fromEntries(routes);
  }
}

/** Runs a seed. @param hasOther - one side runs another program */
export function simulate(
  seed: number,
  sabotage: Sabotage | null = null,
  trace: ((line: string) => void) | null = null,
  hasOther = false,
): Outcome {
  return new World(seed, sabotage, trace, hasOther).run();
}
