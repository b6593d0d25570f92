/** A forwarding module as a process, what the kernel has, and packets that go through it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../../../test/lab/until.ts";
import { OWNER } from "../../../../test/owner.ts";
import { MAIN, WAIT_MS } from "../../../../testkit/speaker.ts";
import { ask } from "../../../cli/src/control-client.ts";
import type { ShownForward } from "../../src/index.ts";

/** For packets that are on their way. */
const LOOKS = 20;
const LOOK_MS = 100;

/** Runs a command. @returns what it says; throws when it fails */
export function run(command: string, input = ""): string {
  const [program = "", ...words] = command.split(" ");
  const { status, stdout, stderr } = spawnSync(program, words, {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

/** @returns routes of protocol bgp in the main table, a line each */
export function bgpRoutes(family: "-4" | "-6" = "-4", table = "main"): string[] {
  const { stdout } = spawnSync("ip", [family, "route", "show", "table", table, "proto", "bgp"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return stdout.split("\n").filter((line) => line !== "");
}

export class Module {
  readonly socket: string;
  private readonly file: string;
  private child: ChildProcess | null = null;
  private output = "";

  constructor(directory: string, config: object) {
    this.file = join(directory, "forward.yaml");
    this.socket = join(directory, "forward.sock");
    this.configure(config);
  }

  configure(config: object): void {
    const filled = { control: { socket: this.socket }, forward: {}, ...config };
    writeFileSync(this.file, JSON.stringify(filled));
  }

  /** @param as - words of a command that runs the rest, such as setpriv */
  start(as: readonly string[] = []): void {
    const [program = "", ...words] = [...as, process.execPath, MAIN, "forward", "-c", this.file];
    const child = spawn(program, words, {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const keep = (text: string) => {
      this.output += text;
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    this.child = child;
  }

  signal(signal: NodeJS.Signals): void {
    this.child!.kill(signal);
  }

  /** Ends it. @returns how it ended */
  async end(signal: NodeJS.Signals): Promise<string> {
    const { child } = this;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return "gone";
    const gone = new Promise<string>((resolve) => {
      child.once("exit", (code, by) => resolve(by ?? `exit ${code}`));
    });
    child.kill(signal);
    return gone;
  }

  async shown(): Promise<ShownForward> {
    let shown: unknown;
    await ask(this.socket, { command: "show-forward" }, (item) => {
      shown = item;
    });
    return shown as ShownForward;
  }

  /** Waits for something to be shown. */
  async until(what: string, matches: (shown: ShownForward) => boolean): Promise<ShownForward> {
    let last: ShownForward | null = null;
    const isSo = async () => {
      last = await this.shown().catch(() => null);
      return last !== null && matches(last) ? last : null;
    };
    try {
      return await until(isSo, WAIT_MS, what);
    } catch (error) {
      const text = `${(error as Error).message}; shown: ${JSON.stringify(last)}`;
      throw new Error(`${text}\n${this.output}`);
    }
  }

  kill(): void {
    this.child?.kill("SIGKILL");
  }
}

/** A wire between a module and a server, which can be cut. */
export class Wire {
  private server: Server | null = null;
  private readonly sockets: Set<Socket> = new Set();
  private readonly path: string;
  private readonly target: string;

  constructor(path: string, target: string) {
    this.path = path;
    this.target = target;
    this.mend();
  }

  mend(): void {
    rmSync(this.path, { force: true });
    this.server = createServer((near) => {
      const far = connect(this.target);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.sockets.add(one);
        one.on("error", () => {});
        one.on("close", () => other.destroy());
        one.pipe(other);
      }
    }).listen(this.path);
  }

  cut(): void {
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }
}

/** What becomes of routes of protocol bgp, as the kernel tells it. */
export class RouteWatch {
  private readonly child: ChildProcess;
  private text = "";
  private marks = 0;

  constructor() {
    this.child = spawn("ip", ["-o", "-rcvbuf", "33554432", "monitor", "route"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.text += text;
    });
  }

  /** @returns what was told since this was asked last: once a later change of another protocol is heard, all of it is */
  async take(): Promise<string[]> {
    const mark = `203.0.113.${++this.marks}`;
    const isHeard = () => {
      // Until it is heard, as nobody may listen yet; and gone again, as to set what is there already is not told.
      run("ip -batch -", `route add unreachable ${mark} proto static\nroute del ${mark}\n`);
      return this.text.includes(`${mark} `);
    };
    await until(isHeard, WAIT_MS, "the kernel's changes are heard");
    const lines = this.text.split("\n").filter((line) => line.includes("proto bgp"));
    this.text = "";
    return lines;
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

const SOURCE = `
const dgram = require("node:dgram");
const socket = dgram.createSocket("udp4");
let sent = 0;
const octets = Buffer.alloc(64);
const timer = setInterval(() => {
  octets.writeUInt32BE(sent++);
  socket.send(octets, 4000, process.argv[1]);
}, 1);
process.stdin.once("data", () => {
  clearInterval(timer);
  setTimeout(() => console.log("sent " + sent), 300);
});
`;

/**
 * Two hosts on either side of this namespace: packets of one go to the other by a route of the module's. There the
 * kernel counts them, as nobody listens: no process can be too slow for it.
 *
 *     source 198.51.100.2 --- 198.51.100.1, here, 192.0.2.1 --- 192.0.2.99 destination, with its own addresses
 */
export class Hosts {
  private readonly names: readonly string[] = ["src", "dst"].map(
    (name) => `tsbgp-${OWNER}-${process.pid}-${name}`,
  );
  private source: ChildProcess | null = null;
  private said = "";

  /** @param destination - an address that packets are sent to */
  constructor(destination: string) {
    const [source, sink] = this.names as [string, string];
    for (const name of this.names) run(`ip netns add ${name}`);
    run(`ip link add src0 type veth peer name eth0 netns ${source}`);
    run(`ip link add dst0 type veth peer name eth0 netns ${sink}`);
    run(
      "ip -batch -",
      `address add 198.51.100.1/24 dev src0
address add 192.0.2.1/24 dev dst0
address add 2001:db8:2::1/64 dev dst0 nodad
link set src0 up
link set dst0 up
`,
    );
    run(
      `ip -netns ${source} -batch -`,
      `link set eth0 up
address add 198.51.100.2/24 dev eth0
route add default via 198.51.100.1
`,
    );
    run(
      `ip -netns ${sink} -batch -`,
      `link set eth0 up
link set lo up
address add 192.0.2.99/24 dev eth0
address add 192.0.2.98/24 dev eth0
address add ${destination}/32 dev lo
route add default via 192.0.2.1
`,
    );
    run("sysctl -qw net.ipv4.ip_forward=1");
  }

  /** Begins to send a packet a millisecond. */
  send(destination: string): void {
    const words = ["netns", "exec", this.names[0]!, process.execPath, "-e", SOURCE, destination];
    const child = spawn("ip", words, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.said += text;
    });
    this.source = child;
  }

  /** Ends it. @returns packets that were sent, and those that have come by then, or a little later */
  async counts(): Promise<{ sent: number; come: number }> {
    this.source!.stdin!.write("\n");
    const match = () => /sent (\d+)/.exec(this.said);
    const sent = Number((await until(match, WAIT_MS, "packets are counted"))[1]);
    for (let left = LOOKS; left > 0 && this.come() < sent; left--) await sleep(LOOK_MS);
    return { sent, come: this.come() };
  }

  /** @returns packets that have come */
  come(): number {
    const text = run(`ip netns exec ${this.names[1]} cat /proc/net/snmp`);
    const [names, numbers] = text.split("\n").filter((line) => line.startsWith("Udp: "));
    const at = names!.split(" ").indexOf("NoPorts");
    return Number(numbers!.split(" ")[at]);
  }

  remove(): void {
    this.source?.kill("SIGKILL");
    for (const name of this.names) spawnSync("ip", ["netns", "delete", name]);
  }
}
