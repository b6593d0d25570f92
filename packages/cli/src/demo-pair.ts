/**
 * The pair of `tsbgp demo`: two `tsbgp run`, the sample clients, and what a kill does to them.
 *
 * It runs in a network namespace of its own; what it answers to the world outside goes through sockets
 * with pathnames, which do not belong to namespaces.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ControlRequest } from "@ts-bgp/daemon";
import type { ShownNsr } from "@ts-bgp/nsr";
import { ask } from "./control-client.ts";
import { listenForRequests } from "./control-relay.ts";
import { type DemoSide, httpSocketOf, sidesIn, writeSideFiles } from "./demo-files.ts";
import { TrafficProbe } from "./demo-probe.ts";
import {
  disturbance,
  type Look,
  SAMPLE_ROUTES,
  type SampleClient,
  startClients,
  viewLines,
} from "./sample-clients.ts";

/** What is done to the active side. */
export type Blow = "kill" | "switchover";

export interface DemoPairOptions {
  /** The configuration, and the port it listens on. */
  readonly file: string;
  readonly port: number;
  /** Where the control socket of a single speaker would be: the active side answers there. */
  readonly control: string;
  /** For the files of the pair; there is nothing else in it. */
  readonly folder: string;
  readonly print: (line: string) => void;
}

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
/** Long, for a machine that is busy with other things. */
const READY_MS = 60_000;
const TAKEOVER_MS = 20_000;
const STOP_MS = 3000;
const POLL_MS = 20;
/** Commands for which the sides have files as the one that was given. */
const READS_FILES: ReadonlySet<string> = new Set(["reload", "what-if"]);
/** Traffic goes on for so long after a takeover. */
const AFTERWARDS_MS = 500;
/** What the first client announces once the other side is active. */
const LATER = { prefix: "11.8.0.0/16", path: [] } as const;
const LATER_MS = 5000;

export class DemoPair {
  private readonly options: DemoPairOptions;
  private readonly sides: readonly DemoSide[];
  private readonly processes: Map<DemoSide, ChildProcess> = new Map();
  private stopControl: () => void = () => {};
  private clients: SampleClient[] = [];
  /** Whether a side that ends is somebody else's doing. */
  private isQuiet = false;
  private isEnding = false;
  /** Why a side ended by itself; empty while none has. */
  private failure = "";

  constructor(options: DemoPairOptions) {
    this.options = options;
    this.sides = sidesIn(options.folder, options.file);
  }

  /** Resolves when the standby can take over; rejects with the reason when that cannot be. */
  async start(): Promise<void> {
    const { sides, options } = this;
    writeSideFiles(sides, options.file);
    // One after the other, so that the first one is the active one.
    for (const side of sides) {
      this.run(side);
      await this.until(async () => (await this.status(side)) !== null, "a process answers");
      if (side === sides[0]) await this.until(() => this.isActive(side), "a process is active");
    }
    this.clients = await startClients(options.port, options.folder);
    await this.untilReady();
    await this.until(async () => (await this.routesAt()) >= SAMPLE_ROUTES, "all routes are there");
    this.stopControl = await listenForRequests(options.control, (request, item) =>
      this.relay(request, item),
    );
    this.relayHttp();
  }

  /** @returns the processes and what the clients see, as lines */
  async lines(): Promise<string[]> {
    const active = await this.activeSide();
    const about = this.sides.map((side) => {
      const role = side === active ? "active" : "standby, follows every step and can take over";
      return `  ${side.name}, process ${this.processes.get(side)?.pid}: ${role}`;
    });
    return [...about, "", ...viewLines([this.look("")])];
  }

  /**
   * Has the standby take over while the first client announces all the time, shows what the clients
   * saw of it, and has a standby again.
   *
   * @returns whether they were undisturbed
   */
  async strike(blow: Blow): Promise<boolean> {
    this.isQuiet = true;
    try {
      const found = await this.strikeQuietly(blow);
      await this.recover();
      return found.length === 0;
    } finally {
      this.isQuiet = false;
    }
  }

