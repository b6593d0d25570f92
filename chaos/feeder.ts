/**
 * A scripted BGP peer: as a program, in a node's namespace, `node feeder.ts '[SESSION, ...]'`.
 *
 * Commands are lines on standard input, with a session's number:
 *     send N HEX       the messages, at once
 *     queue N HEX      one message behind those that are queued
 *     go MS COUNT      every MS milliseconds COUNT queued messages of each session
 *     stop             forget what is queued
 * Answers are lines: `up N`, `closed N`, `going`, `sent N COUNT` once the kernel has taken the
 * messages, with how many of the queue went before them, and
 * `stopped COUNT COUNT ...`, how many of its queue each session has sent.
 */
import { fileURLToPath } from "node:url";
import type { LabNode, LabProcess } from "../test/lab/netns.ts";
import { until } from "../test/lab/until.ts";
import { Peer } from "../testkit/peer.ts";

const BGP_PORT = 179;
const START_MS = 30_000;

export interface FeederSession {
  readonly host: string;
  readonly localAddress: string;
  readonly as: number;
  /** BGP Identifier, dotted. */
  readonly identifier: string;
  readonly family: "ipv4" | "ipv6";
}

/** The program, from outside. */
export class Feeder {
  private readonly process: LabProcess;
  private readonly sessions: number;

  private constructor(process: LabProcess, sessions: number) {
    this.process = process;
    this.sessions = sessions;
  }

  /** Returns when all sessions are up. */
  static async start(node: LabNode, sessions: readonly FeederSession[]): Promise<Feeder> {
    const program = fileURLToPath(import.meta.url);
    const started = node.spawn([process.execPath, program, JSON.stringify(sessions)]);
    const feeder = new Feeder(started, sessions.length);
    const isUp = (_: unknown, n: number) => feeder.lines().includes(`up ${n}`);
    await until(() => sessions.every(isUp), START_MS, "the scripted peers have sessions");
    return feeder;
  }

  /**
   * Returns when the kernel has taken the messages, or the session is closed.
   *
   * @returns how many messages of its queue the session had sent before
   */
  async send(session: number, messages: readonly Uint8Array[], timeoutMs: number): Promise<number> {
    const sent = () => this.lines().filter((line) => line.startsWith(`sent ${session} `));
    const before = sent().length;
    this.process.write(`send ${session} ${Buffer.concat(messages).toString("hex")}\n`);
    const isSent = () => sent().length > before || this.closed() > 0;
    await until(isSent, timeoutMs, "the messages are sent");
    return Number(sent().at(-1)?.split(" ")[2] ?? 0);
  }

  queue(session: number, messages: readonly Uint8Array[]): void {
    const lines = messages.map((one) => `queue ${session} ${Buffer.from(one).toString("hex")}\n`);
    this.process.write(lines.join(""));
  }

  /** Returns when the first messages have been sent. */
  async go(everyMs: number, count: number): Promise<void> {
    const going = () => this.lines().filter((line) => line === "going").length;
    const before = going();
    this.process.write(`go ${everyMs} ${count}\n`);
    await until(() => going() > before, START_MS, "the scripted peers begin");
  }

  /** @returns how many messages of its queue each session has sent since the last call */
  async stop(): Promise<number[]> {
    const answers = () => this.lines().filter((line) => line.startsWith("stopped"));
    const before = answers().length;
    this.process.write("stop\n");
    await until(() => answers().length > before, START_MS, "the scripted peers stop");
    const counts = answers().at(-1)!.split(" ").slice(1).map(Number);
    if (counts.length !== this.sessions) throw new Error("a scripted peer has lost its words");
    return counts;
  }

  /** Sessions that the speaker has closed. */
  closed(): number {
    if (this.process.ended() !== null) return this.sessions;
    return this.lines().filter((line) => line.startsWith("closed")).length;
  }

  private lines(): string[] {
    return this.process.output().split("\n").slice(0, -1);
  }
}

/** A session of the program. */
interface Running {
  readonly peer: Peer;
  queue: Buffer[];
  sent: number;
}

async function run(sessions: readonly FeederSession[]): Promise<void> {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const running = await Promise.all(
    sessions.map(async ({ family, ...session }, n): Promise<Running> => {
      // A full table takes longer to learn than a keepalive may be late.
      const options = { ...session, port: BGP_PORT, families: [family], holdTimeSeconds: 180 };
      const peer = await Peer.establish({ ...options, onUpdate: () => {} });
      say(`up ${n}`);
      return { peer, queue: [], sent: 0 };
    }),
  );
  const closed = new Set<number>();
  setInterval(() => {
    for (const [n, { peer }] of running.entries()) {
      if (!peer.closed || closed.has(n)) continue;
      closed.add(n);
      say(`closed ${n}`);
    }
  }, 50);
  let ticking: NodeJS.Timeout | undefined;
  const tick = (count: number) => {
    for (const one of running) {
      const messages = one.queue.splice(0, count);
      one.sent += messages.length;
      if (messages.length > 0) one.peer.send(Buffer.concat(messages));
    }
  };
  const commands: Readonly<Record<string, (...words: string[]) => void>> = {
    send: (n = "", hex = "") => {
      const { peer, sent } = running[Number(n)]!;
      peer.sendAll(Buffer.from(hex, "hex")).then(() => say(`sent ${n} ${sent}`));
    },
    queue: (n = "", hex = "") => running[Number(n)]!.queue.push(Buffer.from(hex, "hex")),
    go: (ms, count) => {
      ticking = setInterval(() => tick(Number(count)), Number(ms));
      say("going");
    },
    stop: () => {
      clearInterval(ticking);
      say(`stopped ${running.map(({ sent }) => sent).join(" ")}`);
      for (const one of running) Object.assign(one, { queue: [], sent: 0 });
    },
  };
  let typed = "";
  process.stdin.setEncoding("utf8").on("data", (text) => {
    const lines = (typed + text).split("\n");
    typed = lines.pop() ?? "";
    for (const line of lines) {
      const [command = "", ...words] = line.split(" ");
      commands[command]?.(...words);
    }
  });
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? "[]"));
