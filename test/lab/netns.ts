/**
 * Labs: a few network namespaces on one Ethernet segment, in which daemons run.
 *
 *      node "bird"          node "frr"          node "tsbgp"
 *     +-----------+       +-----------+       +-----------+
 *     | eth0 .1   |       | eth0 .2   |       | eth0 .3   |     10.0.0.N/24, fd00::N/64
 *     +-----+-----+       +-----+-----+       +-----+-----+
 *           | veth              |                   |
 *     +-----+-------------------+-------------------+-----+
 *     | p1                      p2      bridge     p3     |     namespace of the switch
 *     +---------------------------------------------------+
 *
 * Nothing of a lab touches the machine's own namespace, so labs of several test runs live side by
 * side with equal addresses. Every namespace and scratch directory carries the pid and start time
 * of the process it belongs to: what a killed run left behind is recognised by its dead owner and
 * removed by the next run.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OWNER, startTime } from "../owner.ts";
import { shareAutogroupNice } from "./autogroup.ts";

/** Output kept per process: the newest octets. */
const OUTPUT_CHARACTERS_MAX = 1 << 20;
/** Lines per process that a failing test shows. */
const SHOWN_LINES_MAX = 60;
/** Against a command that hangs, and nothing else. */
const RUN_TIMEOUT_MS = 300_000;
const STOP_TIMEOUT_MS = 3_000;
const NODES_MAX = 250;
/** Congestion control of TCP in all namespaces; that of the machine where it is empty. */
const CONGESTION_CONTROL = process.env["TSBGP_TEST_CONGESTION_CONTROL"] ?? "";

export interface Lab {
  /** Scratch directory of the lab; removed with it. */
  readonly directory: string;
  /** Add a node to the segment. Its addresses follow from the order of calls. */
  node(name: string): LabNode;
  /** The newest output of every process and log file, for a failure's report. */
  describe(): string;
  /** End every process and remove everything. Synchronous; harmless when repeated. */
  remove(): void;
}

export interface LabNode {
  readonly name: string;
  readonly address4: string;
  readonly address6: string;
  /** Scratch directory of the node. Files `*.log` in it are shown when the test fails. */
  readonly directory: string;
  /** Start a process in the node's namespace, in a process group of its own. */
  spawn(argv: readonly string[], options?: SpawnOptions): LabProcess;
  /** Run a command in the node's namespace to its end. A non-zero exit is no error here. */
  run(argv: readonly string[], options?: { input?: string }): Promise<RunResult>;
}

/** A node in a namespace that is somebody else's, a container's say. */
export interface EnteredNode extends LabNode {
  /** The newest output of its processes, and its log files. */
  describe(): string;
  /** End the processes that were started through it. Synchronous; harmless when repeated. */
  end(): void;
}

/** What a node is, beside what can be run in it. */
export type NodeFields = Pick<LabNode, "name" | "address4" | "address6" | "directory">;

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Gets everything it writes to standard output, piece by piece, and null when no more can come. */
  readonly onOutput?: (piece: string | null) => void;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface LabProcess {
  readonly pid: number;
  /** How the process ended ("exit 1", "SIGKILL"), or `null` while it runs. */
  ended(): string | null;
  /** What it has written to both outputs, oldest first, the newest megabyte. */
  output(): string;
  /** Write to its standard input. */
  write(text: string): void;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after three seconds; returns when the process is gone. */
  stop(): Promise<void>;
}

/**
 * Run `body` with a fresh lab and remove the lab afterwards, whatever happens.
 *
 * @param name - for messages only
 * @throws what `body` throws, after the output of every process has been printed
 */
export async function withLab<T>(name: string, body: (lab: Lab) => Promise<T>): Promise<T> {
  const lab = createLab();
  try {
    return await body(lab);
  } catch (error) {
    console.error(`lab ${name} failed:\n${lab.describe()}`);
    throw error;
  } finally {
    lab.remove();
  }
}

/**
 * Make a lab that lives until it is removed, or the process ends.
 *
 * @param congestionControl - of TCP in all its namespaces; that of the machine where it is empty
 * @throws Error when the machine gives no namespaces
 */
export function createLab(congestionControl: string = CONGESTION_CONTROL): Lab {
  removeLeftovers();
  return new NamespaceLab(congestionControl);
}

/**
 * Make a node of a namespace that is there already.
 *
 * @param fields - the directory exists
 * @param enter - words before each command line: `nsenter`, `docker exec`
 */
