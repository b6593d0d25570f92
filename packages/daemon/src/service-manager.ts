/** Tells systemd how this daemon is: the protocol of sd_notify(3). Silent where nobody asks. */

import { sendDatagram } from "@ts-bgp/takeover";

/** So often the status is looked at when no watchdog wants to hear more often. */
const STATUS_MS = 5000;

/** What systemd puts into the environment. */
export interface ManagerEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

export class ServiceManager {
  /** Null where nobody asks. */
  private readonly socket: string | null;
  private readonly watchdogMs: number | null;
  private readonly status: () => string;
  /** Status that was told last. */
  private told: string | null = null;
  private timer: NodeJS.Timeout | undefined;

  /** @param status - one line for people, as `systemctl status` shows it */
  constructor(environment: ManagerEnvironment, status: () => string) {
    this.socket = environment.NOTIFY_SOCKET || null;
    this.status = status;
    const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = environment;
    const isOurs = usec !== undefined && (pid === undefined || Number(pid) === process.pid);
    this.watchdogMs = isOurs ? Number(usec) / 1000 : null;
  }

  /** The daemon has started; from now on the watchdog hears of it, from the main thread. */
  ready(): void {
    if (this.socket === null) return;
    this.send("READY=1", this.statusLine());
    const ms = Math.min(STATUS_MS, (this.watchdogMs ?? Number.POSITIVE_INFINITY) / 3);
    this.timer = setInterval(() => this.report(), ms).unref();
  }

  /** The status may have changed. */
  changed(): void {
    const line = this.statusLine();
    // Before `ready` there is nothing to tell.
    if (this.timer !== undefined && line !== this.told) this.send(line);
  }

  /** Whatever comes of it, `reloaded` follows. */
  reloading(): void {
    const microseconds = process.hrtime.bigint() / 1000n;
    this.send("RELOADING=1", `MONOTONIC_USEC=${microseconds}`);
  }

  reloaded(): void {
    this.send("READY=1");
  }

  stopping(): void {
    this.send("STOPPING=1");
  }

  private report(): void {
    if (this.watchdogMs !== null) this.send("WATCHDOG=1");
    this.changed();
  }

  private statusLine(): string {
    return `STATUS=${this.status()}`;
  }

  private send(...lines: string[]): void {
    if (this.socket === null) return;
    try {
      sendDatagram(this.socket, lines.join("\n"));
      this.told = lines.find((line) => line.startsWith("STATUS=")) ?? this.told;
    } catch {
      // A manager that is away or busy: the next one may get through.
    }
  }
}