  /** @returns how clients were disturbed, for people */
  private async strikeQuietly(blow: Blow): Promise<string[]> {
    const { print } = this.options;
    const active = await this.activeSide();
    const next = this.sides.find((side) => side !== active)!;
    const [from, to] = this.clients as [SampleClient, SampleClient];
    const before = this.look("before");
    const probe = new TrafficProbe(from, to);
    const found = (await probe.flows()) ? [] : [`nothing of ${from.address} reaches ${to.address}`];
    const struckMs = performance.now();
    try {
      await this.hit(blow, active, next);
      await delay(AFTERWARDS_MS);
    } catch (error) {
      found.push((error as Error).message);
    }
    const { silenceMs, isWhole } = await probe.end(struckMs);
    if (!isWhole) found.push(`${to.address} did not get all that ${from.address} announced`);
    const laterMs = await this.announceLater(from, to);
    if (laterMs === null) found.push(`a new route of ${from.address} does not reach ${to.address}`);
    const after = this.look("after");
    for (const [k, view] of after.views.entries()) {
      found.push(...disturbance(before.views[k]!, view));
    }
    for (const line of ["", ...viewLines([before, after]), ""]) print(line);
    const last = (await this.status(next))?.last_switchover ?? null;
    if (last !== null) {
      print(`${next.name} took over ${last.resumed} connections in ${last.ms.total} ms.`);
      for (const { address, cause } of last.lost) found.push(`${address}: ${cause}`);
    }
    const hitless = "UNDISTURBED: the same sessions, no OPEN, no NOTIFICATION, every route.";
    print(found.length === 0 ? hitless : `DISTURBED: ${found.join(", ")}`);
    if (silenceMs !== null) {
      const pace = `while ${from.address} announced every ${TrafficProbe.intervalMs} ms`;
      print(`Longest silence at ${to.address}: ${silenceMs.toFixed(0)} ms, ${pace}.`);
    }
    if (laterMs !== null) {
      print(`A route announced after that was at the other client in ${laterMs.toFixed(0)} ms.`);
    }
    return found;
  }

  /** Resolves when the other side is active. */
  private async hit(blow: Blow, active: DemoSide, next: DemoSide): Promise<void> {
    const { print } = this.options;
    if (blow === "kill") {
      print(`kill -9 ${this.pidOf(active)}: the active process, ${active.name}`);
      this.processes.get(active)!.kill("SIGKILL");
    } else {
      print(`tsbgp switchover: ${active.name} hands over to ${next.name}`);
      await ask(active.socket, { command: "switchover" }, () => {});
    }
    await this.until(() => this.isActive(next), `${next.name} is active`, TAKEOVER_MS);
  }

  /** Ends everything; takes some seconds at most. */
  async end(): Promise<void> {
    this.isEnding = true;
    this.stopControl();
    await Promise.all(this.clients.map((client) => client.end()));
    const active = await this.activeNow();
    // The standby first: an active side that stops would hand over to it.
    const order = this.sides.filter((side) => side !== active);
    if (active !== null) order.push(active);
    for (const side of order) await this.stop(side);
  }

  private async stop(side: DemoSide): Promise<void> {
    const child = this.processes.get(side);
    if (child === undefined || !isRunning(child)) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await Promise.race([ended, delay(STOP_MS, null, { ref: false })]);
    child.kill("SIGKILL");
  }

  /** Starts what does not run; resolves when the standby can take over. */
  private async recover(): Promise<void> {
    const began = performance.now();
    const dead = this.sides.filter((side) => !isRunning(this.processes.get(side)!));
    for (const side of dead) this.run(side);
    await this.untilReady();
    const active = await this.activeSide();
    const standby = this.sides.find((side) => side !== active)!;
    const how = dead.length === 0 ? "follows" : `was started again as ${this.pidOf(standby)}`;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    this.options.print(`${standby.name} ${how}, and can take over after ${seconds} s.`);
  }

  private pidOf(side: DemoSide): number {
    return this.processes.get(side)?.pid ?? 0;
  }

  /** @returns after how many milliseconds a new route was at the other client; null for never */
  private async announceLater(from: SampleClient, to: SampleClient): Promise<number | null> {
    const began = performance.now();
    const reached = new Promise<number | null>((resolve) => {
      to.heard = (prefix) => {
        if (prefix === LATER.prefix) resolve(performance.now() - began);
      };
    });
    from.announce(LATER);
    const ms = await Promise.race([reached, delay(LATER_MS, null, { ref: false })]);
    from.withdraw(LATER.prefix);
    const endMs = performance.now() + LATER_MS;
    while (to.has(LATER.prefix) && performance.now() < endMs) await delay(POLL_MS);
    return ms;
  }

  private look(when: string): Look {
    return { when, atMs: Date.now(), views: this.clients.map((client) => client.view()) };
  }

