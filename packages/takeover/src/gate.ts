/**
 * The gate: no peer is told that its octets have arrived before the standby has them.
 *
 *     kernel's TCP -> rule -> queue -> worker: acknowledges more than is released? -> wire
 *                                        ^ shared memory: flow -> released number
 *     main thread: release(flow, number), wake()
 *
 * The gate is a guard as well: FIN and RST of a protected flow never leave, and when the process
 * dies the kernel drops every packet, since nobody answers. A close that is meant is told by
 * `unprotect` first. A flow can be protected before it has a socket here: the answers of a kernel
 * that does not know it are dropped. With a lease, no packet at all leaves once that is over, whatever
 * the main thread is at; the worker of a process that was stopped and goes on looks at it first.
 */

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  type GateRules,
  installRules,
  removeAllRules,
  removeRules,
  rulesInPlace,
} from "./gate-rules.ts";
import {
  addFlow,
  COUNTERS,
  clearFlows,
  createFlowTable,
  type FlowSlot,
  type FlowTable,
  flowKey,
  releaseFlow,
  removeFlow,
  WORD_HELD,
  WORD_IDLE,
  WORD_OPEN,
  WORD_QUEUE,
  WORD_STOP,
} from "./gate-table.ts";
import type { GateWorkerData } from "./gate-worker.ts";
import type { Lease } from "./lease.ts";
import { check, libc } from "./libc.ts";
import { bindQueue } from "./nfqueue.ts";
import type { SocketAddress } from "./socket-address.ts";
import { ToolShell } from "./tool-shell.ts";

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

export interface GateOptions {
  /**
   * Number of the packet queue in this network namespace, 1 to 65,535; the same for both sides
   * where they share one.
   */
  readonly queue: number;
  /** Local addresses whose packets go through it, in their canonical form; all unless given. */
  readonly addresses?: readonly string[];
  readonly flowsMax: number;
  /** Nothing leaves when it is over; null for no end. */
  readonly lease?: Lease | null;
}

export interface GateCounters {
  readonly passed: number;
  /** Packets that had to wait. */
  readonly held: number;
  /** FIN and RST that were not meant. */
  readonly guarded: number;
  /** Dropped because too many were waiting. */
  readonly overflowed: number;
  /** Times the kernel had no room for the queue's messages, and dropped packets. */
  readonly overruns: number;
  /** Passed though it could not be read. */
  readonly unparsed: number;
  /** Dropped because the lease was over. */
  readonly fenced: number;
  /** Packets that wait now. */
  readonly waiting: number;
}

/** What becomes of the rules when a gate stops. */
export type GateEnd = "remove-rules" | "keep-rules";

export class Gate {
  /** Settles when the worker ends; rejects when it fails, and then nothing leaves any more. */
  readonly ended: Promise<void>;
  private readonly options: GateOptions;
  private readonly table: FlowTable;
  private readonly eventFd: number;
  private rules: GateRules | null = null;
  /** Ends with the attempt to have rules that is under way. */
  private installing: Promise<unknown> = Promise.resolve();
  private readonly shell: ToolShell;
  private isStopped = false;

