/**
 * A spare: the other side of several pairs, on a host of its own.
 *
 *     processes.ts       processes of this host        ask-side.ts      what one of them says
 *     spared-side.ts     one side: its process         spare-metrics.ts
 *
 * The spare routes nothing. Each side is a process that has all that a side has, and the spare starts it,
 * starts it again, and tells how it is.
 */

// biome-ignore-all lint/correctness/useYield: an answer may be its last value alone

import path from "node:path";
import type { SpareConfig } from "@ts-bgp/config";
import { ConfigFileError, readSpareFile } from "../config-file.ts";
import { ControlError, type ControlHandler } from "../control.ts";
import { type Running, Service } from "../service.ts";
import { commandLines, hasEnvironment, wordsIn } from "./processes.ts";
import { spareMetrics } from "./spare-metrics.ts";
import { OF_SPARE, type ShownSpared, SparedSide, sideWords } from "./spared-side.ts";

export interface SpareOptions {
  /** File of the spare; read again on reload. */
  readonly file: string;
  readonly version: string;
  /** Words that start this program. */
  readonly command: readonly string[];
}

/** What a spare answers to `show-nsr`. */
export interface ShownSpare {
  pairs: ShownSpared[];
}

export class Spare implements Running {
  readonly service: Service;
  private readonly options: SpareOptions;
  private config: SpareConfig;
  private readonly sides: Map<string, SparedSide> = new Map();
  private reloading: Promise<unknown> = Promise.resolve();
  private isStopping = false;
  private isConfigOk = true;

  /** Throws as `readSpareFile` does. */
  constructor(options: SpareOptions) {
    this.options = options;
    const { config, warnings } = readSpareFile(options.file);
    this.config = config;
    this.service = new Service({
      ...{ log: { level: "info", file: null }, warnings },
      ...{ socket: config.control.socket, version: options.version },
      handler: this.handler(),
      status: () => statusText(this.shown().pairs),
    });
  }

  /** Rejects when the control socket or the port cannot be had, as when another spare runs. */
  async start(): Promise<void> {
    const { config, service } = this;
    await service.open(async () => {
      await this.listenHttp();
      for (const pair of config.pairs) this.add(pair);
    });
    this.tellOfStrays();
    service.started(`spare of ${config.pairs.map(({ cluster }) => cluster).join(", ")}`);
  }

  /**
   * Reads the file again: starts what is new in it, and ends what is not there any more, and leaves all others
   * alone. A file with mistakes changes nothing.
   *
   * @param force - end sides whose sessions end with them, too
   * @returns what changed; rejects with a ControlError that has all mistakes
   */
  reload(force: boolean): Promise<Readonly<Record<string, unknown>>> {
    const reload = this.reloading.then(() => {
      this.service.manager.reloading();
      return this.readAndApply(force);
    });
    this.reloading = reload.catch(() => {}).then(() => this.service.manager.reloaded());
    return reload;
  }

  /** Ends all sides in order, then the spare. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.service.log.say("info", "stopping", "ending all sides");
    this.service.manager.stopping();
    await Promise.all([...this.sides.values()].map((side) => side.stop()));
    await this.service.stopped();
  }

  /** In the order of the file. */
  private shown(): ShownSpare {
    const sides = this.config.pairs.map(({ cluster }) => this.sides.get(cluster));
    return { pairs: sides.flatMap((side) => (side === undefined ? [] : [side.shown()])) };
  }

  /** What a spare that died has started, and is in the file no more, may be active: nobody ends it unasked. */
  private tellOfStrays(): void {
    const { options, config } = this;
    const { log } = this.service;
    const own = config.pairs.map((pair) => wordsIn(sideWords(pair)));
    for (const { pid, line } of commandLines()) {
      if (!line.includes(wordsIn(["--log-name"])) || own.some((words) => line.includes(words))) {
        continue;
      }
      if (!hasEnvironment(pid, OF_SPARE, path.resolve(options.file))) continue;
      const words = line.split("\0").slice(1, -1).join(" ");
      const message = `process ${pid} of an earlier spare is for no pair of ${options.file}`;
      log.say("warn", "spare-stray", `${message} and goes on (kill ${pid} ends it): ${words}`);
    }
  }

  private async look(): Promise<ShownSpare> {
    await Promise.all([...this.sides.values()].map((side) => side.look()));
    return this.shown();
  }

  private add(pair: SpareConfig["pairs"][number]): void {
    const { command, file } = this.options;
    const side = new SparedSide(pair, command, path.resolve(file), this.service.log);
    this.sides.set(pair.cluster, side);
    side.start();
  }

