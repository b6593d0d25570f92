/** What a process without a speaker has: a log, a control socket, perhaps HTTP, and the service manager. */

import type { ListenAddress, LogConfig } from "@ts-bgp/config";
import type { Checked } from "./config-file.ts";
import { type ControlHandler, ControlServer } from "./control.ts";
import { endProcess, faultsTo } from "./fault.ts";
import { HttpService, type HttpSources, hooksTo } from "./http.ts";
import { type Log, openLog } from "./logging.ts";
import { ServiceManager } from "./service-manager.ts";

/** Of whatever kind: what there is to run. */
export interface Running {
  readonly service: Service;
  /** Rejects when it cannot be had, as when another one runs. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly log: LogConfig;
  /** Of its file. */
  readonly warnings: Checked<unknown>["warnings"];
  /** Control socket. */
  readonly socket: string;
  readonly version: string;
  readonly handler: ControlHandler;
  /** @returns one line for the service manager */
  status(): string;
}

export class Service {
  readonly log: Log;
  readonly manager: ServiceManager;
  /** Null where it is not served. */
  http: HttpService | null = null;
  private readonly options: ServiceOptions;
  private readonly control: ControlServer;

  /** Throws when the log file cannot be opened. */
  constructor(options: ServiceOptions) {
    this.options = options;
    const { log, warnings, socket, handler, status } = options;
    this.log = openLog(log, null);
    for (const line of warnings) this.log.say("warn", "config-warning", line);
    this.manager = new ServiceManager(process.env, status);
    this.control = new ControlServer(socket, handler, faultsTo(this.log));
  }

  /**
   * Takes the control socket, which clients find when all else is there; rejects when it cannot be had.
   *
   * @param begin - whatever else may fail
   */
  async open(begin: () => Promise<void>): Promise<void> {
    await this.control.prepare();
    try {
      await begin();
    } catch (error) {
      this.close();
      throw error;
    }
    this.control.publish();
  }

  /** Rejects when the port cannot be had. */
  async listen(address: ListenAddress, sources: HttpSources): Promise<void> {
    this.http = await HttpService.listen(address, sources, hooksTo(this.log));
  }

  /** @param message - what has started */
  started(message: string): void {
    const { version, socket } = this.options;
    this.log.say("info", "started", message, { version, control: socket });
    this.manager.ready();
  }

  /** The log file may have been moved away. */
  reopenLog(): void {
    try {
      this.log.reopen(this.options.log);
    } catch (error) {
      this.log.say("error", "log-not-reopened", (error as Error).message);
    }
  }

  /** All else has ended. */
  async stopped(message = "stopped"): Promise<void> {
    this.close();
    this.log.say("info", "stopped", message);
    await this.log.flush();
  }

  /** Nobody knows what state an exception has left: the process ends. */
  fail(error: unknown): never {
    endProcess(this.log, error);
  }

  private close(): void {
    this.control.close();
    this.http?.close();
  }
}
