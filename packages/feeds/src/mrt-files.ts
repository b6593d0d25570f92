/** MRT files of the configuration: what neighbors send, in a file for each span of time, and dumps at times. */

import { join } from "node:path";
import type { MrtConfig } from "@ts-bgp/config";
import { MRT_STATE, MrtWriter } from "@ts-bgp/feeds-codec";
import type { Observed, ObservedSession } from "@ts-bgp/router";
import { FAMILY, MESSAGE, readU16 } from "@ts-bgp/wire-codec";
import { endOfName } from "./compression.ts";
import type { DumpRequest, DumpsRequest, ShownMrt } from "./orders.ts";
import { OutputFile } from "./output-file.ts";
import { removeStaleParts } from "./stale-parts.ts";

export interface MrtHooks {
  now(): number;
  dump(request: DumpRequest): void;
  dumpAdvertised(request: DumpsRequest): void;
  say(level: "info" | "warn" | "error", message: string): void;
}

type Update = Extract<Observed, { readonly kind: "update" }>;

export class MrtFiles {
  readonly config: MrtConfig;
  private readonly hooks: MrtHooks;
  private readonly writer: MrtWriter = new MrtWriter();
  private file: OutputFile | null = null;
  private fileDueMs: number;
  private dumpDueMs: number;
  private lastDump: string | null = null;
  private lastUpdates: string | null = null;
  private files = 0;
  private messages = 0;
  private missed = 0;
  /** Of the file of updates. */
  private problem: string | null = null;
  /** Of dumps of the last time there were any, each in a file of its own. */
  private readonly dumpProblems: string[] = [];

  constructor(config: MrtConfig, hooks: MrtHooks) {
    this.config = config;
    this.hooks = hooks;
    const now = hooks.now();
    this.fileDueMs = dueAfter(now, config.updatesSeconds);
    this.dumpDueMs = dueAfter(now, config.tablesSeconds);
    void removeStaleParts(config.dir, now);
  }

  show(): ShownMrt {
    const { config, lastDump, lastUpdates, files, messages, missed } = this;
    const problem = this.problem ?? this.dumpProblems[0] ?? null;
    return { dir: config.dir, lastDump, lastUpdates, files, messages, missed, problem };
  }

  /** To be called several times a second. */
  tick(): void {
    const { config, hooks } = this;
    const now = hooks.now();
    if (now >= this.dumpDueMs) {
      const { routes, advertised: neighbors, compress } = config;
      this.dumpProblems.length = 0;
      void removeStaleParts(config.dir, now);
      const end = this.endOfName(this.dumpDueMs);
      hooks.dump({ file: join(config.dir, `rib${end}`), routes, compress, isTimed: true });
      const begin = join(config.dir, "rib-out.");
      if (neighbors.length > 0) hooks.dumpAdvertised({ neighbors, begin, end, compress });
      this.dumpDueMs = dueAfter(now, config.tablesSeconds);
    }
    if (now < this.fileDueMs) return;
    this.endFile();
    this.fileDueMs = dueAfter(now, config.updatesSeconds);
  }

  /** A dump was written, or could not be. */
  dumped(file: string, problem: string | null): void {
    if (problem !== null) {
      const text = `${file}: ${problem}`;
      this.dumpProblems.push(text);
      this.hooks.say("error", text);
    } else {
      this.files++;
      this.lastDump = file;
    }
  }

  update(session: ObservedSession, { octets, atMs }: Update): void {
    this.writer.message(
      atMs,
      session,
      session.fourOctetAs,
      (session.addPathReceive & familiesIn(octets)) !== 0,
      octets,
    );
    this.flush();
  }

  state(session: ObservedSession, atMs: number, isUp: boolean): void {
    const { IDLE, ESTABLISHED } = MRT_STATE;
    if (isUp) this.writer.stateChange(atMs, session, IDLE, ESTABLISHED);
    else this.writer.stateChange(atMs, session, ESTABLISHED, IDLE);
    this.flush();
  }

  /** Messages were lost before they came here. */
  miss(): void {
    this.missed++;
  }

  close(): void {
    this.endFile();
  }

  private flush(): void {
    const octets = this.writer.take();
    const { config, hooks } = this;
    if (config.updatesSeconds === 0) return;
    if (this.file === null) {
      if (this.problem !== null && hooks.now() < this.fileDueMs) {
        this.missed++;
        return;
      }
      const name = join(config.dir, `updates${this.endOfName(hooks.now())}`);
      this.file = new OutputFile(name, config.compress, true);
    }
    if (this.file.write(octets)) this.messages++;
    else {
      this.missed++;
      this.problem = this.file.fault;
      if (this.problem !== null) this.endFile();
    }
  }

  private endFile(): void {
    const { file } = this;
    this.file = null;
    if (file === null) {
      this.problem = null;
      return;
    }
    file.close().then(
      () => {
        this.files++;
        this.lastUpdates = file.name;
        this.problem = null;
      },
      ({ message }: Error) => this.failed(`${file.name}: ${message}`),
    );
  }

  /** The next file is tried when its time comes. */
  private failed(problem: string): void {
    this.problem = problem;
    this.hooks.say("error", problem);
  }

  private endOfName(atMs: number): string {
    const digits = new Date(atMs).toISOString().replace(/\D/g, "");
    const seconds = digits.slice(12, 14);
    const time = `${digits.slice(8, 12)}${seconds === "00" ? "" : seconds}`;
    return `.${digits.slice(0, 8)}.${time}${endOfName(this.config.compress)}`;
  }
}

/** @returns the next whole multiple of so many seconds; Infinity for 0 */
function dueAfter(nowMs: number, seconds: number): number {
  if (seconds === 0) return Number.POSITIVE_INFINITY;
  const everyMs = 1000 * seconds;
  return everyMs * (Math.floor(nowMs / everyMs) + 1);
}

/** @returns FAMILY bits of the routes of an UPDATE, as far as they tell how it is to be read */
function familiesIn(octets: Uint8Array): number {
  if (octets[18] !== MESSAGE.UPDATE) return 0;
  const withdrawn = readU16(octets, 19);
  const attributes = readU16(octets, 21 + withdrawn);
  const hasRoutes = withdrawn > 0 || 23 + withdrawn + attributes < octets.length;
  return hasRoutes || attributes === 0 ? FAMILY.IPV4_UNICAST : FAMILY.IPV6_UNICAST;
}
