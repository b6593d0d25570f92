/**
 * Ends of connections in a lab's namespaces, and what the other side knows of those that replicate.
 */

import { fileURLToPath } from "node:url";
import type { LabNode, LabProcess } from "../../../../test/lab/netns.ts";
import { type FrozenTcpState, octetsBetween, type TcpState } from "../../src/index.ts";
import type { ConnectionReport, TakeRequest } from "./end.ts";

const PROGRAM = fileURLToPath(new URL("end.ts", import.meta.url));
const ANSWER_TIMEOUT_MS = 15_000;

/** Why these tests cannot run here, or null. */
export const noLabReason = process.getuid?.() === 0 ? null : "needs root for network namespaces";

export interface Outcome {
  readonly id: number;
  readonly error?: string;
  readonly how?: string;
  readonly resumedAt?: number;
  readonly durationMs?: number;
}

/** What a standby knows of a connection. */
interface Known {
  state: TcpState;
  atMs: number;
  received: number;
  appended: number;
}

export class End {
  readonly node: LabNode;
  private readonly process: LabProcess;
  private commands = 0;

  constructor(node: LabNode) {
    this.node = node;
    this.process = node.spawn([process.execPath, PROGRAM]);
  }

  get pid(): number {
    return this.process.pid;
  }

  async command<T = Record<string, unknown>>(command: string, fields: object = {}): Promise<T> {
    const number = ++this.commands;
    this.process.write(`${JSON.stringify({ number, command, ...fields })}\n`);
    const mark = `{"answer":${number}`;
    let answer: string | undefined;
    await until(`answer to ${command}`, () => {
      answer = this.lines().findLast((line) => line.startsWith(`${mark},`) || line === `${mark}}`);
      if (answer === undefined && this.process.ended() !== null) {
        throw new Error(`process ended: ${this.process.ended()}\n${this.process.output()}`);
      }
      return answer !== undefined;
    });
    const { answer: _, error, ...rest } = JSON.parse(answer!) as Record<string, unknown>;
    if (error !== undefined) throw new Error(`${command}: ${error}`);
    return rest as T;
  }

  async report(): Promise<ConnectionReport[]> {
    const { connections } = await this.command<{ connections: ConnectionReport[] }>("report");
    return connections;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.signal(signal);
  }

  /** SIGKILL; returns when the process is gone. */
  async kill(): Promise<void> {
    this.process.signal("SIGKILL");
    await until("end of the process", () => this.process.ended() !== null);
  }

  /** What it has said of its connections, of which the last word may be missing. */
  known(): Map<number, Known> {
    const known = new Map<number, Known>();
    for (const line of this.lines()) {
      if (!line.startsWith('{"event"')) continue;
      const { event, id, state, total } = JSON.parse(line);
      if (event === "state") {
        known.set(id, { state, atMs: performance.now(), received: 0, appended: 0 });
      } else {
        const one = known.get(id)!;
        if (event === "received") one.received = total;
        else one.appended = total;
      }
    }
    return known;
  }

  /** Requests to take its connections over after its death. */
  requests(aliveMs: number): TakeRequest[] {
    return [...this.known()].map(([id, { state, received, appended }]) => ({
      id,
      state,
      received,
      acknowledged: 0,
      appended,
      inFlight: null,
      unread: "",
      elapsedMs: aliveMs,
    }));
  }

  /** Freezes its connections, and makes requests to take them over. */
  async freeze(): Promise<TakeRequest[]> {
    const { frozen } = await this.command<{
      frozen: {
        id: number;
        received: number;
        sent: number;
        state: FrozenTcpState;
        unread: string;
      }[];
    }>("freeze");
    const known = this.known();
    return frozen.map(({ id, received, sent, state, unread }) => {
      // What Node.js still holds is not in the kernel's queue: only sequence numbers tell.
      const { sendSequence, receiveSequence } = known.get(id)!.state;
      return {
        id,
        state: { ...state, sendSequence, receiveSequence },
        received,
        acknowledged: octetsBetween(sendSequence, state.sendSequence, sent),
        appended: sent,
        inFlight: state.unackedOctets - state.unsentOctets,
        unread,
        elapsedMs: 5,
      };
    });
  }

  private lines(): string[] {
    // The last piece is no whole line.
    return this.process.output().split("\n").slice(0, -1);
  }
}

/** Waits for something that must happen soon. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + ANSWER_TIMEOUT_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Counts segments with FIN or RST, and SYN, that reach a node from a port. */
export class SegmentCounter {
  private readonly node: LabNode;

  private constructor(node: LabNode) {
    this.node = node;
  }

  static async start(node: LabNode, port: number): Promise<SegmentCounter> {
    const rules = ["fin", "rst", "syn"].flatMap((flag) =>
      ["sport", "dport"].map(
        (end) => `tcp ${end} ${port} tcp flags & ${flag} == ${flag} counter comment "${flag}"`,
      ),
    );
    const head = ["table inet seen {", "chain input {", "type filter hook input priority 0;"];
    const input = [...head, ...rules, "}", "}\n"].join("\n");
    const { code, stderr } = await node.run(["nft", "-f", "-"], { input });
    if (code !== 0) throw new Error(stderr);
    return new SegmentCounter(node);
  }

  async count(...flags: string[]): Promise<number> {
    const { stdout } = await this.node.run(["nft", "list", "table", "inet", "seen"]);
    let sum = 0;
    for (const [, packets, flag] of stdout.matchAll(/packets (\d+) bytes \d+ comment "(\w+)"/g)) {
      if (flags.includes(flag!)) sum += Number(packets);
    }
    return sum;
  }
}
