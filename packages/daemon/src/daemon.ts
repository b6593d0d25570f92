/** The speaker as a daemon: configuration file, log, control socket, metrics, signals. */

import { readFile } from "node:fs/promises";
import { type Config, type ConfigDiff, changedSections, reloadRefusal } from "@ts-bgp/config";
import { createArbiter, limitsOf, newStream, Pair, type ShownNsr, showNsr } from "@ts-bgp/nsr";
import { makePrivateFolder } from "@ts-bgp/nsr/private-folder";
import { type ConfigAbout, Machine } from "@ts-bgp/replication";
import { Bfd, beginAlone, type Crash, Held, nowMs, Speaker } from "@ts-bgp/speaker";
import { apiSources, healthOf } from "./api-sources.ts";
import { type TrialOptions, wantedOf } from "./canary.ts";
import { type Changes, changesOf, readChanges } from "./changes.ts";
import { controlHandler, type Served } from "./commands.ts";
import { mistakesOf, readConfigFile, readConfigFileApart } from "./config-file.ts";
import { ConfigTrials } from "./config-trials.ts";
import { ControlError, type ControlHandler, ControlServer } from "./control.ts";
import { crashNotes } from "./crash-notes.ts";
import { endProcess, faultsTo } from "./fault.ts";
import { giveBack } from "./give-back.ts";
import { History, NO_HISTORY } from "./history.ts";
import { HttpService, hooksTo, isMoved } from "./http.ts";
import { differences, type Inherited, inheritedBy, undoRefusal } from "./inherited.ts";
import { type Log, openLog } from "./logging.ts";
import { Collector } from "./metrics.ts";
import { nsrMetrics, SwitchoverTotals } from "./nsr-metrics.ts";
import { Observers } from "./observers.ts";
import { type OwnSections, ownSections, standbySections, standbyTexts } from "./own-sections.ts";
import { crashFileOf, heldFileOf, nameOf } from "./places.ts";
import { ServiceManager } from "./service-manager.ts";
import { standIn } from "./stand-in.ts";
import { statusText } from "./status-text.ts";
import { askWhatIf, type WhatIfQuestion } from "./what-if.ts";

export interface DaemonOptions {
  /** Configuration file; read again on reload. */
  readonly file: string;
  readonly version: string;
  /** Name of this side of a pair, in place of that of the file. */
  readonly nsrSelf?: string;
  /** Stands in each line of the log; null for none. */
  readonly logName?: string | null;
}

/** What peers are told on a stop. */
const STOP_TEXT = "speaker is stopped";
/** So often it is looked who is held down. */
const HELD_LOOK_MS = 500;
const BY_SIGNAL: ConfigAbout = { by: "SIGHUP", how: "reload", trySeconds: null };

export class Daemon {
  readonly log: Log;
  /** Null where nothing can be noted, and before the start. */
  private crash: Crash | null = null;
  private readonly held: Held;
  private readonly bfd: Bfd;
  private heldLooks: NodeJS.Timeout | undefined;
  /** With a section `nsr`. */
  private readonly pair: Pair | null;
  /** Without one. */
  private readonly alone: Speaker | null;
  /** What is shown while there is nothing to show; made when it is. */
  private idle: Machine | null = null;
  private readonly options: DaemonOptions;
  private readonly startedMs = nowMs();
  /** The configuration in force. */
  config: Config;
  private control: ControlServer | null = null;
  private http: HttpService | null = null;
  /** From the first time that HTTP is served: it watches the event loop. */
  private collector: Collector | null = null;
  /** Likewise. */
  private history: History | null = null;
  /** What an operator asks, over whatever. */
  private readonly handler: ControlHandler;
  private readonly manager: ServiceManager;
  private readonly observers: Observers;
  private readonly switchovers: SwitchoverTotals = new SwitchoverTotals();
  private isStopping = false;
  /** It stops in order to come back: peers may keep its routes. */
  private isRestart = false;
  /** When what is in force was read. */
  private configuredMs = this.startedMs;
  private lastReload: { ok: boolean; atMs: number };
  /** Reloads are done one after the other. */
  private reloading: Promise<unknown> = Promise.resolve();
  private readonly trials: ConfigTrials;
  /** Null while all that is in force is from the file, or equal to it. */
  private inherited: Inherited | null = null;

