/** The speaker as a process on this host's loopback, without root: `tsbgp run` or `mirror`, and its sockets. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ShownNeighborDetail } from "@ts-bgp/views";
import { SLOWNESS, until } from "../test/lab/until.ts";

export const MAIN: string = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url));
export const SPEAKER_AS = 64500;
export const WAIT_MS = 20_000;
const SHOWN_LINES_MAX = 20;
const SHOWN_CHARACTERS_MAX = 300;

/** A line of the log, as JSON. */
export interface LogLine {
  readonly level: string;
  readonly id: string;
  readonly msg: string;
  readonly neighbor?: string;
  readonly [field: string]: unknown;
}

/** What the control socket answered: items, then a last value. */
export interface Answer {
  readonly items: readonly unknown[];
  readonly end: Readonly<Record<string, unknown>>;
}

/** Configuration of the speaker as JSON, which is YAML; what a test leaves out is filled in. */
export type ConfigFile = Readonly<Record<string, unknown>>;

/** How the process is started. */
export interface SpawnOptions {
  /** Words before those of the process: a program that turns into it. */
  readonly wrapper?: readonly string[];
  readonly nodeOptions?: readonly string[];
  /** Another program than the present one. */
  readonly main?: string;
}

/**
 * Runs `body` with a speaker, and ends the speaker afterwards.
 *
 * @throws what `body` throws, after the speaker's log has been printed
 */
export async function withSpeaker<T>(
  config: ConfigFile,
  body: (speaker: SpeakerProcess) => Promise<T>,
): Promise<T> {
  const speaker = await SpeakerProcess.create(config);
  try {
    await speaker.start();
    return await body(speaker);
  } catch (error) {
    console.error(speaker.describe());
    throw error;
  } finally {
    speaker.remove();
  }
}

export class SpeakerProcess {
  readonly directory: string = mkdtempSync(join(tmpdir(), "tsbgp-test-"));
  readonly file: string = join(this.directory, "tsbgp.yaml");
  readonly socket: string = join(this.directory, "control.sock");
  readonly port: number;
  readonly httpPort: number;
  private child: ChildProcess | null = null;
  private output = "";
  private hasHttp = false;
  private isMirror = false;
  private exit: Promise<string> = Promise.resolve("not started");

  private constructor(port: number, httpPort: number) {
    this.port = port;
    this.httpPort = httpPort;
  }

  /** Writes the configuration; starts nothing. */
  static async create(config: ConfigFile): Promise<SpeakerProcess> {
    const speaker = new SpeakerProcess(await freePort(), await freePort());
    speaker.configure(config);
    return speaker;
  }

  /** Writes the configuration file anew. One with a section `follow` is that of a mirror. */
  configure(config: ConfigFile): void {
    this.isMirror = "follow" in config;
    const speaker = {
      router: { as: SPEAKER_AS, id: "192.0.2.1" },
      listen: [{ address: "127.0.0.1", port: this.port }],
    };
    const filled = {
      ...(this.isMirror ? {} : speaker),
      control: { socket: this.socket },
      http: { port: this.httpPort },
      ...config,
    };
    this.hasHttp = !("http" in config);
    writeFileSync(this.file, JSON.stringify(filled));
  }

  /** Returns when the control socket answers, and HTTP where it has its usual port. */
  async start(options: SpawnOptions = {}): Promise<void> {
    this.spawn(options);
    const ready = async () => this.hasExited() || (await this.ask({ command: "show-status" }));
    await until(ready, WAIT_MS, "the speaker answers");
    const listens = async () => this.hasExited() || (await this.listensHttp());
    await until(listens, WAIT_MS, "HTTP is there");
    if (this.hasExited()) throw new Error(`the speaker ended: ${this.output}`);
  }

  private listensHttp(): Promise<boolean> {
    if (!this.hasHttp) return Promise.resolve(true);
    return new Promise((resolve) => {
      const socket = connect(this.httpPort, "127.0.0.1");
      socket.once("error", () => resolve(false));
      socket.once("connect", () => {
        resolve(true);
        socket.destroy();
      });
    });
  }