  private constructor(
    options: GateOptions,
    table: FlowTable,
    eventFd: number,
    worker: Worker,
    shell: ToolShell,
  ) {
    this.options = options;
    this.shell = shell;
    this.table = table;
    this.eventFd = eventFd;
    this.ended = new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("exit", () => resolve());
    });
    // Nobody has to listen.
    this.ended.catch(() => {});
  }

  /** Starts the worker; nothing goes through it before `bind`. */
  static async start(options: GateOptions): Promise<Gate> {
    const { queue, flowsMax, lease = null } = options;
    const shell = new ToolShell();
    shell.start();
    const table = createFlowTable(flowsMax);
    Atomics.store(table.words, WORD_QUEUE, -1);
    const eventFd = check(libc().eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
    const workerData: GateWorkerData = {
      memory: table.memory,
      eventFd,
      queue,
      lease: lease?.memory ?? null,
    };
    const worker = new Worker(new URL("./gate-worker.ts", import.meta.url), { workerData });
    const gate = new Gate(options, table, eventFd, worker, shell);
    await once(worker, "online");
    return gate;
  }

  /**
   * Takes the packet queue, at once: a side that takes over in the same namespace calls it when the
   * other is dead.
   *
   * @throws KernelError while another process has it
   */
  bind(): void {
    Atomics.store(this.table.words, WORD_QUEUE, bindQueue(this.options.queue));
    this.wakeWorker();
  }

  /**
   * Puts the rules in place, and replaces those that are there, at once. With rules and no bound
   * queue nothing leaves. When that fails, the rules that this gate had before stay.
   *
   * @param ports - packets from and to these go through the gate
   * @throws GateRulesError
   */
  async installRules(
    ports: readonly number[],
  ): Promise<GateRules & { readonly hadLeftovers: boolean }> {
    const { queue, addresses = [] } = this.options;
    const installed = installRules({ queue, ports, addresses }, this.rules, this.shell);
    this.installing = installed.catch(() => {});
    const { rules, hadLeftovers } = await installed;
    this.rules = rules;
    return { ...rules, hadLeftovers };
  }

  /** Removes them: nothing goes through the gate from now on. The kernel drops what is in its queue. */
  async liftRules(): Promise<void> {
    await this.installing;
    if (this.rules === null) return;
    const removed = removeRules(this.rules, this.shell);
    this.installing = removed;
    this.rules = null;
    await removed;
  }

  /** @returns false when someone has removed the rules */
  async rulesInPlace(): Promise<boolean> {
    return this.rules !== null && (await rulesInPlace(this.rules, this.shell)) !== false;
  }

  /**
   * Protects a flow from now on; one that is protected already is moved.
   *
   * @param released - acknowledgement number that may be told: sequence number of the peer's next
   *   octet
   * @throws Error when there are too many
   */
  protect(local: SocketAddress, remote: SocketAddress, released: number): FlowSlot {
    return addFlow(this.table, flowKey(local, remote), released);
  }

  /** The flow is left to the kernel: what waits leaves, and so does a FIN or RST. */
  unprotect(flow: FlowSlot): void {
    removeFlow(this.table, flow);
    this.wake();
  }

  /**
   * More of a flow may be acknowledged. Takes effect on what waits with the next `wake`. The peer's
   * FIN has a sequence number too: it is released as one octet more.
   */
  release(flow: FlowSlot, released: number): void {
    releaseFlow(this.table, flow, released);
  }

  /**
   * Lets out what has been released; once after a number of them. A system call only when packets
   * wait.
   */
  wake(): void {
    if (Atomics.load(this.table.words, WORD_HELD) > 0) this.wakeWorker();
  }

  /** No packet waits any more: there is no standby. The guard stays. */
  open(): void {
    Atomics.store(this.table.words, WORD_OPEN, 1);
    this.wakeWorker();
  }

  /** Packets wait again. Every flow's released number has to be up to date before. */
  close(): void {
    Atomics.store(this.table.words, WORD_OPEN, 0);
  }

  counters(): GateCounters {
    const counted = COUNTERS.map((name, index) => [name, this.table.counters[index]!]);
    const waiting = Atomics.load(this.table.words, WORD_HELD);
    return { ...(Object.fromEntries(counted) as Omit<GateCounters, "waiting">), waiting };
  }

  /**
   * Ends the gate. With `remove-rules` everything may leave from now on, what waits included, and the
   * queue's rules go, whoever put them in place: for a clean stop of the side that has the packets. With
   * `keep-rules` nothing more leaves, what waits is dropped: another process takes over.
   */
  async stop(end: GateEnd): Promise<void> {
    // A tool that runs is not waited for.
    this.shell.end();
    await this.installing;
    if (end === "remove-rules") {
      this.open();
      const shell = new ToolShell();
      await removeAllRules(this.options.queue, shell);
      shell.end();
    }
    Atomics.store(this.table.words, WORD_STOP, 1);
    this.wakeWorker();
    // A worker that has failed leaves the descriptors as well.
    await this.ended.catch(() => {});
    this.isStopped = true;
    const queueFd = Atomics.load(this.table.words, WORD_QUEUE);
    if (queueFd >= 0) libc().close(queueFd);
    libc().close(this.eventFd);
  }

  /**
   * Gives up the queue and all flows, for another process to take them over, and keeps the worker: what
   * waits is dropped, the rules stay. Resolves when `bind` may be called again, by anyone.
   */
  async rest(): Promise<void> {
    const { words } = this.table;
    const queueFd = Atomics.load(words, WORD_QUEUE);
    Atomics.store(words, WORD_IDLE, 0);
    Atomics.store(words, WORD_QUEUE, -1);
    this.wakeWorker();
    const idle = Atomics.waitAsync(words, WORD_IDLE, 0);
    // A worker that has failed has let go as well, and is told of elsewhere.
    await Promise.race([idle.value, this.ended.catch(() => {})]);
    if (queueFd >= 0) libc().close(queueFd);
    clearFlows(this.table);
  }

  private wakeWorker(): void {
    // The number of a closed descriptor may be someone else's by now.
    if (this.isStopped) return;
    check(libc().write(this.eventFd, ONE, ONE.length), "eventfd");
  }
}