  /** Throws as `readConfigFile` does. */
  constructor(options: DaemonOptions) {
    this.options = options;
    const { config, warnings } = readConfigFile(options.file, undefined, {
      nsrSelf: options.nsrSelf ?? "",
    });
    this.config = config;
    this.lastReload = { ok: true, atMs: this.startedMs };
    this.log = openLog(config.log, options.logName ?? null);
    this.warn(config, warnings);
    this.observers = new Observers(this.log, {
      version: options.version,
      router: () => this.served().router,
      shownNsr: () => this.shownNsr(),
      answer: (...asked) => this.handler(...asked),
    });
    this.trials = new ConfigTrials({
      ...{ file: options.file, log: this.log, speaker: () => this.active },
      history: () => this.machine?.history ?? null,
      ...{ config: () => this.config, own: () => this.own },
      apply: (next, octets, about) => this.apply(next, octets, about),
      inTurn: (work) => this.inTurn(work),
    });
    this.handler = controlHandler({
      served: () => this.served(),
      showNsr: () => this.shownNsr(),
      showFollowers: () => this.observers.followers.shown,
      cluster: this.observers.cluster,
      showMirrors: () => ({ serving: this.observers.mirrors.shown, following: null }),
      record: this.observers.record,
      showHistory: () => this.history?.show() ?? NO_HISTORY,
      switchOver: async (to) => {
        if (this.pair === null) throw new Error("the configuration has no section nsr");
        return this.pair.handOver(to);
      },
      reload: (force, about) => this.reload(force, about),
      tryReload: (force, options) => this.tryReload(force, options),
      trials: this.trials,
      whatIf: (file, rest) => this.whatIf({ ...rest, file: file ?? options.file }),
      stop: (isRestart) => this.stopSoon(isRestart),
      version: options.version,
      startedMs: this.startedMs,
      feeds: this.observers.feeds,
      configuredMs: () => this.configuredMs,
    });
    this.manager = new ServiceManager(process.env, () => statusText(this.shownNsr()));
    const { nsr } = config;
    const heldFile = heldFileOf(config);
    const warn = (text: string) => this.log.say("warn", "quarantine-file", `${heldFile} ${text}`);
    this.held = new Held(heldFile, warn);
    this.bfd = new Bfd(this.log.event, (error) => this.fail(error));
    this.alone =
      nsr === null ? Speaker.fresh(config, { log: this.log.event, stream: newStream() }) : null;
    // That of the speaker is another value, and there need not be two.
    if (this.alone !== null) this.config = { ...this.alone.router.tables.config, ...this.own };
    this.pair =
      nsr === null
        ? null
        : new Pair({
            ...{ config, name: nameOf(nsr, options) },
            crash: () => this.crash,
            ...{ held: this.held, bfd: this.bfd },
            crashFile: (side) => crashFileOf(config, side),
            software: options.version,
            arbiter: createArbiter(nsr),
            log: this.log.event,
            changed: () => this.roleChanged(this.pair!),
            waits: () => this.control?.publish(),
          });
    giveBack();
  }

  private get own(): OwnSections {
    return ownSections(this.config);
  }

  /** The speaker when this side is active. */
  get speaker(): Speaker | null {
    return this.alone ?? this.pair?.speaker ?? null;
  }

  /** The speaker while this side has the role: while it takes over, it has a speaker, and not yet the role. */
  private get active(): Speaker | null {
    return this.pair === null || this.pair.role === "active" ? this.speaker : null;
  }

  /** What this side has of the state; null for nothing. */
  private get machine(): Machine | null {
    return this.speaker?.journal.machine ?? this.pair?.standbySide?.machine ?? null;
  }

