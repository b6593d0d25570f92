/**
 * Ends of connections in a lab's namespaces, and what the other side knows of those that replicate.
 */

import { fileURLToPath } from "node:url";
import type { LabNode, LabProcess } from "../../../../test/lab/netns.ts";
import { type FrozenTcpState, octetsBetween, type TcpState } from "../../src/index.ts";
import type { ConnectionReport, TakeRequest } from "./end.ts";

const PROGRAM = fileURLToPath(new URL("end.ts", import.meta.url));
const ANSWER_TIMEOUT_MS = 180_000;

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
  readonly state: TcpState;
  received: number;
  appended: number;
}

/** What a process says of a connection that replicates, as soon as it is so. */
type EndEvent =
  | { readonly event: "state"; readonly id: number; readonly state: TcpState }
  | { readonly event: "received" | "appended"; readonly id: number; readonly total: number };

export class End {
  readonly node: LabNode;
  private readonly process: LabProcess;
  private readonly answers = new Map<number, Record<string, unknown>>();
  private readonly connections = new Map<number, Known>();
  private commands = 0;
  private rest = "";
  private isSilent = false;

  constructor(node: LabNode) {
    this.node = node;
    this.process = node.spawn([process.execPath, PROGRAM], {
      onOutput: (piece) => {
        if (piece === null) this.isSilent = true;
        else this.hear(piece);
      },
    });
  }

  get pid(): number {
    return this.process.pid;
  }

  async command<T = Record<string, unknown>>(command: string, fields: object = {}): Promise<T> {
    const number = ++this.commands;
    this.process.write(`${JSON.stringify({ number, command, ...fields })}\n`);
    await until(`answer to ${command}`, () => {
      if (this.answers.has(number)) return true;
      if (this.process.ended() === null) return false;
      throw new Error(`process ended: ${this.process.ended()}\n${this.process.output()}`);
    });
    const { answer: _, error, ...rest } = this.answers.get(number)!;
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

  /** SIGKILL; returns when the process is gone and all that it has said is known. */
  async kill(): Promise<void> {
    this.process.signal("SIGKILL");
    await until("end of the process", () => this.process.ended() !== null && this.isSilent);
  }

  /** Requests to take its connections over after its death. */
  requests(aliveMs: number): TakeRequest[] {
    return [...this.connections].map(([id, { state, received, appended }]) => ({
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
    return frozen.map(({ id, received, sent, state, unread }) => {
      // What Node.js still holds is not in the kernel's queue: only sequence numbers tell.
      const { sendSequence, receiveSequence } = this.connections.get(id)!.state;
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

  /** Keeps what it says; the last line may have come in part. */
  private hear(piece: string): void {
    const lines = (this.rest + piece).split("\n");
    this.rest = lines.pop()!;
    for (const line of lines) {
      const said = JSON.parse(line);
      if (said.event === undefined) this.answers.set(said.answer, said);
      else this.hearEvent(said);
    }
  }

  private hearEvent(said: EndEvent): void {
    if (said.event === "state") {
      this.connections.set(said.id, { state: said.state, received: 0, appended: 0 });
      return;
    }
    // Of a connection that it has taken over there is no state, and no request.
    const known = this.connections.get(said.id);
    if (known !== undefined) known[said.event] = said.total;
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