  private async readAndApply(force: boolean): Promise<Readonly<Record<string, unknown>>> {
    const { options } = this;
    const { log } = this.service;
    try {
      if (this.isStopping) throw new Error("the spare is being stopped");
      const { config, warnings } = readSpareFile(options.file);
      for (const line of warnings) log.say("warn", "config-warning", line);
      const changes = await this.apply(config, force);
      this.isConfigOk = true;
      return changes;
    } catch (error) {
      this.isConfigOk = false;
      const { message } = error as Error;
      const mistakes = error instanceof ConfigFileError ? error.lines : [];
      log.say("error", "reload-refused", `${message}, nothing was changed`, { mistakes });
      throw new ControlError([message, ...mistakes, "nothing was changed"].join("\n"));
    }
  }

  /** What may be refused comes first. */
  private async apply(
    next: SpareConfig,
    force: boolean,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { config, sides } = this;
    const own = ({ control, http }: SpareConfig) => JSON.stringify([control, http]);
    if (own(config) !== own(next)) {
      throw new Error('"control" and "http" of a spare take effect when it is started');
    }
    const byName = new Map(next.pairs.map((pair) => [pair.cluster, pair]));
    const restarts = (side: SparedSide) => {
      const pair = byName.get(side.pair.cluster);
      const { memoryMaxMb: _, ...rest } = side.pair;
      if (pair === undefined) return true;
      const { memoryMaxMb: __, ...others } = pair;
      return JSON.stringify(rest) !== JSON.stringify(others);
    };
    const ending = [...sides.values()].filter(restarts);
    await Promise.all(ending.map((side) => side.look()));
    const refusal = ending.map(({ stopRefusal }) => stopRefusal).find((why) => why !== null);
    if (refusal && !force) throw new Error(`${refusal}; apply it by tsbgp reload --force`);
    this.config = next;
    const added = next.pairs.filter(({ cluster }) => !sides.has(cluster));
    await Promise.all(ending.map((side) => side.stop()));
    for (const { pair } of ending) sides.delete(pair.cluster);
    for (const pair of next.pairs) {
      const side = sides.get(pair.cluster);
      if (side === undefined) this.add(pair);
      else side.limit(pair);
    }
    const names = (pairs: readonly { cluster: string }[]) => pairs.map(({ cluster }) => cluster);
    const ended = names(ending.map(({ pair }) => pair));
    return {
      added: names(added),
      removed: ended.filter((name) => !byName.has(name)),
      restarted: ended.filter((name) => byName.has(name)),
    };
  }

  private handler(): ControlHandler {
    const spare = this;
    return async function* (request) {
      switch (request.command) {
        case "show-nsr":
          yield await spare.look();
          return {};
        case "reload":
          if (request["dry_run"] === true) {
            throw new ControlError("a spare does not tell beforehand what a reload changes");
          }
          if (request["confirm"] !== undefined) {
            throw new ControlError("a spare does not go back by itself");
          }
          return spare.reload(request["force"] === true);
        case "switchover": {
          const names = spare.config.pairs.map(({ cluster }) => cluster).join(", ");
          throw new ControlError(`this is a spare: name one of its pairs, ${names}`);
        }
        default: {
          const sockets = spare.config.pairs.map(({ socket }) => socket).join(", ");
          throw new ControlError(`this is a spare: ask one of its sides (--socket ${sockets})`);
        }
      }
    };
  }

  private async listenHttp(): Promise<void> {
    const { http } = this.config;
    if (http === null) return;
    const spare = this;
    const parts = async function* () {
      // As it was a second ago: one that does not answer keeps nobody waiting.
      yield { records: spareMetrics(spare.shown().pairs) };
    };
    const health = () => {
      const { pairs } = this.shown();
      const count = (is: (pair: ShownSpared) => boolean) => pairs.filter(is).length;
      return {
        ok: true,
        pairs: pairs.length,
        ready: count(({ ready }) => ready),
        active: count(({ role }) => role === "active" || role === "simplex"),
        config_ok: this.isConfigOk,
      };
    };
    await this.service.listen(http, { parts, health, api: null });
  }
}

/** @returns one line for the service manager */
function statusText(pairs: readonly ShownSpared[]): string {
  const named = (is: (pair: ShownSpared) => boolean) =>
    pairs.filter(is).map(({ cluster }) => cluster);
  const ready = named(({ role, ready: can }) => role === "standby" && can);
  const active = named(({ role }) => role === "active" || role === "simplex");
  const does = active.length === 0 ? "" : `, is active for ${active.join(", ")}`;
  return `can take over ${ready.length} of ${pairs.length} pairs${does}`;
}