  /** Rejects when an address or the control socket cannot be had. */
  async start(): Promise<void> {
    const { options, config, log } = this;
    // What may fail comes first; who finds the socket can rely on the BGP ports, unless this side waits.
    this.control = this.controlServer(config.control.socket);
    await this.control.prepare();
    // No other process of this side runs, whose notes it could take away.
    this.crash = crashNotes(config, options.nsrSelf ?? null, log);
    try {
      if (this.isStopping) return this.closeServers();
      if (config.nsr?.arbiter.kind === "local") makePrivateFolder(config.nsr.arbiter.file);
      // Before there is a role to lose: a side that waits for one says so.
      this.http = await this.listenHttp(config.http);
      await this.observers.configure(config, config);
      if (this.isStopping) return this.closeServers();
      await Promise.all([this.pair?.start(), this.alone?.start()]);
      if (this.isStopping) return;
      if (this.alone !== null) {
        beginAlone(this.alone, this.held, this.crash, this.bfd);
        this.tellObservers(this.alone);
      }
      this.heldLooks = setInterval(() => {
        this.lookForHeld();
        this.trials.look();
        void this.crash?.messages.look();
      }, HELD_LOOK_MS);
      this.control.publish();
    } catch (error) {
      this.closeServers();
      this.crash?.end(false);
      throw error;
    }
    const { as, id } = config.router;
    log.say("info", "started", `AS ${as}, identifier ${id}, ${config.neighbors.length} neighbors`, {
      version: options.version,
      listen: config.listen.map(({ address, port }) => `${address} ${port}`).join(", "),
      control: config.control.socket,
    });
    this.manager.ready();
  }

  /**
   * Reads the configuration file again and applies the difference. A file with mistakes, or with an
   * address, socket or log file that cannot be had, changes nothing. Nor does one that would undo
   * what this side has from the other one, unless it was changed there since the takeover. The log
   * file is opened anew in any case. A standby checks its file, and takes its `cluster` and `followers`.
   *
   * @param force - undo that as well
   * @param about - who wants it, and whether it goes back unless it is confirmed
   * @returns what changed; rejects with a ControlError that has all mistakes
   */
  reload(force = false, about: ConfigAbout = BY_SIGNAL): Promise<Changes> {
    return this.inTurn(() => this.readAndApply(force, about));
  }

  /** Does something that puts a configuration into force, once others are done. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.reloading.then(() => {
      this.manager.reloading();
      return work();
    });
    this.reloading = done.catch(() => {}).then(() => this.manager.reloaded());
    return done;
  }

  /** @returns what a reload would change, or rejects as it would, and changes nothing */
  tryReload(force: boolean, options: TrialOptions): Promise<Changes> {
    const refusal = (next: Config) => this.refusal(next, force);
    const about = { ...BY_SIGNAL, ...options };
    const wanted = (next: Config) => wantedOf(this.config, next, about).config;
    const sources = { config: () => this.config, refusal, wanted };
    const reload = this.reloading.then(() => readChanges(this.options.file, this.speaker, sources));
    this.reloading = reload.catch(() => {});
    return reload;
  }

  private whatIf(question: WhatIfQuestion): ReturnType<typeof askWhatIf> {
    const refusal = (next: Config) => reloadRefusal(this.config, next);
    const state = { machine: () => this.machine, config: () => this.config };
    return askWhatIf(question, { ...state, refusal });
  }

  /** Has the process stop as a signal would, once this was answered. */
  private stopSoon(isRestart: boolean): void {
    this.isRestart = isRestart;
    setImmediate(() => process.kill(process.pid, "SIGTERM"));
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.log.say("info", "stopping", "closing all sessions");
    this.manager.stopping();
    clearInterval(this.heldLooks);
    if (this.heldLooks !== undefined) this.lookForHeld();
    this.closeServers();
    this.observers.mirrors.use(null, null);
    await this.alone?.stop(STOP_TEXT, this.isRestart);
    await this.stopPair();
    await this.observers.stop();
    await this.bfd.exit();
    await Promise.all([this.held.settled(), this.crash?.messages.settled()]);
    this.crash?.end(true);
    this.log.say("info", "stopped", "stopped");
    await this.log.flush();
  }

  /**
   * Nobody knows what state an exception has left: the process ends at once, with the cause in its log, and
   * somebody else goes on.
   */
  fail(error: unknown): never {
    const suspects = this.crash?.noteException() ?? [];
    this.held.writeNow();
    this.pair?.activeSide?.sayLast();
    const addresses = suspects.map(({ address }) => address).join(", ");
    endProcess(this.log, error, addresses === "" ? "" : `, at a message of ${addresses}`);
  }