  private run(side: DemoSide): void {
    const log = openSync(side.log, "a");
    // With the process that this is ends everything that it has started.
    const words = ["--pdeathsig", "KILL", process.execPath, MAIN, "run", "-c", side.file];
    const child = spawn("setpriv", words, { stdio: ["ignore", log, log], detached: true });
    closeSync(log);
    this.processes.set(side, child);
    child.on("error", (error) => {
      this.failure = `setpriv (util-linux): ${error.message}`;
    });
    child.on("exit", (code, signal) => {
      if (this.isEnding || this.processes.get(side) !== child) return;
      if (code !== null) this.failure = `process ${side.name} ended: ${reasonIn(side.log)}`;
      else if (!this.isQuiet) void this.killedByOthers(side, signal!);
    });
  }

  private async killedByOthers(side: DemoSide, signal: NodeJS.Signals): Promise<void> {
    const { print } = this.options;
    print(`${side.name} was ended by ${signal}.`);
    try {
      await this.until(async () => (await this.activeNow()) !== null, "the other one is active");
      for (const line of viewLines([this.look("")])) print(line);
      await this.recover();
    } catch (error) {
      print((error as Error).message);
    }
  }

  private async untilReady(): Promise<void> {
    let reason = "";
    const { length } = this.clients;
    await this.until(
      async () => {
        const all = await Promise.all(this.sides.map((side) => this.status(side)));
        const simplex = all.find((status) => status?.role === "simplex");
        if (simplex !== undefined) this.failure = simplex!.reason;
        const active = all.find((status) => status?.role === "active");
        reason = active?.reason ?? "";
        return active?.ready === true && active.sessions === length && active.protected === length;
      },
      () => `the standby is ready (${reason || "sessions are not protected"})`,
    );
  }

  /** Waits; rejects when the time is over, or a side has ended by itself. */
  private async until(
    check: () => boolean | Promise<boolean>,
    what: string | (() => string),
    ms = READY_MS,
  ): Promise<void> {
    const endMs = performance.now() + ms;
    while (!(await check())) {
      if (this.failure !== "") throw new Error(this.failure);
      if (performance.now() > endMs) {
        throw new Error(`not within ${ms / 1000} s: ${typeof what === "string" ? what : what()}`);
      }
      await delay(POLL_MS);
    }
  }

  /** @returns null when it does not answer */
  private async status(side: DemoSide): Promise<ShownNsr | null> {
    let shown: ShownNsr | null = null;
    try {
      await ask(side.socket, { command: "show-nsr" }, (item) => {
        shown = item as ShownNsr;
      });
    } catch {
      return null;
    }
    return shown;
  }

  private async isActive(side: DemoSide): Promise<boolean> {
    const status = await this.status(side);
    if (status?.role === "simplex") throw new Error(status.reason);
    return status?.role === "active";
  }

  private async activeNow(): Promise<DemoSide | null> {
    const all = await Promise.all(this.sides.map((side) => this.status(side)));
    return this.sides.find((_, k) => all[k]?.role === "active") ?? null;
  }

  /** Waits for one while roles change. */
  private async activeSide(): Promise<DemoSide> {
    let active: DemoSide | null = null;
    const look = async () => {
      active = await this.activeNow();
      return active !== null;
    };
    await this.until(look, "a process is active", TAKEOVER_MS);
    return active!;
  }

  /** Paths that the active side has. */
  private async routesAt(): Promise<number> {
    let count = 0;
    const { socket } = await this.activeSide();
    await ask(socket, { command: "show-neighbors" }, (item) => {
      const { families } = item as { families: readonly { received: number }[] };
      for (const { received } of families) count += received;
    });
    return count;
  }

  /** Has the active side answer, whichever it is. */
  private async relay(request: ControlRequest, item: (value: unknown) => void) {
    const { file } = this.options;
    try {
      if (READS_FILES.has(request.command)) writeSideFiles(this.sides, file);
      return await ask((await this.activeSide()).socket, request, item);
    } catch (error) {
      let { message } = error as Error;
      for (const side of this.sides) message = message.replaceAll(side.file, file);
      throw new Error(message);
    }
  }

  /** Has the active side answer to HTTP, whichever it is. */
  private relayHttp(): void {
    const server = net.createServer(async (client) => {
      client.on("error", () => client.destroy());
      const active = await this.activeSide().catch(() => null);
      if (active === null) {
        client.destroy();
        return;
      }
      const speaker = net.connect(active.httpPort, "127.0.0.1");
      speaker.on("error", () => client.destroy());
      client.pipe(speaker).pipe(client);
    });
    server.listen(httpSocketOf(this.options.folder));
    server.unref();
  }
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** @returns why a process ended, from its log */
function reasonIn(file: string): string {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.findLast((line) => /^tsbgp: |Error: /.test(line)) ?? lines.at(-1)!;
}