export function enterNode(fields: NodeFields, enter: readonly string[]): EnteredNode {
  if (enteredNodes.size === 0) {
    endOnSignals();
    process.on("exit", endEnteredNodes);
  }
  const node = new ProcessNode(fields, enter);
  enteredNodes.add(node);
  return node;
}

const enteredNodes: Set<EnteredNode> = new Set();

function endEnteredNodes(): void {
  for (const node of enteredNodes) node.end();
}

class NamespaceLab implements Lab {
  readonly directory: string;
  /** Prefix of the names of all namespaces of the lab; a lab's own, as the directory's name is. */
  private readonly id: string;
  private readonly switchNamespace: string;
  private readonly nodes: ProcessNode[] = [];
  private readonly namespaces: string[] = [];
  private readonly removeAtExit = () => this.remove();
  private readonly congestionControl: string;

  constructor(congestionControl: string) {
    this.congestionControl = congestionControl;
    this.directory = mkdtempSync(join(tmpdir(), `tsbgp-${OWNER}-`));
    // Daemons that give up root still have to reach their files.
    chmodSync(this.directory, 0o755);
    this.id = this.directory.slice(this.directory.lastIndexOf("/") + 1);
    this.switchNamespace = `${this.id}-switch`;
    process.on("exit", this.removeAtExit);
    endOnSignals();
    ip("netns", "add", this.switchNamespace);
    ipBatch(this.switchNamespace, [
      "link add br0 type bridge forward_delay 0 mcast_snooping 0",
      "link set br0 up",
    ]);
  }

  node(name: string): LabNode {
    const number = this.nodes.length + 1;
    if (number > NODES_MAX) throw new Error(`a lab has at most ${NODES_MAX} nodes`);
    const directory = join(this.directory, name);
    mkdirSync(directory);
    const namespace = `${this.id}-${name}`;
    const addresses = { address4: `10.0.0.${number}`, address6: `fd00::${number.toString(16)}` };
    const node = new ProcessNode({ name, ...addresses, directory }, inNamespace(namespace));
    this.nodes.push(node);
    this.namespaces.push(namespace);
    ip("netns", "add", namespace);
    // Without duplicate address detection an address is usable at once.
    const settings = [
      "net.ipv6.conf.default.accept_dad=0",
      ...(this.congestionControl === ""
        ? []
        : [`net.ipv4.tcp_congestion_control=${this.congestionControl}`]),
    ];
    ip(...inNamespace(namespace).slice(1), "sysctl", "-qw", ...settings);
    ipBatch(this.switchNamespace, [
      `link add p${number} type veth peer name eth0 netns ${namespace}`,
      `link set p${number} master br0 up`,
    ]);
    ipBatch(namespace, [
      "link set lo up",
      "link set eth0 up",
      `address add ${node.address4}/24 dev eth0`,
      `address add ${node.address6}/64 dev eth0 nodad`,
    ]);
    return node;
  }

  describe(): string {
    return this.nodes.map((node) => node.describe()).join("\n");
  }

  // Synchronous, so that it can run while the process exits.
  remove(): void {
    process.off("exit", this.removeAtExit);
    for (const namespace of this.namespaces) removeNamespace(namespace);
    removeNamespace(this.switchNamespace);
    removeDirectory(this.directory);
  }
}

class ProcessNode implements EnteredNode {
  readonly name: string;
  readonly address4: string;
  readonly address6: string;
  readonly directory: string;
  private readonly enter: readonly [string, ...string[]];
  private readonly processes: NamespaceProcess[] = [];

  constructor({ name, address4, address6, directory }: NodeFields, enter: readonly string[]) {
    this.name = name;
    this.address4 = address4;
    this.address6 = address6;
    this.directory = directory;
    this.enter = enter as [string, ...string[]];
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): LabProcess {
    const [program, ...words] = this.enter;
    const child = spawn(program, [...words, ...argv], {
      cwd: this.directory,
      detached: true,
      env: { ...process.env, ...options.env },
      stdio: "pipe",
    });
    if (child.pid !== undefined) shareAutogroupNice(child.pid);
    const started = new NamespaceProcess(argv, child);
    const { onOutput } = options;
    if (onOutput) child.stdout.on("data", onOutput).on("end", () => onOutput(null));
    this.processes.push(started);
    return started;
  }

  run(argv: readonly string[], options: { input?: string } = {}): Promise<RunResult> {
    const [program, ...words] = this.enter;
    return new Promise((resolve) => {
      const child = execFile(
        program,
        [...words, ...argv],
        { cwd: this.directory, timeout: RUN_TIMEOUT_MS, maxBuffer: 1 << 29 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === "number" ? error.code : 255;
          resolve({ code, stdout, stderr });
        },
      );
      // A command that ends without reading its input is not an error.
      child.stdin?.on("error", () => {});
      child.stdin?.end(options.input ?? "");
    });
  }