  /** Where both sides have the same file, it is the active one's. */
  private lookForHeld(): void {
    const { pair, alone, config } = this;
    if (alone !== null) this.held.look(alone.router);
    else if (pair!.role === "active") this.held.look(pair!.speaker!.router);
    else if (pair!.standbySide?.machine && config.nsr!.arbiter.kind !== "local") {
      this.held.look(pair!.standbySide.machine.router);
    }
  }

  /** Says what is strange in a configuration, and what this host has not enough of for it. */
  private warn(config: Config, warnings: readonly string[]): void {
    for (const line of warnings) this.log.say("warn", "config-warning", line);
    for (const lack of limitsOf(config)) this.log.say("warn", "host-limits", lack);
  }

  private closeServers(): void {
    this.control?.close();
    this.http?.close();
  }

  /** What commands and metrics are about. */
  private served(): Served {
    const { speaker } = this;
    if (speaker !== null && !speaker.isSuspended) return speaker;
    // One that gives its role away takes no orders any more.
    if (this.machine !== null) return standIn(this.machine);
    this.idle ??= new Machine(this.config, 0);
    return standIn(this.idle);
  }

  private shownNsr(): ShownNsr {
    return showNsr(this.pair, this.speaker);
  }

  /** Hands over when there is somebody to, so that no peer notices; else ends the sessions. */
  private async stopPair(): Promise<void> {
    const { pair } = this;
    if (pair?.speaker?.active.state === "declared") {
      try {
        await pair.handOverAndStop();
        return;
      } catch (error) {
        this.log.say("warn", "nsr-handover", `no hand-over: ${(error as Error).message}`);
      }
    }
    await pair?.stop(STOP_TEXT, this.isRestart);
  }

  private roleChanged({ role, switchovers, standbySide, speaker }: Pair): void {
    this.switchovers.note(switchovers.last);
    if (speaker !== null) {
      const before = this.config;
      this.config = { ...speaker.router.tables.config, ...this.own };
      const { peer, machine } = standbySide ?? {};
      if (peer && machine?.router === speaker.router) this.inherit(speaker, peer.side);
      else if (differences(before, this.config).length > 0) this.inherited = null;
    }
    this.tellObservers(role === "active" ? speaker : null);
    this.manager.changed();
  }

  private tellObservers(speaker: Speaker | null): void {
    this.observers.use(speaker, this.config, this.pair, this.pair?.epoch ?? 0);
  }

  /** Finds out, before the next reload, how far the file is from what is in force. */
  private inherit(speaker: Speaker, from: string): void {
    const { file } = this.options;
    // As it is now: what is written there later is written by someone who knows of the takeover.
    const text = readFile(file, "utf8").catch(() => undefined);
    // Of a trial for some neighbors it is what comes for all.
    const whole = () => speaker.journal.machine.history.trial?.whole ?? this.config;
    const inForce = () => (this.speaker === speaker ? whole() : null);
    this.reloading = this.reloading.then(async () => {
      this.inherited = null;
      this.inherited = await inheritedBy({ file, text, from, inForce }, this.log);
    });
  }

  private async readAndApply(force: boolean, about: ConfigAbout): Promise<Changes> {
    const { log, options, active: speaker } = this;
    const { file } = options;
    let own: readonly string[] = [];
    try {
      // It may have been moved away, whatever is in the configuration file.
      log.reopen(this.config.log);
      const inForce = speaker?.router.tables.config ?? null;
      const { config, warnings, octets } = await readConfigFileApart(file, { inForce });
      this.warn(config, warnings);
      // A side that took over meanwhile has still to find out how old its file is.
      const isActive = speaker !== null && speaker === this.speaker;
      const refusal = isActive ? this.refusal(config, force) : null;
      if (refusal !== null) throw new Error(refusal);
      const changes = isActive ? await this.apply(config, octets, about) : null;
      if (this.speaker === null) own = await this.applyOwn(config);
      this.lastReload = { ok: true, atMs: nowMs() };
      if (changes !== null) return changes;
    } catch (error) {
      this.lastReload = { ok: false, atMs: nowMs() };
      const { message } = error as Error;
      const mistakes = mistakesOf(error);
      log.say("error", "reload-refused", `${message}, nothing was changed`, { mistakes });
      throw new ControlError([message, ...mistakes, "nothing was changed"].join("\n"));
    }
    const { logged, answer } = standbyTexts(file, this.shownNsr().role, own);
    log.say("info", "config-checked", logged);
    throw new ControlError(answer, "standby");
  }