  /** Starts the process; returns at once. */
  spawn({ wrapper = [], nodeOptions = [], main = MAIN }: SpawnOptions = {}): void {
    const command = [main, this.isMirror ? "mirror" : "run", "-c", this.file];
    const words = [...wrapper, process.execPath, ...nodeOptions, ...command];
    const child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
    const keep = (text: string) => {
      this.output += text;
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    this.child = child;
    this.exit = new Promise((resolve) => {
      child.on("close", (code, signal) => resolve(signal ?? `exit ${code}`));
    });
  }

  get pid(): number {
    return this.child?.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.child?.kill(name);
  }

  /** How the process ended ("exit 0", "SIGKILL"), once it has. */
  exited(): Promise<string> {
    return this.exit;
  }

  hasExited(): boolean {
    return this.child === null || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Ends the process if it still runs, and removes its files. */
  remove(): void {
    this.child?.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Both outputs of the process. */
  text(): string {
    return this.output;
  }

  /** The log so far. */
  log(): LogLine[] {
    const lines = this.output.split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line));
  }

  async untilLogged(what: string, matches: (line: LogLine) => boolean): Promise<LogLine> {
    return until(() => this.log().find(matches), WAIT_MS, `the log has ${what}`);
  }

  describe(): string {
    const lines = this.output.trimEnd().split("\n").slice(-SHOWN_LINES_MAX);
    return lines.map((line) => line.slice(0, SHOWN_CHARACTERS_MAX)).join("\n");
  }

  /** Asks on the control socket; rejects with the speaker's words when it says no. */
  ask(request: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.socket);
      const items: unknown[] = [];
      let rest = "";
      socket.setEncoding("utf8");
      // One that is stuck does not say so.
      const limitMs = SLOWNESS * WAIT_MS;
      socket.setTimeout(limitMs, () => {
        reject(new Error(`no answer within ${limitMs} ms to ${JSON.stringify(request)}`));
        socket.destroy();
      });
      socket.on("error", reject);
      socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
      socket.on("close", () => reject(new Error("the speaker hung up")));
      socket.on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          const answer = JSON.parse(line);
          if ("item" in answer) items.push(answer.item);
          else {
            if ("error" in answer) reject(new Error(answer.error));
            else resolve({ items, end: answer.end });
            socket.destroy();
          }
        }
      });
    });
  }

  async neighbor(address: string): Promise<ShownNeighborDetail> {
    const { items } = await this.ask({ command: "show-neighbor", neighbor: address });
    return items[0] as ShownNeighborDetail;
  }

  /** Values by name with labels, as they stand in the Prometheus text. */
  async metrics(): Promise<Map<string, number>> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}/metrics`);
    const lines = (await response.text()).split("\n").filter((line) => /^[a-z]/.test(line));
    return new Map(
      lines.map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
    );
  }

  /** Resident memory in megabytes. */
  residentMb(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1000;
  }

  /** Open file descriptors. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Memory of the process. */
  residentOctets(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
  }
}

/** Below those that the kernel gives to whoever connects, which would be taken again in the meantime. */
const FREE_PORTS = [12_000, 32_000] as const;
/** Test files that run beside each other have ports of their own: until one is used it looks free to all. */
const POOLS = 8;
const POOL = Number(process.env["VITEST_POOL_ID"] ?? 0) % POOLS;
/** It is used once in the life of this process, so that nothing of the last use is in the way. */
const given: Set<number> = new Set();

/** A TCP port that nothing listens on, and that nobody gets by chance. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FREE_PORTS[0] / POOLS, FREE_PORTS[1] / POOLS) * POOLS + POOL;
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** `127.1.0.1`, `127.1.0.2`, ...: loopback addresses to be neighbors from. */
export function neighborAddress(n: number): string {
  return `127.1.${n >>> 8}.${n & 0xff}`;
}