  describe(): string {
    const outputs = this.processes.map((p) => section(p.title(), p.output()));
    const logs = readdirSync(this.directory)
      .filter((file) => file.endsWith(".log"))
      .map((file) => section(file, readFileSync(join(this.directory, file), "utf8")));
    return [...outputs, ...logs].map((text) => `[${this.name}] ${text}`).join("\n");
  }

  end(): void {
    for (const one of this.processes) one.killGroup();
  }
}

class NamespaceProcess implements LabProcess {
  readonly pid: number;
  private readonly argv: readonly string[];
  private readonly child: ChildProcess;
  private readonly gone: Promise<void>;
  private kept = "";
  private end: string | null = null;

  constructor(argv: readonly string[], child: ChildProcess) {
    this.argv = argv;
    this.child = child;
    this.pid = child.pid ?? 0;
    const keep = (text: string) => {
      this.kept = (this.kept + text).slice(-OUTPUT_CHARACTERS_MAX);
    };
    child.stdout?.setEncoding("utf8").on("data", keep);
    child.stderr?.setEncoding("utf8").on("data", keep);
    child.stdin?.on("error", () => {});
    this.gone = new Promise((resolve) => {
      child.on("error", (error) => {
        this.end = error.message;
        resolve();
      });
      child.on("exit", (code, signal) => {
        this.end = signal ?? `exit ${code}`;
        resolve();
      });
    });
  }

  title(): string {
    return `${this.argv.join(" ")} (${this.end ?? "running"})`;
  }

  ended(): string | null {
    return this.end;
  }

  output(): string {
    return this.kept;
  }

  write(text: string): void {
    this.child.stdin?.write(text);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.end === null) killQuietly(this.pid, signal);
  }

  /** It and what it has started. */
  killGroup(): void {
    if (this.end === null) killQuietly(-this.pid, "SIGKILL");
  }

  async stop(): Promise<void> {
    if (this.end !== null) return;
    this.signal("SIGTERM");
    const force = setTimeout(() => killQuietly(-this.pid, "SIGKILL"), STOP_TIMEOUT_MS);
    await this.gone;
    clearTimeout(force);
    // What the process started has no reason to outlive it.
    killQuietly(-this.pid, "SIGKILL");
  }
}

function section(title: string, text: string): string {
  const lines = text.trimEnd().split("\n");
  const shown = lines.slice(-SHOWN_LINES_MAX);
  const left = lines.length - shown.length;
  return [`${title}${left > 0 ? `, ${left} lines before these` : ""}`, ...shown].join("\n  ");
}

/** Remove the namespaces and directories of test runs that no longer live. */
function removeLeftovers(): void {
  const isLeftover = (name: string) => {
    const owner = /^tsbgp-(\d+)-(\d+)-/.exec(name);
    return owner !== null && startTime(Number(owner[1])) !== owner[2];
  };
  for (const name of list("/run/netns").filter(isLeftover)) removeNamespace(name);
  for (const name of list(tmpdir()).filter(isLeftover)) removeDirectory(join(tmpdir(), name));
}

/** Every process in a lab's namespace is the lab's: some daemons leave their process group. */
function removeNamespace(namespace: string): void {
  const pids = spawnSync("ip", ["netns", "pids", namespace], { encoding: "utf8" });
  for (const pid of (pids.stdout ?? "").split("\n")) {
    if (Number(pid) > 1) killQuietly(Number(pid), "SIGKILL");
  }
  spawnSync("ip", ["netns", "delete", namespace]);
}

function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  if (pid === 0) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended on its own.
  }
}

let signalsHandled = false;

/** Have signals end the process with its "exit" event, in which everything is removed. */
export function endOnSignals(): void {
  if (signalsHandled) return;
  signalsHandled = true;
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
}

function inNamespace(namespace: string): string[] {
  return ["ip", "netns", "exec", namespace];
}

function ip(...args: string[]): void {
  ipInput("", args);
}

function ipBatch(namespace: string, commands: readonly string[]): void {
  ipInput(`${commands.join("\n")}\n`, ["-netns", namespace, "-batch", "-"]);
}

function ipInput(input: string, args: readonly string[]): void {
  const result = spawnSync("ip", args, { input, encoding: "utf8" });
  if (result.status !== 0) {
    throw new Error(`ip ${args.join(" ")}: ${result.stderr || result.error?.message}\n${input}`);
  }
}