  /** Has a standby be followed as its own file says. @returns the sections that differed */
  private async applyOwn(file: Config): Promise<readonly string[]> {
    const own = standbySections(file);
    const changed = changedSections(this.config, { ...this.config, ...own });
    if (changed.length === 0) return changed;
    await this.observers.configure({ ...this.config, ...own }, this.config);
    this.config = { ...this.config, ...own };
    // It may have the role by now.
    if (this.active !== null) this.tellObservers(this.active);
    return changed;
  }

  /**
   * What may fail comes first, and is undone when something behind it fails.
   *
   * @param whole - what comes into force, once for all neighbors
   */
  private async apply(whole: Config, octets: Uint8Array, given: ConfigAbout): Promise<Changes> {
    const { log, config } = this;
    const { config: next, about } = wantedOf(config, whole, given);
    this.trials.note(about, whole);
    const differs = (key: "control" | "http" | "log") =>
      JSON.stringify(config[key]) !== JSON.stringify(next[key]);
    let { control, http } = this;
    let diff: ConfigDiff;
    try {
      if (differs("control")) {
        const moved = this.controlServer(next.control.socket);
        await moved.listen();
        control = moved;
      }
      if (isMoved(config.http, next.http)) http = await this.listenHttp(next.http);
      if (differs("log")) log.reopen(next.log);
      await this.observers.configure(next, config, octets);
      const { speaker } = this;
      if (speaker === null) throw new Error("this side is the standby: reload the active side");
      await this.pair?.gate.widen(next);
      diff = await speaker.configure(next, octets, about);
    } catch (error) {
      if (control !== this.control) control?.close();
      if (http !== this.http) http?.close();
      if (differs("log")) log.reopen(config.log);
      await this.observers.configure(config, next).catch(() => {});
      throw error;
    }
    if (control !== this.control) this.control?.close();
    if (http !== this.http) this.http?.close();
    else if (differs("http")) this.http?.admit(next.http!);
    this.control = control;
    this.http = http;
    this.config = next;
    this.configuredMs = nowMs();
    // What is confirmed or comes back is not from the file of this side.
    if (about.how === "reload") this.inherited = null;
    this.tellObservers(this.speaker);
    // The router may have those sections of the other side that each side has of its own.
    return changesOf(diff, changedSections(config, next));
  }

  /** @returns why a file is not applied; null when it may be */
  private refusal(next: Config, force: boolean): string | null {
    const refusal = this.trials.refusal() ?? reloadRefusal(this.config, next);
    if (refusal !== null || force || this.inherited === null) return refusal;
    return undoRefusal(this.options.file, next, this.config, this.inherited);
  }

  private controlServer(file: string): ControlServer {
    return new ControlServer(file, this.handler, faultsTo(this.log));
  }

  private async listenHttp(address: Config["http"]): Promise<HttpService | null> {
    if (address === null) return null;
    this.collector ??= new Collector(() => this.served(), {
      version: this.options.version,
      lastReload: () => this.lastReload,
      lostLogLines: () => this.log.lost(),
      nsrMetrics: () => nsrMetrics(this.shownNsr(), this.switchovers, this.served().router),
      feedMetrics: () => this.observers.metrics(),
    });
    this.history ??= new History(() => this.served().router);
    const { collector } = this;
    const router = () => this.served().router;
    const api = apiSources(address, this.handler, this.log, router, () => this.shownNsr());
    const health = () => healthOf(this.shownNsr(), this.served().router, this.lastReload.ok);
    return HttpService.listen(
      address,
      { parts: () => collector.parts(), health, api },
      hooksTo(this.log),
    );
  }
}
